//! A store for these tests: a map that can be told to fail, to hang, and to be slow, and that keeps
//! its content over a restart.

use perf_cache::disk::{
    CloseReport, DiskError, DiskStore, DiskUsage, OpenReport, Put, PutTerms, RefusedBecause,
    Stored, TryGet,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

type Content = BTreeMap<Vec<u8>, (Vec<u8>, PutTerms)>;

#[derive(Debug, Default)]
pub(crate) struct Store {
    content: Arc<Mutex<Content>>,
    /// Every call answers an error.
    pub(crate) fails: AtomicBool,
    /// Puts are refused.
    pub(crate) is_full: AtomicBool,
    /// Reads have to wait.
    pub(crate) blocks: AtomicBool,
    hangs: Mutex<bool>,
    goes_on: Condvar,
    pub(crate) calls: AtomicU64,
    /// Calls that have come as far as where they may hang.
    pub(crate) entered: AtomicU64,
    pub(crate) puts: AtomicU64,
    closed: AtomicBool,
    max_bytes: AtomicU64,
}

impl Store {
    pub(crate) fn new() -> Arc<Store> {
        Arc::new(Store { max_bytes: AtomicU64::new(1 << 30), ..Store::default() })
    }

    /// What the next process finds.
    pub(crate) fn restarted(&self) -> Arc<Store> {
        Arc::new(Store { content: Arc::clone(&self.content), ..Store::default() })
    }

    /// A copy of what is stored now: what the next process finds after a crash.
    pub(crate) fn crashed(&self) -> Arc<Store> {
        let content = Arc::new(Mutex::new(self.content.lock().unwrap().clone()));
        Arc::new(Store { content, ..Store::default() })
    }

    /// Calls that may wait do not return, until told to.
    pub(crate) fn hang(&self, hangs: bool) {
        *self.hangs.lock().unwrap() = hangs;
        self.goes_on.notify_all();
    }

    /// Values, not records.
    pub(crate) fn values(&self) -> usize {
        self.content.lock().unwrap().values().filter(|(_, terms)| !terms.pinned).count()
    }

    /// Forgets all values, as if others had made them leave.
    pub(crate) fn drop_values(&self) {
        self.content.lock().unwrap().retain(|_, (_, terms)| terms.pinned);
    }

    /// Spoils all values.
    pub(crate) fn spoil(&self) {
        for (bytes, terms) in self.content.lock().unwrap().values_mut() {
            if !terms.pinned {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x40;
            }
        }
    }

    fn answer(&self) -> Result<(), DiskError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            return Err(DiskError::Closed);
        }
        if self.fails.load(Ordering::SeqCst) {
            let source = std::io::Error::other("told to");
            return Err(DiskError::Io { path: "/nowhere".into(), source });
        }
        Ok(())
    }

    fn wait(&self) -> Result<(), DiskError> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        let hangs = self.hangs.lock().unwrap();
        drop(self.goes_on.wait_while(hangs, |hangs| *hangs).unwrap());
        self.answer()
    }

    fn find(&self, key: &[u8], into: &mut Vec<u8>) -> Option<Stored> {
        let content = self.content.lock().unwrap();
        let (bytes, terms) = content.get(key)?;
        into.extend_from_slice(bytes);
        let len = u32::try_from(bytes.len()).unwrap();
        Some(Stored { expires_at: terms.expires_at, written_at: 0, len })
    }
}

impl DiskStore for Store {
    fn name(&self) -> &'static str {
        "map"
    }

    fn path(&self) -> &Path {
        Path::new("/nowhere")
    }

    fn open_report(&self) -> OpenReport {
        OpenReport::default()
    }

    fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<TryGet, DiskError> {
        self.answer()?;
        if self.blocks.load(Ordering::SeqCst) {
            return Ok(TryGet::WouldBlock);
        }
        Ok(self.find(key, into).map_or(TryGet::Missing, TryGet::Found))
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<Stored>, DiskError> {
        self.wait()?;
        Ok(self.find(key, into))
    }

    fn put(&self, key: &[u8], value: &[u8], terms: PutTerms) -> Result<Put, DiskError> {
        self.wait()?;
        if self.is_full.load(Ordering::SeqCst) && !terms.pinned {
            return Ok(Put::Refused(RefusedBecause::QueueFull));
        }
        self.puts.fetch_add(1, Ordering::SeqCst);
        self.content.lock().unwrap().insert(key.to_vec(), (value.to_vec(), terms));
        Ok(Put::Stored)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, DiskError> {
        self.wait()?;
        Ok(self.content.lock().unwrap().remove(key).is_some())
    }

    fn contains(&self, key: &[u8]) -> Result<bool, DiskError> {
        self.wait()?;
        Ok(self.content.lock().unwrap().contains_key(key))
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&[u8], &Stored) -> ControlFlow<()>,
    ) -> Result<(), DiskError> {
        self.wait()?;
        for (key, (bytes, terms)) in self.content.lock().unwrap().clone() {
            let len = u32::try_from(bytes.len()).unwrap();
            let stored = Stored { expires_at: terms.expires_at, written_at: 0, len };
            if visit(&key, &stored).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<u64, DiskError> {
        self.wait()?;
        let mut content = self.content.lock().unwrap();
        let before = content.len();
        content.retain(|_, (_, terms)| terms.pinned);
        Ok((before - content.len()) as u64)
    }

    fn flush(&self) -> Result<(), DiskError> {
        self.wait()
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.wait()
    }

    fn usage(&self) -> DiskUsage {
        let mut usage = DiskUsage::default();
        let content = self.content.lock().unwrap();
        usage.entries = content.len() as u64;
        usage.pinned = content.values().filter(|(_, terms)| terms.pinned).count() as u64;
        usage.file_bytes = content.values().map(|(bytes, _)| bytes.len() as u64).sum();
        usage.live_bytes = usage.file_bytes;
        usage.max_bytes = self.max_bytes.load(Ordering::SeqCst);
        usage
    }

    fn set_max_bytes(&self, bytes: u64) {
        self.max_bytes.store(bytes, Ordering::SeqCst);
    }

    fn close(&self) -> Result<CloseReport, DiskError> {
        self.wait()?;
        self.closed.store(true, Ordering::SeqCst);
        Ok(CloseReport::default())
    }
}
