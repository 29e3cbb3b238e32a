//! `perfkit cache replay`: hit ratios by policy and size, the miss-ratio curve, a recommendation.

use super::advice::Advice;
use super::arguments::ReplayArguments;
use super::cells::{Plan, Results};
use super::plot::{Plot, Signs};
use super::read::{self, Recorded};
use super::scale::Axes;
use super::sizes::count;
use super::svg::{self, Line, Panel, Stroke};
use super::table;
use crate::failure::Failure;
use crate::output;
use perf_bench::report::{Block, Document, Section};
use perf_cache::policy::PolicyKind;
use perf_cache::replay::Room;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) fn run(arguments: &ReplayArguments) -> Result<(), Failure> {
    let inputs: Vec<&Path> = arguments.files.iter().map(|file| file.as_path()).collect();
    output::prepare(arguments.svg.as_deref(), &inputs)?;
    let mut traces = Vec::new();
    for file in &arguments.files {
        let recorded = read::read(file, &arguments.input)?;
        if let Some(size) = arguments.sizes.iter().find(|size| size.is_bytes())
            && !recorded.trace.has_weights()
        {
            return Err(Failure::usage(format!(
                "{} has no sizes to hold {size} against: give --sizes as a share of the keys or in \
                 entries",
                recorded.name
            )));
        }
        traces.push(recorded);
    }
    let mut policies = arguments.policies.clone();
    if policies.is_empty() {
        policies = PolicyKind::ALL.to_vec();
    }
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let plan = Plan {
        traces: &traces,
        sizes: &arguments.sizes,
        policies: &policies,
        sample: arguments.sample,
        threads: arguments.threads.unwrap_or(cores),
    };
    let start = Instant::now();
    let results = plan.run();
    let took = start.elapsed();
    let whole = Whole { arguments, policies: &policies, traces: &traces, results: &results };
    if let Some(path) = &arguments.svg {
        output::write(path, &svg::draw(&whole.panels())).map_err(|error| {
            Failure::failed(format!("{} cannot be written: {error}", path.display()))
        })?;
        output::tell(&format!("Curves in {}", path.display()));
    }
    if arguments.json { whole.print_json() } else { whole.print(took) }
}

/// Everything that there is to show.
struct Whole<'a> {
    arguments: &'a ReplayArguments,
    policies: &'a [PolicyKind],
    traces: &'a [Recorded],
    results: &'a [Results],
}

impl Whole<'_> {
    fn pairs(&self) -> impl Iterator<Item = (&Recorded, &Results)> {
        self.traces.iter().zip(self.results)
    }

    fn advice(&self, recorded: &Recorded, results: &Results) -> Option<Advice> {
        Advice::new(recorded, &self.arguments.sizes, self.policies, results)
    }

    fn print_json(&self) -> Result<(), Failure> {
        let (mut traces, mut rows) = (Vec::new(), Vec::new());
        for (recorded, results) in self.pairs() {
            let advice = self.advice(recorded, results);
            traces.push(table::trace_json(recorded, results, advice.as_ref()));
            rows.extend(table::rows_json(recorded, &self.arguments.sizes, self.policies, results));
        }
        output::print(&format!("{}\n", json!({ "traces": traces, "rows": rows })))
    }

    fn print(&self, took: Duration) -> Result<(), Failure> {
        let (width, color) = (output::width(), output::color());
        let mut text = String::new();
        for (recorded, results) in self.pairs() {
            let sizes = &self.arguments.sizes;
            let document = table::document(recorded, sizes, self.policies, results);
            text += &document.terminal(width, color);
            text += "\n";
            text += &self.plot(results, width, color);
            if let Some(advice) = self.advice(recorded, results) {
                let why = advice.reasons().into_iter().map(Block::Text);
                let document = Document::new(advice.headline(), "").section(Section::new("", why));
                text += "\n";
                text += &document.terminal(width, color);
            }
            text += "\n";
        }
        output::print(&text)?;
        let replayed: usize = self.traces.iter().map(|one| one.trace.len()).sum();
        let cells = self.policies.len() * self.arguments.sizes.len();
        let total = (replayed * cells) as f64;
        output::tell(&format!(
            "Replayed {} requests {} times in {:.1} s, {:.1} million a second.",
            count(replayed as u64),
            cells,
            took.as_secs_f64(),
            total / took.as_secs_f64().max(1e-9) / 1e6
        ));
        Ok(())
    }

    fn axes(&self, results: &Results) -> Axes {
        let keys = results.curve.keys();
        let sizes = results.sizes.iter().filter_map(|size| match size.room {
            Room::Entries(entries) => Some(entries),
            Room::Bytes(_) => None,
        });
        // Half of the smallest size, so that it does not stand on the edge.
        let smallest = sizes.min().unwrap_or(keys / 200).div_ceil(2).max(1);
        let worst = results.sizes.iter().flat_map(|size| &size.policies);
        let worst = worst.map(|done| 1.0 - done.hit_ratio).fold(0.0, f64::max);
        Axes::new(smallest, keys, worst.max(results.curve.miss_ratio(smallest)))
    }

    /// (entries, miss ratio) of one policy.
    fn points(results: &Results, policy: usize) -> Vec<(u64, f64)> {
        let mut points: Vec<(u64, f64)> = results
            .sizes
            .iter()
            .filter_map(|size| match size.room {
                Room::Entries(entries) => {
                    Some((entries, 1.0 - size.policies.get(policy)?.hit_ratio))
                }
                Room::Bytes(_) => None,
            })
            .collect();
        points.sort_by_key(|point| point.0);
        points
    }

    fn optimal(results: &Results) -> Vec<(u64, f64)> {
        let mut points: Vec<(u64, f64)> = results
            .sizes
            .iter()
            .filter_map(|size| match (size.room, size.optimal) {
                (Room::Entries(entries), Some(optimal)) => Some((entries, 1.0 - optimal)),
                _ => None,
            })
            .collect();
        points.sort_by_key(|point| point.0);
        points
    }

    fn curve_name(results: &Results) -> String {
        match results.curve.rate() {
            1.0 => "lru, exact at every size".to_owned(),
            rate => format!("lru, from a sample of {:.1} % of the keys", rate * 100.0),
        }
    }

    /// Least recently used as a line, the optimum and one policy as signs.
    fn plot(&self, results: &Results, width: usize, color: bool) -> String {
        let mut signs = Vec::new();
        signs.push(Signs {
            name: "optimal".to_owned(),
            sign: '×',
            points: Self::optimal(results),
            color: "32",
        });
        let shown = self.policies.iter().position(|policy| *policy == PolicyKind::Adaptive);
        let shown = shown.or_else(|| self.best(results));
        if let Some(at) = shown.filter(|at| self.policies[*at] != PolicyKind::Lru) {
            signs.push(Signs {
                name: self.policies[at].to_string(),
                sign: '●',
                points: Self::points(results, at),
                color: "33",
            });
        }
        signs.retain(|series| !series.points.is_empty());
        let plot = Plot {
            axes: self.axes(results),
            keys: results.curve.keys(),
            name: Self::curve_name(results),
            curve: &|entries| results.curve.miss_ratio(entries),
            signs,
        };
        plot.draw(width, color)
    }

    /// The policy that hits most over all sizes together.
    fn best(&self, results: &Results) -> Option<usize> {
        let sum = |at: usize| results.sizes.iter().map(|s| s.policies[at].hit_ratio).sum::<f64>();
        (0..self.policies.len()).max_by(|a, b| sum(*a).total_cmp(&sum(*b)))
    }

    fn panels(&self) -> Vec<Panel> {
        self.pairs()
            .map(|(recorded, results)| {
                let mut lines = vec![Line {
                    name: "optimal".to_owned(),
                    points: Self::optimal(results),
                    dots: true,
                    stroke: Stroke::Dashed,
                }];
                let curve = results.curve.points(CURVE_POINTS);
                lines.push(Line {
                    name: "lru".to_owned(),
                    points: curve.into_iter().map(|(n, hit)| (n, 1.0 - hit)).collect(),
                    dots: false,
                    stroke: Stroke::Plain,
                });
                for (at, policy) in self.policies.iter().enumerate() {
                    if *policy != PolicyKind::Lru {
                        let points = Self::points(results, at);
                        let is_own = *policy == PolicyKind::Adaptive;
                        let stroke = if is_own { Stroke::Strong } else { Stroke::Plain };
                        lines.push(Line { name: policy.to_string(), points, dots: true, stroke });
                    }
                }
                lines.retain(|line| !line.points.is_empty());
                let advice = self.advice(recorded, results).filter(|advice| !advice.is_bytes);
                Panel {
                    // A path may be longer than the drawing is wide.
                    title: Path::new(&recorded.name).file_name().map_or_else(
                        || recorded.name.clone(),
                        |n| n.to_string_lossy().into_owned(),
                    ),
                    about: table::about(recorded),
                    axes: self.axes(results),
                    lines,
                    mark: advice.map(|advice| {
                        (
                            advice.found.size,
                            format!("recommended: {} entries", count(advice.found.size)),
                        )
                    }),
                }
            })
            .collect()
    }
}

/// Points of the curve in the drawing: one for three pixels.
const CURVE_POINTS: usize = 300;
