//! Where something was measured: figures from different machines are not compared.

use serde::{Deserialize, Serialize};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What a figure depends on besides the code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Machine {
    /// Processor model as the system names it.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Operating system and kernel.
    pub system: String,
    /// Target triple.
    pub target: String,
    /// `rustc --version`.
    pub rustc: String,
}

impl Machine {
    /// This one. What cannot be found out is left empty.
    ///
    /// Asks `rustc` (or what `RUSTC` names) for its version, once in a process.
    #[must_use]
    pub fn here() -> Machine {
        static HERE: OnceLock<Machine> = OnceLock::new();
        HERE.get_or_init(|| Machine {
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            system: system(),
            target: target(),
            rustc: rustc(),
        })
        .clone()
    }

    /// A short name for folders and files: processor, cores and target, but neither kernel nor
    /// compiler, so that it outlives their updates.
    #[must_use]
    pub fn key(&self) -> String {
        let processor = slug(&self.processor, 40);
        let processor = if processor.is_empty() { "unknown" } else { &processor };
        let target = slug(&self.target, 40);
        let target = if target.is_empty() { "unknown" } else { &target };
        format!("{processor}-{}c-{target}", self.cores)
    }

    /// What makes figures of this machine and the other one doubtful to compare; empty when
    /// nothing does.
    #[must_use]
    pub fn differences(&self, other: &Machine) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, here: &str, there: &str| {
            if here != there {
                let name = |text: &str| if text.is_empty() { "unknown" } else { text }.to_owned();
                differences.push(format!("{what}: {} / {}", name(here), name(there)));
            }
        };
        compare("processor", &self.processor, &other.processor);
        compare("cores", &self.cores.to_string(), &other.cores.to_string());
        compare("system", &self.system, &other.system);
        compare("target", &self.target, &other.target);
        compare("compiler", &self.rustc, &other.rustc);
        differences
    }

    /// In one line for the head of a report.
    #[must_use]
    pub fn summary(&self) -> String {
        let cores = match self.cores {
            0 => String::new(),
            1 => "1 core".to_owned(),
            n => format!("{n} cores"),
        };
        let parts = [&self.processor, &cores, &self.system, &self.rustc];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
        parts.join(", ")
    }
}

/// Lower-case words joined by dashes, without what vendors add to their names.
fn slug(text: &str, longest: usize) -> String {
    let text = text.to_lowercase().replace("(r)", " ").replace("(tm)", " ");
    let text = text.split('@').next().unwrap_or_default();
    let mut slug = String::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        if word.is_empty() || matches!(word, "cpu" | "processor") {
            continue;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(word);
    }
    slug.truncate(longest);
    slug.trim_end_matches('-').to_owned()
}

#[cfg(target_os = "linux")]
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // x86 names the model; many ARM kernels give numbers only.
    let field = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim().to_owned())
    };
    field("model name").or_else(|| field("Model")).or_else(|| field("Hardware")).unwrap_or_else(
        || match (field("CPU implementer"), field("CPU part")) {
            (Some(implementer), Some(part)) => format!("ARM {implementer} {part}"),
            _ => String::new(),
        },
    )
}

#[cfg(target_os = "macos")]
fn processor() -> String {
    first_line("sysctl", &["-n", "machdep.cpu.brand_string"])
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn processor() -> String {
    std::env::var("PROCESSOR_IDENTIFIER").unwrap_or_default()
}

fn system() -> String {
    if cfg!(target_os = "linux") {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        return format!("Linux {}", release.trim()).trim_end().to_owned();
    }
    if cfg!(windows) {
        return std::env::var("OS").unwrap_or_else(|_| "Windows".to_owned());
    }
    first_line("uname", &["-sr"])
}

fn target() -> String {
    use std::env::consts::{ARCH, OS};
    let vendor = if cfg!(target_vendor = "apple") {
        "apple"
    } else if cfg!(target_vendor = "pc") {
        "pc"
    } else {
        "unknown"
    };
    let os = if OS == "macos" { "darwin" } else { OS };
    let environment = if cfg!(target_env = "gnu") {
        "-gnu"
    } else if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "msvc") {
        "-msvc"
    } else {
        ""
    };
    format!("{ARCH}-{vendor}-{os}{environment}")
}

fn rustc() -> String {
    let program = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    first_line(&program, &["--version"])
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        // rustc may be a launcher that would fetch a toolchain before it answers.
        .env("RUSTUP_AUTO_INSTALL", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            processor: "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz".into(),
            cores: 8,
            system: "Linux 6.8.0".into(),
            target: "x86_64-unknown-linux-gnu".into(),
            rustc: "rustc 1.95.0".into(),
        }
    }

    #[test]
    fn the_key_is_short_and_outlives_updates() {
        let key = machine().key();
        assert_eq!(key, "intel-xeon-e5-2680-v4-8c-x86-64-unknown-linux-gnu");
        let newer =
            Machine { system: "Linux 6.9.1".into(), rustc: "rustc 1.96.0".into(), ..machine() };
        assert_eq!(newer.key(), key);
        assert_eq!(Machine::default().key(), "unknown-0c-unknown");
        let odd = Machine { processor: "../../etc/passwd\0".into(), ..machine() };
        assert!(odd.key().chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{}", odd.key());
    }

    #[test]
    fn differences_name_both_sides() {
        assert!(machine().differences(&machine()).is_empty());
        let other = Machine { cores: 4, rustc: String::new(), ..machine() };
        assert_eq!(
            machine().differences(&other),
            ["cores: 8 / 4", "compiler: rustc 1.95.0 / unknown"]
        );
    }

    #[test]
    fn this_machine_has_a_name() {
        let here = Machine::here();
        assert!(here.cores > 0);
        assert!(here.target.contains(std::env::consts::ARCH));
        assert_eq!(here, Machine::here());
        assert!(!here.summary().is_empty());
    }
}
