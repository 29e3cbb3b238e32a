//! The resources that operations share: their figures and knobs.

use super::Manager;
use crate::pools::MAX_CAPACITY;
use crate::sync::lock;
use crate::{Pool, PoolStats, Pools, Scheduler};
use perf_core::{Bounds, ByteSize, Direction, Instant, Knob, KnobValue, Signal, Unit};

impl Manager {
    /// How the pools stand, and what has happened there; empty if the manager was built without.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolStats> {
        let core = lock(&self.shared.core);
        Pool::ALL.into_iter().filter_map(|pool| core.pools().stats(pool)).collect()
    }

    /// Sets how many units a pool has, at most 2^50, and at least one more than it guarantees.
    /// Answers how many it has now, `None` if the manager was built without that pool.
    ///
    /// More starts those that had no room; if there are too few, those that run go on until they
    /// end.
    pub fn set_pool_capacity(&self, pool: Pool, units: u64) -> Option<u64> {
        let units = units.min(MAX_CAPACITY);
        let capacity = lock(&self.shared.core).set_pool_capacity(pool, units);
        self.shared.dispatch();
        capacity
    }

    pub(super) fn observe_pools(&self, since: Instant, visit: &mut dyn FnMut(Signal<'_>)) {
        for stats in self.pools() {
            let labels = [("pool", stats.pool.name())];
            let unit = if stats.pool == Pool::Memory { Unit::Bytes } else { Unit::Count };
            let gauges = [
                ("pool_capacity", unit, stats.capacity, "Units that the pool has."),
                ("pool_in_use", unit, stats.in_use, "Units that running operations hold."),
                (
                    "pool_waiting",
                    Unit::Count,
                    stats.waiting as u64,
                    "Kinds whose next operation waits for units of the pool.",
                ),
            ];
            for (name, unit, value, help) in gauges {
                visit(Signal::gauge(name, unit, value as f64).labels(&labels).help(help));
            }
            let counters = [
                (
                    "pool_clamped",
                    stats.clamped,
                    "Operations that asked for more units than there are, and got those.",
                ),
                (
                    "pool_reserved",
                    stats.reserved,
                    "Times that units were kept for an operation that smaller ones had passed.",
                ),
            ];
            for (name, value, help) in counters {
                visit(Signal::counter(name, value, since).labels(&labels).help(help));
            }
        }
    }
}

/// A knob for each pool there is.
pub(super) fn knobs(pools: &Pools) -> Vec<Knob> {
    Pool::ALL.into_iter().filter_map(|pool| knob(pools, pool)).collect()
}

fn knob(pools: &Pools, pool: Pool) -> Option<Knob> {
    let PoolStats { capacity, .. } = pools.stats(pool)?;
    let least = pools.ledger.least_capacity(pool.index());
    let first = pools.ledger.initial_capacity(pool.index()).max(least);
    let (title, of_bytes) = match pool {
        Pool::Cpu => ("Pool of threads", false),
        Pool::Memory => ("Pool of memory", true),
        Pool::Storage => ("Pool of storage", false),
        Pool::Network => ("Pool of the network", false),
        Pool::Database => ("Pool of the database", false),
    };
    let value = |units| {
        if of_bytes {
            KnobValue::Bytes(ByteSize::from_bytes(units))
        } else {
            KnobValue::Count(units)
        }
    };
    let bounds = if of_bytes {
        let (min, max) = (ByteSize::from_bytes(least), ByteSize::from_bytes(MAX_CAPACITY));
        Bounds::Bytes { min, max, step: ByteSize::mib(64) }
    } else {
        Bounds::Count { min: least, max: MAX_CAPACITY, step: 1 }
    };
    let knob = Knob::new(name(pool), title, value(capacity), value(first), bounds)
        .trades("Less waiting for what operations need, for more load on it.")
        .moves("pool_in_use", Direction::Up)
        .moves("pool_waiting", Direction::Down)
        .moves("wait_duration", Direction::Down);
    Some(knob)
}

/// Sets the pool whose knob that is. Answers whether there is one.
pub(super) fn turn<P>(scheduler: &mut Scheduler<P>, knob: &str, to: &KnobValue) -> bool {
    let units = match to {
        KnobValue::Count(units) => *units,
        KnobValue::Bytes(size) => size.as_u64(),
        _ => return false,
    };
    let pool = Pool::ALL.into_iter().find(|pool| name(*pool) == knob);
    pool.is_some_and(|pool| scheduler.set_pool_capacity(pool, units).is_some())
}

const fn name(pool: Pool) -> &'static str {
    match pool {
        Pool::Cpu => "pool_cpu",
        Pool::Memory => "pool_memory",
        Pool::Storage => "pool_storage",
        Pool::Network => "pool_network",
        Pool::Database => "pool_database",
    }
}
