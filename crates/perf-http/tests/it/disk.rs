//! The tier on disk: what the next process answers, and what it does not.

use crate::site::{FRESH, Reply, Site, reply};
use http::request::Parts;
use perf_cache::disk::{
    CloseReport, DiskError, DiskStore, DiskUsage, Faults, LogStore, OpenReport, Put, PutTerms,
    Stored, TryGet,
};
use perf_core::{ByteSize, Clock, Glob, ManualClock};
use perf_http::ResponseCacheBuilder;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A directory and a clock that go on while processes come and go.
pub(crate) struct Machine {
    folder: TempDir,
    clock: Clock,
    pub(crate) hand: ManualClock,
    pub(crate) faults: Faults,
}

impl Machine {
    pub(crate) fn new() -> Machine {
        let (clock, hand) = Clock::manual();
        Machine { folder: TempDir::new().unwrap(), clock, hand, faults: Faults::new() }
    }

    /// Puts the clock back to where it began.
    pub(crate) fn at_the_beginning_of_time(&mut self) {
        (self.clock, self.hand) = Clock::manual();
    }

    fn store(&self) -> LogStore {
        let builder = LogStore::builder(self.folder.path()).max_bytes(ByteSize::mib(64));
        builder.clock(self.clock.clone()).faults(self.faults.clone()).open().unwrap()
    }

    /// A process, whose answers say how often the origin was asked by it.
    pub(crate) fn start(&self) -> Site {
        self.start_set(|builder| builder, numbered)
    }

    /// The same, otherwise set.
    pub(crate) fn start_set(
        &self,
        setting: impl FnOnce(ResponseCacheBuilder) -> ResponseCacheBuilder,
        handler: impl Fn(&Parts, usize) -> Reply + Send + Sync + 'static,
    ) -> Site {
        let (store, clocks) = (Arc::new(self.store()), (self.clock.clone(), self.hand.clone()));
        Site::at(clocks, |builder| setting(builder).disk(store), handler)
    }

    fn start_on(
        &self,
        store: Arc<dyn DiskStore>,
        memory: &str,
        handler: impl Fn(&Parts, usize) -> Reply + Send + Sync + 'static,
    ) -> Site {
        let memory = memory.parse().unwrap();
        let clocks = (self.clock.clone(), self.hand.clone());
        Site::at(clocks, |builder| builder.disk(store).capacity(memory), handler)
    }
}

pub(crate) fn numbered(parts: &Parts, call: usize) -> Reply {
    let path = parts.uri.path();
    reply(&[FRESH, ("cache-tag", path.trim_matches('/'))], format!("{path} {call}"))
}

pub(crate) fn end(site: Site) -> CloseReport {
    site.cache.outer().unwrap().close().disk.unwrap().unwrap()
}

#[tokio::test]
async fn the_next_process_answers_at_once_and_knows_the_age() {
    let machine = Machine::new();
    let first = machine.start();
    assert_eq!(first.get("/a").await.cache(), "fwd=miss; stored; ttl=60");
    assert_eq!(end(first).entries, 1);
    machine.hand.advance(std::time::Duration::from_secs(20));

    let next = machine.start();
    let hit = next.get("/a").await;
    assert_eq!((hit.cache(), hit.field("age")), ("hit; ttl=40; detail=disk", "20"));
    assert_eq!(hit.text(), "/a 1");
    assert_eq!(next.get("/a").await.cache(), "hit; ttl=40", "it is in memory now");
    assert_eq!(
        (next.calls(), next.count("answers", "disk"), next.count("answers", "hit")),
        (0, 1, 1)
    );
    next.later(40);
    assert_eq!(next.get("/a").await.cache(), "fwd=stale; stored; ttl=60");
    assert_eq!(next.calls(), 1);
}

#[tokio::test]
async fn variants_codings_and_validators_come_back() {
    let machine = Machine::new();
    let text = "a word ".repeat(2_000);
    let origin = move |parts: &Parts, _: usize| {
        let language = parts.headers.get("accept-language").map_or("", |l| l.to_str().unwrap());
        let fields = [FRESH, ("vary", "accept-language"), ("content-type", "text/plain")];
        reply(&fields, format!("{language} {text}"))
    };
    let first = machine.start_on(Arc::new(machine.store()), "64MiB", origin.clone());
    let ask = |language| [("accept-language", language), ("accept-encoding", "br")];
    let english = first.get_with("/a", &ask("en")).await;
    let french = first.get_with("/a", &ask("fr")).await;
    assert_ne!(english.field("etag"), french.field("etag"));
    end(first);

    let next = machine.start_on(Arc::new(machine.store()), "64MiB", origin);
    for (language, before) in [("fr", french), ("en", english)] {
        let again = next.get_with("/a", &ask(language)).await;
        assert!(again.is_hit(), "{again:?}");
        assert_eq!(again.field("etag"), before.field("etag"));
        assert_eq!(again.body.unwrap(), before.body.unwrap());
        let fields =
            [ask(language)[0], ("if-none-match", before.headers["etag"].to_str().unwrap())];
        assert_eq!(next.get_with("/a", &fields).await.status, 304);
    }
    assert_eq!(next.get_with("/a", &ask("de")).await.cache(), "fwd=vary-miss; stored; ttl=60");
    assert_eq!(next.calls(), 1);
}

#[tokio::test]
async fn what_was_invalidated_is_not_answered_by_the_next_process() {
    let machine = Machine::new();
    let first = machine.start();
    for path in ["/key", "/tag", "/glob/1", "/changed", "/kept"] {
        first.get(path).await;
    }
    first.cache.outer().unwrap().flush();
    assert!(first.cache.invalidate_key("h/key").unwrap());
    assert!(first.cache.invalidate_tag("tag").unwrap() >= 1);
    assert!(first.cache.invalidate_matching(&Glob::new("h/glob/*").unwrap()).unwrap() >= 1);
    first.ask("DELETE", "/changed", &[]).await;
    let calls = first.calls();
    // The records of invalidations are written by now; only values may still wait.
    end(first);

    let next = machine.start();
    for path in ["/key", "/tag", "/glob/1", "/changed"] {
        assert_eq!(next.get(path).await.cache(), "fwd=miss; stored; ttl=60", "{path}");
    }
    assert!(next.get("/kept").await.is_hit());
    assert_eq!((calls, next.calls()), (6, 4));
    next.cache.clear().unwrap();
    end(next);
    let last = machine.start();
    assert!(!last.get("/kept").await.is_hit());
}

#[tokio::test]
async fn what_memory_let_go_of_is_on_disk() {
    let machine = Machine::new();
    let body = "x".repeat(20_000);
    let site = machine
        .start_on(Arc::new(machine.store()), "256KiB", move |_, _| reply(&[FRESH], body.clone()));
    for n in 0..100 {
        site.get(&format!("/{n}")).await;
    }
    site.cache.outer().unwrap().flush();
    assert!(site.cache.memory().len() < 50);
    for n in 0..100 {
        let answer = site.get(&format!("/{n}")).await;
        assert!(answer.is_hit() && answer.text().len() == 20_000, "{answer:?}");
    }
    assert_eq!(site.calls(), 100);
    assert!(site.count("answers", "disk") > 50);
}

#[tokio::test]
async fn an_answer_that_an_invalidation_has_overtaken_is_not_on_disk_either() {
    let machine = Machine::new();
    let site = machine.start_on(Arc::new(machine.store()), "64MiB", numbered).gated();
    let late = tokio::spawn(site.get("/a"));
    while site.calls() == 0 {
        tokio::task::yield_now().await;
    }
    site.cache.invalidate_tag("a").unwrap();
    site.gate.add_permits(1);
    assert_eq!(late.await.unwrap().text(), "/a 1");
    assert_eq!(end(site).entries, 0);
    assert!(!machine.start().get("/a").await.is_hit());
}

#[tokio::test]
async fn a_disk_that_fails_fails_no_request() {
    let machine = Machine::new();
    let site = machine.start();
    site.get("/before").await;
    site.cache.outer().unwrap().flush();
    machine.faults.fill_after(0);
    for n in 0..50 {
        assert_eq!(site.get(&format!("/{n}")).await.cache(), "fwd=miss; stored; ttl=60");
        assert!(site.get(&format!("/{n}")).await.is_hit());
    }
    assert!(site.cache.invalidate_tag("before").is_err(), "the disk does not know of it");
    assert_eq!(site.ask("DELETE", "/3", &[]).await.status, 200);
    assert!(!site.get("/before").await.is_hit() && !site.get("/3").await.is_hit());
}

#[tokio::test]
async fn a_disk_that_was_closed_is_passed_by() {
    let machine = Machine::new();
    let site = machine.start();
    site.cache.outer().unwrap().close().disk.unwrap().unwrap();
    assert_eq!(site.get("/a").await.cache(), "fwd=miss; stored; ttl=60");
    assert!(site.get("/a").await.is_hit());
    assert_eq!(site.cache.invalidate_key("h/a").unwrap_err().forgotten(), 1);
}

/// A store of which nobody knows anything without waiting.
#[derive(Debug)]
struct Slow(LogStore);

impl DiskStore for Slow {
    fn try_get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<TryGet, DiskError> {
        Ok(TryGet::WouldBlock)
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn open_report(&self) -> OpenReport {
        self.0.open_report()
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<Stored>, DiskError> {
        self.0.get(key, into)
    }

    fn put(&self, key: &[u8], value: &[u8], terms: PutTerms) -> Result<Put, DiskError> {
        self.0.put(key, value, terms)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, DiskError> {
        self.0.remove(key)
    }

    fn contains(&self, key: &[u8]) -> Result<bool, DiskError> {
        self.0.contains(key)
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&[u8], &Stored) -> ControlFlow<()>,
    ) -> Result<(), DiskError> {
        self.0.for_each(visit)
    }

    fn clear(&self) -> Result<u64, DiskError> {
        self.0.clear()
    }

    fn flush(&self) -> Result<(), DiskError> {
        self.0.flush()
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.0.sync()
    }

    fn usage(&self) -> DiskUsage {
        self.0.usage()
    }

    fn set_max_bytes(&self, bytes: u64) {
        self.0.set_max_bytes(bytes);
    }

    fn close(&self) -> Result<CloseReport, DiskError> {
        self.0.close()
    }
}

#[tokio::test]
async fn a_disk_that_has_to_be_waited_for_is_waited_for() {
    let machine = Machine::new();
    let slow = || Arc::new(Slow(machine.store()));
    let first = machine.start_on(slow(), "64MiB", numbered);
    assert_eq!(first.get("/a").await.cache(), "fwd=miss; stored; ttl=60");
    end(first);
    let next = machine.start_on(slow(), "64MiB", numbered);
    let asked: Vec<_> = (0..20).map(|_| tokio::spawn(next.get("/a"))).collect();
    for answer in asked {
        let answer = answer.await.unwrap();
        assert!(answer.is_hit() && answer.text() == "/a 1", "{answer:?}");
    }
    assert_eq!(next.calls(), 0);
    assert!(next.count("answers", "disk") >= 1);
    assert!(!next.get("/b").await.is_hit());
}
