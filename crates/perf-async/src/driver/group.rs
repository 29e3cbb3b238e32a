//! Those who wait for one operation, and the result on its way to them.

use super::attempt::{Stop, contain, panicked};
use crate::OperationError;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, lock};
use perf_core::Instant;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

/// An operation that others wait for, whatever its type of value.
pub(crate) trait Operand: Any + Send + Sync {
    fn stop(&self) -> &Stop;
    /// Notes when it started, before it is polled.
    fn started(&self, at: Instant);
    /// Gives everyone the result that the operation left, or this error if it left none. Never
    /// panics, whatever the values and wakers do: the caller has the next operation to start.
    fn settle(&self, otherwise: OperationError);
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl fmt::Debug for dyn Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operand")
    }
}

/// Those who wait for one operation with a value of type `T`.
///
/// The scheduler's lock may be held while this one is taken, never the other way round.
pub(crate) struct Group<T> {
    stop: Stop,
    started: AtomicU64,
    copy: Option<fn(&T) -> T>,
    members: Mutex<Members<T>>,
}

struct Members<T> {
    /// The first needs no allocation; most operations have no other.
    first: Member<T>,
    others: Vec<Member<T>>,
    /// The numbers of those who have gone, to be given out again.
    free: Vec<usize>,
    waiting: usize,
    /// Somebody went away and wants the operation to be done all the same.
    detached: bool,
    result: Option<Result<T, OperationError>>,
}

enum Member<T> {
    Waiting(Option<Waker>),
    Ready(Result<T, OperationError>),
    Gone,
}

/// Who wants the operation when a member has gone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Remaining {
    Somebody,
    Nobody,
}

/// Who has given the operation up.
#[derive(Debug)]
pub(crate) enum GivenUp {
    /// Only this member: wake it.
    ByOne(Option<Waker>),
    /// It was the last.
    ByAll,
    /// It has its answer already.
    TooLate,
}

impl<T: Send + 'static> Group<T> {
    /// A group with one member, number 0.
    pub(crate) fn new(copy: Option<fn(&T) -> T>) -> Arc<Group<T>> {
        Arc::new(Group {
            stop: Stop::default(),
            started: AtomicU64::new(0),
            copy,
            members: Mutex::new(Members {
                first: Member::Waiting(None),
                others: Vec::new(),
                free: Vec::new(),
                waiting: 1,
                detached: false,
                result: None,
            }),
        })
    }

    pub(crate) fn started_at(&self) -> Instant {
        // Relaxed: handing the task to the runtime orders it after the store.
        Instant::from_nanos(self.started.load(Ordering::Relaxed))
    }

    /// Leaves the result where [`settle`](Operand::settle) finds it.
    pub(crate) fn stash(&self, result: Result<T, OperationError>) {
        lock(&self.members).result = Some(result);
    }

    /// Adds a member and answers its number, `None` if there are as many as may be.
    pub(crate) fn join(&self, limit: usize) -> Option<usize> {
        let mut members = lock(&self.members);
        if members.waiting >= limit.max(1) {
            return None;
        }
        members.waiting += 1;
        let number = match members.free.pop() {
            Some(number) => number,
            None => {
                members.others.push(Member::Gone);
                members.others.len()
            }
        };
        *members.get(number) = Member::Waiting(None);
        Some(number)
    }

    /// Answers the result of that member, or keeps its waker.
    pub(crate) fn poll(&self, number: usize, cx: &Context<'_>) -> Poll<Result<T, OperationError>> {
        let mut members = lock(&self.members);
        let member = members.get(number);
        let old = match member {
            Member::Waiting(Some(waker)) if waker.will_wake(cx.waker()) => None,
            Member::Waiting(waker) => waker.replace(cx.waker().clone()),
            Member::Ready(_) => match members.remove(number) {
                Member::Ready(result) => return Poll::Ready(result),
                _ => unreachable!("it was ready a line above, and the lock is held"),
            },
            Member::Gone => unreachable!("a handle forgets its number when it has answered"),
        };
        drop(members);
        drop(old);
        Poll::Pending
    }

    /// Whether that member has its result.
    pub(crate) fn is_ready(&self, number: usize) -> bool {
        !matches!(lock(&self.members).get(number), Member::Waiting(_))
    }

    /// The member goes away and wants the operation to be done all the same.
    pub(crate) fn detach(&self, number: usize) {
        let gone = {
            let mut members = lock(&self.members);
            members.detached = true;
            members.remove(number)
        };
        drop(gone);
    }

    /// The member goes away and no longer wants the operation. Call with the scheduler's lock held,
    /// so that nobody joins in between.
    pub(crate) fn leave(&self, number: usize) -> (Remaining, Gone<T>) {
        let mut members = lock(&self.members);
        let gone = members.remove(number);
        let was_last = matches!(gone, Member::Waiting(_)) && members.waiting == 0;
        let remaining =
            if was_last && !members.detached { Remaining::Nobody } else { Remaining::Somebody };
        (remaining, Gone(gone))
    }

    /// The member stays but no longer wants the operation. If others do, it gets its answer here;
    /// if nobody does, with the operation's end. Call with the scheduler's lock held, so that
    /// nobody joins in between.
    pub(crate) fn give_up(&self, number: usize) -> GivenUp {
        let mut members = lock(&self.members);
        let alone = members.waiting == 1 && !members.detached;
        let member = members.get(number);
        let Member::Waiting(waker) = member else { return GivenUp::TooLate };
        if alone {
            return GivenUp::ByAll;
        }
        let waker = waker.take();
        *member = Member::Ready(Err(OperationError::Cancelled));
        members.waiting -= 1;
        GivenUp::ByOne(waker)
    }

    /// Copies for all but one, the value itself for that one.
    fn share(
        &self,
        result: Result<T, OperationError>,
        many: usize,
    ) -> Vec<Result<T, OperationError>> {
        let mut shares = Vec::with_capacity(many);
        for _ in 1..many {
            shares.push(match (&result, self.copy) {
                (Err(error), _) => Err(error.clone()),
                // The user's own code copies the value.
                (Ok(value), Some(copy)) => {
                    catch_unwind(AssertUnwindSafe(|| copy(value))).map_err(panicked)
                }
                (Ok(_), None) => unreachable!("only operations with a key are joined"),
            });
        }
        shares.push(result);
        shares
    }
}

/// Wakes all, also those after one that panics.
fn wake(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        contain(|| waker.wake()).unwrap_or_default();
    }
}

/// What a member left behind; drop it without a lock.
pub(crate) struct Gone<T>(Member<T>);

impl<T: Send + 'static> Operand for Group<T> {
    fn stop(&self) -> &Stop {
        &self.stop
    }

    fn started(&self, at: Instant) {
        self.started.store(at.as_nanos(), Ordering::Relaxed);
    }

    fn settle(&self, otherwise: OperationError) {
        let (result, waiting) = {
            let mut members = lock(&self.members);
            let result = members.result.take().unwrap_or(Err(otherwise));
            if members.waiting == 1 {
                let waker = members.answer_only(result);
                drop(members);
                wake(waker);
                return;
            }
            (result, members.waiting)
        };
        // Nobody joins any more: the operation has left the scheduler. Some may still leave.
        let mut shares = self.share(result, waiting);
        let mut wakers = Vec::new();
        {
            let mut members = lock(&self.members);
            members.waiting = 0;
            for member in members.all() {
                if let Member::Waiting(waker) = member {
                    wakers.extend(waker.take());
                    let share = shares.pop().expect("one share for each who waits");
                    *member = Member::Ready(share);
                }
            }
        }
        wake(wakers);
        for share in shares {
            // Nobody is left to hear of a value that panics when it is dropped.
            contain(|| drop(share)).unwrap_or_default();
        }
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl<T> Members<T> {
    fn get(&mut self, number: usize) -> &mut Member<T> {
        match number.checked_sub(1) {
            None => &mut self.first,
            Some(other) => &mut self.others[other],
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Member<T>> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    /// Gives the only one who waits its answer, and answers its waker.
    fn answer_only(&mut self, result: Result<T, OperationError>) -> Option<Waker> {
        self.waiting = 0;
        let member = self.all().find(|member| matches!(member, Member::Waiting(_)));
        let member = member.expect("one waits");
        match std::mem::replace(member, Member::Ready(result)) {
            Member::Waiting(waker) => waker,
            _ => None,
        }
    }

    /// Takes a member out and frees its number.
    fn remove(&mut self, number: usize) -> Member<T> {
        let before = std::mem::replace(self.get(number), Member::Gone);
        if matches!(before, Member::Waiting(_)) {
            self.waiting -= 1;
        }
        self.free.push(number);
        before
    }
}
