//! The order of publishing: each crate after what it depends on.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the release has to know of a package of the workspace.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// Whether it goes to a registry.
    pub(super) published: bool,
    /// The fields that a published manifest needs and this one lacks.
    pub(super) lacks: Vec<String>,
    /// The packages of the workspace that it needs to be built.
    pub(super) needs: Vec<String>,
    /// The packages of the workspace that its tests need, where a version is asked for.
    pub(super) tests_need: Vec<String>,
}

/// The packages of a workspace, from `cargo metadata --no-deps`.
pub(super) fn packages(metadata: &str) -> Result<Vec<Package>> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo's metadata is not JSON")?;
    let listed = metadata["packages"].as_array().context("cargo's metadata lists no packages")?;
    Ok(listed.iter().map(package).collect())
}

fn package(from: &Value) -> Package {
    let mut package = Package {
        name: from["name"].as_str().unwrap_or_default().to_owned(),
        // `publish = false` comes as an empty list, `publish = ["name"]` as that list.
        published: from["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
        lacks: crate::tidy::MANIFEST_FIELDS
            .iter()
            .filter(|field| match &from[**field] {
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => true,
            })
            .map(|field| (*field).to_owned())
            .collect(),
        ..Package::default()
    };
    for dependency in from["dependencies"].as_array().into_iter().flatten() {
        let (false, Some(name)) = (dependency["path"].is_null(), dependency["name"].as_str())
        else {
            continue;
        };
        match dependency["kind"].as_str() {
            None | Some("build") => package.needs.push(name.to_owned()),
            // cargo drops a dev-dependency without a version when it packages.
            Some(_) if dependency["req"] != "*" => package.tests_need.push(name.to_owned()),
            Some(_) => {}
        }
    }
    package.needs.sort();
    package.needs.dedup();
    package
}

/// The published packages, each after what it needs, otherwise by name.
///
/// Dev-dependencies do not count: they may point back.
pub(super) fn order(packages: &[Package]) -> Result<Vec<&Package>> {
    let by_name: BTreeMap<&str, &Package> =
        packages.iter().map(|package| (package.name.as_str(), package)).collect();
    let mut waiting: BTreeMap<&str, &Package> =
        by_name.iter().filter(|(_, p)| p.published).map(|(name, p)| (*name, *p)).collect();
    for package in waiting.values() {
        for need in &package.needs {
            if by_name.get(need.as_str()).is_none_or(|needed| !needed.published) {
                bail!("{} depends on {need}, which is not published", package.name);
            }
        }
    }
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready = waiting
            .values()
            .find(|p| p.needs.iter().all(|need| !waiting.contains_key(need.as_str())))
            .copied();
        let Some(ready) = ready else {
            bail!("cannot be published, each needs the next: {}", cycle(&waiting));
        };
        waiting.remove(ready.name.as_str());
        ordered.push(ready);
    }
    Ok(ordered)
}

/// The dev-dependencies that point at a crate published later, which no registry would accept.
pub(super) fn tests_ahead(ordered: &[&Package]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, package) in ordered.iter().enumerate() {
        for need in &package.tests_need {
            if ordered[at..].iter().any(|later| later.name == *need) {
                complaints.push(format!(
                    "{}'s tests depend on {need}, which is published later; \
                     give that dev-dependency a path and no version",
                    package.name
                ));
            }
        }
    }
    complaints
}

/// Follows what waits for what until a name comes again.
fn cycle(waiting: &BTreeMap<&str, &Package>) -> String {
    let mut path: Vec<&str> = Vec::new();
    let mut at = waiting.keys().next().copied();
    while let Some(name) = at {
        if let Some(first) = path.iter().position(|seen| *seen == name) {
            path.drain(..first);
            path.push(name);
            break;
        }
        path.push(name);
        at = waiting[name].needs.iter().map(String::as_str).find(|need| waiting.contains_key(need));
    }
    path.join(" -> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, needs: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            published: true,
            needs: needs.iter().map(ToString::to_string).collect(),
            ..Package::default()
        }
    }

    fn names(ordered: &[&Package]) -> Vec<String> {
        ordered.iter().map(|package| package.name.clone()).collect()
    }

    #[test]
    fn each_comes_after_what_it_needs() {
        let packages =
            [package("a", &["c"]), package("b", &[]), package("c", &["d"]), package("d", &[])];
        assert_eq!(names(&order(&packages).unwrap()), ["b", "d", "c", "a"]);
    }

    #[test]
    fn a_cycle_is_refused_and_shown() {
        let packages =
            [package("a", &["b"]), package("b", &["c"]), package("c", &["b"]), package("d", &[])];
        let error = order(&packages).unwrap_err().to_string();
        assert!(error.ends_with("b -> c -> b"), "{error}");
    }

    #[test]
    fn what_is_not_published_is_left_out_and_cannot_be_needed() {
        let mut hidden = package("hidden", &["a"]);
        hidden.published = false;
        assert_eq!(names(&order(&[package("a", &[]), hidden.clone()]).unwrap()), ["a"]);
        hidden.needs.clear();
        let error = order(&[package("a", &["hidden"]), hidden]).unwrap_err().to_string();
        assert!(error.contains("a depends on hidden"), "{error}");
    }

    #[test]
    fn a_test_that_needs_a_later_crate_is_named() {
        let mut first = package("a", &[]);
        first.tests_need.push("b".to_owned());
        let packages = [first, package("b", &["a"])];
        let complaints = tests_ahead(&order(&packages).unwrap());
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].starts_with("a's tests depend on b"), "{complaints:?}");
    }

    #[test]
    fn the_kinds_of_dependency_are_told_apart() {
        let metadata = r#"{"packages": [
            {"name": "a", "publish": null, "description": "d", "keywords": ["k"],
             "categories": ["c"], "license": "MIT", "repository": "r", "readme": null,
             "dependencies": [
               {"name": "b", "kind": null, "req": "^0.1.0", "path": "/b"},
               {"name": "c", "kind": "build", "req": "^0.1.0", "path": "/c"},
               {"name": "d", "kind": "dev", "req": "*", "path": "/d"},
               {"name": "e", "kind": "dev", "req": "^0.1.0", "path": "/e"},
               {"name": "serde", "kind": null, "req": "^1"}]},
            {"name": "z", "publish": [], "dependencies": []}]}"#;
        let packages = packages(metadata).unwrap();
        assert_eq!(packages[0].needs, ["b", "c"]);
        assert_eq!(packages[0].tests_need, ["e"]);
        assert_eq!(packages[0].lacks, ["readme"]);
        assert!(packages[0].published && !packages[1].published);
    }
}
