//! Lists the dashboard's files, so that the program carries them. Nothing is fetched or built.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("dashboard");
    let mut files = Vec::new();
    println!("cargo::rerun-if-changed=dashboard");
    if root.is_dir() {
        collect(&root, &root, &mut files)?;
    }
    files.sort();

    let mut table = String::from("&[\n");
    for name in files {
        // Found when the crate is compiled: an absolute path written here would outlive its
        // checkout in a target directory that several checkouts share.
        let inside = format!("/dashboard/{name}");
        let path = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), {inside:?})");
        writeln!(table, "    ({name:?}, include_bytes!({path})),").expect("a String takes all");
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("dashboard.rs"), table)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
            continue;
        }
        let inside = path.strip_prefix(root).expect("found below the root");
        let name = inside.to_str().expect("the dashboard's names are plain").replace('\\', "/");
        if is_shipped(&name) {
            println!("cargo::rerun-if-changed=dashboard/{name}");
            files.push(name);
        }
    }
    Ok(())
}

/// What a browser asks for, and the licences of what others wrote.
fn is_shipped(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let licence = file.starts_with("LICEN");
    let kind = file.rsplit('.').next().unwrap_or_default();
    let asset = ["html", "js", "mjs", "css", "svg", "png", "ico", "woff2", "webmanifest"];
    licence || (asset.contains(&kind) && !file.contains(".test.") && !file.starts_with('.'))
}
