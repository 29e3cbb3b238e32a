//! The plan: what would change, and what stands in the way. Reads, never writes.

use super::order::{self, Package};
use super::version::Version;
use super::{Options, Repository, changelog, manifest};
use anyhow::Result;

/// The branch that releases come from.
const BRANCH: &str = "main";

/// How far the release of this version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was done.
    Fresh,
    /// The last commit is its commit; the tag is missing.
    Committed,
    /// Its tag is checked out; only publishing can be missing.
    Tagged,
}

/// A file with its new text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edit {
    pub(super) path: String,
    pub(super) text: String,
    /// What changes in it, for the reader.
    pub(super) what: String,
}

/// What a release would do.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) present: Version,
    pub(super) version: Version,
    pub(super) state: State,
    pub(super) edits: Vec<Edit>,
    /// Every lock file in the tree.
    pub(super) locks: Vec<String>,
    /// The crates in the order they are published.
    pub(super) order: Vec<String>,
    /// Why the release cannot be made.
    pub(super) problems: Vec<String>,
}

impl Plan {
    pub(super) fn new(repository: &Repository, options: &Options) -> Result<Plan> {
        let root_manifest = repository.read("Cargo.toml")?;
        let present = manifest::present(&root_manifest)?;
        let version = match &options.wanted {
            Some(text) => {
                Version::wanted(text, &present).map_err(|e| crate::usage(e.to_string()))?
            }
            // Never released, or tagged and half published: the present one is meant.
            None if options.publish || !is_tagged(repository, &present)? => present.clone(),
            None => {
                return Err(crate::usage(format!(
                    "{present} is released; name the next version, or patch, minor, major"
                )));
            }
        };
        let mut plan = Plan {
            present,
            version,
            state: State::Fresh,
            edits: Vec::new(),
            locks: Vec::new(),
            order: Vec::new(),
            problems: Vec::new(),
        };
        plan.judge_tree(repository, options)?;
        let metadata = crate::command::output(&mut repository.cargo(&[
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
        ]))?;
        let packages = order::packages(&metadata)?;
        plan.judge_packages(&packages);
        if plan.state == State::Fresh {
            plan.edit(repository, &root_manifest, &packages)?;
        }
        Ok(plan)
    }

    fn judge_tree(&mut self, repository: &Repository, options: &Options) -> Result<()> {
        let tag = self.version.tag();
        let dirty = repository.git(&["status", "--porcelain"])?;
        if !dirty.is_empty() {
            let (count, first) = (dirty.lines().count(), dirty.lines().next().unwrap_or_default());
            self.problems.push(format!(
                "the tree is not clean: {count} files, first `{}`; commit or stash them",
                first.trim()
            ));
        }
        let newest = repository
            .git(&["tag", "--list", "v*"])?
            .lines()
            .filter_map(|tag| Version::parse(tag.strip_prefix('v')?).ok())
            .max();
        if is_tagged(repository, &self.version)? {
            let tagged = repository.git(&["rev-parse", &format!("{tag}^{{commit}}")])?;
            if !options.publish {
                self.problems.push(format!(
                    "{tag} is tagged already; name a greater version, or add --publish to publish it"
                ));
            } else if self.version != self.present
                || tagged != repository.git(&["rev-parse", "HEAD"])?
            {
                self.problems.push(format!(
                    "{tag} is not what is checked out; `git switch --detach {tag}`, then publish it"
                ));
            }
            self.state = State::Tagged;
            return Ok(());
        }
        let branch = repository.git(&["rev-parse", "--abbrev-ref", "HEAD"])?;
        if branch != BRANCH {
            self.problems.push(format!(
                "releases come from {BRANCH}, this is `{branch}`; `git switch {BRANCH}`"
            ));
        }
        if self.version < self.present {
            self.problems.push(format!("{} is below the present {}", self.version, self.present));
        }
        if let Some(newest) = newest.filter(|newest| self.version < *newest) {
            self.problems.push(format!("{} is below {newest}, which is tagged", self.version));
        }
        let committed = changelog::has(&repository.read("CHANGELOG.md")?, &self.version);
        if committed && self.version == self.present {
            if repository.git(&["log", "-1", "--format=%s"])? == self.subject() {
                self.state = State::Committed;
            } else {
                self.problems.push(format!(
                    "the commit of {} is not the last one; tag it by hand: `git tag -a {tag} COMMIT`",
                    self.version
                ));
            }
        }
        Ok(())
    }

    fn judge_packages(&mut self, packages: &[Package]) {
        for package in packages.iter().filter(|package| package.published) {
            for field in &package.lacks {
                self.problems.push(format!("{}: its manifest has no {field}", package.name));
            }
        }
        match order::order(packages) {
            Ok(ordered) if ordered.is_empty() => {
                self.problems.push("no crate of the workspace may be published".to_owned());
            }
            Ok(ordered) => {
                self.problems.extend(order::tests_ahead(&ordered));
                self.order = ordered.iter().map(|package| package.name.clone()).collect();
            }
            Err(error) => self.problems.push(error.to_string()),
        }
    }

    fn edit(
        &mut self,
        repository: &Repository,
        root_manifest: &str,
        packages: &[Package],
    ) -> Result<()> {
        let (from, to) = (self.present.clone(), self.version.clone());
        match manifest::raised(root_manifest, &from, &to) {
            Ok(text) => {
                let lines = changed_lines(root_manifest, &text);
                self.propose(
                    "Cargo.toml",
                    root_manifest,
                    text,
                    format!("{from} -> {to}, {lines} lines"),
                );
            }
            Err(error) => self.problems.push(error.to_string()),
        }
        let names: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
        let locks = repository.git(&["ls-files", "*Cargo.lock"])?;
        self.locks = locks.lines().map(str::to_owned).collect();
        for path in locks.lines() {
            let lock = repository.read(path)?;
            let text = manifest::raised_lock(&lock, &names, &from, &to);
            let lines = changed_lines(&lock, &text);
            self.propose(path, &lock, text, format!("{from} -> {to}, {lines} packages"));
        }
        let log = repository.read("CHANGELOG.md")?;
        let date = changelog::today();
        match changelog::released(&log, &to, &date) {
            Ok(text) => {
                let entries = changelog::waiting(&log)?;
                let what = format!("what waits ({entries}) moves under `## {to} - {date}`");
                self.propose("CHANGELOG.md", &log, text, what);
            }
            Err(error) => self.problems.push(error.to_string()),
        }
        Ok(())
    }

    fn propose(&mut self, path: &str, old: &str, text: String, what: String) {
        if text != old {
            self.edits.push(Edit { path: path.to_owned(), text, what });
        }
    }

    /// The first line of the release's commit.
    pub(super) fn subject(&self) -> String {
        format!("release: {}", self.version)
    }

    pub(super) fn print(&self, options: &Options) {
        println!("release {}, the manifest says {}\n", self.version, self.present);
        let done = |done: bool| if done { " (done)" } else { "" };
        if self.state == State::Fresh {
            println!("  1 checks: cargo xtask check, cargo xtask test --require-all, packaging");
            for (at, edit) in self.edits.iter().enumerate() {
                println!("  {} {}: {}", if at == 0 { "2" } else { " " }, edit.path, edit.what);
            }
        }
        println!("  3 commit `{}`{}", self.subject(), done(self.state != State::Fresh));
        println!("  4 tag {}{}", self.version.tag(), done(self.state == State::Tagged));
        let only = if options.publish { "" } else { " (only with --publish)" };
        let to = options.registry.as_deref().unwrap_or("the default registry");
        println!("  5 publish to {to}, in this order{only}: {}", self.order.join(", "));
        if !self.problems.is_empty() {
            println!("\nin the way:");
            for problem in &self.problems {
                println!("  - {problem}");
            }
        }
    }

    /// What is left to the person.
    pub(super) fn print_next(&self, options: &Options) {
        println!("\nnext: git push origin {BRANCH} {}", self.version.tag());
        if !options.publish {
            println!("      cargo xtask release {} --execute --publish", self.version);
        }
    }
}

fn is_tagged(repository: &Repository, version: &Version) -> Result<bool> {
    let name = format!("refs/tags/{}", version.tag());
    repository.git_says(&["show-ref", "--verify", "--quiet", &name])
}

fn changed_lines(old: &str, new: &str) -> usize {
    old.lines().zip(new.lines()).filter(|(old, new)| old != new).count()
}
