//! The statistics, seen from outside.

mod any_input;
mod change_points;
mod coverage;
mod references;
