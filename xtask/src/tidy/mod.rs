//! `cargo xtask tidy`: the rules of the house that a machine can check.
//!
//! Each rule is a pure function from what it looks at to a list of complaints, so that the tests
//! can show each of them failing.

mod arrows;
mod files;
mod manifests;
mod words;

use crate::command::{cargo, output, program, root};
use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(crate) use manifests::WANTED as MANIFEST_FIELDS;

/// A package of the workspace, as cargo's own metadata describes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// The workspace packages it depends on, whatever the kind of dependency.
    pub(crate) depends_on: Vec<String>,
    /// Its features.
    pub(crate) features: Vec<String>,
    /// Whether it may be published.
    published: bool,
    /// The fields of its manifest that a published package needs and this one has.
    fields: Vec<&'static str>,
    /// Dependencies from a registry whose version does not come from the workspace's table.
    manifest: String,
}

/// A text file that git tracks.
#[derive(Clone, Debug)]
struct File {
    path: String,
    text: String,
}

/// Checks everything and prints each complaint.
pub(crate) fn run() -> Result<()> {
    let packages = packages()?;
    let files = tracked_files()?;
    let complaints: Vec<String> = [
        arrows::check(&packages),
        manifests::check(&packages),
        files::check(&files),
        words::check(&files),
    ]
    .concat();
    for complaint in &complaints {
        println!("  {complaint}");
    }
    if !complaints.is_empty() {
        bail!("tidy found {} problems", complaints.len());
    }
    println!("  {} packages and {} files are tidy", packages.len(), files.len());
    Ok(())
}

/// The packages of the workspace.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let text = output(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo's metadata is not JSON")?;
    let listed = metadata["packages"].as_array().context("cargo's metadata lists no packages")?;
    listed.iter().map(package).collect()
}

fn package(from: &Value) -> Result<Package> {
    let text = |key: &str| from[key].as_str().unwrap_or_default().to_owned();
    let manifest_path = text("manifest_path");
    let depends_on = from["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|dependency| !dependency["path"].is_null())
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect();
    let present = |key: &str| match &from[key] {
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    Ok(Package {
        name: text("name"),
        depends_on,
        features: from["features"]
            .as_object()
            .map(|features| features.keys().cloned().collect())
            .unwrap_or_default(),
        published: from["publish"].is_null(),
        fields: manifests::WANTED.into_iter().filter(|key| present(key)).collect(),
        manifest: std::fs::read_to_string(&manifest_path)
            .with_context(|| format!("cannot read {manifest_path}"))?,
    })
}

fn tracked_files() -> Result<Vec<File>> {
    let list = output(&mut program(
        "git",
        &["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    ))?;
    Ok(list
        .split('\0')
        .filter(|path| !path.is_empty())
        .filter_map(|path| {
            // A file that is not text, or was deleted, has no lines to check.
            let text = std::fs::read_to_string(root().join(path)).ok()?;
            Some(File { path: path.to_owned(), text })
        })
        .collect())
}
