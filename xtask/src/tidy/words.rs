//! Words: one per thing, and none that accepts anything.

use super::File;

/// Names of modules and folders that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["common", "utils", "util", "helpers", "helper", "misc"];

/// One complaint for each word that is not ours.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for File { path, text } in files {
        if path.contains("/vendor/") {
            continue;
        }
        for part in path.split('/') {
            let stem = part.split('.').next().unwrap_or(part);
            if EMPTY_NAMES.contains(&stem) {
                complaints.push(format!("{path}: `{stem}` says nothing about what is inside"));
            }
        }
        if path.starts_with("xtask/src/tidy/") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let place = || format!("{path}:{}", number + 1);
            if line.to_ascii_lowercase().contains("hit rate") && !line.contains("doc(alias") {
                complaints.push(format!("{}: say hit ratio, not hit rate", place()));
            }
            if path.ends_with(".rs") {
                for word in ["todo!(", "unimplemented!(", "#[ignore"] {
                    if line.contains(word) {
                        complaints.push(format!("{}: `{word}` is not finished work", place()));
                    }
                }
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check(&[File { path: path.into(), text: text.into() }]).len()
    }

    #[test]
    fn empty_names_are_refused() {
        assert_eq!(complaints("crates/a/src/utils.rs", ""), 1);
        assert_eq!(complaints("crates/a/src/helpers/mod.rs", ""), 1);
        assert_eq!(complaints("crates/a/src/tokio_util_adapter.rs", ""), 0);
    }

    #[test]
    fn the_wrong_word_is_refused_except_as_an_alias() {
        assert_eq!(complaints("docs/a.md", "a Hit rate of 0.9"), 1);
        assert_eq!(complaints("a.rs", "#[doc(alias = \"hit rate\")]"), 0);
    }

    #[test]
    fn unfinished_work_is_refused() {
        assert_eq!(complaints("crates/a/src/b.rs", "    todo!()"), 1);
        assert_eq!(complaints("crates/a/src/b.rs", "#[ignore = \"slow\"]"), 1);
    }
}
