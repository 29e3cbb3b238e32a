//! What is behind the memory of the cache, from its opening to its end.

use crate::failure::Failure;
use crate::output::{self, many};
use crate::settings::DiskSettings;
#[cfg(feature = "redis")]
use crate::settings::RedisSettings;
use perf_cache::disk::{CloseReport, DiskError, DiskStore};
use perf_core::ByteSize;
#[cfg(feature = "redis")]
use perf_server::GatewayConfig;
use std::sync::Arc;

/// Opens the store, and tells what was in it.
pub(super) fn open_disk(settings: &DiskSettings) -> Result<Arc<dyn DiskStore>, Failure> {
    let store = settings.open()?;
    let (found, usage) = (store.open_report(), store.usage());
    let end = if found.clean_shutdown { "" } else { ", whose process had been killed" };
    let mut line = format!(
        "perfkit: cache on disk {}: {}, {} of at most {}{end}, opened in {:.0?}",
        store.path().display(),
        many(found.recovered.saturating_sub(usage.pinned), "entry", "entries"),
        ByteSize::from_bytes(usage.file_bytes),
        ByteSize::from_bytes(usage.max_bytes),
        found.took
    );
    if found.dropped > 0 {
        line = format!("{line}; {} were ended, cut off or damaged", found.dropped);
    }
    output::tell(&line);
    Ok(store)
}

/// Shares the cache over a server, which need not be there yet.
#[cfg(feature = "redis")]
pub(super) fn share(settings: &RedisSettings, gateway: &mut GatewayConfig) {
    gateway.cache_redis = Some(settings.builder());
    settings.prefix().clone_into(&mut gateway.cache_redis_prefix);
    output::tell(&format!("perfkit: cache shared over {settings}, under {}", settings.prefix()));
}

/// Lets `close` write what waits and close the tiers beyond memory, if there are some, and tells what
/// is kept. `close` answers what became of a disk among them, and how many removals could not be made.
pub(super) async fn close(
    close: impl FnOnce() -> Option<(Option<Result<CloseReport, DiskError>>, u64)> + Send + 'static,
) {
    let closed = tokio::task::spawn_blocking(close);
    // An error is a panic, which the runtime has reported.
    let Ok(Some((closed, not_removed))) = closed.await else { return };
    match closed {
        None => {}
        Some(Ok(report)) => {
            let lost = match report.lost_bytes {
                0 => String::new(),
                lost => format!(", {} lost", ByteSize::from_bytes(lost)),
            };
            output::tell(&format!(
                "perfkit: cache on disk closed in {:.0?}: {} kept, {} flushed{lost}",
                report.took,
                many(report.entries, "entry", "entries"),
                ByteSize::from_bytes(report.flushed_bytes)
            ));
        }
        Some(Err(error)) => {
            output::tell(&format!("perfkit: {}", Failure::from_error(&error).within("cache-disk")));
        }
    }
    if not_removed > 0 {
        let removals = many(not_removed, "removal", "removals");
        output::tell(&format!(
            "perfkit: {removals} could not be made beyond memory: what was purged may be answered \
             after the next start, and by others that share a tier; purge it again then, or start with \
             an empty directory"
        ));
    }
}
