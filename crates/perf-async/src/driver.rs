//! Carries out on tokio what the scheduler decides.
//!
//! A place among the running is only ever given to a task that the runtime owns and polls, or to
//! the future of `run` while it is being polled for the first time; never to a caller who is asleep
//! and might not come back. Each place is held by a guard, so a caller or a runtime that goes away
//! gives it back. Nothing of the user's (a future, a value, an error, a waker) is run or dropped
//! under a lock.

mod attempt;
mod batch;
mod cancelling;
mod clocks;
mod dispatching;
mod door;
mod group;
mod hedging;
mod kept;
#[cfg(all(test, perf_loom))]
mod models;
mod moments;
mod news;
mod parked;
mod permit;
mod results;
mod retrying;
mod runner;
mod runtimes;
mod shared;
mod sharing;
mod timer;

#[cfg(feature = "lanes")]
pub(crate) use attempt::contain;
#[cfg(feature = "test-queue")]
pub(crate) use attempt::panicked;
pub(crate) use door::Ticket;
pub(crate) use group::{Group, Operand};
pub(crate) use hedging::HedgeSeat;
pub(crate) use kept::{Keep, Value as KeptValue};
pub(crate) use results::Found;
#[cfg(feature = "lanes")]
pub(crate) use shared::Core;
pub(crate) use shared::{Payload, Settings, Shared};

use std::error::Error;

/// Any error, as an operation hands it in.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
