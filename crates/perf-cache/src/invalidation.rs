//! What ends entries from outside.

/// The marks that an entry came in with.
#[derive(Debug, Default)]
pub(crate) struct Marks;
