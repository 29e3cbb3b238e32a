//! Lifetimes that the program computes.

use std::time::Duration;

/// Says how long entries live, from their keys and values.
///
/// Asked where an entry comes in without [`Terms::time_to_live`](crate::Terms::time_to_live) of its
/// own, outside of any lock; what it answers gets no jitter. A panic in it goes to the caller of the
/// cache, which stays whole: the entry does not come in, or keeps its deadline.
///
/// ```
/// use perf_cache::Expiry;
/// use std::time::Duration;
///
/// /// Answers of a service, with the age that it allows.
/// struct MaxAge;
///
/// impl Expiry<String, (u64, String)> for MaxAge {
///     fn on_create(&self, _: &String, value: &(u64, String)) -> Option<Duration> {
///         Some(Duration::from_secs(value.0))
///     }
/// }
/// assert_eq!(MaxAge.on_create(&"a".into(), &(9, "b".into())), Some(Duration::from_secs(9)));
/// ```
pub trait Expiry<K, V>: Send + Sync {
    /// How long an entry lives that comes in; `None`: as long as the cache says.
    /// [`Duration::MAX`] is for ever, zero keeps it out.
    fn on_create(&self, key: &K, value: &V) -> Option<Duration>;

    /// The same for a value that takes the place of another, which had `remaining` to live, `None`
    /// for ever. By default it is a new entry like any other.
    ///
    /// Two threads that insert the same key at once may both be asked as for a new entry.
    fn on_update(&self, key: &K, value: &V, remaining: Option<Duration>) -> Option<Duration> {
        let _ = remaining;
        self.on_create(key, value)
    }

    /// How long an entry lives from a read on that found it with `remaining` to live, `None` for
    /// ever. Answering `None`, the default, leaves its deadline as it is. Asked only if
    /// [`watches_reads`](Expiry::watches_reads).
    fn on_read(&self, key: &K, value: &V, remaining: Option<Duration>) -> Option<Duration> {
        let _ = (key, value, remaining);
        None
    }

    /// Whether [`on_read`](Expiry::on_read) is to be asked on every read: it costs each entry an
    /// allocation and each read a clock. Asked once, when the cache is built.
    fn watches_reads(&self) -> bool {
        false
    }
}
