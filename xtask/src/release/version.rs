//! Versions: read, compared and raised after the rules of semantic versioning.
//!
//! Source: Semantic Versioning 2.0.0, sections 2, 9 and 11.

use anyhow::{Result, bail};
use std::cmp::Ordering;
use std::fmt;

/// A version, without build metadata: a registry takes two builds of one version for the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version {
    numbers: [u64; 3],
    /// What stands behind the hyphen, split at its dots; empty for a release.
    pre: Vec<String>,
}

impl Version {
    /// Reads `1.2.3` or `1.2.3-rc.1`.
    pub(super) fn parse(text: &str) -> Result<Version> {
        let problem = |what: &str| -> anyhow::Error {
            anyhow::anyhow!("`{text}` is no version: {what}; write it as 1.2.3 or 1.2.3-rc.1")
        };
        if text.contains('+') {
            bail!(problem("build metadata cannot be released"));
        }
        let (numbers, pre) = match text.split_once('-') {
            Some((numbers, pre)) => (numbers, Some(pre)),
            None => (text, None),
        };
        let parts: Vec<&str> = numbers.split('.').collect();
        let [major, minor, patch] = parts[..] else {
            bail!(problem("it needs three numbers"));
        };
        let number = |part: &str| -> Result<u64> {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'));
            match part.parse() {
                Ok(number) if plain => Ok(number),
                _ => Err(problem(&format!("`{part}` is no plain number"))),
            }
        };
        let numbers = [number(major)?, number(minor)?, number(patch)?];
        let pre: Vec<String> =
            pre.map(|pre| pre.split('.').map(str::to_owned).collect()).unwrap_or_default();
        for part in &pre {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if part.is_empty() || !part.bytes().all(known) {
                bail!(problem(&format!("`{part}` cannot stand behind the hyphen")));
            }
            if is_number(part) && part.len() > 1 && part.starts_with('0') {
                bail!(problem(&format!("`{part}` starts with a zero")));
            }
        }
        Ok(Version { numbers, pre })
    }

    /// Reads a version, or the word for the part to raise: `patch`, `minor`, `major`.
    pub(super) fn wanted(text: &str, present: &Version) -> Result<Version> {
        let [major, minor, patch] = present.numbers;
        let release = |numbers| Version { numbers, pre: Vec::new() };
        Ok(match text {
            // A release candidate becomes the release that it was a candidate for.
            "patch" if !present.pre.is_empty() => release(present.numbers),
            "patch" => release([major, minor, raised(patch)?]),
            "minor" if !present.pre.is_empty() && patch == 0 => release(present.numbers),
            "minor" => release([major, raised(minor)?, 0]),
            "major" if !present.pre.is_empty() && minor == 0 && patch == 0 => {
                release(present.numbers)
            }
            "major" => release([raised(major)?, 0, 0]),
            _ => Version::parse(text)?,
        })
    }

    /// The name of its tag.
    pub(super) fn tag(&self) -> String {
        format!("v{self}")
    }
}

fn raised(number: u64) -> Result<u64> {
    match number.checked_add(1) {
        Some(number) => Ok(number),
        None => bail!("{number} cannot be raised; name the version"),
    }
}

fn is_number(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_digit())
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => pre_order(&self.pre, &other.pre),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn pre_order(left: &[String], right: &[String]) -> Ordering {
    for (left, right) in left.iter().zip(right) {
        let order = match (is_number(left), is_number(right)) {
            // Without leading zeros, the longer number is the greater one, whatever its length.
            (true, true) => left.len().cmp(&right.len()).then_with(|| left.cmp(right)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => left.cmp(right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre.join("."))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn a_version_survives_its_text() {
        for text in ["0.1.0", "1.22.333", "1.0.0-rc.1", "1.0.0-alpha-2.x"] {
            assert_eq!(version(text).to_string(), text);
        }
    }

    #[test]
    fn the_order_is_that_of_the_standard() {
        let rising = [
            "0.9.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.10",
            "1.2.0",
        ];
        for pair in rising.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn each_part_is_raised() {
        for (present, word, wanted) in [
            ("0.1.0", "patch", "0.1.1"),
            ("0.1.7", "minor", "0.2.0"),
            ("0.1.7", "major", "1.0.0"),
            ("0.2.0-rc.1", "patch", "0.2.0"),
            ("0.2.0-rc.1", "minor", "0.2.0"),
            ("0.2.1-rc.1", "minor", "0.3.0"),
            ("1.0.0-rc.1", "major", "1.0.0"),
            ("0.2.0-rc.1", "major", "1.0.0"),
            ("0.1.0", "0.3.0-rc.1", "0.3.0-rc.1"),
        ] {
            assert_eq!(Version::wanted(word, &version(present)).unwrap(), version(wanted));
        }
    }

    #[test]
    fn what_is_no_version_is_named() {
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "01.2.3",
            "1.2.-3",
            "1.2.3-",
            "1.2.3-a..b",
            "1.2.3-01",
            "1.2.3+build",
            "1.2.+3",
            "1.2.99999999999999999999",
            "biggest",
        ] {
            let error = Version::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
