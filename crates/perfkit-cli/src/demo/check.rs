//! Compares answers with the files they should hold.

use super::phase::CODING_NAMES;
use super::site::Site;
use crate::load::Answer;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Decodes a sample of the bodies on a thread of its own: on the load's thread it would delay what
/// is being timed.
#[derive(Debug)]
pub(crate) struct Checker {
    samples: SyncSender<Sample>,
    thread: JoinHandle<Result<u64, String>>,
    site: Arc<Site>,
    seen: u64,
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
        Ok(Checker { samples, thread, site, seen: 0 })
    }

    /// Checks the length of a body that is not encoded, and hands a sample to be decoded.
    pub(crate) fn look(
        &mut self,
        page: usize,
        coding: usize,
        answer: &Answer,
    ) -> Result<(), String> {
        let page_of = &self.site.pages[page];
        if CODING_NAMES[coding].is_empty() && answer.body.len() as u64 != page_of.bytes {
            return Err(format!(
                "{} came with {} bytes instead of {}",
                page_of.path,
                answer.body.len(),
                page_of.bytes
            ));
        }
        self.seen += 1;
        if self.seen > FIRST && !self.seen.is_multiple_of(ONE_IN) {
            return Ok(());
        }
        // Full: this one goes unchecked. Closed: a check failed, and `finish` says which.
        let _ = self.samples.try_send(Sample { page, coding, body: answer.body.clone() });
        Ok(())
    }

    /// Waits for the last checks and answers how many there were.
    pub(crate) fn finish(self) -> Result<u64, String> {
        drop(self.samples);
        self.thread.join().map_err(|_| "the checks ended in a panic".to_owned())?
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
