//! Keys of a megabyte, and keys of ciphers that are wrong or were changed.

use super::Texts;
use perf_cache::codec::RawBytes;
use perf_cache::tiered::{BreakerState, TieredCacheBuilder};
use std::path::Path;

fn on_disk(directory: &Path) -> TieredCacheBuilder<String, String> {
    Texts::builder().without_memory().disk_at(directory).codec(RawBytes)
}

#[test]
fn a_key_of_a_megabyte_is_like_any_other_and_one_that_no_store_takes_hurts_none() {
    let directory = tempfile::tempdir().unwrap();
    let cache = on_disk(directory.path()).build().unwrap();
    let (long, other) = ("k".repeat(1 << 20), "k".repeat((1 << 20) - 1));
    cache.insert(long.clone(), "1".to_owned());
    cache.insert(other.clone(), "2".to_owned());
    assert_eq!(cache.get(&long).as_deref(), Some("1"));
    assert!(cache.remove(&other).is_ok());
    // Longer than the store takes.
    let huge = "k".repeat(17 << 20);
    for _ in 0..6 {
        cache.insert(huge.clone(), "3".to_owned());
        assert_eq!(cache.get(&huge), None);
    }
    assert!(cache.remove(&huge).is_ok());
    let stats = cache.stats();
    assert_eq!((stats.tiers[0].breaker, stats.parked), (BreakerState::Closed, 0));
    assert_eq!(stats.lost.iter().map(|lost| lost.values).sum::<u64>(), 6);
    assert!(cache.close().is_clean());
    drop(cache);
    let next = on_disk(directory.path()).build().unwrap();
    assert_eq!((next.get(&long).as_deref(), next.get(&other)), (Some("1"), None));
    assert!(next.explain(&long).tiers[0].state.is_answered());
}

#[cfg(feature = "crypto")]
#[test]
fn a_wrong_key_of_the_cipher_is_a_miss_and_one_that_was_changed_opens_what_is_older() {
    use perf_cache::codec::{Cipher, KeyRing, SecretKey};
    use perf_cache::tiered::KeyState;

    let ring =
        |id, byte: u8| KeyRing::new(id, Cipher::XChaCha20Poly1305, SecretKey::new([byte; 32]));
    let directory = tempfile::tempdir().unwrap();
    let open = |keys: KeyRing| on_disk(directory.path()).keys(keys).build().unwrap();
    let first = open(ring(1, 1));
    first.insert("old".to_owned(), "1".to_owned());
    assert!(first.close().is_clean());
    drop(first);

    // The same number and another key, and a number that nobody knows.
    for (wrong, why) in [(ring(1, 2), "another key"), (ring(9, 1), "key ring")] {
        let cache = open(wrong);
        assert_eq!(cache.get("old"), None);
        assert_eq!(cache.stats().tiers[0].undecodable, 1);
        let told = &cache.explain("old").tiers[0];
        assert_eq!(told.state, KeyState::Unreadable);
        assert!(told.because.contains(why), "{}", told.because);
        assert_eq!(cache.stats().tiers[0].breaker, BreakerState::Closed);
        drop(cache);
    }

    let keys = ring(1, 1);
    keys.rotate(2, Cipher::XChaCha20Poly1305, SecretKey::new([2; 32])).unwrap();
    let cache = open(keys);
    assert_eq!(cache.get("old").as_deref(), Some("1"));
    cache.insert("new".to_owned(), "2".to_owned());
    drop(cache);
    // The old one has been taken out of the ring.
    let last = open(ring(2, 2));
    assert_eq!((last.get("old"), last.get("new").as_deref()), (None, Some("2")));
    assert_eq!(last.get_with("old".to_owned(), || "made".to_owned()), "made");
    assert_eq!(last.get("old").as_deref(), Some("made"), "mended");
}
