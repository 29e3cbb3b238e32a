//! What is known of an entry beside its value.

/// How an entry was used.
#[derive(Debug, Default)]
pub(crate) struct Usage;
