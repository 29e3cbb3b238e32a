//! What counts depend on besides the program: counts of different environments are not compared.

use super::Callgrind;
use super::bounded;
use crate::Machine;
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::Duration;

/// What counts depend on besides the code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CountsEnvironment {
    /// Target triple of the program.
    pub target: String,
    /// `rustc --version` of the compiler.
    pub rustc: String,
    /// `valgrind --version`.
    pub valgrind: String,
    /// Cargo features and profile of the program, as its builder names them.
    pub features: String,
    /// What the processor can, as far as Valgrind shows it to programs: the C library picks its
    /// copying and comparing by it.
    pub processor_features: String,
    /// The C library with its release.
    pub libc: String,
}

/// One thing that two environments do not share.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What it is.
    pub what: &'static str,
    /// As it was recorded.
    pub recorded: String,
    /// As it is here.
    pub here: String,
}

impl CountsEnvironment {
    /// This machine's, with the compiler on the PATH and this program's target; `features` as the
    /// program's builder names them.
    ///
    /// What cannot be found out is `unknown`.
    #[must_use]
    pub fn detect(callgrind: &Callgrind, features: impl Into<String>) -> CountsEnvironment {
        let machine = Machine::here();
        let known = |text: String| if text.is_empty() { unknown() } else { text };
        CountsEnvironment {
            target: known(machine.target),
            rustc: known(machine.rustc),
            valgrind: callgrind.version().to_owned(),
            features: features.into(),
            processor_features: processor_features(),
            libc: said("ldd", &["--version"])
                .lines()
                .next()
                .map_or_else(unknown, |line| line.trim_start_matches("ldd ").to_owned()),
        }
    }

    /// What the two do not share, in the order of the fields; empty where counts can be compared.
    #[must_use]
    pub fn differences(&self, here: &CountsEnvironment) -> Vec<Difference> {
        [
            ("target", &self.target, &here.target),
            ("rustc", &self.rustc, &here.rustc),
            ("valgrind", &self.valgrind, &here.valgrind),
            ("features", &self.features, &here.features),
            ("processor features", &self.processor_features, &here.processor_features),
            ("C library", &self.libc, &here.libc),
        ]
        .into_iter()
        .filter(|(_, recorded, here)| recorded != here)
        .map(|(what, recorded, here)| Difference {
            what,
            recorded: recorded.clone(),
            here: here.clone(),
        })
        .collect()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: recorded `{}`, here `{}`", self.what, self.recorded, self.here)
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// What a program prints; nothing if it cannot be run.
fn said(program: &str, arguments: &[&str]) -> String {
    match bounded::run(Command::new(program).args(arguments), Duration::from_secs(60)) {
        Ok(output) if output.status.success() => output.stdout,
        _ => String::new(),
    }
}

fn processor_features() -> String {
    std::fs::read_to_string("/proc/cpuinfo").map_or_else(|_| unknown(), |text| of_cpuinfo(&text))
}

/// Linux' names of what Valgrind passes on of an x86 processor, and of what newer ones may.
const SHOWN: [&str; 18] = [
    "pni", "ssse3", "cx16", "sse4_1", "sse4_2", "abm", "avx", "rdtscp", "bmi1", "bmi2", "avx2",
    "rdrand", "rdseed", "f16c", "fma", "movbe", "avx512f", "erms",
];

fn of_cpuinfo(text: &str) -> String {
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    match (field("flags"), field("Features")) {
        (Some(flags), _) => {
            let has: Vec<&str> = flags.split_whitespace().collect();
            SHOWN.into_iter().filter(|name| has.contains(name)).collect::<Vec<_>>().join(" ")
        }
        (None, Some(features)) => features,
        (None, None) => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processors_features_are_those_that_matter() {
        let text = "processor\t: 0\nflags\t\t: fpu vme avx2 smap avx pni\n\nprocessor\t: 1\n";
        assert_eq!(of_cpuinfo(text), "pni avx avx2");
        assert_eq!(of_cpuinfo("Features\t: fp asimd crc32\n"), "fp asimd crc32");
        assert_eq!(of_cpuinfo(""), "unknown");
    }

    #[test]
    fn what_differs_is_named_with_both_sides() {
        let recorded = CountsEnvironment { libc: "glibc 2.36".into(), ..Default::default() };
        let here = CountsEnvironment { libc: "glibc 2.39".into(), ..Default::default() };
        let differences: Vec<String> =
            recorded.differences(&here).iter().map(Difference::to_string).collect();
        assert_eq!(differences, ["C library: recorded `glibc 2.36`, here `glibc 2.39`"]);
        assert!(here.differences(&here.clone()).is_empty());
    }
}
