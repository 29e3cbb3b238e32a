//! What git knows: which commit is the base, and what differs from it.

use crate::usage;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A checkout.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    root: PathBuf,
}

/// The commit to compare with, and why this one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Base {
    /// Its full name.
    pub(super) commit: String,
    /// How it was found, for people: `merge-base with main`.
    pub(super) why: String,
}

impl Base {
    /// Its short name.
    pub(super) fn short(&self) -> &str {
        self.commit.get(..10).unwrap_or(&self.commit)
    }
}

impl Repository {
    /// The checkout that cargo runs us for, or else the one around the working directory.
    pub(super) fn here() -> Result<Repository> {
        let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
            Some(package) => PathBuf::from(package),
            None => std::env::current_dir().context("there is no working directory")?,
        };
        Repository::around(&start)
    }

    /// The checkout that a folder lies in.
    pub(super) fn around(folder: &Path) -> Result<Repository> {
        let root = Repository { root: folder.to_owned() }.git(&["rev-parse", "--show-toplevel"])?;
        Ok(Repository { root: PathBuf::from(root) })
    }

    /// Its top folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where git keeps what all checkouts share.
    pub(super) fn common_folder(&self) -> Result<PathBuf> {
        Ok(self.root.join(self.git(&["rev-parse", "--git-common-dir"])?))
    }

    /// The commit to compare with: the one that is named, else where this branch left `main`, else
    /// (on `main`) the commit before, or the last one if there are changes that are not committed.
    pub(super) fn base(&self, named: Option<&str>) -> Result<Base> {
        if let Some(name) = named {
            let Some(commit) = self.commit(name) else {
                bail!(usage(format!("`{name}` names no commit here, see `git log --oneline`")));
            };
            return Ok(Base { commit, why: name.to_owned() });
        }
        let head = self.commit("HEAD").context("there is no commit yet, make one")?;
        let Some((main, tip)) = self.main() else {
            bail!(usage("there is no branch main, name the BASE to compare with"));
        };
        let fork = self
            .git(&["merge-base", &head, &tip])
            .with_context(|| format!("HEAD and {main} have no common ancestor, name a BASE"))?;
        if fork != head {
            return Ok(Base { commit: fork, why: format!("merge-base with {main}") });
        }
        // What git does not track yet is no change of the program by itself.
        if !self.git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty() {
            return Ok(Base { commit: head, why: "HEAD, below changes not committed".to_owned() });
        }
        match self.commit("HEAD~1") {
            Some(commit) => Ok(Base { commit, why: format!("HEAD~1, being on {main}") }),
            None => bail!(usage("HEAD has no commit before it to compare with")),
        }
    }

    /// The files that differ between the base and the working tree, new ones included.
    pub(super) fn changed_since(&self, base: &Base) -> Result<Vec<String>> {
        let tracked = self.git(&["diff", "--name-only", "-z", "--no-renames", &base.commit])?;
        let new = self.git(&["ls-files", "-z", "--others", "--exclude-standard"])?;
        let names = tracked.split('\0').chain(new.split('\0'));
        Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// The commit that HEAD names.
    pub(super) fn head(&self) -> Result<String> {
        self.commit("HEAD").context("there is no commit yet, make one")
    }

    /// The branch that others start from, and its tip.
    fn main(&self) -> Option<(String, String)> {
        // In a pull request's job only the target branch is there, under its remote name.
        let target = std::env::var("GITHUB_BASE_REF").ok().filter(|name| !name.is_empty());
        let names = target.map(|name| format!("origin/{name}")).into_iter();
        names
            .chain(["main", "origin/main"].map(str::to_owned))
            .find_map(|name| self.commit(&name).map(|tip| (name, tip)))
    }

    fn commit(&self, name: &str) -> Option<String> {
        let wanted = format!("{name}^{{commit}}");
        // A name that starts with a dash would be taken for an option.
        self.git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).ok()
    }

    /// Runs git here and answers what it prints.
    pub(super) fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.root).args(arguments);
        // Inside of a hook these name the repository of the hook.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        let output = command.output().context("cannot start git")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let first = arguments.first().copied().unwrap_or_default();
        ensure!(output.status.success(), "`git {first}` failed: {}", said.trim());
        let text = String::from_utf8(output.stdout).context("git printed no UTF-8")?;
        Ok(text.trim_end_matches('\n').to_owned())
    }
}

/// Whether a change of this file can never change a program.
pub(super) fn is_words_only(path: &str) -> bool {
    path.ends_with(".md")
        || path.starts_with("docs/")
        || path.starts_with(".github/")
        || path.starts_with("benches/records/")
        || path.starts_with("LICENSE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Usage;
    use tempfile::TempDir;

    /// A repository with one commit on `main`.
    fn repository() -> (TempDir, Repository) {
        let folder = TempDir::new().unwrap();
        let repository = Repository { root: folder.path().to_owned() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]).unwrap();
        commit(&repository, "README.md", "first");
        (folder, repository)
    }

    fn commit(repository: &Repository, file: &str, text: &str) -> String {
        std::fs::write(repository.root.join(file), text).unwrap();
        repository.git(&["add", "--all"]).unwrap();
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"];
        let commit = ["commit", "--quiet", "--message", text];
        repository.git(&[&identity[..], &commit[..]].concat()).unwrap();
        repository.head().unwrap()
    }

    #[test]
    fn a_branch_is_compared_with_where_it_left_main() {
        let (_folder, repository) = repository();
        let fork = repository.head().unwrap();
        repository.git(&["checkout", "--quiet", "-b", "work"]).unwrap();
        commit(&repository, "a.rs", "work");
        repository.git(&["branch", "--force", "elsewhere", &fork]).unwrap();
        let base = repository.base(None).unwrap();
        assert_eq!(base, Base { commit: fork, why: "merge-base with main".into() });
        assert_eq!(repository.changed_since(&base).unwrap(), ["a.rs"]);
    }

    #[test]
    fn on_main_it_is_the_commit_before_or_the_last_below_changes() {
        let (_folder, repository) = repository();
        let first = repository.head().unwrap();
        let error = repository.base(None).unwrap_err();
        assert!(error.downcast_ref::<Usage>().is_some(), "{error}");
        let second = commit(&repository, "a.rs", "second");
        assert_eq!(repository.base(None).unwrap().commit, first);
        std::fs::write(repository.root.join("b.rs"), "new").unwrap();
        assert_eq!(repository.base(None).unwrap().commit, first);
        std::fs::write(repository.root.join("a.rs"), "changed").unwrap();
        let base = repository.base(None).unwrap();
        assert_eq!(base.commit, second);
        assert_eq!(repository.changed_since(&base).unwrap(), ["a.rs", "b.rs"]);
    }

    #[test]
    fn a_base_that_does_not_exist_is_wrong_usage_and_named() {
        let (_folder, repository) = repository();
        for name in ["no-such-branch", "--all", "HEAD~7", ""] {
            let error = repository.base(Some(name)).unwrap_err();
            assert!(error.downcast_ref::<Usage>().is_some(), "{error}");
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
        assert_eq!(repository.base(Some("main")).unwrap().commit, repository.head().unwrap());
    }

    #[test]
    fn words_are_told_from_what_is_built() {
        for words in ["README.md", "docs/a/b.svg", ".github/workflows/ci.yml", "LICENSE-MIT"] {
            assert!(is_words_only(words), "{words}");
        }
        for built in ["Cargo.toml", "Cargo.lock", "crates/a/src/docs/x.rs", "benches/Cargo.toml"] {
            assert!(!is_words_only(built), "{built}");
        }
    }
}
