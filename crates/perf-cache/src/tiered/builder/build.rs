//! What the settings come to.

use super::super::TieredCache;
use super::super::behind::Behind;
use super::super::choosing::Lately;
use super::super::close::{self, Closing};
use super::super::component::Defaults;
use super::super::generations::{Generations, RecordName, Told};
use super::super::held::{Held, Sealer, Sealing};
use super::super::inner::{Core, Loads, millis, wall_ms};
use super::super::invalidating::Near;
use super::super::leasing::LeaseCounts;
use super::super::news::{News, NewsCounts};
use super::super::options::WritePolicy;
use super::super::outer::Outer;
use super::super::outside::{Outside, Parts};
use super::super::overflow::Overflow;
use super::super::pool::Pool;
use super::super::promise::block_on;
use super::super::stats::Baseline;
use super::super::tier::{DiskTier, TierError};
use super::{BuildError, TieredCacheBuilder, WhenBusy};
use crate::{Cache, CacheBuilder, CacheKey, ConfigError};
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

impl<K: 'static, V: 'static> TieredCacheBuilder<K, V> {
    /// # Errors
    ///
    /// [`ConfigError`] if there is no tier at all, tiers beyond memory without a codec, a bound on
    /// bytes of memory with neither codec nor weigher, a rule for lives in memory with tiers beyond it, two
    /// tiers that other processes use as well or one that another cache has, a number or a time that is zero, a compression that is not built in, and for what [`CacheBuilder::build`](crate::CacheBuilder::build) refuses.
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |setting, value: &dyn fmt::Display, remedy: &'static str| {
            Err(ConfigError::new(setting, value, remedy))
        };
        let is_alone = self.tiers.is_empty() && self.log.is_none();
        if self.memory.is_none() && is_alone {
            return refuse("memory", &"absent", "give it memory, another tier, or both");
        }
        if !is_alone && self.codec.is_none() {
            return refuse(
                "codec",
                &"absent",
                "tiers beyond memory need one: `RawBytes`, `Postcard`",
            );
        }
        let is_uncounted = self.memory.as_ref().is_some_and(CacheBuilder::needs_weigher);
        if is_uncounted && self.codec.is_none() {
            let remedy = "to count bytes it needs a codec, or a weigher in `memory`";
            return refuse("codec", &"absent", remedy);
        }
        if !is_alone && self.memory.as_ref().is_some_and(|memory| memory.expiry.has_rule()) {
            let remedy = "it would hold in memory only: say it by the terms of each entry";
            return refuse("expiry", &"a rule", remedy);
        }
        if self.threads == 0 {
            return refuse("threads", &0, "use 1 or more");
        }
        if self.max_waiting == 0 {
            return refuse("max_waiting", &0, "use 1 or more");
        }
        if self.max_tags < 2 {
            return refuse("max_tags", &self.max_tags, "use 2 or more");
        }
        let shared = self.tiers.iter().filter(|tier| tier.shared().is_some()).count();
        if shared > 1 {
            let remedy = "one tier at most that other processes use as well can tell of changes";
            return refuse("tier", &format_args!("{shared} that are shared"), remedy);
        }
        if self.lease.is_some_and(|time| time.is_zero()) {
            return refuse(
                "single_flight_lease",
                &"zero",
                "give a load some time, or leave it out",
            );
        }
        if self.guarding.deadline.is_zero() {
            return refuse("deadline", &"zero", "give tiers some time");
        }
        if let WritePolicy::Behind { max_bytes, .. } = self.write
            && max_bytes.as_u64() == 0
        {
            return refuse("max_bytes", &0, "write through, or let some bytes wait");
        }
        Ok(())
    }
}

impl<K, V> TieredCacheBuilder<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Makes the cache, and reads from the tiers beyond memory what was invalidated before: some 260
    /// small reads for each. If they cannot be read, nothing that is older is answered.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no tier at all, tiers beyond memory without a codec, a bound on
    /// bytes of memory with neither codec nor weigher, a rule for lives in memory with tiers beyond it, two
    /// tiers that other processes use as well or one that another cache has, a number or a time that is zero, a compression that is not built in, and for what [`CacheBuilder::build`](crate::CacheBuilder::build) refuses;
    /// [`DiskError`](crate::disk::DiskError) if the disk cannot be opened.
    pub fn build(mut self) -> Result<TieredCache<K, V>, BuildError> {
        self.check()?;
        let sealer = match self.codec.take() {
            Some(codec) => Some(Arc::new(Sealer::new(Sealing {
                codec,
                compression: self.compression,
                level: self.level,
                #[cfg(feature = "crypto")]
                keys: self.keys.take(),
                namespace: self.namespace.clone(),
            })?)),
            None => None,
        };
        let outside = self.outside()?;
        let text = Arc::new(OnceLock::new());
        let declared = self.memory.as_ref().and_then(|memory| memory.declared.text);
        if let Some(of) = self.text.or(declared) {
            let _ = text.set(of);
        }
        let has_memory = self.memory.is_some();
        let none = || Cache::builder().max_entries(1).insight(false);
        let memory = self.memory.take().unwrap_or_else(none);
        let refresh_after = memory.refreshes_after();
        let (mut builder, weigher) = memory.holding(Held::value);
        builder = builder.name(self.name).clock(self.clock.clone());
        builder = builder.weigher(|_, held: &Held<V>| held.stamp.weight);
        builder.declared.text = builder.declared.text.or(self.text);
        if let Some(sealer) = &sealer
            && outside.own_tiers().next().is_some()
            && has_memory
        {
            builder.listeners.set_heir(Arc::new(Overflow {
                outside: Arc::clone(&outside),
                sealer: Arc::clone(sealer),
                text: Arc::clone(&text),
                clock: self.clock.clone(),
            }));
        }
        let memory = builder.build()?;
        let news = match (outside.shared, &sealer) {
            (Some(_), Some(sealer)) => Some(Arc::new(News {
                near: Near { memory: memory.clone(), outside: Arc::clone(&outside) },
                sealer: Arc::clone(sealer),
                text: Arc::clone(&text),
                on_change: self.on_change.take(),
                counts: NewsCounts::default(),
            })),
            _ => None,
        };
        if let Some(news) = &news {
            let receiver = Arc::<News<K, V>>::downgrade(news);
            if !outside.listen(receiver) {
                let remedy = "make another over the same server for each cache";
                return Err(
                    ConfigError::new("tier", "a shared one of another cache", remedy).into()
                );
            }
        }
        if !close::start(&outside) {
            let remedy = "the system gives no thread to write behind, write through";
            return Err(ConfigError::new("write", "behind", remedy).into());
        }
        let core = Core {
            memory,
            news,
            lease: self.lease,
            leases: LeaseCounts::default(),
            has_memory,
            weigher,
            write: self.write,
            lately: (self.chooses && !outside.outers.is_empty()).then(Lately::new),
            outer_ttl: AtomicU64::new(millis(self.outer_ttl)),
            refresh_after,
            text,
            loads: Loads::default(),
            closing: Closing::new(self.close_within, self.on_close.take()),
            baseline: Baseline::new(&outside, self.clock.now()),
            defaults: Defaults {
                disk_bytes: outside.outers.first().map_or(0, |outer| outer.tier.usage().max_bytes),
                level: sealer.as_ref().and_then(|sealer| sealer.pipeline().level()),
                behind_bytes: match self.write {
                    WritePolicy::Behind { max_bytes, .. } => max_bytes.as_u64(),
                    WritePolicy::Through | WritePolicy::Aside => 0,
                },
            },
            #[cfg(feature = "cdn")]
            purging: self.purging.take(),
            turning: Mutex::default(),
            built: self.clock.now(),
            sealer,
            outside,
            clock: self.clock,
        };
        Ok(TieredCache { core: Arc::new(core) })
    }

    fn outside(&mut self) -> Result<Arc<Outside>, BuildError> {
        if let Some(log) = self.log.take() {
            let store = log.clock(self.clock.clone()).open().map_err(BuildError::Disk)?;
            self.tiers.insert(0, Arc::new(DiskTier::prompt(Arc::new(store))));
        }
        let outers = std::mem::take(&mut self.tiers).into_iter();
        let outers = outers.map(|tier| Outer::new(tier, self.guarding, self.clock.clone()));
        let limits = match self.write {
            WritePolicy::Behind { max_bytes, max_age } => Some((max_bytes.as_u64(), max_age)),
            WritePolicy::Through | WritePolicy::Aside => None,
        };
        let outside = Outside::new(Parts {
            outers: outers.collect::<Result<_, _>>()?,
            generations: Generations::new(self.max_tags, MAX_PATTERNS),
            told: Told::new(self.max_tags, MAX_PATTERNS),
            pool: Pool::new(self.threads, self.max_waiting),
            behind: Behind::new(limits),
            records: Sealer::<V>::record_prefix(&self.namespace),
            waits_when_busy: self.when_busy == WhenBusy::Wait,
            clock: self.clock.clone(),
        });
        let outside = Arc::new(outside);
        recover(&outside);
        Ok(outside)
    }
}

/// Reads what was invalidated before.
fn recover(outside: &Arc<Outside>) {
    let mut bytes = Vec::new();
    for tier in outside.own_tiers() {
        let outer = &outside.outers[tier];
        let damaged = || outer.call(None, |tier| Ok(tier.usage().corrupt)).unwrap_or_default();
        let before = damaged();
        for name in RecordName::all() {
            bytes.clear();
            let key = outside.record_key(name);
            let found: Result<bool, TierError> =
                outer.call(None, |tier| tier.get(&key, &mut bytes));
            match found {
                Ok(true) => outside.generations.recover(name, &bytes),
                Ok(false) => {}
                // As one that cannot be read.
                Err(_) => outside.generations.recover(name, &[]),
            }
        }
        // It answers that a damaged one is missing.
        if damaged() > before {
            outside.generations.recover(RecordName::Floor, &[]);
        }
    }
    // More than a million numbers for each millisecond are not given out.
    let at_least = wall_ms(&outside.clock).saturating_mul(1 << 20);
    if let Some(record) = outside.generations.recovered(at_least) {
        for begun in outside.queue_records(vec![record]) {
            // Where it cannot be kept it is when the tier is well.
            let _ = block_on(outside.carry(begun));
        }
    }
    if outside.shared.is_some() && outside.own_tiers().next().is_some() {
        // Nobody has told this process what others changed while it was not there.
        let queue = |records| outside.queue_records(records);
        let (number, begun) = outside.generations.invalidate_all(queue);
        begun.into_iter().for_each(|begun| _ = block_on(outside.carry(begun)));
        outside.generations.settle(number);
    }
}

/// Names and patterns that are remembered.
const MAX_PATTERNS: usize = 256;
