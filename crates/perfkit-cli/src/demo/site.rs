//! The site that the demo serves, and the pages it asks for.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with web pages.
#[derive(Debug)]
pub(crate) struct Site {
    /// The folder.
    pub(crate) root: PathBuf,
    /// What it is, for people.
    pub(crate) title: String,
    /// How many pages it has in all.
    pub(crate) size: usize,
    /// The pages that are asked for.
    pub(crate) pages: Vec<Page>,
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    /// Its path in a request.
    pub(crate) path: String,
    /// Its file.
    pub(crate) file: PathBuf,
    /// The bytes of its file.
    pub(crate) bytes: u64,
}

/// Larger pages are left out: a few of them would be most of the bytes.
const LARGEST_PAGE: u64 = 1 << 20;
/// The walk through the folder ends here.
const MOST_FILES: usize = 500_000;
/// A folder that happens to have a few pages is not a site.
const FEWEST_PAGES: usize = 20;

impl Site {
    /// Finds a site and chooses `pages` of its pages by `seed`. Reads the chosen files once, so
    /// that none comes from a cold disk later.
    ///
    /// # Errors
    ///
    /// What is missing and how to name a folder.
    pub(crate) fn find(named: Option<&Path>, pages: usize, seed: u64) -> Result<Site, String> {
        if let Some(root) = named {
            let found = list(root).map_err(|e| {
                format!("the folder `{}` cannot be read: {e}; check --origin", root.display())
            })?;
            return Site::choose(root, "your site".to_owned(), found, pages, seed);
        }
        for (root, title) in candidates() {
            match list(&root) {
                Ok(found) if found.len() >= FEWEST_PAGES => {
                    return Site::choose(&root, title, found, pages, seed);
                }
                _ => {}
            }
        }
        Err("no site found on this machine: add the toolchain's documentation with `rustup \
             component add rust-docs`, or run `cargo doc`, or name a folder with --origin"
            .to_owned())
    }

    fn choose(
        root: &Path,
        title: String,
        mut found: Vec<PathBuf>,
        wanted: usize,
        seed: u64,
    ) -> Result<Site, String> {
        // The order in which a folder is listed differs between machines.
        found.sort();
        let size = found.len();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut pages = Vec::with_capacity(wanted.min(size));
        let mut at = 0;
        while pages.len() < wanted && at < found.len() {
            let other = rng.random_range(at..found.len());
            found.swap(at, other);
            let file = &found[at];
            at += 1;
            let Ok(content) = fs::read(file) else { continue };
            let bytes = content.len() as u64;
            if let (1..=LARGEST_PAGE, Ok(path)) = (bytes, file.strip_prefix(root)) {
                pages.push(Page { path: request_path(path), file: file.clone(), bytes });
            }
        }
        if pages.is_empty() {
            return Err(format!(
                "the folder `{}` has no page: it needs .html files of at most 1 MiB; name another \
                 with --origin",
                root.display()
            ));
        }
        Ok(Site { root: root.to_owned(), title, size, pages })
    }

    /// The bytes of all chosen pages.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages.iter().map(|page| page.bytes).sum()
    }
}

/// Where a site may be found, best first.
fn candidates() -> Vec<(PathBuf, String)> {
    let mut candidates = Vec::new();
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output();
    if let Ok(output) = sysroot
        && output.status.success()
        && let Ok(path) = String::from_utf8(output.stdout)
    {
        let docs = Path::new(path.trim()).join("share/doc/rust/html");
        candidates.push((docs, "the Rust documentation".to_owned()));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    candidates.push((target.join("doc"), "this workspace's documentation".to_owned()));
    candidates
}

/// All .html files below a folder. Links to folders are not followed.
fn list(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if folder == root => return Err(error),
            Err(_) => continue,
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && name.as_encoded_bytes().ends_with(b".html") => {
                    found.push(entry.path());
                    if found.len() == MOST_FILES {
                        return Ok(found);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// A relative file name as the path of a request.
fn request_path(file: &Path) -> String {
    let mut path = String::new();
    for part in file.components() {
        path.push('/');
        for byte in part.as_os_str().as_encoded_bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
                path.push(char::from(*byte));
            } else {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site_of(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        folder
    }

    #[test]
    fn the_same_seed_chooses_the_same_pages() {
        let names: Vec<String> = (0..50).map(|n| format!("{}/page {n}.html", n % 5)).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let folder = site_of(&files);
        let choose = |seed| {
            let site = Site::find(Some(folder.path()), 10, seed).unwrap();
            assert_eq!(site.size, 50);
            site.pages.into_iter().map(|page| page.path).collect::<Vec<_>>()
        };
        assert_eq!(choose(1), choose(1));
        assert_ne!(choose(1), choose(2));
        assert!(choose(1)[0].contains("/page%20"));
    }

    #[test]
    fn only_pages_count() {
        let folder =
            site_of(&[("a.html", "x"), ("empty.html", ""), ("b.css", "x"), (".git/c.html", "x")]);
        let site = Site::find(Some(folder.path()), 10, 1).unwrap();
        assert_eq!(site.pages.len(), 1);
        assert_eq!(site.bytes(), 1);
    }

    #[test]
    fn a_folder_without_pages_is_named() {
        let folder = site_of(&[("a.css", "x")]);
        let message = Site::find(Some(folder.path()), 10, 1).unwrap_err();
        assert!(message.contains(&folder.path().display().to_string()), "{message}");
        let message = Site::find(Some(&folder.path().join("no")), 10, 1).unwrap_err();
        assert!(message.contains("--origin"), "{message}");
    }
}
