//! The product's own performance benchmark: what its parts take, each with the answers checked.

mod analytics;
mod cache;
mod disk;
mod engine;
mod http;
mod operations;

pub use disk::DiskSection;
use perf_bench::suite::{PerformanceBenchmark, SectionFailure};
use tokio::runtime::{Builder, Runtime};

/// The performance benchmark of cache, operations, HTTP layers, analytics and engine.
///
/// Ids of its figures stay the same from version to version:
///
/// - `cache/lookup`, `cache/lookup_miss`, `cache/set`, `cache/round_trip`, `cache/zipf_hit_ratio`;
/// - `operations/run`, `operations/queue`, `operations/submit_and_wait`;
/// - `http/hit`, `http/not_modified`, `http/miss`, `http/bytes_saved`;
/// - `analytics/record`, `analytics/record_by_name`, `analytics/query`;
/// - `engine/threshold_check`, `engine/knob_check`, `engine/sample`, `engine/export`.
///
/// More sections can be added, such as that of the database or [`DiskSection`].
///
/// ```
/// let report = perf_engine::benchmark().quick(true).only(&["analytics"])?.run();
/// assert!(report.complete);
/// assert!(report.figure("analytics/record").unwrap().millis().unwrap() < 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn benchmark() -> PerformanceBenchmark {
    PerformanceBenchmark::new()
        .section(cache::Section)
        .section(operations::Section)
        .section(http::Section)
        .section(analytics::Section)
        .section(engine::Section)
}

/// A runtime on the thread that measures.
fn runtime() -> Result<Runtime, SectionFailure> {
    Builder::new_current_thread().enable_time().build().map_err(SectionFailure::failed)
}

#[cfg(test)]
mod tests {
    /// Every id that the documentation of [`super::benchmark`] promises.
    fn promised() -> Vec<String> {
        let text = include_str!("benchmark.rs");
        let docs = text.lines().filter(|line| line.starts_with("/// - `"));
        let ids: Vec<String> =
            docs.flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
        assert!(ids.len() > 15, "{ids:?}");
        ids
    }

    #[test]
    fn every_section_runs_and_has_the_figures_it_promises() {
        let report = super::benchmark().quick(true).run();
        for section in &report.sections {
            assert_eq!(section.failure, None, "{}", section.name);
            assert!(section.checked > 0 && section.notes.is_empty(), "{section:?}");
        }
        for id in promised() {
            let figure = report.figure(&id).unwrap_or_else(|| panic!("no figure {id}"));
            assert!(figure.value > 0.0, "{figure:?}");
        }
        let figures: usize = report.sections.iter().map(|section| section.figures.len()).sum();
        assert_eq!(figures, promised().len(), "a figure is not documented");
    }
}
