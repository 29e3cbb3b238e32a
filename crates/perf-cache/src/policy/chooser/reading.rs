//! Whether what is missed comes in.

/// How many misses bring their key into the cache: all where it is read through, none where what it
/// holds is written by others.
#[derive(Debug)]
pub(super) struct ReadThrough {
    /// The last keys that were missed and have not come in.
    missed: [Option<u32>; AWAITED],
    next: usize,
    /// The share, as it was lately.
    share: f64,
    /// What is due of it; one at most.
    due: f64,
}

impl ReadThrough {
    pub(super) const fn new() -> ReadThrough {
        ReadThrough { missed: [None; AWAITED], next: 0, share: 1.0, due: 1.0 }
    }

    pub(super) fn missed(&mut self, hash: u32) {
        let oldest = self.missed[self.next].replace(hash);
        self.next = (self.next + 1) % AWAITED;
        if oldest.is_some() {
            self.share -= self.share / LATELY;
        }
    }

    pub(super) fn filled(&mut self, hash: u32) {
        if let Some(missed) = self.missed.iter_mut().find(|missed| **missed == Some(hash)) {
            *missed = None;
            self.share += (1.0 - self.share) / LATELY;
        }
    }

    /// Whether the next miss of a shadow is one of those.
    pub(super) fn fills(&mut self) -> bool {
        self.due += self.share;
        let is_due = self.due >= 1.0;
        if is_due {
            self.due -= 1.0;
        }
        is_due
    }
}

/// Misses of which it is not known yet whether their keys come in.
const AWAITED: usize = 32;
/// Misses by which their share is judged.
const LATELY: f64 = 128.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_misses_that_come_in_is_known() {
        let share = |comes: fn(u32) -> bool| {
            let mut reading = ReadThrough::new();
            for key in 0..2_000 {
                reading.missed(key);
                reading.filled(1_000_000 + key);
                if comes(key) {
                    reading.filled(key);
                }
            }
            (0..100).filter(|_| reading.fills()).count()
        };
        assert_eq!((share(|_| true), share(|_| false)), (100, 1));
        let half = share(|key| key % 2 == 0);
        assert!((45..=56).contains(&half), "{half}");
    }
}
