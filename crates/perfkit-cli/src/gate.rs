//! `perfkit gate`: compares measurements that other tools have written, and ends with a verdict.

use crate::failure::Failure;
use crate::output;
use clap::Args;
use perf_bench::files::{FileComparison, FileError, Measurements};
use perf_bench::{Outcome, Rule};
use std::path::PathBuf;
use std::process::ExitCode;

/// `perfkit gate`.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct GateArguments {
    /// The measurements before the change: a file, or a directory of criterion or of files
    base: PathBuf,
    /// The measurements after it
    head: PathBuf,
    /// The change that is no news; a bench is red if the whole interval lies beyond
    #[arg(long, value_name = "SHARE", default_value = "2%", value_parser = share)]
    margin: f64,
    /// A loss that is red however many benches and however few runs were compared
    #[arg(long, value_name = "SHARE", default_value = "20%", value_parser = share)]
    hard: f64,
    /// Only benches whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// End with 4 where there is no answer, instead of 0
    #[arg(long)]
    strict: bool,
    /// Print one JSON object on standard output instead of the table
    #[arg(long)]
    json: bool,
    /// Write the report as one self-contained page too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

const HELP: &str = "\
What a file is, its content says:
  target/criterion        benches of criterion 0.5 to 0.8, their newest figures
  target/criterion@main   those that `cargo bench -- --save-baseline main` has kept
  run.json                of perfkit
  times.json              of `hyperfine --export-json`
  samples.csv             `bench,sample` with a row for each sample, or a column for each bench;
                          units as in `sample (ms)` or `sample_ms`, else nanoseconds
  runs/                   a directory of several such files, or of copies of target/criterion: runs
                          of the same benches

Give several runs of each side, taken in turns, for two runs of one program differ as well: 5 for one
bench, 6 for up to 4, 7 for up to 17, 8 for up to 64. With fewer only a loss beyond --hard is red.

A bench is slower if the whole 99 % interval of head over base (Hodges-Lehmann, Mann-Whitney) lies
beyond the margin, corrected for the number of benches (Holm). A missing base makes all benches new.
In GitHub Actions the report is also appended to the summary of the job.

Exit codes: 0 nothing is slower, 1 a file cannot be read or a bench failed in the head, 2 the command
is wrong, 3 something is slower, 4 no answer with --strict.

Examples:
  perfkit gate base/ head/ --html report.html   # eight files of runs in each
  perfkit gate target/criterion@main target/criterion --hard 10%";

pub(crate) fn run(arguments: &GateArguments) -> Result<ExitCode, Failure> {
    output::prepare(arguments.html.as_deref(), &[&arguments.base, &arguments.head])?;
    let mut base = match Measurements::read(&arguments.base) {
        Err(error) if error.is_missing() => Measurements::none(&arguments.base),
        read => read.map_err(|e| refusal(&e))?,
    };
    let mut head = Measurements::read(&arguments.head).map_err(|e| refusal(&e))?;
    if let Some(part) = &arguments.filter {
        base.retain(part);
        head.retain(part);
        if base.benches.is_empty() && head.benches.is_empty() {
            return Err(Failure::usage(format!("no bench has `{part}` in its name")));
        }
    }
    let rule = Rule::new().margin(arguments.margin).hard(arguments.hard);
    let comparison = FileComparison::new(base, head, &rule);
    let document = comparison.document();
    let outcome = comparison.outcome();
    let json = arguments.json.then(|| json(&comparison, outcome)).transpose()?;
    output::publish(&document, arguments.html.as_deref(), json.as_deref(), WIDTH)?;
    if outcome == Outcome::Inconclusive && !arguments.strict {
        output::tell("perfkit: no answer counts as passed; --strict makes it exit code 4");
    }
    Ok(ExitCode::from(outcome.exit_code(arguments.strict)))
}

const WIDTH: usize = 120;

fn json(comparison: &FileComparison, outcome: Outcome) -> Result<String, Failure> {
    let mut json = serde_json::to_value(comparison)
        .map_err(|e| Failure::failed(format!("the result is no JSON: {e}")))?;
    json["outcome"] = word(outcome).into();
    Ok(json.to_string())
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Regression => "regression",
        Outcome::ToolFailed => "failed",
    }
}

fn refusal(error: &FileError) -> Failure {
    if error.is_missing() {
        Failure::usage(format!("{error}: name a file or directory of measurements"))
    } else {
        Failure::failed(error.to_string())
    }
}

/// `2%`, `2 %` or `0.02` as a fraction.
fn share(text: &str) -> Result<f64, String> {
    let trimmed = text.trim();
    let (number, scale) = match trimmed.strip_suffix('%') {
        Some(number) => (number.trim_end(), 100.0),
        None => (trimmed, 1.0),
    };
    match number.parse::<f64>() {
        // A bare 5 is rather meant as 5 % than as a loss by six times.
        Ok(value) if scale == 1.0 && value >= 1.0 => {
            Err(format!("`{text}` is ambiguous, write `{text}%`"))
        }
        Ok(value) if (0.0..=1000.0).contains(&(value / scale)) => Ok(value / scale),
        _ => Err(format!("`{text}` is no share, write one such as 2% or 0.02")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_in_per_cent_or_as_fractions() {
        assert_eq!(share("2%"), Ok(0.02));
        assert_eq!(share(" 2.5 % "), Ok(0.025));
        assert_eq!(share("0.02"), Ok(0.02));
        assert!(share("5").unwrap_err().contains("`5%`"));
        for bad in ["", "%", "-1%", "NaN", "inf", "two"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
