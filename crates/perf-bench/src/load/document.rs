//! A load report as a document.

use super::report::{LoadEnd, LoadReport};
use super::{DriftVerdict, Form, Jitter};
use crate::Outcome;
use crate::report::figure;
use crate::report::{
    Axis, Block, Chart, Document, Group, Level, Line, Mark, Scale, Section, Table, Tone,
};

impl LoadReport {
    /// The report for reading: facts, latencies, the run over time, failures, the system.
    #[must_use]
    pub fn document(&self) -> Document {
        let (tone, words) = self.verdict();
        let title = format!("Load on {}", self.target);
        let mut document = Document::new(title, self.subtitle()).verdict(tone, words);
        let mut first = vec![Block::Facts(self.facts())];
        first.extend(self.notices());
        document = document.section(Section::new("Result", first));
        if let Some(section) = self.stress_section() {
            document = document.section(section);
        }
        if self.figures.latency.count > 0 {
            document = document.section(self.latency_section());
        }
        if self.figures.windows.len() > 1 {
            document = document.section(self.time_section());
        }
        document = document.section(self.answers_section());
        if let Some(section) = self.trend_section() {
            document = document.section(section);
        }
        #[cfg(feature = "system")]
        if let Some(samples) = &self.system {
            document = document.section(Section::new("System", samples.blocks()));
        }
        document.section(self.settings_section())
    }

    fn subtitle(&self) -> String {
        format!(
            "{} over {} at {}, {} measured after {} of warm-up, begun {}",
            self.form,
            self.protocol,
            self.address,
            figure(self.measured, "s"),
            figure(self.warm_up, "s"),
            figure(self.started as f64, "unix"),
        )
    }

    fn verdict(&self) -> (Tone, String) {
        if self.is_unanswered() {
            return (Tone::Bad, "the target answered nothing".to_owned());
        }
        if let LoadEnd::TargetLost { at } = self.ended {
            return (Tone::Bad, format!("the target stopped answering after {}", figure(at, "s")));
        }
        if let Some(stress) = &self.stress {
            return match stress.knee {
                Some(knee) if stress.gave_out => {
                    let knee = figure(knee, "");
                    (
                        Tone::Warn,
                        format!("bears {knee} requests/s at least: the generator gave out"),
                    )
                }
                Some(knee) => (Tone::Good, format!("bears {} requests/s", figure(knee, ""))),
                None if stress.gave_out => (Tone::Warn, "void: the generator gave out".to_owned()),
                None => (Tone::Bad, "bears none of the rates tried".to_owned()),
            };
        }
        let part = if self.ended == LoadEnd::Interrupted { ", interrupted" } else { "" };
        match self.outcome() {
            Outcome::Regression => (Tone::Bad, format!("an objective is broken{part}")),
            Outcome::Inconclusive if self.void.is_none() => {
                (Tone::Warn, format!("nothing to hold the objectives against{part}"))
            }
            Outcome::Inconclusive => (Tone::Warn, format!("void{part}")),
            _ if self.figures.failed > 0 => (Tone::Warn, format!("done, with failures{part}")),
            _ if self.objectives.is_empty() => (Tone::Plain, format!("done{part}")),
            _ => (Tone::Good, format!("objectives held{part}")),
        }
    }

    fn facts(&self) -> Vec<(String, String, Tone)> {
        let f = &self.figures;
        let errors = if f.error_ratio > 0.0 { Tone::Bad } else { Tone::Good };
        let mut facts = vec![
            ("answers/s".to_owned(), figure(f.rate, ""), Tone::Plain),
            ("requests".to_owned(), figure(f.sent as f64, ""), Tone::Plain),
            ("failed".to_owned(), figure(f.error_ratio, "fraction"), errors),
        ];
        for (name, value) in
            [("p50", f.latency.p50), ("p99", f.latency.p99), ("p99.9", f.latency.p999)]
        {
            if f.latency.count > 0 {
                facts.push((name.to_owned(), figure(value, "ns"), Tone::Plain));
            }
        }
        facts
    }

    fn notices(&self) -> Vec<Block> {
        let f = &self.figures;
        let mut notices = Vec::new();
        let mut say = |level, text: String| notices.push(Block::Notice(level, text));
        match self.ended {
            LoadEnd::Complete => {}
            LoadEnd::Interrupted => say(
                Level::Warning,
                format!(
                    "Interrupted: {} of {} were measured.",
                    figure(self.measured, "s"),
                    figure(self.length, "s")
                ),
            ),
            LoadEnd::TargetLost { at } => say(
                Level::Error,
                format!(
                    "The target last answered after {}; what came before is kept.",
                    figure(at, "s")
                ),
            ),
        }
        if let Some(why) = &self.void {
            say(Level::Error, format!("Void: {why}."));
        }
        if self.connections < self.connections_asked {
            say(
                Level::Warning,
                format!(
                    "The limit on open files allows {} of {} connections; raise it (ulimit -n).",
                    self.connections, self.connections_asked
                ),
            );
        }
        for objective in &self.objectives {
            let level = if objective.held { Level::Info } else { Level::Error };
            say(level, format!("Objective {objective}."));
        }
        if f.failed > 0 && !self.objectives.iter().any(|o| o.what == "errors") {
            say(
                Level::Warning,
                format!(
                    "{} of the requests failed; name a limit (--objective errors=1%) to fail on it.",
                    figure(f.error_ratio, "fraction")
                ),
            );
        }
        if f.abandoned > 0 {
            say(
                Level::Warning,
                format!(
                    "{} requests were still open at the end and are in no latency{}.",
                    f.abandoned,
                    if self.ended == LoadEnd::Interrupted { "" } else { "; they count as failed" },
                ),
            );
        }
        if f.retried > 0 {
            say(
                Level::Warning,
                format!(
                    "{} requests were sent again on a new connection: the target broke a \
                     kept-alive one before it answered.",
                    f.retried
                ),
            );
        }
        if f.unsent > 0 {
            say(Level::Warning, format!("{} requests were due and never left.", f.unsent));
        }
        if matches!(self.form, Form::Users(_)) {
            say(
                Level::Info,
                "Closed form: users wait for their answers, so a stalled target is asked less and \
                 its latencies look better than users at their own times would find them."
                    .to_owned(),
            );
        }
        notices
    }

    fn latency_section(&self) -> Section {
        let f = &self.figures;
        let users = matches!(self.form, Form::Users(_));
        let names: &[&str] = if users {
            &["", "from asking>"]
        } else {
            &["", "from intended start>", "from sending>", "left late by>"]
        };
        let mut table = Table::new(names.iter().copied());
        for name in ["min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"] {
            let cell = |d: &super::Distribution| {
                (figure(d.named(name).unwrap_or(f64::NAN), "ns"), Tone::Plain)
            };
            let mut row = vec![(name.to_owned(), Tone::Plain)];
            row.push(cell(&f.latency));
            if !users {
                row.push(cell(&f.latency_from_sending));
                row.push((cell(&f.lag).0, Tone::Quiet));
            }
            table.push(row);
        }
        table.note = Some(if users {
            "Time-outs count as long as they lasted; broken connections do not count.".to_owned()
        } else {
            format!(
                "From the intended start is what a user feels who comes at that time. {} of the \
                 requests left more than {} late; the sender waits busily for the last 100 µs (2 ms \
                 off Linux). Time-outs count as long as they lasted; broken connections do not count.",
                figure(f.late_ratio, "fraction"),
                figure(f.lag_threshold, "ns"),
            )
        });
        let group = |name: &str, d: &super::Distribution| {
            let buckets =
                d.buckets.iter().map(|(low, high, n)| (*low as f64, *high as f64, *n as f64));
            Group::new(name, buckets)
        };
        let groups = if users {
            vec![group("latency", &f.latency)]
        } else {
            vec![
                group("from intended start", &f.latency),
                group("from sending", &f.latency_from_sending),
            ]
        };
        let mark = |name: &str, at: f64| Mark::new(at, name, Tone::Quiet);
        let chart = Chart::Distribution {
            title: "Latency distribution".to_owned(),
            x: Axis::new("latency", "ns").scale(Scale::Logarithmic),
            groups,
            marks: vec![
                mark("p50", f.latency.p50),
                mark("p99", f.latency.p99),
                mark("p99.9", f.latency.p999),
            ],
        };
        Section::new("Latency", [Block::Table(table), Block::Chart(chart)])
    }

    fn time_section(&self) -> Section {
        let f = &self.figures;
        let width = f.window_seconds;
        let per_second = |n: u64| n as f64 / width;
        // The last window may be cut short, and its rate with it.
        let whole = ((self.measured / width + 1e-6).floor() as usize).min(f.windows.len());
        let line = |name: &str, value: &dyn Fn(&super::LoadWindow) -> f64| {
            let points = f.windows.iter().take(whole.max(1)).enumerate();
            Line::new(name, points.map(|(i, w)| ((i as f64 + 0.5) * width, value(w))))
        };
        let x = || Axis::new("time", "s");
        let throughput = Chart::Lines {
            title: "Throughput and failures".to_owned(),
            x: x(),
            y: Axis::new("requests", "/s"),
            lines: vec![
                line("sent", &|w| per_second(w.sent)),
                line("answered", &|w| per_second(w.answered)),
                line("failed", &|w| per_second(w.failed)),
            ],
            marks: self.end_mark(),
        };
        let latency = Chart::Lines {
            title: "Latency by the time a request was due".to_owned(),
            x: x(),
            y: Axis::new("latency", "ns").scale(Scale::Logarithmic),
            lines: vec![
                line("p50", &|w| w.p50.unwrap_or(f64::NAN)),
                line("p99", &|w| w.p99.unwrap_or(f64::NAN)),
                line("max", &|w| w.max.unwrap_or(f64::NAN)),
            ],
            marks: self.end_mark(),
        };
        Section::new("Over time", [Block::Chart(throughput), Block::Chart(latency)])
    }

    fn end_mark(&self) -> Vec<Mark> {
        match self.ended {
            LoadEnd::TargetLost { at } => vec![Mark::new(at, "last answer", Tone::Bad)],
            _ => Vec::new(),
        }
    }

    fn answers_section(&self) -> Section {
        let f = &self.figures;
        let mut blocks = Vec::new();
        let mut statuses = Table::new(["status", "answers>", "share>"]);
        for (status, n) in &f.statuses {
            let tone = if *status >= 400 { Tone::Warn } else { Tone::Plain };
            let share = *n as f64 / f.answered.max(1) as f64;
            statuses.push([
                (status.to_string(), tone),
                (n.to_string(), tone),
                (figure(share, "fraction"), Tone::Quiet),
            ]);
        }
        if statuses.rows.is_empty() {
            blocks.push(Block::Text("Nothing was answered.".to_owned()));
        } else {
            blocks.push(Block::Table(statuses));
        }
        if !f.failures.is_empty() {
            let mut failures = Table::new(["failure", "requests>", "the first one"]);
            for failure in &f.failures {
                failures.push([
                    (failure.kind.to_string(), Tone::Bad),
                    (failure.count.to_string(), Tone::Plain),
                    (failure.example.clone(), Tone::Quiet),
                ]);
            }
            blocks.push(Block::Table(failures));
        }
        if f.requests.len() > 1 {
            let mut requests = Table::new(["request", "ended>", "failed>", "p50>", "p99>", "max>"]);
            for request in &f.requests {
                let failed = if request.failed > 0 { Tone::Bad } else { Tone::Plain };
                requests.push([
                    (request.name.clone(), Tone::Plain),
                    (request.ended.to_string(), Tone::Plain),
                    (request.failed.to_string(), failed),
                    (figure(request.p50, "ns"), Tone::Plain),
                    (figure(request.p99, "ns"), Tone::Plain),
                    (figure(request.max, "ns"), Tone::Plain),
                ]);
            }
            blocks.push(Block::Table(requests));
        }
        blocks.push(Block::Text(format!(
            "{} of bodies, {} on the wire, {} connections opened, at most {} requests under way at \
             once.",
            figure(f.body_bytes as f64, "bytes"),
            figure(f.wire_bytes as f64, "bytes"),
            f.opened,
            f.most_in_flight,
        )));
        Section::new("Answers", blocks)
    }

    fn stress_section(&self) -> Option<Section> {
        let stress = self.stress.as_ref()?;
        let mut table =
            Table::new(["asked/s>", "answered/s>", "p50>", "p99>", "failed>", "", "why"]);
        let mut steps: Vec<_> = stress.steps.iter().collect();
        steps.sort_by(|a, b| a.asked.total_cmp(&b.asked));
        for step in &steps {
            let (word, tone) = if step.held { ("held", Tone::Good) } else { ("broke", Tone::Bad) };
            table.push([
                (figure(step.asked, ""), Tone::Plain),
                (figure(step.rate, ""), Tone::Plain),
                (figure(step.p50, "ns"), Tone::Plain),
                (figure(step.p99, "ns"), Tone::Plain),
                (figure(step.error_ratio, "fraction"), Tone::Plain),
                (word.to_owned(), tone),
                (step.why.clone(), Tone::Quiet),
            ]);
        }
        let line = |name: &str, value: fn(&super::StressStep) -> f64| {
            Line::new(name, steps.iter().map(|s| (s.asked, value(s))))
        };
        let chart = Chart::Lines {
            title: "Latency by rate".to_owned(),
            x: Axis::new("requests asked", "/s").scale(Scale::Logarithmic),
            y: Axis::new("latency", "ns").scale(Scale::Logarithmic),
            lines: vec![line("p50", |s| s.p50), line("p99", |s| s.p99)],
            marks: stress.knee.map(|at| Mark::new(at, "knee", Tone::Good)).into_iter().collect(),
        };
        let mut blocks = vec![Block::Text(sentence(&stress.why)), Block::Table(table)];
        if steps.len() > 1 {
            blocks.push(Block::Chart(chart));
        }
        if stress.knee.is_some() {
            blocks.push(Block::Text(
                "All other figures are those of the highest step that held.".to_owned(),
            ));
        }
        Some(Section::new("Stress", blocks))
    }

    fn trend_section(&self) -> Option<Section> {
        let trend = self.trend.as_ref()?;
        let notice = |drift: &super::Drift| {
            let level = match drift.verdict {
                DriftVerdict::Grows => Level::Warning,
                _ => Level::Info,
            };
            Block::Notice(level, sentence(&drift.why))
        };
        let drifts = [&trend.latency, &trend.memory];
        Some(Section::new("Trend", drifts.into_iter().flatten().map(notice)))
    }

    fn settings_section(&self) -> Section {
        let mut table = Table::new(["setting", "value"]);
        let jitter = match self.jitter {
            Jitter::None => "none",
            Jitter::Uniform => "uniform within each interval",
            Jitter::Poisson => "Poisson",
        };
        let mut rows = vec![
            ("form", self.form.to_string()),
            ("length", figure(self.length, "s")),
            ("connections at most", self.connections.to_string()),
            ("time-out", figure(self.timeout, "s")),
            ("seed", self.seed.to_string()),
            ("machine", self.machine.summary()),
        ];
        if !matches!(self.form, Form::Users(_)) {
            rows.insert(1, ("jitter", jitter.to_owned()));
        }
        for (name, value) in rows {
            table.push([(name.to_owned(), Tone::Quiet), (value, Tone::Plain)]);
        }
        Section::new("Settings", [Block::Table(table)])
    }
}

/// A fragment as a sentence.
fn sentence(fragment: &str) -> String {
    let mut letters = fragment.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
