//! Turning knobs and turning them back.

use crate::engine::Engine;
use crate::event::{Event, EventKind};
use perf_core::{KnobError, KnobId, KnobValue, Turn, Turned};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Engine {
    pub(crate) fn turn(&self, component: &str, turn: Turn, by: &str) -> Result<Event, TurnError> {
        let event = {
            // Held over the turn, so that the order of events is the order of what they did.
            let _turning = self.turning();
            let knob = turn.knob.clone();
            let turned = self.set(component, turn);
            let mut events = self.events();
            let turned = turned.map_err(|e| e.named(events.last_on(component, &knob)))?;
            events.push(self.event(EventKind::Turn, component, knob, turned, by))
        };
        self.tell(&event);
        Ok(event)
    }

    pub(crate) fn undo(&self, id: u64, by: &str) -> Result<Event, TurnError> {
        let event = {
            let _turning = self.turning();
            let Some(event) = self.events().get(id).cloned() else {
                return Err(TurnError::UnknownEvent { id });
            };
            if let Some(undo) = event.undone_by {
                let by = self.events().get(undo).map(|e| e.by.clone());
                return Err(TurnError::AlreadyUndone { id, undo, by });
            }
            let turn = Turn { knob: event.knob.clone(), to: event.from, expect: Some(event.to) };
            let turned = self.set(&event.component, turn);
            let mut events = self.events();
            let last = events.last_on(&event.component, &event.knob);
            let turned = turned.map_err(|e| e.named(last))?;
            let undo = self.event(EventKind::Undo, &event.component, event.knob, turned, by);
            let undo = events.push(undo);
            events.mark_undone(id, undo.id);
            undo
        };
        self.tell(&event);
        Ok(event)
    }

    fn set(&self, component: &str, turn: Turn) -> Result<Turned, TurnError> {
        let Some(target) = self.registry().get(component) else {
            let known = self.registry().names();
            return Err(TurnError::UnknownComponent { component: component.to_owned(), known });
        };
        let knob = turn.knob.clone();
        match catch_unwind(AssertUnwindSafe(|| target.turn(turn))) {
            Ok(Ok(turned)) => Ok(turned),
            Ok(Err(KnobError::Conflict { knob, expected, actual })) => Err(TurnError::Conflict {
                component: component.to_owned(),
                knob,
                expected,
                actual,
                by: None,
            }),
            Ok(Err(refused)) => {
                Err(TurnError::Refused { component: component.to_owned(), refused })
            }
            Err(_) => Err(TurnError::Panicked { component: component.to_owned(), knob }),
        }
    }

    fn event(
        &self,
        kind: EventKind,
        component: &str,
        knob: KnobId,
        turned: Turned,
        by: &str,
    ) -> Event {
        Event {
            id: 0,
            at: self.clock().wall(),
            kind,
            component: component.to_owned(),
            knob,
            from: turned.from,
            to: turned.to,
            by: by.to_owned(),
            undone_by: None,
        }
    }
}

/// Why a knob was not turned. Nothing has changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TurnError {
    /// No component of that name is alive.
    UnknownComponent {
        /// The name asked for.
        component: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The component refused: no such knob, another kind of value, or out of bounds.
    Refused {
        /// The component.
        component: String,
        /// What it said.
        refused: KnobError,
    },
    /// The knob no longer has the expected value.
    Conflict {
        /// The component.
        component: String,
        /// The knob.
        knob: KnobId,
        /// The value expected.
        expected: KnobValue,
        /// The value it has.
        actual: KnobValue,
        /// The last event on that knob, which says who turned it; `None` if it was not turned
        /// through the engine.
        by: Option<Box<Event>>,
    },
    /// There is no such event, or it is too old to be remembered.
    UnknownEvent {
        /// The number asked for.
        id: u64,
    },
    /// The event was undone before.
    AlreadyUndone {
        /// The event.
        id: u64,
        /// The event that undid it.
        undo: u64,
        /// Who did, if that is remembered.
        by: Option<String>,
    },
    /// The component panicked.
    Panicked {
        /// The component.
        component: String,
        /// The knob.
        knob: KnobId,
    },
}

impl TurnError {
    /// Says in a conflict who turned the knob.
    fn named(mut self, last: Option<&Event>) -> TurnError {
        if let TurnError::Conflict { by, actual, .. } = &mut self {
            // Somebody may have used the typed setter since: then the event is not to blame.
            *by = last.filter(|e| e.to == *actual).cloned().map(Box::new);
        }
        self
    }
}

impl fmt::Display for TurnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TurnError::UnknownComponent { component, known } => {
                write!(f, "no component `{component}`; there are: {}", known.join(", "))
            }
            TurnError::Refused { component, refused } => write!(f, "`{component}`: {refused}"),
            TurnError::Conflict { component, knob, expected, actual, by } => {
                write!(f, "`{component}/{knob}` is now {actual}, not {expected}: ")?;
                match by {
                    Some(event) => write!(f, "{} turned it", event.by)?,
                    None => f.write_str("it was turned in the program itself")?,
                }
                f.write_str("; read it again")
            }
            TurnError::UnknownEvent { id } => {
                write!(f, "no event {id}: it never was, or is too old to be remembered")
            }
            TurnError::AlreadyUndone { id, undo, by } => {
                write!(f, "event {id} was undone by event {undo}")?;
                by.as_ref().map_or(Ok(()), |by| write!(f, " of {by}"))?;
                f.write_str("; undo that one instead")
            }
            TurnError::Panicked { component, knob } => {
                write!(f, "`{component}` panicked when `{knob}` was turned; its health says more")
            }
        }
    }
}

impl std::error::Error for TurnError {}
