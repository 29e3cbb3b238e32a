//! The strategies that the server keeps, and which one is being carried out.

use perf_cache::strategy::{CacheStrategy, Optimized, StrategyStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Strategies by name. At most [`Strategies::MOST`]; one more is refused. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strategies {
    kept: Arc<Mutex<BTreeMap<String, Kept>>>,
}

/// A strategy and what came of it last.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) strategy: CacheStrategy,
    pub(crate) optimized: Option<Done>,
}

/// What came of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) component: String,
    /// Seconds since 1970.
    pub(crate) at: f64,
    /// `None` if it ended in a panic.
    pub(crate) outcome: Option<Optimized>,
}

/// Why a strategy is not kept, or not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Exists,
    Full,
    Unknown,
    /// The one of that name is being carried out.
    Busy(String),
}

impl Strategies {
    pub(crate) const MOST: usize = 64;

    pub(crate) fn all(&self) -> Vec<Kept> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Kept> {
        self.lock().get(name).cloned()
    }

    /// Keeps one that is not there yet, or puts it in the place of the one that is, as `replaces`
    /// says.
    pub(crate) fn put(&self, strategy: CacheStrategy, replaces: bool) -> Result<Kept, Refused> {
        let mut kept = self.lock();
        let strategy = idle(strategy);
        if let Some(own) = kept.get_mut(&strategy.name) {
            if own.strategy.status == StrategyStatus::Optimizing {
                return Err(Refused::Busy(strategy.name));
            }
            if !replaces {
                return Err(Refused::Exists);
            }
            own.strategy = strategy;
            return Ok(own.clone());
        }
        if kept.len() >= Strategies::MOST {
            return Err(Refused::Full);
        }
        let own = Kept { strategy, optimized: None };
        kept.insert(own.strategy.name.clone(), own.clone());
        Ok(own)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Refused> {
        let mut kept = self.lock();
        match kept.get(name).map(|own| own.strategy.status) {
            None => Err(Refused::Unknown),
            Some(StrategyStatus::Optimizing) => Err(Refused::Busy(name.to_owned())),
            Some(_) => {
                kept.remove(name);
                Ok(())
            }
        }
    }

    /// Marks one as being carried out: only one may be, since one would take the other's changes for
    /// its own.
    pub(crate) fn begin(&self, name: &str) -> Result<(), Refused> {
        let mut kept = self.lock();
        let is_busy = |own: &&Kept| own.strategy.status == StrategyStatus::Optimizing;
        if let Some(busy) = kept.values().find(is_busy) {
            return Err(Refused::Busy(busy.strategy.name.clone()));
        }
        kept.get_mut(name).ok_or(Refused::Unknown)?.strategy.status = StrategyStatus::Optimizing;
        Ok(())
    }

    pub(crate) fn end(&self, name: &str, done: Done) {
        if let Some(own) = self.lock().get_mut(name) {
            own.strategy.status = StrategyStatus::Active;
            own.optimized = Some(done);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody but the server says that one is being carried out.
fn idle(mut strategy: CacheStrategy) -> CacheStrategy {
    if strategy.status == StrategyStatus::Optimizing {
        strategy.status = StrategyStatus::Active;
    }
    strategy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_bounded_and_one_is_carried_out_at_a_time() {
        let strategies = Strategies::default();
        let named = |n: usize| CacheStrategy::new(format!("s{n}"));
        for n in 0..Strategies::MOST {
            assert!(strategies.put(named(n), false).is_ok());
        }
        assert_eq!(strategies.put(named(64), true).unwrap_err(), Refused::Full);
        assert_eq!(strategies.put(named(3), false).unwrap_err(), Refused::Exists);
        assert!(strategies.put(named(3), true).is_ok());
        assert_eq!(strategies.begin("none"), Err(Refused::Unknown));
        assert_eq!(strategies.begin("s3"), Ok(()));
        let busy = Refused::Busy("s3".to_owned());
        assert_eq!(strategies.begin("s4"), Err(busy.clone()));
        assert_eq!(strategies.remove("s3"), Err(busy.clone()));
        assert_eq!(strategies.put(named(3), true).unwrap_err(), busy);
        strategies.end("s3", Done { component: "memory".to_owned(), at: 1.0, outcome: None });
        assert_eq!(strategies.get("s3").unwrap().strategy.status, StrategyStatus::Active);
        assert_eq!(strategies.remove("s3"), Ok(()));
        assert_eq!(strategies.remove("s3"), Err(Refused::Unknown));
        let mut claims = named(3);
        claims.status = StrategyStatus::Optimizing;
        assert_eq!(strategies.put(claims, false).unwrap().strategy.status, StrategyStatus::Active);
    }
}
