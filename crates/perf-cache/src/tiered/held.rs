//! What memory keeps of a value, and how it travels as bytes.

use super::choosing::Choice;
use super::generations::FIRST_ID;
use super::inner::millis;
use super::options::Strategy;
use super::sampling::{Calls, is_timed};
use super::tier::Fetched;
use crate::CacheKey;
use crate::codec::{
    Codec, CodecError, CodecId, Compression, Header, Meta, OpenError, Pipeline, SealError,
    TagGeneration,
};
use perf_core::{Clock, ConfigError, StripedHistogram};
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A value as memory holds it.
#[derive(Debug)]
pub(super) struct Held<V> {
    pub(super) value: V,
    pub(super) stamp: Arc<Stamp>,
}

impl<V: Clone> Clone for Held<V> {
    fn clone(&self) -> Held<V> {
        Held { value: self.value.clone(), stamp: Arc::clone(&self.stamp) }
    }
}

impl<V> Held<V> {
    pub(super) const fn value(&self) -> &V {
        &self.value
    }

    pub(super) fn to_value(&self) -> V
    where
        V: Clone,
    {
        self.value.clone()
    }

    pub(super) fn into_value(self) -> V {
        self.value
    }
}

/// What goes with a value wherever it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Of its key.
    pub(super) hash: u64,
    /// Its place in the order of writes, see [`super::keys`].
    pub(super) number: u64,
    /// Its place in the order of invalidations, see [`super::generations`].
    pub(super) era: u64,
    /// Unix milliseconds.
    pub(super) written_at: u64,
    /// When it ends in the tiers beyond memory, Unix milliseconds.
    pub(super) expires_at: u64,
    /// Ids.
    pub(super) tags: Box<[u64]>,
    pub(super) strategy: Strategy,
    pub(super) compress: Option<bool>,
    /// What it weighs in memory.
    pub(super) weight: u64,
    /// How much had been written beyond memory when it was last known to be there, see
    /// [`super::volume`]; zero if it never was.
    pub(super) seen: u64,
    /// The tier beyond memory that it was found in, if it was.
    pub(super) from: Option<usize>,
    /// What its place was chosen by, and where it was not put.
    pub(super) choice: Choice,
}

/// Bytes that memory takes for each entry beside the value and what the weigher says.
pub(super) const STAMP_BYTES: u64 = (size_of::<Stamp>() + 2 * size_of::<usize>()) as u64;

/// Makes bytes of keys and values.
#[derive(Debug)]
pub(super) struct Sealer<V> {
    codec: Arc<dyn Codec<V>>,
    pipeline: Pipeline<V>,
    namespace: String,
    /// What the bytes of a key begin with.
    prefix: Vec<u8>,
    pub(super) times: Times,
}

/// How long it takes to seal and to open values, in nanoseconds of the system's clock: of one call
/// in eight of each thread.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub(super) seal: StripedHistogram,
    pub(super) open: StripedHistogram,
}

impl Times {
    fn measured<R>(of: &StripedHistogram, calls: Calls, work: impl FnOnce() -> R) -> R {
        if !is_timed(calls) {
            return work();
        }
        let clock = Clock::system();
        let began = clock.now();
        let answer = work();
        of.record_duration(clock.now() - began);
        answer
    }
}

/// A value that was opened.
#[derive(Debug)]
pub(super) struct Opened<V> {
    pub(super) value: V,
    pub(super) era: u64,
    pub(super) tags: Box<[u64]>,
    pub(super) strategy: Strategy,
    pub(super) written_at: u64,
    pub(super) expires_at: u64,
    /// Bytes of the value when encoded.
    pub(super) raw_len: u64,
}

impl<V> Opened<V> {
    /// What a tier knows of the rest of its life counts for more than what the value says itself.
    /// Clocks are not compared: of the times that stand in the value only what lies
    /// between them counts, the life that it was to have. What is gone of that is its age; one without
    /// an end counts as new when it is found.
    pub(super) fn lives_for(&mut self, found: Fetched, now: u64) {
        if let Fetched::FoundFor(left) | Fetched::FoundSince(left, _) = found {
            self.written_at = now.saturating_sub(self.age(left));
            self.expires_at = now.saturating_add(millis(left));
        }
    }

    /// In milliseconds, where so much is left of its life.
    fn age(&self, left: Duration) -> u64 {
        if self.expires_at == u64::MAX {
            return 0;
        }
        self.expires_at.saturating_sub(self.written_at).saturating_sub(millis(left))
    }
}

/// What a [`Sealer`] is made of.
#[derive(Debug)]
pub(super) struct Sealing<V> {
    pub(super) codec: Arc<dyn Codec<V>>,
    pub(super) compression: Compression,
    pub(super) level: Option<i32>,
    #[cfg(feature = "crypto")]
    pub(super) keys: Option<crate::codec::KeyRing>,
    pub(super) namespace: String,
}

impl<V: 'static> Sealer<V> {
    pub(super) fn new(sealing: Sealing<V>) -> Result<Sealer<V>, ConfigError> {
        let mut builder = Pipeline::builder(Shared(Arc::clone(&sealing.codec)));
        builder = builder.compression(sealing.compression);
        if let Some(level) = sealing.level {
            builder = builder.level(level);
        }
        #[cfg(feature = "crypto")]
        if let Some(keys) = sealing.keys {
            builder = builder.keys(keys);
        }
        let mut prefix = vec![VALUES];
        sealing.namespace.encode(&mut prefix);
        Ok(Sealer {
            codec: sealing.codec,
            pipeline: builder.build()?,
            namespace: sealing.namespace,
            prefix,
            times: Times::default(),
        })
    }

    /// How hard values are compressed from now on.
    pub(super) fn set_level(&self, level: i32) {
        // The bounds of the knob are those of the compression.
        let _ = self.pipeline.set_level(Some(level));
    }

    pub(super) fn pipeline(&self) -> &Pipeline<V> {
        &self.pipeline
    }

    /// What the keys of records begin with.
    pub(super) fn record_prefix(namespace: &str) -> Vec<u8> {
        let mut prefix = vec![RECORDS];
        namespace.encode(&mut prefix);
        prefix
    }

    /// Appends what a key is called beyond memory.
    pub(super) fn name<Q: CacheKey + ?Sized>(&self, key: &Q, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.prefix);
        key.encode(into);
    }

    /// The bytes of the key that is called so beyond memory, if one of this cache is.
    pub(super) fn bytes_of<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        name.strip_prefix(self.prefix.as_slice())
    }

    /// How many bytes the value has when encoded, zero for one that cannot be.
    pub(super) fn len(&self, value: &V) -> u64 {
        if let Some(bytes) = self.codec.as_encoded(value) {
            return bytes.len() as u64;
        }
        let mut bytes = Vec::new();
        self.codec.encode(value, &mut bytes).map_or(0, |()| bytes.len() as u64)
    }

    /// The bytes, and how many the value has when encoded.
    pub(super) fn seal(
        &self,
        name: &[u8],
        value: &V,
        stamp: &Stamp,
    ) -> Result<(Vec<u8>, u64), SealError> {
        let generation = stamp.era;
        let tag = |tag| TagGeneration { tag, generation };
        let flags = match stamp.strategy {
            Strategy::Disk => Some(ON_DISK),
            Strategy::Remote => Some(REMOTE),
            Strategy::Cdn => Some(AT_THE_EDGE),
            Strategy::Auto | Strategy::Memory => None,
        };
        let flags = flags.map(|generation| TagGeneration { tag: FLAGS, generation });
        let tags = [tag(ERA)].into_iter().chain(flags).chain(stamp.tags.iter().copied().map(tag));
        let meta = Meta::new(stamp.written_at).expires_at(stamp.expires_at).tags(tags);
        let mut bytes = Vec::new();
        let namespace = &self.namespace;
        let sealed = Times::measured(&self.times.seal, &SEALS, || {
            self.pipeline.seal_into(&mut bytes, name, namespace, value, &meta, stamp.compress)
        })?;
        Ok((bytes, sealed.raw_len as u64))
    }

    pub(super) fn open(&self, name: &[u8], bytes: &[u8]) -> Result<Opened<V>, OpenError> {
        let make = |value, header: &Header<'_>| {
            let mut opened = Opened {
                value,
                era: 0,
                tags: Box::default(),
                strategy: Strategy::Auto,
                written_at: header.written_at,
                expires_at: header.expires_at,
                raw_len: header.raw_len,
            };
            let mut tags = Vec::new();
            for TagGeneration { tag, generation } in header.tags() {
                match tag {
                    ERA => opened.era = generation,
                    FLAGS => {
                        opened.strategy = match generation {
                            ON_DISK => Strategy::Disk,
                            REMOTE => Strategy::Remote,
                            AT_THE_EDGE => Strategy::Cdn,
                            _ => Strategy::Auto,
                        }
                    }
                    tag if tag >= FIRST_ID => tags.push(tag),
                    _ => {}
                }
            }
            opened.tags = tags.into();
            opened
        };
        Times::measured(&self.times.open, &OPENS, || {
            self.pipeline.open_with(name, &self.namespace, bytes, make)
        })
    }
}

/// What sealed bytes say of their place in the order of invalidations, and the ids of their tags.
pub(super) fn era_and_tags(bytes: &[u8]) -> Option<(u64, Vec<u64>)> {
    let header = Header::peek(bytes).ok()?;
    let era = header.tags().find(|pair| pair.tag == ERA).map_or(0, |pair| pair.generation);
    Some((era, header.tags().map(|pair| pair.tag).filter(|tag| *tag >= FIRST_ID).collect()))
}

/// A codec that others have, too.
struct Shared<V>(Arc<dyn Codec<V>>);

impl<V> Codec<V> for Shared<V> {
    fn id(&self) -> CodecId {
        self.0.id()
    }

    fn encode(&self, value: &V, into: &mut Vec<u8>) -> Result<(), CodecError> {
        self.0.encode(value, into)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        self.0.decode(bytes)
    }

    fn as_encoded<'v>(&self, value: &'v V) -> Option<&'v [u8]> {
        self.0.as_encoded(value)
    }
}

impl<V> fmt::Debug for Shared<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

thread_local! {
    static SEALS: Cell<u32> = const { Cell::new(0) };
    static OPENS: Cell<u32> = const { Cell::new(0) };
}

/// The first byte of what is stored: values, and records of what was invalidated.
const VALUES: u8 = 1;
pub(crate) const RECORDS: u8 = 0;

/// Beside those of tags a header holds a pair for the era, and one for what is out of the ordinary.
const ERA: u64 = 0;
const FLAGS: u64 = 1;
/// Where only it is kept.
const ON_DISK: u64 = 1;
const REMOTE: u64 = 2;
const AT_THE_EDGE: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::RawBytes;

    fn sealer(namespace: &str) -> Sealer<String> {
        Sealer::new(Sealing {
            codec: Arc::new(RawBytes),
            compression: Compression::None,
            level: None,
            #[cfg(feature = "crypto")]
            keys: None,
            namespace: namespace.to_owned(),
        })
        .unwrap()
    }

    #[test]
    fn what_goes_with_a_value_comes_back_with_it() {
        let sealer = sealer("n");
        for strategy in [Strategy::Auto, Strategy::Disk, Strategy::Remote, Strategy::Cdn] {
            let stamp = Stamp {
                hash: 1,
                number: 2,
                era: 3,
                written_at: 1_000,
                expires_at: 2_000,
                tags: [FIRST_ID, 99].into(),
                strategy,
                compress: None,
                weight: 5,
                seen: 0,
                from: None,
                choice: Choice::default(),
            };
            let (bytes, raw_len) = sealer.seal(b"k", &"value".to_owned(), &stamp).unwrap();
            let opened = sealer.open(b"k", &bytes).unwrap();
            assert_eq!((opened.value.as_str(), opened.raw_len, raw_len), ("value", 5, 5));
            assert_eq!((opened.era, &opened.tags, opened.strategy), (3, &stamp.tags, strategy));
            assert_eq!((opened.written_at, opened.expires_at), (1_000, 2_000));
        }
        assert_eq!(sealer.len(&"value".to_owned()), 5);
    }

    #[test]
    fn namespaces_and_records_are_apart() {
        let name = |namespace: &str, key: &str| {
            let mut name = Vec::new();
            sealer(namespace).name(key, &mut name);
            name
        };
        assert_ne!(name("a", "bc"), name("ab", "c"));
        assert!(!name("a", "b").starts_with(&Sealer::<String>::record_prefix("a")));
    }
}
