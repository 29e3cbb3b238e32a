//! Operations on more than one machine: jobs in a Redis that many processes share, by the protocol
//! of [BullMQ](https://bullmq.io), so that programs in other languages use the same queue.
//!
//! A [`RemoteQueue`] takes jobs, says where they stand, and waits for them. A [`RemoteWorker`] takes
//! jobs out and runs each as an operation of a local [`Manager`](perf_async::Manager), so that its
//! limits, priorities, time-outs and circuit breakers hold. What runs is a named function with a
//! payload that serializes: futures do not travel.
//!
//! Not for work inside one process: a job costs several round trips to Redis. Not a message broker:
//! the queue is BullMQ's, with its scripts and its keys.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use perf_async::Manager;
//! use perf_async_bullmq::{RemoteJob, RemoteQueue, RemoteWorker};
//! use perf_core::Priority;
//! use std::time::Duration;
//!
//! // Where there is work:
//! let queue = RemoteQueue::builder("redis://127.0.0.1:6379", "pictures").connect().await?;
//! let job = RemoteJob::new("shrink", &("cat.png", 200))?
//!     .priority(Priority::HIGHEST)
//!     .key("cat.png/200")
//!     .attempts(3);
//! let id = queue.enqueue(job).await?;
//!
//! // Where it is done, in any number of processes:
//! let manager = Manager::builder().max_concurrent(8).build()?;
//! let worker = RemoteWorker::builder("redis://127.0.0.1:6379", "pictures", &manager)
//!     .handle("shrink", |_, (name, width): (String, u32)| async move {
//!         Ok::<_, std::io::Error>(format!("{name} at {width}"))
//!     })
//!     .start()
//!     .await?;
//!
//! let made: String = queue.wait(&id, Duration::from_secs(30)).await?;
//! assert_eq!(made, "cat.png at 200");
//! worker.close(Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # At least once
//!
//! A worker holds a lock on each job that it runs and renews it. If the worker dies, or loses Redis
//! for longer than the lock lasts ([`lock`](RemoteWorkerBuilder::lock), 30 s), another worker takes
//! the job again, while the first may still be at it. So **a handler may run twice for one job, and
//! must be idempotent**: key its effects by the job's id ([`RemoteContext::id`]), or make them such
//! that twice is once. A job that was lost in this way more often than
//! [`max_lost`](RemoteWorkerBuilder::max_lost) fails.
//!
//! # Priorities
//!
//! [`Priority`](perf_core::Priority) 10 is BullMQ's 1 and 1 is its 10: here 10 is the most urgent,
//! there the lowest number is. Jobs of other programs without a priority are taken before all that
//! have one, and count as 10. There is no aging in the queue: priority is strict there.
//!
//! # Dropping
//!
//! | future or value | dropped midway |
//! |---|---|
//! | [`RemoteQueue::enqueue`] and other commands | the command may have been carried out; with a key a job is not enqueued twice |
//! | [`RemoteQueue::wait`] | nothing happens: the job goes on |
//! | [`RemoteWorker::close`] | as dropping the worker |
//! | [`RemoteWorker`] | no more jobs are taken; those that run are stopped and put back into the queue |
//!
//! # Features
//!
//! - `tls`: connects to `rediss://`.

mod connection;
mod context;
mod error;
mod job;
mod queue;
mod waiting;
mod worker;

pub use connection::RemoteQueueBuilder;
pub use context::{Permanent, RemoteContext};
pub use error::{RemoteError, RemoteErrorKind};
pub use job::{JobId, RemoteJob};
pub use queue::{RemoteCancel, RemoteQueue, RemoteRecord};
pub use worker::{RemoteWorker, RemoteWorkerBuilder, RemoteWorkerStats};
