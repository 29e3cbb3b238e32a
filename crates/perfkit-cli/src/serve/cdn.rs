//! What is in front of the gateway, at the end.

use crate::output::{self, many};
use perf_server::CdnConfig;
use std::time::Duration;

/// Tells it what it has not been told yet, and tells what it was not.
pub(super) async fn close(cdn: CdnConfig) {
    let purger = cdn.purger().clone();
    let before = purger.stats().lost;
    let closed = tokio::task::spawn_blocking(move || purger.close(PATIENCE));
    // An error is a panic, which the runtime has reported.
    let Ok(report) = closed.await else { return };
    let lost = report.lost.saturating_sub(before);
    if lost > 0 {
        let items = many(lost, "item", "items");
        let service = cdn.purger().service();
        output::tell(&format!(
            "perfkit: {service} was not told to forget {items}: purge it there, or wait until what it \
             keeps has ended"
        ));
    }
}

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);
