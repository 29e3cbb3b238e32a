//! Callgrind: counts the instructions of one function's calls.

use super::CountsError;
use super::bounded::{self, Output};
use crate::CountedRegion;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The valgrind of this machine.
#[derive(Clone, Debug)]
pub struct Callgrind {
    valgrind: PathBuf,
    version: String,
}

/// What one run of one bench counted, all its iterations together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tally {
    pub(super) instructions: u64,
    pub(super) iterations: u64,
    pub(super) answer: u64,
    pub(super) allocations: Option<u64>,
    pub(super) allocated_bytes: Option<u64>,
}

/// The function, in Valgrind's demangled names; a module path stands before it in both of Rust's
/// manglings. Nothing follows it, so that closures within do not switch collection off again.
const REGION: &str = "*::perfkit_counted_region";

impl Callgrind {
    /// Looks for `valgrind` on the PATH.
    ///
    /// # Errors
    ///
    /// [`CountsError::ValgrindMissing`] if there is none, [`CountsError::ValgrindFails`] if it
    /// does not run.
    pub fn find() -> Result<Callgrind, CountsError> {
        let valgrind = std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths)
            .map(|folder| folder.join("valgrind"))
            .find(|file| file.is_file())
            .ok_or(CountsError::ValgrindMissing)?;
        Callgrind::at(valgrind)
    }

    /// Uses the `valgrind` at a place of one's own.
    ///
    /// # Errors
    ///
    /// [`CountsError::ValgrindFails`] if it does not run.
    pub fn at(valgrind: impl Into<PathBuf>) -> Result<Callgrind, CountsError> {
        let valgrind = valgrind.into();
        let output = bounded::run(Command::new(&valgrind).arg("--version"), VERSION_LIMIT)
            .map_err(CountsError::ValgrindFails)?;
        let version = output.stdout.trim().to_owned();
        if !output.status.success() || version.is_empty() {
            return Err(CountsError::ValgrindFails(ended(&output)));
        }
        Ok(Callgrind { valgrind, version })
    }

    /// What `valgrind --version` says, such as `valgrind-3.19.0`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Counts one bench. `folder` is an empty one of the caller's; the program is called through
    /// the name `program` in it, so that no length of a path moves the stack.
    pub(super) fn count(
        &self,
        folder: &Path,
        environment: &[(OsString, OsString)],
        bench: &str,
        iterations: u64,
        limit: Duration,
    ) -> Result<Tally, String> {
        let profile = folder.join("profile");
        let mut command = Command::new(&self.valgrind);
        // The working folder and an empty environment also keep `.valgrindrc` and VALGRIND_OPTS out.
        command
            .current_dir(folder)
            .env_clear()
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .args(["--tool=callgrind", "--collect-atstart=no"])
            .arg(format!("--toggle-collect={REGION}"))
            .args(["--dump-line=no", "--callgrind-out-file=profile", "--", "./program"])
            .args(["count", bench, &iterations.to_string()]);
        let output = bounded::run(&mut command, limit)?;
        let answer = answer(&output)?;
        let text = std::fs::read_to_string(&profile)
            .map_err(|error| format!("callgrind left no profile: {error}"))?;
        let instructions = total(&text)?;
        if answer.iterations != iterations {
            return Err(format!(
                "answered {} iterations where {iterations} were asked for",
                answer.iterations
            ));
        }
        Ok(Tally {
            instructions,
            iterations,
            answer: answer.answer,
            allocations: answer.allocations,
            allocated_bytes: answer.allocated_bytes,
        })
    }
}

/// Far more than printing a version takes anywhere.
const VERSION_LIMIT: Duration = Duration::from_secs(60);

/// What the program printed last, unless it failed.
fn answer(output: &Output) -> Result<CountedRegion, String> {
    let line = output.stdout.lines().next_back();
    match line.map(serde_json::from_str) {
        Some(answer) if output.status.success() => {
            answer.map_err(|error| format!("its answer is broken: {error}"))
        }
        _ => Err(ended(output)),
    }
}

/// How a program ended that gave no answer, with what it said last.
fn ended(output: &Output) -> String {
    if output.stderr.contains("unhandled instruction bytes") {
        return "valgrind does not know an instruction of the program: build it for a plainer \
                processor (without `target-cpu=native`) or take a newer valgrind"
            .to_owned();
    }
    let status = output.status;
    if let Some(place) = crash_site(&output.stderr) {
        return format!("ended with {status} under valgrind, in {place}");
    }
    // Valgrind's own lines begin with its process number between equal signs.
    let said =
        output.stderr.lines().rev().find(|line| {
            !line.starts_with("==") && !line.starts_with("--") && !line.trim().is_empty()
        });
    // A panic's message may have several lines; its first one says most.
    let said = output.stderr.lines().rev().find(|line| line.starts_with("panicked: ")).or(said);
    match said {
        Some(said) => format!("gave no answer and ended with {status}: {}", said.trim()),
        None => format!("gave no answer and ended with {status}"),
    }
}

/// The function in which a signal ended the program, as Valgrind tells it.
fn crash_site(stderr: &str) -> Option<&str> {
    let told = stderr.split_once("Process terminating with default action of signal")?.1;
    let place = told.lines().find_map(|line| line.split_once(" at 0x")?.1.split_once(": "))?.1;
    Some(place.trim())
}

/// The total of a profile: the last `totals:` line, or `summary:` where that is missing.
fn total(profile: &str) -> Result<u64, String> {
    let field = |name: &str| {
        profile.lines().rev().find_map(|line| {
            line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok()
        })
    };
    match field("totals:").or_else(|| field("summary:")) {
        Some(0) => Err(format!(
            "callgrind saw no call of `{REGION}`: the program was stripped of its symbols, \
             build it with `strip = \"debuginfo\"` or less"
        )),
        Some(total) => Ok(total),
        None => Err("callgrind's profile holds no total".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_total_of_a_profile() {
        assert_eq!(total("events: Ir\nsummary: 12\n\nfn=(1)\n0 12\ntotals: 7019\n"), Ok(7019));
        assert_eq!(total("events: Ir\nsummary: 12\n"), Ok(12));
    }

    #[test]
    fn a_profile_without_the_region_says_what_to_do() {
        assert!(total("totals: 0").unwrap_err().contains("stripped"));
        assert!(total("version: 1").unwrap_err().contains("no total"));
    }

    #[test]
    fn a_crash_is_told_with_its_place() {
        let said = "==7== Process terminating with default action of signal 11 (SIGSEGV)\n\
                    ==7==  Access not within mapped region at address 0x7FD1EB05D000\n\
                    ==7==    at 0x37ACCA: a::deep::place (in /a/program)\n\
                    ==7==    by 0x37AF03: main (in /a/program)\n";
        assert_eq!(crash_site(said), Some("a::deep::place (in /a/program)"));
        assert_eq!(crash_site("==7== all is well"), None);
    }

    #[test]
    fn a_valgrind_that_is_none_is_refused() {
        let error = Callgrind::at("/no/such/valgrind").unwrap_err();
        assert!(error.to_string().contains("install it anew"), "{error}");
    }
}
