//! A program of benches, as small as can be. `list` names them, `run sum/thousand` times one.
//!
//! The tests compare it with itself; `SUBJECT_MODE` makes it behave as programs do that go wrong.

use perf_bench::{Subjects, repeat};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mode = std::env::var("SUBJECT_MODE").unwrap_or_default();
    match mode.as_str() {
        "no-subjects" => return say("usage: something else entirely"),
        "older" => return say(r#"{"format":0,"names":["sum/thousand"]}"#),
        "newer" => return say(r#"{"format":99,"benches":"what the future holds"}"#),
        "mute" => return ExitCode::FAILURE,
        _ => {}
    }
    let work = if mode == "other-work" { "sums 1000, version 2" } else { "sums 1000, version 1" };
    let moody = mode.clone();
    let subjects = Subjects::new()
        .bench("sum/thousand", "sums 1000 numbers, version 1", || {
            let numbers: Vec<u64> = (0..1000).collect();
            move |iterations| repeat(iterations, || numbers.iter().sum())
        })
        .bench("moody", work, move || {
            let numbers: Vec<u64> = (0..1000).collect();
            let mode = moody.clone();
            let mut calls = 0;
            move |iterations| {
                calls += 1;
                // Calibrating takes some 15 calls, each later process starts at the first again.
                misbehave(&mode, calls);
                let answer = repeat(iterations, || numbers.iter().sum());
                if mode == "wrong" { answer + 1 } else { answer }
            }
        });
    match mode.as_str() {
        "more" => subjects.bench("more", "nothing yet", || |iterations| iterations).main(),
        _ => subjects.main(),
    }
}

/// The fourth call in a process is among its samples, except where it calibrates.
fn misbehave(mode: &str, calls: u32) {
    match mode {
        "panic" if calls == 4 => panic!("cannot go on after {calls} calls"),
        "exit" if calls == 4 => {
            let _ = writeln!(std::io::stderr(), "out of luck");
            std::process::exit(7)
        }
        "hang" if calls == 4 => {
            if let Ok(file) = std::env::var("SUBJECT_PROCESS") {
                let _ = std::fs::write(file, std::process::id().to_string());
            }
            loop {
                std::thread::park();
            }
        }
        "print" if calls == 4 => {
            let _ = say("a line for the reader");
        }
        _ => {}
    }
}

fn say(line: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
