//! The root manifest and the lock files: where the version stands, and raising it there.
//!
//! Line by line rather than through a parser, so that comments and layout stay.

use super::version::Version;
use anyhow::{Context, Result, bail};

/// The version in `[workspace.package]`.
pub(super) fn present(manifest: &str) -> Result<Version> {
    let line = Lines::new(manifest)
        .find(|(section, line)| section == "workspace.package" && key(line) == Some("version"))
        .map(|(_, line)| line)
        .context("Cargo.toml has no version in [workspace.package]")?;
    let (_, version, _) = quoted(line, "version")
        .with_context(|| format!("Cargo.toml: `{}` holds no version", line.trim()))?;
    Version::parse(version)
}

/// The manifest with `to` as its version and in the path dependencies of the workspace's table.
pub(super) fn raised(manifest: &str, from: &Version, to: &Version) -> Result<String> {
    let mut text = String::with_capacity(manifest.len() + 64);
    for (section, line) in Lines::new(manifest) {
        let ours = match section.as_str() {
            "workspace.package" => key(line) == Some("version"),
            "workspace.dependencies" => quoted(line, "path").is_some(),
            _ => false,
        };
        if !ours {
            text.push_str(line);
            continue;
        }
        let Some((before, version, after)) = quoted(line, "version") else {
            bail!(
                "Cargo.toml: `{}` has no version, so what depends on it cannot be published; \
                 add version = \"{from}\"",
                line.trim()
            );
        };
        // `=0.1.0` pins; whoever wrote it wants it to stay a pin.
        let number = version.trim_start_matches(['=', '^', '~', ' ']);
        if number != from.to_string() {
            bail!("Cargo.toml: `{}` names {number}, not the present {from}", line.trim());
        }
        let operator = &version[..version.len() - number.len()];
        text.push_str(&format!("{before}{operator}{to}{after}"));
    }
    Ok(text)
}

/// A lock file with `to` as the version of the packages of that name that come from no registry.
pub(super) fn raised_lock(lock: &str, packages: &[String], from: &Version, to: &Version) -> String {
    let old = format!("version = \"{from}\"\n");
    let new = format!("version = \"{to}\"\n");
    lock.split_inclusive("[[package]]\n")
        .map(|block| {
            let name = block
                .strip_prefix("name = \"")
                .and_then(|rest| rest.split_once('"'))
                .map_or("", |(name, _)| name);
            let ours = packages.iter().any(|package| package == name)
                && !block.lines().any(|line| line.starts_with("source = "));
            if ours { block.replacen(&old, &new, 1) } else { block.to_owned() }
        })
        .collect()
}

/// Lines with the section they stand in, line ends included.
struct Lines<'a> {
    rest: std::str::SplitInclusive<'a, char>,
    section: String,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Lines<'a> {
        Lines { rest: text.split_inclusive('\n'), section: String::new() }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (String, &'a str);

    fn next(&mut self) -> Option<(String, &'a str)> {
        let line = self.rest.next()?;
        if let Some(header) = line.trim().strip_prefix('[') {
            self.section = header.split(']').next().unwrap_or_default().trim().to_owned();
        }
        Some((self.section.clone(), line))
    }
}

/// What stands before the first `=`, unless the line is a comment.
fn key(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim();
    (!key.starts_with('#')).then_some(key)
}

/// Splits a line around the quoted value of `key`: before it, the value, after it.
fn quoted<'a>(line: &'a str, wanted: &str) -> Option<(&'a str, &'a str, &'a str)> {
    if line.trim_start().starts_with('#') {
        return None;
    }
    let mut from = 0;
    while let Some(at) = line[from..].find(wanted) {
        let start = from + at;
        from = start + wanted.len();
        let alone = line[..start].ends_with([' ', '{', ',']) || start == 0;
        let Some(rest) = line[from..].trim_start().strip_prefix('=') else { continue };
        let Some(rest) = rest.trim_start().strip_prefix('"') else { continue };
        let Some(end) = rest.find('"') else { continue };
        if alone {
            let value = line.len() - rest.len();
            return Some((&line[..value], &rest[..end], &line[value + end..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
[workspace]
members = [\"a\"]

[workspace.package]
# version = \"9.9.9\" is no version
version = \"0.1.0\"
rust-version = \"0.1.0\"

[workspace.dependencies]
a = { path = \"a\", version = \"0.1.0\" } # why
b = { version=\"=0.1.0\", path = \"b\" }
other = { version = \"0.1.0\" }

[profile.release]
version = \"0.1.0\"
";

    fn versions() -> (Version, Version) {
        (Version::parse("0.1.0").unwrap(), Version::parse("0.2.0-rc.1").unwrap())
    }

    #[test]
    fn the_present_version_is_the_workspaces() {
        assert_eq!(present(MANIFEST).unwrap(), versions().0);
        assert!(present("[workspace]\n").is_err());
    }

    #[test]
    fn only_our_own_versions_are_raised() {
        let (from, to) = versions();
        let text = raised(MANIFEST, &from, &to).unwrap();
        let changed: Vec<&str> = text
            .lines()
            .zip(MANIFEST.lines())
            .filter_map(|(new, old)| (new != old).then_some(new))
            .collect();
        assert_eq!(
            changed,
            [
                "version = \"0.2.0-rc.1\"",
                "a = { path = \"a\", version = \"0.2.0-rc.1\" } # why",
                "b = { version=\"=0.2.0-rc.1\", path = \"b\" }",
            ]
        );
        assert_eq!(text.lines().count(), MANIFEST.lines().count());
    }

    #[test]
    fn a_path_without_a_version_or_with_another_is_refused() {
        let (from, to) = versions();
        let bare = MANIFEST.replace("path = \"a\", version = \"0.1.0\"", "path = \"a\"");
        let error = raised(&bare, &from, &to).unwrap_err().to_string();
        assert!(error.contains("`a = { path = \"a\" } # why` has no version"), "{error}");
        let other = MANIFEST
            .replace("path = \"a\", version = \"0.1.0\"", "path = \"a\", version = \"0.3.0\"");
        assert!(raised(&other, &from, &to).is_err());
    }

    #[test]
    fn a_lock_file_changes_for_our_packages_only() {
        let lock = "\
version = 4

[[package]]
name = \"a\"
version = \"0.1.0\"
dependencies = [
 \"other\",
]

[[package]]
name = \"b\"
version = \"0.1.0\"
source = \"registry+https://example.com\"

[[package]]
name = \"other\"
version = \"0.1.0\"
";
        let (from, to) = versions();
        let names = ["a".to_owned(), "b".to_owned()];
        let text = raised_lock(lock, &names, &from, &to);
        assert_eq!(text, lock.replacen("version = \"0.1.0\"", "version = \"0.2.0-rc.1\"", 1));
    }
}
