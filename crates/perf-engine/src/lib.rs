//! Watches and steers the components of a service.

#[cfg(any(feature = "cache", feature = "operations"))]
mod bundled;
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

#[cfg(feature = "cache")]
pub use bundled::BytesCache;
pub use event::{Event, EventKind};
pub use health::{ComponentHealth, Health, HealthView, Status, Verdict};
pub use listener::{Subscription, TooManySubscriptions};
pub use optimizer::{BuildError, ComponentKnob, OptimizerBuilder, PerformanceOptimizer};
pub use registry::NameTaken;
pub use turning::TurnError;
