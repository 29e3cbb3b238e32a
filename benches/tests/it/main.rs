//! Definitions, traces and subjects as their users see them.

mod counts;
mod definitions;
mod history;
mod subjects;
mod traces;
