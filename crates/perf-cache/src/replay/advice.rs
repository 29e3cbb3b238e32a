//! Which size and which policy the results speak for.

use std::collections::BTreeMap;

/// What one policy hit at one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured<'a> {
    /// The size, in entries or in bytes, but in the same unit in all of a row.
    pub size: u64,
    /// The name of the policy.
    pub policy: &'a str,
    /// Its hit ratio, 0 to 1.
    pub hit_ratio: f64,
}

/// A size and a policy, with the figures that speak for them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recommendation {
    /// The size.
    pub size: u64,
    /// The policy.
    pub policy: String,
    /// What it hits there, 0 to 1.
    pub hit_ratio: f64,
    /// The policy that hits most at this size, and how much. Another one than
    /// [`policy`](Recommendation::policy) where that one is adaptive and as good as this.
    pub best: (String, f64),
    /// The next smaller size that was tried, and the best hit ratio there.
    pub smaller: Option<(u64, f64)>,
    /// The next larger one, which may be room for everything.
    pub larger: Option<(u64, f64)>,
    /// Whether this is room for everything, where no policy matters.
    pub is_everything: bool,
}

impl Recommendation {
    /// The points of hit ratio that each doubling brought on the way from the next smaller size.
    #[must_use]
    pub fn gain_before(&self) -> Option<f64> {
        self.smaller.map(|(size, ratio)| per_doubling((size, ratio), (self.size, self.best.1)))
    }

    /// The points of hit ratio that each doubling would bring on the way to the next larger size.
    #[must_use]
    pub fn gain_after(&self) -> Option<f64> {
        self.larger.map(|(size, ratio)| per_doubling((self.size, self.best.1), (size, ratio)))
    }
}

fn per_doubling(from: (u64, f64), to: (u64, f64)) -> f64 {
    (to.1 - from.1) / doublings(from.0, to.0)
}

fn doublings(from: u64, to: u64) -> f64 {
    (to as f64 / from.max(1) as f64).log2()
}

/// A doubling of the size is worth its memory in any case while it spares this share of the misses.
const WORTH: f64 = 0.2;
/// The policy that finds out by itself gets the preference within this distance of the best.
const NEAR: f64 = 0.01;
/// Its name.
const ADAPTIVE: &str = "adaptive";

/// Recommends the knee of the curve of the best hits: the size beyond which an entry brings less
/// than all entries bring on the mean, so that the curve is farthest above the straight line to room
/// for everything. Or a larger size, if from the knee some doubling, over however many sizes, spares
/// a fifth of the misses: looking at the whole rest and not at the next step keeps it from stopping
/// on the plain before a cliff, where a loop begins to fit.
///
/// There the policy that hits most, or the adaptive one if it is within a point of that: what was
/// recorded is not what will come.
///
/// `everything` is the size at which nothing is ever evicted, and the hit ratio there. Without any
/// result at a smaller size, there is nothing to recommend but that.
///
/// Source: Satopää, Albrecht, Irwin and Raghavan, "Finding a Kneedle in a haystack", ICDCSW 2011 (the
/// knee as the farthest point from the line).
#[must_use]
pub fn recommend(results: &[Measured<'_>], everything: (u64, f64)) -> Option<Recommendation> {
    let mut best: BTreeMap<u64, (&str, f64)> = BTreeMap::new();
    for one in results.iter().filter(|one| one.size > 0 && one.size < everything.0) {
        let known = best.entry(one.size).or_insert((one.policy, one.hit_ratio));
        if one.hit_ratio > known.1 {
            *known = (one.policy, one.hit_ratio);
        }
    }
    let mut steps: Vec<(u64, f64)> =
        best.iter().map(|(size, (_, ratio))| (*size, *ratio)).collect();
    steps.push(everything);
    let spares = |from: &(u64, f64), to: &(u64, f64)| {
        let (before, after) = (1.0 - from.1, 1.0 - to.1);
        // What remains of the misses after each doubling, if all of them are alike.
        before > 0.0 && (after / before).max(0.0).powf(1.0 / doublings(from.0, to.0)) < 1.0 - WORTH
    };
    let above = |step: &(u64, f64)| {
        step.1 / everything.1.max(f64::MIN_POSITIVE) - step.0 as f64 / everything.0 as f64
    };
    // The first of those that are equally far.
    let knee =
        (0..steps.len()).rev().max_by(|a, b| above(&steps[*a]).total_cmp(&above(&steps[*b])))?;
    let at = (knee..steps.len())
        .find(|&at| !steps[at + 1..].iter().any(|larger| spares(&steps[at], larger)))?;
    let (size, ratio) = steps[at];
    let known = |policy: &str| {
        results.iter().find(|one| one.size == size && one.policy == policy).map(|o| o.hit_ratio)
    };
    let is_everything = at + 1 == steps.len();
    let (winner, _) = best.get(&size).copied().unwrap_or((ADAPTIVE, ratio));
    let (policy, hit_ratio) = match known(ADAPTIVE) {
        Some(adaptive) if adaptive >= ratio - NEAR => (ADAPTIVE, adaptive),
        _ => (winner, ratio),
    };
    Some(Recommendation {
        size,
        policy: policy.to_owned(),
        hit_ratio,
        best: (winner.to_owned(), ratio),
        smaller: at.checked_sub(1).map(|before| steps[before]),
        larger: steps.get(at + 1).copied(),
        is_everything,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(policy: &str, ratios: [(u64, f64); 4]) -> Vec<Measured<'_>> {
        ratios.map(|(size, hit_ratio)| Measured { size, policy, hit_ratio }).to_vec()
    }

    #[test]
    fn stops_at_the_knee() {
        let results = row("lru", [(100, 0.4), (200, 0.5), (400, 0.6), (800, 0.66)]);
        // Less than a mean entry from 200 on: 0.1 for 200, of 0.7 for 1 600.
        let advice = recommend(&results, (1_600, 0.7)).unwrap();
        assert_eq!((advice.size, advice.policy.as_str(), advice.hit_ratio), (400, "lru", 0.6));
        assert!((advice.gain_before().unwrap() - 0.1).abs() < 1e-9);
        assert!((advice.gain_after().unwrap() - 0.06).abs() < 1e-9);
        assert!(!advice.is_everything);
    }

    #[test]
    fn goes_on_while_doublings_spare_a_fifth() {
        // The knee is the first, which has the hot keys; then a loop fits better and better.
        let results = row("adaptive", [(10, 0.33), (100, 0.4), (400, 0.55), (800, 0.62)]);
        let advice = recommend(&results, (1_600, 0.95)).unwrap();
        assert!(advice.is_everything && advice.size == 1_600);
    }

    #[test]
    fn nothing_to_hit_needs_no_room() {
        let results = row("lru", [(10, 0.0), (100, 0.0), (400, 0.0), (800, 0.0)]);
        assert_eq!(recommend(&results, (1_000, 0.0)).unwrap().size, 10);
    }

    #[test]
    fn sees_the_cliff_behind_the_plain() {
        let results = row("lru", [(100, 0.0), (200, 0.0), (400, 0.0), (800, 0.0)]);
        let advice = recommend(&results, (1_000, 0.99)).unwrap();
        assert!(advice.is_everything);
        assert_eq!((advice.size, advice.smaller), (1_000, Some((800, 0.0))));
        assert_eq!((advice.larger, advice.gain_after()), (None, None));
    }

    #[test]
    fn what_adapts_is_preferred_within_a_point() {
        let best = row("s3-fifo", [(100, 0.5), (200, 0.501), (400, 0.501), (800, 0.501)]);
        for (ratio, policy) in [(0.495, "adaptive"), (0.48, "s3-fifo")] {
            let one = Measured { size: 100, policy: "adaptive", hit_ratio: ratio };
            let all: Vec<Measured<'_>> = best.iter().copied().chain([one]).collect();
            let advice = recommend(&all, (16_000, 0.502)).unwrap();
            assert_eq!((advice.size, advice.policy.as_str()), (100, policy));
            assert_eq!(advice.best, ("s3-fifo".to_owned(), 0.5));
        }
    }

    #[test]
    fn nothing_measured_leaves_everything() {
        let advice = recommend(&[], (10, 0.5)).unwrap();
        assert!(advice.is_everything);
        let useless = row("lru", [(0, 0.1), (10, 0.2), (20, 0.2), (30, 0.2)]);
        assert_eq!(recommend(&useless, (10, 0.5)).unwrap().size, 10);
    }
}
