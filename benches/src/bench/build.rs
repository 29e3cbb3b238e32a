//! Building the program of subjects, once or in other link orders, and the base beside the head.

use crate::repository::{Base, Repository};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// How the linker arranges the functions of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Order {
    /// As it does by itself.
    Usual,
    /// In another order for each seed.
    Shuffled(u32),
}

/// The folder under the target directory in which both sides are built, locked against a second
/// comparison that would check out another base meanwhile.
#[derive(Debug)]
pub(super) struct Workshop {
    repository: Repository,
    folder: PathBuf,
    _lock: File,
}

/// What building the base came to.
#[derive(Clone, Debug)]
pub(super) enum BaseProgram {
    /// Here it is.
    Built(PathBuf),
    /// The base is older than the program.
    HasNone,
}

impl Workshop {
    /// Waits for its turn.
    pub(super) fn open(repository: Repository) -> Result<Workshop> {
        let folder = target_folder(repository.root())?.join("perf");
        std::fs::create_dir_all(folder.join("programs"))
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join("lock");
        let lock =
            File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another comparison in {}", folder.display());
                lock.lock().context("cannot wait for the other comparison")?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        Ok(Workshop { repository, folder, _lock: lock })
    }

    /// The checkout whose working tree is the head.
    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Builds the working tree's program.
    pub(super) fn head(&self, order: Order) -> Result<PathBuf> {
        let built = build(self.repository.root(), None, order)
            .context("the working tree's benches do not build")?;
        self.keep(&built, "head", order)
    }

    /// Builds the base's program.
    pub(super) fn base(&self, base: &Base, order: Order) -> Result<BaseProgram> {
        let tree = self.check_out(base)?;
        if !has_program(&tree)? {
            return Ok(BaseProgram::HasNone);
        }
        let target = self.folder.join("base-target");
        let built = build(&tree, Some(&target), order).with_context(|| {
            format!("the base {} ({}) does not build, name another", base.short(), base.why)
        })?;
        Ok(BaseProgram::Built(self.keep(&built, "base", order)?))
    }

    /// Checks the base out, always in the same place, so that only what changed is built again.
    fn check_out(&self, base: &Base) -> Result<PathBuf> {
        let tree = self.folder.join("base");
        let path = tree.to_string_lossy();
        let checkout = Repository::around(&tree);
        // A folder that is no checkout of its own belongs to the repository around it.
        if checkout.is_ok_and(|found| same_place(found.root(), &tree)) {
            let there = Repository::around(&tree)?;
            let forced = ["checkout", "--quiet", "--force", "--detach", &base.commit];
            if there.git(&forced).is_ok() && there.git(&["clean", "-qfdx"]).is_ok() {
                return Ok(tree);
            }
        }
        if tree.exists() {
            std::fs::remove_dir_all(&tree)
                .with_context(|| format!("cannot clear {}", tree.display()))?;
        }
        // `--force` takes a path that git still knows although its folder is gone.
        let add = ["worktree", "add", "--quiet", "--force", "--detach", &path, &base.commit];
        self.repository
            .git(&add)
            .with_context(|| format!("cannot check out the base {}", base.short()))?;
        Ok(tree)
    }

    /// Copies it to a name of its own. Both sides' names are of one length: the length of the
    /// program's name moves the stack, and with it the time.
    fn keep(&self, built: &Path, side: &str, order: Order) -> Result<PathBuf> {
        let name = match order {
            Order::Usual => format!("{side}-usual"),
            Order::Shuffled(seed) => format!("{side}-{seed:05}"),
        };
        let kept = self.folder.join("programs").join(name);
        // A new file: the old one may still run.
        let _ = std::fs::remove_file(&kept);
        std::fs::copy(built, &kept)
            .with_context(|| format!("cannot copy the program to {}", kept.display()))?;
        Ok(kept)
    }
}

/// Whether two files are the same byte for byte.
pub(super) fn identical(a: &Path, b: &Path) -> Result<bool> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok(read(a)? == read(b)?)
}

/// Whether this machine's linker can be told another order. Where not, programs are compiled in
/// another number of parts instead, which moves functions about as well, but takes a whole build.
pub(super) fn can_shuffle() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| try_shuffle().unwrap_or(false))
}

fn try_shuffle() -> Result<bool> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let source = folder.path().join("empty.rs");
    std::fs::write(&source, "fn main() {}").context("cannot write a temporary file")?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.arg(&source).arg("-o").arg(folder.path().join("empty"));
    command.args(["-C", &shuffled(1)]).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().context("cannot start rustc")?.success())
}

/// The argument that makes lld arrange functions in another order.
fn shuffled(seed: u32) -> String {
    format!("link-arg=-Wl,--shuffle-sections=.text*={seed}")
}

/// How both sides are built: a base may be older than any manifest that says so. One unit for each
/// crate and no optimisation across them, as for those who use a single crate; with more, a change
/// in one crate moves the instructions that another one takes.
const PROFILE: [&str; 3] = [
    "profile.subjects.inherits=\"release\"",
    "profile.subjects.lto=\"off\"",
    "profile.subjects.codegen-units=1",
];

fn build(root: &Path, target: Option<&Path>, order: Order) -> Result<PathBuf> {
    let mut command = cargo(root);
    command.args(["rustc", "--profile", "subjects", "--package", PACKAGE, "--bin", PROGRAM]);
    command.arg("--message-format=json-render-diagnostics");
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    if let Some(target) = target {
        command.env("CARGO_TARGET_DIR", target);
    }
    match order {
        Order::Usual => {}
        Order::Shuffled(seed) if can_shuffle() => {
            command.args(["--", "-C", &shuffled(seed)]);
        }
        Order::Shuffled(seed) => {
            let parts = 5 + seed % 27;
            command.args(["--config", &format!("profile.subjects.codegen-units={parts}")]);
        }
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo: {}", output.status);
    let messages = String::from_utf8_lossy(&output.stdout);
    let program = messages.lines().filter_map(executable).next_back();
    program.with_context(|| format!("cargo named no program `{PROGRAM}`"))
}

/// The program, if this message of cargo's names it.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    (message["target"]["name"] == PROGRAM)
        .then(|| message["executable"].as_str())?
        .map(PathBuf::from)
}

fn has_program(root: &Path) -> Result<bool> {
    let metadata = metadata(root)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages
        .filter(|package| package["name"] == PACKAGE)
        .flat_map(|package| package["targets"].as_array().into_iter().flatten());
    Ok(targets.into_iter().any(|target| target["name"] == PROGRAM && target["kind"][0] == "bin"))
}

/// Where cargo puts what it builds.
pub(super) fn target_folder(root: &Path) -> Result<PathBuf> {
    let metadata = metadata(root)?;
    let folder = metadata["target_directory"].as_str();
    Ok(PathBuf::from(folder.context("cargo names no target directory")?))
}

fn metadata(root: &Path) -> Result<Value> {
    let mut command = cargo(root);
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("cargo cannot read the manifests in {}", root.display());
    }
    serde_json::from_slice(&output.stdout).context("cargo's metadata is not JSON")
}

/// cargo, in that folder, as the one that runs us.
pub(super) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // What cargo set for us would be taken for the caller's wish.
    for variable in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "OUT_DIR"] {
        command.env_remove(variable);
    }
    command
}

fn same_place(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

const PACKAGE: &str = "perfkit-benches";
const PROGRAM: &str = "subjects";
