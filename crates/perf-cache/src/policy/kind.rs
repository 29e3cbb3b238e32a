//! The policies that come with the cache, by name.

use super::{Adaptive, Fifo, Lfu, Lru, Policy, Random, S3Fifo};
use perf_core::ConfigError;
use std::fmt;
use std::str::FromStr;

/// A policy that comes with the cache.
///
/// ```
/// use perf_cache::policy::PolicyKind;
///
/// let kind: PolicyKind = "s3-fifo".parse()?;
/// assert_eq!(kind, PolicyKind::S3Fifo);
/// assert_eq!(kind.to_string(), "s3-fifo");
///
/// let error = "mru".parse::<PolicyKind>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`policy` cannot be mru: use one of lru, lfu, fifo, random, s3-fifo, adaptive"
/// );
/// # Ok::<(), perf_cache::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyKind {
    /// Least recently used: [`Lru`].
    Lru,
    /// Least frequently used: [`Lfu`].
    Lfu,
    /// First in, first out: [`Fifo`].
    Fifo,
    /// Any entry, by chance: [`Random`].
    Random,
    /// Three queues: what is not used again soon leaves soon: [`S3Fifo`].
    S3Fifo,
    /// Chooses by what the workload rewards.
    Adaptive,
}

impl PolicyKind {
    /// Each of them once.
    pub const ALL: [PolicyKind; 6] = [
        PolicyKind::Lru,
        PolicyKind::Lfu,
        PolicyKind::Fifo,
        PolicyKind::Random,
        PolicyKind::S3Fifo,
        PolicyKind::Adaptive,
    ];

    /// What it is called: lower case, words joined by `-`. The same as [`Policy::name`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PolicyKind::Lru => "lru",
            PolicyKind::Lfu => "lfu",
            PolicyKind::Fifo => "fifo",
            PolicyKind::Random => "random",
            PolicyKind::S3Fifo => "s3-fifo",
            PolicyKind::Adaptive => "adaptive",
        }
    }

    /// Makes one for a shard, without entries. The seed is for those that choose by chance.
    #[must_use]
    pub fn build(self, seed: u64) -> Box<dyn Policy> {
        match self {
            PolicyKind::Lru => Box::new(Lru::new()),
            PolicyKind::Lfu => Box::new(Lfu::new()),
            PolicyKind::Fifo => Box::new(Fifo::new()),
            PolicyKind::Random => Box::new(Random::new(seed)),
            PolicyKind::S3Fifo => Box::new(S3Fifo::new()),
            PolicyKind::Adaptive => Box::new(Adaptive::alone()),
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reads the [`name`](PolicyKind::name), in upper or lower case, and `s3fifo`.
impl FromStr for PolicyKind {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<PolicyKind, ConfigError> {
        let same = |kind: &PolicyKind| kind.name().eq_ignore_ascii_case(name);
        if name.eq_ignore_ascii_case("s3fifo") {
            return Ok(PolicyKind::S3Fifo);
        }
        PolicyKind::ALL.into_iter().find(same).ok_or_else(|| {
            let names = PolicyKind::ALL.map(PolicyKind::name).join(", ");
            ConfigError::new("policy", name, format!("use one of {names}"))
        })
    }
}
