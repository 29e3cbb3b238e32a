//! Results kept for those who know only the id.

use super::attempt::contain;
use super::group::Group;
use crate::sync::{Arc, Mutex, Weak, lock};
use crate::{OperationError, OperationId};
use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::task::{Wake, Waker};

/// The results of operations that were queued by id: of those that wait or run, and of the last
/// that ended.
#[derive(Debug)]
pub(crate) struct Results {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<OperationId, Kept>,
    /// Those that have ended, the oldest first.
    ended: VecDeque<OperationId>,
    forgotten: u64,
}

#[derive(Debug)]
struct Kept {
    /// `None` once it has been taken.
    result: Option<Arc<dyn Any + Send + Sync>>,
    type_name: &'static str,
    has_ended: bool,
}

/// What is known of an id.
pub(crate) enum Found<T: Send + 'static> {
    Here(Arc<Expected<T>>),
    OtherType(&'static str),
    Taken,
    Unknown,
}

/// A result that is there or will be.
pub(crate) struct Expected<T> {
    id: OperationId,
    group: Arc<Group<T>>,
    number: usize,
    /// Whoever holds it waits for the result; true once it has been taken.
    turn: tokio::sync::Mutex<bool>,
    ended: Waker,
}

/// Woken when the operation ends and nobody waits.
struct OnEnd {
    id: OperationId,
    results: Weak<Results>,
}

impl Wake for OnEnd {
    fn wake(self: Arc<Self>) {
        if let Some(results) = self.results.upgrade() {
            results.note_end(self.id);
        }
    }
}

impl Results {
    pub(crate) fn new(limit: usize) -> Arc<Results> {
        Arc::new(Results { state: Mutex::new(State::default()), limit })
    }

    /// How many have been forgotten before anybody asked.
    pub(crate) fn forgotten(&self) -> u64 {
        lock(&self.state).forgotten
    }

    /// Keeps the result of an operation. Whoever joins one that is kept already shares its result.
    pub(crate) fn keep<T: Send + 'static>(
        self: &Arc<Self>,
        (id, group, number): (OperationId, Arc<Group<T>>, usize),
    ) {
        let ended = Waker::from(Arc::new(OnEnd { id, results: Arc::downgrade(self) }));
        let turn = tokio::sync::Mutex::new(false);
        let expected = Arc::new(Expected { id, group, number, turn, ended });
        let is_new = {
            let mut state = lock(&self.state);
            let known = state.kept.get(&id).is_some_and(|kept| kept.result.is_some());
            if !known {
                let result: Arc<dyn Any + Send + Sync> = Arc::clone(&expected) as _;
                let type_name = std::any::type_name::<T>();
                let kept = Kept { result: Some(result), type_name, has_ended: false };
                state.kept.insert(id, kept);
            }
            !known
        };
        if is_new {
            self.watch(&expected);
        } else {
            expected.group.detach(expected.number);
        }
    }

    pub(crate) fn find<T: Send + 'static>(&self, id: OperationId) -> Found<T> {
        let state = lock(&self.state);
        match state.kept.get(&id) {
            None => Found::Unknown,
            Some(Kept { result: None, .. }) => Found::Taken,
            Some(Kept { result: Some(result), type_name, .. }) => {
                match Arc::clone(result).downcast() {
                    Ok(expected) => Found::Here(expected),
                    Err(_) => Found::OtherType(type_name),
                }
            }
        }
    }

    /// Waits for the result and takes it; `None` if somebody else has. May be dropped at any time:
    /// the result then stays.
    pub(crate) async fn take<T: Send + 'static>(
        &self,
        expected: &Expected<T>,
    ) -> Option<Result<T, OperationError>> {
        let mut is_taken = expected.turn.lock().await;
        if *is_taken {
            return None;
        }
        let watching = Watching { results: self, expected, is_armed: true };
        let result = poll_fn(|cx| expected.group.poll(expected.number, cx)).await;
        watching.disarm();
        *is_taken = true;
        self.note_taken(expected.id);
        Some(result)
    }

    /// Sees to it that the end is noted while nobody waits for it.
    fn watch<T: Send + 'static>(&self, expected: &Expected<T>) {
        if !expected.group.leave_waker(expected.number, &expected.ended) {
            self.note_end(expected.id);
        }
    }

    fn note_end(&self, id: OperationId) {
        self.change(|state| {
            if let Some(kept) = state.kept.get_mut(&id)
                && !std::mem::replace(&mut kept.has_ended, true)
            {
                state.ended.push_back(id);
            }
            None
        });
    }

    fn note_taken(&self, id: OperationId) {
        self.change(|state| {
            let kept = state.kept.get_mut(&id)?;
            if !std::mem::replace(&mut kept.has_ended, true) {
                state.ended.push_back(id);
            }
            // That it was there is remembered for as long as others are.
            kept.result.take()
        });
    }

    /// Changes something, and forgets the oldest if there are too many. What is dropped is dropped
    /// without the lock, for values are the user's.
    fn change(&self, change: impl FnOnce(&mut State) -> Option<Arc<dyn Any + Send + Sync>>) {
        let mut gone = Vec::new();
        {
            let mut state = lock(&self.state);
            gone.extend(change(&mut state));
            while state.ended.len() > self.limit {
                let Some(oldest) = state.ended.pop_front() else { break };
                if let Some(result) = state.kept.remove(&oldest).and_then(|kept| kept.result) {
                    state.forgotten += 1;
                    gone.push(result);
                }
            }
        }
        for result in gone {
            contain(|| drop(result)).unwrap_or_default();
        }
    }
}

/// Leaves the operation as it was found if whoever waits goes away.
struct Watching<'a, T: Send + 'static> {
    results: &'a Results,
    expected: &'a Expected<T>,
    is_armed: bool,
}

impl<T: Send + 'static> Watching<'_, T> {
    fn disarm(mut self) {
        self.is_armed = false;
    }
}

impl<T: Send + 'static> Drop for Watching<'_, T> {
    fn drop(&mut self) {
        if self.is_armed {
            self.results.watch(self.expected);
        }
    }
}
