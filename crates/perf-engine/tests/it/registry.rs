//! Components come with a name and leave when they are dropped.

use crate::pump::{Pump, manual};
use std::sync::Arc;

#[test]
fn a_live_name_is_refused_and_a_dead_one_is_free() {
    let (optimizer, clock, _) = manual();
    let first = Pump::new(&clock);
    let second = Pump::new(&clock);
    optimizer.register("pump", &first).unwrap();
    let refused = optimizer.register("pump", &second).unwrap_err();
    assert!(refused.to_string().contains("`pump` is registered already"), "{refused}");
    drop(first);
    optimizer.register("pump", &second).unwrap();
    assert_eq!(optimizer.components(), ["engine", "pump", "recorder"]);
}

#[test]
fn names_that_would_break_addresses_are_refused() {
    let (optimizer, clock, _) = manual();
    for bad in ["", "a/b"] {
        let refused = optimizer.register(bad, &Pump::new(&clock)).unwrap_err();
        assert!(refused.to_string().contains("without `/`"), "{refused}");
    }
}

#[test]
fn the_registry_keeps_nobody_alive() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    optimizer.sample_now();
    let weak = Arc::downgrade(&pump);
    drop(pump);
    assert!(weak.upgrade().is_none());
    assert_eq!(optimizer.components(), ["engine", "recorder"]);
    optimizer.sample_now();
    assert!(optimizer.signals().iter().all(|s| s.component != "pump"));
    assert!(optimizer.knobs().is_empty());
}

#[test]
fn signals_and_knobs_are_listed_with_their_component() {
    let (optimizer, clock, _) = manual();
    let (a, b) = (Pump::new(&clock), Pump::new(&clock));
    optimizer.register("a", &a).unwrap();
    optimizer.register("b", &b).unwrap();
    let addresses: Vec<String> = optimizer.knobs().iter().map(|k| k.address()).collect();
    assert_eq!(addresses, ["a/speed", "b/speed"]);
    let of =
        |component: &str| optimizer.signals().iter().filter(|s| s.component == component).count();
    assert_eq!((of("a"), of("b")), (4, 4));
}
