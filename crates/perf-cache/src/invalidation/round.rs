//! Freeing what is dead, a few places at a time.
//!
//! An invalidation finds no entries, it only makes them dead. Each shard walks its places once
//! after it, in steps that insertions make; then nothing is left of it.

use super::patterns::Era;

/// How far a shard has come.
#[derive(Debug, Default)]
pub(crate) struct Round {
    next: usize,
    /// How many places from there on it has been at before.
    again: usize,
    /// What this round is for, while it goes on.
    target: Option<(u64, Era)>,
    done: u64,
}

/// What a step has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Look at the entry in this place, if there is one, for what was given until this era.
    Look(usize, Era),
    /// All places were looked at; none is of an era before this one.
    Over(Era),
}

impl Round {
    pub(crate) const fn new() -> Round {
        Round { next: 0, again: 0, target: None, done: 0 }
    }

    /// Whether a sweep was asked for that this shard has not made; `asked` is how many were.
    #[inline]
    pub(crate) const fn is_due(&self, asked: u64) -> bool {
        asked > self.done
    }

    /// Goes on, or begins for all sweeps that were asked for until now; `era` is asked for in the
    /// latter case and must be read after `asked` was.
    pub(crate) fn step(&mut self, places: usize, asked: u64, era: impl FnOnce() -> Era) -> Step {
        let (target, era) = *self.target.get_or_insert_with(|| (asked, era()));
        if self.next < places {
            self.next += 1;
            return Step::Look(self.next - 1, era);
        }
        self.next = 0;
        self.again = 0;
        self.target = None;
        self.done = target;
        Step::Over(era)
    }

    /// Whether so many places are all that it had to be at.
    pub(crate) const fn is_at(&self, places: usize) -> bool {
        self.next == places
    }

    /// Will look at what was in this place once more before it goes on.
    pub(crate) fn go_back_to(&mut self, place: usize) {
        self.again = self.next.saturating_sub(place);
        self.next = place;
    }

    /// How many places come next that it has been at before.
    pub(crate) fn come_again(&mut self) -> usize {
        std::mem::take(&mut self.again)
    }
}

/// How far the shards have come together.
#[derive(Debug)]
pub(crate) struct Rounds {
    swept: Box<[Era]>,
}

impl Rounds {
    pub(crate) fn new(shards: usize) -> Rounds {
        Rounds { swept: vec![Era::default(); shards].into_boxed_slice() }
    }

    /// A shard has ended a round; answers the era that all shards have reached.
    pub(crate) fn ended(&mut self, shard: usize, era: Era) -> Era {
        if let Some(swept) = self.swept.get_mut(shard)
            && era.is_after(*swept)
        {
            *swept = era;
        }
        let earlier = |one: Era, other: Era| if one.is_after(other) { other } else { one };
        self.swept.iter().copied().reduce(earlier).unwrap_or_default()
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
        let over = Step::Over(Era::new(2));
        assert_eq!(steps, [Step::Look(0, era()), Step::Look(1, era()), Step::Look(2, era()), over]);
        assert!(!round.is_due(3));
    }

    #[test]
    fn an_invalidation_within_a_round_asks_for_another() {
        let mut round = Round::new();
        assert_eq!(round.step(1, 1, Era::default), Step::Look(0, Era::default()));
        assert_eq!(round.step(1, 2, || Era::new(9)), Step::Over(Era::default()));
        assert!(round.is_due(2));
    }

    #[test]
    fn the_last_shard_decides() {
        let mut rounds = Rounds::new(2);
        assert_eq!(rounds.ended(0, Era::new(5)), Era::default());
        assert_eq!(rounds.ended(1, Era::new(4)), Era::new(4));
        assert_eq!(rounds.ended(1, Era::new(7)), Era::new(5));
    }
}
