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
    let (what, remedy) = if count("failed_connects") > 0 && silent.is_some() {
        ("cannot be connected to", "start it, or mend address, password or certificates")
    } else if count("too_late") > 0 {
        ("does not answer in time", "see what keeps it busy, or raise cache-redis-deadline")
    } else if count("errors") > 0 {
        ("answers errors", "see its log and its settings: memory, rights, replica or master")
    } else if silent.is_none() {
        (
            "failed, and is heard of again",
            "nothing is to be done: one of the next requests tries it",
        )
    } else {
        ("is not heard of", "start it, or see what is between it and this machine")
    };
    let then = match silent {
        Some(_) => {
            ", and memory is emptied each stale window, since others may have invalidated something"
        }
        None => "",
    };
    Some(Verdict::degraded(
        format!(
            "the server of the shared cache {what}{since}: answers come from memory and the \
             origin{then}"
        ),
        remedy,
    ))
}

/// The server is heard of several times a second where all is well.
const SILENCE: f64 = 2.0;
const LATELY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use perf_core::{
        Component, Instant, Knob, KnobError, Observe, Signal, Tune, Turn, Turned, Unit,
    };
    use perf_engine::{PerformanceOptimizer, Status};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A tier that is passed by, over a server that was heard of so many seconds ago.
    #[derive(Debug)]
    struct PassedBy(f64, AtomicU64);

    impl Observe for PassedBy {
        fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
            let labels = [("tier", "redis")];
            visit(Signal::gauge("tier_breaker", Unit::None, 1.0).labels(&labels));
            visit(Signal::gauge("unheard_for", Unit::Seconds, self.0));
            let failed = self.1.fetch_add(1, Ordering::Relaxed);
            visit(Signal::counter("failed_connects", failed, Instant::from_nanos(0)));
        }
    }

    impl Tune for PassedBy {
        fn knobs(&self) -> Vec<Knob> {
            Vec::new()
        }

        fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
            Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
        }
    }

    impl Component for PassedBy {}

    fn reason(unheard_for: f64) -> String {
        let (clock, hand) = perf_core::Clock::manual();
        let optimizer =
            PerformanceOptimizer::builder().manual_sampling().clock(clock).build().unwrap();
        let double = Arc::new(PassedBy(unheard_for, AtomicU64::new(0)));
        optimizer.register("tiers", &double).unwrap();
        optimizer.register("redis", &double).unwrap();
        optimizer.check_health("tiers", check);
        for _ in 0..3 {
            hand.advance(Duration::from_secs(1));
            optimizer.sample_now();
        }
        let all = optimizer.health_status().components;
        let tiers = all.into_iter().find(|one| one.component == "tiers").unwrap();
        assert_eq!(tiers.status, Status::Degraded);
        tiers.reason
    }

    #[test]
    fn a_server_that_is_back_is_not_said_to_be_away() {
        let away = reason(7.0);
        assert!(
            away.contains("cannot be connected to for 7 s") && away.contains("window"),
            "{away}"
        );
        let back = reason(0.1);
        assert!(back.contains("heard of again") && !back.contains("window"), "{back}");
    }
}
