//! The bound that the docs promise: an operation at level `p` is overtaken by one at level `q > p`
//! only if that one arrived less than `(q - p)` times the aging time later.

use super::*;

/// Steele, Lea and Flood's SplitMix64: fast, so that a hundred thousand schedules take a moment.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }
}

/// Many schedules with the same aging time, one after the other.
struct Schedules {
    scheduler: Scheduler<usize>,
    kinds: [KindId; 2],
    aging: u64,
    now: u64,
}

impl Schedules {
    fn new(random: &mut Random) -> Schedules {
        let aging = 1 + random.below(2_000);
        let config = SchedulerConfig {
            max_concurrent: 1 + random.below(3) as usize,
            aging: millis(aging),
            finished_kept: 0,
            ..SchedulerConfig::default()
        };
        let mut scheduler = Scheduler::new(config);
        let kinds = ["a", "b"].map(|name| scheduler.kind(name));
        Schedules { scheduler, kinds, aging, now: 0 }
    }

    /// Level and arrival in milliseconds of each that started, in the order of their starts, and
    /// where each stood among the arrivals.
    fn play(&mut self, random: &mut Random) -> Vec<(u8, u64, usize)> {
        let (mut arrivals, mut running, mut started) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = 3 + random.below(6);
        while left > 0 || self.scheduler.pending() > 0 {
            if left > 0 && random.below(3) > 0 {
                left -= 1;
                self.now += random.below(self.aging * 2);
                let urgency = 1 + random.below(10) as u8;
                let kind = self.kinds[random.below(2) as usize];
                let submission = Submission::new(kind).priority(level(urgency));
                self.scheduler.submit(submission, arrivals.len(), at(self.now)).unwrap();
                arrivals.push((urgency, self.now));
            } else if let Some(next) = self.scheduler.next(at(self.now)) {
                let Next::Start { id, payload, .. } = next else { panic!("{next:?}") };
                running.push(id);
                let (urgency, arrived) = arrivals[payload];
                started.push((urgency, arrived, payload));
            } else if !running.is_empty() {
                let which = random.below(running.len() as u64) as usize;
                self.scheduler.finish(running.swap_remove(which), Ended::Completed, at(self.now));
            }
        }
        for id in running {
            self.scheduler.finish(id, Ended::Completed, at(self.now));
        }
        started
    }
}

#[test]
fn nobody_is_overtaken_by_those_that_come_too_late_in_100_000_schedules() {
    let mut random = Random(7);
    let mut overtaken = 0_u64;
    for _ in 0..100 {
        let mut schedules = Schedules::new(&mut random);
        for n in 0..1_000 {
            let started = schedules.play(&mut random);
            for (i, (q, later, second)) in started.iter().enumerate() {
                for (p, earlier, first) in &started[i + 1..] {
                    if second > first {
                        overtaken += 1;
                        let bound = u64::from(q.saturating_sub(*p)) * schedules.aging;
                        assert!(later - earlier < bound, "schedule {n}: {q} before {p}");
                    }
                }
            }
        }
    }
    assert!(overtaken > 10_000, "only {overtaken} were overtaken: this tests nothing");
}

#[test]
fn endless_aging_time_means_strict_priority() {
    let config = SchedulerConfig { aging: Duration::MAX, ..SchedulerConfig::default() };
    let mut scheduler = Scheduler::new(config);
    let kind = scheduler.kind("any");
    let mut submit = |level, now| {
        let submission = Submission::new(kind).priority(level);
        scheduler.submit(submission, (), Instant::from_nanos(now)).unwrap()
    };
    submit(Priority::LOWEST, 0);
    let first = submit(Priority::NORMAL, u64::MAX);
    let next = scheduler.next(Instant::from_nanos(u64::MAX));
    assert!(matches!(next, Some(Next::Start { id, .. }) if id == first));
}
