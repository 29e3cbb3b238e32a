//! `cargo xtask release`: checks, plan, version, changelog, commit, tag and, if asked, publishing.
//!
//! A dry run unless `--execute` stands there: it prints the whole plan and changes nothing. Whatever
//! fails says what was done until then and how to go on; running the same command again goes on.

mod changelog;
mod execute;
mod manifest;
mod order;
mod plan;
mod publish;
mod repository;
#[cfg(test)]
mod tests;
mod version;

use crate::command::root;
use crate::{check, test, usage};
use anyhow::{Result, bail};
use plan::{Plan, State};
use repository::Repository;
use std::io::{BufRead, IsTerminal, Write};

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq)]
struct Options {
    /// A version, or the part of it to raise.
    wanted: Option<String>,
    execute: bool,
    publish: bool,
    yes: bool,
    skip_checks: bool,
    /// A registry by its name in cargo's settings, if not the default one.
    registry: Option<String>,
}

/// What a release does outside of its repository, so that its tests can stand in for it.
struct Outside<'a> {
    /// The long checks: lints, docs, tests, and whether the crates build as they are packaged.
    verify: &'a dyn Fn(&Repository, &Options) -> Result<()>,
    /// Asks the person at the terminal.
    agreed: &'a dyn Fn(&str) -> Result<bool>,
}

/// Runs `cargo xtask release` with the arguments behind that word.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let options = Options::parse(args)?;
    let outside = Outside { verify: &verify, agreed: &agreed };
    release(&Repository::new(root()), &options, &outside)
}

impl Options {
    fn parse(args: &[&str]) -> Result<Options> {
        let mut options = Options::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--execute" => options.execute = true,
                "--publish" => options.publish = true,
                "--yes" => options.yes = true,
                "--skip-checks" => options.skip_checks = true,
                "--registry" => match args.next() {
                    Some(name) if !name.starts_with('-') => {
                        options.registry = Some((*name).to_owned());
                    }
                    _ => bail!(usage("`--registry` needs a name from cargo's settings".to_owned())),
                },
                flag if flag.starts_with('-') => {
                    bail!(usage(format!("unknown flag `{flag}` of release")));
                }
                word if options.wanted.is_none() => options.wanted = Some(word.to_owned()),
                word => bail!(usage(format!("a second version `{word}`; name one"))),
            }
        }
        if options.skip_checks && options.execute {
            bail!(usage("`--skip-checks` is for dry runs; a release is always checked".to_owned()));
        }
        if options.yes && !options.publish {
            bail!(usage("`--yes` answers the question of `--publish`, add that".to_owned()));
        }
        Ok(options)
    }
}

fn release(repository: &Repository, options: &Options, outside: &Outside<'_>) -> Result<()> {
    let plan = Plan::new(repository, options)?;
    plan.print(options);
    if !plan.problems.is_empty() {
        bail!("not ready to be released: {} problems, listed above", plan.problems.len());
    }
    if plan.state == State::Tagged {
        println!("\n{} is tagged and checked out: only publishing is left", plan.version);
    } else if options.skip_checks {
        println!("\nWARNING: --skip-checks: no lint, no test, no packaging; this proves little");
    } else {
        (outside.verify)(repository, options)?;
    }
    if !options.execute {
        println!("\ndry run: nothing was changed; --execute does what the plan says");
        return Ok(());
    }
    execute::commit_and_tag(repository, &plan, options)?;
    if options.publish {
        publish::publish(repository, &plan, options, outside.agreed)?;
    }
    plan.print_next(options);
    Ok(())
}

/// Everything that can be checked before the version changes.
fn verify(repository: &Repository, options: &Options) -> Result<()> {
    check::run()?;
    test::run(false, true)?;
    println!("\n== each crate builds as it is packaged");
    publish::rehearse(repository, options)
}

fn agreed(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody to ask on this terminal; `--yes` publishes without asking");
    }
    print!("{question} [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
