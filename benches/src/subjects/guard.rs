//! Decisions before a call: rate limit, breaker, back-off.

use super::{CoreBench, around, draw};
use crate::Workload;
use perf_core::{Instant, Ratio};
use perf_guard::{Backoff, CircuitBreaker, Gcra, Outcome};
use std::hint::black_box;
use std::time::Duration;

pub(super) fn benches() -> Vec<CoreBench> {
    vec![
        CoreBench::new("guard/gcra_check", "checks a limit that refuses a third, v1", || {
            Box::new(|iterations| {
                let builder = Gcra::builder().rate(1_000, Duration::from_secs(1)).burst(10);
                let mut limit = builder.build().expect("it is a rate");
                let mut now = START;
                let mut passed = 0;
                for _ in 0..iterations {
                    now = now + Duration::from_micros(670);
                    passed += u64::from(limit.check(black_box(now)).is_ok());
                }
                assert!(passed <= iterations && passed >= iterations / 2);
                passed
            })
        }),
        CoreBench::new("guard/breaker_call", "a call through a closed breaker, v1", || {
            // One call in sixteen fails: the breaker counts and stays closed.
            let calls = draw(&Workload::Uniform { keys: 16 }, 4_096);
            Box::new(move |iterations| {
                let mut breaker = CircuitBreaker::builder().build().expect("the defaults hold");
                let mut now = START;
                around(&calls, iterations, |call| {
                    now = now + Duration::from_millis(1);
                    let permit = breaker.try_acquire(black_box(now)).expect("it is closed");
                    let outcome = if *call == 0 { Outcome::Failure } else { Outcome::Success };
                    breaker.record(permit, outcome, now);
                });
                let ratio = breaker.failure_ratio().map_or(0.0, Ratio::as_f64);
                assert!(ratio < 0.5);
                (ratio * 1e6) as u64 ^ iterations
            })
        }),
        CoreBench::new("guard/backoff_delay", "the delays of five retries, v1", || {
            let backoff = Backoff::builder().retries(5).build().expect("the defaults hold");
            let randoms = draw(&Workload::Uniform { keys: u64::MAX }, 1_024);
            Box::new(move |iterations| {
                let mut total = 0_u64;
                around(&randoms, iterations, |random| {
                    for retry in 0..5 {
                        let delay = backoff.delay(black_box(retry), *random);
                        let delay = delay.expect("five retries are allowed");
                        total = total.wrapping_add(delay.as_nanos() as u64);
                    }
                });
                total
            })
        }),
    ]
}

const START: Instant = Instant::from_nanos(3_600_000_000_000);
