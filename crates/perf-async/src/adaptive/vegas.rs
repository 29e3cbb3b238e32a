//! As much at once as brings throughput, no more.

use super::correlation::Pairs;
use super::sample::{Noise, Pool};
use super::{LimitPolicy, Reason, Window};
use std::time::Duration;

/// Finds how many operations the other side works on at once, and lets no more run than that: the
/// rest waits here, where priorities count, and not in a queue over there.
///
/// The run time without a queue is the *baseline*. Where run times are longer than that, the rest of
/// them was spent waiting: by Little's law `limit × baseline / run time` operations are worked on,
/// and what runs beyond that only waits. The limit rises while hardly anything waits, at first by
/// one and faster each time, and falls to what is worked on when an eighth waits.
///
/// The baseline is measured. The smallest run time ever seen would not do: with mixed work it is
/// that of the cheapest operation, and the limit would stick at 1. Now and then, and whenever run
/// times have risen, the limit is lowered for some windows until throughput suffers; then nobody
/// waits over there, and the run time of that moment is the baseline. Once the baseline is known to
/// keep still, that costs below one per cent of the throughput, and nothing where the limit holds
/// nobody back. All run times are judged by how much they scatter.
///
/// If over the last fifty windows more at once has brought longer run times and no throughput, the
/// baseline is measured at once.
///
/// Sources: Brakmo and Peterson, "TCP Vegas", 1995 (what waits, from delay); Cardwell et al.,
/// "BBR", 2016 (draining to see the delay without a queue); failsafe-go, `adaptivelimiter` (guard by
/// correlations).
#[derive(Debug)]
pub struct Vegas {
    limit: f64,
    max_healthy: Option<Duration>,
    phase: Phase,
    /// Run times without a queue.
    baseline: Pool,
    /// Whether that was measured, and not only seen.
    is_measured: bool,
    /// Whether the limit has fallen since.
    has_fallen: bool,
    /// Run times at the limit that holds.
    recent: Pool,
    noise: Noise,
    /// How many windows in a row the limit has risen.
    rises: u32,
    until_probe: u32,
    probe_every: u32,
    throughputs: Pairs,
    latencies: Pairs,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Steady,
    /// The limit was lowered; what was started before still ends.
    Draining(Probe),
    Measuring(Probe, Pool),
}

/// What held before the limit was lowered.
#[derive(Clone, Copy, Debug)]
struct Probe {
    limit: f64,
    latency: f64,
}

impl Default for Vegas {
    fn default() -> Vegas {
        Vegas {
            limit: 0.0,
            max_healthy: None,
            phase: Phase::Steady,
            baseline: Pool::default(),
            is_measured: false,
            has_fallen: false,
            recent: Pool::default(),
            noise: Noise::default(),
            rises: DOUBLING,
            until_probe: FIRST_PROBE,
            probe_every: PROBE_EVERY,
            throughputs: Pairs::new(REMEMBERED),
            latencies: Pairs::new(REMEMBERED),
            reason: Reason::Start,
        }
    }
}

impl Vegas {
    /// Starts from whatever limit holds.
    #[must_use]
    pub fn new() -> Vegas {
        Vegas::default()
    }

    /// Lowers the limit as long as one of ten operations takes longer than this, whatever the
    /// baseline says: for a service that others overload too.
    #[must_use]
    pub fn max_healthy_latency(mut self, latency: Duration) -> Vegas {
        self.max_healthy = Some(latency);
        self
    }

    fn steady(&mut self, window: &Window) -> f64 {
        if !is_held_back(window) {
            self.rises = 0;
            return self.hold(Reason::NotFull);
        }
        if self.reason == Reason::Start {
            // What ends first is short.
            return self.hold(Reason::Room);
        }
        let latency = window.mean.as_secs_f64();
        self.throughputs.push(self.limit, window.throughput());
        self.latencies.push(self.limit, latency);
        self.noise.learn(window, self.limit);
        if self.noise.is_significant(self.recent, latency, window.samples) {
            self.recent = Pool::default();
        }
        self.recent.add(latency, window.samples);
        let recent = self.recent.mean();
        if self.baseline.is_empty()
            || recent < MUCH_SHORTER * self.baseline.mean()
                && self.noise.is_significant(self.baseline, recent, self.recent.samples())
        {
            self.baseline = self.recent;
            self.is_measured = false;
            self.until_probe = self.until_probe.min(SOON);
        }
        let working = (self.limit * self.baseline.mean() / recent).min(self.limit);
        let waiting = self.limit - working;
        let (of_recent, of_baseline) = (self.noise.of(self.recent), self.noise.of(self.baseline));
        let unsure = self.limit * of_recent.hypot(of_baseline);
        self.until_probe = self.until_probe.saturating_sub(1);
        let due = self.until_probe == 0;
        let falls = waiting > (MOST_WAITING * self.limit).max(1.0) + unsure;
        let much = waiting > 2.0 * MOST_WAITING * self.limit + 2.0 * unsure;
        if due || self.is_saturated() || much || falls && self.has_fallen {
            self.reason = if due { Reason::Probe } else { Reason::Queue };
            return self.lower(DEPTH * working);
        }
        if falls {
            self.rises = 0;
            self.has_fallen = true;
            self.recent = Pool::default();
            self.reason = Reason::Queue;
            return working * (1.0 + LEAST_WAITING);
        }
        if waiting < (LEAST_WAITING + of_baseline) * self.limit {
            if of_recent > SURE && self.rises < DOUBLING {
                return self.hold(Reason::Room);
            }
            self.rises += 1;
            self.recent = Pool::default();
            self.reason = Reason::Room;
            let step = STEP * f64::from(self.rises.min(DOUBLING));
            return self.limit + (step * self.limit).max(1.0);
        }
        self.rises = 0;
        self.hold(Reason::Balanced)
    }

    /// More at once has brought longer run times and no throughput.
    fn is_saturated(&self) -> bool {
        let more = |pairs: &Pairs| pairs.correlation().unwrap_or(0.0);
        let (throughput, latency) = (more(&self.throughputs), more(&self.latencies));
        latency > 0.5 && throughput < 0.0
    }

    fn lower(&mut self, to: f64) -> f64 {
        self.phase = Phase::Draining(Probe { limit: self.limit, latency: self.recent.mean() });
        self.rises = 0;
        self.recent = Pool::default();
        self.throughputs.clear();
        self.latencies.clear();
        to.clamp(1.0, self.limit)
    }

    fn measure(&mut self, probe: Probe, mut pool: Pool, window: &Window) -> f64 {
        if !is_held_back(window) {
            self.phase = Phase::Steady;
            return self.hold(Reason::NotFull).max(probe.limit);
        }
        let latency = window.mean.as_secs_f64();
        let throughput = self.limit / latency * probe.latency / probe.limit;
        if pool.is_empty() && throughput > STILL_FULL && self.limit > 1.0 {
            // Not deep enough: the other side has as much to do as before.
            self.phase = Phase::Draining(probe);
            return DEPTH * self.limit;
        }
        pool.add(latency, window.samples);
        if self.noise.of(pool) > SURE {
            self.phase = Phase::Measuring(probe, pool);
            return self.limit;
        }
        self.phase = Phase::Steady;
        self.has_fallen = false;
        let is_new = !self.is_measured
            || self.noise.is_significant(self.baseline, pool.mean(), pool.samples());
        let is_first = !std::mem::replace(&mut self.is_measured, true);
        if is_new {
            self.baseline = pool;
            self.probe_every = PROBE_EVERY;
        } else {
            self.baseline.merge(pool);
            self.probe_every = (2 * self.probe_every).min(PROBE_SELDOM);
        }
        self.until_probe = if is_first { SOON } else { self.probe_every };
        let working = probe.limit * self.baseline.mean() / probe.latency;
        working.min(probe.limit) * (1.0 + LEAST_WAITING)
    }

    fn hold(&mut self, reason: Reason) -> f64 {
        self.reason = reason;
        self.limit
    }
}

impl LimitPolicy for Vegas {
    fn on_window(&mut self, window: &Window) -> usize {
        if self.limit.round() as usize != window.limit {
            self.limit = window.limit as f64;
        }
        let unhealthy = self.max_healthy.is_some_and(|latency| window.p90 > latency);
        let limit = if unhealthy || window.drop_ratio() > MOST_DROPPED {
            self.phase = Phase::Steady;
            self.rises = 0;
            self.recent = Pool::default();
            self.reason = if unhealthy { Reason::Unhealthy } else { Reason::Drops };
            DROPPED * self.limit
        } else {
            match self.phase {
                Phase::Steady => self.steady(window),
                Phase::Draining(probe) => {
                    self.phase = Phase::Measuring(probe, Pool::default());
                    self.limit
                }
                Phase::Measuring(probe, pool) => self.measure(probe, pool, window),
            }
        };
        self.limit = limit.max(1.0);
        self.limit.round() as usize
    }

    fn reason(&self) -> Reason {
        self.reason
    }
}

/// Whether operations waited for the limit, and not only for a moment.
fn is_held_back(window: &Window) -> bool {
    window.is_full() && window.mean_running() > 0.7 * window.limit as f64
}

/// Of those that run, the share that may wait on the other side before the limit rises no more.
const LEAST_WAITING: f64 = 0.04;
/// And before it falls.
const MOST_WAITING: f64 = 0.1;
/// To what share of those that are worked on a probe lowers the limit.
const DEPTH: f64 = 0.6;
/// Above this share of the throughput before, a probe has not gone deep enough.
const STILL_FULL: f64 = 0.85;
/// Run times below this share of the baseline make a new one.
const MUCH_SHORTER: f64 = 0.7;
/// How well a probe wants to know the baseline.
const SURE: f64 = 0.06;
/// How much the limit rises, for each time in a row.
const STEP: f64 = 0.05;
/// How many times in a row make it double.
const DOUBLING: u32 = 20;
const FIRST_PROBE: u32 = 8;
const SOON: u32 = 3;
const PROBE_EVERY: u32 = 60;
const PROBE_SELDOM: u32 = 480;
const REMEMBERED: usize = 50;
/// The share of time-outs that is too much.
const MOST_DROPPED: f64 = 0.05;
/// What is left of the limit then.
const DROPPED: f64 = 0.8;
