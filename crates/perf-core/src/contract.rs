//! The contract of [`Tune`], as a test that any component can call.

use crate::{Bounds, KnobError, KnobId, KnobValue, Tune, Turn};
use std::collections::HashSet;

/// Checks that a component keeps the contract of [`Tune`]; for use in its tests.
///
/// Every knob has a unique name, a title, says what it trades, and stands inside its own bounds.
/// A turn to a bound takes effect, answers what was set, and is undone by turning back. A turn that
/// names an unknown knob, a value of another kind, a value out of bounds, or an expected value that
/// is no longer there is refused and changes nothing.
///
/// # Panics
///
/// If the component breaks the contract; the message names the knob and the rule.
pub fn assert_tune_contract(component: &dyn Tune) {
    let knobs = component.knobs();
    let mut seen = HashSet::new();
    for knob in &knobs {
        let id = &knob.id;
        assert!(seen.insert(id.clone()), "knob `{id}` is listed twice");
        assert!(!knob.title.is_empty(), "knob `{id}` has no title");
        assert!(!knob.trades.is_empty(), "knob `{id}` does not say what it trades");
        assert!(
            knob.bounds.contain(&knob.value),
            "knob `{id}` is {} but its bounds are {}",
            knob.value,
            knob.bounds
        );
        assert!(knob.bounds.contain(&knob.default), "the default of knob `{id}` is out of bounds");

        for target in ends(&knob.bounds) {
            let before = value_of(component, id);
            let turn = Turn { knob: id.clone(), to: target.clone(), expect: Some(before.clone()) };
            let turned = component
                .turn(turn)
                .unwrap_or_else(|e| panic!("knob `{id}` refused its own bound {target}: {e}"));
            assert_eq!(turned.from, before, "knob `{id}` misreports what it was");
            let now = effective(component, id);
            assert_eq!(now, turned.to, "knob `{id}` misreports what it set");

            if turned.to != before {
                refused(component, id, target.clone(), Some(before.clone()), "a lost race");
            }
            let undo = Turn { knob: id.clone(), to: before.clone(), expect: None };
            component.turn(undo).unwrap_or_else(|e| panic!("knob `{id}` cannot be undone: {e}"));
            assert_eq!(effective(component, id), before, "undoing knob `{id}` did not restore it");
        }
        for value in outside(&knob.bounds) {
            refused(component, id, value, None, "a value out of bounds");
        }
        let other = match knob.value {
            KnobValue::Switch(_) => KnobValue::Count(1),
            _ => KnobValue::Switch(true),
        };
        refused(component, id, other, None, "a value of another kind");
    }
    let unknown = KnobId::from("no_such_knob_anywhere");
    let turn = Turn { knob: unknown, to: KnobValue::Switch(true), expect: None };
    match component.turn(turn) {
        Err(KnobError::Unknown { known, .. }) => {
            assert_eq!(known.len(), knobs.len(), "the error must list the knobs there are");
        }
        other => panic!("an unknown knob must be refused as unknown, got {other:?}"),
    }
}

fn refused(
    component: &dyn Tune,
    id: &KnobId,
    to: KnobValue,
    expect: Option<KnobValue>,
    what: &str,
) {
    let before = effective(component, id);
    let answer = component.turn(Turn { knob: id.clone(), to: to.clone(), expect });
    assert!(answer.is_err(), "knob `{id}` took {to}: {what} must be refused");
    assert_eq!(effective(component, id), before, "knob `{id}` changed although it refused");
}

/// The value a knob has, or is moving to.
fn effective(component: &dyn Tune, id: &KnobId) -> KnobValue {
    let knob = component
        .knobs()
        .into_iter()
        .find(|k| k.id == *id)
        .unwrap_or_else(|| panic!("knob `{id}` vanished"));
    knob.pending.unwrap_or(knob.value)
}

fn value_of(component: &dyn Tune, id: &KnobId) -> KnobValue {
    effective(component, id)
}

fn ends(bounds: &Bounds) -> Vec<KnobValue> {
    match bounds {
        Bounds::Switch => vec![KnobValue::Switch(true), KnobValue::Switch(false)],
        Bounds::Count { min, max, .. } => vec![KnobValue::Count(*min), KnobValue::Count(*max)],
        Bounds::Number { min, max, .. } => vec![KnobValue::Number(*min), KnobValue::Number(*max)],
        Bounds::Duration { min, max, .. } => {
            vec![KnobValue::Duration(*min), KnobValue::Duration(*max)]
        }
        Bounds::Bytes { min, max, .. } => vec![KnobValue::Bytes(*min), KnobValue::Bytes(*max)],
        Bounds::OneOf { options } => options.iter().cloned().map(KnobValue::Choice).collect(),
    }
}

fn outside(bounds: &Bounds) -> Vec<KnobValue> {
    match bounds {
        Bounds::Switch => vec![],
        Bounds::Count { min, max, .. } => [min.checked_sub(1), max.checked_add(1)]
            .into_iter()
            .flatten()
            .map(KnobValue::Count)
            .collect(),
        Bounds::Number { min, max, .. } => {
            [min - 1.0, max + 1.0, f64::NAN].into_iter().map(KnobValue::Number).collect()
        }
        Bounds::Duration { max, .. } => max
            .checked_add(std::time::Duration::from_nanos(1))
            .map(KnobValue::Duration)
            .into_iter()
            .collect(),
        Bounds::Bytes { min, max, .. } => {
            [min.as_u64().checked_sub(1), max.as_u64().checked_add(1)]
                .into_iter()
                .flatten()
                .map(|b| KnobValue::Bytes(crate::ByteSize::from_bytes(b)))
                .collect()
        }
        Bounds::OneOf { .. } => vec![KnobValue::Choice("no such choice".into())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Knob, Turned};
    use std::sync::Mutex;

    struct Lamp {
        level: Mutex<u64>,
        honest: bool,
    }

    impl Tune for Lamp {
        fn knobs(&self) -> Vec<Knob> {
            let now = KnobValue::Count(*self.level.lock().unwrap());
            let bounds = Bounds::Count { min: 1, max: 9, step: 1 };
            vec![
                Knob::new("level", "Level", now, KnobValue::Count(3), bounds)
                    .trades("More light for more current."),
            ]
        }

        fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
            let knob = self.knobs().remove(0);
            if turn.knob != knob.id {
                return Err(KnobError::Unknown { knob: turn.knob, known: vec![knob.id] });
            }
            if self.honest {
                knob.check(&turn)?;
            }
            if let KnobValue::Count(to) = turn.to {
                *self.level.lock().unwrap() = to;
            }
            Ok(Turned { from: knob.value, to: turn.to, settles: None })
        }
    }

    #[test]
    fn an_honest_component_passes() {
        assert_tune_contract(&Lamp { level: Mutex::new(3), honest: true });
    }

    #[test]
    #[should_panic(expected = "must be refused")]
    fn a_component_that_ignores_its_bounds_is_caught() {
        assert_tune_contract(&Lamp { level: Mutex::new(3), honest: false });
    }
}
