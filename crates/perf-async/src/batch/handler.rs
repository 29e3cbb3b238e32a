//! The caller's function behind a kind's batches, whatever its types.

use super::{Batch, BatchStats};
#[cfg(feature = "tokio")]
use crate::BatchError;
use crate::sync::{Arc, Mutex, lock};
use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

type BoxError = Box<dyn Error + Send + Sync>;
/// What a handler answers, in the order of its items.
pub(crate) type Answers<T> = Vec<Result<T, BoxError>>;
type Call<I, T> = dyn Fn(Vec<I>) -> Pin<Box<dyn Future<Output = Answers<T>> + Send>> + Send + Sync;

/// How a kind batches: a rule, and the handler that takes a batch.
#[derive(Clone)]
pub struct Batching {
    rule: Batch,
    /// The rule that it came with.
    first_rule: Batch,
    handler: Option<Arc<dyn Any + Send + Sync>>,
    types: (&'static str, &'static str),
    stats: Arc<Mutex<BatchStats>>,
}

/// A handler for items of type `I`, answered with values of type `T`.
pub(crate) struct Handler<I, T> {
    call: Box<Call<I, T>>,
    /// The rule that it came with, for what still waits when batching is disabled.
    pub(crate) rule: Batch,
    pub(crate) stats: Arc<Mutex<BatchStats>>,
}

impl Batching {
    /// Batches by that rule with that handler, which gets the items in order and answers each of
    /// them, in the same order.
    ///
    /// A handler that answers too few or too many fails all items of the batch, with
    /// [`WrongAnswers`](crate::WrongAnswers).
    pub fn new<I, T, E, F>(
        rule: Batch,
        handler: impl Fn(Vec<I>) -> F + Send + Sync + 'static,
    ) -> Batching
    where
        I: Send + 'static,
        T: Send + 'static,
        E: Into<BoxError> + 'static,
        F: Future<Output = Vec<Result<T, E>>> + Send + 'static,
    {
        let stats = Arc::new(Mutex::new(BatchStats::default()));
        let call = move |items| -> Pin<Box<dyn Future<Output = Answers<T>> + Send>> {
            let answers = handler(items);
            Box::pin(async move {
                let answers = answers.await.into_iter();
                answers.map(|answer| answer.map_err(Into::into)).collect()
            })
        };
        let call: Box<Call<I, T>> = Box::new(call);
        let handler = Arc::new(Handler { call, rule, stats: Arc::clone(&stats) });
        let handler = Some(handler as Arc<dyn Any + Send + Sync>);
        Batching { rule, first_rule: rule, handler, types: types::<I, T>(), stats }
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> Batch {
        self.rule
    }

    /// The same handler with another rule; also the statistics go on.
    #[must_use]
    pub fn with_rule(mut self, rule: Batch) -> Batching {
        self.rule = rule;
        self
    }

    /// Starts counting from zero.
    pub(crate) fn reset_stats(&self) {
        *lock(&self.stats) = BatchStats::default();
    }

    /// What its batches have been like.
    #[must_use]
    pub fn stats(&self) -> BatchStats {
        lock(&self.stats).clone()
    }
}

#[cfg(feature = "tokio")]
impl Batching {
    /// The rule that it came with.
    pub(crate) const fn first_rule(&self) -> Batch {
        self.first_rule
    }

    /// The handler, if it works with these types.
    pub(crate) fn handler<I: 'static, T: 'static>(
        &self,
        kind: &str,
    ) -> Result<Arc<Handler<I, T>>, BatchError> {
        let Some(handler) = &self.handler else {
            return Err(BatchError::NotBatching { kind: kind.to_owned() });
        };
        Arc::clone(handler).downcast().map_err(|_| BatchError::WrongType {
            kind: kind.to_owned(),
            handler: self.types,
            item: types::<I, T>(),
        })
    }
}

#[cfg(feature = "tokio")]
impl<I, T> Handler<I, T> {
    /// Hands a batch over. The caller's code: it may panic.
    pub(crate) fn call(&self, items: Vec<I>) -> Pin<Box<dyn Future<Output = Answers<T>> + Send>> {
        (self.call)(items)
    }
}

impl From<Batch> for Batching {
    /// The rule alone, for a driver of its own of the [`Scheduler`](crate::Scheduler). A manager
    /// takes no items of such a kind.
    fn from(rule: Batch) -> Batching {
        let stats = Arc::default();
        Batching { rule, first_rule: rule, handler: None, types: types::<(), ()>(), stats }
    }
}

impl PartialEq for Batching {
    /// The same rule, and the very same handler.
    fn eq(&self, other: &Batching) -> bool {
        let same_handler = match (&self.handler, &other.handler) {
            (None, None) => true,
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            _ => false,
        };
        same_handler && self.rule == other.rule
    }
}

impl fmt::Debug for Batching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (item, answer) = self.types;
        f.debug_struct("Batching")
            .field("rule", &self.rule)
            .field("item", &item)
            .field("answer", &answer)
            .finish_non_exhaustive()
    }
}

fn types<I, T>() -> (&'static str, &'static str) {
    (type_name::<I>(), type_name::<T>())
}
