//! Times to live from how often values change.

mod by_change;
mod change;
mod demand;
mod learned;
mod plan;
#[cfg(test)]
mod tests;

use crate::ConfigError;
pub use by_change::ByChange;
use change::ChangeRate;
use demand::Waits;
pub use learned::LearnedTtl;
pub(crate) use learned::{Learned, LearnedRule};
use perf_core::Ratio;
use plan::{Demand, Limits, plan};
use std::collections::BTreeMap;
use std::time::Duration;

/// Finds a time to live for each class of keys, so that in all no more than a stated share of the
/// answers is stale, and as little as possible is loaded for that.
///
/// It is told of each reload: after how long it came, and whether it found the value changed. From
/// these it estimates how often the values of a class change. From how long after the end of the old
/// value it came, it estimates how often values are asked for. Now and then it makes a plan for all
/// classes, for 0.85 of the stated share, since estimates are not exact. A class gets a time that is
/// about in proportion to one over the root of both rates, not to one over the rate of change: a load
/// that would spare a stale answer somewhere is made where it spares most of them.
///
/// Until something is known of a class its values live for the [shortest](AdaptiveTtlBuilder::between)
/// time. By the plan no more than four times the share is stale of the answers from any one class,
/// unless [said otherwise](AdaptiveTtlBuilder::class_share).
///
/// ```
/// use perf_cache::learning::{AdaptiveTtl, Reload};
/// use perf_core::Ratio;
/// use std::time::Duration;
///
/// let (pages, prices) = (1, 2);
/// let second = Duration::from_secs(1);
/// let mut learned = AdaptiveTtl::builder(Ratio::new(0.05)?)
///     .between(second, 3_600 * second)
///     .build()?;
/// for n in 0..1_000 {
///     for (class, every) in [(pages, 500), (prices, 5)] {
///         learned.reloaded(class, Reload {
///             age: 2 * second,
///             time_to_live: second,
///             changed: n % every == 0,
///         });
///     }
/// }
/// let (long, short) = (learned.time_to_live(pages), learned.time_to_live(prices));
/// assert!(long > 10 * short);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The share is kept in the mean over time, where changes come by chance and the values of a class
/// change about equally often. Where changes and requests come in step, as by one timer, more may be
/// stale. Where all classes change alike there is nothing to gain, and up to a tenth more is loaded
/// than with the best fixed time, which nobody knows beforehand.
///
/// A class takes some 4 KiB at most.
///
/// Source: Cho and Garcia-Molina, "Estimating frequency of change", ACM TOIT 2003, and "Effective
/// page refresh policies for Web crawlers", ACM TODS 2003.
#[derive(Debug)]
pub struct AdaptiveTtl {
    settings: AdaptiveTtlBuilder,
    classes: BTreeMap<u64, Class>,
    /// All classes for which there was no room.
    others: Class,
    since_plan: u64,
    stats: AdaptiveTtlStats,
}

/// What a reload found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// How long ago the value was loaded before.
    pub age: Duration,
    /// For how long it lived, which may be more than its age where it was refreshed.
    pub time_to_live: Duration,
    /// Whether it is another value now.
    pub changed: bool,
}

/// What was learned, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AdaptiveTtlStats {
    /// Reloads that were told.
    pub reloads: u64,
    /// Those that found another value.
    pub changed: u64,
    /// Plans that were made.
    pub plans: u64,
    /// Reloads of classes for which there was no room, which are taken as one.
    pub others: u64,
    /// The share of answers that are stale by the last plan; more than was stated where not even
    /// the shortest time is short enough.
    pub expected_stale: f64,
}

/// What is known of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClassTtl {
    /// The class; `None` for all those for which there was no room.
    pub class: Option<u64>,
    /// How long its values live.
    pub time_to_live: Duration,
    /// How often a value changes, a second.
    pub changes_per_second: f64,
    /// How often a value is asked for, a second, each weighed by its reloads.
    pub requests_per_second: f64,
}

#[derive(Clone, Debug, Default)]
struct Class {
    change: ChangeRate,
    demand: Waits,
    /// In seconds; `None` before the first plan.
    time_to_live: Option<f64>,
    /// Reloads and the seconds for which values lived, since the last plan.
    reloads: f64,
    lived: f64,
    /// Answers in the time of a plan; fades.
    answers: f64,
}

impl Class {
    fn note(&mut self, reload: Reload) {
        self.change.look(reload.age, reload.changed);
        // What was reloaded before its end says nothing of how long it would have been missing.
        if let Some(wait) = reload.age.checked_sub(reload.time_to_live) {
            self.demand.note(wait.as_secs_f64());
        }
        self.reloads += 1.0;
        self.lived += reload.age.min(reload.time_to_live).as_secs_f64();
    }

    fn demand(&mut self) -> Option<Demand> {
        let changes = self.change.per_second()?;
        let requests = self.demand.per_second();
        let answers = self.reloads + self.lived * requests;
        (self.reloads, self.lived) = (0.0, 0.0);
        self.answers +=
            if self.answers == 0.0 { answers } else { (answers - self.answers) / PLANS };
        Some(Demand { changes, requests, answers: self.answers })
    }
}

/// Makes an [`AdaptiveTtl`].
#[derive(Clone, Debug)]
#[must_use]
pub struct AdaptiveTtlBuilder {
    share: f64,
    class_share: Option<f64>,
    shortest: Duration,
    longest: Duration,
    classes: usize,
}

impl AdaptiveTtlBuilder {
    /// How long values live at least and at most; a second and a day if not set.
    pub fn between(mut self, shortest: Duration, longest: Duration) -> AdaptiveTtlBuilder {
        (self.shortest, self.longest) = (shortest, longest);
        self
    }

    /// The share of the answers from any one class that may be stale. Four times the share of all,
    /// if not set. [`Ratio::ONE`] lets classes that change too fast for any time be stale for the
    /// good of the others.
    pub fn class_share(mut self, share: Ratio) -> AdaptiveTtlBuilder {
        self.class_share = Some(share.as_f64());
        self
    }

    /// How many classes there may be; 64 if not set. Those beyond are taken as one.
    pub fn classes(mut self, classes: usize) -> AdaptiveTtlBuilder {
        self.classes = classes;
        self
    }

    /// Makes it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with a share of zero or one, with one of a class below that of all, with a
    /// shortest time below a microsecond or not below the longest one, and with more than 4 096
    /// classes or none.
    pub fn build(self) -> Result<AdaptiveTtl, ConfigError> {
        check_share(self.share)?;
        if let Some(share) = self.class_share.filter(|share| *share < self.share) {
            let remedy = format!("use at least {}, the share of all", self.share);
            return Err(ConfigError::new("class_share", share, remedy));
        }
        if self.shortest < Duration::from_micros(1) || self.shortest >= self.longest {
            let times = format!("{:?} to {:?}", self.shortest, self.longest);
            let remedy = "use a microsecond or more, and a longer second time";
            return Err(ConfigError::new("between", times, remedy));
        }
        if !(1..=4_096).contains(&self.classes) {
            return Err(ConfigError::new("classes", self.classes, "use 1 to 4096"));
        }
        Ok(AdaptiveTtl {
            settings: self,
            classes: BTreeMap::new(),
            others: Class::default(),
            since_plan: 0,
            stats: AdaptiveTtlStats::default(),
        })
    }
}

impl AdaptiveTtl {
    /// For this share of stale answers at most.
    pub const fn builder(stale_share: Ratio) -> AdaptiveTtlBuilder {
        AdaptiveTtlBuilder {
            share: stale_share.as_f64(),
            class_share: None,
            shortest: Duration::from_secs(1),
            longest: Duration::from_secs(86_400),
            classes: 64,
        }
    }

    /// Notes that a value of this class was loaded again. O(1) amortized; makes a plan, O(classes),
    /// after sixteen reloads a class.
    pub fn reloaded(&mut self, class: u64, reload: Reload) {
        self.stats.reloads += 1;
        self.stats.changed += u64::from(reload.changed);
        let has_room = self.classes.len() < self.settings.classes;
        let known = if has_room {
            Some(self.classes.entry(class).or_default())
        } else {
            self.classes.get_mut(&class)
        };
        match known {
            Some(known) => known.note(reload),
            None => {
                self.stats.others += 1;
                self.others.note(reload);
            }
        }
        self.since_plan += 1;
        if self.since_plan >= RELOADS_A_CLASS * (self.classes.len() as u64 + 1) {
            self.plan();
        }
    }

    /// How long a value of this class is to live that is loaded now. O(1).
    #[must_use]
    pub fn time_to_live(&self, class: u64) -> Duration {
        let is_full = self.classes.len() >= self.settings.classes;
        let known = self.classes.get(&class).or(is_full.then_some(&self.others));
        self.span(known.and_then(|known| known.time_to_live))
    }

    /// The share of stale answers that is asked for.
    #[must_use]
    pub fn stale_share(&self) -> Ratio {
        // Nothing sets it to anything else than a ratio.
        Ratio::new(self.settings.share).unwrap_or(Ratio::ONE)
    }

    /// Asks for another share, and makes a plan for it. A [share of
    /// one class](AdaptiveTtlBuilder::class_share) below it counts as it. O(classes).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with a share of zero or one.
    pub fn set_stale_share(&mut self, share: Ratio) -> Result<(), ConfigError> {
        check_share(share.as_f64())?;
        self.settings.share = share.as_f64();
        self.plan();
        Ok(())
    }

    /// What was learned so far.
    #[must_use]
    pub const fn stats(&self) -> AdaptiveTtlStats {
        self.stats
    }

    /// The classes of which something is known, in order, the rest last. O(n).
    #[must_use]
    pub fn classes(&self) -> Vec<ClassTtl> {
        let others = (self.stats.others > 0).then_some((None, &self.others));
        let known = self.classes.iter().map(|(class, known)| (Some(*class), known));
        known
            .chain(others)
            .map(|(class, known)| ClassTtl {
                class,
                time_to_live: self.span(known.time_to_live),
                changes_per_second: known.change.per_second().unwrap_or(0.0),
                requests_per_second: known.demand.per_second(),
            })
            .collect()
    }

    fn span(&self, seconds: Option<f64>) -> Duration {
        let AdaptiveTtlBuilder { shortest, longest, .. } = self.settings;
        // What does not fit in a span is too long.
        let span = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(longest);
        seconds.map_or(shortest, span).clamp(shortest, longest)
    }

    fn plan(&mut self) {
        self.since_plan = 0;
        self.stats.plans += 1;
        let all = self.classes.values_mut().chain([&mut self.others]);
        let (mut known, mut demands) = (Vec::new(), Vec::new());
        for class in all {
            if let Some(demand) = class.demand() {
                known.push(class);
                demands.push(demand);
            }
        }
        let AdaptiveTtlBuilder { share, class_share, shortest, longest, .. } = self.settings;
        let limits = Limits {
            share: share * AIM,
            class_share: class_share.unwrap_or(share * CLASS_SHARE).clamp(share, 1.0),
            shortest: shortest.as_secs_f64(),
            longest: longest.as_secs_f64(),
        };
        let (times, expected) = plan(&demands, limits);
        self.stats.expected_stale = expected;
        for (class, time) in known.into_iter().zip(times) {
            class.time_to_live = Some(time);
        }
    }
}

fn check_share(share: f64) -> Result<(), ConfigError> {
    if share > 0.0 && share < 1.0 {
        return Ok(());
    }
    let remedy = "use a share between 0 and 1, as 0.05";
    Err(ConfigError::new("stale_share", share, remedy))
}

/// The share of the stated share that plans are made for: what is estimated is not exact.
const AIM: f64 = 0.85;
/// The share of one class, in shares of all.
const CLASS_SHARE: f64 = 4.0;
/// Plans by which answers are counted.
const PLANS: f64 = 8.0;
/// Reloads of each class between plans, in the mean.
const RELOADS_A_CLASS: u64 = 16;
