//! What no policy can beat.

use super::marks::Greatest;
use super::trace::{NEVER, Trace, ratio};

/// The most hits that any policy can have, which is to know the future and keep what is used
/// soonest; with unit weights only, for with weights the optimum is hard to compute (NP-hard).
///
/// A new entry need not be kept, so it bounds policies with an admission filter too.
///
/// Source: Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
/// Journal 1966; Mattson, Gecsei, Slutz and Traiger, ibid. 1970, for the proof.
#[derive(Debug)]
pub struct Optimal<'a> {
    trace: &'a Trace,
    /// For each request, the next one for the same key.
    next: Vec<u32>,
}

impl<'a> Optimal<'a> {
    /// Finds for each request when its key is asked for again. O(requests) time, 4 bytes a request.
    #[must_use]
    pub fn new(trace: &'a Trace) -> Optimal<'a> {
        let requests = trace.requests();
        let mut next = vec![NEVER; requests.len()];
        let mut seen = vec![NEVER; trace.keys()];
        for (at, &key) in requests.iter().enumerate().rev() {
            next[at] = std::mem::replace(&mut seen[key as usize], at as u32);
        }
        Optimal { trace, next }
    }

    /// The most hits with room for so many entries. O(requests) time, a bit for each of them.
    #[must_use]
    pub fn hits(&self, entries: u64) -> u64 {
        // An entry is known by the place of its next use, so a hit is a place that is reached.
        let mut kept = Greatest::new(self.next.len());
        let (mut held, mut hits) = (0_u64, 0_u64);
        for (at, &next) in self.next.iter().enumerate() {
            if kept.remove(at) {
                hits += 1;
                held -= 1;
            }
            if next == NEVER {
                continue;
            }
            kept.insert(next as usize);
            held += 1;
            if held > entries
                && let Some(latest) = kept.greatest()
            {
                kept.remove(latest);
                held -= 1;
            }
        }
        hits
    }

    /// [`hits`](Optimal::hits) as a share of the requests, 0 to 1.
    #[must_use]
    pub fn hit_ratio(&self, entries: u64) -> f64 {
        ratio(self.hits(entries), self.trace)
    }
}
