//! The figures of the product, by name, in nanoseconds, bytes, fractions or counts.

use super::serving::Serving;
use super::site::Site;
use super::visits::{self, Visits};
use super::{Product, sockets};
use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    quick: bool,
    starts: usize,
    visits: usize,
    idle: Duration,
    load: Duration,
}

impl Effort {
    /// Enough for figures to quote, or just enough to see that all of it works.
    pub(crate) fn new(quick: bool) -> Effort {
        if quick {
            Effort {
                quick,
                starts: 5,
                visits: 2_000,
                idle: Duration::from_secs(2),
                load: Duration::from_secs(5),
            }
        } else {
            Effort {
                quick,
                starts: 21,
                visits: 10_000,
                idle: Duration::from_secs(20),
                load: Duration::from_secs(30),
            }
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
        figures.load(product, &serving, &site, effort)?;
        figures.api(&serving, effort)?;
        figures.set_memory(&serving);
        figures.sockets(&serving, effort);
        drop(serving);
        figures.suite(product, effort);
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

    /// What a first visit to the dashboard loads: the page and the files that its tags name.
    fn dashboard(&mut self, serving: &Serving) -> Result<()> {
        let page = visits::get(serving.admin, "/", "identity")?;
        ensure!(page.status() == 200, "the dashboard answers {}", page.status());
        let text = String::from_utf8_lossy(page.body()).into_owned();
        let files: BTreeSet<&str> = ["href=\"", "src=\""]
            .iter()
            .flat_map(|attribute| text.split(attribute).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|path| path.starts_with("/assets/"))
            .collect();
        ensure!(!files.is_empty(), "the dashboard's page names no files");
        let mut sent = visits::get(serving.admin, "/", "br")?.body().len();
        for file in files {
            let answer = visits::get(serving.admin, file, "br")?;
            ensure!(answer.status() == 200, "{file} of the dashboard answers {}", answer.status());
            sent += answer.body().len();
        }
        self.set("dashboard/brotli", sent as f64);
        Ok(())
    }

    fn sockets(&mut self, serving: &Serving, effort: Effort) {
        match sockets::pings(serving.admin, effort.visits / 50) {
            Ok(pings) => {
                if let Some(p99) = pings.quantile(0.99) {
                    self.set("live/latency", p99 as f64);
                }
            }
            Err(error) => eprintln!("no live socket: {error:#}"),
        }
        eprintln!("opening {SOCKETS} live sockets");
        self.set("live/sockets", sockets::open_at_once(serving.admin, SOCKETS) as f64);
    }

    /// What `perfkit bench suite` finds, each under `suite/` and its id.
    fn suite(&mut self, product: &Product, effort: Effort) {
        eprintln!("running perfkit bench suite");
        let quick = if effort.quick { &["--quick"][..] } else { &[] };
        match product.json(&[&["bench", "suite", "--json"], quick].concat()) {
            Ok(report) => self.read_suite(&report),
            Err(error) => eprintln!("no figures of the suite: {error:#}"),
        }
    }

    /// Times are the 95 % point of batches, where there are batches: a promise is for the slow too,
    /// but not for a batch during which the machine did something else.
    fn read_suite(&mut self, report: &Value) {
        for section in report["sections"].as_array().into_iter().flatten() {
            for figure in section["figures"].as_array().into_iter().flatten() {
                let scale = match figure["unit"].as_str() {
                    Some("us") => 1e3,
                    Some("ms") => 1e6,
                    Some("s") => 1e9,
                    _ => 1.0,
                };
                let value = figure["spread"]["p95"].as_f64().or_else(|| figure["value"].as_f64());
                if let (Some(id), Some(value)) = (figure["id"].as_str(), value) {
                    self.set(&format!("suite/{id}"), value * scale);
                }
            }
        }
    }

    /// Each file once, then again by popularity: how often the cache answers, how much is sent.
    fn pages(&mut self, serving: &Serving, site: &Site, effort: Effort) -> Result<()> {
        eprintln!("visiting {} files, then {} visits", site.paths.len(), effort.visits);
        let cold = visits::visit(serving.listen, site.paths.iter(), Duration::from_millis(2))?;
        ensure!(cold.failed == 0, "{} of {} first visits failed", cold.failed, cold.sent);
        self.route("page-first", &cold);
        self.set("responses/saved", 1.0 - cold.body_bytes as f64 / site.bytes as f64);

        let popularity = Zipf::new(site.paths.len() as f64, SKEW).context("an empty site")?;
        let mut random = StdRng::seed_from_u64(SEED);
        let paths = (0..effort.visits)
            .map(|_| &site.paths[popularity.sample(&mut random) as usize % site.paths.len()]);
        let warm = visits::visit(serving.listen, paths, PACE)?;
        self.set("page/hit-ratio", warm.hit_ratio());
        self.set("asset/hit-ratio", warm.asset_hits as f64 / warm.assets as f64);
        let all = (cold.hits.count() + warm.hits.count()) as f64;
        self.set("site/hit-ratio", all / (cold.sent + warm.sent) as f64);
        if let Some(first_byte) = warm.first_byte.quantile(0.95) {
            self.set("page/first-byte", first_byte as f64);
        }
        Ok(())
    }

    /// The same site under `perfkit load`: a thousand requests a second from their own times.
    fn load(
        &mut self,
        product: &Product,
        serving: &Serving,
        site: &Site,
        effort: Effort,
    ) -> Result<()> {
        eprintln!("loading it for {:?}", effort.load);
        let paths: Vec<String> = site.paths.iter().map(|path| format!("{path:?}")).collect();
        let scenario = tempfile::Builder::new().suffix(".toml").tempfile()?;
        std::fs::write(
            scenario.path(),
            format!(
                "target = \"http://{}\"\nrate = 1000\nfor = \"{}s\"\nseed = {SEED}\n\
                 headers = {{ accept-encoding = \"{}\" }}\n\
                 [[request]]\nname = \"page\"\nzipf = {SKEW}\nurls = [{}]\n",
                serving.listen,
                effort.load.as_secs(),
                visits::CODINGS,
                paths.join(", ")
            ),
        )?;
        let (before, start) = (serving.processor_time(), Instant::now());
        let report = product.json(&["load", &scenario.path().to_string_lossy(), "--json"])?;
        let lasted = start.elapsed();
        if let (Some(before), Some(after)) = (before, serving.processor_time()) {
            let used = after.saturating_sub(before).as_secs_f64();
            self.set("load/cpu", used / lasted.as_secs_f64() / cores());
        }
        self.read_load(&report);
        Ok(())
    }

    /// A void run says nothing of the product's latency; its counts hold.
    fn read_load(&mut self, report: &Value) {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        match report["void"].as_str() {
            Some(why) => eprintln!("no latencies, the load run is void: {why}"),
            None => {
                for (name, key) in
                    [("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("p99.9", "p999")]
                {
                    self.set(&format!("page/{name}"), number(&report["latency"][key]));
                }
            }
        }
        self.set("page/errors", number(&report["error_ratio"]));
        let bodies = number(&report["body_bytes"]);
        self.set("page/response", bodies / number(&report["answered"]));
        self.set("network/payload", bodies / number(&report["wire_bytes"]));
    }

    fn api(&mut self, serving: &Serving, effort: Effort) -> Result<()> {
        let count = effort.visits / 10;
        let paths = std::iter::repeat_n("/api/performance/overview?span=5m", count);
        let visits = visits::visit(serving.admin, paths, Duration::from_millis(5))?;
        self.route("api-overview", &visits);
        Ok(())
    }

    fn route(&mut self, name: &str, visits: &Visits) {
        for (figure, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
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

/// As many as were promised.
const SOCKETS: usize = 1_000;
const SEED: u64 = 2026;
/// The exponent of Zipf's law: the usual choice for web pages.
const SKEW: f64 = 0.99;
/// A thousand visits a second.
const PACE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_of_the_suite_are_read_in_nanoseconds() {
        let mut figures = Figures::default();
        figures.read_suite(&json!({"sections": [
            {"name": "cache", "figures": [
                {"id": "cache/get", "value": 2.0, "unit": "us", "spread": {"p95": 3.0}},
                {"id": "cache/hit_ratio", "value": 0.9, "unit": "fraction"}]},
            {"name": "broken", "failure": "it panicked"}]}));
        assert_eq!(figures.get("suite/cache/get"), Some(3_000.0));
        assert_eq!(figures.get("suite/cache/hit_ratio"), Some(0.9));
    }

    #[test]
    fn a_void_load_run_gives_no_latency() {
        let mut report = json!({"void": null, "latency": {"p50": 5.0, "p999": 9.0},
            "error_ratio": 0.0, "answered": 10, "body_bytes": 800, "wire_bytes": 1000});
        let mut sound = Figures::default();
        sound.read_load(&report);
        assert_eq!((sound.get("page/p50"), sound.get("page/p99.9")), (Some(5.0), Some(9.0)));
        assert_eq!(sound.get("page/p95"), None);
        assert_eq!(sound.get("network/payload"), Some(0.8));
        report["void"] = json!("sent too late");
        let mut void = Figures::default();
        void.read_load(&report);
        assert_eq!((void.get("page/p50"), void.get("page/errors")), (None, Some(0.0)));
    }
}
