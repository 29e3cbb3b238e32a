//! The best hit ratio that any cache could reach on a sequence of requests.

use std::collections::BTreeSet;

/// The best possible on one sequence, and how it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Best {
    /// Hits over requests.
    pub(crate) hit_ratio: f64,
    /// How it was found.
    pub(crate) method: &'static str,
}

/// The pages fit into the cache: every first request of a page is a miss, all others can be hits.
const FITS: &str = "every first request of a page is a miss";
/// They do not: the page whose next request is farthest goes first.
const BELADY: &str = "Belady's rule, by bytes";

/// The best possible hit ratio of a cache of `capacity` bytes on `order`, a sequence of indices
/// into `sizes`.
///
/// Where the pages do not all fit, Belady's rule is applied: what is needed again last is dropped
/// first. With pages of different sizes it is the usual estimate of the optimum rather than a bound.
/// O(n log n).
pub(crate) fn best_possible(order: &[u32], sizes: &[u64], capacity: u64) -> Best {
    let mut seen = vec![false; sizes.len()];
    let (mut distinct, mut bytes) = (0_usize, 0_u64);
    for &page in order {
        let page = page as usize;
        if !seen[page] {
            seen[page] = true;
            distinct += 1;
            bytes += sizes[page];
        }
    }
    let (hits, method) = if bytes <= capacity {
        (order.len() - distinct, FITS)
    } else {
        (belady(order, sizes, capacity), BELADY)
    };
    let hit_ratio = if order.is_empty() { 0.0 } else { hits as f64 / order.len() as f64 };
    Best { hit_ratio, method }
}

fn belady(order: &[u32], sizes: &[u64], capacity: u64) -> usize {
    const NEVER: usize = usize::MAX;
    let mut next_use = vec![NEVER; order.len()];
    let mut last_seen = vec![NEVER; sizes.len()];
    for (at, &page) in order.iter().enumerate().rev() {
        next_use[at] = last_seen[page as usize];
        last_seen[page as usize] = at;
    }
    // Pages in the cache by their next use; the last one goes first.
    let mut held = BTreeSet::new();
    let mut key_of: Vec<Option<usize>> = vec![None; sizes.len()];
    let (mut used, mut hits) = (0_u64, 0);
    for (at, &page) in order.iter().enumerate() {
        let size = sizes[page as usize];
        if let Some(key) = key_of[page as usize].take() {
            hits += 1;
            held.remove(&(key, page));
            used -= size;
        }
        if next_use[at] == NEVER || size > capacity {
            continue;
        }
        held.insert((next_use[at], page));
        key_of[page as usize] = Some(next_use[at]);
        used += size;
        while used > capacity {
            let Some((_, dropped)) = held.pop_last() else { break };
            key_of[dropped as usize] = None;
            used -= sizes[dropped as usize];
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn with_room_for_all_only_first_requests_miss() {
        let best = best_possible(&[0, 1, 0, 2, 0, 1], &[10, 10, 10], 30);
        assert_eq!(best, Best { hit_ratio: 0.5, method: FITS });
        assert_eq!(best_possible(&[], &[], 0).hit_ratio, 0.0);
    }

    #[test]
    fn a_page_larger_than_the_cache_never_hits() {
        assert_eq!(best_possible(&[0, 0, 1, 1], &[100, 1], 10).hit_ratio, 0.25);
    }

    /// The most hits of any policy for pages of one size, by trying every choice.
    fn most_hits(order: &[u32], held: &HashSet<u32>, room: usize) -> usize {
        let Some((&page, rest)) = order.split_first() else { return 0 };
        if held.contains(&page) {
            return 1 + most_hits(rest, held, room);
        }
        let mut best = most_hits(rest, held, room);
        let mut with = held.clone();
        with.insert(page);
        if with.len() <= room {
            return best.max(most_hits(rest, &with, room));
        }
        for dropped in held {
            let mut without = with.clone();
            without.remove(dropped);
            best = best.max(most_hits(rest, &without, room));
        }
        best
    }

    #[test]
    fn agrees_with_trying_everything() {
        for seed in 0..40 {
            let order: Vec<u32> = super::super::sequence::Sequence::new(5, seed)
                .take(10)
                .map(|wish| wish.page as u32)
                .collect();
            for room in 1..4 {
                let expected = most_hits(&order, &HashSet::new(), room);
                assert_eq!(belady(&order, &[1; 5], room as u64), expected, "{order:?} {room}");
            }
        }
    }
}
