//! Drives an HTTP server and tells what it bears.

pub mod wire;
