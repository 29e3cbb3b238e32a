//! A history on a branch of its own, read and written without a working tree.
//!
//! The commits are made from objects: the working tree, the index and HEAD are never looked at.
//! The branch is moved only if it is still where it was, so that two jobs lose nothing. What
//! `origin` has of it counts as well, and is gone on with where the branch here lies behind.

use crate::usage;
use anyhow::{Context, Result, bail, ensure};
use perf_bench::history::{Entry, History};
use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The file on the branch.
const FILE: &str = "history.jsonl";
/// How large it may become before a new branch should be begun.
const LARGEST: u64 = 256 << 20;
/// How often an append is tried while others move the branch.
const TRIES: u32 = 30;

/// A branch that holds a history.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    folder: PathBuf,
    name: String,
}

impl Branch {
    /// Of the repository in `folder`. The branch need not exist yet.
    pub(super) fn new(folder: &Path, name: &str) -> Result<Branch> {
        let branch = Branch { folder: folder.to_owned(), name: name.to_owned() };
        if name.starts_with('-') || branch.git(&["check-ref-format", &branch.full()], None).is_err()
        {
            return Err(usage(format!("`{name}` is no name for a branch, take bench-data")));
        }
        Ok(branch)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The history's lines; `None` if there is no such branch, here or at `origin`.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>> {
        let tips = self.tips()?;
        Ok(if tips.is_empty() { None } else { Some(self.lines(&tips)?) })
    }

    /// Appends an entry as one more commit and answers its name.
    pub(super) fn append(&self, entry: &Entry) -> Result<String> {
        self.refuse_checked_out()?;
        let mut refused = None;
        for attempt in 0..TRIES {
            // A little longer each time, so that those who wait do not meet again.
            std::thread::sleep(Duration::from_millis(10) * attempt);
            let here = self.tip(&self.full())?;
            let commit = self.commit(&self.tips()?, entry)?;
            // Without the branch here, nothing must have made it meanwhile.
            let old = here.unwrap_or_default();
            let reason = format!("history: {:.10}", entry.commit);
            match self.git(&["update-ref", "-m", &reason, &self.full(), &commit, &old], None) {
                Ok(_) => return Ok(commit),
                Err(error) => refused = Some(error),
            }
        }
        let error = refused.context("no attempt was made")?;
        Err(error.context(format!("branch {} moves too fast, try again", self.name)))
    }

    fn full(&self) -> String {
        format!("refs/heads/{}", self.name)
    }

    /// Where to go on: the branch here or as it was last seen at `origin`, whichever has the
    /// other in it; both if they have parted.
    fn tips(&self) -> Result<Vec<String>> {
        let here = self.tip(&self.full())?;
        let there = self.tip(&format!("refs/remotes/origin/{}", self.name))?;
        let (Some(here), Some(there)) = (&here, &there) else {
            return Ok(there.or(here).into_iter().collect());
        };
        Ok(if self.has(here, there)? {
            vec![here.clone()]
        } else if self.has(there, here)? {
            vec![there.clone()]
        } else {
            // What others have seen comes first.
            vec![there.clone(), here.clone()]
        })
    }

    /// Whether `tip` is `other` or has grown from it.
    fn has(&self, tip: &str, other: &str) -> Result<bool> {
        let missing = self.git(&["rev-list", "--max-count=1", other, &format!("^{tip}")], None)?;
        Ok(missing.is_empty())
    }

    fn tip(&self, full: &str) -> Result<Option<String>> {
        let format = ["for-each-ref", "--format=%(objectname)", full];
        let tip = text(self.git(&format, None)?)?;
        // The pattern also finds branches below this name, as if it were a folder.
        Ok(tip.lines().next().filter(|_| tip.lines().count() == 1).map(str::to_owned))
    }

    /// The lines of the first tip, and what the others have besides.
    fn lines(&self, tips: &[String]) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        for tip in tips {
            let lines = self.lines_at(tip)?;
            if all.is_empty() {
                all = lines;
                continue;
            }
            let known: HashSet<&[u8]> = all.split(|byte| *byte == b'\n').collect();
            let more: Vec<&[u8]> = lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty() && !known.contains(line))
                .collect();
            let more = more.join(&b'\n');
            if !more.is_empty() {
                if !all.ends_with(b"\n") {
                    all.push(b'\n');
                }
                all.extend(more);
                all.push(b'\n');
            }
        }
        Ok(all)
    }

    fn lines_at(&self, tip: &str) -> Result<Vec<u8>> {
        let object = format!("{tip}:{FILE}");
        let Ok(size) = self.git(&["cat-file", "-s", &object], None) else {
            let name = &self.name;
            return Err(usage(format!(
                "branch {name} holds no {FILE}, so it is no history: name a branch of its own"
            )));
        };
        let size: u64 = text(size)?.parse().context("git names no size")?;
        ensure!(
            size <= LARGEST,
            "{FILE} on branch {} has {} MiB, more than {}: begin a new branch",
            self.name,
            size >> 20,
            LARGEST >> 20
        );
        self.git(&["cat-file", "blob", &object], None)
    }

    /// Makes the commit with one entry more than `tips`.
    fn commit(&self, tips: &[String], entry: &Entry) -> Result<String> {
        let mut lines = self.lines(tips)?;
        let more = History::joined(&lines, entry);
        lines.extend(more);
        let blob = text(self.git(&["hash-object", "-w", "--stdin"], Some(&lines))?)?;

        // Whatever else lies on the branch stays there.
        let named = format!("\t{FILE}");
        let mut tree = Vec::new();
        let mut known = HashSet::from([FILE.as_bytes().to_vec()]);
        for tip in tips {
            let others = self.git(&["ls-tree", "-z", tip], None)?;
            for line in others.split_inclusive(|byte| *byte == 0) {
                let name = line.splitn(2, |byte| *byte == b'\t').last().unwrap_or_default();
                if known.insert(name.strip_suffix(&[0]).unwrap_or(name).to_vec()) {
                    tree.extend_from_slice(line);
                }
            }
        }
        tree.extend(format!("100644 blob {blob}{named}\0").bytes());
        let tree = text(self.git(&["mktree", "-z"], Some(&tree))?)?;

        let message = format!("history: {:.10}", entry.commit);
        let mut arguments = Vec::new();
        if self.git(&["var", "GIT_COMMITTER_IDENT"], None).is_err() {
            // On a runner nobody has said who commits.
            arguments.extend(["-c", "user.name=perfkit", "-c", "user.email=perfkit@localhost"]);
        }
        arguments.extend(["commit-tree", &tree, "-m", &message]);
        for tip in tips {
            arguments.extend(["-p", tip]);
        }
        text(self.git(&arguments, None)?)
    }

    /// A branch that is checked out would look changed all over once it moved.
    fn refuse_checked_out(&self) -> Result<()> {
        let trees = text(self.git(&["worktree", "list", "--porcelain"], None)?)?;
        let branch = format!("branch {}", self.full());
        let mut folder = "";
        for line in trees.lines() {
            if let Some(name) = line.strip_prefix("worktree ") {
                folder = name;
            } else if line == branch {
                let name = &self.name;
                bail!(usage(format!("branch {name} is checked out in {folder}, leave it first")));
            }
        }
        Ok(())
    }

    fn git(&self, arguments: &[&str], input: Option<&[u8]>) -> Result<Vec<u8>> {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.folder).args(arguments);
        // Inside of a hook these name the repository of the hook.
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start git, install it")?;
        // These commands read all before they answer, so nobody waits for the other. One that
        // does not read has failed, and says why below.
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            let _ = pipe.write_all(input);
        }
        let output = child.wait_with_output().context("git was lost")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let what = arguments.iter().find(|word| !word.starts_with('-') && !word.contains('='));
        ensure!(
            output.status.success(),
            "`git {}` failed: {}",
            what.copied().unwrap_or_default(),
            said.trim()
        );
        Ok(output.stdout)
    }
}

/// A line that git printed.
fn text(bytes: Vec<u8>) -> Result<String> {
    let text = String::from_utf8(bytes).context("git printed no UTF-8")?;
    Ok(text.trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests;
