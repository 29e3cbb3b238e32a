//! Running other programs: in the repository's root, output passed on, failures named.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// The repository's root: of the checkout that cargo runs us for, not of the one we were built in,
/// since checkouts that share a target directory share this program too.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| BUILT_IN.into());
    Path::new(&here).parent().expect("xtask lies in the repository").to_path_buf()
}

/// Where we were built, for those who run the program without cargo.
const BUILT_IN: &str = env!("CARGO_MANIFEST_DIR");

/// `cargo`, as the one that runs us.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

/// Any program, in the repository's root.
pub(crate) fn program(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).args(args);
    command
}

/// Runs it with our own output; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = describe(command);
    let status = command.status().with_context(|| format!("cannot start `{name}`"))?;
    if !status.success() {
        bail!("`{name}` failed: {status}");
    }
    Ok(())
}

/// Runs it in silence and answers what it printed on stdout.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = describe(command);
    let out = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{name}`"))?;
    if !out.status.success() {
        bail!("`{name}` failed: {}", out.status);
    }
    String::from_utf8(out.stdout).with_context(|| format!("`{name}` printed no UTF-8"))
}

/// Runs it, passes each line on as it comes and shows it to `each`. Answers whether it exited 0.
pub(crate) fn watch(command: &mut Command, each: &mut dyn FnMut(&str)) -> Result<bool> {
    let name = describe(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{name}`"))?;
    let (lines, received) = mpsc::sync_channel::<String>(256);
    let readers = [
        child.stdout.take().map(|out| read_lines(out, lines.clone())),
        child.stderr.take().map(|err| read_lines(err, lines)),
    ];
    let mut out = std::io::stdout();
    for line in received {
        writeln!(out, "{line}")?;
        each(&line);
    }
    for reader in readers.into_iter().flatten() {
        reader.join().expect("a reader of lines does not panic");
    }
    Ok(child.wait().with_context(|| format!("cannot wait for `{name}`"))?.success())
}

fn read_lines(
    from: impl std::io::Read + Send + 'static,
    to: mpsc::SyncSender<String>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        while matches!(from.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if to.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    })
}

/// Where a program lies on the PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn describe(command: &Command) -> String {
    let mut text = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}
