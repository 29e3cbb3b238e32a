//! Compares answers with the files they should hold.

use super::phase::CODING_NAMES;
use super::site::Site;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

/// Decodes a sample of the bodies on a thread of its own: on the load's thread it would delay what
/// is being timed.
#[derive(Debug)]
pub(crate) struct Checker {
    samples: SyncSender<Sample>,
    thread: JoinHandle<Result<u64, String>>,
    site: Arc<Site>,
    seen: u64,
    skipped: u64,
}

/// How many bodies were looked into.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checked {
    /// Decoded and compared with their files.
    pub(crate) compared: u64,
    /// Chosen for it, but the queue was full.
    pub(crate) skipped: u64,
}

#[derive(Debug)]
struct Sample {
    page: usize,
    coding: usize,
    body: Vec<u8>,
}

/// One in so many bodies is decoded, the first ones all.
const ONE_IN: u64 = 97;
const FIRST: u64 = 32;
/// More samples than this do not wait: the load goes on unchecked rather than slower.
const QUEUE: usize = 64;

impl Checker {
    pub(crate) fn start(site: Arc<Site>) -> Result<Checker, String> {
        let (samples, received) = sync_channel(QUEUE);
        let files = Arc::clone(&site);
        let thread = thread::Builder::new()
            .name("perfkit-check".to_owned())
            .spawn(move || check_all(&files, &received))
            .map_err(|error| format!("no thread for the checks: {error}"))?;
        Ok(Checker { samples, thread, site, seen: 0, skipped: 0 })
    }

    /// Checks the length of a body that is not encoded, and hands a sample to be decoded.
    pub(crate) fn look(&mut self, page: usize, coding: usize, body: &[u8]) -> Result<(), String> {
        let page_of = &self.site.pages[page];
        if CODING_NAMES[coding].is_empty() && body.len() as u64 != page_of.bytes {
            return Err(format!(
                "{} came with {} bytes instead of {}",
                page_of.path,
                body.len(),
                page_of.bytes
            ));
        }
        self.seen += 1;
        if self.seen > FIRST && !self.seen.is_multiple_of(ONE_IN) {
            return Ok(());
        }
        match self.samples.try_send(Sample { page, coding, body: body.to_vec() }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.skipped += 1;
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => Err("a check failed".to_owned()),
        }
    }

    /// Waits for the last checks and answers how many there were.
    pub(crate) fn finish(self) -> Result<Checked, String> {
        drop(self.samples);
        let compared =
            self.thread.join().map_err(|_| "the checks ended in a panic".to_owned())??;
        Ok(Checked { compared, skipped: self.skipped })
    }
}

fn check_all(site: &Site, samples: &Receiver<Sample>) -> Result<u64, String> {
    let mut checked = 0;
    for sample in samples {
        let page = &site.pages[sample.page];
        let coding = CODING_NAMES[sample.coding];
        let file = std::fs::read(&page.file)
            .map_err(|error| format!("{} cannot be read: {error}", page.file.display()))?;
        let body = decode(coding, &sample.body)
            .map_err(|error| format!("{} came in {coding} that is broken: {error}", page.path))?;
        if body != file {
            return Err(format!(
                "{} came with another content than its file {} (coding `{coding}`)",
                page.path,
                page.file.display()
            ));
        }
        checked += 1;
    }
    Ok(checked)
}

fn decode(coding: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut decoded = Vec::with_capacity(body.len() * 4);
    match coding {
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut decoded)?,
        "zstd" => zstd::stream::Decoder::new(body)?.read_to_end(&mut decoded)?,
        "gzip" => flate2::read::GzDecoder::new(body).read_to_end(&mut decoded)?,
        _ => return Ok(body.to_vec()),
    };
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::site::Page;

    fn site() -> (tempfile::NamedTempFile, Arc<Site>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        let page = Page { path: "/a".into(), file: file.path().to_owned(), bytes: 5 };
        let site = Site { root: "/".into(), title: String::new(), size: 1, pages: vec![page] };
        (file, Arc::new(site))
    }

    const ZSTD: usize = 1;
    const PLAIN: usize = 3;

    #[test]
    fn the_right_content_passes() {
        let (_file, site) = site();
        let mut checker = Checker::start(site).unwrap();
        checker.look(0, PLAIN, b"hello").unwrap();
        checker.look(0, ZSTD, &zstd::encode_all(&b"hello"[..], 3).unwrap()).unwrap();
        assert_eq!(checker.finish().unwrap().compared, 2);
    }

    #[test]
    fn another_content_is_found() {
        let (_file, site) = site();
        for (coding, body) in [
            (PLAIN, b"jello".to_vec()),
            (ZSTD, zstd::encode_all(&b"jello"[..], 3).unwrap()),
            (ZSTD, b"no zstd".to_vec()),
        ] {
            let mut checker = Checker::start(Arc::clone(&site)).unwrap();
            checker.look(0, coding, &body).unwrap();
            assert!(checker.finish().unwrap_err().contains("/a"));
        }
        let mut checker = Checker::start(site).unwrap();
        assert!(checker.look(0, PLAIN, b"hell").unwrap_err().contains("4 bytes"));
    }

    #[test]
    fn what_does_not_fit_the_queue_is_counted() {
        let (_file, site) = site();
        let mut checker = Checker::start(site).unwrap();
        let body = b"hello";
        for _ in 0..200 * ONE_IN {
            checker.look(0, PLAIN, body).unwrap();
        }
        let checked = checker.finish().unwrap();
        assert_eq!(checked.compared + checked.skipped, FIRST + 200);
    }
}
