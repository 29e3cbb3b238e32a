//! Tries the gate's rule against simulated noise and prints how often it is red.
//!
//! `cargo run --release -p perf-bench --example gate_simulation [TRIALS]`
#![expect(clippy::print_stdout, reason = "this is a program")]

mod model;

use model::{Noise, share};
use perf_bench::{Judged, Paired, Rule, Verdict};
use rand::rngs::StdRng;

fn main() {
    let trials = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    println!("{trials} trials a cell; one run in 20 is disturbed by 5 to 40 %.");
    println!("Red in per cent of the jobs, where the bench really changed by so much, and called");
    println!("the same where it did not:\n");
    println!("| Noise | Pairs | Red when | 0 % | +5 % | +10 % | +20 % | Same at 0 % |");
    println!("|---|---|---|---|---|---|---|---|");
    for (machine, run) in [(0.027, 0.01), (0.05, 0.02), (0.10, 0.03)] {
        for pairs in [10, 20, 30, 40] {
            let noise = Noise { machine, run, ..Noise::NONE };
            Row { noise, pairs, block: 5, confirmed: false }.print(trials);
        }
    }
    for process in [0.01, 0.02, 0.04] {
        for block in [1, 5] {
            let noise = Noise { machine: 0.05, process, run: 0.02, ..Noise::NONE };
            Row { noise, pairs: 30, block, confirmed: false }.print(trials);
        }
    }
    for stalling in [0, 1, 2] {
        let noise = Noise { machine: 0.05, run: 0.01, stalling, ..Noise::NONE };
        Row { noise, pairs: 30, block: 5, confirmed: false }.print(trials);
    }
    for layout in [0.005, 0.01, 0.02] {
        for run in [0.01, 0.02] {
            for confirmed in [false, true] {
                let noise = Noise { machine: 0.05, layout, run, ..Noise::NONE };
                Row { noise, pairs: 30, block: 5, confirmed }.print(trials);
            }
        }
    }
}

/// One kind of job.
struct Row {
    noise: Noise,
    pairs: usize,
    block: usize,
    confirmed: bool,
}

impl Row {
    fn print(&self, trials: u64) {
        let Noise { machine, layout, process, run, stalling } = self.noise;
        let mut noise = format!("machine {}, run {} %", machine * 100.0, run * 100.0);
        if layout > 0.0 {
            noise.push_str(&format!(", layout {} %", layout * 100.0));
        }
        if process > 0.0 {
            noise.push_str(&format!(", process {} % by {} pairs", process * 100.0, self.block));
        }
        if stalling > 0 {
            noise.push_str(&format!(", {stalling} of {} heads stall", self.pairs / self.block));
        }
        let when = if self.confirmed { "confirmed" } else { "measured once" };
        let cells: Vec<String> = [0.0, 0.05, 0.10, 0.20]
            .iter()
            .map(|change| share(trials, 7, |random| self.is_red(random, *change)))
            .map(|share| format!("{:.2} %", 100.0 * share))
            .collect();
        let same = share(trials, 7, |random| self.judge(random, 0.0).verdict == Verdict::Same);
        let cells = cells.join(" | ");
        println!("| {noise} | {} | {when} | {cells} | {:.2} % |", self.pairs, 100.0 * same);
    }

    fn is_red(&self, random: &mut StdRng, change: f64) -> bool {
        let first = self.judge(random, change);
        first.verdict == Verdict::Regress
            && (!self.confirmed || {
                let second = self.judge(random, change);
                Rule::new().confirm(&first, &second).verdict == Verdict::Regress
            })
    }

    fn judge(&self, random: &mut StdRng, change: f64) -> Judged {
        let sides = self.noise.job(random, change, self.pairs, self.block);
        Rule::new().judge(&Paired::new("simulated", &sides.base, &sides.head))
    }
}
