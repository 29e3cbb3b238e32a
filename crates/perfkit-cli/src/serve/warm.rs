//! What the cache is warmed up with: a list of the user's, and what was hit most in the last run.

use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;
use perf_cache::warming::{WarmReport, WarmUp, read_keys, write_keys};
use perf_server::Gateway;
use std::path::PathBuf;

/// Both lists, and where the second is kept.
#[derive(Debug)]
pub(super) struct Lists {
    urls: Vec<String>,
    last: Vec<String>,
    kept: Option<PathBuf>,
}

impl Lists {
    /// Reads them. That there was no last run, or that its list is damaged, keeps nobody from a start;
    /// the latter is told.
    pub(super) fn read(settings: &Settings) -> Result<Lists, Failure> {
        let urls = match &settings.warm {
            Some(list) => read_keys(&list.value, MOST_URLS)
                .map_err(|error| Failure::from_error(&error).into_usage().within("warm"))?,
            None => Vec::new(),
        };
        let disk = settings.cache_disk.as_ref();
        let kept = disk.map(|disk| disk.directory.value.join(KEPT));
        let last = kept.as_ref().map(|path| read_keys(path, MOST_KEPT)).transpose();
        let last = last.unwrap_or_else(|error| {
            if !error.is_missing() {
                output::tell(&format!("perfkit: {error}; it is left out"));
            }
            None
        });
        Ok(Lists { urls, last: last.unwrap_or_default(), kept })
    }

    /// Brings the last run's from the disk to memory and fetches the user's, beside what clients ask
    /// for, and tells what came of the latter.
    pub(super) fn fetch(&self, gateway: &Gateway) {
        let up = || WarmUp::new().at_once(AT_ONCE);
        let recalled = gateway.recall(up(), self.last.clone());
        let warmed = gateway.warm(up(), self.urls.clone());
        let has_list = !self.urls.is_empty();
        tokio::spawn(async move {
            recalled.await;
            let WarmReport { loaded, failed, skipped, took, .. } = warmed.await;
            if has_list {
                output::tell(&format!(
                    "perfkit: warmed up in {took:.0?}: {loaded} fetched, {skipped} there already, \
                     {failed} not to be had or not to be stored"
                ));
            }
        });
    }

    /// Keeps what was hit most in this run, where there is a disk. `hottest` answers no more than so
    /// many; where it has none, the list of the run before stays.
    pub(super) async fn keep(&self, hottest: impl FnOnce(usize) -> Vec<String>) {
        let Some(path) = self.kept.clone() else { return };
        let hottest = hottest(MOST_KEPT);
        if hottest.is_empty() {
            return;
        }
        let written = tokio::task::spawn_blocking(move || {
            write_keys(&path, &hottest).map_err(|error| (path, error))
        });
        // A failure to join is a panic, which the runtime has reported.
        if let Ok(Err((path, error))) = written.await {
            output::tell(&format!(
                "perfkit: what was hit most cannot be kept in {}: {error}",
                path.display()
            ));
        }
    }
}

/// In the directory of the disk.
const KEPT: &str = "hottest.keys";
const MOST_KEPT: usize = 1_000;
const MOST_URLS: usize = 100_000;
/// An origin has clients to serve as well.
const AT_ONCE: usize = 4;
