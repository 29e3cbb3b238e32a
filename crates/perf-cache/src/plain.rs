//! A cache whose keys and values are a few words each.
//!
//! The same index, policies and bounds as for any values; only the slots differ: here they are
//! words under a sequence counter, so nothing needs to be protected while it is read.

mod builder;
mod cache;
mod component;
mod inner;
mod loading;
mod shard;
mod slots;
mod words;

pub use builder::PlainCacheBuilder;
pub use cache::PlainCache;
/// With the feature `derive`:
///
/// ```
/// use perf_cache::{Plain, PlainCache};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Plain)]
/// enum Side {
///     Buy,
///     Sell,
/// }
///
/// #[derive(Clone, Copy, Debug, PartialEq, Plain)]
/// struct Quote {
///     side: Side,
///     price: f64,
///     size: [u32; 2],
/// }
///
/// let quotes: PlainCache<(u64, Side), Quote> = PlainCache::builder().max_entries(1_000).build()?;
/// let quote = Quote { side: Side::Sell, price: 9.5, size: [3, 4] };
/// quotes.insert((1, Side::Sell), quote);
/// assert_eq!(quotes.get(&(1, Side::Sell)), Some(quote));
/// assert_eq!(Quote::WORDS, 4);
/// # Ok::<(), perf_cache::ConfigError>(())
/// ```
///
/// What cannot be a few words is refused: types with parameters,
///
/// ```compile_fail
/// #[derive(Clone, Copy, perf_cache::Plain)]
/// struct Wrapper<T>(T);
/// ```
///
/// variants that carry something,
///
/// ```compile_fail
/// #[derive(Clone, Copy, perf_cache::Plain)]
/// enum Either {
///     Number(u64),
///     Nothing,
/// }
/// ```
///
/// and fields that are not `Plain` themselves.
///
/// ```compile_fail
/// #[derive(Clone, Copy, perf_cache::Plain)]
/// struct Name(&'static str);
/// ```
#[cfg(feature = "derive")]
pub use perf_macros::Plain;
pub use words::Plain;
