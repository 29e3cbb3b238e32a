//! What caches of every kind of pairs are told alike, and what of it makes no sense.

use crate::{Capacity, ConfigError};
use hashbrown::DefaultHashBuilder;
use perf_core::{ByteSize, Clock, Ratio};
use std::fmt;
use std::time::Duration;

/// Settings that the builders have in common.
pub(crate) struct Basics<S> {
    pub(crate) name: String,
    pub(crate) capacity: Capacity,
    /// Zero: for ever.
    pub(crate) ttl: Duration,
    pub(crate) jitter: Ratio,
    pub(crate) clock: Clock,
    pub(crate) shards: Option<usize>,
    pub(crate) hasher: S,
}

impl Basics<DefaultHashBuilder> {
    pub(crate) fn new() -> Basics<DefaultHashBuilder> {
        Basics {
            name: "cache".to_owned(),
            capacity: Capacity::default(),
            ttl: Duration::ZERO,
            jitter: Ratio::ZERO,
            clock: Clock::system(),
            shards: None,
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<S> Basics<S> {
    /// The same but for the hasher.
    pub(crate) fn hasher<T>(self, hasher: T) -> Basics<T> {
        let Basics { name, capacity, ttl, jitter, clock, shards, hasher: _ } = self;
        Basics { name, capacity, ttl, jitter, clock, shards, hasher }
    }

    /// That there is a bound, and that something fits in it; if not, `remedy` is for want of one.
    pub(crate) fn check_bounds(&self, remedy: &'static str) -> Result<(), ConfigError> {
        match self.capacity {
            Capacity { entries: None, bytes: None } => {
                Err(ConfigError::new("max_entries", "unbounded", remedy))
            }
            Capacity { entries: Some(0), .. } => {
                Err(ConfigError::new("max_entries", 0, "use 1 or more"))
            }
            Capacity { bytes: Some(bytes), .. } if bytes.as_u64() == 0 => {
                Err(ConfigError::new("max_bytes", bytes, "use 1 B or more"))
            }
            Capacity { .. } => Ok(()),
        }
    }

    /// Shows what is set.
    pub(crate) fn show(&self, into: &mut fmt::DebugStruct<'_, '_>) {
        into.field("name", &self.name)
            .field("capacity", &self.capacity)
            .field("time_to_live", &self.ttl)
            .field("jitter", &self.jitter)
            .field("shards", &self.shards);
    }

    /// How many shards there are to be under such bounds.
    pub(crate) fn shards(&self, bounds: Capacity) -> Result<usize, ConfigError> {
        match self.shards {
            Some(n) if n.is_power_of_two() && n <= super::MAX_SHARDS => Ok(n),
            Some(n) => Err(ConfigError::new("shards", n, "use a power of two from 1 to 1024")),
            None => {
                let bytes = bounds.bytes.map(ByteSize::as_u64);
                Ok(super::default_shards(bounds.entries, bytes))
            }
        }
    }
}
