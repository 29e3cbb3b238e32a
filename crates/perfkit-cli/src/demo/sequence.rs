//! Which page is asked for next, and in which coding: a seeded sequence.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};

/// An endless sequence of requests: pages by Zipf's law, codings as browsers and programs send
/// them. The same seed and number of pages give the same sequence.
#[derive(Debug)]
pub(crate) struct Sequence {
    rng: StdRng,
    popularity: Zipf<f64>,
    pages: usize,
}

/// One request of the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The index of the page; 0 is the most popular one.
    pub(crate) page: usize,
    /// The index into [`CODINGS`].
    pub(crate) coding: usize,
}

/// What clients accept, with its share in percent. Chromium and Firefox send the first, Safari the
/// second, older programs the third, scripts nothing.
pub(crate) const CODINGS: [(&str, u32); 4] =
    [("gzip, deflate, br, zstd", 78), ("gzip, deflate, br", 12), ("gzip", 6), ("", 4)];

/// The exponent of Zipf's law: the usual choice for web pages.
pub(crate) const SKEW: f64 = 0.99;

impl Sequence {
    /// A sequence over this many pages.
    ///
    /// # Panics
    ///
    /// If there are no pages.
    pub(crate) fn new(pages: usize, seed: u64) -> Sequence {
        let popularity = Zipf::new(pages as f64, SKEW).expect("there is at least one page");
        Sequence { rng: StdRng::seed_from_u64(seed), popularity, pages }
    }
}

impl Iterator for Sequence {
    type Item = Wish;

    fn next(&mut self) -> Option<Wish> {
        let rank = self.popularity.sample(&mut self.rng) as usize;
        let mut ticket: u32 = self.rng.random_range(0..100);
        let mut coding = 0;
        while ticket >= CODINGS[coding].1 {
            ticket -= CODINGS[coding].1;
            coding += 1;
        }
        Some(Wish { page: rank.clamp(1, self.pages) - 1, coding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_wishes() {
        let take = |seed| Sequence::new(1000, seed).take(500).collect::<Vec<_>>();
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }

    #[test]
    fn popularity_follows_zipf() {
        // With n = 1000 and s = 0.99 the first page has about 13 % of the requests and the second
        // about half of that.
        let mut counts = vec![0_u32; 1000];
        for wish in Sequence::new(1000, 1).take(100_000) {
            counts[wish.page] += 1;
        }
        assert!((11_500..14_500).contains(&counts[0]), "{}", counts[0]);
        assert!((5_500..7_500).contains(&counts[1]), "{}", counts[1]);
        assert!(counts[999] < 100);
    }

    #[test]
    fn shares_of_codings_are_complete() {
        assert_eq!(CODINGS.iter().map(|(_, share)| share).sum::<u32>(), 100);
        let identity = Sequence::new(10, 3).take(10_000).filter(|w| w.coding == 3).count();
        assert!((300..500).contains(&identity), "{identity}");
    }

    #[test]
    fn one_page_is_enough() {
        assert!(Sequence::new(1, 1).take(100).all(|wish| wish.page == 0));
    }
}
