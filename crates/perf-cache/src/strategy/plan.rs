//! What has to be turned, what each turn did, and what was taken back.

use perf_core::{KnobId, KnobValue, Observe, Reading, Tune, Turn, Turned};
use std::fmt;
use std::time::Duration;

/// Steps that make a cache what a strategy says. See
/// [`CacheStrategy::plan`](super::CacheStrategy::plan).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CachePlan {
    /// The name of the strategy.
    pub strategy: String,
    /// What is to be turned, in this order.
    pub steps: Vec<PlanStep>,
    /// What is not.
    pub left_out: Vec<LeftOut>,
}

/// One turn of a knob.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PlanStep {
    /// What it is about, by which it can be skipped: `policy`, `capacity`.
    pub id: String,
    /// The knob.
    pub knob: KnobId,
    /// What it is now.
    pub from: KnobValue,
    /// What it is to be.
    pub to: KnobValue,
    /// Why.
    pub reason: String,
    /// What all such steps are to bring together, as hit ratio, where that is known.
    pub expected: Option<f64>,
}

/// A step that is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LeftOut {
    /// What it is about.
    pub id: String,
    /// Why it is not made.
    pub because: String,
}

/// What a cache counted in some span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Window {
    /// Lookups that found a value.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Loads that were timed.
    pub loads: u64,
    /// What they took together, in nanoseconds.
    pub load_nanos: f64,
    /// What twice the capacity would hit, about, where that is known.
    pub hit_ratio_at_twice: Option<f64>,
}

impl Window {
    /// What a cache has counted since the beginning, from its signals `hits`, `misses` and
    /// `load_duration`.
    #[must_use]
    pub fn read<O: Observe + ?Sized>(cache: &O) -> Window {
        let mut window = Window::default();
        cache.observe(&mut |signal| {
            if signal.labels.is_empty() {
                window.note(signal.name, &signal.reading);
            }
        });
        window
    }

    /// Takes in one signal, if it is one of these.
    pub fn note(&mut self, name: &str, reading: &Reading<'_>) {
        match (name, reading) {
            ("hits", Reading::Counter(hits)) => self.hits = *hits,
            ("misses", Reading::Counter(misses)) => self.misses = *misses,
            ("load_duration", Reading::Histogram(loads)) => {
                self.loads = loads.count();
                self.load_nanos = loads.mean().unwrap_or(0.0) * loads.count() as f64;
            }
            ("hit_ratio_at_twice", Reading::Gauge(ratio)) => self.hit_ratio_at_twice = Some(*ratio),
            _ => {}
        }
    }

    /// What was counted since an earlier reading; all of it, where counting began anew.
    #[must_use]
    pub fn since(self, earlier: Window) -> Window {
        let is_later = self.hits >= earlier.hits && self.misses >= earlier.misses;
        let earlier = if is_later { earlier } else { Window::default() };
        Window {
            hits: self.hits - earlier.hits,
            misses: self.misses - earlier.misses,
            loads: self.loads.saturating_sub(earlier.loads),
            load_nanos: (self.load_nanos - earlier.load_nanos).max(0.0),
            ..self
        }
    }

    /// Lookups.
    #[must_use]
    pub const fn lookups(&self) -> u64 {
        self.hits.saturating_add(self.misses)
    }

    /// The share of them that were hits.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let lookups = self.lookups();
        (lookups > 0).then(|| self.hits as f64 / lookups as f64)
    }

    /// For how long a lookup waited for a loader in the mean, hits included; `None` where no load was
    /// timed though there were misses.
    #[must_use]
    pub fn mean_wait(&self) -> Option<Duration> {
        let lookups = self.lookups();
        let is_known = lookups > 0 && (self.loads > 0 || self.misses == 0);
        is_known.then(|| Duration::from_nanos((self.load_nanos / lookups as f64) as u64))
    }
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Judged {
    /// The step.
    pub step: PlanStep,
    /// Whether it stays.
    pub kept: bool,
    /// The hit ratio of the window before and of the one after.
    pub hit_ratio: (Option<f64>, Option<f64>),
    /// Lookups in these windows.
    pub lookups: (u64, u64),
    /// Why it stays or not.
    pub because: String,
}

impl Judged {
    /// By how much the hit ratio changed.
    #[must_use]
    pub fn impact(&self) -> Option<f64> {
        Some(self.hit_ratio.1? - self.hit_ratio.0?)
    }
}

/// What came of a plan.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Optimized {
    /// The name of the strategy.
    pub strategy: String,
    /// What was turned and stays.
    pub applied: Vec<String>,
    /// The hit ratio before the first step and after the last; `None` without lookups.
    pub hit_ratio: (Option<f64>, Option<f64>),
    /// For how long a lookup waited for a loader in the mean, before and after, in seconds.
    pub mean_wait_seconds: (Option<f64>, Option<f64>),
    /// Each step with what it did.
    pub steps: Vec<Judged>,
    /// What else could be done, and what could not, in sentences.
    pub recommendations: Vec<String>,
}

impl CachePlan {
    pub(super) fn new(strategy: &str) -> CachePlan {
        CachePlan { strategy: strategy.to_owned(), steps: Vec::new(), left_out: Vec::new() }
    }

    /// Turns all steps, one after another, and judges none.
    pub fn apply_to<T: Tune + ?Sized>(&self, cache: &T) -> Optimized {
        self.run(
            &mut |turn| cache.turn(turn).map_err(|error| error.to_string()),
            &mut Window::default,
        )
    }

    /// Turns one step after another, and takes back what lost. `settle` returns when the cache was
    /// used long enough to be judged: it is called once before the first step and once after each. A
    /// step has lost if the hit ratio of its window is lower than before by more than half a point
    /// and by more than chance makes it (`√(1/n + 1/m)` for windows of `n` and `m` lookups, two
    /// standard errors of the most uncertain ratio). With fewer than 100 lookups nothing is judged.
    pub fn run_on<C: Observe + Tune + ?Sized>(
        &self,
        cache: &C,
        mut settle: impl FnMut(),
    ) -> Optimized {
        self.run(&mut |turn| cache.turn(turn).map_err(|error| error.to_string()), &mut || {
            let before = Window::read(cache);
            settle();
            Window::read(cache).since(before)
        })
    }

    /// The same through whatever turns knobs: `turn` turns one, `window` waits for a while and answers
    /// what was counted meanwhile.
    pub fn run(
        &self,
        turn: &mut dyn FnMut(Turn) -> Result<Turned, String>,
        window: &mut dyn FnMut() -> Window,
    ) -> Optimized {
        let first = if self.steps.is_empty() { Window::default() } else { window() };
        let (mut before, mut steps) = (first, Vec::new());
        for step in &self.steps {
            let set = |to: &KnobValue, expect: &KnobValue| Turn {
                knob: step.knob.clone(),
                to: to.clone(),
                expect: Some(expect.clone()),
            };
            let mut judged = Judged {
                step: step.clone(),
                kept: false,
                hit_ratio: (before.hit_ratio(), None),
                lookups: (before.lookups(), 0),
                because: String::new(),
            };
            match turn(set(&step.to, &step.from)) {
                Err(refused) => judged.because = format!("it was refused: {refused}"),
                Ok(turned) => {
                    let after = window();
                    judged.hit_ratio.1 = after.hit_ratio();
                    judged.lookups.1 = after.lookups();
                    let loss = loss(&before, &after);
                    judged.because = told(&before, &after, loss);
                    judged.kept = !matches!(loss, Some(true));
                    if judged.kept {
                        before = after;
                    } else if let Err(refused) = turn(set(&turned.from, &turned.to)) {
                        // Somebody has turned it since: then it is theirs.
                        judged.because = format!("{}; not taken back: {refused}", judged.because);
                    }
                }
            }
            steps.push(judged);
        }
        let seconds = |window: &Window| window.mean_wait().map(|wait| wait.as_secs_f64());
        Optimized {
            strategy: self.strategy.clone(),
            applied: steps
                .iter()
                .filter(|judged| judged.kept)
                .map(|judged| {
                    format!("{} from {} to {}", judged.step.knob, judged.step.from, judged.step.to)
                })
                .collect(),
            hit_ratio: (first.hit_ratio(), before.hit_ratio()),
            mean_wait_seconds: (seconds(&first), seconds(&before)),
            recommendations: self.recommendations(&before),
            steps,
        }
    }

    fn recommendations(&self, last: &Window) -> Vec<String> {
        let left_out = self.left_out.iter().filter(|left| left.because != SO_ALREADY);
        let mut all: Vec<_> =
            left_out.map(|left| format!("{} was left out: {}", left.id, left.because)).collect();
        if let (Some(twice), Some(now)) = (last.hit_ratio_at_twice, last.hit_ratio())
            && twice - now >= WORTH_SAYING
        {
            all.push(format!(
                "twice the memory would hit {:.1} %, now it is {:.1} %",
                100.0 * twice,
                100.0 * now
            ));
        }
        all
    }
}

/// Whether the second window is worse than the first; `None` with too little to tell.
fn loss(before: &Window, after: &Window) -> Option<bool> {
    let (n, m) = (before.lookups(), after.lookups());
    if n < LEAST_LOOKUPS || m < LEAST_LOOKUPS {
        return None;
    }
    let fall = before.hit_ratio()? - after.hit_ratio()?;
    Some(fall > margin(n, m))
}

/// What chance may make of two windows of so many lookups.
fn margin(n: u64, m: u64) -> f64 {
    (1.0 / n as f64 + 1.0 / m as f64).sqrt().max(LEAST_LOSS)
}

fn told(before: &Window, after: &Window, loss: Option<bool>) -> String {
    let (n, m) = (before.lookups(), after.lookups());
    let percent = |window: &Window| 100.0 * window.hit_ratio().unwrap_or(0.0);
    let (old, new, within) = (percent(before), percent(after), 100.0 * margin(n.max(1), m.max(1)));
    match loss {
        None => format!("it stays: {n} and {m} lookups are too few to tell"),
        Some(true) => format!("it was taken back: {new:.1} % hits after {old:.1} %"),
        Some(false) if new - old > within => format!("it stays: {new:.1} % hits after {old:.1} %"),
        Some(false) => {
            format!(
                "it stays: {new:.1} % hits after {old:.1} %, within {within:.1} points of chance"
            )
        }
    }
}

impl fmt::Display for CachePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan of {}", self.strategy)?;
        for step in &self.steps {
            writeln!(f, "  {} from {} to {}: {}", step.knob, step.from, step.to, step.reason)?;
        }
        for left in &self.left_out {
            writeln!(f, "  without {}: {}", left.id, left.because)?;
        }
        Ok(())
    }
}

impl fmt::Display for Optimized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |ratio: Option<f64>| match ratio {
            Some(ratio) => format!("{:.1} %", 100.0 * ratio),
            None => "unknown".to_owned(),
        };
        let wait = |seconds: Option<f64>| match seconds {
            Some(seconds) => format!("{:.1?}", Duration::from_secs_f64(seconds)),
            None => "unknown".to_owned(),
        };
        let (before, after) = self.hit_ratio;
        writeln!(
            f,
            "{}: hits {} before, {} after",
            self.strategy,
            percent(before),
            percent(after)
        )?;
        let (before, after) = self.mean_wait_seconds;
        writeln!(f, "  wait for loads {} before, {} after", wait(before), wait(after))?;
        for judged in &self.steps {
            let PlanStep { knob, from, to, .. } = &judged.step;
            writeln!(f, "  {knob} from {from} to {to}: {}", judged.because)?;
        }
        for sentence in &self.recommendations {
            writeln!(f, "  {sentence}")?;
        }
        Ok(())
    }
}

pub(super) const SO_ALREADY: &str = "it is so already";
/// Fewer lookups say nothing.
const LEAST_LOOKUPS: u64 = 100;
/// A smaller fall of the hit ratio is none.
const LEAST_LOSS: f64 = 0.005;
const WORTH_SAYING: f64 = 0.02;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cache;
    use crate::policy::PolicyKind;
    use crate::strategy::{CacheStrategy, Place, TierSettings};

    fn window(hits: u64, misses: u64) -> Window {
        Window { hits, misses, ..Window::default() }
    }

    fn strategy(policy: PolicyKind, entries: u64) -> CacheStrategy {
        let mut strategy = CacheStrategy::new("test");
        let mut memory = TierSettings::new(Place::Memory);
        (memory.policy, memory.max_entries) = (Some(policy), Some(entries));
        strategy.tiers = vec![memory];
        strategy
    }

    #[test]
    fn a_step_that_loses_is_taken_back_and_the_next_is_judged_against_what_was_before() {
        let cache: Cache<u64, u64> = Cache::builder().max_entries(100).build().unwrap();
        let plan = strategy(PolicyKind::Fifo, 200).plan(&cache, &[]);
        let ids: Vec<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["policy", "capacity"]);
        let mut windows = [window(800, 200), window(500, 500), window(900, 100)].into_iter();
        let done = plan
            .run(&mut |turn| cache.turn(turn).map_err(|error| error.to_string()), &mut || {
                windows.next().unwrap()
            });
        assert_eq!(done.steps.iter().map(|step| step.kept).collect::<Vec<_>>(), [false, true]);
        assert_eq!(done.steps[1].hit_ratio, (Some(0.8), Some(0.9)));
        assert_eq!(
            (cache.policy(), cache.capacity().entries),
            (Some(PolicyKind::Adaptive), Some(200))
        );
        assert_eq!(done.applied, ["capacity from 100 to 200"]);
        assert_eq!(done.hit_ratio, (Some(0.8), Some(0.9)));
        assert!(done.to_string().contains("taken back: 50.0 % hits after 80.0 %"), "{done}");
    }

    #[test]
    fn chance_takes_nothing_back() {
        assert_eq!(loss(&window(80, 20), &window(70, 30)), Some(false));
        assert_eq!(loss(&window(80_000, 20_000), &window(70_000, 30_000)), Some(true));
        assert_eq!(loss(&window(80_000, 20_000), &window(79_600, 20_400)), Some(false));
        assert_eq!(loss(&window(99, 0), &window(0, 1_000)), None);
    }

    #[test]
    fn what_is_skipped_forbidden_or_impossible_is_left_out_with_the_reason() {
        let cache: Cache<u64, u64> = Cache::builder().max_entries(100).build().unwrap();
        let mut strategy = strategy(PolicyKind::Lru, 1_000_000);
        let because = |strategy: &CacheStrategy, id: &str, skip: &[&str]| {
            let plan = strategy.plan(&cache, skip);
            plan.left_out.iter().find(|left| left.id == id).map(|left| left.because.clone())
        };
        assert_eq!(because(&strategy, "policy", &[]), None);
        assert_eq!(because(&strategy, "policy", &["policy"]).unwrap(), "it was to be skipped");
        assert!(because(&strategy, "capacity", &[]).unwrap().contains("6 to 1600"));
        strategy.adaptive_eviction = false;
        assert_eq!(because(&strategy, "policy", &[]).unwrap(), "`adaptive_eviction` is off");
        strategy.prefetch = Some(crate::strategy::PrefetchRule::default());
        assert!(because(&strategy, "prefetch", &[]).unwrap().contains("learning::Prefetching"));
        strategy.status = crate::strategy::StrategyStatus::Disabled;
        assert!(strategy.plan(&cache, &[]).steps.is_empty());
    }

    #[test]
    fn it_can_be_applied_by_hand_while_the_cache_is_used() {
        let cache: Cache<u64, u64> = Cache::builder().max_entries(16).build().unwrap();
        let plan = strategy(PolicyKind::Lru, 64).plan(&cache, &["policy"]);
        let mut key = 0;
        let done = plan.run_on(&cache, || {
            for _ in 0..4_000 {
                key = (key + 7) % 60;
                cache.get_with(key, || key);
            }
        });
        assert_eq!(done.applied, ["capacity from 16 to 64"]);
        let (before, after) = (done.hit_ratio.0.unwrap(), done.hit_ratio.1.unwrap());
        assert!(before < 0.5 && after > 0.9, "{before} {after}");
        assert!(done.mean_wait_seconds.0 > done.mean_wait_seconds.1);
        assert!(done.steps[0].impact().unwrap() > 0.4);
    }
}
