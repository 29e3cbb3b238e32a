//! The samples in a report.

use super::Samples;
use crate::report::{Axis, Block, Chart, Line, Tone, figure};

impl Samples {
    /// Facts and charts for a section of a report; a remark instead where there are no samples.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        if self.machine.is_empty() {
            let text = "No samples: the run was shorter than the interval between two.";
            return vec![Block::Text(text.to_owned())];
        }
        let mut facts = Vec::new();
        let mut fact = |label: String, value: String| facts.push((label, value, Tone::Plain));
        if let Some(share) = self.mean_processor() {
            fact(format!("Processor, mean of {} cores", self.cores), figure(share, "fraction"));
        }
        if let Some(peak) = self.peak_memory() {
            let of = figure(self.memory as f64, "bytes");
            fact(format!("Memory in use, peak of {of}"), figure(peak as f64, "bytes"));
        }
        for process in &self.processes {
            if let Some(cores) = process.mean_cores() {
                // What the counters tell is no finer.
                let cores = (cores * 100.0).round() / 100.0;
                fact(format!("{}, mean", process.name), figure(cores, "cores"));
            }
            if let Some(peak) = process.peak_resident() {
                fact(format!("{}, peak", process.name), figure(peak as f64, "bytes"));
            }
        }
        let mut processor =
            vec![Line::new("whole machine", self.machine.iter().map(|s| (s.at, s.busy_cores)))];
        let mut memory = Vec::new();
        for process in self.processes.iter().filter(|p| !p.samples.is_empty()) {
            let of = |value: fn(&super::ProcessSample) -> f64| {
                Line::new(process.name.clone(), process.samples.iter().map(|s| (s.at, value(s))))
            };
            processor.push(of(|s| s.busy_cores));
            memory.push(of(|s| s.resident_bytes as f64));
        }
        let lines = |title: &str, y: Axis, lines| {
            let x = Axis::new("since the start", "s");
            Block::Chart(Chart::Lines { title: title.into(), x, y, lines, marks: Vec::new() })
        };
        vec![
            Block::Facts(facts),
            lines("Processor", Axis::new("in use", "cores"), processor),
            lines("Memory", Axis::new("resident", "bytes"), memory),
        ]
    }
}
