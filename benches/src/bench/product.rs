//! The product from outside: the built program `perfkit`, started and asked as its users do.

mod figures;
mod serving;
mod site;
mod sockets;
mod visits;

pub(super) use figures::{Effort, Figures};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The built program.
#[derive(Clone, Debug)]
pub(super) struct Product {
    program: PathBuf,
}

impl Product {
    /// Takes a program that is built already, or builds the release of this checkout.
    pub(super) fn new(built: Option<&Path>) -> Result<Product> {
        match built {
            Some(program) if program.is_file() => Ok(Product { program: program.to_owned() }),
            Some(program) => Err(crate::usage(format!(
                "`{}` is no program; build it, or leave --program out",
                program.display()
            ))),
            None => Product::build(),
        }
    }

    fn build() -> Result<Product> {
        eprintln!("building perfkit (release)");
        let out = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(repository())
            .args(["build", "--release", "--quiet", "--package", "perfkit-cli"])
            .args(["--bin", "perfkit", "--message-format", "json-render-diagnostics"])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start cargo")?;
        if !out.status.success() {
            bail!("perfkit does not build, see above");
        }
        let program = String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == "perfkit")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .context("cargo built perfkit but names no program")?;
        Ok(Product { program })
    }

    /// Its size in bytes.
    fn size(&self) -> Result<u64> {
        let meta = self.program.metadata();
        Ok(meta.with_context(|| format!("cannot read {}", self.program.display()))?.len())
    }

    /// Runs the program to its end and reads the JSON that it prints.
    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let out = self.command(arguments).output().context("cannot start perfkit")?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            let first = said.lines().next().unwrap_or("it says nothing");
            bail!("`perfkit {}` failed ({}): {first}", arguments.join(" "), out.status);
        }
        serde_json::from_slice(&out.stdout)
            .with_context(|| format!("`perfkit {}` printed no JSON", arguments.join(" ")))
    }

    /// The program with arguments, without what our own environment says to it.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("PERFKIT_") || name_text.starts_with("CACHE_") {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// The repository: of the checkout that cargo runs us for, else of the one we were built in.
pub(super) fn repository() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let benches = here.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    benches.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
