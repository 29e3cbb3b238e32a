//! Watches and steers the components of a service: their signals sampled into windows, their
//! health known, their knobs turned and turned back.
//!
//! Any type joins by implementing two small traits of `perf_core`: [`Observe`](perf_core::Observe)
//! says what it measures, [`Tune`](perf_core::Tune) what can be set. [`PerformanceOptimizer`] needs
//! to know nothing else about it.
//!
//! ```
//! use perf_core::{
//!     Bounds, Component, Counter, Direction, Instant, Knob, KnobError, KnobValue, Observe, Signal,
//!     Tune, Turn, Turned,
//! };
//! use perf_engine::PerformanceOptimizer;
//! use std::sync::{Arc, Mutex};
//!
//! /// Sends mail in batches.
//! #[derive(Default)]
//! struct Mailer {
//!     sent: Counter,
//!     batch: Mutex<u64>,
//! }
//!
//! impl Observe for Mailer {
//!     fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
//!         visit(Signal::counter("sent", self.sent.get(), Instant::default()));
//!     }
//! }
//!
//! impl Tune for Mailer {
//!     fn knobs(&self) -> Vec<Knob> {
//!         vec![batch_knob(*self.batch.lock().unwrap())]
//!     }
//!
//!     fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
//!         let mut batch = self.batch.lock().unwrap();
//!         let knob = batch_knob(*batch);
//!         if turn.knob != knob.id {
//!             return Err(KnobError::Unknown { knob: turn.knob, known: vec![knob.id] });
//!         }
//!         knob.check(&turn)?;
//!         if let KnobValue::Count(to) = turn.to {
//!             *batch = to;
//!         }
//!         Ok(Turned { from: knob.value, to: turn.to, settles: None })
//!     }
//! }
//!
//! fn batch_knob(now: u64) -> Knob {
//!     let bounds = Bounds::Count { min: 1, max: 500, step: 10 };
//!     Knob::new("batch", "Batch size", KnobValue::Count(now), KnobValue::Count(50), bounds)
//!         .trades("More mail a second for a longer wait.")
//!         .moves("sent", Direction::Up)
//! }
//!
//! impl Component for Mailer {}
//!
//! let mailer = Arc::new(Mailer { batch: Mutex::new(50), ..Mailer::default() });
//! perf_core::assert_tune_contract(&*mailer); // in your tests
//!
//! let optimizer = PerformanceOptimizer::builder().build()?;
//! optimizer.register("mailer", &mailer)?;
//!
//! let to = KnobValue::Count(200);
//! let event = optimizer.turn("mailer", Turn { knob: "batch".into(), to, expect: None }, "ada")?;
//! assert_eq!(*mailer.batch.lock().unwrap(), 200);
//! optimizer.undo(event.id, "ada")?;
//! assert_eq!(*mailer.batch.lock().unwrap(), 50);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When not to use it
//!
//! - A program of one component that nobody watches: its own setters and `stats()` do.
//! - A fleet: this is the engine of one process. Scrape
//!   [`export_metrics`](PerformanceOptimizer::export_metrics) of each.
//!
//! # What it promises
//!
//! - Components are held weakly: dropping one unregisters it.
//! - Samples stand at whole multiples of the interval, on one thread named `perfkit-sampler` that
//!   ends at once with the last handle. No runtime is needed.
//! - A component, subscriber or health check that panics is counted and stepped over.
//! - A turn happens only if the knob still has the value that its asker expected; every turn is an
//!   event with the name of who did it; an undo that would overwrite somebody else's turn is
//!   refused and names them.
//! - Events, subscriptions, health checks and windows are bounded, and what went is counted.
//!
//! # Cost
//!
//! A round takes what the components take to report, and half a microsecond for each counter, about
//! ten for each histogram. [`History`](perf_analytics::History) says what a series costs.
//!
//! # Features
//!
//! - `cache`: [`PerformanceOptimizer`] brings a cache of bytes along, and carries out strategies of
//!   caches step by step (brings in `perf-cache`).
//! - `operations`: it brings an operations manager along (brings in `perf-async` and tokio).
//! - `bench`: [`benchmark`], the product's own performance benchmark (brings in `perf-bench`,
//!   `perf-http` and the cache's store on disk).

#[cfg(feature = "bench")]
mod benchmark;
#[cfg(any(feature = "cache", feature = "operations"))]
mod bundled;
#[cfg(all(feature = "cache", feature = "operations"))]
mod cache_loads;
#[cfg(feature = "cache")]
mod cache_plan;
mod engine;
mod event;
mod examine;
mod health;
mod listener;
mod optimizer;
mod registry;
mod sampler;
mod turning;
mod vitals;

#[cfg(feature = "bench")]
pub use benchmark::{DiskSection, benchmark};
#[cfg(feature = "cache")]
pub use bundled::BytesCache;
#[cfg(all(feature = "cache", feature = "operations"))]
pub use cache_loads::CacheLoads;
pub use event::{Event, EventKind};
pub use health::{ComponentHealth, Health, HealthView, Status, Verdict};
pub use listener::{Subscription, TooManySubscriptions};
pub use optimizer::{BuildError, ComponentKnob, OptimizerBuilder, PerformanceOptimizer};
pub use registry::NameTaken;
pub use turning::TurnError;
