//! What the demo found, as a table for people and as JSON for programs.

use super::best::{Best, best_possible};
use super::phase::{CODING_NAMES, Outcome};
use super::site::Site;
use crate::bars::bar;
use crate::failure::Failure;
use perf_bench::load::wire::Timing;
use perf_core::ByteSize;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// What the demo found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    site: String,
    pages: usize,
    seed: u64,
    connections: usize,
    /// Requests with the cache on.
    requests: u64,
    hit_ratio: f64,
    best_possible: f64,
    best_possible_method: &'static str,
    collapsed: u64,
    /// How many first requests both sides below are about.
    compared_requests: usize,
    cached: Side,
    uncached: Side,
    /// Bytes of bodies that encoding kept off the wire, with the cache on.
    bytes_saved: u64,
    bytes_sent: u64,
    bytes_identity: u64,
    codings: Codings,
    uncached_codings: Codings,
    requests_per_second: PerSecond,
    all_cached_p50_ms: f64,
    all_cached_p95_ms: f64,
    all_cached_p99_ms: f64,
    checked_bodies: u64,
    /// Bodies that should have been checked too, but the checks did not keep up.
    skipped_checks: u64,
}

/// Answers by coding.
#[derive(Debug, Serialize)]
struct Codings {
    br: u64,
    zstd: u64,
    gzip: u64,
    identity: u64,
}

impl Codings {
    fn of(outcome: &Outcome) -> Codings {
        let [br, zstd, gzip, identity] = outcome.codings;
        Codings { br, zstd, gzip, identity }
    }
}

#[derive(Debug, Serialize)]
struct PerSecond {
    cached: f64,
    uncached: f64,
}

/// The times of one side of the comparison.
#[derive(Debug, PartialEq, Serialize)]
struct Side {
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    mean_ms: f64,
    ttfb_p50_ms: f64,
    ttfb_p95_ms: f64,
    ttfb_p99_ms: f64,
}

impl Report {
    pub(crate) fn new(
        site: &Site,
        seed: u64,
        connections: usize,
        capacity: ByteSize,
        uncached: &Outcome,
        cached: &Outcome,
    ) -> Result<Report, String> {
        // The last requests of a run may not have been answered: only what both have counts.
        let both: Vec<(Timing, Timing)> = uncached
            .first
            .iter()
            .zip(&cached.first)
            .filter_map(|(without, with)| Some(((*without)?, (*with)?)))
            .collect();
        if both.is_empty() {
            return Err("no request was answered in the time: give it more with --for".to_owned());
        }
        let sizes: Vec<u64> = site.pages.iter().map(|page| page.bytes).collect();
        let Best { hit_ratio: best, method } =
            best_possible(&cached.order, &sizes, capacity.as_u64());
        let quantile = |q| cached.whole.quantile(q).map_or(0.0, |ns| ns as f64 / 1e6);
        Ok(Report {
            site: site.title.clone(),
            pages: site.pages.len(),
            seed,
            connections,
            requests: cached.requests,
            hit_ratio: cached.hits as f64 / cached.requests.max(1) as f64,
            best_possible: best,
            best_possible_method: method,
            collapsed: cached.collapsed,
            compared_requests: both.len(),
            cached: Side::of(both.iter().map(|(_, with)| *with)),
            uncached: Side::of(both.iter().map(|(without, _)| *without)),
            bytes_saved: cached.page_bytes.saturating_sub(cached.body_bytes),
            bytes_sent: cached.body_bytes + cached.head_bytes,
            bytes_identity: cached.page_bytes,
            codings: Codings::of(cached),
            uncached_codings: Codings::of(uncached),
            requests_per_second: PerSecond {
                cached: per_second(cached),
                uncached: per_second(uncached),
            },
            all_cached_p50_ms: quantile(0.5),
            all_cached_p95_ms: quantile(0.95),
            all_cached_p99_ms: quantile(0.99),
            checked_bodies: cached.checked.compared + uncached.checked.compared,
            skipped_checks: cached.checked.skipped + uncached.checked.skipped,
        })
    }

    /// The report as one line of JSON.
    pub(crate) fn to_json(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(|error| Failure::from_error(&error))
    }
}

fn per_second(outcome: &Outcome) -> f64 {
    outcome.requests as f64 / outcome.elapsed.as_secs_f64().max(1e-9)
}

impl Side {
    fn of(timings: impl Iterator<Item = Timing> + Clone) -> Side {
        let sorted = |time: fn(&Timing) -> Duration| {
            let mut times: Vec<Duration> = timings.clone().map(|t| time(&t)).collect();
            times.sort_unstable();
            times
        };
        let whole = sorted(|t| t.whole);
        let first = sorted(|t| t.first_byte);
        let mean = whole.iter().sum::<Duration>().as_secs_f64() / whole.len().max(1) as f64;
        Side {
            p50_ms: quantile(&whole, 0.50),
            p95_ms: quantile(&whole, 0.95),
            p99_ms: quantile(&whole, 0.99),
            mean_ms: mean * 1e3,
            ttfb_p50_ms: quantile(&first, 0.50),
            ttfb_p95_ms: quantile(&first, 0.95),
            ttfb_p99_ms: quantile(&first, 0.99),
        }
    }
}

/// The value at or below which a fraction of the sorted times lie, in milliseconds.
fn quantile(sorted: &[Duration], q: f64) -> f64 {
    let at = ((sorted.len() as f64 * q).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

const WIDTH: usize = 24;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Codings { br, zstd, gzip, identity } = self.codings;
        let share = |n: u64| n as f64 / self.requests.max(1) as f64 * 100.0;
        writeln!(
            f,
            "{}: {} pages, Zipf {}, {} connections, seed {}\n",
            self.site,
            self.pages,
            super::sequence::SKEW,
            self.connections,
            self.seed
        )?;
        writeln!(f, "  Requests through the cache  {}", self.requests)?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, ratio: f64, note: &str| {
            let bar = bar(ratio, 1.0, WIDTH);
            writeln!(f, "  {name:<27} {:>8.3} %  {bar:<WIDTH$}  {note}", ratio * 100.0)
        };
        row(f, "Hit ratio reached", self.hit_ratio, "")?;
        row(f, "Best possible", self.best_possible, self.best_possible_method)?;
        writeln!(f)?;
        writeln!(
            f,
            "  First {} requests, same order and codings, file cache warm for both",
            self.compared_requests
        )?;
        writeln!(f, "  {:<27} {:>10} {:>10}", "", "cache off", "cache on")?;
        let (off, on) = (&self.uncached, &self.cached);
        for (name, off, on) in [
            ("Time to first byte, p50", off.ttfb_p50_ms, on.ttfb_p50_ms),
            ("Whole answer, p50", off.p50_ms, on.p50_ms),
            ("Whole answer, p95", off.p95_ms, on.p95_ms),
            ("Whole answer, p99", off.p99_ms, on.p99_ms),
        ] {
            let times = if on > 0.0 { off / on } else { 0.0 };
            writeln!(
                f,
                "  {name:<27} {:>10} {:>10}  {:<WIDTH$}  {times:.1} x",
                Milliseconds(off).to_string(),
                Milliseconds(on).to_string(),
                bar(on, off.max(on), WIDTH)
            )?;
        }
        let per_second = &self.requests_per_second;
        writeln!(
            f,
            "  {:<27} {:>8.0}/s {:>8.0}/s",
            "Requests (whole run)", per_second.uncached, per_second.cached
        )?;
        writeln!(f)?;
        let saved = self.bytes_saved as f64 / self.bytes_identity.max(1) as f64;
        row(
            f,
            "Bytes saved on the wire",
            saved,
            &format!(
                "{} of {}",
                ByteSize::from_bytes(self.bytes_saved),
                ByteSize::from_bytes(self.bytes_identity)
            ),
        )?;
        writeln!(
            f,
            "  {:<27} br {:.1} %, zstd {:.1} %, gzip {:.1} %, none {:.1} %",
            "Sent as",
            share(br),
            share(zstd),
            share(gzip),
            share(identity)
        )?;
        write!(
            f,
            "  {:<27} all by status and coding, {} decoded and compared with their files",
            "Answers checked", self.checked_bodies
        )
    }
}

/// A time with as many digits as matter.
struct Milliseconds(f64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms >= 100.0 => write!(f, "{ms:.0} ms"),
            ms if ms >= 10.0 => write!(f, "{ms:.1} ms"),
            ms if ms >= 1.0 => write!(f, "{ms:.2} ms"),
            ms => write!(f, "{:.0} µs", ms * 1e3),
        }
    }
}

const _: () = assert!(CODING_NAMES.len() == 4);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::site::Page;

    fn timing(ms: u64) -> Timing {
        Timing { first_byte: Duration::from_millis(ms), whole: Duration::from_millis(2 * ms) }
    }

    fn outcome(first: &[Option<u64>]) -> Outcome {
        Outcome {
            order: vec![0; first.len()],
            first: first.iter().map(|ms| ms.map(timing)).collect(),
            requests: first.len() as u64,
            hits: 1,
            page_bytes: 100,
            body_bytes: 30,
            codings: [1, 1, 1, 0],
            elapsed: Duration::from_secs(1),
            ..Outcome::default()
        }
    }

    fn site() -> Site {
        let page = Page { path: "/a".into(), file: "a".into(), bytes: 10 };
        Site { root: "site".into(), title: "a site".into(), size: 1, pages: vec![page] }
    }

    #[test]
    fn only_requests_answered_on_both_sides_are_compared() {
        let (off, on) = (outcome(&[Some(9), Some(7), None]), outcome(&[Some(1), None, Some(3)]));
        let report = Report::new(&site(), 1, 2, ByteSize::mib(1), &off, &on).unwrap();
        assert_eq!(report.compared_requests, 1);
        assert_eq!((report.uncached.p50_ms, report.cached.ttfb_p50_ms), (18.0, 1.0));
        assert_eq!(report.bytes_saved, 70);
        assert!((report.best_possible - 2.0 / 3.0).abs() < 1e-9);
        let text = report.to_string();
        for part in ["cache off", "cache on", "Best possible", "70.000 %"] {
            assert!(text.contains(part), "{text}");
        }
        let json = serde_json::to_value(&report).unwrap();
        for field in ["requests", "hit_ratio", "best_possible", "bytes_saved"] {
            assert!(json[field].is_number(), "{json}");
        }
    }

    #[test]
    fn nothing_answered_is_said() {
        let nothing = Outcome::default();
        let error = Report::new(&site(), 1, 2, ByteSize::mib(1), &nothing, &nothing).unwrap_err();
        assert!(error.contains("--for"));
    }

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 0.5), 50.0);
        assert_eq!(quantile(&times, 0.99), 99.0);
        assert_eq!(quantile(&times[..1], 0.99), 1.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
