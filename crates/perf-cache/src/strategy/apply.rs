//! A strategy put to use.

use super::plan::{LeftOut, PlanStep, SO_ALREADY};
use super::{CachePlan, CacheStrategy, Place, StrategyStatus, TierSettings};
use crate::policy::{Adaptive, Choice, PolicyKind};
use crate::replay::{ReplayedAhead, Room, Trace, simulate, simulate_ahead, simulate_kind};
use crate::{Cache, CacheBuilder};
use perf_core::{Knob, KnobId, KnobValue, Ratio, Tune};
use std::hash::Hash;

impl CacheStrategy {
    /// A builder of a cache with the settings of the memory tier.
    pub fn builder<K: Hash + Eq, V>(&self) -> CacheBuilder<K, V> {
        let mut builder = Cache::builder();
        let Some(memory) = self.tier(Place::Memory) else { return builder };
        if let Some(bytes) = memory.max_bytes {
            builder = builder.max_bytes(bytes);
        }
        if let Some(entries) = memory.max_entries {
            builder = builder.max_entries(entries);
        }
        if let Some(policy) = memory.policy {
            builder = builder.policy(policy);
        }
        if let Some(Ok(share)) = memory.cold_share.map(Ratio::new) {
            builder = builder.cold_share(share);
        }
        if let Some(life) = memory.time_to_live {
            builder = builder.time_to_live(life);
        }
        builder
    }

    /// What a cache of that size would hit under this strategy, loading ahead where it says so; what
    /// it loads is there at once.
    #[must_use]
    pub fn replay(&self, trace: &Trace, room: Room) -> ReplayedAhead {
        let usual = TierSettings::new(Place::Memory);
        let memory = self.tier(Place::Memory).unwrap_or(&usual);
        let kind = memory.policy.unwrap_or(PolicyKind::Adaptive);
        let size = match room {
            Room::Entries(entries) => entries,
            Room::Bytes(bytes) => bytes.as_u64(),
        };
        let ahead = self.prefetch.as_ref().filter(|_| self.intelligent_prefetching);
        let fixed = memory.cold_share.filter(|_| kind == PolicyKind::Adaptive).map(|share| {
            let mut policy = Adaptive::new();
            policy.choose(Choice::from_cold_share(share));
            policy
        });
        let Some(prefetch) = ahead.and_then(|rule| rule.build(size).ok()) else {
            let replayed = match fixed {
                Some(policy) => simulate(trace, room, policy),
                None => simulate_kind(trace, room, kind),
            };
            return ReplayedAhead { replayed, ..ReplayedAhead::default() };
        };
        match (fixed, kind) {
            (Some(policy), _) => simulate_ahead(trace, room, policy, prefetch),
            (None, PolicyKind::Adaptive) => {
                simulate_ahead(trace, room, Adaptive::alone(), prefetch)
            }
            (None, kind) => simulate_ahead(trace, room, kind.build(0), prefetch),
        }
    }

    /// What has to be turned in a cache for it to be as this strategy says, without the steps in
    /// `skip`: `policy`, `cold_share`, `time_to_live`, `capacity`, `disk_capacity`, `prefetch`. What a
    /// switch forbids, what the cache has no knob for and what is out of a knob's bounds is left out,
    /// with the reason. Changes nothing.
    #[must_use]
    pub fn plan<T: Tune + ?Sized>(&self, cache: &T, skip: &[&str]) -> CachePlan {
        let knobs = cache.knobs();
        let mut plan = CachePlan::new(&self.name);
        for wish in self.wishes() {
            let Wish { id, is_allowed, switch, reason, .. } = &wish;
            let left_out = |because: String| LeftOut { id: (*id).to_owned(), because };
            if skip.contains(id) {
                plan.left_out.push(left_out("it was to be skipped".to_owned()));
                continue;
            }
            if self.status == StrategyStatus::Disabled || !is_allowed {
                let what = if *is_allowed { "the strategy is disabled" } else { *switch };
                plan.left_out.push(left_out(what.to_owned()));
                continue;
            }
            match wish.knob(&knobs) {
                Ok((knob, to)) if knob.value != to => plan.steps.push(PlanStep {
                    id: (*id).to_owned(),
                    knob: knob.id.clone(),
                    from: knob.value.clone(),
                    to,
                    reason: reason.clone(),
                    expected: wish.expected,
                }),
                Ok(_) => plan.left_out.push(left_out(SO_ALREADY.to_owned())),
                Err(because) => plan.left_out.push(left_out(because)),
            }
        }
        plan
    }

    fn wishes(&self) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let gain = self.expected.map(|expected| expected.hit_ratio - expected.default);
        let by = |switch: &'static str, is_allowed| (switch, is_allowed);
        let mut add = |id, (switch, is_allowed), wanted, reason: String, expected| {
            wishes.push(Wish { id, switch, is_allowed, wanted, reason, expected });
        };
        let eviction = by("`adaptive_eviction` is off", self.adaptive_eviction);
        let tuning = by("`auto_tuning` is off", self.auto_tuning);
        if let Some(memory) = self.tier(Place::Memory) {
            // One that is not named is the default, if it says anything of how room is made.
            if let Some(policy) = memory.policy {
                let reason = format!("{policy} keeps more of what is asked for again");
                add("policy", eviction, Wanted::Name(policy.name().to_owned()), reason, gain);
            }
            if let Some(share) = memory.cold_share {
                let reason = format!("new entries are best tried in {:.0} %", 100.0 * share);
                add("cold_share", eviction, Wanted::Share(share), reason, gain);
            }
            if let Some(life) = memory.time_to_live {
                let reason = "values change within it, seldom sooner".to_owned();
                let ttl = by("`dynamic_ttl` is off", self.dynamic_ttl);
                add("time_to_live", ttl, Wanted::Value(KnobValue::Duration(life)), reason, None);
            }
            if let Some(bytes) = memory.max_bytes {
                let reason = format!("{bytes} is what memory is worth");
                add("capacity", tuning, Wanted::Value(KnobValue::Bytes(bytes)), reason, None);
            }
            if let Some(entries) = memory.max_entries {
                let reason = format!("{entries} entries are what memory is worth");
                add("capacity", tuning, Wanted::Value(KnobValue::Count(entries)), reason, None);
            }
        }
        if let Some(bytes) = self.tier(Place::Disk).and_then(|disk| disk.max_bytes) {
            let reason = format!("{bytes} of disk hold what memory does not");
            add("disk_capacity", tuning, Wanted::Value(KnobValue::Bytes(bytes)), reason, None);
        }
        if self.prefetch.is_some() {
            let reason = "what follows what is known, and its precision is watched".to_owned();
            let ahead = by("`intelligent_prefetching` is off", self.intelligent_prefetching);
            add("prefetch", ahead, Wanted::Value(KnobValue::Switch(true)), reason, gain);
        }
        wishes
    }
}

/// Something that a strategy wants of a cache.
struct Wish {
    id: &'static str,
    /// Why it may not be, where it may not.
    switch: &'static str,
    is_allowed: bool,
    wanted: Wanted,
    reason: String,
    expected: Option<f64>,
}

enum Wanted {
    Value(KnobValue),
    Name(String),
    /// The nearest of the shares that the knob offers.
    Share(f64),
}

impl Wish {
    /// The knob that it is about, and what that is to be.
    fn knob<'k>(&self, knobs: &'k [Knob]) -> Result<(&'k Knob, KnobValue), String> {
        let names = [KnobId::from(self.id), KnobId::new(format!("memory_{}", self.id))];
        let knob =
            knobs.iter().find(|knob| names.contains(&knob.id)).ok_or_else(|| match self.id {
                "prefetch" => {
                    "it does not load ahead: make it a `learning::Prefetching`".to_owned()
                }
                id => format!("the cache has no knob `{id}`: say it where it is built"),
            })?;
        let to = match &self.wanted {
            Wanted::Value(value) => value.clone(),
            Wanted::Name(name) => KnobValue::Choice(name.clone().into()),
            Wanted::Share(share) => {
                nearest(knob, *share).ok_or_else(|| format!("the cache offers {}", knob.bounds))?
            }
        };
        if to.kind() != knob.value.kind() {
            let (kind, own) = (to.kind(), knob.value.kind());
            return Err(format!("`{}` is a {own} there, and not a {kind}", knob.id));
        }
        if !knob.bounds.contain(&to) {
            let bounds = &knob.bounds;
            return Err(format!("{to} is out of its bounds, {bounds}: say it where it is built"));
        }
        Ok((knob, to))
    }
}

/// The option nearest to a share, if one is near.
fn nearest(knob: &Knob, share: f64) -> Option<KnobValue> {
    let perf_core::Bounds::OneOf { options } = &knob.bounds else { return None };
    let shares = options.iter().filter_map(|name| Some((name, name.parse::<f64>().ok()?)));
    let distance = |of: f64| (of - share).abs();
    let (name, _) = shares
        .filter(|(_, of)| distance(*of) < 0.01)
        .min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)))?;
    Some(KnobValue::Choice(name.clone()))
}
