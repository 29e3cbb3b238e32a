//! `cargo xtask check`: everything that can be said about the tree without running its tests.

use crate::command::{cargo, run as run_command};
use crate::features;
use crate::stage::Stages;
use crate::tidy;
use anyhow::Result;

/// Format, clippy, tidy, docs, each feature alone.
pub(crate) fn run() -> Result<()> {
    let mut stages = Stages::default();
    stages.run("format", || run_command(&mut cargo(&["fmt", "--all", "--check"])));
    stages.run("tidy", tidy::run);
    stages.run("clippy", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--features"];
        let strict = [&features::all()?, "--", "--deny", "warnings"];
        run_command(&mut cargo(&[&clippy[..], &strict].concat()))
    });
    stages.run("docs", || {
        let features = features::all()?;
        let mut doc = cargo(&["doc", "--workspace", "--features", &features, "--no-deps"]);
        run_command(doc.env("RUSTDOCFLAGS", "--deny warnings"))
    });
    stages.run("each feature alone", each_feature_alone);
    stages.print();
    stages.verdict()
}

fn each_feature_alone() -> Result<()> {
    for package in tidy::packages()? {
        if package.features.is_empty() {
            continue;
        }
        let name = package.name.as_str();
        let none = ["check", "--quiet", "--package", name, "--no-default-features"];
        run_command(&mut cargo(&none))?;
        let features = package.features.iter().map(String::as_str);
        let features: Vec<&str> =
            features.filter(|f| *f != "default" && !features::APART.contains(f)).collect();
        for feature in &features {
            run_command(&mut cargo(&[&none[..], &["--features", feature]].concat()))?;
        }
        println!("  {name}: none, {}", features.join(", "));
    }
    Ok(())
}
