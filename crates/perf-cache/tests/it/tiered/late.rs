//! What comes too late: reads that a removal overtakes, values that a loader knows to be gone,
//! removals that nobody could make, records that are lost.

use super::store::Store;
use super::{Texts, builder, prompt, text};
use perf_cache::disk::{Put, PutTerms};
use perf_cache::tiered::{DiskTier, OuterTier, TierError, TierGet, TierUsage};
use perf_cache::{Cache, Terms};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A tier of which reads can be held up after they have read.
#[derive(Debug, Default)]
struct Far {
    content: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    /// Where the next read of a value tells that it has read, and waits to be let go.
    gate: Mutex<Option<(Sender<()>, Receiver<()>)>>,
    /// Records are damaged.
    is_damaged: AtomicBool,
    corrupt: AtomicU64,
}

impl OuterTier for Far {
    fn name(&self) -> &'static str {
        "far"
    }
    fn try_get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<TierGet, TierError> {
        Ok(TierGet::WouldBlock)
    }
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, TierError> {
        let found = self.content.lock().unwrap().get(key).cloned();
        if key[0] == 0 && self.is_damaged.load(Ordering::SeqCst) {
            self.corrupt.fetch_add(u64::from(found.is_some()), Ordering::SeqCst);
            return Ok(false);
        }
        if let Some((tell, go)) = self.gate.lock().unwrap().take() {
            tell.send(()).unwrap();
            go.recv().unwrap();
        }
        Ok(found.map(|bytes| into.extend(bytes)).is_some())
    }
    fn contains(&self, key: &[u8]) -> Result<bool, TierError> {
        Ok(self.content.lock().unwrap().contains_key(key))
    }
    fn put(&self, key: &[u8], bytes: &[u8], _: PutTerms) -> Result<Put, TierError> {
        self.content.lock().unwrap().insert(key.to_vec(), bytes.to_vec());
        Ok(Put::Stored)
    }
    fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
        Ok(self.content.lock().unwrap().remove(key).is_some())
    }
    fn clear(&self) -> Result<u64, TierError> {
        Ok(0)
    }
    fn usage(&self) -> TierUsage {
        let mut usage = TierUsage::default();
        usage.corrupt = self.corrupt.load(Ordering::SeqCst);
        usage
    }
    fn set_max_bytes(&self, _: u64) {}
    fn close(&self) -> Result<u64, TierError> {
        Ok(0)
    }
}

#[test]
fn what_a_far_tier_had_before_a_removal_is_not_passed_up_after_it() {
    let far = Arc::new(Far::default());
    let first: Texts = builder().tier(Arc::clone(&far) as _).build().unwrap();
    first.insert(text("a"), text("old"));
    let near = Store::new();
    let cache = builder()
        .without_memory()
        .tier(Arc::new(DiskTier::prompt(Arc::clone(&near) as _)))
        .tier(Arc::clone(&far) as _)
        .deadline(3_600 * SECOND)
        .build()
        .unwrap();
    let ((tell, told), (let_go, go)) = (channel(), channel());
    *far.gate.lock().unwrap() = Some((tell, go));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| cache.get("a"));
        told.recv().unwrap();
        assert!(cache.remove("a").is_ok());
        let_go.send(()).unwrap();
        // It began before.
        let _ = reading.join().unwrap();
    });
    assert_eq!((near.values(), cache.get("a")), (0, None));
    first.insert(text("a"), text("new"));
    assert_eq!((cache.get("a"), near.values()), (Some(text("new")), 1));
}

#[test]
fn a_value_that_is_found_to_be_gone_is_gone_in_all_tiers() {
    let store = Store::new();
    let (builder, hand) = prompt(&store);
    let cache =
        builder.memory(Cache::builder().max_entries(9).refresh_after(SECOND)).build().unwrap();
    cache.insert(text("a"), text("1"));
    hand.advance(2 * SECOND);
    assert_eq!(cache.optionally_get_with(text("a"), || None), None);
    assert_eq!((cache.get("a"), store.values()), (None, 0));
}

#[test]
fn removals_that_were_too_many_to_remember_hold_once_the_tier_is_well() {
    let store = Store::new();
    let (builder, hand) = prompt(&store);
    let cache = builder.build().unwrap();
    cache.insert(text("0"), text("old"));
    store.fails.store(true, Ordering::SeqCst);
    for n in 0..20_000 {
        assert!(cache.remove(&n.to_string()).is_err());
    }
    store.fails.store(false, Ordering::SeqCst);
    hand.advance(5 * SECOND);
    for n in 0..10 {
        cache.insert(format!("new {n}"), text("1"));
    }
    assert_eq!(prompt(&store.crashed()).0.build().unwrap().get("0"), None);
    assert_eq!(prompt(&store.crashed()).0.build().unwrap().get("new 9"), Some(text("1")));
}

#[test]
fn a_tier_that_takes_a_damaged_record_for_missing_answers_nothing_older() {
    let far = Arc::new(Far::default());
    let open = || -> Texts {
        let far = Arc::clone(&far);
        builder().without_memory().tier(far).deadline(3_600 * SECOND).build().unwrap()
    };
    let cache = open();
    cache.insert_with(text("a"), text("1"), Terms::new().tags(["t"]));
    assert!(cache.invalidate_tag("t").is_ok());
    far.is_damaged.store(true, Ordering::SeqCst);
    assert_eq!(open().get("a"), None);
    far.is_damaged.store(false, Ordering::SeqCst);
    assert_eq!(open().get("a"), None);
}
