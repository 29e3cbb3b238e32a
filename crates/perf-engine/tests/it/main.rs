//! What the engine does, seen from outside.

mod health;
mod listening;
mod pump;
mod registry;
mod sampling;
mod turning;
