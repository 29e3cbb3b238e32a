//! Which crate may depend on which. Leaves never see each other.

use super::Package;

/// What each crate may depend on, inside the workspace. A crate that is not listed may depend on
/// nothing of ours.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("perf-guard", &["perf-core"]),
    ("perf-macros", &[]),
    ("perf-cache", &["perf-core", "perf-guard", "perf-macros"]),
    ("perf-async", &["perf-core", "perf-guard"]),
    ("perf-async-bullmq", &["perf-core", "perf-async"]),
    ("perf-stats", &["perf-core"]),
    ("perf-bench", &["perf-core", "perf-stats"]),
    ("perf-analytics", &["perf-core", "perf-stats"]),
    ("perf-http", &["perf-core", "perf-guard", "perf-cache"]),
    (
        "perf-engine",
        &[
            "perf-core",
            "perf-guard",
            "perf-stats",
            "perf-cache",
            "perf-async",
            "perf-analytics",
            "perf-http",
            "perf-bench",
        ],
    ),
    (
        "perf-server",
        &[
            "perf-core",
            "perf-guard",
            "perf-cache",
            "perf-async",
            "perf-analytics",
            "perf-http",
            "perf-engine",
        ],
    ),
    (
        "perfkit",
        &[
            "perf-core",
            "perf-guard",
            "perf-cache",
            "perf-async",
            "perf-stats",
            "perf-analytics",
            "perf-http",
            "perf-bench",
            "perf-engine",
        ],
    ),
    // What is tested there is that nothing else is needed.
    ("perfkit-macro-tests", &["perfkit"]),
    (
        "perfkit-cli",
        &[
            "perf-core",
            "perf-stats",
            "perf-cache",
            "perf-async",
            "perf-bench",
            "perf-engine",
            "perf-server",
        ],
    ),
    (
        "perfkit-benches",
        &[
            "perf-core",
            "perf-guard",
            "perf-stats",
            "perf-cache",
            "perf-async",
            "perf-analytics",
            "perf-http",
            "perf-bench",
        ],
    ),
];

/// One complaint for each arrow that runs the wrong way.
pub(super) fn check(packages: &[Package]) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages {
        let allowed = ALLOWED
            .iter()
            .find(|(name, _)| *name == package.name)
            .map_or(&[][..], |(_, allowed)| allowed);
        for dependency in &package.depends_on {
            if !allowed.contains(&dependency.as_str()) {
                complaints.push(format!(
                    "{} depends on {dependency}: it may only see {}",
                    package.name,
                    if allowed.is_empty() {
                        "nothing of ours".to_owned()
                    } else {
                        allowed.join(", ")
                    },
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, depends_on: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            depends_on: depends_on.iter().map(ToString::to_string).collect(),
            ..Package::default()
        }
    }

    #[test]
    fn a_leaf_that_depends_on_a_leaf_is_refused() {
        let complaints = check(&[package("perf-cache", &["perf-core", "perf-async"])]);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("perf-cache depends on perf-async"), "{complaints:?}");
    }

    #[test]
    fn the_bottom_sees_nothing() {
        assert_eq!(check(&[package("perf-core", &["perf-guard"])]).len(), 1);
        assert_eq!(check(&[package("xtask", &["perf-core"])]).len(), 1);
    }

    #[test]
    fn the_arrows_of_the_plan_pass() {
        let packages: Vec<Package> =
            ALLOWED.iter().map(|(name, allowed)| package(name, allowed)).collect();
        assert_eq!(check(&packages), Vec::<String>::new());
    }
}
