//! Several caches that share a tier: what one changes, the others learn.

use super::hub::{Hub, Node};
use super::store::Store;
use super::{Texts, builder, text};
use perf_cache::codec::RawBytes;
use perf_cache::tiered::{
    Changed, DiskTier, Doubt, KeyState, Notice, OuterTier, Scope, Strategy, TieredCacheBuilder,
    WritePolicy,
};
use perf_cache::{Cache, CacheKey, Cause, Refusal, Terms, TieredCache};
use perf_core::{ByteSize, Clock, Glob, ManualClock};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// A cache over a hub, with a clock of its own.
struct Process {
    cache: Texts,
    node: Arc<Node>,
    hand: ManualClock,
}

type Builder = TieredCacheBuilder<String, String>;

fn process(hub: &Arc<Hub>, id: usize, with: impl FnOnce(Builder) -> Builder) -> Process {
    let (clock, hand) = Clock::manual();
    let node = hub.node(id, clock.clone());
    // The hand may move while a thread is at work: that is no time-out.
    let usual = builder().clock(clock).deadline(1_000_000 * SECOND);
    let cache = with(usual.tier(Arc::clone(&node) as Arc<dyn OuterTier>)).build().unwrap();
    Process { cache, node, hand }
}

fn hub() -> (Arc<Hub>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Hub::new(clock), hand)
}

fn pair() -> (Arc<Hub>, Process, Process) {
    let (hub, _) = hub();
    let of = |id| process(&hub, id, |usual| usual);
    let (first, second) = (of(1), of(2));
    (hub, first, second)
}

fn never() -> String {
    panic!("it is there")
}

fn tier_of(process: &Process, key: &str) -> Option<&'static str> {
    process.cache.get_entry(key).and_then(|entry| entry.tier)
}

#[test]
fn what_one_loads_the_other_finds_and_what_one_changes_the_other_forgets() {
    let (hub, first, second) = pair();
    assert_eq!(first.cache.get_with(text("a"), || text("1")), "1");
    assert_eq!(second.cache.get_with(text("a"), never), "1");
    assert_eq!((hub.number(), tier_of(&second, "a")), (0, Some("memory")), "a load is no change");
    first.cache.insert(text("a"), text("2"));
    assert_eq!(second.cache.get("a"), Some(text("1")), "it has not heard of it");
    second.node.deliver();
    assert_eq!(second.cache.get_entry("a").unwrap().value, "2");
    assert!(second.cache.remove("a").unwrap());
    first.node.deliver();
    assert_eq!((first.cache.get("a"), hub.values()), (None, 0));
    let shared = first.cache.stats().shared.unwrap();
    assert_eq!((shared.changes, shared.since.number), (1, 2));
}

#[test]
fn every_invalidation_holds_for_all() {
    type Invalidate = fn(&Texts);
    let all: [(&str, Invalidate); 6] = [
        ("tag", |cache| _ = cache.invalidate_tag("red").unwrap()),
        ("dependency", |cache| _ = cache.invalidate_dependencies("shop").unwrap()),
        ("namespace", |cache| _ = cache.invalidate_namespace("users").unwrap()),
        ("pattern", |cache| _ = cache.invalidate_by_pattern(&Glob::new("us*1").unwrap()).unwrap()),
        ("clear", |cache| cache.clear().unwrap()),
        ("remove", |cache| _ = cache.remove("users:1").unwrap()),
    ];
    for (what, invalidate) in all {
        let (_, first, second) = pair();
        let terms = || Terms::new().tags(["red"]).depends_on(["shop"]);
        for key in ["users:1", "pages:2"] {
            let terms = if key == "users:1" { terms() } else { Terms::new() };
            first.cache.insert_with(text(key), text("old"), terms);
            second.node.deliver();
            assert_eq!(second.cache.get(key), Some(text("old")));
            assert_eq!(tier_of(&second, key), Some("memory"));
        }
        invalidate(&first.cache);
        second.node.deliver();
        for process in [&first, &second] {
            assert_eq!(process.cache.get("users:1"), None, "{what}");
            let there = (what != "clear").then(|| text("old"));
            assert_eq!(process.cache.get("pages:2"), there, "{what}");
        }
        // What is stored after it is as good as ever.
        second.cache.get_with_terms(text("users:1"), || (text("new"), terms()));
        assert_eq!(first.cache.get("users:1"), Some(text("new")), "{what}");
    }
}

#[test]
fn a_load_that_others_overtake_is_kept_by_nobody() {
    let (hub, first, second) = pair();
    let loaded = first.cache.get_with(text("a"), || {
        second.cache.remove("a").unwrap();
        text("old")
    });
    assert_eq!((loaded.as_str(), hub.values()), ("old", 0), "it began before");
    assert_eq!(first.cache.stats().tiers[0].overtaken, 1);
    first.node.deliver();
    assert_eq!(first.cache.get("a"), None);
    // Heard of while it is loaded: then not even the tier is asked.
    let loaded = first.cache.get_with(text("a"), || {
        second.cache.remove("a").unwrap();
        first.node.deliver();
        text("old")
    });
    assert_eq!((loaded.as_str(), first.cache.get("a"), hub.values()), ("old", None, 0));
    let terms = || Terms::new().tags(["t"]);
    first.cache.get_with_terms(text("b"), || {
        second.cache.invalidate_tag("t").unwrap();
        (text("old"), terms())
    });
    assert_eq!(second.cache.get("b"), None, "it is there, and dead");
    first.node.deliver();
    assert_eq!(first.cache.get("b"), None);
}

#[test]
fn a_load_that_could_not_be_stored_takes_nothing_from_the_others() {
    let (hub, first, second) = pair();
    let reserved = first.cache.reserve("a");
    second.cache.get_with(text("a"), || text("1"));
    first.node.fails.store(true, Ordering::SeqCst);
    assert_eq!(reserved.insert(text("1"), Terms::new()), Ok(()));
    assert_eq!(first.cache.stats().tiers[0].failed, 1);
    first.node.fails.store(false, Ordering::SeqCst);
    first.hand.advance(5 * SECOND);
    // Whatever goes well has done what could not be done before.
    assert!(first.cache.remove("b").is_ok() && first.cache.close().is_clean());
    assert_eq!((hub.number(), hub.values()), (1, 1));
}

#[test]
fn what_is_on_its_way_is_not_answered_before_it_is_there() {
    let (hub, first, second) = pair();
    first.node.gate.shut(true);
    let waits = |calls: u64| {
        while first.node.gate.waiting.load(Ordering::SeqCst) < calls {
            std::thread::yield_now();
        }
    };
    let (refused, removed) = std::thread::scope(|scope| {
        let loading = scope.spawn(|| first.cache.get_with(text("a"), || text("old")));
        waits(1);
        second.cache.remove("a").unwrap();
        first.node.deliver();
        let refused = first.cache.get("a");
        second.cache.insert(text("b"), text("old"));
        let removing = scope.spawn(|| first.cache.remove("b").is_ok());
        waits(2);
        let removed = first.cache.get("b");
        first.node.gate.shut(false);
        assert_eq!(loading.join().unwrap(), "old");
        assert!(removing.join().unwrap());
        (refused, removed)
    });
    assert_eq!((refused, removed), (None, None));
    assert_eq!((hub.values(), first.cache.get("a"), first.cache.get("b")), (0, None, None));
}

#[test]
fn what_others_change_while_it_is_put_in_is_not_answered_as_it_is_put_in() {
    let (_, first, second) = pair();
    first.node.gate.shut(true);
    std::thread::scope(|scope| {
        let inserting = scope.spawn(|| first.cache.insert(text("a"), text("1")));
        while first.node.gate.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        second.cache.insert(text("a"), text("2"));
        first.node.deliver();
        let found = first.cache.get("a");
        first.node.gate.shut(false);
        inserting.join().unwrap();
        assert_eq!(found, Some(text("2")), "which is newer the tier alone knows");
    });
}

#[test]
fn what_was_found_before_the_tier_began_anew_is_not_judged_by_what_it_knows_since() {
    let (hub, first, _second) = pair();
    first.cache.insert_with(text("a"), text("old"), Terms::new().tags(["t"]));
    assert!(first.cache.invalidate_tag("t").is_ok());
    first.node.finding.shut(true);
    std::thread::scope(|scope| {
        let getting = scope.spawn(|| first.cache.get("a"));
        while first.node.finding.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        hub.restart();
        first.node.finding.shut(false);
        assert_eq!(getting.join().unwrap(), None);
    });
    assert_eq!(first.cache.get("a"), None);
}

#[test]
fn what_is_put_in_while_others_are_told_is_newer_than_that() {
    let (hub, first, second) = pair();
    let tell = &first.node.announcing;
    tell.shut(true);
    std::thread::scope(|scope| {
        let cache = &first.cache;
        let tells = scope.spawn(|| cache.invalidate_by_pattern(&Glob::new("b*").unwrap()).is_ok());
        while tell.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        first.cache.insert(text("a"), text("1"));
        tell.shut(false);
        assert!(tells.join().unwrap());
    });
    assert_eq!((hub.values(), second.cache.get("a")), (1, Some(text("1"))));
}

#[test]
fn what_comes_without_its_number_is_not_answered() {
    let (_, first, second) = pair();
    first.cache.insert(text("a"), text("1"));
    second.node.says_no_number.store(true, Ordering::SeqCst);
    assert_eq!(second.cache.get("a"), None);
}

#[test]
fn what_is_put_in_by_hand_is_as_old_as_its_reservation() {
    let (hub, first, second) = pair();
    let reserved = first.cache.reserve("a");
    second.cache.insert(text("a"), text("new"));
    assert_eq!(reserved.insert(text("old"), Terms::new()), Ok(()), "who knows");
    first.node.deliver();
    assert_eq!(first.cache.get("a"), Some(text("new")));
    let reserved = first.cache.reserve("a");
    second.cache.remove("a").unwrap();
    first.node.deliver();
    assert_eq!(reserved.insert(text("old"), Terms::new()), Err(Refusal::Key));
    let reserved = first.cache.reserve("a");
    second.cache.invalidate_tag("t").unwrap();
    first.node.deliver();
    let tagged = Terms::new().tags(["t"]);
    assert_eq!(reserved.insert(text("old"), tagged.clone()), Err(Refusal::Tag));
    let number = hub.number();
    assert_eq!(first.cache.reserve("a").insert(text("1"), tagged), Ok(()));
    assert_eq!((second.cache.get("a"), hub.number()), (Some(text("1")), number));
    // Beyond memory alone.
    assert_eq!(first.cache.reserve("far").insert(text("2"), Strategy::Remote), Ok(()));
    assert_eq!((tier_of(&first, "far"), tier_of(&second, "far")), (Some("hub"), Some("hub")));
    // Kept nowhere.
    let none = Terms::new().time_to_live(Duration::ZERO);
    assert_eq!(first.cache.reserve("b").insert(text("3"), none), Err(Refusal::Expired));
    assert_eq!(first.cache.get("b"), None);
}

#[test]
fn ages_and_lives_do_not_depend_on_whose_clock_is_right() {
    for (writer_ahead, reader_ahead) in [(HOUR, Duration::ZERO), (Duration::ZERO, HOUR)] {
        let (hub, hand) = hub();
        let of = |id, ahead| {
            let memory = Cache::builder().max_entries(9).refresh_after(60 * SECOND);
            let process = process(&hub, id, |usual| usual.memory(memory));
            process.hand.advance(ahead);
            process
        };
        let (writer, reader) = (of(1, writer_ahead), of(2, reader_ahead));
        writer.cache.insert_with(text("a"), text("1"), Terms::new().time_to_live(100 * SECOND));
        hand.advance(40 * SECOND);
        reader.hand.advance(40 * SECOND);
        reader.node.deliver();
        let entry = reader.cache.get_entry("a").unwrap();
        assert_eq!((entry.age, entry.time_to_live), (40 * SECOND, Some(60 * SECOND)));
        assert!(!entry.is_stale);
        reader.hand.advance(19 * SECOND);
        assert_eq!(reader.cache.get_with(text("a"), never), "1");
        reader.hand.advance(2 * SECOND);
        assert_eq!(reader.cache.get_with(text("a"), || text("2")), "2", "61 seconds old");
        // The life that the tier knows of.
        hand.advance(1_000 * HOUR);
        reader.hand.advance(1_000 * HOUR);
        assert_eq!(reader.cache.get("a"), None);
    }
}

#[test]
fn what_others_are_not_told_of_yet_is_not_answered_and_told_when_that_can_be() {
    let (_, first, second) = pair();
    let terms = || Terms::new().tags(["t"]);
    let fill = || {
        for key in ["a", "b"] {
            let terms = if key == "a" { terms() } else { Terms::new() };
            second.cache.insert_with(text(key), text("old"), terms);
        }
        first.node.deliver();
    };
    for is_told in [false, true] {
        fill();
        let fails = if is_told {
            &first.node.fails_after_announcing
        } else {
            &first.node.fails_to_announce
        };
        fails.store(true, Ordering::SeqCst);
        assert!(first.cache.invalidate_tag("t").is_err());
        assert_eq!((first.cache.get("a"), first.cache.get("b")), (None, Some(text("old"))));
        if !is_told {
            assert!(first.cache.explain("b").to_string().contains("1 invalidations that others"));
            assert_eq!(first.cache.explain("a").tiers[1].state, KeyState::Dead);
        }
        second.node.deliver();
        assert_eq!(second.cache.get("a").is_none(), is_told);
        fails.store(false, Ordering::SeqCst);
        first.hand.advance(5 * SECOND);
        while first.cache.stats().shared.unwrap().unannounced > 0 {
            std::thread::yield_now();
        }
        second.node.deliver();
        assert_eq!((second.cache.get("a"), first.cache.get("a")), (None, None));
    }
    let shared = first.cache.stats().shared.unwrap();
    assert_eq!((shared.announce_failures, shared.announced), (2, 2));
}

#[test]
fn too_many_that_cannot_be_told_end_everything() {
    let (hub, first, second) = pair();
    second.cache.insert(text("a"), text("old"));
    assert_eq!(first.cache.get("a"), Some(text("old")));
    first.node.fails_to_announce.store(true, Ordering::SeqCst);
    for n in 0..64 {
        assert!(first.cache.invalidate_tag(&n.to_string()).is_err());
        assert!(first.cache.invalidate_tag(&n.to_string()).is_err(), "the same again");
    }
    assert_eq!(first.cache.stats().shared.unwrap().unannounced, 64);
    assert!(first.cache.invalidate_tag("one more").is_err());
    let shared = first.cache.stats().shared.unwrap();
    assert_eq!((shared.unannounced, shared.announce_given_up), (1, 65));
    // Its breaker is open by now.
    first.hand.advance(5 * SECOND);
    first.node.fails_to_announce.store(false, Ordering::SeqCst);
    while first.cache.stats().shared.unwrap().unannounced > 0 {
        first.hand.advance(SECOND);
        std::thread::yield_now();
    }
    assert!(matches!(hub.journal().last(), Some((_, 1, Changed::Scope(Scope::All)))));
    second.node.deliver();
    assert_eq!(second.cache.get("a"), None);
}

#[test]
fn what_can_never_be_told_does_not_hold_up_the_others() {
    let (hub, first, _second) = pair();
    *first.node.refuses.lock().unwrap() = Some(Scope::Tag("never".into()));
    assert!(first.cache.invalidate_tag("never").is_err());
    first.node.fails_to_announce.store(true, Ordering::SeqCst);
    assert!(first.cache.invalidate_tag("t").is_err());
    first.node.fails_to_announce.store(false, Ordering::SeqCst);
    let limit = std::time::Instant::now() + 20 * SECOND;
    while hub.number() == 0 {
        assert!(std::time::Instant::now() < limit, "it is told");
        first.hand.advance(SECOND);
        std::thread::yield_now();
    }
    assert!(
        matches!(&hub.journal()[..], [(1, 1, Changed::Scope(Scope::Tag(tag)))] if **tag == *"t")
    );
    // The hub has it a moment before the cache notes that it is told.
    let unannounced = || first.cache.stats().shared.unwrap().unannounced;
    while unannounced() != 1 {
        assert!(std::time::Instant::now() < limit, "{} are left", unannounced());
        std::thread::yield_now();
    }
}

#[test]
fn what_could_not_be_told_is_tried_once_more_at_the_end() {
    let (hub, first, second) = pair();
    first.node.fails_to_announce.store(true, Ordering::SeqCst);
    second.node.fails_to_announce.store(true, Ordering::SeqCst);
    assert!(first.cache.invalidate_tag("t").is_err() && second.cache.clear().is_err());
    first.node.fails_to_announce.store(false, Ordering::SeqCst);
    let report = first.cache.close();
    assert!(report.is_clean(), "{report}");
    assert_eq!(hub.number(), 1);
    let report = second.cache.close();
    assert_eq!((report.not_announced, report.is_clean()), (1, false));
    assert!(report.to_string().contains("1 invalidations not announced"), "{report}");
}

#[test]
fn where_nobody_knows_what_changed_all_that_is_near_goes() {
    let (hub, _) = hub();
    let store = Store::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let near = Arc::new(DiskTier::prompt(Arc::clone(&store) as _));
    let (clock, _hand) = Clock::manual();
    let node = hub.node(1, clock.clone());
    let cache = builder()
        .clock(clock)
        .tier(near)
        .tier(Arc::clone(&node) as _)
        .on_change(move |notice| {
            if let Notice::Everything(doubt) = notice {
                tell.lock().unwrap().push(*doubt);
            }
        })
        .build()
        .unwrap();
    let other = process(&hub, 2, |usual| usual);
    let fill = || cache.get_with_terms(text("a"), || (text("1"), Terms::new().tags(["t"])));
    fill();
    node.is_not_heard_of();
    assert_eq!(cache.get_entry("a").unwrap().tier, Some("hub"), "that judges by itself");
    other.cache.invalidate_tag("t").unwrap();
    node.lose();
    node.deliver();
    assert_eq!(cache.get("a"), None, "what stands is known");
    fill();
    hub.restart();
    node.deliver();
    assert_eq!(cache.get("a"), None);
    fill();
    assert_eq!(other.cache.get("a"), None, "that it began anew was found out by this");
    assert_eq!(other.cache.get("a"), Some(text("1")));
    assert_eq!(*told.lock().unwrap(), [Doubt::Unheard, Doubt::Lost, Doubt::Lost]);
    assert_eq!(cache.stats().shared.unwrap().doubts, 3);
}

#[test]
fn a_disk_beside_it_is_told_as_memory_is_and_begins_anew_with_each_process() {
    let (hub, _) = hub();
    let store = Store::new();
    let (clock, _hand) = Clock::manual();
    let open = |id, store: &Arc<Store>| {
        let node = hub.node(id, clock.clone());
        let near = Arc::new(DiskTier::prompt(Arc::clone(store) as _));
        let memory = Cache::builder().max_entries(9);
        let builder = builder().memory(memory).clock(clock.clone()).tier(near);
        (builder.tier(Arc::clone(&node) as _).build().unwrap(), node)
    };
    let other = process(&hub, 9, |usual| usual);
    other.hand.advance(24 * HOUR);
    let tagged = || Terms::new().tags(["t"]).time_to_live(100 * SECOND);
    other.cache.insert_with(text("a"), text("1"), tagged());
    other.cache.insert_with(text("b"), text("1"), tagged());
    let (cache, node) = open(1, &store);
    assert_eq!(cache.get_entry("a").unwrap().tier, Some("hub"));
    assert_eq!((store.values(), cache.get("b")), (1, Some(text("1"))));
    let disk = cache.explain("a").tiers[1].clone();
    assert_eq!((disk.state, disk.time_to_live), (KeyState::Held, Some(100 * SECOND)), "resealed");
    other.cache.remove("a").unwrap();
    other.cache.invalidate_tag("t").unwrap();
    node.deliver();
    assert_eq!((store.values(), cache.get("a"), cache.get("b")), (1, None, None));
    assert_eq!(cache.explain("b").tiers[1].state, KeyState::Dead);
    cache.insert(text("c"), text("1"));
    assert!(cache.close().is_clean());
    drop(cache);
    other.cache.insert(text("c"), text("2"));
    let (cache, _) = open(2, &store.restarted());
    assert_eq!(cache.get("c"), Some(text("2")), "what was told meanwhile it has not heard");
}

/// A key of which nobody can make one again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct OneWay(u32);

impl CacheKey for OneWay {
    fn encode(&self, into: &mut Vec<u8>) {
        self.0.encode(into);
    }
}

#[test]
fn keys_that_do_not_come_back_are_looked_for() {
    let (hub, _) = hub();
    let left = Arc::new(Mutex::new(Vec::new()));
    let store = Store::new();
    let of = |id, store: Option<&Arc<Store>>| {
        let node = hub.node(id, Clock::system());
        let told = Arc::clone(&left);
        let listen = move |key: &OneWay, _: &_, cause: Cause| {
            told.lock().unwrap().push((id, key.0, cause));
        };
        let memory = Cache::builder().max_entries(99).on_eviction(listen);
        let mut builder = TieredCache::<OneWay, Vec<u8>>::builder().memory(memory).codec(RawBytes);
        if let Some(store) = store {
            builder = builder.tier(Arc::new(DiskTier::prompt(Arc::clone(store) as _)));
        }
        (builder.tier(Arc::clone(&node) as _).build().unwrap(), node)
    };
    let ((first, _), (second, node)) = (of(1, None), of(2, Some(&store)));
    for n in 0..4 {
        first.insert(OneWay(n), vec![1]);
    }
    node.deliver();
    (0..4).for_each(|n| assert_eq!(second.get(&OneWay(n)), Some(vec![1])));
    first.remove(&OneWay(1)).unwrap();
    first.insert(OneWay(2), vec![2]);
    left.lock().unwrap().clear();
    node.deliver();
    let mut gone = left.lock().unwrap().clone();
    gone.sort_unstable_by_key(|(_, key, _)| *key);
    assert_eq!(gone, [(2, 1, Cause::Removed), (2, 2, Cause::Removed)]);
    let tier = |n| second.get_entry(&OneWay(n)).and_then(|entry| entry.tier);
    assert_eq!((tier(0), tier(1), tier(2)), (Some("memory"), None, Some("hub")));
    assert_eq!(second.get(&OneWay(2)), Some(vec![2]));
    // What is nowhere in memory may be on disk.
    let stats = second.stats();
    assert_eq!((stats.shared.unwrap().scans, stats.given_up), (2, 2));
}

#[test]
fn who_keeps_something_near_is_told_what_changed_elsewhere() {
    let (hub, _) = hub();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (tell, cell) = (Arc::clone(&told), Arc::new(Mutex::new(None::<Texts>)));
    let own = Arc::clone(&cell);
    let first = process(&hub, 1, |usual| {
        usual.on_change(move |notice| {
            // It holds here when this is called.
            let entries = |cache: &Texts| cache.stats().memory.unwrap().entries;
            let there = own.lock().unwrap().as_ref().map(entries);
            let what = match notice {
                Notice::Key { key, bytes } => {
                    assert_eq!(*bytes, b"\x01a");
                    key.cloned().unwrap_or_default()
                }
                Notice::Scope(scope) => format!("{scope:?}"),
                _ => text("?"),
            };
            tell.lock().unwrap().push((what, there));
            panic!("this is nobody's concern");
        })
    });
    *cell.lock().unwrap() = Some(first.cache.clone());
    let second = process(&hub, 2, |usual| usual);
    first.cache.insert(text("a"), text("1"));
    first.node.deliver();
    assert!(told.lock().unwrap().is_empty(), "that was its own doing");
    second.cache.remove("a").unwrap();
    second.cache.invalidate_tag("red").unwrap();
    first.node.deliver();
    let all = [(text("a"), Some(0)), (text("Tag(\"red\")"), Some(0))];
    assert_eq!(*told.lock().unwrap(), all);
    assert_eq!(first.cache.stats().shared.unwrap().panics, 2);
    // Another cache in the same place.
    let apart = process(&hub, 3, |usual| usual.namespace("apart"));
    apart.cache.insert(text("a"), text("1"));
    first.node.deliver();
    assert_eq!(told.lock().unwrap().len(), 2);
    *cell.lock().unwrap() = None;
}

#[test]
fn what_waits_to_be_written_is_not_written_over_what_others_did_since() {
    let (hub, _) = hub();
    let behind = |usual: Builder| {
        let (max_bytes, max_age) = (ByteSize::mib(1), 1_000 * HOUR);
        usual.write(WritePolicy::Behind { max_bytes, max_age })
    };
    let (first, second) = (process(&hub, 1, behind), process(&hub, 2, |usual| usual));
    for key in ["removed", "tagged", "kept"] {
        first.cache.insert_with(text(key), text("old"), Terms::new().tags([key]));
    }
    first.cache.get_with(text("loaded"), || text("old"));
    assert_eq!(hub.number(), 0);
    second.cache.remove("removed").unwrap();
    second.cache.remove("loaded").unwrap();
    second.cache.invalidate_tag("tagged").unwrap();
    first.node.deliver();
    for key in ["removed", "tagged", "loaded"] {
        assert_eq!(first.cache.get(key), None, "{key}");
    }
    first.cache.flush();
    second.node.deliver();
    for process in [&first, &second] {
        let get = |key: &str| process.cache.get(key);
        assert_eq!((get("removed"), get("tagged"), get("loaded")), (None, None, None));
        assert_eq!(get("kept"), Some(text("old")));
    }
    assert_eq!(first.cache.stats().waiting_bytes, 0);
    // Also what is invalidated while it is being written.
    first.cache.insert_with(text("late"), text("old"), Terms::new().tags(["late"]));
    first.node.gate.shut(true);
    std::thread::scope(|scope| {
        let flushing = scope.spawn(|| first.cache.flush());
        while first.node.gate.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        second.cache.invalidate_tag("late").unwrap();
        first.node.deliver();
        first.node.gate.shut(false);
        flushing.join().unwrap();
    });
    second.node.deliver();
    assert_eq!((second.cache.get("late"), first.cache.get("late")), (None, None));
    // A load that comes after a value that waits does not take its place: the others are told.
    second.cache.insert(text("x"), text("1"));
    first.cache.insert(text("x"), text("2"));
    assert_eq!(first.cache.reserve("x").insert(text("2"), Strategy::Remote), Ok(()));
    assert_ne!(tier_of(&first, "x"), Some("memory"));
    assert_eq!(first.cache.get("x"), Some(text("2")));
    first.cache.flush();
    second.node.deliver();
    assert_eq!(second.cache.get("x"), Some(text("2")));
}

#[test]
fn what_memory_keeps_to_itself_is_no_news() {
    let (hub, first, second) = pair();
    for process in [&first, &second] {
        let near = || (text("1"), Strategy::Memory);
        process.cache.get_with_terms(text("a"), near);
    }
    assert_eq!((hub.number(), hub.values()), (0, 0));
    first.node.deliver();
    assert_eq!(tier_of(&first, "a"), Some("memory"));
    first.cache.insert_with(text("a"), text("2"), Strategy::Memory);
    second.node.deliver();
    assert_eq!(second.cache.get("a"), None, "a caller's value is news");
    // What goes down when memory lets go of it is there from the start.
    let aside = process(&hub, 3, |usual| {
        usual.write(WritePolicy::Aside).memory(Cache::builder().max_entries(2).insight(false))
    });
    for n in 0..9 {
        aside.cache.get_with(n.to_string(), || n.to_string());
    }
    assert_eq!((hub.values(), aside.node.calls("fill")), (9, 9));
    assert_eq!(second.cache.get("3"), Some(text("3")));
}

#[test]
fn many_keys_are_asked_for_in_one_call() {
    let (_, first, second) = pair();
    let keys: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    keys.iter().for_each(|key| first.cache.insert(key.clone(), key.clone()));
    second.node.fetches_many.store(true, Ordering::SeqCst);
    let wanted = keys.iter().map(String::as_str).chain(["nowhere"]);
    second.node.deliver();
    let found = second.cache.get_many(wanted);
    assert!(found[..100].iter().zip(&keys).all(|(found, key)| found.as_ref() == Some(key)));
    assert_eq!((found.len(), &found[100]), (101, &None));
    assert_eq!(second.node.calls("fetch_many"), 2, "64 at a time");
    assert_eq!(second.cache.get_many(["5"]), [Some(text("5"))]);
    assert_eq!(second.node.calls("fetch_many"), 2, "from memory");
    second.node.fails.store(true, Ordering::SeqCst);
    assert_eq!(second.cache.get_many(["x", "y"]), [None, None]);
}

#[test]
fn one_loads_for_all_who_share_a_lease() {
    let hub = Hub::new(Clock::system());
    let of = |id| {
        let node = hub.node(id, Clock::system());
        let builder = builder().tier(Arc::clone(&node) as _).deadline(HOUR);
        (builder.single_flight_lease(HOUR).build().unwrap(), node)
    };
    let ((first, node), (second, _)) = (of(1), of(2));
    let loads = AtomicU64::new(0);
    let load = |asked: &dyn Fn()| {
        loads.fetch_add(1, Ordering::SeqCst);
        asked();
        text("1")
    };
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| {
            first.get_with(text("a"), || {
                load(&|| {
                    // Until the other has asked as well.
                    while second.stats().shared.unwrap().leases_taken == 0 {
                        std::thread::yield_now();
                    }
                })
            })
        });
        while node.calls("lease") == 0 {
            std::thread::yield_now();
        }
        assert_eq!(second.get_with(text("a"), || load(&|| {})), "1");
        assert_eq!(loading.join().unwrap(), "1");
    });
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    let shared = second.stats().shared.unwrap();
    assert_eq!((shared.leases_taken, shared.loads_spared), (1, 1));
    // Who gets no lease, since there is no tier to give one, loads.
    node.fails.store(true, Ordering::SeqCst);
    assert_eq!(first.get_with(text("b"), || text("2")), "2");
}

#[test]
fn who_waits_for_another_that_is_gone_loads_in_the_end() {
    let hub = Hub::new(Clock::system());
    let of = |id| {
        let node = hub.node(id, Clock::system());
        let builder = builder().tier(Arc::clone(&node) as _);
        (builder.single_flight_lease(Duration::from_millis(20)).build().unwrap(), node)
    };
    let ((first, node), (second, _)) = (of(1), of(2));
    let load = || {
        node.fails.store(true, Ordering::SeqCst);
        text("0")
    };
    assert_eq!(first.get_with(text("a"), load), "0");
    assert_eq!(second.get_with(text("a"), || text("1")), "1");
}

#[test]
fn who_waits_for_a_load_that_stores_nothing_is_the_next() {
    let hub = Hub::new(Clock::system());
    let of = |id, write| {
        let builder = builder().tier(hub.node(id, Clock::system())).deadline(HOUR).write(write);
        builder.single_flight_lease(HOUR).build().unwrap()
    };
    let (first, second) = (of(1, WritePolicy::Through), of(2, WritePolicy::Through));
    assert!(first.try_get_with(text("a"), || Err::<String, _>("no")).is_err());
    assert_eq!(second.get_with(text("a"), || text("1")), "1");
    first.get_with_terms(text("b"), || (text("1"), Strategy::Memory));
    assert_eq!(second.get_with(text("b"), || text("2")), "2");
    assert_eq!(first.optionally_get_with(text("c"), || None), None);
    assert_eq!(second.get_with(text("c"), || text("3")), "3");
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        first.get_with(text("d"), || panic!("as told"))
    }));
    assert!(dropped.is_err());
    assert_eq!(second.get_with(text("d"), || text("4")), "4");
    // What is written behind may come later than the load ends.
    let max_age = Duration::from_millis(100);
    let behind = of(3, WritePolicy::Behind { max_bytes: ByteSize::mib(1), max_age });
    assert_eq!(behind.get_with(text("e"), || text("5")), "5");
    assert_eq!(second.get_with(text("e"), || panic!("it comes")), "5");
}

#[test]
fn what_cannot_be_is_refused() {
    let (hub, _) = hub();
    let node = |id| hub.node(id, Clock::system()) as Arc<dyn OuterTier>;
    let two = builder().tier(node(1)).tier(node(2)).build();
    assert!(two.unwrap_err().to_string().contains("2 that are shared"));
    let zero = builder().tier(node(3)).single_flight_lease(Duration::ZERO).build();
    assert!(zero.unwrap_err().to_string().contains("single_flight_lease"));
    // The second would never be told of anything, and each would take what the other changes for its own.
    let shared = node(4);
    let _first = builder().tier(Arc::clone(&shared)).build().unwrap();
    let second = builder().tier(shared).build().unwrap_err().to_string();
    assert!(
        second.contains("another cache") && second.contains("over the same server"),
        "{second}"
    );
}
