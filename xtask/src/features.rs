//! Features: all of the workspace's, but those that take a build of their own.

use crate::tidy;
use anyhow::Result;

/// Each builds a C++ library for ten minutes and more, and is tested from a package of its own.
pub(crate) const APART: [&str; 1] = ["rocksdb"];

/// What `--all-features` would turn on in the whole workspace, without [`APART`]: the value of
/// `--features`.
pub(crate) fn all() -> Result<String> {
    let packages = tidy::packages()?;
    let packages = packages.iter().map(|package| of(&package.name, &package.features));
    Ok(packages.collect::<Vec<_>>().concat().join(","))
}

fn of(package: &str, features: &[String]) -> Vec<String> {
    let features = features.iter().filter(|feature| !APART.contains(&feature.as_str()));
    features.map(|feature| format!("{package}/{feature}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_listed_but_what_is_built_apart() {
        let features = ["default", "rocksdb", "serde"].map(str::to_owned);
        assert_eq!(of("a", &features), ["a/default", "a/serde"]);
    }
}
