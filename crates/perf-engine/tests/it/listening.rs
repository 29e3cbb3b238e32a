//! Subscribers are told at once.

use crate::pump::{Pump, manual, speed};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

#[test]
fn subscribers_hear_of_events_and_rounds_until_they_leave() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let events = optimizer
        .on_event(Arc::new(move |event| ear.lock().unwrap().push((event.id, event.by.clone()))))
        .unwrap();
    let rounds = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&rounds);
    let samples = optimizer
        .on_sample(Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        }))
        .unwrap();
    optimizer.turn("pump", speed(4), "ada").unwrap();
    optimizer.undo(1, "bob").unwrap();
    optimizer.sample_now();
    assert_eq!(*heard.lock().unwrap(), [(1, "ada".to_owned()), (2, "bob".to_owned())]);
    assert_eq!(rounds.load(Ordering::SeqCst), 1);
    drop((events, samples));
    optimizer.turn("pump", speed(5), "ada").unwrap();
    optimizer.sample_now();
    assert_eq!((heard.lock().unwrap().len(), rounds.load(Ordering::SeqCst)), (2, 1));
    assert_eq!(Arc::strong_count(&heard), 1, "the callback has gone");
}

#[test]
fn a_subscriber_may_use_the_optimizer_and_may_panic() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    let seen = Arc::new(AtomicU64::new(0));
    let (inside, count) = (optimizer.clone(), Arc::clone(&seen));
    let asking = optimizer
        .on_event(Arc::new(move |_| {
            count.store(inside.events().len() as u64, Ordering::SeqCst);
        }))
        .unwrap();
    let panicking = optimizer.on_event(Arc::new(|_| panic!("on purpose"))).unwrap();
    optimizer.turn("pump", speed(4), "ada").unwrap();
    optimizer.turn("pump", speed(5), "ada").unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    drop((asking, panicking));
}

#[test]
fn subscriptions_are_bounded() {
    let (optimizer, ..) = manual();
    let mut kept = Vec::new();
    for _ in 0..64 {
        kept.push(optimizer.on_event(Arc::new(|_| {})).unwrap());
    }
    let refused = optimizer.on_event(Arc::new(|_| {})).unwrap_err();
    assert!(refused.to_string().contains("64 subscriptions"), "{refused}");
    kept.pop();
    assert!(optimizer.on_event(Arc::new(|_| {})).is_ok());
}
