//! An HTTP store as a tier, and purging: over doubles that each test has for itself, and over the
//! real servers.

mod cloudflare;
mod cloudfront;
mod double;
mod edge;
mod nginx;
mod process;
mod purger;
mod telling;
mod varnish;

use std::thread;
use std::time::{Duration, Instant};

/// Nothing is to take that long, on a machine however busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Short, for what is to hang.
const SHORT: Duration = Duration::from_millis(100);

/// Looks until it is so.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
