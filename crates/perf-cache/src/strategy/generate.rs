//! What settings an analysis speaks for.

use super::{
    CacheStrategy, Expected, Place, PrefetchRule, Setting, StrategyKind, TierSettings, Tried,
    WarmUp, WarmUpFrom, WorkloadAnalysis,
};
use crate::Prices;
use crate::replay::{Measured, recommend};
use perf_core::{ByteSize, Unit};
use std::time::Duration;

/// What a strategy has to keep within, and what things cost.
///
/// A bound in bytes counts where the analysis is in bytes, and one in entries where it is in entries.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Constraints {
    max_bytes: Option<ByteSize>,
    max_entries: Option<u64>,
    disk_bytes: Option<ByteSize>,
    is_shared: bool,
    prices: Option<Costs>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Costs {
    prices: Prices,
    requests_per_hour: f64,
    mean_load: Duration,
}

impl Constraints {
    /// None yet.
    pub const fn new() -> Constraints {
        Constraints {
            max_bytes: None,
            max_entries: None,
            disk_bytes: None,
            is_shared: false,
            prices: None,
        }
    }

    /// So much memory at most.
    pub const fn max_bytes(mut self, bytes: ByteSize) -> Constraints {
        self.max_bytes = Some(bytes);
        self
    }

    /// So many entries in memory at most.
    pub const fn max_entries(mut self, entries: u64) -> Constraints {
        self.max_entries = Some(entries);
        self
    }

    /// There is a disk, of which so much may be taken.
    pub const fn disk(mut self, bytes: ByteSize) -> Constraints {
        self.disk_bytes = Some(bytes);
        self
    }

    /// There is a tier that other machines share.
    pub const fn shared(mut self) -> Constraints {
        self.is_shared = true;
        self
    }

    /// What loads, waiting and memory cost, where there are so many requests an hour and a load takes
    /// that long in the mean: then memory is as large as is cheapest in all. Only where sizes are in
    /// bytes.
    pub const fn prices(
        mut self,
        prices: Prices,
        requests_per_hour: f64,
        mean_load: Duration,
    ) -> Constraints {
        self.prices = Some(Costs { prices, requests_per_hour, mean_load });
        self
    }

    /// The bound on memory, in the unit of the analysis.
    fn bound(&self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::Bytes => self.max_bytes.map(ByteSize::as_u64),
            _ => self.max_entries,
        }
    }
}

impl Costs {
    /// What an hour costs.
    fn of(&self, bytes: u64, hit_ratio: f64) -> f64 {
        let misses = self.requests_per_hour * (1.0 - hit_ratio);
        let waited = misses * self.mean_load.as_secs_f64() / 3_600.0;
        misses * self.prices.per_load
            + waited * self.prices.per_hour_waited
            + bytes as f64 / GIB * self.prices.per_gib_hour
    }
}

impl CacheStrategy {
    /// The strategy that an analysis speaks for, within constraints.
    ///
    /// - **Size of memory**: with prices, that of the tried ones that is cheapest in all; without, the
    ///   largest that the bound allows, or the bound itself where all are larger; without a bound the
    ///   one that [`recommend`] names.
    /// - **Policy**: the default, unless another was better by a point of hit ratio in the mean and by
    ///   half a point in each quarter of the requests; from estimates by five points.
    /// - **Loading ahead**: where it was better by a tenth of a point in the mean and nowhere worse.
    /// - **Disk**: where there is one, and memory does not hold all: what all keys weigh and a half
    ///   more, or what there is.
    /// - **Time to live**: where values are seen to change, the time within which a twentieth of those
    ///   that are replaced was.
    /// - **Warm-up**: with the hottest keys, where use is skewed.
    ///
    /// Pure: the same analysis and constraints give the same strategy.
    #[must_use]
    pub fn generate(
        name: impl Into<String>,
        analysis: &WorkloadAnalysis,
        constraints: &Constraints,
    ) -> CacheStrategy {
        let mut strategy = CacheStrategy::new(name);
        strategy.tiers.clear();
        let mut memory = TierSettings::new(Place::Memory);
        memory.time_to_live = analysis.changes_within.filter(|life| !life.is_zero());
        if let Some(life) = memory.time_to_live {
            strategy.reasons.push(format!(
                "a twentieth of the values that are replaced was within {life:.1?}: no value is \
                 answered for longer"
            ));
        }
        if let Some(size) = size_of(analysis, constraints, &mut strategy.reasons) {
            match analysis.unit {
                Unit::Bytes => memory.max_bytes = Some(ByteSize::from_bytes(size)),
                _ => memory.max_entries = Some(size),
            }
            settle(&mut strategy, &mut memory, analysis, size);
            if analysis.skew.is_some_and(|skew| skew >= SKEWED) {
                let keys = (analysis.keys / 100).clamp(1, MOST_WARM);
                strategy.warm_up = Some(WarmUp::new(WarmUpFrom::Hottest, keys));
            }
            add_disk(&mut strategy, analysis, constraints, size);
        }
        strategy.tiers.insert(0, memory);
        if constraints.is_shared {
            strategy.tiers.push(TierSettings::new(Place::Remote));
        }
        strategy.kind = StrategyKind::of(&strategy.tiers);
        strategy
    }
}

/// How large memory is to be.
fn size_of(
    analysis: &WorkloadAnalysis,
    constraints: &Constraints,
    reasons: &mut Vec<String>,
) -> Option<u64> {
    let bound = constraints.bound(analysis.unit).unwrap_or(u64::MAX);
    let sizes = analysis.sizes();
    let best = |size: u64| analysis.at(size).map(|tried| tried.hit_ratio).fold(0.0, f64::max);
    let within: Vec<u64> = sizes.iter().copied().filter(|size| *size <= bound).collect();
    if within.is_empty() && !sizes.is_empty() {
        reasons.push("nothing was tried at so little memory: it is the bound itself".to_owned());
        return Some(bound);
    }
    match (analysis.unit, constraints.max_bytes, constraints.max_entries) {
        (Unit::Bytes, None, Some(_)) => reasons.push(
            "sizes are in bytes here: the bound in entries is not held to, give one in bytes"
                .to_owned(),
        ),
        (Unit::Count, Some(_), None) => reasons.push(
            "sizes are in entries here: the bound in bytes is not held to, give one in entries"
                .to_owned(),
        ),
        _ => {}
    }
    if let (Some(costs), Unit::Bytes) = (constraints.prices, analysis.unit) {
        let cost = |size: &u64| costs.of(*size, best(*size));
        let cheapest = within.iter().copied().min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
        reasons.push(format!(
            "{} of memory costs {:.4} an hour with its misses, the least of {} sizes",
            ByteSize::from_bytes(cheapest),
            cost(&cheapest),
            within.len()
        ));
        return Some(cheapest);
    }
    if constraints.bound(analysis.unit).is_some() {
        return within.last().copied();
    }
    let results: Vec<_> = analysis
        .tried
        .iter()
        .filter(|tried| !tried.setting.ahead)
        .map(|tried| Measured {
            size: tried.size,
            policy: tried.setting.policy.name(),
            hit_ratio: tried.hit_ratio,
        })
        .collect();
    let everything = match (analysis.unit, analysis.repeats) {
        (Unit::Bytes, Some(repeats)) => (analysis.bytes?, repeats),
        (_, Some(repeats)) => (analysis.keys, repeats),
        // A running cache knows no end: what it can see is all.
        (_, None) => {
            let last = sizes.last().copied()?;
            (last, best(last))
        }
    };
    let found = recommend(&results, everything)?;
    reasons.push(format!(
        "from there on more memory brings less: {:.1} points for each doubling",
        100.0 * found.gain_after().unwrap_or(0.0)
    ));
    Some(found.size)
}

/// The policy and what is loaded ahead at that size.
fn settle(
    strategy: &mut CacheStrategy,
    memory: &mut TierSettings,
    analysis: &WorkloadAnalysis,
    size: u64,
) {
    let plain = |tried: &&Tried| !tried.setting.ahead;
    let own = analysis.at(size).find(|tried| tried.setting == Setting::DEFAULT);
    // What a running cache has now stands first, where that is not the default.
    let Some(own) = own.or_else(|| analysis.at(size).find(plain)) else { return };
    let others = analysis.at(size).filter(plain).filter(|other| is_better(other, own, POLICY));
    let best = others.max_by(|a, b| a.hit_ratio.total_cmp(&b.hit_ratio)).unwrap_or(own);
    // What a policy is good for may be what loading ahead does better.
    let ahead = [own, best].into_iter().filter_map(|base| {
        let ahead = analysis.at(size).find(|tried| tried.setting == base.setting.ahead())?;
        is_better(ahead, base, AHEAD).then_some(ahead)
    });
    let all = ahead.chain([best]);
    let Some(chosen) = all.max_by(|a, b| a.hit_ratio.total_cmp(&b.hit_ratio)) else { return };
    if chosen.setting != own.setting {
        strategy.reasons.push(format!(
            "{} hit {:.1} % where {} hit {:.1} %",
            chosen.setting,
            100.0 * chosen.hit_ratio,
            own.setting,
            100.0 * own.hit_ratio
        ));
    }
    memory.policy = Some(chosen.setting.policy);
    memory.cold_share = chosen.setting.cold_share;
    strategy.prefetch = chosen.setting.ahead.then(PrefetchRule::default);
    strategy.expected = Some(Expected {
        hit_ratio: chosen.hit_ratio,
        default: own.hit_ratio,
        requests: analysis.requests,
    });
}

/// By how much something has to be better, in hit ratio.
#[derive(Clone, Copy)]
struct Margin {
    mean: f64,
    /// In each quarter, where these are known.
    quarter: f64,
    /// In the mean, where they are not.
    estimate: f64,
}

fn is_better(one: &Tried, other: &Tried, margin: Margin) -> bool {
    let gain = one.hit_ratio - other.hit_ratio;
    match (one.quarters, other.quarters) {
        (Some(ones), Some(others)) => {
            let each = ones.iter().zip(others).all(|(one, other)| one - other >= margin.quarter);
            gain >= margin.mean && each
        }
        _ => gain >= margin.estimate,
    }
}

fn add_disk(
    strategy: &mut CacheStrategy,
    analysis: &WorkloadAnalysis,
    constraints: &Constraints,
    size: u64,
) {
    let Some(most) = constraints.disk_bytes.filter(|bytes| bytes.as_u64() > 0) else { return };
    let holds_all = match (analysis.unit, analysis.bytes) {
        (Unit::Bytes, Some(bytes)) => size >= bytes,
        _ => size >= analysis.keys,
    };
    if holds_all {
        strategy
            .reasons
            .push("memory holds all there is: a disk would only survive a restart".into());
        return;
    }
    let mut disk = TierSettings::new(Place::Disk);
    let wanted = analysis.bytes.map_or(u64::MAX, |bytes| bytes.saturating_add(bytes / 2));
    disk.max_bytes = Some(ByteSize::from_bytes(wanted.min(most.as_u64()).max(1)));
    strategy.tiers.push(disk);
}

/// Another policy than the default: what was recorded is not what will come.
const POLICY: Margin = Margin { mean: 0.01, quarter: 0.005, estimate: 0.05 };
/// Loading ahead, which watches itself.
const AHEAD: Margin = Margin { mean: 0.001, quarter: 0.0, estimate: f64::INFINITY };
/// From here on the hottest keys have much of the use.
const SKEWED: f64 = 0.6;
const MOST_WARM: u64 = 1_000;
const GIB: f64 = (1_u64 << 30) as f64;
