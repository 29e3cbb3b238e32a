//! What is known of a workload, and what some settings would make of it.

use super::PrefetchRule;
use crate::insight::{Insight, zipf_exponent};
use crate::policy::{Choice, PolicyKind};
use crate::replay::{PARTS, Room, Trace, hits_by_part};
use perf_core::Unit;
use std::fmt;
use std::time::Duration;

/// What is known of a workload, from recorded requests or from a cache that runs.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WorkloadAnalysis {
    /// What sizes are measured in.
    pub unit: Unit,
    /// Requests that it knows of; 0 where it is an estimate of a running cache.
    pub requests: u64,
    /// Keys of these; of a running cache those that it holds, about.
    pub keys: u64,
    /// What all keys weigh together, in bytes, where that is known.
    pub bytes: Option<u64>,
    /// The hit ratio of a cache without bounds, where that is known.
    pub repeats: Option<f64>,
    /// The exponent of the Zipf law that fits the use of keys best.
    pub skew: Option<f64>,
    /// The share of requests that were the only one to their key.
    pub scan_share: Option<f64>,
    /// A time within which a twentieth of the values that are replaced was, where that is known.
    #[cfg_attr(feature = "serde", serde(with = "super::wire::seconds"))]
    pub changes_within: Option<Duration>,
    /// What was tried, or is estimated.
    pub tried: Vec<Tried>,
}

/// What a setting hits at a size.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Tried {
    /// The size, in the unit of the analysis.
    pub size: u64,
    /// The setting.
    pub setting: Setting,
    /// What it hits, 0 to 1.
    pub hit_ratio: f64,
    /// The same in each quarter of the requests; `None` for an estimate.
    pub quarters: Option<[f64; PARTS]>,
}

/// How a cache makes room, and whether it loads ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Setting {
    /// What makes room.
    pub policy: PolicyKind,
    /// The cold share, where the adaptive policy is not to find out itself.
    pub cold_share: Option<f64>,
    /// Whether it loads ahead.
    pub ahead: bool,
}

impl Setting {
    /// The default of a cache.
    pub const DEFAULT: Setting =
        Setting { policy: PolicyKind::Adaptive, cold_share: None, ahead: false };

    /// Another policy than the default.
    #[must_use]
    pub const fn policy(policy: PolicyKind) -> Setting {
        Setting { policy, ..Setting::DEFAULT }
    }

    /// A cold share that stays.
    #[must_use]
    pub const fn cold_share(share: f64) -> Setting {
        Setting { cold_share: Some(share), ..Setting::DEFAULT }
    }

    /// The same with loading ahead.
    #[must_use]
    pub const fn ahead(self) -> Setting {
        Setting { ahead: true, ..self }
    }

    /// What is tried beside the default.
    fn others() -> impl Iterator<Item = Setting> {
        let kinds = [PolicyKind::Lru, PolicyKind::Lfu, PolicyKind::S3Fifo].map(Setting::policy);
        let shares = Choice::ALL.map(|choice| Setting::cold_share(choice.cold_share()));
        kinds.into_iter().chain(shares)
    }

    fn try_at(self, trace: &Trace, room: Room) -> Tried {
        let size = match room {
            Room::Entries(entries) => entries,
            Room::Bytes(bytes) => bytes.as_u64(),
        };
        let prefetch = self.ahead.then(|| PrefetchRule::default().build(size).ok()).flatten();
        let hits = hits_by_part(trace, room, (self.policy, self.cold_share), prefetch);
        let share = |hits: u64, of: usize| if of == 0 { 0.0 } else { hits as f64 / of as f64 };
        let quarters = std::array::from_fn(|at| share(hits[at], part_len(trace.len(), at)));
        let hit_ratio = share(hits.iter().sum(), trace.len());
        Tried { size, setting: self, hit_ratio, quarters: Some(quarters) }
    }
}

/// Requests in one of the quarters of so many.
fn part_len(all: usize, part: usize) -> usize {
    all * (part + 1) / PARTS - all * part / PARTS
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.policy)?;
        if let Some(share) = self.cold_share {
            write!(f, " with a cold share of {share:.2}")?;
        }
        if self.ahead { f.write_str(", loading ahead") } else { Ok(()) }
    }
}

impl WorkloadAnalysis {
    /// Of recorded requests: replays them at each of these sizes, which are all in entries or all in
    /// bytes, with the default and ten other settings. `progress` is told how many replays are done,
    /// and of how many. O(requests × sizes).
    #[must_use]
    pub fn of_trace(
        trace: &Trace,
        sizes: &[Room],
        mut progress: impl FnMut(usize, usize),
    ) -> WorkloadAnalysis {
        let others: Vec<_> = Setting::others().collect();
        let total = sizes.len() * (others.len() + 3);
        let (mut tried, mut done) = (Vec::new(), 0);
        for room in sizes {
            let mut add = |setting: Setting| {
                let one = setting.try_at(trace, *room);
                tried.push(one);
                done += 1;
                progress(done, total);
                one
            };
            add(Setting::DEFAULT);
            let best = others.iter().map(|setting| add(*setting));
            let best = best.max_by(|a, b| a.hit_ratio.total_cmp(&b.hit_ratio));
            add(Setting::DEFAULT.ahead());
            if let Some(best) = best {
                add(best.setting.ahead());
            }
        }
        let is_weighed = sizes.iter().any(|size| matches!(size, Room::Bytes(_)));
        let uses = trace.uses();
        let once = uses.iter().filter(|[first, second]| first + second == 1).count();
        WorkloadAnalysis {
            unit: if is_weighed { Unit::Bytes } else { Unit::Count },
            requests: trace.len() as u64,
            keys: trace.keys() as u64,
            bytes: trace.has_weights().then(|| trace.weight()),
            repeats: Some(trace.repeats()),
            skew: zipf_exponent(uses.into_iter(), 1.0),
            scan_share: (!trace.is_empty()).then(|| once as f64 / trace.len() as f64),
            changes_within: None,
            tried,
        }
    }

    /// Of a running cache, from its [insight](crate::Cache::insight): estimates of other sizes under
    /// its own policy, and of other policies at its own size. `policy` is its own.
    #[must_use]
    pub fn of_insight(insight: &Insight, policy: PolicyKind) -> WorkloadAnalysis {
        let tried = |size, setting, hit_ratio| Tried { size, setting, hit_ratio, quarters: None };
        let own = Setting::policy(policy);
        let sizes = FACTORS.into_iter().filter_map(|factor| {
            let size = (insight.capacity as f64 * factor) as u64;
            Some(tried(size, own, insight.hit_ratio_with(factor)?))
        });
        let others = insight.policies.iter().filter(|(kind, _)| *kind != policy);
        let others =
            others.map(|(kind, ratio)| tried(insight.capacity, Setting::policy(*kind), *ratio));
        let workload = &insight.workload;
        let changes = workload.change_interval_ms.quantile(0.05);
        let is_weighed = insight.unit == Unit::Bytes;
        let keys =
            (insight.sampled_keys as f64 / insight.sampling_rate.max(f64::MIN_POSITIVE)) as u64;
        let mean = workload.weights.mean().filter(|_| is_weighed);
        WorkloadAnalysis {
            unit: insight.unit,
            requests: 0,
            keys,
            bytes: mean.map(|mean| (mean * keys as f64) as u64),
            repeats: None,
            skew: workload.skew,
            scan_share: workload.scan_share,
            changes_within: workload
                .change_share
                .filter(|share| *share > 0.0)
                .and(changes)
                .map(Duration::from_millis),
            tried: sizes.chain(others).collect(),
        }
    }

    /// What was tried at a size.
    pub fn at(&self, size: u64) -> impl Iterator<Item = &Tried> {
        self.tried.iter().filter(move |tried| tried.size == size)
    }

    /// The sizes at which something was tried, each once, the smallest first.
    #[must_use]
    pub fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<_> = self.tried.iter().map(|tried| tried.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }
}

/// The sizes of which a running cache is asked, in its own.
const FACTORS: [f64; 7] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
