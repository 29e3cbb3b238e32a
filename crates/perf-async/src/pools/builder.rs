//! Which pools there are.

use super::{Pool, Pools};
use crate::ConfigError;
use perf_core::ByteSize;

/// Builds [`Pools`].
///
/// ```
/// use perf_async::{Pool, Pools};
/// use perf_core::ByteSize;
///
/// let pools = Pools::builder().cpu(8).memory(ByteSize::gib(2)).database(20).build()?;
/// assert_eq!(pools.stats(Pool::Database).unwrap().capacity, 20);
/// assert_eq!(pools.stats(Pool::Network), None);
/// # Ok::<(), perf_async::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PoolsBuilder {
    capacities: [Option<u64>; Pool::ALL.len()],
}

impl PoolsBuilder {
    /// How many threads operations may keep busy together.
    #[must_use]
    pub fn cpu(self, threads: u64) -> PoolsBuilder {
        self.capacity(Pool::Cpu, threads)
    }

    /// How much memory operations may take together.
    #[must_use]
    pub fn memory(self, size: ByteSize) -> PoolsBuilder {
        self.capacity(Pool::Memory, size.as_u64())
    }

    /// How many units of storage operations may take together.
    #[must_use]
    pub fn storage(self, units: u64) -> PoolsBuilder {
        self.capacity(Pool::Storage, units)
    }

    /// How many units of the network operations may take together.
    #[must_use]
    pub fn network(self, units: u64) -> PoolsBuilder {
        self.capacity(Pool::Network, units)
    }

    /// How many units of the database operations may take together.
    #[must_use]
    pub fn database(self, units: u64) -> PoolsBuilder {
        self.capacity(Pool::Database, units)
    }

    /// How many units of that pool operations may take together.
    #[must_use]
    pub fn capacity(mut self, pool: Pool, units: u64) -> PoolsBuilder {
        self.capacities[pool as usize] = Some(units);
        self
    }

    /// # Errors
    ///
    /// [`ConfigError`] if a capacity is zero or above 2^50.
    pub fn build(self) -> Result<Pools, ConfigError> {
        let mut pools = Pools::default();
        for pool in Pool::ALL {
            if let Some(units) = self.capacities[pool as usize] {
                if !(1..=MAX_CAPACITY).contains(&units) {
                    let remedy = format!("use 1 to {MAX_CAPACITY}, or leave the pool out");
                    return Err(ConfigError::new(pool.name(), units, remedy));
                }
                pools.ledger.set_capacity(pool.index(), units);
            }
        }
        Ok(pools)
    }
}

/// The most units that a pool can have: 2^50, as bytes a pebibyte.
pub(crate) const MAX_CAPACITY: u64 = 1 << 50;
