use super::*;

const START: Instant = Instant::from_nanos(1_000);

fn opened() -> CircuitBreaker {
    let mut breaker = CircuitBreaker::builder()
        .window(4)
        .minimum_calls(2)
        .open_for(Duration::from_secs(10))
        .probes(2)
        .probe_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    for _ in 0..2 {
        let permit = breaker.try_acquire(START).unwrap();
        breaker.record(permit, Outcome::Failure, START);
    }
    assert_eq!(breaker.state(START), BreakerState::Open);
    breaker
}

#[test]
fn a_dropped_probe_gives_its_place_back() {
    let mut breaker = opened();
    let now = START + Duration::from_secs(10);
    let first = breaker.try_acquire(now).unwrap();
    let second = breaker.try_acquire(now).unwrap();
    assert!(first.is_probe() && second.is_probe());
    assert!(breaker.try_acquire(now).is_err());
    drop(first);
    assert!(breaker.try_acquire(now).is_ok());
}

#[test]
fn a_leaked_probe_gives_its_place_back_when_its_time_is_up() {
    let mut breaker = opened();
    let now = START + Duration::from_secs(10);
    std::mem::forget(breaker.try_acquire(now).unwrap());
    std::mem::forget(breaker.try_acquire(now).unwrap());
    let rejected = breaker.try_acquire(now).unwrap_err();
    assert_eq!(rejected.retry_after(), Duration::from_secs(1));
    assert!(breaker.try_acquire(now + rejected.retry_after()).is_ok());
}

#[test]
fn a_probe_that_reports_after_its_time_is_ignored() {
    let mut breaker = opened();
    let now = START + Duration::from_secs(10);
    let late = breaker.try_acquire(now).unwrap();
    let later = now + Duration::from_secs(1);
    let _fresh = breaker.try_acquire(later).unwrap();
    breaker.record(late, Outcome::Failure, later);
    assert_eq!(breaker.state(later), BreakerState::HalfOpen);
}

#[test]
fn a_call_from_before_the_circuit_opened_is_ignored() {
    let mut breaker = CircuitBreaker::builder().minimum_calls(1).build().unwrap();
    let slow = breaker.try_acquire(START).unwrap();
    let permit = breaker.try_acquire(START).unwrap();
    breaker.record(permit, Outcome::Failure, START);
    let now = START + Duration::from_secs(10);
    let _probe = breaker.try_acquire(now).unwrap();
    breaker.record(slow, Outcome::Failure, now);
    assert_eq!(breaker.state(now), BreakerState::HalfOpen);
}

#[test]
fn few_calls_do_not_open_the_circuit() {
    let mut breaker = CircuitBreaker::builder().minimum_calls(20).build().unwrap();
    for _ in 0..19 {
        let permit = breaker.try_acquire(START).unwrap();
        breaker.record(permit, Outcome::Failure, START);
    }
    assert_eq!(breaker.state(START), BreakerState::Closed);
    assert_eq!(breaker.failure_ratio(), Some(Ratio::ONE));
}

#[test]
fn settings_that_cannot_be_are_named() {
    let build = CircuitBreaker::builder;
    let error = build().window(10).build().unwrap_err();
    assert_eq!(error.to_string(), "`minimum_calls` cannot be 20: use 1 to the window's size");
    assert_eq!(build().window(0).build().unwrap_err().setting(), "window");
    assert_eq!(build().failure_ratio(Ratio::ZERO).build().unwrap_err().setting(), "failure_ratio");
    assert_eq!(build().open_for(Duration::ZERO).build().unwrap_err().setting(), "open_for");
    assert_eq!(build().probes(0).build().unwrap_err().setting(), "probes");
    let zero = build().probe_timeout(Duration::ZERO).build();
    assert_eq!(zero.unwrap_err().setting(), "probe_timeout");
}
