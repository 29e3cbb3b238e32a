//! Is the machine quiet enough? Asked before a comparison, since a gate that answers on a busy
//! machine teaches people not to listen.

use crate::subject::waited_for_core;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Time that the host gave to others, as a share, beyond which the machine is noisy.
const STOLEN: f64 = 0.01;
/// The same for other processes on this machine, over all its cores. Waiting for a core is left out
/// of the samples, so that neighbours only cost caches and memory.
const BUSY: f64 = 0.5;
/// The same for time that a spinning thread does not get although it does not wait for a core.
const LOST: f64 = 0.02;
/// The same for the spread of work that is always the same.
const SPREAD: f64 = 0.03;
/// The same for the change of the clock frequency.
const FREQUENCY: f64 = 0.05;

/// What disturbs measurements on this machine at this moment. Shares are fractions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Environment {
    /// Processor time that the host gave to others, if the system tells.
    pub stolen: Option<f64>,
    /// Processor time, over all cores, that went to others while this process slept.
    pub busy: Option<f64>,
    /// Load average of the last minute.
    pub load: Option<f64>,
    /// Time that a spinning thread did not get, without what it waited for a core.
    pub lost: f64,
    /// The longest single gap of it, in nanoseconds.
    pub longest_gap_ns: f64,
    /// The middle half of the times that the same work took, over their median.
    pub spread: f64,
    /// Lowest and highest clock frequency seen, in kHz, if the system tells.
    pub frequency: Option<(f64, f64)>,
}

impl Environment {
    /// Watches the machine for so long, a tenth of a second at least: half of it asleep, half of
    /// it spinning on one core.
    #[must_use]
    pub fn check(time: Duration) -> Environment {
        let half = time.max(Duration::from_millis(100)) / 2;
        let before = system::ticks();
        std::thread::sleep(half);
        let slept = system::ticks();
        let mut frequencies = system::frequencies();
        let spun = spin(half);
        let after = system::ticks();
        frequencies.extend(system::frequencies());
        let asleep = before.zip(slept);
        let all = before.zip(after);
        Environment {
            stolen: all.map(|(before, after)| after.stolen_since(&before)),
            busy: asleep.map(|(before, after)| after.busy_since(&before)),
            load: system::load(),
            lost: spun.lost,
            longest_gap_ns: spun.longest_gap.as_nanos() as f64,
            spread: spun.spread,
            frequency: frequencies
                .iter()
                .copied()
                .reduce(f64::min)
                .zip(frequencies.iter().copied().reduce(f64::max)),
        }
    }

    /// Whether nothing speaks against measuring.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.reasons().is_empty()
    }

    /// What speaks against measuring, for the reader.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let mut reasons = Vec::new();
        let mut say = |noisy: bool, why: String| {
            if noisy {
                reasons.push(why);
            }
        };
        if let Some(stolen) = self.stolen {
            say(stolen > STOLEN, format!("the host took {} of the time", percent(stolen)));
        }
        if let Some(busy) = self.busy {
            let why = format!("other processes took {} of the processors", percent(busy));
            say(busy > BUSY, why);
        }
        say(self.lost > LOST, format!("a spinning thread lost {} of its time", percent(self.lost)));
        say(
            self.spread > SPREAD,
            format!("the same work took times that differ by {}", percent(self.spread)),
        );
        if let Some((low, high)) = self.frequency {
            let change = high / low - 1.0;
            say(change > FREQUENCY, format!("the clock frequency changed by {}", percent(change)));
        }
        reasons
    }
}

struct Spun {
    lost: f64,
    longest_gap: Duration,
    spread: f64,
}

/// Does the same small piece of work over and over and looks at the clock in between.
fn spin(time: Duration) -> Spun {
    // Some 50 µs: longer than the clock takes, shorter than a time slice.
    const WORK: u64 = 50_000;
    // Enough for a check of half a minute; what comes later is only looked at for gaps.
    const MOST: usize = 1 << 20;
    let waited = waited_for_core();
    let start = Instant::now();
    let mut times = Vec::new();
    let mut last = start;
    while last.duration_since(start) < time {
        let mut state = 1_u64;
        for _ in 0..WORK {
            state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        black_box(state);
        let now = Instant::now();
        if times.len() < MOST {
            times.push(now.duration_since(last).as_secs_f64());
        }
        last = now;
    }
    let waited = waited_for_core()
        .zip(waited)
        .map_or(0.0, |(now, then)| now.saturating_sub(then).as_secs_f64());
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let (middle, longest) = (at(0.5), at(1.0));
    // What lies above twice the median was not work.
    let lost: f64 = times.iter().map(|t| t - middle).filter(|over| *over > middle).sum();
    Spun {
        lost: (lost - waited).max(0.0) / times.iter().sum::<f64>(),
        longest_gap: Duration::from_secs_f64((longest - middle).max(0.0)),
        spread: (at(0.75) - at(0.25)) / middle,
    }
}

/// What Linux tells; other systems tell nothing here.
mod system {
    /// Processor time since the system started, over all cores.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(super) struct Ticks {
        pub(super) all: f64,
        pub(super) idle: f64,
        pub(super) stolen: f64,
    }

    impl Ticks {
        pub(super) fn stolen_since(&self, before: &Ticks) -> f64 {
            share(self.stolen - before.stolen, self.all - before.all)
        }

        pub(super) fn busy_since(&self, before: &Ticks) -> f64 {
            let all = self.all - before.all;
            let idle = self.idle - before.idle + self.stolen - before.stolen;
            share(all - idle, all)
        }
    }

    fn share(part: f64, whole: f64) -> f64 {
        if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 }
    }

    pub(super) fn ticks() -> Option<Ticks> {
        parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// The first line of proc(5) `stat`: user nice system idle iowait irq softirq steal.
    pub(super) fn parse(stat: &str) -> Option<Ticks> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> =
            line.split_whitespace().take(8).map_while(|n| n.parse().ok()).collect();
        let [.., idle, waiting, _, _, stolen] = ticks.as_slice() else { return None };
        Some(Ticks { all: ticks.iter().sum(), idle: idle + waiting, stolen: *stolen })
    }

    pub(super) fn load() -> Option<f64> {
        std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
    }

    /// The cores' clock frequencies, in kHz; virtual machines tell none.
    pub(super) fn frequencies() -> Vec<f64> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (0..cores)
            .filter_map(|core| {
                let path = format!("/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq");
                std::fs::read_to_string(path).ok()?.trim().parse().ok()
            })
            .filter(|kilohertz| *kilohertz > 0.0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_stat_is_read() {
        let before = system::parse("cpu  100 0 50 800 20 5 5 20 0 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!((before.all, before.idle, before.stolen), (1000.0, 820.0, 20.0));
        let after = system::parse("cpu  140 0 60 840 20 5 5 30 0 0\n").unwrap();
        assert_eq!((after.stolen_since(&before), after.busy_since(&before)), (0.1, 0.5));
        assert_eq!(before.busy_since(&before), 0.0);
        for text in ["", "cpu", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8 9"] {
            assert_eq!(system::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_check_answers_shares() {
        let environment = Environment::check(Duration::from_millis(100));
        let shares = [Some(environment.lost), environment.stolen, environment.busy];
        assert!(shares.iter().flatten().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
        assert!(environment.spread >= 0.0 && environment.longest_gap_ns >= 0.0);
    }

    #[test]
    fn each_disturbance_has_its_reason() {
        assert!(Environment::default().is_quiet());
        let noisy = Environment {
            stolen: Some(0.05),
            busy: Some(0.9),
            lost: 0.1,
            spread: 0.2,
            frequency: Some((2_000_000.0, 3_000_000.0)),
            ..Environment::default()
        };
        let reasons = noisy.reasons();
        assert_eq!(reasons.len(), 5);
        assert_eq!(reasons[0], "the host took 5.0 % of the time");
        assert_eq!(reasons[4], "the clock frequency changed by 50.0 %");
    }
}
