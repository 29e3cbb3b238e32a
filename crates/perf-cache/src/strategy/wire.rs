//! How parts of a strategy are written where serde's own way would be hard to read.

use crate::policy::PolicyKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a switch is that is not said.
pub(super) const fn on() -> bool {
    true
}

/// By its name.
impl Serialize for PolicyKind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for PolicyKind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<PolicyKind, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Spans of time as seconds.
pub(super) mod seconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub(in super::super) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(|span| span.as_secs_f64()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(from)?;
        let span = |seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|_| {
                let refused = format_args!("{seconds} is no time: use seconds, such as 300");
                serde::de::Error::custom(refused)
            })
        };
        seconds.map(span).transpose()
    }
}
