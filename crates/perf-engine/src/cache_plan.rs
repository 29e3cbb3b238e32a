//! Strategies of caches, carried out and judged through the engine.

use crate::optimizer::PerformanceOptimizer;
use crate::turning::TurnError;
use perf_cache::strategy::{CachePlan, CacheStrategy, Optimized, Window};

impl PerformanceOptimizer {
    /// What has to be turned in a component for it to be as a strategy says, without the steps in
    /// `skip`; see [`CacheStrategy::plan`]. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`TurnError::UnknownComponent`] names those there are.
    pub fn plan_cache(
        &self,
        component: &str,
        strategy: &CacheStrategy,
        skip: &[&str],
    ) -> Result<CachePlan, TurnError> {
        let target = self.engine().registry().get(component).ok_or_else(|| {
            let known = self.engine().registry().names();
            TurnError::UnknownComponent { component: component.to_owned(), known }
        })?;
        Ok(strategy.plan(&*target, skip))
    }

    /// Carries out a plan step by step on behalf of `by`: each turn is an event, and so is each that
    /// is taken back because it lost. `settle` returns when the component was used long enough to be
    /// judged, and answers whether to go on: after `false` no more steps are made. See
    /// [`CachePlan::run_on`].
    ///
    /// It takes as long as `settle` does, once and once more for each step.
    pub fn run_cache_plan(
        &self,
        component: &str,
        plan: &CachePlan,
        by: &str,
        mut settle: impl FnMut() -> bool,
    ) -> Optimized {
        let goes_on = std::cell::Cell::new(true);
        let read = || {
            let target = self.engine().registry().get(component);
            target.map_or_else(Window::default, |target| Window::read(&*target))
        };
        plan.run(
            &mut |turn| {
                if !goes_on.get() {
                    return Err("the optimisation was ended".to_owned());
                }
                match self.turn(component, turn, by) {
                    Ok(event) => {
                        Ok(perf_core::Turned { from: event.from, to: event.to, settles: None })
                    }
                    Err(refused) => Err(refused.to_string()),
                }
            },
            &mut || {
                let before = read();
                if goes_on.get() {
                    goes_on.set(settle());
                }
                read().since(before)
            },
        )
    }
}
