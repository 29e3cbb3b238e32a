//! Freeing what is dead, a few places at a time.
//!
//! An invalidation finds no entries, it only makes them dead. Each shard walks its places once
//! after it, in steps that insertions make; then nothing is left of it.

use super::patterns::{Era, When};

/// How far a shard has come.
#[derive(Debug, Default)]
pub(crate) struct Round {
    next: usize,
    /// What this round is for, while it goes on.
    target: Option<When>,
    done: u64,
}

/// What a step has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Look at the entry in this place, if there is one.
    Look(usize),
    /// All places were looked at; the shard is swept for this.
    Over(When),
}

impl Round {
    pub(crate) const fn new() -> Round {
        Round { next: 0, target: None, done: 0 }
    }

    /// Whether there was an invalidation that this shard has not been swept for; `latest` is the
    /// number of the last one.
    #[inline]
    pub(crate) const fn is_due(&self, latest: u64) -> bool {
        latest > self.done
    }

    /// Goes on, or begins for what was invalidated until now; `era` is asked for in the latter case
    /// and must be read after `latest` was.
    pub(crate) fn step(&mut self, places: usize, latest: u64, era: impl FnOnce() -> Era) -> Step {
        let target = *self.target.get_or_insert_with(|| When { number: latest, era: era() });
        if self.next < places {
            self.next += 1;
            return Step::Look(self.next - 1);
        }
        self.next = 0;
        self.target = None;
        self.done = target.number;
        Step::Over(target)
    }
}

/// How far the shards have come together.
#[derive(Debug)]
pub(crate) struct Rounds {
    swept: Box<[When]>,
}

impl Rounds {
    pub(crate) fn new(shards: usize) -> Rounds {
        Rounds { swept: vec![When::default(); shards].into_boxed_slice() }
    }

    /// A shard has ended a round; answers what all have been swept for.
    pub(crate) fn ended(&mut self, shard: usize, when: When) -> When {
        if let Some(swept) = self.swept.get_mut(shard)
            && swept.number < when.number
        {
            *swept = when;
        }
        self.swept.iter().copied().min_by_key(|when| when.number).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_looks_at_each_place_once_and_then_rests() {
        let mut round = Round::new();
        assert!(!round.is_due(0));
        assert!(round.is_due(3));
        let era = || Era::new(2);
        let steps: Vec<_> = (0..4).map(|_| round.step(3, 3, era)).collect();
        let over = Step::Over(When { number: 3, era: Era::new(2) });
        assert_eq!(steps, [Step::Look(0), Step::Look(1), Step::Look(2), over]);
        assert!(!round.is_due(3));
    }

    #[test]
    fn an_invalidation_within_a_round_asks_for_another() {
        let mut round = Round::new();
        assert_eq!(round.step(1, 1, Era::default), Step::Look(0));
        let over = Step::Over(When { number: 1, era: Era::default() });
        assert_eq!(round.step(1, 2, || Era::new(9)), over);
        assert!(round.is_due(2));
    }

    #[test]
    fn the_last_shard_decides() {
        let mut rounds = Rounds::new(2);
        let when = |number| When { number, era: Era::new(number as u32) };
        assert_eq!(rounds.ended(0, when(5)), When::default());
        assert_eq!(rounds.ended(1, when(4)), when(4));
        assert_eq!(rounds.ended(1, when(7)), when(5));
    }
}
