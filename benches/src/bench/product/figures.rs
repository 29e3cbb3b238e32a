//! The figures of the product, by name, in nanoseconds, bytes, fractions or counts.

use super::Product;
use super::serving::Serving;
use super::site::Site;
use super::visits::{self, Visits};
use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    starts: usize,
    visits: usize,
    idle: Duration,
}

impl Effort {
    /// Enough for figures to quote, or just enough to see that all of it works.
    pub(crate) fn new(quick: bool) -> Effort {
        if quick {
            Effort { starts: 5, visits: 3_000, idle: Duration::from_secs(2) }
        } else {
            Effort { starts: 21, visits: 30_000, idle: Duration::from_secs(20) }
        }
    }
}

/// Figures by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    values: BTreeMap<String, f64>,
}

impl Figures {
    /// One figure, `None` if it was not measured.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// Adds a figure; what is no number was not measured.
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.values.insert(name.to_owned(), value);
        }
    }

    /// Measures everything that can be seen from outside.
    pub(crate) fn measure(product: &Product, effort: Effort) -> Result<Figures> {
        let mut figures = Figures::default();
        figures.set("program/size", product.size()? as f64);
        let site = Site::new()?;
        figures.starts(product, &site, effort)?;
        let serving = product.serve(site.root())?;
        figures.idle(&serving, effort);
        figures.dashboard(&serving)?;
        figures.pages(&serving, &site, effort)?;
        figures.api(&serving, effort)?;
        figures.set_memory(&serving);
        Ok(figures)
    }

    fn starts(&mut self, product: &Product, site: &Site, effort: Effort) -> Result<()> {
        eprintln!("starting perfkit serve {} times", effort.starts);
        let mut starts = Vec::with_capacity(effort.starts);
        for _ in 0..effort.starts {
            let serving = product.serve(site.root())?;
            let answer = visits::get(serving.listen, &site.paths[0], "br")?;
            ensure!(answer.status() == 200, "a fresh server answers {}", answer.status());
            starts.push(serving.start_up.as_secs_f64() * 1e9);
        }
        self.set("program/start-up", perf_stats::median(&starts)?);
        Ok(())
    }

    fn idle(&mut self, serving: &Serving, effort: Effort) {
        eprintln!("watching it idle for {:?}", effort.idle);
        let before = serving.processor_time();
        std::thread::sleep(effort.idle);
        if let (Some(before), Some(after)) = (before, serving.processor_time()) {
            let used = after.saturating_sub(before);
            self.set("program/idle-cpu", used.as_secs_f64() / effort.idle.as_secs_f64() / cores());
        }
    }

    /// What a first visit to the dashboard loads: the page and every file that it names.
    fn dashboard(&mut self, serving: &Serving) -> Result<()> {
        let page = visits::get(serving.admin, "/", "identity")?;
        ensure!(page.status() == 200, "the dashboard answers {}", page.status());
        let text = String::from_utf8_lossy(page.body()).into_owned();
        let files: BTreeSet<&str> =
            text.split(['"', '\'']).filter(|part| part.starts_with("/assets/")).collect();
        ensure!(!files.is_empty(), "the dashboard's page names no files");
        let mut sent = visits::get(serving.admin, "/", "br")?.body().len();
        for file in files {
            let answer = visits::get(serving.admin, file, "br")?;
            // The import map names folders too.
            if answer.status() == 200 {
                sent += answer.body().len();
            }
        }
        self.set("dashboard/brotli", sent as f64);
        Ok(())
    }

    fn pages(&mut self, serving: &Serving, site: &Site, effort: Effort) -> Result<()> {
        eprintln!("visiting {} files, then {} visits", site.paths.len(), effort.visits);
        let cold = visits::visit(serving.listen, site.paths.iter(), Duration::from_millis(2))?;
        ensure!(cold.failed == 0, "{} of {} first visits failed", cold.failed, cold.sent);
        self.route("page-first", &cold);
        self.set("responses/saved", 1.0 - cold.body_bytes as f64 / site.bytes as f64);

        let before = serving.processor_time();
        let popularity = Zipf::new(site.paths.len() as f64, SKEW).context("an empty site")?;
        let mut random = StdRng::seed_from_u64(SEED);
        // A tenth of the visits go to files in turn, so that the tail is visited too.
        let paths = (0..effort.visits).map(|visit| {
            let rank = popularity.sample(&mut random) as usize - 1;
            let turn = random.random_range(0..10) == 0;
            &site.paths[if turn { visit } else { rank } % site.paths.len()]
        });
        let warm = visits::visit(serving.listen, paths, PACE)?;
        if let (Some(before), Some(after)) = (before, serving.processor_time()) {
            let used = after.saturating_sub(before).as_secs_f64();
            self.set("load/cpu", used / warm.elapsed.as_secs_f64() / cores());
        }
        self.route("page", &warm);
        self.set("page/hit-ratio", warm.hit_ratio());
        self.set("asset/hit-ratio", warm.asset_hits as f64 / warm.assets as f64);
        let all = (cold.hits.count() + warm.hits.count()) as f64;
        self.set("site/hit-ratio", all / (cold.sent + warm.sent) as f64);
        self.set("network/payload", warm.body_bytes as f64 / warm.wire_bytes as f64);
        Ok(())
    }

    fn api(&mut self, serving: &Serving, effort: Effort) -> Result<()> {
        let count = (effort.visits / 30).max(50);
        let paths = std::iter::repeat_n("/api/performance/overview?span=5m", count);
        let visits = visits::visit(serving.admin, paths, Duration::from_millis(5))?;
        self.route("api-overview", &visits);
        Ok(())
    }

    fn route(&mut self, name: &str, visits: &Visits) {
        for (figure, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)] {
            if let Some(value) = visits.latency.quantile(q) {
                self.set(&format!("{name}/{figure}"), value as f64);
            }
        }
        if let Some(value) = visits.first_byte.quantile(0.95) {
            self.set(&format!("{name}/first-byte"), value as f64);
        }
        self.set(&format!("{name}/errors"), visits.error_ratio());
        self.set(&format!("{name}/response"), visits.body_bytes as f64 / visits.sent as f64);
    }

    fn set_memory(&mut self, serving: &Serving) {
        if let Some(resident) = serving.memory("VmRSS:") {
            self.set("program/resident", resident as f64);
        }
        if let Some(peak) = serving.memory("VmHWM:") {
            self.set("program/peak-resident", peak as f64);
        }
    }
}

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}

const SEED: u64 = 2026;
/// The exponent of Zipf's law: the usual choice for web pages.
const SKEW: f64 = 0.99;
/// A thousand visits a second.
const PACE: Duration = Duration::from_millis(1);
