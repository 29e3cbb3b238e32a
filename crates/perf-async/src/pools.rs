//! Resources that operations share: so many processors, so much memory, so many connections.
//!
//! An operation says what it [`Needs`] of each pool. It starts only when all of it is free, and
//! takes it all at once; it holds nothing while it waits, so operations never wait for each other
//! in a circle. Where it stands is decided by the scheduler; this is a ledger that says yes or no.
//!
//! Three rules make it fair:
//!
//! - A kind may have a [`Quota`]: units that it always finds free, and units that it never exceeds.
//!   Others leave alone what is guaranteed and not in use.
//! - Whoever needs more than there can ever be for its kind gets that much, and so runs alone there.
//!   Such operations are counted ([`PoolStats::clamped`]).
//! - An operation whose turn it is but for which there is no room may be passed by eight smaller
//!   ones. Then its units are kept for it as they become free ([`PoolStats::reserved`]).
//!   Operations that fit beside it go on; the others wait until it has started.
//!
//! Why nobody starves: what a pool carries is the sum, over kinds, of what they use or are
//! guaranteed, whichever is more. Once units are kept for an operation, others start only where
//! that sum stays low enough for it; so the sum only falls towards the point where the operation
//! fits, which it reaches at the latest when all those that run have ended.
//!
//! The bypass rule is the one of "back-filling" batch schedulers (Mu'alem and Feitelson,
//! "Utilization, Predictability, Workloads, and User Runtime Estimates in Scheduling the IBM SP2
//! with Backfilling", IEEE TPDS 2001), with a count in the place of estimates of run time.

mod builder;
mod ledger;

pub(crate) use builder::MAX_CAPACITY;
pub use builder::PoolsBuilder;
pub(crate) use ledger::{Grant, Units};

use ledger::Ledger;
use perf_core::ByteSize;
use std::fmt;

/// A resource that operations share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pool {
    /// Processors, in threads.
    Cpu,
    /// Memory, in bytes.
    Memory,
    /// Storage, in units of your own, such as files at once.
    Storage,
    /// The network, in units of your own, such as connections.
    Network,
    /// A database, in units of your own, such as connections.
    Database,
}

impl Pool {
    /// All pools.
    pub const ALL: [Pool; 5] =
        [Pool::Cpu, Pool::Memory, Pool::Storage, Pool::Network, Pool::Database];

    /// Its name in signals, knobs and errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Pool::Cpu => "cpu",
            Pool::Memory => "memory",
            Pool::Storage => "storage",
            Pool::Network => "network",
            Pool::Database => "database",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// Threads of the manager's own, of which an operation needs one or none. The ledger has a place for
/// each kind of them behind the pools.
#[cfg(feature = "lanes")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Cpu,
    Blocking,
}

#[cfg(feature = "lanes")]
impl Lane {
    pub(crate) const fn index(self) -> usize {
        Pool::ALL.len() + self as usize
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much of each pool an operation takes while it runs. Nothing, unless said otherwise.
///
/// What is asked of a pool that the manager does not have counts for nothing, so that libraries can
/// say what their operations need and programs decide which resources are scarce.
///
/// ```
/// use perf_async::Needs;
/// use perf_core::ByteSize;
///
/// let needs = Needs::new().cpu(2).memory(ByteSize::mib(64)).database(1);
/// assert_eq!(needs.get(perf_async::Pool::Cpu), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs {
    units: [u64; Pool::ALL.len()],
}

impl Needs {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Needs {
        Needs { units: [0; Pool::ALL.len()] }
    }

    /// The same with so many threads.
    #[must_use]
    pub const fn cpu(self, threads: u64) -> Needs {
        self.of(Pool::Cpu, threads)
    }

    /// The same with so much memory.
    #[must_use]
    pub const fn memory(self, size: ByteSize) -> Needs {
        self.of(Pool::Memory, size.as_u64())
    }

    /// The same with so much storage.
    #[must_use]
    pub const fn storage(self, units: u64) -> Needs {
        self.of(Pool::Storage, units)
    }

    /// The same with so much of the network.
    #[must_use]
    pub const fn network(self, units: u64) -> Needs {
        self.of(Pool::Network, units)
    }

    /// The same with so much of the database.
    #[must_use]
    pub const fn database(self, units: u64) -> Needs {
        self.of(Pool::Database, units)
    }

    /// The same with so many units of a pool: threads, bytes, or what the pool is counted in.
    #[must_use]
    pub const fn of(mut self, pool: Pool, units: u64) -> Needs {
        self.units[pool.index()] = units;
        self
    }

    /// How many units of a pool.
    #[must_use]
    pub const fn get(&self, pool: Pool) -> u64 {
        self.units[pool.index()]
    }
}

/// What a kind of operation is sure of in a pool, and what it never exceeds.
///
/// ```
/// # use perf_async::Quota;
/// let quota = Quota::default().guaranteed(2).max(6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    guaranteed: u64,
    max: u64,
}

impl Quota {
    /// The same with so many units that others leave alone, whether or not they are in use.
    #[must_use]
    pub const fn guaranteed(mut self, units: u64) -> Quota {
        self.guaranteed = units;
        self
    }

    /// The same with so many units that the kind's operations never exceed together.
    #[must_use]
    pub const fn max(mut self, units: u64) -> Quota {
        self.max = units;
        self
    }
}

impl Quota {
    const NONE: Quota = Quota { guaranteed: 0, max: u64::MAX };
}

impl Default for Quota {
    /// Nothing guaranteed, no maximum.
    fn default() -> Quota {
        Quota::NONE
    }
}

/// Resources that operations share. See [`PoolsBuilder`] for which there are.
#[derive(Clone, Debug, Default)]
pub struct Pools {
    pub(crate) ledger: Ledger,
}

impl Pools {
    /// No pools until some are set.
    #[must_use]
    pub fn builder() -> PoolsBuilder {
        PoolsBuilder::default()
    }

    /// How a pool stands; `None` if there is no such pool.
    #[must_use]
    pub fn stats(&self, pool: Pool) -> Option<PoolStats> {
        self.ledger.stats(pool)
    }
}

/// How one pool stands, and what has happened there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Which one.
    pub pool: Pool,
    /// How many units there are.
    pub capacity: u64,
    /// How many are in use; more than the capacity only after it was lowered.
    pub in_use: u64,
    /// Kinds whose next operation waits for units, of this pool or of another that it needs as
    /// well.
    pub waiting: usize,
    /// Operations that started with fewer units than they asked for, because there are not that
    /// many.
    pub clamped: u64,
    /// How many times units were kept for an operation that smaller ones had passed.
    pub reserved: u64,
}
