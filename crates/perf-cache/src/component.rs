//! The cache as something the engine can watch and steer.

use crate::inner::Settings;
use crate::policy::{Choice, PolicyKind};
use crate::ruling::Ruling;
use crate::stats::Counts;
use crate::{Cache, Capacity};
use perf_core::{
    Bounds, ByteSize, Component, Direction, Instant, Knob, KnobError, KnobValue, Observe, Ratio,
    Signal, Tune, Turn, Turned, Unit,
};
use std::borrow::Cow;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::Ordering;
use std::time::Duration;

impl<K, V, S> Observe for Cache<K, V, S> {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let (counts, _) = self.inner.counts();
        let since = Instant::from_nanos(self.inner.since.load(Ordering::Relaxed));
        observe_counts(&counts, since, visit);
        let mut counter = |name, value, help| {
            visit(Signal::counter(name, value, since).help(help));
        };
        let dropped = self.inner.choosing.dropped();
        counter("samples_dropped", dropped, "Accesses of the policy's sample that were left out.");
        if let Some(observer) = &self.inner.observer {
            let help = "Events of sampled keys that insight left out.";
            counter("insight_dropped", observer.dropped(), help);
        }
        for (name, value, help) in counts.loading.by_name() {
            counter(name, value, help);
        }
        for (kind, n) in self.inner.invalidations.counts.read().by_kind() {
            let signal = Signal::counter("invalidations", n, since);
            let help = "Invalidations of more than one key.";
            visit(signal.help(help).labels(&[("kind", kind)]));
        }
        let mut counter = |name, value, help| {
            visit(Signal::counter(name, value, since).help(help));
        };
        let kept_out = self.inner.invalidations.counts.read();
        let help = "Values kept out: they were read before an invalidation.";
        counter("fenced", kept_out.fenced, help);
        let help = "Values kept out: there were too many tags in use.";
        counter("untaggable", kept_out.untaggable, help);
        let help = "Panics of those who are told of evictions.";
        counter("listener_panics", self.inner.listeners.panics(), help);
        self.observe_insight(counts.hits, counts.misses, visit);
        if let Some(lives) = &self.inner.learned {
            lives.learned.read().observe(lives.since, visit);
        }
        let mut gauge = |name, unit, value: u64, help| {
            visit(Signal::gauge(name, unit, value as f64).help(help));
        };
        gauge("entries", Unit::Count, self.inner.len(), "Entries held.");
        gauge("bytes", Unit::Bytes, self.inner.weight(), "What the entries weigh.");
        let dead = self.inner.estimate_invalidated();
        gauge("dead", Unit::Count, dead, "Entries that were invalidated and are not freed, about.");
        if let Some(max) = self.inner.entries.max() {
            gauge("capacity_entries", Unit::Count, max, "Entries that may be held.");
        }
        if let Some(max) = self.inner.bytes.max() {
            gauge("capacity_bytes", Unit::Bytes, max, "What the entries may weigh.");
        }
    }
}

/// What every cache in memory counts.
pub(crate) fn observe_counts(counts: &Counts, since: Instant, visit: &mut dyn FnMut(Signal<'_>)) {
    let mut counter = |name, value, help| {
        visit(Signal::counter(name, value, since).help(help));
    };
    counter("hits", counts.hits, "Lookups that found a value.");
    counter("misses", counts.misses, "Lookups that found none, or an expired one.");
    counter("insertions", counts.insertions, "Values taken in.");
    counter("loads", counts.loads, "Loaders that ended, in whatever way.");
    counter("load_failures", counts.load_failures, "Loaders that gave no value.");
    counter("joins", counts.joins, "Lookups that waited for the load of another caller.");
    for (cause, n) in counts.evictions().by_cause() {
        let signal = Signal::counter("evictions", n, since).help("Entries that left.");
        visit(signal.labels(&[("cause", cause)]));
    }
    let help = "How long loaders ran that gave a value or an error.";
    let durations = &counts.load_duration;
    visit(Signal::histogram("load_duration", Unit::Nanoseconds, durations, since).help(help));
}

/// Knobs: `capacity`, in bytes where those are bounded, else in entries, from a sixteenth to sixteen
/// times of what was built; `time_to_live`, where zero is for ever; `policy`, by the names of
/// [`PolicyKind`], unless the policy is a custom one; and under the adaptive policy `cold_share`:
/// `auto`, or a share that is fixed; and where lives are learned, `stale_share`.
impl<K, V, S> Tune for Cache<K, V, S> {
    fn knobs(&self) -> Vec<Knob> {
        self.knobs_of(&self.inner.settings())
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        // Held over the change: nobody else turns between the check and it.
        let mut settings = self.inner.settings();
        let knobs = self.knobs_of(&settings);
        let Some(knob) = knobs.iter().find(|knob| knob.id == turn.knob) else {
            let known = knobs.into_iter().map(|knob| knob.id).collect();
            return Err(KnobError::Unknown { knob: turn.knob, known });
        };
        knob.check(&turn)?;
        match &turn.to {
            KnobValue::Bytes(bytes) => self.move_capacity(Capacity::bytes(*bytes), &settings),
            KnobValue::Count(entries) => self.move_capacity(Capacity::entries(*entries), &settings),
            KnobValue::Duration(ttl) => self.move_time_to_live(*ttl),
            KnobValue::Number(share) => {
                if let (Some(lives), Ok(share)) = (&self.inner.learned, Ratio::new(*share)) {
                    lives.learned.set_stale_share(share);
                }
            }
            KnobValue::Choice(name) if knob.id == COLD_SHARE => {
                // Anything but a number is `auto`, since it is one of the options.
                let choice = name.parse().ok().map(Choice::from_cold_share);
                self.move_cold_share(choice, &settings);
            }
            KnobValue::Choice(name) => {
                if let Ok(kind) = name.parse::<PolicyKind>() {
                    let shards = self.inner.shards.len() as u64;
                    let policies = (0..shards).map(|seed| Ruling::of(kind, seed)).collect();
                    self.move_policy(&mut settings, Some(kind), policies);
                }
            }
            _ => {}
        }
        // Before anything is dropped: its destructor may ask for the settings.
        drop(settings);
        self.evict_first_excess();
        Ok(Turned { from: knob.value.clone(), to: turn.to, settles: None })
    }
}

impl<K, V, S> Component for Cache<K, V, S>
where
    K: Hash + Eq + Send + Sync,
    V: Send + Sync,
    S: BuildHasher + Send + Sync,
{
}

impl<K, V, S> Cache<K, V, S> {
    fn knobs_of(&self, settings: &Settings) -> Vec<Knob> {
        let ttl = self.time_to_live();
        let mut knobs = vec![self.capacity_knob(settings.capacity), ttl_knob(ttl, settings.ttl)];
        knobs.extend(settings.policy.map(|now| policy_knob(now, settings.first_policy)));
        if settings.policy == Some(PolicyKind::Adaptive) {
            knobs.push(cold_share_knob(self.inner.choosing.settled(), settings));
        }
        if let Some(lives) = &self.inner.learned {
            knobs.push(lives.learned.read().knob(lives.default_share));
        }
        knobs
    }

    fn capacity_knob(&self, default: u64) -> Knob {
        let in_bytes = self.inner.bytes.max();
        let now = in_bytes.or(self.inner.entries.max()).unwrap_or(default);
        let most = default.saturating_mul(RANGE);
        capacity_knob(now, default, most, in_bytes.is_some(), self.inner.has_excess())
    }
}

/// A bound in bytes or in entries, from a sixteenth of what was built to `most`.
pub(crate) fn capacity_knob(
    now: u64,
    default: u64,
    most: u64,
    in_bytes: bool,
    has_excess: bool,
) -> Knob {
    // Whoever sets it by `set_capacity` may go beyond; the bounds follow.
    let min = (default / RANGE).max(1).min(now);
    let max = most.max(now);
    let step = min;
    let (value, default, bounds) = if in_bytes {
        let bytes = |n| KnobValue::Bytes(ByteSize::from_bytes(n));
        let [min, max, step] = [min, max, step].map(ByteSize::from_bytes);
        (bytes(now), bytes(default), Bounds::Bytes { min, max, step })
    } else {
        let count = KnobValue::Count;
        (count(now), count(default), Bounds::Count { min, max, step })
    };
    let pending = has_excess.then(|| value.clone());
    Knob::new("capacity", "Capacity", value, default, bounds)
        .trades("More memory for a higher hit ratio.")
        .moves("hits", Direction::Up)
        .moves("misses", Direction::Down)
        .moves("bytes", Direction::Up)
        .pending(pending)
}

/// A time to live, `None` being for ever.
pub(crate) fn ttl_knob(now: Option<Duration>, default: Duration) -> Knob {
    let now = now.unwrap_or_default();
    let max = LONGEST_TTL.max(now).max(default);
    let bounds = Bounds::Duration { min: Duration::ZERO, max, step: Duration::from_secs(1) };
    let (now, default) = (KnobValue::Duration(now), KnobValue::Duration(default));
    Knob::new("time_to_live", "Time to live", now, default, bounds)
        .trades("Older answers for fewer loads. Zero: for ever. Holds for what comes in next.")
        .moves("hits", Direction::Up)
        .moves("misses", Direction::Down)
}

impl<K, V, S> Cache<K, V, S> {
    /// What is known of the workload.
    fn observe_insight(&self, hits: u64, misses: u64, visit: &mut dyn FnMut(Signal<'_>)) {
        let Some(outlook) = self.inner.outlook(hits, misses) else { return };
        let mut gauge = |name, unit, value: Option<f64>, help| {
            // Of what is not known yet there is no reading.
            if let Some(value) = value {
                visit(Signal::gauge(name, unit, value).help(help));
            }
        };
        let help = "Hits among lookups with twice the capacity, about.";
        gauge("hit_ratio_at_twice", Unit::Ratio, outlook.hit_ratio_at_twice, help);
        let help = "Accesses that were the only one to their key, about.";
        gauge("scan_share", Unit::Ratio, outlook.scan_share, help);
        let help = "Exponent of the Zipf law that fits the use of keys best: 0 is all alike.";
        gauge("skew", Unit::None, outlook.skew, help);
    }
}

fn policy_knob(now: PolicyKind, default: PolicyKind) -> Knob {
    let choice = |kind: PolicyKind| KnobValue::Choice(kind.name().into());
    let options = PolicyKind::ALL.map(|kind| kind.name().into()).to_vec();
    Knob::new("policy", "Policy", choice(now), choice(default), Bounds::OneOf { options })
        .trades("Which entries make room. Under lru and lfu each hit takes a lock.")
}

fn cold_share_knob(now: Option<Choice>, settings: &Settings) -> Knob {
    let default = settings.cold_share;
    let name = |choice: Option<Choice>| -> Cow<'static, str> {
        choice.map_or(AUTO.into(), |choice| {
            // As short as tells it apart: shares are kept in 1/65536.
            let share = choice.cold_share();
            let short = format!("{share:.2}");
            let is_same = short.parse().is_ok_and(|s| Choice::from_cold_share(s) == choice);
            if is_same { short.into() } else { share.to_string().into() }
        })
    };
    let mut options = vec![None];
    options.extend(Choice::ALL.map(Some));
    for own in [now, default, settings.own_cold_share] {
        if !options.contains(&own) {
            options.push(own);
        }
    }
    let options = options.into_iter().map(name).collect();
    let [now, default] = [now, default].map(|choice| KnobValue::Choice(name(choice)));
    Knob::new(COLD_SHARE, "Cold share", now, default, Bounds::OneOf { options })
        .trades("The share of new entries: little holds on through scans, much follows changes.")
        .moves("hits", Direction::Up)
        .moves("misses", Direction::Down)
}

const COLD_SHARE: &str = "cold_share";
const AUTO: &str = "auto";
/// How far from its default the capacity can be turned, as a factor.
pub(crate) const RANGE: u64 = 16;
const LONGEST_TTL: Duration = Duration::from_secs(30 * 24 * 3_600);
