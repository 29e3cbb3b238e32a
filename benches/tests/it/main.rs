//! Definitions and traces as their users see them.

mod definitions;
mod traces;
