//! Definitions, traces and subjects as their users see them.

mod definitions;
mod subjects;
mod traces;
