//! URLs whose answers were lately not worth storing.

use super::near::number;
use perf_core::Instant;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests for such URLs need not wait for one another, and may keep their own conditions.
///
/// A lossy table of fixed size: a mark may be forgotten, and a stranger may look marked; both cost
/// time only.
pub(crate) struct Passes {
    /// The upper bits of the number, and the second in which the mark ends.
    marks: Box<[AtomicU64]>,
}

impl Passes {
    pub(crate) fn new() -> Passes {
        Passes { marks: (0..PASSES).map(|_| AtomicU64::new(0)).collect() }
    }

    /// `class` tells requests for one URL apart that are judged differently.
    pub(crate) fn has(&self, key: &str, class: u64, now: Instant) -> bool {
        let number = number(key) ^ class;
        // Relaxed: a mark says nothing about other memory.
        let mark = self.at(number).load(Ordering::Relaxed);
        mark >> 32 == number >> 32 && mark & LOW > seconds(now)
    }

    pub(crate) fn set(&self, key: &str, class: u64, now: Instant) {
        let number = number(key) ^ class;
        let until = (seconds(now) + PASS_SECONDS) & LOW;
        self.at(number).store(number & !LOW | until, Ordering::Relaxed);
    }

    pub(crate) fn unset(&self, key: &str, class: u64) {
        let number = number(key) ^ class;
        let at = self.at(number);
        if at.load(Ordering::Relaxed) >> 32 == number >> 32 {
            at.store(0, Ordering::Relaxed);
        }
    }

    fn at(&self, number: u64) -> &AtomicU64 {
        &self.marks[number as usize % PASSES]
    }
}

fn seconds(at: Instant) -> u64 {
    at.as_nanos() / 1_000_000_000
}

const LOW: u64 = 0xffff_ffff;
const PASSES: usize = 4096;
const PASS_SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_ends_by_time_or_by_word() {
        let passes = Passes::new();
        let at = |s: u64| Instant::from_nanos(s * 1_000_000_000);
        assert!(!passes.has("a", 1, at(5)));
        passes.set("a", 1, at(5));
        assert!(passes.has("a", 1, at(64)));
        assert!(!passes.has("a", 1, at(65)));
        assert!(!passes.has("a", 2, at(6)) && !passes.has("b", 1, at(6)));
        passes.unset("b", 1);
        assert!(passes.has("a", 1, at(6)));
        passes.unset("a", 1);
        assert!(!passes.has("a", 1, at(6)));
    }
}
