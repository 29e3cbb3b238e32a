//! The macros as users of `perfkit` meet them, who depend on nothing else of ours.

#![deny(warnings, missing_docs, unused, clippy::all, clippy::pedantic)]

pub mod accepted;
pub mod plain;
mod refused;
