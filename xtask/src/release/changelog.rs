//! The changelog: what waits under `## Unreleased` moves under a version and a date.

use super::version::Version;
use anyhow::{Context, Result, bail};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const UNRELEASED: &str = "## Unreleased";

/// How many entries wait under `## Unreleased`.
pub(super) fn waiting(changelog: &str) -> Result<usize> {
    Ok(unreleased(changelog)?.1.lines().filter(|line| line.starts_with("- ")).count())
}

/// Whether there is a part for this version.
pub(super) fn has(changelog: &str, version: &Version) -> bool {
    let heading = format!("## {version}");
    changelog
        .lines()
        .filter_map(|line| line.strip_prefix(&heading))
        .any(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// The changelog with the waiting entries under the version, and an empty `## Unreleased` above.
pub(super) fn released(changelog: &str, version: &Version, date: &str) -> Result<String> {
    if has(changelog, version) {
        bail!("CHANGELOG.md has a part for {version} already");
    }
    if waiting(changelog)? == 0 {
        bail!("CHANGELOG.md has nothing under `{UNRELEASED}`: say there what changed");
    }
    let (before, part, after) = unreleased(changelog)?;
    let part = part.trim_matches('\n');
    let gap = if after.is_empty() { "" } else { "\n" };
    Ok(format!("{before}{UNRELEASED}\n\n## {version} - {date}\n\n{part}\n{gap}{after}"))
}

/// Splits around the body of `## Unreleased`: before its heading, the body, the parts after it.
fn unreleased(changelog: &str) -> Result<(&str, &str, &str)> {
    let mut at = 0;
    let mut body = None;
    for line in changelog.split_inclusive('\n') {
        let next = at + line.len();
        match body {
            None if line.trim_end() == UNRELEASED => body = Some((at, next)),
            Some((heading, from)) if line.starts_with("## ") => {
                return Ok((&changelog[..heading], &changelog[from..at], &changelog[at..]));
            }
            _ => {}
        }
        at = next;
    }
    let (heading, from) =
        body.with_context(|| format!("CHANGELOG.md has no heading `{UNRELEASED}`"))?;
    Ok((&changelog[..heading], &changelog[from..], ""))
}

/// Today in UTC, as `2026-01-31`.
pub(super) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    date(since.as_secs() / 86_400)
}

/// The date that many days after 1970-01-01.
///
/// Source: Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn date(days: u64) -> String {
    let days = days + 719_468; // days from 0000-03-01, so that the leap day ends the year
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "\
# Changelog

## Unreleased

### Added

- a: one
- b: two

## 0.1.0 - 2026-01-01

- a: first
";

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn the_waiting_entries_move_and_nothing_else() {
        let text = released(CHANGELOG, &version("0.2.0"), "2026-02-03").unwrap();
        let wanted =
            CHANGELOG.replacen("## Unreleased\n", "## Unreleased\n\n## 0.2.0 - 2026-02-03\n", 1);
        assert_eq!(text, wanted);
        assert_eq!(waiting(&text).unwrap(), 0);
        assert!(has(&text, &version("0.2.0")));
    }

    #[test]
    fn the_first_release_has_nothing_below() {
        let text = released("# C\n\n## Unreleased\n\n- a: x\n", &version("0.1.0"), "D").unwrap();
        assert_eq!(text, "# C\n\n## Unreleased\n\n## 0.1.0 - D\n\n- a: x\n");
    }

    #[test]
    fn nothing_to_release_is_refused() {
        let empty = "# C\n\n## Unreleased\n\n### Added\n\n## 0.1.0\n\n- a: x\n";
        assert_eq!(waiting(empty).unwrap(), 0);
        assert!(released(empty, &version("0.2.0"), "D").is_err());
        assert!(waiting("# C\n").is_err());
        assert!(released(CHANGELOG, &version("0.1.0"), "D").is_err());
    }

    #[test]
    fn a_version_is_not_taken_for_a_longer_one() {
        assert!(!has("## 0.1.0-rc.1 - D\n## 0.1.01\n", &version("0.1.0")));
    }

    #[test]
    fn dates_of_leap_years_and_centuries() {
        for (days, wanted) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_178, "2025-03-31"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(days), wanted);
        }
    }
}
