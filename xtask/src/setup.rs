//! What the fuller tests need beyond a Rust toolchain and a C compiler, and how to get it.

use crate::command::{self, find, program, root};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, IsTerminal, Write};

/// Something that some test needs.
#[derive(Debug)]
pub(crate) struct Need {
    /// A few words for it.
    pub(crate) what: &'static str,
    /// Which tests need it, and for what.
    why: &'static str,
    /// Whether it is here.
    present: fn() -> bool,
    /// Debian packages that bring it.
    packages: &'static [&'static str],
    /// A step after the packages.
    then: Option<fn() -> Result<()>>,
}

impl Need {
    /// Whether it is here.
    pub(crate) fn is_met(&self) -> bool {
        (self.present)()
    }
}

/// A browser for the dashboard's test.
pub(crate) const CHROMIUM: Need = Need {
    what: "Chromium",
    why: "the dashboard's test opens a real browser",
    present: || browser().is_some(),
    packages: &["chromium"],
    then: None,
};

/// What drives the browser.
pub(crate) const NODE: Need = Need {
    what: "Node.js 20 or later, with npm",
    why: "the dashboard's test drives the browser from Node's own test runner; BullMQ runs on it",
    present: || node_version() >= Some(OLDEST_NODE) && find("npm").is_some(),
    packages: &["nodejs", "npm"],
    then: None,
};

/// The oldest Node.js that runs the browser test and its packages.
const OLDEST_NODE: u32 = 20;

/// The major version of the Node.js on the PATH.
fn node_version() -> Option<u32> {
    let out = std::process::Command::new("node").arg("--version").output().ok()?;
    major(std::str::from_utf8(&out.stdout).ok()?)
}

/// The major version out of what `node --version` prints.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The packages of the browser test, from its lock file.
pub(crate) const BROWSER_PACKAGES: Need = Need {
    what: "the browser test's npm packages",
    why: "playwright-core speaks to the browser, axe-core checks accessibility",
    present: || has_packages(BROWSER_TEST),
    packages: &[],
    then: Some(|| npm_ci(BROWSER_TEST)),
};

/// The other side of the job queue's test, from its lock file.
pub(crate) const BULLMQ: Need = Need {
    what: "BullMQ for Node.js",
    why: "the jobs for many machines are tested against the published package, both ways",
    present: || has_packages(BULLMQ_TEST),
    packages: &[],
    then: Some(|| npm_ci(BULLMQ_TEST)),
};

/// Where the scripts for that test lie.
const BULLMQ_TEST: &str = "crates/perf-async-bullmq/tests/interop";

/// Whether the npm packages of a test are those of its lock file.
fn has_packages(test: &str) -> bool {
    let installed = root().join(test).join("node_modules/.package-lock.json");
    let wanted = root().join(test).join("package-lock.json");
    match (modified(&installed), modified(&wanted)) {
        (Some(installed), Some(wanted)) => installed >= wanted,
        _ => false,
    }
}

/// Where the browser test lies.
pub(crate) const BROWSER_TEST: &str = "crates/perfkit-cli/tests/browser";

/// A Chromium or Chrome on the PATH.
pub(crate) fn browser() -> Option<std::path::PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find)
}

/// What counts instructions.
pub(crate) const VALGRIND: Need = Need {
    what: "Valgrind",
    why: "the benchmark gate counts instructions with its Callgrind",
    present: || find("valgrind").is_some(),
    packages: &["valgrind"],
    then: None,
};

/// A server for the database benchmark's tests.
pub(crate) const POSTGRESQL: Need = Need {
    what: "PostgreSQL",
    why: "the database benchmark's tests start a server of their own",
    present: || find("initdb").is_some() || postgresql_of_debian(),
    packages: &["postgresql"],
    then: None,
};

/// A server for the tests of the remote tier and of the job queue, and what makes certificates.
pub(crate) const REDIS: Need = Need {
    what: "Redis, with OpenSSL",
    why: "the tests of the tier over Redis and of jobs start servers of their own, with certificates",
    present: || find("redis-server").is_some() && find("openssl").is_some(),
    packages: &["redis-server", "openssl"],
    then: None,
};

/// Servers for the tests of edge stores and of purging. Debian keeps them off a user's PATH.
pub(crate) const EDGE: Need = Need {
    what: "nginx, with WebDAV, and Varnish",
    why: "the tests of edge stores and of purging start servers of their own",
    present: || ["nginx", "varnishd"].into_iter().all(has_server),
    packages: &["nginx", "varnish"],
    then: None,
};

fn has_server(name: &str) -> bool {
    find(name).is_some() || std::path::Path::new("/usr/sbin").join(name).is_file()
}

/// What reads the headers of RocksDB.
pub(crate) const LIBCLANG: Need = Need {
    what: "libclang, with a C++ compiler",
    why: "the store over RocksDB builds RocksDB, and its bindings from its headers",
    present: || libclang() && find("c++").is_some(),
    packages: &["libclang-dev", "g++"],
    then: None,
};

/// Whether it lies where the bindings' generator looks for it.
fn libclang() -> bool {
    let is_it = |name: &str| name.starts_with("libclang") && name.contains(".so");
    let has_it = |dir: std::path::PathBuf| {
        let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
        files.filter_map(|file| file.file_name().into_string().ok()).any(|name| is_it(&name))
    };
    let versions = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let versions = versions.map(|version| version.path());
    let versions = versions.flat_map(|dir| [dir.join("lib"), dir]);
    std::env::var_os("LIBCLANG_PATH").is_some() || versions.into_iter().any(has_it)
}

/// Whether the server's programs lie where Debian keeps them, which is not on the PATH.
fn postgresql_of_debian() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin/initdb")).any(|initdb| initdb.is_file())
}

/// Says what is missing and installs it, after a question unless `yes`.
pub(crate) fn run(yes: bool) -> Result<()> {
    let needs = [
        &CHROMIUM,
        &NODE,
        &BROWSER_PACKAGES,
        &BULLMQ,
        &VALGRIND,
        &POSTGRESQL,
        &REDIS,
        &EDGE,
        &LIBCLANG,
    ];
    for need in needs {
        let state = if need.is_met() { "here   " } else { "missing" };
        println!("  {state}  {}: {}", need.what, need.why);
    }
    let missing: Vec<&Need> = needs.into_iter().filter(|need| !need.is_met()).collect();
    if missing.is_empty() {
        println!("nothing to install");
        return Ok(());
    }
    if !yes && !agreed()? {
        println!("installed nothing; `cargo xtask setup --yes` installs without asking");
        return Ok(());
    }
    let packages: Vec<&str> =
        missing.iter().flat_map(|need| need.packages.iter().copied()).collect();
    if !packages.is_empty() {
        apt(&packages)?;
    }
    for need in needs {
        if let (false, Some(then)) = (need.is_met(), need.then) {
            then()?;
        }
        if !need.is_met() {
            bail!("{} is still missing after the installation", need.what);
        }
    }
    Ok(())
}

fn agreed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    print!("install what is missing (Debian packages with apt-get, npm packages)? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

fn apt(packages: &[&str]) -> Result<()> {
    if find("apt-get").is_none() {
        bail!("no apt-get here: install {} by the means of your system", packages.join(", "));
    }
    let sudo = !is_root() && find("sudo").is_some();
    let apt_get = |args: &[&str]| {
        let mut command = if sudo {
            program("sudo", &[&["apt-get"], args].concat())
        } else {
            program("apt-get", args)
        };
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command::run(&mut command)
    };
    apt_get(&["update", "-qq"]).context("failed to refresh the package lists")?;
    apt_get(&[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())
        .with_context(|| format!("failed to install {}", packages.join(", ")))
}

fn is_root() -> bool {
    std::process::Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

fn npm_ci(test: &str) -> Result<()> {
    let mut command = program("npm", &["ci", "--no-audit", "--no-fund"]);
    command.current_dir(root().join(test));
    command::run(&mut command).with_context(|| format!("failed to install the packages of {test}"))
}

fn modified(path: &std::path::Path) -> Option<std::time::SystemTime> {
    path.metadata().and_then(|meta| meta.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_node_says_of_its_version() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert!(major("v18.19.0") < Some(OLDEST_NODE));
        assert!(major("command not found") < Some(OLDEST_NODE));
    }
}
