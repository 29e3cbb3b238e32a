//! Watches and steers the components of a service.

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

pub use event::{Event, EventKind};
pub use health::{ComponentHealth, Health, HealthView, Status, Verdict};
pub use listener::{Subscription, TooManySubscriptions};
pub use optimizer::{BuildError, ComponentKnob, OptimizerBuilder, PerformanceOptimizer};
pub use registry::NameTaken;
pub use turning::TurnError;
