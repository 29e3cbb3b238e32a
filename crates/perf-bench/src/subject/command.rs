//! The arguments of a subject program, and its answers on standard output.

use super::injection::{Stretch, VARIABLE};
use super::timing::Live;
use super::{
    Answered, Calibrated, CountedRegion, Failed, Injection, ListedSubject, Listing, PROTOCOL,
    Request, Subject, Subjects, Timed,
};
use crate::allocations_during;
use serde::Serialize;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
A program that holds benches; perfkit's drivers start it, compare two of them, or count.

  list                     names the benches as JSON
  serve                    answers requests on standard input until `end`:
                             answer NAME | calibrate NAME NANOSECONDS | sample NAME ITERATIONS
  count NAME ITERATIONS    one pass over the counted region, for callgrind
  run NAME                 times one bench and prints it

  --inject [NAME=]5%       really does 5 % more than is reported (also PERFKIT_INJECT)
";

/// Runs the program.
pub(super) fn main(subjects: &Subjects, arguments: impl Iterator<Item = String>) -> ExitCode {
    let parsed = match Arguments::parse(arguments, std::env::var(VARIABLE).ok()) {
        Ok(parsed) => parsed,
        Err(why) => return fail(2, &format!("{why}\n\n{HELP}")),
    };
    let output = &mut io::stdout().lock();
    match parsed.act(subjects, &mut io::stdin().lock(), output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(1, &why),
    }
}

#[expect(clippy::print_stderr, reason = "this is a program's main, standard output is taken")]
fn fail(code: u8, why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(code)
}

/// What the program was asked to do.
#[derive(Debug, PartialEq)]
struct Arguments {
    action: Action,
    injection: Injection,
}

#[derive(Debug, PartialEq)]
enum Action {
    Help,
    List,
    Serve,
    Count { bench: String, iterations: u64 },
    Run { bench: String },
}

impl Arguments {
    fn parse(
        arguments: impl Iterator<Item = String>,
        variable: Option<String>,
    ) -> Result<Arguments, String> {
        let mut injection = Injection::none();
        let mut inject = |text: &str| -> Result<(), String> {
            injection.extend(Injection::parse(text).map_err(|e| e.to_string())?);
            Ok(())
        };
        inject(&variable.unwrap_or_default())?;
        let mut words = Vec::new();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            if argument == "--inject" {
                inject(&arguments.next().ok_or("--inject needs a value such as 5%")?)?;
            } else if let Some(value) = argument.strip_prefix("--inject=") {
                inject(value)?;
            } else {
                words.push(argument);
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let action = match words.as_slice() {
            ["--help" | "-h" | "help"] | [] => Action::Help,
            ["list"] => Action::List,
            ["serve"] => Action::Serve,
            ["count", bench, iterations] => {
                let iterations = iterations
                    .parse()
                    .map_err(|_| format!("`{iterations}` is no number of iterations"))?;
                Action::Count { bench: (*bench).to_owned(), iterations }
            }
            ["run", bench] => Action::Run { bench: (*bench).to_owned() },
            _ => return Err(format!("`{}` is not understood", words.join(" "))),
        };
        Ok(Arguments { action, injection })
    }

    fn act(
        &self,
        subjects: &Subjects,
        input: &mut dyn BufRead,
        output: &mut dyn Write,
    ) -> Result<(), String> {
        match &self.action {
            Action::Help => output.write_all(HELP.as_bytes()).map_err(|e| e.to_string()),
            Action::List => say(output, &subjects.listing()),
            Action::Serve => Server { subjects, injection: &self.injection, live: None }
                .serve(input, output)
                .map_err(|e| format!("the driver went away: {e}")),
            Action::Count { bench, iterations } => {
                let subject = subjects.find(bench)?;
                say(output, &count(subject, &self.injection, *iterations)?)
            }
            Action::Run { bench } => run(subjects.find(bench)?, &self.injection, output),
        }
    }
}

impl Subjects {
    fn listing(&self) -> Listing {
        let benches = self.subjects.iter().map(|subject| ListedSubject {
            name: subject.name.clone(),
            work: subject.work.clone(),
            single_threaded: subject.single_threaded,
            answer_iterations: subject.answer_iterations,
        });
        Listing { format: PROTOCOL, benches: benches.collect() }
    }
}

fn say(output: &mut dyn Write, answer: &impl Serialize) -> Result<(), String> {
    let line = serde_json::to_string(answer).map_err(|e| e.to_string())?;
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(|e| e.to_string())
}

/// Answers requests. One bench at a time is set up, so that memory stays bounded by the largest.
struct Server<'a> {
    subjects: &'a Subjects,
    injection: &'a Injection,
    live: Option<(String, Live, Stretch)>,
}

impl Server<'_> {
    fn serve(&mut self, input: &mut dyn BufRead, output: &mut dyn Write) -> Result<(), String> {
        let mut line = String::new();
        loop {
            line.clear();
            if input.read_line(&mut line).map_err(|e| e.to_string())? == 0 {
                return Ok(());
            }
            let done = match Request::parse(&line) {
                Ok(Request::End) => return Ok(()),
                Ok(Request::Answer { bench }) => {
                    self.answer(&bench).map(|answer| say(output, &Answered { answer }))
                }
                Ok(Request::Calibrate { bench, nanoseconds }) => self
                    .calibrate(&bench, Duration::from_nanos(nanoseconds))
                    .map(|calibrated| say(output, &calibrated)),
                Ok(Request::Sample { bench, iterations }) => {
                    self.sample(&bench, iterations).map(|timed| say(output, &timed))
                }
                Err(why) => Err(why),
            };
            match done {
                Ok(said) => said?,
                Err(failure) => {
                    self.live = None;
                    say(output, &Failed { failure })?;
                }
            }
        }
    }

    fn answer(&self, bench: &str) -> Result<u64, String> {
        let subject = self.subjects.find(bench)?;
        Live::new(subject)?.answer(subject.answer_iterations)
    }

    fn calibrate(&mut self, bench: &str, target: Duration) -> Result<Calibrated, String> {
        let (live, _) = self.live(bench)?;
        let (iterations, elapsed) = live.calibrate(target)?;
        Ok(Calibrated { iterations, ns: nanoseconds(elapsed) })
    }

    fn sample(&mut self, bench: &str, iterations: u64) -> Result<Timed, String> {
        let (live, stretch) = self.live(bench)?;
        let (spent, answer) = live.time(stretch.apply(iterations))?;
        let waiting = spent.waited.map(nanoseconds);
        Ok(Timed { ns: nanoseconds(spent.elapsed), waiting, answer })
    }

    fn live(&mut self, bench: &str) -> Result<(&mut Live, &mut Stretch), String> {
        if self.live.as_ref().is_none_or(|(name, ..)| name != bench) {
            self.live = None;
            let live = Live::new(self.subjects.find(bench)?)?;
            let stretch = Stretch::new(self.injection.fraction(bench));
            self.live = Some((bench.to_owned(), live, stretch));
        }
        let (_, live, stretch) = self.live.as_mut().expect("it was set just above");
        Ok((live, stretch))
    }
}

fn nanoseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Takes the answer, which is also the warm-up, then runs the counted region once.
fn count(
    subject: &Subject,
    injection: &Injection,
    iterations: u64,
) -> Result<CountedRegion, String> {
    let mut live = Live::new(subject)?;
    let answer = live.answer(subject.answer_iterations)?;
    let ran = Stretch::new(injection.fraction(&subject.name)).apply(iterations);
    let (done, made) = allocations_during(|| live.count(ran));
    done?;
    Ok(CountedRegion {
        answer,
        iterations,
        allocations: made.map(|made| made.allocations),
        allocated_bytes: made.map(|made| made.allocated_bytes),
    })
}

/// Eleven samples of 20 ms for a reader in a hurry; comparisons are the driver's work.
fn run(subject: &Subject, injection: &Injection, output: &mut dyn Write) -> Result<(), String> {
    let mut live = Live::new(subject)?;
    let (iterations, _) = live.calibrate(Duration::from_millis(20))?;
    let mut stretch = Stretch::new(injection.fraction(&subject.name));
    let mut samples = Vec::new();
    for _ in 0..11 {
        let (spent, _) = live.time(stretch.apply(iterations))?;
        samples.push(spent.own().as_nanos() as f64 / iterations as f64);
    }
    samples.sort_by(f64::total_cmp);
    let [low, middle, high] = [samples[0], samples[5], samples[10]];
    let name = &subject.name;
    writeln!(
        output,
        "{name}: {middle:.2} ns an iteration (11 samples of {iterations} iterations, {low:.2} to {high:.2})"
    )
    .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests;
