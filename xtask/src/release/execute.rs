//! Doing it: files, commit, tag. What fails before the commit is undone.

use super::plan::{Plan, State};
use super::{Options, Repository, publish};
use crate::command;
use anyhow::{Context, Result, anyhow};

/// Writes the files, commits and tags; goes on where an earlier run stopped.
pub(super) fn commit_and_tag(
    repository: &Repository,
    plan: &Plan,
    options: &Options,
) -> Result<()> {
    if plan.state == State::Fresh {
        commit(repository, plan, options).map_err(|error| undone(repository, plan, error))?;
        println!("  committed `{}`", plan.subject());
    }
    if plan.state != State::Tagged {
        let tag = plan.version.tag();
        let message = format!("perfkit {}", plan.version);
        repository.git(&["tag", "--annotate", &tag, "--message", &message]).with_context(|| {
            format!(
                "`{}` is committed but not tagged; the same command again goes on from there, \
                 `git reset --hard HEAD~1` takes the commit back",
                plan.subject()
            )
        })?;
        println!("  tagged {tag}");
    }
    Ok(())
}

fn commit(repository: &Repository, plan: &Plan, options: &Options) -> Result<()> {
    for edit in &plan.edits {
        repository.write(&edit.path, &edit.text)?;
    }
    // The edits were made line by line; cargo says whether they fit together.
    for lock in &plan.locks {
        let manifest = lock.replace("Cargo.lock", "Cargo.toml");
        let read = ["tree", "--locked", "--depth", "0", "--manifest-path", &manifest];
        command::output(&mut repository.cargo(&read))
            .with_context(|| format!("{lock} does not fit {manifest}"))?;
    }
    publish::check_packages(repository, options)?;
    let paths: Vec<&str> = plan.edits.iter().map(|edit| edit.path.as_str()).collect();
    repository.git(&[&["add", "--"][..], &paths].concat())?;
    let body = "Version, lock files and changelog; `cargo xtask release` made this commit.";
    repository
        .git(&["commit", "--quiet", "--message", &plan.subject(), "--message", body])
        .context("git refused the commit")?;
    Ok(())
}

/// Puts the files back as they were in the last commit: the tree was clean before.
fn undone(repository: &Repository, plan: &Plan, error: anyhow::Error) -> anyhow::Error {
    let paths: Vec<&str> = plan.edits.iter().map(|edit| edit.path.as_str()).collect();
    let restore = [&["checkout", "--quiet", "HEAD", "--"][..], &paths].concat();
    match repository.git(&restore) {
        Ok(_) => error.context("nothing was released, and the files are as they were"),
        Err(second) => anyhow!(
            "{error:#}; nothing was released, but the files could not be put back ({second:#}): \
             `git {}` does that",
            restore.join(" ")
        ),
    }
}
