//! Whether what is loaded ahead is used.

/// How the last predictions of one class fared, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guard {
    /// Ones were used; the latest lowest.
    history: u64,
    known: u32,
    /// Loaded, and not known yet whether it is used.
    pending: u32,
    held_back: u32,
}

impl Guard {
    /// Whether the last outcomes, or the lack of them, allow loading at will.
    pub(super) fn is_open(&self, least: f64) -> bool {
        self.known >= TRIALS && self.precision() >= least
    }

    /// Whether this prediction may be loaded; if so it is pending.
    pub(super) fn admit(&mut self, least: f64) -> bool {
        let admitted = if self.known < TRIALS {
            self.known + self.pending < TRIALS
        } else if self.is_open(least) {
            true
        } else {
            self.held_back = self.held_back.wrapping_add(1);
            self.held_back.is_multiple_of(ONE_IN)
        };
        self.pending += u32::from(admitted);
        admitted
    }

    /// What was pending is not loaded after all.
    pub(super) fn withdraw(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }

    /// What was pending was used, or not.
    pub(super) fn learn(&mut self, used: bool) {
        self.withdraw();
        self.history = self.history << 1 | u64::from(used);
        self.known = (self.known + 1).min(u64::BITS);
    }

    fn precision(&self) -> f64 {
        f64::from(self.history.count_ones()) / f64::from(self.known.max(1))
    }
}

/// Outcomes before a class is judged.
const TRIALS: u32 = 16;
/// The share of a closed class that is tried nevertheless.
const ONE_IN: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_a_trial_and_closes_when_it_fails() {
        let mut guard = Guard::default();
        let admitted = (0..100).filter(|_| guard.admit(0.5)).count();
        assert_eq!(admitted, 16, "nothing is known of these yet");
        (0..16).for_each(|_| guard.learn(true));
        assert!(guard.is_open(0.5) && (0..100).all(|_| guard.admit(0.5)));
        (0..100).for_each(|_| guard.learn(false));
        assert!(!guard.is_open(0.5));
        assert_eq!((0..640).filter(|_| guard.admit(0.5)).count(), 10);
        (0..33).for_each(|_| guard.learn(true));
        assert!(guard.is_open(0.5));
    }

    #[test]
    fn what_is_withdrawn_gives_its_trial_back() {
        let mut guard = Guard::default();
        for _ in 0..1_000 {
            assert!(guard.admit(0.5));
            guard.withdraw();
        }
    }
}
