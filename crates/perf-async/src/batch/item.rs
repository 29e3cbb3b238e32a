//! An operation that is one item of a batch.

use crate::Operation;
use std::borrow::Cow;
use std::fmt;

/// What an [`Operation::item`] brings in the place of a future.
#[derive(Clone, Copy)]
pub struct Item<I> {
    pub(crate) item: I,
    pub(crate) weight: u64,
}

impl Operation<(), ()> {
    /// One item for the batches of that kind, to be answered with a `T`. Submit it with
    /// [`Manager::submit_item_operation`](crate::Manager::submit_item_operation).
    ///
    /// Priority, key and time limits are those of any other operation. Its time to run begins with
    /// its batch's. It is never tried again.
    pub fn item<T, I>(kind: impl Into<Cow<'static, str>>, item: I) -> Operation<T, Item<I>> {
        Operation::with(kind.into(), Item { item, weight: 1 })
    }
}

impl<T, I> Operation<T, Item<I>> {
    /// What it counts for in [`Batch::max_weight`](crate::Batch::max_weight). The default is 1.
    #[must_use]
    pub fn item_weight(mut self, weight: u64) -> Operation<T, Item<I>> {
        self.work.weight = weight;
        self
    }
}

impl<I> fmt::Debug for Item<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("weight", &self.weight).finish_non_exhaustive()
    }
}
