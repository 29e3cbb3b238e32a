//! What [`Strategy::Auto`] chooses by: how long a value lives, what it costs to make it again, how
//! often it is asked for, how large it is.
//!
//! | what | rule | why |
//! |---|---|---|
//! | life | not in a tier where it lives for less than 1 000 of the tier's round trips | it would end before it is read there often enough to pay for the write |
//! | cost | not in a tier that takes more than twice as long as the loader did, unless it was asked for before, lately | making it again is the faster way to get it, and few ask |
//! | size | not in memory if it is more than an eighth of it, until it is asked for again | it would push out much that is asked for, perhaps for nothing; the disk has it |
//!
//! Cost and size are judged of what a loader made, since of what is put in nobody knows what it
//! cost. A round trip is the mean of those that were timed, each counting a sixteenth; before 64 of
//! them it is what the kind of the tier usually takes, and cost is not judged.

use super::held::Stamp;
use super::options::{Strategy, TierKind};
use perf_core::ByteSize;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// How long a tier takes to answer a value.
#[derive(Debug)]
pub(super) struct RoundTrip {
    nanos: AtomicU64,
    timed: AtomicU32,
}

impl RoundTrip {
    /// What such a tier usually takes.
    pub(super) fn usual(kind: TierKind) -> RoundTrip {
        let usual = match kind {
            TierKind::Disk => Duration::from_micros(100),
            TierKind::Remote => Duration::from_micros(500),
            TierKind::Cdn => Duration::from_millis(20),
            // Nothing is known of it.
            TierKind::Other => Duration::ZERO,
        };
        RoundTrip { nanos: AtomicU64::new(nanos(usual)), timed: AtomicU32::new(0) }
    }

    /// One took so long. Two at once may count as one.
    pub(super) fn note(&self, took: Duration) {
        let before = self.nanos.load(Ordering::Relaxed);
        let part = |n: u64| n / SHARE;
        let after = before.saturating_sub(part(before)).saturating_add(part(nanos(took)));
        self.nanos.store(after, Ordering::Relaxed);
        if !self.is_known() {
            self.timed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    fn is_known(&self) -> bool {
        self.timed.load(Ordering::Relaxed) >= ENOUGH
    }

    /// How long a value has to live to be worth a write.
    fn worth(&self) -> Duration {
        self.get().saturating_mul(TRIPS)
    }
}

/// How often keys were asked for beyond memory, of late: one key for each place of a table, where it
/// stays until others have come as often.
#[derive(Debug)]
pub(super) struct Lately(Box<[AtomicU32]>);

impl Lately {
    pub(super) fn new() -> Lately {
        Lately((0..PLACES).map(|_| AtomicU32::new(0)).collect())
    }

    /// A key is asked for; how often it was, this time included.
    pub(super) fn note(&self, hash: u64) -> u8 {
        let place = &self.0[hash as usize % PLACES];
        // The upper bits are whose it is, the lower ones how often. Two at once may count as one.
        let own = (hash >> 32) as u32 & !COUNT;
        let seen = place.load(Ordering::Relaxed);
        let (kept, answer) = match (seen & !COUNT == own, seen & COUNT) {
            (true, count) => {
                let count = (count + 1).min(COUNT);
                (own | count, count)
            }
            (false, 0 | 1) => (own | 1, 1),
            (false, count) => ((seen & !COUNT) | (count / 2), 1),
        };
        place.store(kept, Ordering::Relaxed);
        answer as u8
    }
}

/// What was known of a value when it was decided where it goes, and where it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// How many microseconds the loader took, at least one; zero if there was none.
    made_in: u32,
    /// How often it was asked for lately; zero if nobody looked.
    pub(super) asked: u8,
    /// Bits: the tiers beyond memory in which it is not kept, and [`NOT_NEAR`].
    out: u8,
}

/// The bit of memory.
const NOT_NEAR: u8 = 1 << 7;

impl Choice {
    /// Of a value that a loader made in that time.
    pub(super) fn made(made_in: Duration, asked: u8) -> Choice {
        let made_in = u32::try_from(made_in.as_micros()).unwrap_or(u32::MAX).max(1);
        Choice { made_in, asked, out: 0 }
    }

    /// How long the loader took, if one did.
    pub(super) fn made_in(self) -> Option<Duration> {
        (self.made_in > 0).then(|| Duration::from_micros(self.made_in.into()))
    }

    pub(super) fn keeps_out_of(&mut self, tier: usize) {
        if tier < TIERS {
            self.out |= 1 << tier;
        }
    }

    pub(super) fn keeps_from_memory(&mut self) {
        self.out |= NOT_NEAR;
    }

    pub(super) fn is_out_of(self, tier: usize) -> bool {
        tier < TIERS && self.out & 1 << tier != 0
    }

    pub(super) fn is_out_of_memory(self) -> bool {
        self.out & NOT_NEAR != 0
    }

    /// Whether it is rare by what is known.
    pub(super) fn is_rare(self) -> bool {
        self.made_in > 0 && self.asked <= 1
    }
}

/// Why a value is kept out of a tier beyond memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum KeptOut {
    /// Its strategy is another tier.
    Strategy(Strategy),
    Short {
        life: Duration,
        worth: Duration,
        trip: Duration,
    },
    Cheap {
        made_in: Duration,
        trip: Duration,
    },
}

impl KeptOut {
    /// What speaks against a tier of that kind, for a value that lives for so long from now on.
    pub(super) fn judge(
        (kind, trip): (TierKind, &RoundTrip),
        strategy: Strategy,
        life: Option<Duration>,
        choice: Choice,
    ) -> Option<KeptOut> {
        if !strategy.goes_to(kind) {
            return Some(KeptOut::Strategy(strategy));
        }
        if strategy != Strategy::Auto {
            return None;
        }
        let worth = trip.worth();
        if let Some(life) = life.filter(|life| *life < worth) {
            return Some(KeptOut::Short { life, worth, trip: trip.get() });
        }
        let made_in = choice.made_in().filter(|_| choice.is_rare() && trip.is_known())?;
        let is_slow = made_in.saturating_mul(CHEAP) < trip.get();
        is_slow.then(|| KeptOut::Cheap { made_in, trip: trip.get() })
    }
}

impl fmt::Display for KeptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeptOut::Strategy(_) => f.write_str("its strategy keeps it out"),
            KeptOut::Short { life, worth, trip } => write!(
                f,
                "it lives for {life:.1?}, and a write pays from {worth:.1?} on, {TRIPS} round trips \
                 of {trip:.1?}"
            ),
            KeptOut::Cheap { made_in, trip } => write!(
                f,
                "it was made in {made_in:.1?} where a round trip takes {trip:.1?}, and it was not \
                 asked for before, lately"
            ),
        }
    }
}

/// Whether a value of that weight stays out of memory of so many bytes, as long as it is rare.
pub(super) fn is_too_large(weight: u64, memory: Option<ByteSize>) -> bool {
    memory.is_some_and(|memory| weight > memory.as_u64() / LARGE)
}

/// Why it does.
pub(super) fn too_large(stamp: &Stamp, memory: ByteSize) -> String {
    let weight = ByteSize::from_bytes(stamp.weight);
    format!(
        "it weighs {weight}, more than an eighth of {memory}: it comes up when it is asked for again"
    )
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Of the mean, what a round trip counts for.
const SHARE: u64 = 16;
/// Round trips after which their mean is known.
const ENOUGH: u32 = 64;
/// Round trips that a value has to live.
const TRIPS: u32 = 1_000;
/// How many times as long as the loader a tier has to take for it to be the slower way.
const CHEAP: u32 = 2;
/// A larger part of memory is large.
const LARGE: u64 = 8;
/// Keys that are remembered at most: 16 KiB.
const PLACES: usize = 4_096;
/// The bits of a place that count.
const COUNT: u32 = 0xff;
/// The tiers of which can be said that a value is kept out: those beyond take what they are given.
const TIERS: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_usual_ones_until_they_are_timed() {
        let trip = RoundTrip::usual(TierKind::Remote);
        assert_eq!((trip.get(), trip.is_known()), (Duration::from_micros(500), false));
        for _ in 0..200 {
            trip.note(Duration::from_millis(2));
        }
        let mean = trip.get();
        assert!(trip.is_known() && mean > Duration::from_micros(1_900), "{mean:?}");
        assert!(mean <= Duration::from_millis(2), "{mean:?}");
    }

    #[test]
    fn keys_are_counted_until_others_come_as_often() {
        let lately = Lately::new();
        let (one, other) = (1 << 60 | 5, 2 << 60 | 5);
        assert_eq!([(); 4].map(|()| lately.note(one)), [1, 2, 3, 4]);
        assert_eq!([lately.note(other), lately.note(other), lately.note(other)], [1, 1, 1]);
        assert_eq!(lately.note(other), 2, "the place is another's now");
        (0..300).for_each(|_| _ = lately.note(7));
        assert_eq!(lately.note(7), 255);
    }

    #[test]
    fn each_rule_holds_where_it_says() {
        let trip = RoundTrip::usual(TierKind::Disk);
        let disk = (TierKind::Disk, &trip);
        let none = Choice::default();
        let ms = Duration::from_millis;
        let judge = |life, choice| KeptOut::judge(disk, Strategy::Auto, life, choice);
        assert_eq!(judge(None, none), None);
        assert_eq!(judge(Some(ms(100)), none), None);
        let short = judge(Some(ms(99)), none).unwrap().to_string();
        assert!(
            short.contains("99.0ms") && short.contains("1000 round trips of 100.0µs"),
            "{short}"
        );
        let cheap = Choice::made(Duration::from_micros(10), 1);
        assert_eq!(judge(None, cheap), None, "nothing was timed yet");
        (0..ENOUGH).for_each(|_| trip.note(Duration::from_micros(100)));
        let because = judge(None, cheap).unwrap().to_string();
        assert!(because.contains("made in 10.0µs"), "{because}");
        assert_eq!(judge(None, Choice::made(Duration::from_micros(10), 2)), None);
        assert_eq!(judge(None, Choice::made(Duration::from_micros(60), 1)), None);
        assert_eq!(judge(None, none), None, "nobody knows what it cost");
        let forced = KeptOut::judge(disk, Strategy::Disk, Some(ms(1)), cheap);
        assert_eq!(forced, None);
        let elsewhere = KeptOut::judge(disk, Strategy::Remote, None, none);
        assert_eq!(elsewhere, Some(KeptOut::Strategy(Strategy::Remote)));
    }

    #[test]
    fn memory_and_seven_tiers_can_be_kept_out_of() {
        let mut choice = Choice::default();
        (0..9).for_each(|tier| choice.keeps_out_of(tier));
        assert!((0..7).all(|tier| choice.is_out_of(tier)) && !choice.is_out_of(7));
        assert!(!choice.is_out_of_memory());
        choice.keeps_from_memory();
        assert!(choice.is_out_of_memory() && !choice.is_out_of(7));
    }
}
