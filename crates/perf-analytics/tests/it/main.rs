//! What the crate does, seen from outside.

mod export;
mod history;
mod model;
mod recorder;
