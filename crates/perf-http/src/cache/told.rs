//! Telling of what was invalidated.

use perf_core::Glob;
use std::fmt;
use std::sync::Arc;

/// What somebody has invalidated by a call, as
/// [`ResponseCacheBuilder::on_invalidation`](super::ResponseCacheBuilder::on_invalidation) tells it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Invalidation<'a> {
    /// What is kept for one URL, by its key as [`ResponseKey`](super::ResponseKey) has it:
    /// `example.org/path?query`.
    Key(&'a str),
    /// All whose keys match.
    Matching(&'a Glob),
    /// All that the origin has filed under a tag.
    Tag(&'a str),
    /// All.
    All,
}

type Tell = dyn Fn(&Invalidation<'_>) + Send + Sync;

/// Whom to tell.
#[derive(Clone, Default)]
pub(crate) struct Told(Option<Arc<Tell>>);

impl Told {
    pub(super) fn new(tell: impl Fn(&Invalidation<'_>) + Send + Sync + 'static) -> Told {
        Told(Some(Arc::new(tell)))
    }

    pub(super) fn tell(&self, invalidation: Invalidation<'_>) {
        if let Some(tell) = &self.0 {
            tell(&invalidation);
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Told").field(&self.0.is_some()).finish()
    }
}
