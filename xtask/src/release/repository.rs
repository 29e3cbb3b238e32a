//! A checkout: its files, its git and its cargo.

use crate::command;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// A checkout that is released.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    root: PathBuf,
    /// Set for cargo, besides what we were started with.
    environment: Vec<(String, String)>,
}

impl Repository {
    pub(super) fn new(root: PathBuf) -> Repository {
        Repository { root, environment: Vec::new() }
    }

    /// The same, with variables set for cargo.
    #[cfg(test)]
    pub(super) fn with_environment(mut self, environment: &[(&str, &str)]) -> Repository {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.environment = environment.iter().map(owned).collect();
        self
    }

    /// Runs git and answers what it printed.
    pub(super) fn git(&self, args: &[&str]) -> Result<String> {
        Ok(command::output(Command::new("git").current_dir(&self.root).args(args))?
            .trim_end()
            .to_owned())
    }

    /// Runs git in silence and answers whether it said yes.
    pub(super) fn git_says(&self, args: &[&str]) -> Result<bool> {
        let out = Command::new("git").current_dir(&self.root).args(args).output();
        Ok(out.context("cannot start git")?.status.success())
    }

    /// Cargo, in this checkout.
    pub(super) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = command::cargo(args);
        command.current_dir(&self.root).envs(self.environment.iter().cloned());
        command
    }

    pub(super) fn read(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.root.join(path)).with_context(|| format!("cannot read {path}"))
    }

    pub(super) fn write(&self, path: &str, text: &str) -> Result<()> {
        std::fs::write(self.root.join(path), text).with_context(|| format!("cannot write {path}"))
    }
}
