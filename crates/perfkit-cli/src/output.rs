//! Standard output, for results only, and standard error, for what goes on.

use crate::failure::Failure;
use perf_bench::report::Document;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Writes to standard output at once. A reader that has gone is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether standard output shows colours.
pub(crate) fn color() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Columns of the terminal at standard output; 100 where there is none and nobody says.
pub(crate) fn width() -> usize {
    let said = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal_width().or_else(said).unwrap_or(100).clamp(40, 200)
}

#[cfg(unix)]
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn terminal_width() -> Option<usize> {
    None
}

/// So many of something.
pub(crate) fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Writes a line to standard error. Nobody reading it is no reason to end.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Sees that a page can be written, before the work rather than after an hour of it, and that it
/// would not take the place of what the work reads. All files stay as they are.
pub(crate) fn prepare(page: Option<&Path>, inputs: &[&Path]) -> Result<(), Failure> {
    let Some(path) = page else { return Ok(()) };
    if let Some(input) = inputs.iter().find(|input| takes_place_of(path, input)) {
        return Err(Failure::usage(format!(
            "{} would overwrite what is measured, {}: name another file for the report",
            path.display(),
            input.display()
        )));
    }
    writable(path)
        .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))
}

/// Whether the page is an input, or a file in a folder of inputs that is no former page.
fn takes_place_of(page: &Path, input: &Path) -> bool {
    let (page, input) = (place(page), place(input));
    let in_folder = input.is_dir() && page.starts_with(&input) && page.is_file();
    page == input || (in_folder && page.extension().is_none_or(|kind| kind != "html"))
}

/// The one name of a file. What is not there yet is known by its folder.
fn place(path: &Path) -> PathBuf {
    fs::canonicalize(path)
        .or_else(|_| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
            io::Result::Ok(folder.join(path.file_name().unwrap_or_default()))
        })
        .unwrap_or_else(|_| path.to_owned())
}

fn writable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(meta) if meta.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        // To open a pipe is to wait for its reader.
        Ok(_) => Ok(()),
        Err(_) => match File::create_new(path).map(drop) {
            Ok(()) => fs::remove_file(path),
            // A link to what is not there yet.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        },
    }
}

/// Writes a page beside its place first: what stood there stays until the new one is whole.
pub(crate) fn write(path: &Path, page: &str) -> io::Result<()> {
    let former = fs::symlink_metadata(path).ok();
    if former.as_ref().is_some_and(|meta| !meta.is_file()) {
        // A link or a device stays what it is.
        return fs::write(path, page);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let Ok(mut file) = File::create_new(&beside) else {
        // The folder may belong to somebody else.
        return fs::write(path, page);
    };
    let written = former
        .map_or(Ok(()), |meta| file.set_permissions(meta.permissions()))
        .and_then(|()| file.write_all(page.as_bytes()));
    drop(file);
    let done = written.and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    done
}

/// Hands out a result: as a page, on standard output as JSON or so wide a table, and in the summary
/// of a CI job, where there is one.
pub(crate) fn publish(
    document: &Document,
    page: Option<&Path>,
    json: Option<&str>,
    width: usize,
) -> Result<(), Failure> {
    let written = page.map_or(Ok(()), |path| {
        write(path, &document.html()).map_err(|error| {
            Failure::failed(format!("{} cannot be written: {error}", path.display()))
        })?;
        tell(&format!("Report in {}", path.display()));
        Ok(())
    });
    match json {
        Some(json) => print(&format!("{json}\n"))?,
        None => {
            print(&document.terminal(width, color()))?;
        }
    }
    summarize(document);
    written
}

/// Appends to the summary of a CI job. Its loss changes no result.
fn summarize(document: &Document) {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(document.markdown().as_bytes())) {
        tell(&format!("the summary cannot be written: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_page_is_only_touched_when_there_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.html");
        prepare(Some(&page), &[]).unwrap();
        assert_eq!(files(folder.path()), 0);
        fs::write(&page, "before").unwrap();
        prepare(Some(&page), &[]).unwrap();
        assert_eq!(fs::read_to_string(&page).unwrap(), "before");
        write(&page, "after").unwrap();
        assert_eq!(fs::read_to_string(&page).unwrap(), "after");
        assert_eq!(files(folder.path()), 1);
        assert!(prepare(Some(folder.path()), &[]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_permissions_are_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (page, link) = (folder.path().join("page.html"), folder.path().join("link.html"));
        symlink(&page, &link).unwrap();
        prepare(Some(&link), &[]).unwrap();
        write(&link, "one").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::set_permissions(&page, fs::Permissions::from_mode(0o600)).unwrap();
        write(&page, "two").unwrap();
        assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&link).unwrap(), "two");
    }

    #[test]
    fn an_input_is_no_place_for_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        fs::create_dir(&runs).unwrap();
        for name in ["1.csv", "old.html"] {
            fs::write(runs.join(name), "kept").unwrap();
        }
        let new = folder.path().join("new.db");
        let same = runs.join("../new.db");
        assert!(takes_place_of(&same, &new));
        assert!(takes_place_of(&runs.join("1.csv"), &runs));
        assert!(!takes_place_of(&runs.join("old.html"), &runs));
        assert!(!takes_place_of(&runs.join("new.html"), &runs));
        assert!(!takes_place_of(&folder.path().join("new.html"), &new));
    }
}
