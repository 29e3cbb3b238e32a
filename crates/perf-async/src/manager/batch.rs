//! Batches, as the manager's users see them.

use super::Manager;
use crate::batch::{MAX_BATCH, MAX_WINDOW, MIN_WINDOW};
use crate::driver::Payload;
use crate::sync::{Arc, lock};
use crate::{
    Batch, BatchError, BatchStats, Batching, ConfigError, Handle, Item, KindSettings, Operation,
    OperationId, Scheduler,
};
use perf_core::{Bounds, Direction, Histogram, Instant, Knob, KnobId, KnobValue, Signal, Unit};
use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::time::Duration;

impl Manager {
    /// Hands the items of a kind over together from now on: one call of the handler for each batch.
    ///
    /// The handler gets the items in the order of their turns and answers each of them, in the same
    /// order; what it answers for one item is that item's alone. If it answers too few or too many,
    /// panics, or takes longer than the items may run, all of them fail. Batches are never tried
    /// again, whatever the kind's retry says: which items are worth it only the caller knows.
    ///
    /// A batch counts as one running operation. Unless the kind's `max_concurrent` says otherwise
    /// there is one batch of a natural kind under way at a time.
    ///
    /// A kind that batches already gets the new rule and handler; items that wait keep the handler
    /// that they came for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use perf_async::{Batch, Manager};
    ///
    /// let manager = Manager::builder().build()?;
    /// manager.enable_batching("length", Batch::natural(100), async |texts: Vec<&'static str>| {
    ///     texts.iter().map(|text| Ok::<_, std::fmt::Error>(text.len())).collect()
    /// })?;
    /// let handles = manager.submit_items::<usize, _>("length", ["one", "three"])?;
    /// let mut lengths = Vec::new();
    /// for handle in handles {
    ///     lengths.push(handle.await?);
    /// }
    /// assert_eq!(lengths, [3, 5]);
    /// assert_eq!(manager.batch_stats("length").map(|stats| stats.batches), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the rule is out of its bounds.
    pub fn enable_batching<I, T, E, F>(
        &self,
        kind: impl Into<Cow<'static, str>>,
        rule: Batch,
        handler: impl Fn(Vec<I>) -> F + Send + Sync + 'static,
    ) -> Result<(), ConfigError>
    where
        I: Send + 'static,
        T: Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
        F: Future<Output = Vec<Result<T, E>>> + Send + 'static,
    {
        let batching = Batching::new(rule, handler);
        self.configure(kind, |settings| settings.batch(batching))
    }

    /// Takes no more items of a kind. Those that wait are handed over without waiting for company.
    /// Answers the rule that there was.
    pub fn disable_batching(&self, kind: &str) -> Option<Batch> {
        let before = self.batching(kind)?;
        // Whatever the settings are, without batching they are still in bounds.
        self.configure(kind.to_owned(), |settings| settings.batch(None)).ok()?;
        Some(before)
    }

    /// How a kind batches, `None` if it does not.
    #[must_use]
    pub fn batching(&self, kind: &str) -> Option<Batch> {
        Some(self.shared.batching_of(kind)?.rule())
    }

    /// What the batches of a kind have been like; `None` if it does not batch.
    #[must_use]
    pub fn batch_stats(&self, kind: &str) -> Option<BatchStats> {
        Some(self.shared.batching_of(kind)?.stats())
    }

    /// Submits one item to the batches of a kind, with priority 5 and the kind's time limits.
    ///
    /// # Errors
    ///
    /// [`BatchError`] if the kind does not batch, its handler works with other types, or as many
    /// operations wait as may. The item is dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn submit_item<T, I>(
        &self,
        kind: impl Into<Cow<'static, str>>,
        item: I,
    ) -> Result<Handle<T>, BatchError>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        self.submit_item_operation(Operation::item(kind, item))
    }

    /// The same for an item with priority, key or time limits of its own.
    ///
    /// Items with the same key are one: it is handed over once, with the priority of the most
    /// urgent, and each caller gets a copy of the answer.
    ///
    /// # Errors
    ///
    /// As [`submit_item`](Manager::submit_item).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn submit_item_operation<T, I>(
        &self,
        operation: Operation<T, Item<I>>,
    ) -> Result<Handle<T>, BatchError>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let taken = self.shared.submit_item(operation)?;
        Ok(Handle::new(Arc::clone(&self.shared), taken))
    }

    /// Submits many items at once: all of them, or none if there is no room for all. Cheaper than
    /// one by one, and the first batch is as large as it can be.
    ///
    /// # Errors
    ///
    /// As [`submit_item`](Manager::submit_item).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn submit_items<T, I>(
        &self,
        kind: impl Into<Cow<'static, str>>,
        items: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Handle<T>>, BatchError>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let taken = self.shared.submit_items(kind.into(), items.into_iter().collect())?;
        let handle = |taken| Handle::new(Arc::clone(&self.shared), taken);
        Ok(taken.into_iter().map(handle).collect())
    }

    /// The same for callers who keep ids: nobody need wait for the answers. `T` is what the handler
    /// answers.
    ///
    /// # Errors
    ///
    /// As [`submit_item`](Manager::submit_item).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn batch_operations<T, I>(
        &self,
        kind: impl Into<Cow<'static, str>>,
        items: impl IntoIterator<Item = I>,
    ) -> Result<Vec<OperationId>, BatchError>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let handles = self.submit_items::<T, I>(kind, items)?;
        Ok(handles.iter().map(Handle::id).collect())
    }
}

impl Manager {
    /// Reports the batches of all kinds together, if any kind batches.
    pub(super) fn observe_batches(&self, since: Instant, visit: &mut dyn FnMut(Signal<'_>)) {
        let all: Vec<Batching> = {
            let core = lock(&self.shared.core);
            core.kinds().filter_map(|kind| core.kind_settings(kind).batch.clone()).collect()
        };
        let (mut sizes, mut wrong_answers) = (Histogram::new(), 0);
        for stats in all.iter().map(Batching::stats) {
            sizes.merge(&stats.sizes);
            wrong_answers += stats.wrong_answers;
        }
        if !all.is_empty() {
            let size = Signal::histogram("batch_size", Unit::Count, &sizes, since);
            visit(size.help("How many items the batches had."));
            let wrong = Signal::counter("wrong_answers", wrong_answers, since);
            visit(wrong.help("Batches that failed whole: not one answer for each item."));
        }
    }
}

/// The knobs of all kinds that batch.
pub(super) fn batch_knobs(core: &Scheduler<Payload>) -> Vec<Knob> {
    let mut knobs = Vec::new();
    for kind in core.kinds() {
        let Some(batching) = &core.kind_settings(kind).batch else { continue };
        let (name, rule, first) = (core.kind_name(kind), batching.rule(), batching.first_rule());
        let count = |rule: Batch| KnobValue::Count(rule.max() as u64);
        let size = Knob::new(
            KnobId::new(format!("{SIZE}{name}")),
            "Batch size",
            count(rule),
            count(first),
            Bounds::Count { min: 1, max: MAX_BATCH as u64, step: 10 },
        )
        .trades("Fewer calls for as many items, for larger calls whose items fail together.")
        .moves("run_duration", Direction::Up)
        .moves("wait_duration", Direction::Down);
        knobs.push(size);
        if let (Some(window), Some(first)) = (rule.waits(), first.waits()) {
            let window = Knob::new(
                KnobId::new(format!("{WINDOW}{name}")),
                "Batch window",
                KnobValue::Duration(window),
                KnobValue::Duration(first),
                Bounds::Duration {
                    min: MIN_WINDOW,
                    max: MAX_WINDOW,
                    step: Duration::from_millis(5),
                },
            )
            .trades("Fewer calls for as many items, for longer waits of each.")
            .moves("wait_duration", Direction::Up)
            .moves("pending", Direction::Up);
            knobs.push(window);
        }
    }
    knobs
}

/// Turns one of them, to a value that has been checked. Answers what the settings were; drop them
/// without the lock.
pub(super) fn turn_batch(
    core: &mut Scheduler<Payload>,
    knob: &str,
    to: &KnobValue,
    now: Instant,
) -> Option<KindSettings> {
    let (kind, rule) = match (knob.strip_prefix(SIZE), knob.strip_prefix(WINDOW), to) {
        (Some(kind), _, KnobValue::Count(max)) => {
            let kind = core.find_kind(kind)?;
            (kind, core.kind_settings(kind).batch_rule()?.with_max(*max as usize))
        }
        (_, Some(kind), KnobValue::Duration(window)) => {
            let kind = core.find_kind(kind)?;
            (kind, core.kind_settings(kind).batch_rule()?.with_window(*window))
        }
        _ => return None,
    };
    let mut settings = core.kind_settings(kind).clone();
    settings.batch = settings.batch.map(|batching| batching.with_rule(rule));
    core.configure(kind, settings, now).ok()
}

const SIZE: &str = "batch_size:";
const WINDOW: &str = "batch_window:";
