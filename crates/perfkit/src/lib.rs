//! A performance toolkit: components that report signals and expose knobs, and an engine that
//! turns the knobs to move the signals.
//!
//! Each part is a crate of its own and worth having alone; this one only gathers them. What joins
//! them is small: a component implements [`Observe`] and [`Tune`], and whatever does can be watched
//! and steered by a [`PerformanceOptimizer`], your own components too.
//!
//! Two pieces meeting: a cache, and the engine that watches it and turns its capacity, with undo.
//!
#![cfg_attr(all(feature = "analytics", feature = "cache", feature = "engine"), doc = "```")]
#![cfg_attr(
    not(all(feature = "analytics", feature = "cache", feature = "engine")),
    // Without these features there is nothing to run it with; CI turns them all on.
    doc = "```ignore"
)]
//! use perfkit::analytics::OwnedReading;
//! use perfkit::cache::Cache;
//! use perfkit::{ByteSize, KnobId, KnobValue, PerformanceOptimizer, Turn};
//! use std::sync::Arc;
//!
//! let pages: Cache<String, String> = Cache::builder()
//!     .name("pages")
//!     .max_bytes(ByteSize::mib(64))
//!     .weigher(|path: &String, page: &String| (path.len() + page.len()) as u64)
//!     .build()?;
//! let pages = Arc::new(pages);
//! let optimizer = PerformanceOptimizer::builder().manual_sampling().build()?;
//! optimizer.register("pages", &pages)?;
//!
//! pages.insert("/".to_owned(), "welcome".to_owned());
//! assert!(pages.get("/").is_some());
//! assert!(pages.get("/nowhere").is_none());
//! optimizer.sample_now();
//! let signals = optimizer.signals();
//! let hits = signals.iter().find(|s| s.component == "pages" && s.name == "hits").unwrap();
//! assert!(matches!(hits.reading, OwnedReading::Counter(1)));
//!
//! // Anyone may turn a knob; the engine remembers who, and can take it back.
//! let to = KnobValue::Bytes(ByteSize::mib(128));
//! let turn = Turn { knob: KnobId::from("capacity"), to, expect: None };
//! let event = optimizer.turn("pages", turn, "the example")?;
//! optimizer.undo(event.id, "the example")?;
//! assert_eq!(optimizer.events().len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which piece for what
//!
//! | Module | For | Feature |
//! |---|---|---|
//! | root | the words all share: [`Clock`], [`Signal`], [`Knob`], [`Histogram`], [`ByteSize`] | always |
//! | `cache` | values that are costly to make: single flight, bounds, time to live | `cache` |
//! | `cache::cached` | functions whose answers are kept: `#[cached(ttl = "5m")]` | `macros` |
//! | `cache::Plain` | types of your own in a `PlainCache`: `#[derive(Plain)]` | `cache`; the derive `macros` |
//! | `operations` | work that must not all run at once: priorities, limits, time-outs, retries, breakers, batches, pools, lazy values | `operations` |
//! | `operations::OnThread` | work that computes or blocks, on threads of the manager's own | `lanes`; in parallel within one `rayon` |
//! | `operations::OperationsLayer` | requests of a tower service as operations | `tower` |
//! | `operations::test_queue` | test cases and commands by the hundred | `test-queue` |
//! | `analytics` | what happened lately: windows, percentiles, Prometheus text | `analytics` |
//! | `guard` | calls that may fail: breaker, rate limit, back-off, retry budget, deadline | `guard` |
//! | `http` | HTTP services on tower: response cache, codings, ETags, measuring | `http` |
//! | root | `PerformanceOptimizer`: the registry, sampling, turning, health | `engine` |
//! | `bench` | whether a change is slower; suites of figures; the product's own is `engine::benchmark` | `bench` |
//!
//! # When not to use it
//!
//! If one piece is enough, depend on its crate alone: `perf-cache`, `perf-async` and so on. If you
//! want a gateway in front of something that is already running, install the program `perfkit`
//! instead and change no code.
//!
//! # Features
//!
//! `cache`, `operations`, `analytics`, `engine` and `guard` are on by default. `http` builds zstd,
//! which is C code, and `macros` a parser of the whole language; `redis` adds `cache::remote`, a Redis
//! or Valkey as a tier of a cache; `stream` makes `operations::Pages` a stream. Without any of them the crate is `perf-core` under another
//! name.

pub use perf_core::*;

#[cfg(feature = "cache")]
#[doc(inline)]
pub use perf_cache as cache;

#[cfg(feature = "operations")]
#[doc(inline)]
pub use perf_async as operations;

#[cfg(feature = "analytics")]
#[doc(inline)]
pub use perf_analytics as analytics;

#[cfg(feature = "guard")]
#[doc(inline)]
pub use perf_guard as guard;

#[cfg(feature = "http")]
#[doc(inline)]
pub use perf_http as http;

#[cfg(feature = "engine")]
#[doc(inline)]
pub use perf_engine as engine;
#[cfg(feature = "engine")]
#[doc(no_inline)]
pub use perf_engine::PerformanceOptimizer;

#[cfg(feature = "bench")]
#[doc(inline)]
pub use perf_bench as bench;
