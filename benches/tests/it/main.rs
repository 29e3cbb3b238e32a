//! Definitions, traces and subjects as their users see them.

mod definitions;
mod history;
mod subjects;
mod traces;
