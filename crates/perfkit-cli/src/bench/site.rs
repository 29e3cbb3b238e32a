//! The pages that the gateway serves while it is measured: the user's own, or made up.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Pages that are made up.
const PAGES: usize = 200;
/// Files that are asked for, and entries that are looked at to find them.
const MOST_PAGES: usize = 500;
const MOST_ENTRIES: usize = 100_000;
/// Larger files are left out: a few of them would be most of the bytes.
const LARGEST: u64 = 1 << 20;

/// A folder of pages.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) root: PathBuf,
    pub(super) pages: Vec<Page>,
    /// Whether the folder was made for the run.
    made: bool,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) path: String,
    pub(super) content: Vec<u8>,
}

impl Site {
    /// The pages of this folder, or of one that is made and removed afterwards.
    pub(super) fn new(origin: Option<&Path>) -> io::Result<Site> {
        match origin {
            Some(root) => Site::of(root),
            None => Site::made_up(),
        }
    }

    fn of(root: &Path) -> io::Result<Site> {
        let mut pages = Vec::new();
        let mut folders = vec![root.to_owned()];
        let mut looked_at = 0;
        while let Some(folder) = folders.pop() {
            let mut entries: Vec<PathBuf> =
                fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
            // The order in which a folder is listed differs between machines.
            entries.sort();
            for path in entries {
                looked_at += 1;
                if looked_at > MOST_ENTRIES || pages.len() == MOST_PAGES {
                    return Ok(Site { root: root.to_owned(), pages, made: false });
                }
                let meta = fs::symlink_metadata(&path)?;
                if meta.is_dir() {
                    folders.push(path);
                } else if let Some(name) = plain_name(root, &path)
                    && meta.is_file()
                    && (1..=LARGEST).contains(&meta.len())
                {
                    pages.push(Page { path: name, content: fs::read(&path)? });
                }
            }
        }
        if pages.is_empty() {
            let text = format!("no page in {}: it holds no .html file", root.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(Site { root: root.to_owned(), pages, made: false })
    }

    fn made_up() -> io::Result<Site> {
        let root = std::env::temp_dir().join(format!("perfkit-bench-site-{}", std::process::id()));
        // Fails if it is there: nobody else's folder is filled and removed.
        fs::create_dir(&root)?;
        let mut site = Site { root, pages: Vec::new(), made: true };
        for n in 0..PAGES {
            let name = format!("page-{n}.html");
            let content = page(n);
            fs::write(site.root.join(&name), &content)?;
            site.pages.push(Page { path: format!("/{name}"), content });
        }
        Ok(site)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.made {
            // What cannot be removed lies in the temporary folder, where the system sees to it.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// The path of a page in a request, if its name needs no escaping.
fn plain_name(root: &Path, file: &Path) -> Option<String> {
    let name = file.strip_prefix(root).ok()?.to_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let index = file.file_name().is_some_and(|name| name == "index.html");
    (name.ends_with(".html") && !index && name.chars().all(plain)).then(|| format!("/{name}"))
}

/// Text of 2 to 40 kB, of words that repeat about as much as those of a page do.
fn page(n: usize) -> Vec<u8> {
    let mut text = format!("<!doctype html><html><head><title>Page {n}</title></head><body>\n");
    let mut state = n as u32 + 1;
    let length = 2_000 + n * 7_919 % 38_000;
    while text.len() < length {
        // Numerical Recipes' constants: any spread will do.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (a, b) = (state >> 22, state >> 13 & 511);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "<p class=\"row\">word{a} and another{b} of page {n}</p>");
    }
    text.push_str("</body></html>\n");
    text.into_bytes()
}
