//! What a component lets others turn.

use crate::{ByteSize, Unit};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Exposes knobs.
///
/// Test an implementation with [`assert_tune_contract`](crate::assert_tune_contract).
pub trait Tune {
    /// Name, unit, current value, bounds, what it trades, and which signals it should move and
    /// which way. The set of knobs never changes while the component lives.
    fn knobs(&self) -> Vec<Knob>;

    /// Sets one knob if it still has the expected value; answers what was really set, so that it
    /// can be undone. O(1): long work goes on in steps and shows as [`Knob::pending`].
    ///
    /// # Errors
    ///
    /// [`KnobError`] if the knob is unknown, the value is of another kind or out of bounds, or the
    /// knob no longer has the expected value. After an error nothing has changed.
    fn turn(&self, turn: Turn) -> Result<Turned, KnobError>;
}

/// The name of a knob within its component, in snake case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct KnobId(Cow<'static, str>);

impl KnobId {
    /// A knob's name.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>) -> KnobId {
        KnobId(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for KnobId {
    fn from(name: &'static str) -> KnobId {
        KnobId(Cow::Borrowed(name))
    }
}

impl PartialEq<str> for KnobId {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for KnobId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for KnobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One setting that can be changed while the component works.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Knob {
    /// Its name within the component.
    pub id: KnobId,
    /// A few words for people, sentence case.
    pub title: &'static str,
    /// The unit of the value.
    pub unit: Unit,
    /// The value now.
    pub value: KnobValue,
    /// What it was built with.
    pub default: KnobValue,
    /// What values it takes.
    pub bounds: Bounds,
    /// What is gained and what is paid when it goes up, in one sentence.
    pub trades: &'static str,
    /// Which signals it should move, and which way, when it goes up.
    pub moves: Vec<Effect>,
    /// A turn that is still being carried out: the value it is moving to.
    pub pending: Option<KnobValue>,
}

impl Knob {
    /// A knob with its current value, its default and its bounds.
    #[must_use]
    pub fn new(
        id: impl Into<KnobId>,
        title: &'static str,
        value: KnobValue,
        default: KnobValue,
        bounds: Bounds,
    ) -> Knob {
        let unit = match value {
            KnobValue::Bytes(_) => Unit::Bytes,
            KnobValue::Duration(_) => Unit::Seconds,
            KnobValue::Count(_) => Unit::Count,
            KnobValue::Switch(_) | KnobValue::Number(_) | KnobValue::Choice(_) => Unit::None,
        };
        Knob {
            id: id.into(),
            title,
            unit,
            value,
            default,
            bounds,
            trades: "",
            moves: Vec::new(),
            pending: None,
        }
    }

    /// The same knob in another unit.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Knob {
        self.unit = unit;
        self
    }

    /// The same knob with what it trades.
    #[must_use]
    pub fn trades(mut self, trades: &'static str) -> Knob {
        self.trades = trades;
        self
    }

    /// The same knob with one more signal that it moves when it goes up.
    #[must_use]
    pub fn moves(mut self, signal: &'static str, direction: Direction) -> Knob {
        self.moves.push(Effect { signal: Cow::Borrowed(signal), direction });
        self
    }

    /// The same knob while a turn is still being carried out.
    #[must_use]
    pub fn pending(mut self, to: Option<KnobValue>) -> Knob {
        self.pending = to;
        self
    }

    /// Checks a turn against this knob as it stands: kind, bounds and expected value.
    ///
    /// # Errors
    ///
    /// [`KnobError::WrongKind`], [`KnobError::OutOfBounds`] or [`KnobError::Conflict`].
    pub fn check(&self, turn: &Turn) -> Result<(), KnobError> {
        if turn.to.kind() != self.value.kind() {
            return Err(KnobError::WrongKind {
                knob: self.id.clone(),
                value: turn.to.clone(),
                wanted: self.value.kind(),
            });
        }
        if !self.bounds.contain(&turn.to) {
            return Err(KnobError::OutOfBounds {
                knob: self.id.clone(),
                value: turn.to.clone(),
                bounds: self.bounds.clone(),
            });
        }
        match &turn.expect {
            Some(expected) if *expected != self.value => Err(KnobError::Conflict {
                knob: self.id.clone(),
                expected: expected.clone(),
                actual: self.value.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// The value of a knob.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", content = "value", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum KnobValue {
    /// On or off.
    Switch(bool),
    /// A whole number of things.
    Count(u64),
    /// A number without a dimension.
    Number(f64),
    /// A span of time.
    #[cfg_attr(feature = "serde", serde(with = "duration_seconds"))]
    Duration(Duration),
    /// A size.
    Bytes(ByteSize),
    /// One of the names in [`Bounds::OneOf`].
    Choice(Cow<'static, str>),
}

impl KnobValue {
    /// The name of the variant, as users read and write it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            KnobValue::Switch(_) => "switch",
            KnobValue::Count(_) => "count",
            KnobValue::Number(_) => "number",
            KnobValue::Duration(_) => "duration",
            KnobValue::Bytes(_) => "bytes",
            KnobValue::Choice(_) => "choice",
        }
    }
}

impl fmt::Display for KnobValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnobValue::Switch(on) => f.write_str(if *on { "on" } else { "off" }),
            KnobValue::Count(n) => n.fmt(f),
            KnobValue::Number(n) => n.fmt(f),
            KnobValue::Duration(d) => write!(f, "{d:?}"),
            KnobValue::Bytes(b) => b.fmt(f),
            KnobValue::Choice(name) => f.write_str(name),
        }
    }
}

/// What values a knob takes. Both ends are included.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Bounds {
    /// On or off.
    Switch,
    /// A whole number; `step` is what an engine tries at a time.
    Count {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
        /// What an engine tries at a time.
        step: u64,
    },
    /// A number.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
        /// What an engine tries at a time.
        step: f64,
    },
    /// A span of time.
    Duration {
        /// Shortest.
        #[cfg_attr(feature = "serde", serde(with = "duration_seconds"))]
        min: Duration,
        /// Longest.
        #[cfg_attr(feature = "serde", serde(with = "duration_seconds"))]
        max: Duration,
        /// What an engine tries at a time.
        #[cfg_attr(feature = "serde", serde(with = "duration_seconds"))]
        step: Duration,
    },
    /// A size.
    Bytes {
        /// Smallest.
        min: ByteSize,
        /// Largest.
        max: ByteSize,
        /// What an engine tries at a time.
        step: ByteSize,
    },
    /// One of these names.
    OneOf {
        /// The names.
        options: Vec<Cow<'static, str>>,
    },
}

impl Bounds {
    /// Whether a value is of the right kind and inside.
    #[must_use]
    pub fn contain(&self, value: &KnobValue) -> bool {
        match (self, value) {
            (Bounds::Switch, KnobValue::Switch(_)) => true,
            (Bounds::Count { min, max, .. }, KnobValue::Count(v)) => min <= v && v <= max,
            // NaN is outside: it compares false with both ends.
            (Bounds::Number { min, max, .. }, KnobValue::Number(v)) => min <= v && v <= max,
            (Bounds::Duration { min, max, .. }, KnobValue::Duration(v)) => min <= v && v <= max,
            (Bounds::Bytes { min, max, .. }, KnobValue::Bytes(v)) => min <= v && v <= max,
            (Bounds::OneOf { options }, KnobValue::Choice(v)) => options.contains(v),
            _ => false,
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bounds::Switch => f.write_str("on or off"),
            Bounds::Count { min, max, .. } => write!(f, "{min} to {max}"),
            Bounds::Number { min, max, .. } => write!(f, "{min} to {max}"),
            Bounds::Duration { min, max, .. } => write!(f, "{min:?} to {max:?}"),
            Bounds::Bytes { min, max, .. } => write!(f, "{min} to {max}"),
            Bounds::OneOf { options } => write!(f, "one of {}", options.join(", ")),
        }
    }
}

/// A signal that a knob should move when it goes up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Effect {
    /// The signal's name within the same component.
    pub signal: Cow<'static, str>,
    /// Which way it goes.
    pub direction: Direction,
}

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Direction {
    /// The signal grows.
    Up,
    /// The signal shrinks.
    Down,
}

/// A request to set one knob.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Which knob.
    pub knob: KnobId,
    /// The value wanted.
    pub to: KnobValue,
    /// The value that the asker believes it has; the turn fails if it no longer has.
    pub expect: Option<KnobValue>,
}

/// What a turn did.
#[derive(Clone, Debug, PartialEq)]
pub struct Turned {
    /// The value before.
    pub from: KnobValue,
    /// The value really set, which may differ from the one asked for by rounding.
    pub to: KnobValue,
    /// How long until the signals show it, where the component knows.
    pub settles: Option<Duration>,
}

/// Why a turn was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum KnobError {
    /// No knob has this name.
    Unknown {
        /// The name asked for.
        knob: KnobId,
        /// The names there are.
        known: Vec<KnobId>,
    },
    /// The value is of another kind.
    WrongKind {
        /// Which knob.
        knob: KnobId,
        /// The value asked for.
        value: KnobValue,
        /// The kind it takes.
        wanted: &'static str,
    },
    /// The value is outside the bounds.
    OutOfBounds {
        /// Which knob.
        knob: KnobId,
        /// The value asked for.
        value: KnobValue,
        /// The bounds.
        bounds: Bounds,
    },
    /// The knob no longer has the expected value: somebody else turned it.
    Conflict {
        /// Which knob.
        knob: KnobId,
        /// The value expected.
        expected: KnobValue,
        /// The value it has.
        actual: KnobValue,
    },
}

impl fmt::Display for KnobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnobError::Unknown { knob, known } => {
                write!(f, "no knob `{knob}`; there are: ")?;
                for (i, id) in known.iter().enumerate() {
                    write!(f, "{}{id}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            KnobError::WrongKind { knob, value, wanted } => {
                write!(f, "knob `{knob}` takes a {wanted}, not the {} {value}", value.kind())
            }
            KnobError::OutOfBounds { knob, value, bounds } => {
                write!(f, "{value} is out of bounds for knob `{knob}`: use {bounds}")
            }
            KnobError::Conflict { knob, expected, actual } => write!(
                f,
                "knob `{knob}` is now {actual}, not {expected}: somebody else turned it; read it again"
            ),
        }
    }
}

impl std::error::Error for KnobError {}

#[cfg(feature = "serde")]
mod duration_seconds {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(d.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(d)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}
