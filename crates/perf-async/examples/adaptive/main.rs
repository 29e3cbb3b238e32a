//! How limits find themselves, in a simulated service with a queue before it.
//!
//! Run: `cargo run --release -p perf-async --example adaptive`
//!
//! The same seeds give the same figures. A plot shows the limit over time, `-` where the knee is.

#![expect(clippy::print_stdout, reason = "it prints a table")]

mod gradient;
mod simulator;

use gradient::Gradient2;
use perf_async::{Aimd, LimitPolicy, Vegas};
use simulator::{Service, Step, simulate};
use std::time::Duration;

fn main() {
    println!(
        "{:<34} {:<10} {:>9} {:>9} {:>9}",
        "service", "policy", "at knee", "from", "mean/knee"
    );
    for (name, services) in scenarios() {
        for (policy, make) in policies() {
            let steps = simulate(&mut *make(), 20, &services, 1);
            let from = steps
                .iter()
                .position(Step::is_at_knee)
                .map_or("never".into(), |at| format!("{}", at + 1));
            let at_knee = steps.iter().filter(|step| step.is_at_knee()).count();
            let mean =
                steps.iter().map(|step| step.limit as f64 / step.servers as f64).sum::<f64>();
            println!(
                "{name:<34} {policy:<10} {:>7.0} % {from:>9} {:>9.2}",
                100.0 * at_knee as f64 / steps.len() as f64,
                mean / steps.len() as f64,
            );
        }
    }
    for (name, services) in scenarios().into_iter().skip(4) {
        println!("\n{name}, vegas:");
        plot(&simulate(&mut Vegas::new(), 20, &services, 1));
    }
}

type Make = fn() -> Box<dyn LimitPolicy>;

fn policies() -> [(&'static str, Make); 3] {
    [
        ("vegas", || Box::new(Vegas::new())),
        ("aimd", || Box::new(Aimd::new().max_healthy_latency(Duration::from_millis(100)))),
        ("gradient2", || Box::new(Gradient2::default())),
    ]
}

fn scenarios() -> Vec<(&'static str, Vec<(usize, Service)>)> {
    let usual = Service::new(16, 0.02);
    let mixed = Service { work: vec![(0.8, 0.005), (0.2, 0.1)], ..Service::new(16, 0.0) };
    let over = Service { arrivals: 960.0, ..usual.clone() };
    vec![
        ("16 servers of 20 ms", vec![(1_000, usual.clone())]),
        ("100 servers of 50 ms", vec![(1_000, Service::new(100, 0.05))]),
        ("1.2 times what 16 servers can", vec![(1_000, over)]),
        ("80 % 5 ms, 20 % 100 ms", vec![(1_000, mixed)]),
        (
            "32 servers, then 8, then 32",
            vec![
                (100, Service::new(32, 0.02)),
                (200, Service::new(8, 0.02)),
                (100, Service::new(32, 0.02)),
            ],
        ),
        (
            "16 servers, five times slower",
            vec![(100, usual.clone()), (200, Service::new(16, 0.1)), (100, usual)],
        ),
    ]
}

/// A line for every tenth window.
fn plot(steps: &[Step]) {
    for (window, step) in steps.iter().enumerate().step_by(10) {
        let mut line = vec![b' '; 72];
        line[step.servers.min(71)] = b'-';
        line[step.limit.min(71)] = b'*';
        println!("{window:>5} |{}", String::from_utf8_lossy(&line).trim_end());
    }
}
