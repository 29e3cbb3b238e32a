//! Atomics and locks for the code whose protocols are modelled: std's, or loom's under
//! `--cfg perf_loom`, which then walks through every order in which threads may meet.

#[cfg(perf_loom)]
pub(crate) use loom::sync::atomic::*;
#[cfg(not(perf_loom))]
pub(crate) use std::sync::atomic::*;
