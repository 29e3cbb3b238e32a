//! Those who wait for one operation, and the result on its way to them.

use super::attempt::{contain, panicked};
use crate::progress::ProgressCell;
use crate::sync::{Arc, AtomicBool, AtomicU8, Mutex, Ordering, lock};
use crate::{OperationError, Source};
use std::any::Any;
use std::fmt;
use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

/// An operation that others wait for, whatever its type of value.
pub(crate) trait Operand: Any + Send + Sync {
    /// Tells it to stop, and wakes it so that it hears.
    fn request_stop(&self);
    /// Where it leaves how far it has come.
    fn progress(&self) -> &ProgressCell;
    /// Gives this error to everyone who waits. Never panics.
    fn give_up_on(&self, error: OperationError);
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
    seats: Mutex<Seats<T>>,
    pub(crate) progress: ProgressCell,
    stop_requested: AtomicBool,
    /// Somebody went away and wants the operation to be done all the same. Used with the lock held,
    /// and out here for its size, as is the next.
    detached: AtomicBool,
    /// Who answered, once it is settled.
    source: AtomicU8,
}

struct Seats<T> {
    /// Number 0, who brought the operation. Most have no other.
    first: Member<T>,
    /// Made when somebody joins.
    others: Option<Box<Others<T>>>,
    /// Wakes the task that runs the operation, once it has had to wait.
    runner: Option<Waker>,
}

struct Others<T> {
    copy: fn(&T) -> T,
    members: Vec<Member<T>>,
    /// The numbers of those who have gone, to be given out again.
    free: Vec<usize>,
    /// How many wait, without the first.
    waiting: usize,
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
    pub(crate) fn new() -> Arc<Group<T>> {
        let first = Member::Waiting(None);
        Arc::new(Group {
            seats: Mutex::new(Seats { first, others: None, runner: None }),
            progress: ProgressCell::default(),
            stop_requested: AtomicBool::new(false),
            detached: AtomicBool::new(false),
            source: AtomicU8::new(Source::Fresh as u8),
        })
    }

    /// Whether the operation has been told to stop.
    pub(crate) fn is_stop_requested(&self) -> bool {
        self.stop_requested.load(Ordering::Relaxed)
    }

    /// Leaves a waker for [`request_stop`](Operand::request_stop) and answers whether to stop.
    pub(crate) fn listen(&self, cx: &Context<'_>) -> bool {
        let mut seats = lock(&self.seats);
        let old = match &seats.runner {
            Some(known) if known.will_wake(cx.waker()) => None,
            _ => seats.runner.replace(cx.waker().clone()),
        };
        // Relaxed: it is set before the lock is taken for the waker. Either it is seen here, or
        // the waker is seen there.
        let stop = self.stop_requested.load(Ordering::Relaxed);
        drop(seats);
        drop(old);
        stop
    }

    /// Adds a member who brings a way to copy the value. Answers its number, `None` if there are as
    /// many as may be.
    pub(crate) fn join(&self, limit: usize, copy: fn(&T) -> T) -> Option<usize> {
        let mut seats = lock(&self.seats);
        if seats.waiting() >= limit.max(1) {
            return None;
        }
        if matches!(seats.first, Member::Gone) {
            seats.first = Member::Waiting(None);
            return Some(0);
        }
        let others = seats.others.get_or_insert_with(|| {
            Box::new(Others { copy, members: Vec::new(), free: Vec::new(), waiting: 0 })
        });
        others.waiting += 1;
        Some(match others.free.pop() {
            Some(number) => {
                others.members[number - 1] = Member::Waiting(None);
                number
            }
            None => {
                others.members.push(Member::Waiting(None));
                others.members.len()
            }
        })
    }

    /// Answers the result of that member, or keeps its waker.
    pub(crate) fn poll(&self, number: usize, cx: &Context<'_>) -> Poll<Result<T, OperationError>> {
        let mut seats = lock(&self.seats);
        let member = seats.get(number);
        let old = match member {
            Member::Waiting(Some(waker)) if waker.will_wake(cx.waker()) => None,
            Member::Waiting(waker) => waker.replace(cx.waker().clone()),
            Member::Ready(_) => match seats.remove(number) {
                Member::Ready(result) => return Poll::Ready(result),
                _ => unreachable!("it was ready a line above, and the lock is held"),
            },
            Member::Gone => unreachable!("a handle forgets its number when it has answered"),
        };
        drop(seats);
        drop(old);
        Poll::Pending
    }

    /// Who answered, once it is settled.
    pub(crate) fn source(&self) -> Source {
        let _seats = lock(&self.seats);
        match self.source.load(Ordering::Relaxed) {
            FALLBACK => Source::Fallback,
            STALE => Source::Stale,
            KEPT => Source::Kept,
            _ => Source::Fresh,
        }
    }

    /// Leaves a waker for that member. Answers false if it has its result already.
    pub(crate) fn leave_waker(&self, number: usize, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut seats = lock(&self.seats);
        let Member::Waiting(old) = seats.get(number) else { return false };
        let old = old.replace(waker);
        drop(seats);
        drop(old);
        true
    }

    /// Whether that member has its result.
    pub(crate) fn is_ready(&self, number: usize) -> bool {
        !matches!(lock(&self.seats).get(number), Member::Waiting(_))
    }

    /// The member goes away and wants the operation to be done all the same.
    pub(crate) fn detach(&self, number: usize) {
        let gone = {
            let mut seats = lock(&self.seats);
            self.detached.store(true, Ordering::Relaxed);
            seats.remove(number)
        };
        drop(gone);
    }

    /// The member goes away and no longer wants the operation. Call with the scheduler's lock held,
    /// so that nobody joins in between.
    pub(crate) fn leave(&self, number: usize) -> (Remaining, Gone<T>) {
        let mut seats = lock(&self.seats);
        let gone = seats.remove(number);
        let was_last = matches!(gone, Member::Waiting(_)) && seats.waiting() == 0;
        let remaining = if was_last && !self.detached.load(Ordering::Relaxed) {
            Remaining::Nobody
        } else {
            Remaining::Somebody
        };
        (remaining, Gone(gone))
    }

    /// The member stays but no longer wants the operation. If others do, it gets its answer here;
    /// if nobody does, with the operation's end. Call with the scheduler's lock held, so that
    /// nobody joins in between.
    pub(crate) fn give_up(&self, number: usize) -> GivenUp {
        let mut seats = lock(&self.seats);
        let alone = seats.waiting() == 1 && !self.detached.load(Ordering::Relaxed);
        let member = seats.get(number);
        let Member::Waiting(waker) = member else { return GivenUp::TooLate };
        if alone {
            return GivenUp::ByAll;
        }
        let waker = waker.take();
        *member = Member::Ready(Err(OperationError::Cancelled));
        if let (Some(others), 1..) = (&mut seats.others, number) {
            others.waiting -= 1;
        }
        GivenUp::ByOne(waker)
    }

    /// Gives everyone who waits the result. Never panics, whatever the values and wakers do.
    ///
    /// Nobody joins any more: the operation has left the scheduler. Some may still leave.
    pub(crate) fn settle(&self, result: Result<T, OperationError>, source: Source) {
        let mut seats = lock(&self.seats);
        let runner = seats.runner.take();
        let many = seats.waiting();
        if many > 0 {
            // Else all have their answers, from whoever it was.
            self.source.store(source as u8, Ordering::Relaxed);
        }
        let Some((others, 1..)) = seats.others.as_ref().map(|others| (others, others.waiting))
        else {
            let (waker, unwanted) = match seats.first {
                Member::Waiting(_) => match replace(&mut seats.first, Member::Ready(result)) {
                    Member::Waiting(waker) => (waker, None),
                    _ => (None, None),
                },
                _ => (None, Some(result)),
            };
            drop(seats);
            wake(waker);
            // Nobody is left to hear of a value that panics when it is dropped.
            if unwanted.is_some() {
                contain(|| drop(unwanted)).unwrap_or_default();
            }
            drop(runner);
            return;
        };
        let copy = others.copy;
        drop(seats);
        let mut shares = share(result, many, copy);
        let mut wakers = Vec::new();
        {
            let mut seats = lock(&self.seats);
            for member in seats.all() {
                if let Member::Waiting(waker) = member {
                    wakers.extend(waker.take());
                    let share = shares.pop().expect("one share for each who waits");
                    *member = Member::Ready(share);
                }
            }
            if let Some(others) = &mut seats.others {
                others.waiting = 0;
            }
        }
        wake(wakers);
        for share in shares {
            contain(|| drop(share)).unwrap_or_default();
        }
        drop(runner);
    }
}

const FALLBACK: u8 = Source::Fallback as u8;
const STALE: u8 = Source::Stale as u8;
const KEPT: u8 = Source::Kept as u8;

/// Copies for all but one, the value itself for that one.
fn share<T>(
    result: Result<T, OperationError>,
    many: usize,
    copy: fn(&T) -> T,
) -> Vec<Result<T, OperationError>> {
    let mut shares = Vec::with_capacity(many);
    for _ in 1..many {
        shares.push(match &result {
            Err(error) => Err(error.clone()),
            // The user's own code copies the value.
            Ok(value) => catch_unwind(AssertUnwindSafe(|| copy(value))).map_err(panicked),
        });
    }
    shares.push(result);
    shares
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
    fn request_stop(&self) {
        self.stop_requested.store(true, Ordering::Relaxed);
        let runner = lock(&self.seats).runner.take();
        wake(runner);
    }

    fn progress(&self) -> &ProgressCell {
        &self.progress
    }

    fn give_up_on(&self, error: OperationError) {
        self.settle(Err(error), Source::Fresh);
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl<T> Seats<T> {
    fn get(&mut self, number: usize) -> &mut Member<T> {
        match (number.checked_sub(1), &mut self.others) {
            (None, _) => &mut self.first,
            (Some(other), Some(others)) => &mut others.members[other],
            (Some(_), None) => unreachable!("whoever has this number has joined"),
        }
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Member<T>> {
        let others = self.others.iter_mut().flat_map(|others| &mut others.members);
        std::iter::once(&mut self.first).chain(others)
    }

    /// How many wait.
    fn waiting(&self) -> usize {
        let first = usize::from(matches!(self.first, Member::Waiting(_)));
        first + self.others.as_ref().map_or(0, |others| others.waiting)
    }

    /// Takes a member out and frees its number.
    fn remove(&mut self, number: usize) -> Member<T> {
        let before = replace(self.get(number), Member::Gone);
        if let (Some(others), 1..) = (&mut self.others, number) {
            others.free.push(number);
            if matches!(before, Member::Waiting(_)) {
                others.waiting -= 1;
            }
        }
        before
    }
}
