//! Where a key is kept, and why there.

use super::TieredCache;
use super::choosing::too_large;
use super::fetching::Looked;
use super::held::Stamp;
use super::inner::Core;
use super::keys::KeyBytes;
use super::options::{Strategy, WritePolicy};
use super::outside::Read;
use super::promise::block_on;
use super::tier::Fetched;
use crate::CacheKey;
use crate::codec::Header;
use equivalent::Equivalent;
use perf_core::ByteSize;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// Where a key is kept and why, tier by tier. See [`TieredCache::explain`]; its `Display` has a line
/// for each tier.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Explanation {
    /// Where the entry is to be kept, as the nearest tier that holds it knows. `None` if none does.
    pub strategy: Option<Strategy>,
    /// The tiers, the nearest first.
    pub tiers: Vec<TierExplanation>,
}

/// What one tier has of a key.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TierExplanation {
    /// The tier: `memory`, or the [name](super::OuterTier::name) of another.
    pub tier: &'static str,
    /// What it has.
    pub state: KeyState,
    /// How long ago the value was put in or loaded. Seconds, where it is serialized.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub age: Option<Duration>,
    /// What is left of its life there; `None` for ever, or if there is none. Seconds, where it is
    /// serialized.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub time_to_live: Option<Duration>,
    /// What it weighs or takes there, in bytes.
    pub bytes: Option<u64>,
    /// Why that is so, as a fragment of a sentence.
    pub because: String,
}

/// What a tier has of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum KeyState {
    /// A value that is answered.
    Held,
    /// A value that is answered, and to be renewed by the next caller who has a loader.
    Stale,
    /// A value that waits to be written there, and is answered meanwhile.
    Waiting,
    /// A value that is not answered any more: it has ended or was invalidated.
    Dead,
    /// Bytes that cannot be made a value of.
    Unreadable,
    /// Something that is to be removed, and is not answered any more.
    Leaving,
    /// Nothing.
    Missing,
    /// Nobody knows: the tier does not answer, or is not asked.
    Unknown,
}

impl KeyState {
    /// Its name: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            KeyState::Held => "held",
            KeyState::Stale => "stale",
            KeyState::Waiting => "waiting",
            KeyState::Dead => "dead",
            KeyState::Unreadable => "unreadable",
            KeyState::Leaving => "leaving",
            KeyState::Missing => "missing",
            KeyState::Unknown => "unknown",
        }
    }

    /// Whether a lookup would get a value of it.
    #[must_use]
    pub const fn is_answered(self) -> bool {
        matches!(self, KeyState::Held | KeyState::Stale | KeyState::Waiting)
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, tier) in self.tiers.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            tier.fmt(f)?;
        }
        match self.strategy {
            Some(strategy) => write!(f, "\nstrategy: {strategy}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for TierExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.tier, self.state)?;
        if let Some(bytes) = self.bytes {
            write!(f, ", {}", ByteSize::from_bytes(bytes))?;
        }
        if let Some(age) = self.age {
            write!(f, ", {age:.1?} old")?;
            match self.time_to_live {
                Some(left) => write!(f, ", {left:.1?} left")?,
                None => f.write_str(", for ever")?,
            }
        }
        if self.because.is_empty() { Ok(()) } else { write!(f, ": {}", self.because) }
    }
}

/// What was found of a key in a tier, and how it is to be kept if it is alive.
type Seen = (TierExplanation, Option<Arc<Stamp>>);

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    async fn explain(&self, hash: u64, key: &K) -> Explanation {
        let mut seen = Vec::new();
        if self.has_memory {
            seen.push(self.explain_memory(hash, key));
        }
        for tier in 0..self.outside.outers.len() {
            seen.push(self.explain_outer(hash, key, tier).await);
        }
        let alive = seen.iter().find_map(|(_, stamp)| stamp.clone());
        let mut tiers: Vec<_> = seen.into_iter().map(|(tier, _)| tier).collect();
        for (at, tier) in tiers.iter_mut().enumerate() {
            if tier.state == KeyState::Missing {
                let is_memory = self.has_memory && at == 0;
                tier.because = match &alive {
                    None => "no tier has it: the next caller with a loader makes it".to_owned(),
                    Some(stamp) if is_memory => self.why_not_in_memory(stamp),
                    Some(stamp) => self.why_not_beyond(stamp, at - usize::from(self.has_memory)),
                };
            }
        }
        Explanation { strategy: alive.map(|stamp| stamp.strategy), tiers }
    }

    fn explain_memory(&self, hash: u64, key: &K) -> Seen {
        let mut seen = TierExplanation::new("memory", KeyState::Missing);
        let inner = &self.memory.inner;
        let Some(stamp) = inner.peek(hash, key, |entry| Arc::clone(&entry.value.stamp)) else {
            return (seen, None);
        };
        seen.aged(&stamp, self.now_ms());
        // It may end here sooner than elsewhere.
        let left = self.memory.entry_info(key).and_then(|info| info.time_to_live);
        seen.time_to_live = left;
        seen.bytes = Some(stamp.weight);
        let is_due = |age| self.refresh_point(&stamp).is_some_and(|point| age >= point);
        seen.state = if seen.age.is_some_and(is_due) { KeyState::Stale } else { KeyState::Held };
        seen.because = match stamp.from {
            Some(tier) => format!("it came up from {}", self.outside.outers[tier].name()),
            None => match (stamp.choice.made_in(), stamp.choice.asked) {
                (None, _) => "it was put in or loaded".to_owned(),
                (Some(made_in), 0 | 1) => format!("it was loaded in {made_in:.1?}"),
                (Some(made_in), asked) => {
                    format!("it was loaded in {made_in:.1?}, asked for {asked} times lately")
                }
            },
        };
        (seen, Some(stamp))
    }

    async fn explain_outer(&self, hash: u64, key: &K, tier: usize) -> Seen {
        let outer = &self.outside.outers[tier];
        let mut seen = TierExplanation::new(outer.name(), KeyState::Missing);
        let Some(sealer) = &self.sealer else { return (seen, None) };
        let mut name = Vec::new();
        sealer.name(key, &mut name);
        let is_waiting = match self.outside.is_under_way(hash, tier, &name) {
            Some(false) => {
                seen.state = KeyState::Leaving;
                seen.because = "it is about to be removed, or could not be yet".to_owned();
                return (seen, None);
            }
            waiting => waiting.is_some(),
        };
        let mut bytes = Vec::new();
        let (era, epoch) = (self.outside.generations.era(), self.outside.told.epoch());
        let found = match self.outside.read(hash, tier, &name, &mut bytes) {
            Read::Found => Fetched::Found,
            Read::Missing => Fetched::Missing,
            Read::Nothing => {
                return (seen.unknown("it fails, is passed by or was closed"), None);
            }
            Read::Waits => {
                let name = KeyBytes::from(name.as_slice());
                match self.outside.read_waiting(tier, name, None).await {
                    Ok(Some((found, how))) => {
                        bytes = found;
                        how
                    }
                    Ok(None) => Fetched::Missing,
                    Err(error) => return (seen.unknown(&error.to_string()), None),
                }
            }
        };
        if found == Fetched::Missing {
            return (seen, None);
        }
        seen.bytes = Some(bytes.len() as u64);
        let mut opened = match sealer.open(&name, &bytes) {
            Ok(opened) => opened,
            Err(error) => {
                seen.state = KeyState::Unreadable;
                seen.because = error.to_string();
                return (seen, None);
            }
        };
        let now = self.now_ms();
        opened.lives_for(found, now);
        let is_past = self.is_past(key, &mut opened, (found, Looked { era, epoch }));
        let stamp = self.stamp_of(hash, key, (tier, 0), &opened);
        seen.aged(&stamp, now);
        if stamp.expires_at <= now {
            seen.state = KeyState::Dead;
            seen.because = "its life is over".to_owned();
        } else if is_past {
            seen.state = KeyState::Dead;
            seen.because = "it was invalidated since it was read".to_owned();
        } else if is_waiting {
            seen.state = KeyState::Waiting;
            seen.because = "it is to be written, and answered meanwhile".to_owned();
        } else {
            seen.state = KeyState::Held;
            seen.because = match Header::peek(&bytes) {
                Ok(header) => format!("{} bytes by {}", header.raw_len, header.compression),
                Err(_) => String::new(),
            };
        }
        if let Fetched::FoundSince(_, number) = found {
            seen.because += &self.outside.place_of(number);
        }
        let is_alive = seen.state != KeyState::Dead;
        (seen, is_alive.then(|| Arc::new(stamp)))
    }

    fn why_not_in_memory(&self, stamp: &Stamp) -> String {
        let max = self.memory.capacity().bytes;
        match max {
            _ if !stamp.strategy.is_near() => "its strategy keeps it out".to_owned(),
            Some(max) if stamp.weight > max.as_u64() => {
                let weight = ByteSize::from_bytes(stamp.weight);
                format!("it weighs {weight} where all may weigh {max}")
            }
            Some(max) if self.waits_for_another_use(stamp, self.lately.is_some().then_some(0)) => {
                too_large(stamp, max)
            }
            _ => "it made room, ended here or was not asked for yet: a get takes it up".to_owned(),
        }
    }

    fn why_not_beyond(&self, stamp: &Stamp, tier: usize) -> String {
        if let Some(because) = self.kept_out(stamp, stamp.choice, tier) {
            return because.to_string();
        }
        if stamp.choice.is_out_of(tier) {
            return "it was not worth a write there when it came in".to_owned();
        }
        let is_aside = stamp.strategy == Strategy::Auto && self.write == WritePolicy::Aside;
        match is_aside {
            true => "it is written when it makes room in a nearer tier".to_owned(),
            false => "it was dropped there, or lost on its way: see `lost`".to_owned(),
        }
    }
}

impl TierExplanation {
    const fn new(tier: &'static str, state: KeyState) -> TierExplanation {
        let because = String::new();
        TierExplanation { tier, state, age: None, time_to_live: None, bytes: None, because }
    }

    fn aged(&mut self, stamp: &Stamp, now: u64) {
        let span = |to: u64, from: u64| Duration::from_millis(to.saturating_sub(from));
        self.age = Some(span(now, stamp.written_at));
        self.time_to_live = (stamp.expires_at != u64::MAX).then(|| span(stamp.expires_at, now));
    }

    fn unknown(mut self, because: &str) -> TierExplanation {
        self.state = KeyState::Unknown;
        self.because = because.to_owned();
        self
    }
}

impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Where a key is kept and why: what each tier has, how old that is and how long it lives, why
    /// it is not where one might look for it. For people and for tools; asks every tier, decodes
    /// what it finds, and changes nothing. Counts as no lookup and as no use of memory; a store may
    /// take it for one.
    ///
    /// ```
    /// use perf_cache::{Cache, TieredCache};
    ///
    /// let cache: TieredCache<u64, f64> =
    ///     TieredCache::builder().memory(Cache::builder().max_entries(1_000)).build()?;
    /// cache.insert(4, 2.0);
    /// let explained = cache.explain(&4);
    /// assert!(explained.tiers[0].state.is_answered());
    /// println!("{explained}");
    /// # Ok::<(), perf_cache::tiered::BuildError>(())
    /// ```
    pub fn explain<Q>(&self, key: &Q) -> Explanation
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        block_on(self.explain_async(key))
    }

    /// Like [`explain`](TieredCache::explain), for tasks on any runtime.
    pub async fn explain_async<Q>(&self, key: &Q) -> Explanation
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.core.explain(self.core.memory.hash(key), &key.to_owned()).await
    }
}

#[cfg(feature = "serde")]
fn seconds<S: serde::Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&span.map(|span| span.as_secs_f64()), to)
}
