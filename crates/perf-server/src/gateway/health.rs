//! Whether the tiers behind the memory of the cache are well.

use perf_analytics::{Select, Span};
use perf_engine::{HealthView, Verdict};
use std::time::Duration;

/// What it says of the component `tiers`. A tier that is not well is passed by, so that requests are
/// answered all the same: nothing is worse than degraded.
pub(super) fn check(view: &HealthView<'_>) -> Verdict {
    let is_passed_by = |tier: &str| {
        let state = Select::new(view.component(), "tier_breaker").label("tier", tier);
        view.history().gauge(&state, Span::last(LATELY)).is_some_and(|state| state >= 0.5)
    };
    if let Some(verdict) = shared(view, is_passed_by("redis")) {
        return verdict;
    }
    if is_passed_by("disk") {
        return Verdict::degraded(
            "the disk fails or takes too long, and is passed by",
            "see whether it is full or gone; it is tried again every few seconds",
        );
    }
    Verdict::healthy()
}

/// Of the server that others use as well.
fn shared(view: &HealthView<'_>, is_passed_by: bool) -> Option<Verdict> {
    let redis = |signal: &str| Select::new("redis", signal);
    let silent = view.history().gauge(&redis("unheard_for"), Span::last(LATELY));
    let silent = silent.filter(|seconds| *seconds >= SILENCE);
    if !is_passed_by && silent.is_none() {
        return None;
    }
    let since = silent.map_or(String::new(), |seconds| format!(" for {seconds:.0} s"));
    let count = |signal: &str| view.history().counter(&redis(signal), Span::last(LATELY));
    let (what, remedy) = if count("failed_connects") > 0 {
        ("cannot be connected to", "start it, or mend address, password or certificates")
    } else if count("too_late") > 0 {
        ("does not answer in time", "see what keeps it busy, or raise cache-redis-deadline")
    } else if count("errors") > 0 {
        ("answers errors", "see its log and its settings: memory, rights, replica or master")
    } else {
        ("is not heard of", "start it, or see what is between it and this machine")
    };
    Some(Verdict::degraded(
        format!(
            "the server of the shared cache {what}{since}: answers come from memory and the origin, \
             and memory is emptied each stale window, since others may have invalidated something"
        ),
        remedy,
    ))
}

/// The server is heard of several times a second where all is well.
const SILENCE: f64 = 2.0;
const LATELY: Duration = Duration::from_secs(30);
