//! A small workspace in a git repository of its own, removed when it is dropped.

use super::super::Repository;
use super::registry::Registry;
use std::path::PathBuf;

pub(super) struct Workspace {
    pub(super) repository: Repository,
    pub(super) registry: Registry,
    root: PathBuf,
}

impl Workspace {
    pub(super) fn new(name: &str) -> Workspace {
        let root =
            std::env::temp_dir().join(format!("perfkit-release-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        for folder in ["small-a/src", "small-b/src", "tool/src", "rivals/src"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let registry = Registry::start();
        let target = root.join("target").to_string_lossy().into_owned();
        // A home of its own, so that nobody waits for the machine's package cache.
        let home = root.join("target/home").to_string_lossy().into_owned();
        let environment = [
            ("CARGO_HOME", home.as_str()),
            ("CARGO_REGISTRIES_LOCAL_INDEX", registry.index.as_str()),
            ("CARGO_REGISTRIES_LOCAL_TOKEN", "a token of the test"),
            ("CARGO_TARGET_DIR", target.as_str()),
        ];
        let repository = Repository::new(root.clone()).with_environment(&environment);
        for (path, text) in files() {
            repository.write(path, &text).unwrap();
        }
        for manifest in ["Cargo.toml", "rivals/Cargo.toml"] {
            let lock = ["generate-lockfile", "--offline", "--manifest-path", manifest];
            assert!(repository.cargo(&lock).status().unwrap().success());
        }
        for args in [
            &["init", "--quiet", "--initial-branch", "main"][..],
            &["config", "user.name", "A Tester"],
            &["config", "user.email", "tester@example.com"],
            &["config", "commit.gpgsign", "false"],
            &["config", "tag.gpgsign", "false"],
            &["config", "core.hooksPath", ".git/hooks"],
            &["add", "."],
            &["commit", "--quiet", "-m", "start"],
        ] {
            repository.git(args).unwrap();
        }
        Workspace { repository, registry, root }
    }

    /// Commit, tags, and what differs from the commit.
    pub(super) fn state(&self) -> [String; 3] {
        [&["log", "--oneline"][..], &["tag"], &["diff", "HEAD"]]
            .map(|args| self.repository.git(args).unwrap())
    }

    #[cfg(unix)]
    pub(super) fn hook(&self, name: &str, body: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.root.join(".git/hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn files() -> Vec<(&'static str, String)> {
    let member = |name: &str, rest: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion.workspace = true\nedition = \"2024\"\n\
             description = \"d\"\nkeywords = [\"small\"]\ncategories = [\"caching\"]\n\
             license = \"MIT\"\nrepository = \"https://example.com\"\nreadme = \"../README.md\"\n\
             {rest}"
        )
    };
    let table = |name: &str| {
        format!("{name} = {{ path = \"{name}\", version = \"0.1.0\", registry = \"local\" }}\n")
    };
    vec![
        (
            "Cargo.toml",
            format!(
                "[workspace]\nresolver = \"3\"\nmembers = [\"small-a\", \"small-b\", \"tool\"]\n\
                 exclude = [\"rivals\"]\n\n[workspace.package]\nversion = \"0.1.0\"\n\n\
                 [workspace.dependencies]\n{}{}",
                table("small-a"),
                table("small-b")
            ),
        ),
        (
            "small-a/Cargo.toml",
            // A circle through the tests, which must not count.
            member(
                "small-a",
                "publish = [\"local\"]\n[dev-dependencies]\nsmall-b = { path = \"../small-b\" }\n",
            ),
        ),
        (
            "small-b/Cargo.toml",
            member(
                "small-b",
                "publish = [\"local\"]\n[dependencies]\nsmall-a = { workspace = true }\n",
            ),
        ),
        ("tool/Cargo.toml", member("tool", "publish = false\n")),
        (
            "rivals/Cargo.toml",
            "[workspace]\n[package]\nname = \"rivals\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [dependencies]\nsmall-a = { path = \"../small-a\" }\n"
                .to_owned(),
        ),
        ("small-a/src/lib.rs", String::new()),
        ("small-b/src/lib.rs", String::new()),
        ("tool/src/lib.rs", String::new()),
        ("rivals/src/lib.rs", String::new()),
        ("README.md", "Small.\n".to_owned()),
        (".gitignore", "target\n".to_owned()),
        ("CHANGELOG.md", "# C\n\n## Unreleased\n\n- small-a: one thing\n".to_owned()),
    ]
}
