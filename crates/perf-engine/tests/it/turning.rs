//! Knobs are turned, remembered, and turned back.

use crate::pump::{Pump, manual, speed};
use perf_core::{KnobError, KnobValue, Turn};
use perf_engine::{EventKind, TurnError};
use std::sync::atomic::Ordering;
use std::thread;

#[test]
fn a_turn_takes_effect_and_is_remembered() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    let event = optimizer.turn("pump", speed(7), "ada").unwrap();
    assert_eq!((event.kind, event.by.as_str()), (EventKind::Turn, "ada"));
    assert_eq!((&event.from, &event.to), (&KnobValue::Count(3), &KnobValue::Count(7)));
    assert_eq!(event.at, clock.wall());
    assert_eq!(*pump.speed.lock().unwrap(), 7);
    assert_eq!(optimizer.events(), [event]);
}

#[test]
fn an_undo_restores_marks_and_can_be_undone() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    let turned = optimizer.turn("pump", speed(7), "ada").unwrap();
    let undone = optimizer.undo(turned.id, "bob").unwrap();
    assert_eq!((undone.kind, &undone.to), (EventKind::Undo, &KnobValue::Count(3)));
    assert_eq!(*pump.speed.lock().unwrap(), 3);
    assert_eq!(optimizer.events()[0].undone_by, Some(undone.id));
    let again = optimizer.undo(turned.id, "eve").unwrap_err();
    assert_eq!(
        again.to_string(),
        format!("event 1 was undone by event {} of bob; undo that one instead", undone.id)
    );
    optimizer.undo(undone.id, "ada").unwrap();
    assert_eq!(*pump.speed.lock().unwrap(), 7);
}

#[test]
fn an_undo_after_somebody_else_turned_names_them() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    let turned = optimizer.turn("pump", speed(7), "ada").unwrap();
    let later = optimizer.turn("pump", speed(5), "bob").unwrap();
    match optimizer.undo(turned.id, "ada").unwrap_err() {
        TurnError::Conflict { actual, by, .. } => {
            assert_eq!(actual, KnobValue::Count(5));
            assert_eq!(by.as_deref(), Some(&later));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(*pump.speed.lock().unwrap(), 5, "nothing has changed");
    assert_eq!(optimizer.events().len(), 2);
    *pump.speed.lock().unwrap() = 4;
    let refused = optimizer.undo(later.id, "bob").unwrap_err();
    assert!(refused.to_string().contains("turned in the program itself"), "{refused}");
}

#[test]
fn a_lost_race_names_the_winner() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    optimizer.turn("pump", speed(9), "ada").unwrap();
    let late = Turn { expect: Some(KnobValue::Count(3)), ..speed(5) };
    let refused = optimizer.turn("pump", late, "bob").unwrap_err();
    assert_eq!(refused.to_string(), "`pump/speed` is now 9, not 3: ada turned it; read it again");
}

#[test]
fn of_many_who_race_one_wins() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    let won = thread::scope(|scope| {
        let racers: Vec<_> = (4..=9)
            .map(|to| {
                let turn = Turn { expect: Some(KnobValue::Count(3)), ..speed(to) };
                let optimizer = &optimizer;
                scope.spawn(move || optimizer.turn("pump", turn, "racer").is_ok())
            })
            .collect();
        racers.into_iter().map(|r| r.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
    assert_eq!(optimizer.events().len(), 1);
}

#[test]
fn what_cannot_be_turned_says_why() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    let refused = |component: &str, turn| optimizer.turn(component, turn, "ada").unwrap_err();
    assert_eq!(
        refused("pipe", speed(4)).to_string(),
        "no component `pipe`; there are: engine, pump, recorder"
    );
    let bounds = refused("pump", speed(10));
    assert!(matches!(bounds, TurnError::Refused { refused: KnobError::OutOfBounds { .. }, .. }));
    assert_eq!(bounds.to_string(), "`pump`: 10 is out of bounds for knob `speed`: use 1 to 9");
    let unknown = Turn { knob: "size".into(), ..speed(4) };
    assert!(matches!(
        refused("pump", unknown),
        TurnError::Refused { refused: KnobError::Unknown { .. }, .. }
    ));
    assert_eq!(optimizer.undo(99, "ada").unwrap_err(), TurnError::UnknownEvent { id: 99 });
    assert!(optimizer.events().is_empty());
}

#[test]
fn a_component_that_panics_when_turned_harms_nobody() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    pump.panics.store(true, Ordering::SeqCst);
    let refused = optimizer.turn("pump", speed(4), "ada").unwrap_err();
    assert!(matches!(refused, TurnError::Panicked { .. }), "{refused:?}");
    pump.panics.store(false, Ordering::SeqCst);
    optimizer.turn("pump", speed(4), "ada").unwrap();
}

#[test]
fn events_are_bounded_and_what_went_is_counted() {
    let (clock, _) = perf_core::Clock::manual();
    let optimizer = perf_engine::PerformanceOptimizer::builder()
        .clock(clock.clone())
        .manual_sampling()
        .max_events(3)
        .build()
        .unwrap();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    for i in 0..5 {
        optimizer.turn("pump", speed(i % 2 + 1), "ada").unwrap();
    }
    let ids: Vec<u64> = optimizer.events().iter().map(|e| e.id).collect();
    assert_eq!(ids, [3, 4, 5]);
    assert_eq!(optimizer.events_dropped(), 2);
    assert_eq!(optimizer.undo(1, "ada").unwrap_err(), TurnError::UnknownEvent { id: 1 });
}

#[test]
fn events_as_json_have_plain_times() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    let event = optimizer.turn("pump", speed(7), "ada").unwrap();
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(json["at"], 1_767_225_600.0);
    assert_eq!(json["kind"], "turn");
    assert_eq!(json["knob"], "speed");
    assert_eq!(json["to"]["value"], 7);
    assert_eq!(json["undone_by"], serde_json::Value::Null);
}
