//! Times of day as seconds after the Unix epoch.

use serde::Serializer;
use std::time::SystemTime;

/// For `#[serde(serialize_with = ...)]`.
pub(crate) fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_f64(since.as_secs_f64())
}
