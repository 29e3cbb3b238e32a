//! When requests leave: an arrival process as a pure function of its seed.
//!
//! Arrivals are drawn in *unit time*, one a unit, and carried over to real time through the inverse
//! of the expected count up to an instant. So one jitter serves constant rates, ramps and steps, and
//! Poisson arrivals at a changing rate are exact.
//!
//! Source: Çınlar, "Introduction to Stochastic Processes", 1975, chapter 4 (the time change that
//! makes a Poisson process of a changing rate out of one of rate 1).

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// How many requests a second are due, over the length of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Arrival {
    /// The same all the time.
    Constant {
        /// Requests a second.
        rate: f64,
    },
    /// From one rate to another, evenly.
    Ramp {
        /// Requests a second at the start.
        from: f64,
        /// Requests a second at the end.
        to: f64,
    },
    /// One rate after the other, each for an equal part of the run.
    Steps {
        /// Requests a second in each step.
        rates: Vec<f64>,
    },
}

/// How arrivals scatter around their even spacing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Jitter {
    /// Not at all.
    None,
    /// Each anywhere within its own interval: the count stays exact, and no timer of the target
    /// beats in step with the load.
    #[default]
    Uniform,
    /// As independent clients would: exponential gaps.
    Poisson,
}

/// The due times of requests, in order, from the start of the run. Same input, same times.
#[derive(Debug)]
pub struct Schedule {
    segments: Vec<Segment>,
    at: usize,
    jitter: Jitter,
    random: StdRng,
    next: u64,
    unit: f64,
}

/// A part in which the rate changes evenly.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: f64,
    length: f64,
    from: f64,
    to: f64,
    /// Arrivals that are expected before it.
    before: f64,
}

impl Arrival {
    /// The rate at the start.
    #[must_use]
    pub fn first_rate(&self) -> f64 {
        match self {
            Arrival::Constant { rate } => *rate,
            Arrival::Ramp { from, .. } => *from,
            Arrival::Steps { rates } => rates.first().copied().unwrap_or(0.0),
        }
    }

    /// What is wrong with it, if anything: a rate that is no number, negative or above ten million,
    /// or none above zero.
    pub(super) fn fault(&self) -> Option<String> {
        let rates: &[f64] = match self {
            Arrival::Constant { rate } => &[*rate],
            Arrival::Ramp { from, to } => &[*from, *to],
            Arrival::Steps { rates } => rates,
        };
        if let Some(rate) = rates.iter().find(|r| !(0.0..=HIGHEST_RATE).contains(*r)) {
            return Some(format!(
                "a rate of {rate} requests a second; take 0.001 to {HIGHEST_RATE}"
            ));
        }
        let ramp = matches!(self, Arrival::Ramp { .. });
        if rates.is_empty() || rates.len() > MOST_STEPS {
            return Some(format!("{} steps; take 1 to {MOST_STEPS}", rates.len()));
        }
        let dead = if ramp { rates.iter().all(|r| *r == 0.0) } else { rates.contains(&0.0) };
        dead.then(|| "a rate of 0 sends nothing; take a rate above 0".to_owned())
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arrival::Constant { rate } => write!(f, "{rate} requests/s"),
            Arrival::Ramp { from, to } => write!(f, "{from} to {to} requests/s"),
            Arrival::Steps { rates } => {
                let rates: Vec<String> = rates.iter().map(f64::to_string).collect();
                write!(f, "{} requests/s in steps", rates.join(", "))
            }
        }
    }
}

const HIGHEST_RATE: f64 = 1e7;
const MOST_STEPS: usize = 1000;

impl Schedule {
    /// The due times of `arrival` over `length`.
    #[must_use]
    pub fn new(arrival: &Arrival, jitter: Jitter, length: Duration, seed: u64) -> Schedule {
        let length = length.as_secs_f64();
        let (mut segments, mut start, mut before) = (Vec::new(), 0.0, 0.0);
        let mut add = |length: f64, from: f64, to: f64| {
            segments.push(Segment { start, length, from, to, before });
            start += length;
            before += (from + to) / 2.0 * length;
        };
        match arrival {
            Arrival::Constant { rate } => add(length, *rate, *rate),
            Arrival::Ramp { from, to } => add(length, *from, *to),
            Arrival::Steps { rates } => {
                for rate in rates {
                    add(length / rates.len() as f64, *rate, *rate);
                }
            }
        }
        let random = StdRng::seed_from_u64(seed);
        Schedule { segments, at: 0, jitter, random, next: 0, unit: 0.0 }
    }
}

impl Schedule {
    /// How many are due over `length`; exact but for Poisson arrivals, where it is the mean.
    #[must_use]
    pub fn expected(arrival: &Arrival, length: Duration) -> u64 {
        let mean = match arrival {
            Arrival::Constant { rate } => *rate,
            Arrival::Ramp { from, to } => (from + to) / 2.0,
            Arrival::Steps { rates } => rates.iter().sum::<f64>() / rates.len().max(1) as f64,
        };
        (mean * length.as_secs_f64() - 1e-6).ceil().max(0.0) as u64
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let unit = match self.jitter {
            Jitter::None => self.next as f64,
            Jitter::Uniform => self.next as f64 + self.random.random::<f64>(),
            Jitter::Poisson => {
                // 1 − u lies above 0, so its logarithm is finite.
                self.unit -= (1.0 - self.random.random::<f64>()).ln();
                self.unit
            }
        };
        self.next += 1;
        loop {
            let segment = self.segments.get(self.at)?;
            let inside = unit - segment.before;
            if inside < (segment.from + segment.to) / 2.0 * segment.length {
                let seconds = segment.start + segment.when(inside.max(0.0));
                return Duration::try_from_secs_f64(seconds).ok();
            }
            self.at += 1;
        }
    }
}

impl Segment {
    /// How long after its start this many arrivals are expected.
    fn when(&self, count: f64) -> f64 {
        if count == 0.0 {
            return 0.0;
        }
        let slope = (self.to - self.from) / self.length;
        // The root of from·t + slope·t²/2 = count, in the form that loses no digits at small slopes.
        let root = (self.from * self.from + 2.0 * slope * count).max(0.0).sqrt();
        2.0 * count / (self.from + root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn seconds(arrival: &Arrival, jitter: Jitter, seed: u64) -> Vec<f64> {
        Schedule::new(arrival, jitter, TEN, seed).map(|d| d.as_secs_f64()).collect()
    }

    #[test]
    fn a_constant_rate_without_jitter_is_even() {
        let times = seconds(&Arrival::Constant { rate: 4.0 }, Jitter::None, 1);
        assert_eq!(times.len(), 40);
        assert_eq!(&times[..3], &[0.0, 0.25, 0.5]);
    }

    #[test]
    fn uniform_jitter_keeps_each_in_its_interval() {
        let times = seconds(&Arrival::Constant { rate: 100.0 }, Jitter::Uniform, 7);
        assert_eq!(times.len(), 1000);
        for (n, time) in times.iter().enumerate() {
            assert_eq!((time * 100.0 + 1e-6).floor() as usize, n);
        }
        assert!(times.windows(2).any(|w| w[1] - w[0] < 0.005), "it scatters");
    }

    #[test]
    fn the_seed_alone_decides() {
        let arrival = Arrival::Ramp { from: 10.0, to: 50.0 };
        for jitter in [Jitter::Uniform, Jitter::Poisson] {
            assert_eq!(seconds(&arrival, jitter, 3), seconds(&arrival, jitter, 3));
            assert_ne!(seconds(&arrival, jitter, 3), seconds(&arrival, jitter, 4));
        }
    }

    #[test]
    fn a_ramp_has_the_mean_rate_and_a_quarter_in_its_first_half() {
        let times = seconds(&Arrival::Ramp { from: 0.0, to: 200.0 }, Jitter::None, 1);
        assert_eq!(times.len(), 1000);
        let early = times.iter().filter(|t| **t < 5.0).count();
        assert!((249..=251).contains(&early), "{early}");
        assert!(times.is_sorted());
        let down = seconds(&Arrival::Ramp { from: 200.0, to: 0.0 }, Jitter::None, 1);
        assert_eq!(down.iter().filter(|t| **t < 5.0).count(), 750);
    }

    #[test]
    fn steps_share_the_time() {
        let times = seconds(&Arrival::Steps { rates: vec![10.0, 30.0] }, Jitter::Uniform, 1);
        assert_eq!(times.len(), 200);
        assert_eq!(times.iter().filter(|t| **t < 5.0).count(), 50);
    }

    #[test]
    fn poisson_arrivals_have_exponential_gaps() {
        let times = seconds(&Arrival::Constant { rate: 1000.0 }, Jitter::Poisson, 11);
        assert!((9_600..=10_400).contains(&times.len()), "{}", times.len());
        let gaps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
        let long = gaps.iter().filter(|g| **g > 0.001).count() as f64 / gaps.len() as f64;
        assert!((long - (-1.0_f64).exp()).abs() < 0.02, "{long}");
    }

    #[test]
    fn rates_that_send_nothing_are_named() {
        for arrival in [
            Arrival::Constant { rate: 0.0 },
            Arrival::Constant { rate: f64::NAN },
            Arrival::Constant { rate: -5.0 },
            Arrival::Ramp { from: 0.0, to: 0.0 },
            Arrival::Steps { rates: vec![] },
            Arrival::Steps { rates: vec![5.0, 0.0] },
        ] {
            assert!(arrival.fault().is_some(), "{arrival}");
        }
        assert_eq!(Arrival::Ramp { from: 0.0, to: 5.0 }.fault(), None);
    }
}
