//! Publishing: crate after crate, in the order of the graph, on from where it stopped.

use super::plan::Plan;
use super::{Options, Repository};
use crate::command;
use anyhow::{Result, bail};

/// What cargo says of a version that the registry has.
const THERE_ALREADY: &str = "already exists on";

/// Packages every crate and builds it from its package, against the others' packages.
pub(super) fn rehearse(repository: &Repository, options: &Options) -> Result<()> {
    let mut args = vec!["publish", "--workspace", "--dry-run", "--locked"];
    name_registry(&mut args, options);
    command::run(&mut repository.cargo(&args))
}

/// Packages every crate as the tree stands, without building it.
pub(super) fn check_packages(repository: &Repository, options: &Options) -> Result<()> {
    let mut args =
        vec!["package", "--workspace", "--quiet", "--locked", "--no-verify", "--allow-dirty"];
    name_registry(&mut args, options);
    command::run(&mut repository.cargo(&args))
}

/// Publishes what the registry does not have yet.
pub(super) fn publish(
    repository: &Repository,
    plan: &Plan,
    options: &Options,
    agreed: &dyn Fn(&str) -> Result<bool>,
) -> Result<()> {
    let question = format!(
        "publish {} crates as {} for good? A version cannot be taken back.",
        plan.order.len(),
        plan.version
    );
    if !options.yes && !agreed(&question)? {
        println!("  published nothing");
        return Ok(());
    }
    let (mut new, mut there) = (Vec::new(), Vec::new());
    for name in &plan.order {
        println!("\n== publish {name} {}", plan.version);
        // Built from its package already, by the checks before the tag.
        let mut args = vec!["publish", "--package", name, "--locked", "--no-verify"];
        name_registry(&mut args, options);
        let mut known = false;
        let passed = command::watch(&mut repository.cargo(&args), &mut |line| {
            known |= line.contains(THERE_ALREADY);
        })?;
        match (passed, known) {
            (true, _) => new.push(name.as_str()),
            (false, true) => {
                println!("  the registry has it, skipped");
                there.push(name.as_str());
            }
            (false, false) => bail!(
                "failed to publish {name}, see above; published: {}; there before: {}; the same \
                 command again goes on with what is missing",
                listed(&new),
                listed(&there)
            ),
        }
    }
    println!("\n  published: {}; there before: {}", listed(&new), listed(&there));
    Ok(())
}

fn name_registry<'a>(args: &mut Vec<&'a str>, options: &'a Options) {
    if let Some(registry) = &options.registry {
        args.extend(["--registry", registry]);
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
