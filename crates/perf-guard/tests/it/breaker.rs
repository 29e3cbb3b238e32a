use crate::cases;
use perf_core::{Instant, Ratio};
use perf_guard::{BreakerState, CircuitBreaker, Outcome, Permit};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Acquire,
    Succeed(usize),
    Fail(usize),
    Drop(usize),
    Leak(usize),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => Just(Step::Acquire),
        3 => any::<usize>().prop_map(Step::Succeed),
        3 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::Drop),
        1 => any::<usize>().prop_map(Step::Leak),
        2 => (0_u64..9).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..400)
}

const WINDOW: usize = 6;
const MINIMUM: usize = 3;
const OPEN_FOR: u64 = 10;
const PROBES: usize = 2;
const PROBE_TIME: u64 = 5;

/// What the docs say, with a list for everything and time in whole seconds.
struct Model {
    state: BreakerState,
    epoch: u32,
    opened: u64,
    outcomes: Vec<bool>,
    successes: usize,
    /// Probes under way: call number and when reserved.
    probes: BTreeMap<usize, u64>,
}

impl Model {
    fn settle(&mut self, now: u64) {
        if self.state == BreakerState::Open && now >= self.opened + OPEN_FOR {
            self.state = BreakerState::HalfOpen;
            self.epoch += 1;
            self.successes = 0;
            self.probes.clear();
        }
    }

    fn acquire(&mut self, call: usize, now: u64) -> bool {
        self.settle(now);
        match self.state {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => {
                self.probes.retain(|_, reserved| now < *reserved + PROBE_TIME);
                let room = self.successes + self.probes.len() < PROBES;
                if room {
                    self.probes.insert(call, now);
                }
                room
            }
        }
    }

    fn record(&mut self, call: usize, epoch: u32, failed: bool, now: u64) {
        if epoch != self.epoch {
            return;
        }
        if self.state == BreakerState::Closed {
            self.outcomes.push(failed);
            let last = &self.outcomes[self.outcomes.len().saturating_sub(WINDOW)..];
            let failures = last.iter().filter(|f| **f).count();
            if last.len() >= MINIMUM && failures * 2 >= last.len() {
                self.open(now);
            }
        } else if self.probes.remove(&call).is_some() {
            if failed {
                self.open(now);
            } else {
                self.successes += 1;
                if self.successes == PROBES {
                    self.state = BreakerState::Closed;
                    self.epoch += 1;
                    self.outcomes.clear();
                }
            }
        }
    }

    fn open(&mut self, now: u64) {
        self.state = BreakerState::Open;
        self.epoch += 1;
        self.opened = now;
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn decides_as_the_model_does(steps in steps()) {
        let mut breaker = CircuitBreaker::builder()
            .window(WINDOW as u32)
            .minimum_calls(MINIMUM as u32)
            .failure_ratio(Ratio::new(0.5).unwrap())
            .open_for(Duration::from_secs(OPEN_FOR))
            .probes(PROBES as u32)
            .probe_timeout(Duration::from_secs(PROBE_TIME))
            .build()
            .unwrap();
        let mut model = Model {
            state: BreakerState::Closed,
            epoch: 0,
            opened: 0,
            outcomes: Vec::new(),
            successes: 0,
            probes: BTreeMap::new(),
        };
        let mut held: Vec<(usize, u32, Permit)> = Vec::new();
        let mut seconds = 0;
        for (call, step) in steps.into_iter().enumerate() {
            let now = Instant::from_nanos(seconds * 1_000_000_000);
            match step {
                Step::Wait(more) => seconds += more,
                Step::Acquire => {
                    let answer = breaker.try_acquire(now);
                    prop_assert_eq!(answer.is_ok(), model.acquire(call, seconds));
                    if let Ok(permit) = answer {
                        held.push((call, model.epoch, permit));
                    }
                }
                Step::Succeed(i) | Step::Fail(i) | Step::Drop(i) | Step::Leak(i) => {
                    if held.is_empty() {
                        continue;
                    }
                    let (call, epoch, permit) = held.swap_remove(i % held.len());
                    match step {
                        Step::Drop(_) => {
                            drop(permit);
                            model.probes.remove(&call);
                        }
                        Step::Leak(_) => std::mem::forget(permit),
                        _ => {
                            let failed = matches!(step, Step::Fail(_));
                            let outcome = if failed { Outcome::Failure } else { Outcome::Success };
                            breaker.record(permit, outcome, now);
                            model.record(call, epoch, failed, seconds);
                        }
                    }
                }
            }
            let now = Instant::from_nanos(seconds * 1_000_000_000);
            let mut expected = model.state;
            if expected == BreakerState::Open && seconds >= model.opened + OPEN_FOR {
                expected = BreakerState::HalfOpen;
            }
            prop_assert_eq!(breaker.state(now), expected);
        }
    }
}
