//! Which tiers an entry goes to: by its strategy, and where that is auto by what it is worth there.

use super::store::Store;
use super::{Texts, builder, text};
use perf_cache::disk::{Put, PutTerms};
use perf_cache::tiered::{
    DiskTier, KeyState, OuterTier, Strategy, TierError, TierGet, TierKind, TierUsage, WritePolicy,
};
use perf_cache::{Cache, Terms};
use perf_core::{ByteSize, Clock, ManualClock};
use std::sync::Arc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A tier of any kind, to which a read takes so long.
#[derive(Debug)]
struct Far {
    kind: TierKind,
    within: DiskTier,
    takes: Duration,
    hand: ManualClock,
}

impl OuterTier for Far {
    fn name(&self) -> &'static str {
        match self.kind {
            TierKind::Disk => "disk",
            TierKind::Remote => "remote",
            TierKind::Cdn => "cdn",
            _ => "other",
        }
    }
    fn kind(&self) -> TierKind {
        self.kind
    }
    fn is_prompt(&self) -> bool {
        true
    }
    fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<TierGet, TierError> {
        self.hand.advance(self.takes);
        self.within.try_get(key, into)
    }
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, TierError> {
        self.within.get(key, into)
    }
    fn contains(&self, key: &[u8]) -> Result<bool, TierError> {
        self.within.contains(key)
    }
    fn put(&self, key: &[u8], bytes: &[u8], terms: PutTerms) -> Result<Put, TierError> {
        self.within.put(key, bytes, terms)
    }
    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        self.within.remove(key)
    }
    fn clear(&self) -> Result<u64, TierError> {
        self.within.clear()
    }
    fn usage(&self) -> TierUsage {
        self.within.usage()
    }
    fn set_max_bytes(&self, bytes: u64) {
        self.within.set_max_bytes(bytes);
    }
    fn close(&self) -> Result<u64, TierError> {
        self.within.close()
    }
}

struct Tiers {
    cache: Texts,
    hand: ManualClock,
}

/// Memory of 64 KiB over tiers of these kinds, each of which takes that long.
fn over(kinds: &[(TierKind, Duration)], chooses: bool) -> Tiers {
    let (clock, hand) = Clock::manual();
    let memory = Cache::builder().max_bytes(ByteSize::kib(64)).insight(false);
    let mut builder = builder().memory(memory).clock(clock).choose_tiers(chooses);
    for (kind, takes) in kinds {
        let within = DiskTier::prompt(Store::new() as _);
        let (kind, takes, hand) = (*kind, *takes, hand.clone());
        builder = builder.tier(Arc::new(Far { kind, within, takes, hand }));
    }
    Tiers { cache: builder.build().unwrap(), hand }
}

fn places(cache: &Texts, key: &str) -> Vec<&'static str> {
    let tiers = cache.explain(key).tiers;
    tiers.iter().filter(|tier| tier.state == KeyState::Held).map(|tier| tier.tier).collect()
}

const ALL: [(TierKind, Duration); 3] = [
    (TierKind::Disk, Duration::ZERO),
    (TierKind::Remote, Duration::ZERO),
    (TierKind::Cdn, Duration::ZERO),
];

#[test]
fn a_strategy_names_the_tier_and_what_comes_back_stays_there() {
    let Tiers { cache, .. } = over(&ALL, true);
    for strategy in [Strategy::Disk, Strategy::Remote, Strategy::Cdn, Strategy::Memory] {
        let key = strategy.name();
        cache.insert_with(text(key), text("value"), strategy);
        assert_eq!(places(&cache, key), [key]);
        // A read takes it nowhere else.
        assert_eq!(cache.get(key), Some(text("value")));
        assert_eq!(places(&cache, key), [key]);
        assert_eq!(cache.explain(key).strategy, Some(strategy));
    }
    cache.insert(text("all"), text("value"));
    assert_eq!(places(&cache, "all"), ["memory", "disk", "remote", "cdn"]);
    cache.insert_with(text("all"), text("another"), Strategy::Remote);
    assert_eq!((places(&cache, "all"), cache.get("all")), (vec!["remote"], Some(text("another"))));
    let Tiers { cache, .. } = over(&[(TierKind::Disk, Duration::ZERO)], true);
    cache.insert_with(text("a"), text("value"), Strategy::Cdn);
    assert_eq!(cache.get("a"), None, "there is no such tier");
    let Tiers { cache, .. } = over(&[(TierKind::Other, Duration::ZERO)], true);
    cache.insert_with(text("a"), text("value"), Strategy::Cdn);
    assert_eq!(places(&cache, "a"), ["other"]);
}

#[test]
fn what_ends_soon_is_kept_near() {
    let Tiers { cache, .. } = over(&ALL, true);
    let kept = |life: Duration| {
        cache.insert_with(text("a"), text("value"), Terms::new().time_to_live(life));
        places(&cache, "a")
    };
    assert_eq!(kept(20_000 * MS), ["memory", "disk", "remote", "cdn"]);
    assert_eq!(kept(19_999 * MS), ["memory", "disk", "remote"]);
    let explained = cache.explain("a").tiers[3].because.clone();
    assert!(explained.contains("lives for 20.0s, and a write pays from 20.0s on"), "{explained}");
    assert_eq!(kept(499 * MS), ["memory", "disk"]);
    assert_eq!(kept(99 * MS), ["memory"]);
    let explained = cache.explain("a").tiers[1].because.clone();
    assert!(explained.contains("1000 round trips of 100.0µs"), "{explained}");
    // Where it has nothing else it stays where it is told to.
    let disk = perf_cache::tiered::TieredTerms::from(Strategy::Disk);
    cache.insert_with(text("a"), text("value"), disk.terms(Terms::new().time_to_live(99 * MS)));
    assert_eq!(places(&cache, "a"), ["disk"]);
    let Tiers { cache, .. } = over(&ALL, false);
    cache.insert_with(text("a"), text("value"), Terms::new().time_to_live(MS));
    assert_eq!(places(&cache, "a"), ["memory", "disk", "remote", "cdn"]);
}

#[test]
fn what_ends_soon_is_not_written_when_it_leaves_memory() {
    let (clock, _hand) = Clock::manual();
    let store = Store::new();
    let memory = Cache::builder().max_entries(4).insight(false);
    let cache = builder()
        .memory(memory)
        .clock(clock)
        .tier(Arc::new(DiskTier::prompt(Arc::clone(&store) as _)))
        .write(WritePolicy::Aside)
        .build()
        .unwrap();
    let short = Terms::new().time_to_live(50 * MS);
    (0..20).for_each(|n| cache.insert_with(n.to_string(), text("value"), short.clone()));
    assert_eq!(store.values(), 0);
    (20..40).for_each(|n| cache.insert(n.to_string(), text("value")));
    assert_eq!(store.values(), 16);
}

#[test]
fn what_is_made_faster_than_it_is_read_is_not_written_unless_it_is_asked_for_again() {
    let Tiers { cache, hand } = over(&[(TierKind::Disk, 2 * MS)], true);
    let load = |key: &str, takes: Duration| {
        cache.get_with(text(key), || {
            hand.advance(takes);
            text("value")
        });
        places(&cache, key)
    };
    assert_eq!(load("early", Duration::ZERO), ["memory", "disk"], "nothing was timed yet");
    // One in eight is timed.
    cache.insert_with(text("far"), text("value"), Strategy::Disk);
    (0..1_000).for_each(|_| _ = cache.get("far"));
    assert_eq!(load("dear", 5 * MS), ["memory", "disk"]);
    assert_eq!(load("cheap", MS / 2), ["memory"]);
    let explained = cache.explain("cheap").to_string();
    assert!(explained.contains("it was loaded in 500.0µs"), "{explained}");
    assert!(explained.contains("disk: missing: it was made in 500.0µs where"), "{explained}");
    cache.remove("cheap").unwrap();
    assert_eq!(load("cheap", MS / 2), ["memory", "disk"]);
    let explained = cache.explain("cheap").to_string();
    assert!(explained.contains("asked for 2 times lately"), "{explained}");
}

#[test]
fn what_is_large_comes_to_memory_when_it_is_asked_for_again() {
    let Tiers { cache, .. } = over(&[(TierKind::Disk, Duration::ZERO)], true);
    let large = "x".repeat(10 << 10);
    let load = |cache: &Texts, key: &str| {
        assert_eq!(cache.get_with(text(key), || large.clone()), large);
        places(cache, key)
    };
    assert_eq!(load(&cache, "a"), ["disk"]);
    let explained = cache.explain("a").tiers[0].because.clone();
    assert!(explained.contains("more than an eighth of 64 KiB"), "{explained}");
    assert_eq!(cache.get("a"), Some(large.clone()));
    assert_eq!(places(&cache, "a"), ["memory", "disk"]);
    // Where nothing else takes it, and where somebody put it in, it is taken at once.
    for kinds in [&[][..], &[(TierKind::Remote, Duration::ZERO)]] {
        let Tiers { cache, .. } = over(kinds, true);
        assert_eq!(load(&cache, "a")[0], "memory");
    }
    cache.insert(text("b"), large.clone());
    assert_eq!(places(&cache, "b"), ["memory", "disk"]);
}
