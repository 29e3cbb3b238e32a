//! A tiered cache as something the engine can watch and steer.

use super::promise::lock;
use super::{SharedStats, TieredCache, TieredStats};
use crate::CacheKey;
use crate::codec::CodecStats;
use perf_core::{
    Bounds, ByteSize, Component, Direction, Knob, KnobError, KnobValue, Observe, Signal, Tune,
    Turn, Turned, Unit,
};
use perf_guard::BreakerState;
use std::hash::Hash;

impl<K, V: 'static> Observe for TieredCache<K, V> {
    /// The figures of the whole without a label, those of a tier with the label `tier`; memory's
    /// are among them.
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let stats = self.core.stats();
        let since = stats.since;
        let counters = [
            ("hits", stats.hits, "Lookups that found a value in some tier."),
            ("misses", stats.misses, "Lookups that found none in any."),
            ("loads", stats.loads, "Loaders that ended, in whatever way."),
            ("load_failures", stats.load_failures, "Loaders that gave no value."),
            ("joins", stats.joins, "Lookups that waited for another caller's."),
            ("stale_served", stats.stale_served, "Old values answered for want of new ones."),
            ("busy", stats.busy, "Reads for which there was no thread."),
            ("given_up", stats.given_up, "Times that all beyond memory was given up."),
        ];
        for (name, value, help) in counters {
            visit(Signal::counter(name, value, since).help(help));
        }
        for lost in &stats.lost {
            let labels = [("tier", lost.tier), ("cause", lost.cause)];
            let signal = Signal::counter("lost", lost.values, since).labels(&labels);
            visit(signal.help("Values that never reached a tier."));
        }
        let (tags, patterns) = self.core.outside.generations.len();
        let gauges = [
            ("waiting_bytes", Unit::Bytes, stats.waiting_bytes, "Values on their way to tiers."),
            ("parked", Unit::Count, stats.parked, "Removals that could not be made yet."),
            ("busy_keys", Unit::Count, self.core.outside.busy_keys() as u64, "Keys in use."),
            ("queued", Unit::Count, self.core.outside.pool.queued() as u64, "Calls that wait."),
            ("invalidated_tags", Unit::Count, tags as u64, "Tags remembered as invalidated."),
            ("invalidated_patterns", Unit::Count, patterns as u64, "Patterns remembered."),
        ];
        for (name, unit, value, help) in gauges {
            visit(Signal::gauge(name, unit, value as f64).help(help));
        }
        if let Some(shared) = &stats.shared {
            self.observe_shared(shared, visit);
        }
        if let Some(codec) = &stats.codec {
            self.observe_codec(&stats, codec, visit);
        }
        let help = "How long loaders ran that came to their end.";
        let duration = &stats.load_duration;
        visit(Signal::histogram("load_duration", Unit::Nanoseconds, duration, since).help(help));
        if let Some(memory) = &stats.memory {
            let labels = [("tier", "memory")];
            let mut counter = |name, value, help| {
                visit(Signal::counter(name, value, since).help(help).labels(&labels));
            };
            counter("tier_hits", memory.hits, "Lookups that found a value in the tier.");
            counter("tier_misses", memory.misses, "Lookups that did not.");
            counter("tier_evicted", memory.evictions.size, "Entries that made room.");
            let mut gauge = |name, unit, value, help| {
                visit(Signal::gauge(name, unit, value).help(help).labels(&labels));
            };
            gauge("tier_entries", Unit::Count, memory.entries as f64, "Entries held.");
            gauge("tier_bytes", Unit::Bytes, memory.bytes.as_u64() as f64, "Bytes taken.");
        }
        for tier in &stats.tiers {
            let labels = [("tier", tier.name)];
            let counters = [
                ("tier_hits", tier.hits, "Lookups that found a value in the tier."),
                ("tier_misses", tier.misses, "Lookups that did not."),
                ("tier_evicted", tier.usage.evicted, "Entries that made room."),
                ("tier_passed_by", tier.passed_by, "Calls that went by the tier."),
                ("tier_waited", tier.waited, "Reads that needed a thread."),
                ("tier_failed", tier.failed, "Calls that failed."),
                ("tier_timed_out", tier.timed_out, "Calls whose deadline passed."),
                ("tier_undecodable", tier.undecodable, "Values that could not be opened."),
                ("tier_outdated", tier.outdated, "Values that had ended or been invalidated."),
                ("tier_puts", tier.puts, "Values taken."),
                ("tier_put_bytes", tier.put_bytes, "Bytes of these."),
                ("tier_removals", tier.removals, "Removals."),
                ("tier_overtaken", tier.overtaken, "Values that others had changed since."),
                ("tier_coalesced", tier.coalesced, "Values overtaken before they were written."),
                ("tier_overflowed", tier.overflowed, "Values that memory let go of."),
            ];
            for (name, value, help) in counters {
                visit(Signal::counter(name, value, since).help(help).labels(&labels));
            }
            let breaker = match tier.breaker {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            };
            let gauges = [
                ("tier_entries", Unit::Count, tier.usage.entries, "Entries held."),
                ("tier_bytes", Unit::Bytes, tier.usage.bytes, "Bytes taken."),
                ("tier_memory", Unit::Bytes, tier.usage.memory_bytes, "Bytes of memory for it."),
                ("tier_breaker", Unit::None, breaker, "0 closed, 1 half open, 2 open."),
            ];
            for (name, unit, value, help) in gauges {
                visit(Signal::gauge(name, unit, value as f64).help(help).labels(&labels));
            }
            let (name, unit) = ("tier_retrieval", Unit::Nanoseconds);
            let signal = Signal::histogram(name, unit, &tier.retrieval, since).labels(&labels);
            visit(signal.help("How long it took to find a value in the tier."));
        }
    }
}

impl<K, V: 'static> TieredCache<K, V> {
    fn observe_shared(&self, shared: &SharedStats, visit: &mut dyn FnMut(Signal<'_>)) {
        let built = self.core.built;
        let counters = [
            ("changes", shared.changes, "Changes of other processes that were taken in."),
            ("doubts", shared.doubts, "Times that all that is near was dropped."),
            ("key_scans", shared.scans, "Times that memory was looked through for a key."),
            ("announced", shared.announced, "Invalidations that others were told of."),
            ("announce_failures", shared.announce_failures, "Attempts at that which failed."),
            ("announce_given_up", shared.announce_given_up, "Those given up for ending all."),
            ("leases_taken", shared.leases_taken, "Loads that another process was to make."),
            ("loads_spared", shared.loads_spared, "Those of them whose value came."),
            ("news_panics", shared.panics, "Panics when changes were taken in."),
        ];
        for (name, value, help) in counters {
            visit(Signal::counter(name, value, built).help(help));
        }
        let gauges = [
            ("unannounced", shared.unannounced, "Invalidations that others do not know of."),
            ("change_number", shared.since.number, "The last change that was taken in."),
            ("shared_tags", shared.tags, "Tags remembered as invalidated for all."),
            ("shared_patterns", shared.patterns, "Patterns remembered for all."),
        ];
        for (name, value, help) in gauges {
            visit(Signal::gauge(name, Unit::Count, value as f64).help(help));
        }
    }

    fn observe_codec(
        &self,
        stats: &TieredStats,
        codec: &CodecStats,
        visit: &mut dyn FnMut(Signal<'_>),
    ) {
        let (since, built) = (stats.since, self.core.built);
        let saved = codec.raw_bytes.saturating_sub(codec.stored_bytes);
        let counters = [
            ("codec_sealed", Unit::Count, codec.sealed, "Values made into bytes."),
            ("codec_opened", Unit::Count, codec.opened, "Values got back from bytes."),
            ("codec_raw_bytes", Unit::Bytes, codec.raw_bytes, "Values before compression."),
            (
                "codec_stored_bytes",
                Unit::Bytes,
                codec.stored_bytes,
                "What they became, with headers.",
            ),
            ("codec_saved_bytes", Unit::Bytes, saved, "What compression spared."),
        ];
        for (name, unit, value, help) in counters {
            visit(Signal::counter(name, value, built).unit(unit).help(help));
        }
        for (cause, count) in codec.undecodable.by_cause().filter(|(_, count)| *count > 0) {
            let labels = [("cause", cause)];
            let signal = Signal::counter("codec_undecodable", count, built).labels(&labels);
            visit(signal.help("Bytes of which no value could be made."));
        }
        if let Some(ratio) = codec.compression_ratio() {
            let help = "How many times smaller values became.";
            visit(Signal::gauge("codec_ratio", Unit::None, ratio).help(help));
        }
        let times = [
            ("codec_seal_duration", &stats.seal_duration, "How long values took to become bytes."),
            ("codec_open_duration", &stats.open_duration, "How long bytes took to become values."),
        ];
        for (name, duration, help) in times {
            visit(Signal::histogram(name, Unit::Nanoseconds, duration, since).help(help));
        }
    }
}

/// Knobs: those of the memory tier, named as in [`Cache`](crate::Cache) behind `memory_`;
/// `disk_capacity`, the bound of the nearest tier beyond it, and `write_behind_bytes`, where values
/// are written behind; both from a sixteenth to sixteen times of what was built; and
/// `compression_level`, where the compression has levels.
impl<K, V: 'static> Tune for TieredCache<K, V> {
    fn knobs(&self) -> Vec<Knob> {
        let mut knobs = Vec::new();
        if self.core.has_memory {
            knobs.extend(self.core.memory.knobs().into_iter().filter_map(|mut knob| {
                let id = MEMORY_KNOBS.iter().find(|(_, own)| knob.id == **own)?.0;
                knob.id = id.into();
                Some(knob)
            }));
        }
        let defaults = self.core.defaults;
        if let Some(outer) = self.core.outside.outers.first()
            && defaults.disk_bytes > 0
        {
            let now = outer.tier.usage().max_bytes;
            knobs.push(
                bytes_knob("disk_capacity", "Disk capacity", now, defaults.disk_bytes)
                    .trades("More disk for a higher hit ratio.")
                    .moves("tier_hits", Direction::Up)
                    .moves("misses", Direction::Down),
            );
        }
        if defaults.behind_bytes > 0 {
            let now = self.core.outside.behind.max_bytes();
            knobs.push(
                bytes_knob("write_behind_bytes", "Write-behind bytes", now, defaults.behind_bytes)
                    .trades(
                        "More memory, and more lost in a crash, for fewer values lost in bursts.",
                    )
                    .moves("lost", Direction::Down)
                    .moves("waiting_bytes", Direction::Up),
            );
        }
        knobs.extend(self.level_knob());
        knobs
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        // Held over the change: nobody else turns between the check and it.
        let _turning = lock(&self.core.turning);
        let knobs = self.knobs();
        let Some(knob) = knobs.iter().find(|knob| knob.id == turn.knob) else {
            let known = knobs.into_iter().map(|knob| knob.id).collect();
            return Err(KnobError::Unknown { knob: turn.knob, known });
        };
        knob.check(&turn)?;
        if let Some((_, own)) = MEMORY_KNOBS.iter().find(|(id, _)| knob.id == **id) {
            let own = Turn { knob: (*own).into(), to: turn.to.clone(), expect: None };
            return self.core.memory.turn(own);
        }
        if let (KnobValue::Count(level), Some(sealer)) = (&turn.to, &self.core.sealer) {
            sealer.set_level(i32::try_from(*level).unwrap_or(i32::MAX));
        }
        if let KnobValue::Bytes(bytes) = &turn.to {
            if knob.id == "write_behind_bytes" {
                self.core.outside.behind.set_max_bytes(bytes.as_u64());
            } else if let Some(outer) = self.core.outside.outers.first() {
                outer.tier.set_max_bytes(bytes.as_u64());
                self.core.outside.bounds_moved();
            }
        }
        Ok(Turned { from: knob.value.clone(), to: turn.to, settles: None })
    }
}

impl<K, V: 'static> TieredCache<K, V> {
    fn level_knob(&self) -> Option<Knob> {
        let pipeline = self.core.sealer.as_ref()?.pipeline();
        let (min, max, _) = pipeline.compression().levels()?;
        let count = |level: i32| u64::try_from(level).unwrap_or_default();
        let now = KnobValue::Count(count(pipeline.level()?));
        let default = KnobValue::Count(count(self.core.defaults.level?));
        let bounds = Bounds::Count { min: count(min), max: count(max), step: 1 };
        let knob = Knob::new("compression_level", "Compression level", now, default, bounds);
        Some(
            knob.trades("More time for each value that is stored, for fewer bytes.")
                .moves("codec_seal_duration", Direction::Up)
                .moves("codec_ratio", Direction::Up),
        )
    }
}

impl<K, V> Component for TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
}

/// What knobs were built with; zero where there is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) disk_bytes: u64,
    pub(super) behind_bytes: u64,
    /// Of the compression, where it has levels.
    pub(super) level: Option<i32>,
}

const MEMORY_KNOBS: [(&str, &str); 3] = [
    ("memory_capacity", "capacity"),
    ("memory_time_to_live", "time_to_live"),
    ("memory_policy", "policy"),
];

fn bytes_knob(id: &'static str, title: &'static str, now: u64, default: u64) -> Knob {
    // Whoever sets it otherwise may go beyond; the bounds follow.
    let min = (default / RANGE).max(1).min(now);
    let max = default.saturating_mul(RANGE).max(now);
    let [min, max, step] = [min, max, min].map(ByteSize::from_bytes);
    let bytes = |n| KnobValue::Bytes(ByteSize::from_bytes(n));
    Knob::new(id, title, bytes(now), bytes(default), Bounds::Bytes { min, max, step })
}

/// How far from its default a bound can be turned, as a factor.
const RANGE: u64 = 16;
