//! Several tiers with one prefix: each stands for a process.

use super::proxy::Proxy;
use super::server::Server;
use super::{PATIENCE, SHORT, patient};
use perf_cache::disk::{Put, PutTerms, RefusedBecause};
use perf_cache::remote::{RedisTier, RemoteError};
use perf_cache::tiered::{
    Change, Changed, Doubt, Fetched, OuterTier, Receiver, Scope, SharedTier, Since, Standing,
};
use perf_core::{Clock, Glob};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a receiver was told.
#[derive(Debug, Default)]
pub(super) struct Heard {
    changes: Mutex<Vec<Change>>,
    doubts: Mutex<Vec<(Doubt, Option<Standing>)>>,
}

impl Heard {
    pub(super) fn by(tier: &RedisTier) -> Arc<Heard> {
        let heard = Arc::<Heard>::default();
        let receiver: Arc<dyn Receiver> = heard.clone();
        tier.listen(Arc::downgrade(&receiver));
        heard
    }

    /// Waits for something to be so.
    pub(super) fn until(&self, is_so: impl Fn(&Heard) -> bool) {
        let start = std::time::Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "{self:?}");
            thread::yield_now();
        }
    }

    fn changes(&self) -> Vec<Change> {
        self.changes.lock().unwrap().clone()
    }

    fn numbers(&self) -> Vec<u64> {
        self.changes().iter().map(|change| change.number).collect()
    }

    pub(super) fn keys(&self) -> Vec<Vec<u8>> {
        let key = |change: Change| match change.what {
            Changed::Key(key) => Some(key),
            _ => None,
        };
        self.changes().into_iter().filter_map(key).collect()
    }

    fn doubts(&self, doubt: Doubt) -> usize {
        self.doubts.lock().unwrap().iter().filter(|(told, _)| *told == doubt).count()
    }

    fn standing(&self) -> Standing {
        self.doubts.lock().unwrap().last().unwrap().1.clone().unwrap()
    }
}

impl Receiver for Heard {
    fn changed(&self, changes: &[Change]) {
        self.changes.lock().unwrap().extend_from_slice(changes);
    }

    fn doubted(&self, doubt: Doubt, standing: Option<Standing>) {
        assert_eq!(doubt == Doubt::Lost, standing.is_some());
        self.doubts.lock().unwrap().push((doubt, standing));
    }
}

/// A tier that is told of changes, from when this returns.
fn listening(tier: RedisTier) -> (RedisTier, Arc<Heard>) {
    let heard = Heard::by(&tier);
    // At once, if the machine is not too busy.
    heard.until(|heard| heard.doubts(Doubt::Lost) == 1 && tier.since().epoch != 0);
    (tier, heard)
}

fn tag(name: &str) -> Scope {
    Scope::Tag(name.into())
}

const TERMS: PutTerms = PutTerms::until(PutTerms::NEVER);
const OVERTAKEN: Put = Put::Refused(RefusedBecause::Overtaken);

fn found(tier: &RedisTier, key: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut into = Vec::new();
    match tier.fetch(key, &mut into).unwrap() {
        Fetched::Missing => None,
        Fetched::FoundSince(_, number) => Some((into, number)),
        other => panic!("{other:?}"),
    }
}

fn scopes() -> [Scope; 5] {
    let pattern = Scope::Pattern(Glob::new("users:*").unwrap());
    [
        tag("t"),
        Scope::Dependencies("users:1".into()),
        Scope::Namespace("users".into()),
        pattern,
        Scope::All,
    ]
}

fn all_are_told_of_all(url: String) {
    let open = || RedisTier::builder(&url).deadline(PATIENCE).connect_timeout(PATIENCE);
    let (one, by_one) = listening(open().build().unwrap());
    let (other, by_other) = listening(open().build().unwrap());
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    assert_eq!(one.put(b"a", b"1", TERMS).unwrap(), Put::Stored);
    assert_eq!(one.since().number, next());
    assert!(one.remove(b"a").unwrap());
    assert_eq!(one.since().number, next());
    for scope in scopes() {
        let number = one.announce(&scope).unwrap();
        assert_eq!(number, next());
        assert_eq!(one.since(), Since { number, ..other.since() });
    }
    other.remove(b"b").unwrap();
    let last = next();
    assert_eq!(other.since().number, last);
    let mut expected = vec![Changed::Key(b"a".to_vec()), Changed::Key(b"a".to_vec())];
    expected.extend(scopes().map(Changed::Scope));
    expected.push(Changed::Key(b"b".to_vec()));
    for (heard, own) in [(&by_one, 1..last), (&by_other, last..last + 1)] {
        heard.until(|heard| heard.changes().len() == expected.len());
        let changes = heard.changes();
        assert_eq!(heard.numbers(), (1..=last).collect::<Vec<_>>());
        assert_eq!(changes.iter().map(|c| c.what.clone()).collect::<Vec<_>>(), expected);
        assert!(changes.iter().all(|change| change.is_own == own.contains(&change.number)));
    }
    assert_eq!((one.stats().news, other.stats().news), (1, last - 1));
    assert_eq!((one.stats().resets, one.stats().unheard), (0, 0));
}

#[test]
fn changes_are_told_to_all_in_one_order() {
    let Some(server) = Server::start() else { return };
    all_are_told_of_all(server.url());
}

#[test]
fn the_newer_protocol_does_as_well() {
    let Some(server) = Server::start() else { return };
    all_are_told_of_all(format!("{}/?protocol=resp3", server.url()));
}

#[test]
fn what_one_puts_in_the_other_finds_with_all_that_was_changed_before() {
    let Some(server) = Server::start() else { return };
    // Nobody listens: the reads find out.
    let (one, other) = (patient(&server).build().unwrap(), patient(&server).build().unwrap());
    assert_eq!(one.since(), Since::default());
    assert_eq!(found(&one, b"a"), None);
    let since = one.since();
    assert!(since.epoch != 0 && since.number == 0);
    assert_eq!(one.fill(b"a", b"loaded", TERMS, since).unwrap(), Put::Stored);
    assert_eq!(found(&other, b"a"), Some((b"loaded".to_vec(), 0)));
    let number = one.announce(&tag("t")).unwrap();
    // Whether that covers it is for whoever knows of tags.
    assert_eq!(found(&other, b"a"), Some((b"loaded".to_vec(), 0)));
    assert_eq!(other.since(), Since { number, ..since });
    assert_eq!(one.put(b"a", b"told", TERMS).unwrap(), Put::Stored);
    assert_eq!(found(&other, b"a"), Some((b"told".to_vec(), number + 1)));
    assert_eq!(other.get_many(&[b"b", b"a"]).unwrap()[1].as_ref().unwrap().number, number + 1);
    assert_eq!(other.since().number, number + 1);
}

#[test]
fn what_was_read_before_a_change_is_not_put_in_after_it() {
    let Some(server) = Server::start() else { return };
    let (one, other) = (patient(&server).build().unwrap(), patient(&server).build().unwrap());
    assert_eq!((found(&one, b"a"), found(&other, b"a")), (None, None));
    let before = other.since();
    assert_eq!(other.fill(b"a", b"1", TERMS, before).unwrap(), Put::Stored);
    assert!(one.remove(b"a").unwrap());
    assert_eq!(other.fill(b"a", b"old", TERMS, before).unwrap(), OVERTAKEN);
    assert_eq!(found(&other, b"a"), None);
    // Now it has heard of it.
    assert_eq!(other.fill(b"a", b"new", TERMS, other.since()).unwrap(), Put::Stored);
    // A server that is short of memory forgets that there was a change, and then it knows nothing.
    one.remove(b"a").unwrap();
    assert_eq!(server.number(&["EVAL", DELETE, "0", "perf-cache:f*"]), 1);
    assert_eq!(other.fill(b"a", b"old", TERMS, before).unwrap(), OVERTAKEN);
    let since = one.since();
    assert_eq!(one.fill(b"a", b"new", TERMS, since).unwrap(), Put::Stored);
    assert_eq!(other.stats().overtaken, 2);
    // Of another epoch, or none.
    for epoch in [since.epoch ^ 1, 0] {
        let since = Since { epoch, ..since };
        assert_eq!(one.fill(b"a", b"old", TERMS, since).unwrap(), OVERTAKEN);
    }
}

const DELETE: &str = "local n = 0 for _, key in ipairs(redis.call('KEYS', ARGV[1])) do \
    n = n + redis.call('DEL', key) end return n";

#[test]
fn changes_while_nobody_could_be_told_are_told_later() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.port);
    let (one, _) = listening(patient(&server).journal(50).build().unwrap());
    let hasty = RedisTier::builder(proxy.url()).deadline(SHORT).connect_timeout(SHORT);
    let (other, heard) = listening(hasty.journal(50).build().unwrap());
    let mut last = 0;
    for (changes, resets) in [(50, 0), (51, 1), (5, 1), (1_000, 2)] {
        proxy.cut(true);
        for _ in 0..changes {
            one.remove(b"a").unwrap();
        }
        last += changes;
        proxy.cut(false);
        heard.until(|_| other.since().number == last);
        let stats = other.stats();
        assert_eq!((stats.resets, stats.gaps, stats.forks), (resets, resets, 0), "{stats:?}");
    }
    assert_eq!(heard.numbers(), (1..=50).chain(102..=106).collect::<Vec<_>>());
    assert_eq!(heard.standing().since, one.since());
}

#[test]
fn a_journal_that_is_lost_is_noticed() {
    let Some(server) = Server::start() else { return };
    let (one, _) = listening(patient(&server).build().unwrap());
    let (other, heard) = listening(patient(&server).build().unwrap());
    let quiet = patient(&server).build().unwrap();
    assert_eq!(found(&quiet, b"a"), None);
    one.remove(b"a").unwrap();
    heard.until(|heard| heard.numbers() == [1]);
    // In one step, so that nobody sees one without the other.
    let lose = "redis.call('HINCRBY', 'perf-cache:g{perf-cache:}', 'n', 5) \
        return redis.call('DEL', 'perf-cache:j{perf-cache:}')";
    assert_eq!(server.number(&["EVAL", lose, "0"]), 1);
    heard.until(|_| other.since().number == 6);
    assert_eq!((other.stats().resets, other.stats().gaps), (1, 1));
    assert_eq!(found(&quiet, b"a"), None);
    assert_eq!((quiet.since(), quiet.stats().gaps), (other.since(), 1));
}

#[test]
fn a_server_that_goes_on_from_another_past_ends_the_epoch() {
    let Some(server) = Server::start() else { return };
    let (one, _) = listening(patient(&server).build().unwrap());
    let (other, heard) = listening(patient(&server).build().unwrap());
    let state = "perf-cache:g{perf-cache:}";
    type Change<'a> = Box<dyn Fn() + 'a>;
    let behind: [Change; 3] = [
        // As a replica that was behind: numbers go back,
        Box::new(|| assert_eq!(server.number(&["HSET", state, "n", "1"]), 0)),
        // or there are as many changes, and the last is another,
        Box::new(|| assert_eq!(server.number(&["HSET", state, "x", "12345678"]), 0)),
        // or there are more, and they do not follow.
        Box::new(|| {
            let fork = "redis.call('HSET', KEYS[1], 'x', '12345678') \
                redis.call('XADD', KEYS[2], '4-0', 'c', '12345678' .. ARGV[1] .. 'ka') \
                return redis.call('HINCRBY', KEYS[1], 'n', 1)";
            let journal = "perf-cache:j{perf-cache:}";
            let number = server.number(&["EVAL", fork, "2", state, journal, "1234567887654321"]);
            assert_eq!(number, 4);
        }),
    ];
    for (nth, behind) in behind.into_iter().enumerate() {
        for _ in 0..3 {
            one.remove(b"a").unwrap();
        }
        assert_eq!(one.fill(b"b", b"1", TERMS, one.since()).unwrap(), Put::Stored);
        heard.until(|_| other.since() == one.since());
        let epoch = one.since().epoch;
        behind();
        heard.until(|heard| heard.doubts(Doubt::Lost) == nth + 2);
        heard.until(|_| other.since() == one.since());
        assert!(other.since().epoch != epoch);
        assert_eq!((found(&other, b"b"), other.since().number), (None, 0));
        let forks = one.stats().forks + other.stats().forks;
        assert!(forks > nth as u64, "{forks}");
    }
}

#[test]
fn calls_notice_another_past_too() {
    let Some(server) = Server::start() else { return };
    let (one, other) = (patient(&server).build().unwrap(), patient(&server).build().unwrap());
    for nth in 1..=3 {
        assert_eq!(one.put(b"a", b"1", TERMS).unwrap(), Put::Stored);
        assert_eq!(one.put(b"b", b"1", TERMS).unwrap(), Put::Stored);
        assert!(found(&other, b"a").is_some());
        assert_eq!(server.number(&["HSET", "perf-cache:g{perf-cache:}", "n", "1"]), 0);
        match nth {
            1 => assert_eq!(found(&other, b"a"), None),
            2 => assert!(!other.remove(b"c").unwrap()),
            _ => drop(other.announce(&tag("t")).unwrap()),
        }
        assert_eq!((found(&one, b"b"), found(&other, b"b")), (None, None));
        assert_eq!((one.since(), other.stats().forks), (other.since(), nth));
    }
}

#[test]
fn a_state_that_is_lost_is_told_of_and_all_begins_anew() {
    let Some(mut server) = Server::start() else { return };
    let (one, _) = listening(patient(&server).build().unwrap());
    let (other, heard) = listening(patient(&server).build().unwrap());
    one.announce(&tag("t")).unwrap();
    assert_eq!(one.put(b"a", b"1", TERMS).unwrap(), Put::Stored);
    heard.until(|heard| heard.numbers() == [1, 2]);
    let before = other.since();
    assert_eq!(server.number(&["DEL", "perf-cache:g{perf-cache:}"]), 1);
    heard.until(|heard| heard.doubts(Doubt::Lost) == 2);
    let standing = heard.standing();
    assert!(standing.since.epoch != before.epoch && standing.since.number == 0);
    assert!((standing.floor, &standing.scopes[..]) == (0, &[]));
    assert_eq!(found(&other, b"a"), None);
    // A server that is killed comes back empty.
    let epoch = other.since().epoch;
    server.kill();
    server.restart();
    heard.until(|heard| heard.doubts(Doubt::Lost) == 3);
    heard.until(|_| ![0, epoch].contains(&other.since().epoch));
    assert_eq!(one.put(b"a", b"2", TERMS).unwrap(), Put::Stored);
    assert!(found(&other, b"a").is_some());
    heard.until(|heard| heard.numbers() == [1, 2, 1]);
}

#[test]
fn a_server_that_evicts_what_it_likes_brings_nothing_back() {
    let Some(server) = Server::start() else { return };
    let (one, _) = listening(patient(&server).build().unwrap());
    let (other, _) = listening(patient(&server).build().unwrap());
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]), "+OK");
    let used = "return tonumber(redis.call('INFO', 'memory'):match('used_memory:(%d+)'))";
    let used = server.number(&["EVAL", used, "0"]);
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory", &(used + 400_000).to_string()]), "+OK");
    let bytes = [7; 4_000];
    let (mut nth, mut stale) = (0_u32, BTreeSet::new());
    while one.stats().epochs + other.stats().epochs < 4 {
        let key = nth.to_string();
        let since = other.since();
        // Overtaken where the other has just begun anew.
        let _ = other.fill(key.as_bytes(), &bytes, TERMS, since).unwrap();
        if nth % 3 == 0 {
            one.remove(key.as_bytes()).unwrap();
            assert_ne!(other.fill(key.as_bytes(), b"old", TERMS, since).unwrap(), Put::Stored);
            stale.insert(key);
        }
        nth += 1;
        assert!(nth < 1_000_000, "it never evicts the state");
    }
    for key in &stale {
        assert_eq!((found(&one, key.as_bytes()), found(&other, key.as_bytes())), (None, None));
    }
}

#[test]
fn of_scopes_the_server_keeps_the_last_and_says_how_old_those_are_that_it_does_not() {
    let Some(server) = Server::start() else { return };
    let tier = patient(&server).scopes(8, 4).build().unwrap();
    let mut announced = Vec::new();
    for n in 0..30 {
        let scope = match n % 3 {
            0 => tag(&n.to_string()),
            1 => Scope::Dependencies(n.to_string().into()),
            _ => Scope::Namespace(n.to_string().into()),
        };
        announced.push((tier.announce(&scope).unwrap(), scope));
        // Twice is one.
        let (number, scope) = announced.pop().unwrap();
        assert_eq!(tier.announce(&scope).unwrap(), number + 1);
        announced.push((number + 1, scope));
        let (_later, heard) = listening(patient(&server).build().unwrap());
        let standing = heard.standing();
        assert_eq!(standing.since.number, number + 1);
        for scope in &announced {
            assert!(standing.scopes.contains(scope) || scope.0 <= standing.floor, "{scope:?}");
        }
        assert!(standing.scopes.iter().all(|scope| announced.contains(scope)));
        let namespaces = standing.scopes.iter();
        let namespaces = namespaces.filter(|(_, scope)| matches!(scope, Scope::Namespace(_)));
        assert!(namespaces.count() <= 4 && standing.scopes.len() <= 12, "{standing:?}");
        assert!(n < 12 || standing.floor > 0 && standing.scopes.len() >= 6, "{standing:?}");
    }
    let all = tier.announce(&Scope::All).unwrap();
    let (_later, heard) = listening(patient(&server).build().unwrap());
    assert_eq!((heard.standing().floor, heard.standing().scopes.len()), (all, 0));
}

#[test]
fn what_is_too_long_to_be_told_is_refused() {
    let Some(server) = Server::start() else { return };
    let tier = patient(&server).build().unwrap();
    let long = |bytes: usize| "x".repeat(bytes);
    tier.announce(&tag(&long(1_024))).unwrap();
    let error = tier.announce(&tag(&long(1_025))).unwrap_err();
    let why = super::faults::why(&error);
    assert!(matches!(why, RemoteError::TooLong { bytes: 1_025, max: 1_024, .. }), "{why:?}");
    let said = why.to_string();
    assert!(said.contains("1025") && said.ends_with("use 1024 at most"), "{said}");
    tier.remove(long(16 << 10).as_bytes()).unwrap();
    for error in [
        tier.remove(long((16 << 10) + 1).as_bytes()).unwrap_err(),
        tier.put(long((16 << 10) + 1).as_bytes(), b"1", TERMS).unwrap_err(),
    ] {
        assert!(matches!(super::faults::why(&error), RemoteError::TooLong { .. }), "{error:?}");
    }
}

#[test]
fn who_hears_nothing_for_too_long_is_told_so_again_and_again() {
    let Some(server) = Server::start() else { return };
    let (clock, hand) = Clock::manual();
    let window = Duration::from_secs(30);
    let tier = RedisTier::builder(server.url()).deadline(SHORT).connect_timeout(SHORT);
    let (tier, heard) = listening(tier.clock(clock).stale_window(window).build().unwrap());
    let other = patient(&server).build().unwrap();
    // While it is heard of, no time is too long.
    for _ in 0..5 {
        hand.advance(window - Duration::from_secs(2));
        heard.until(|_| tier.stats().unheard_for_ms == 0);
    }
    assert_eq!(heard.doubts(Doubt::Unheard), 0);
    server.pause(true);
    for doubts in 1..=3 {
        hand.advance(window);
        heard.until(|heard| heard.doubts(Doubt::Unheard) == doubts);
    }
    assert!(tier.stats().unheard_for_ms >= 90_000 && tier.stats().unheard == 3);
    server.pause(false);
    heard.until(|_| tier.stats().unheard_for_ms == 0);
    other.remove(b"a").unwrap();
    heard.until(|heard| heard.numbers() == [1]);
    assert_eq!((tier.stats().resets, heard.doubts(Doubt::Unheard)), (0, 3));
}

/// Panics the first time.
#[derive(Debug, Default)]
struct Timid(Heard, AtomicBool);

impl Receiver for Timid {
    fn changed(&self, changes: &[Change]) {
        assert!(self.1.swap(true, Ordering::SeqCst), "told to");
        self.0.changed(changes);
    }

    fn doubted(&self, _: Doubt, _: Option<Standing>) {}
}

#[test]
fn a_receiver_that_panics_is_told_again() {
    let Some(server) = Server::start() else { return };
    let (tier, other) = (patient(&server).build().unwrap(), patient(&server).build().unwrap());
    let timid = Arc::<Timid>::default();
    let receiver: Arc<dyn Receiver> = timid.clone();
    assert!(tier.listen(Arc::downgrade(&receiver)));
    assert!(!tier.listen(Arc::downgrade(&receiver)), "one is told, and no other");
    other.remove(b"a").unwrap();
    timid.0.until(|heard| heard.numbers() == [1]);
    other.remove(b"b").unwrap();
    timid.0.until(|heard| heard.numbers() == [1, 2]);
    assert_eq!(tier.stats().panics, 1);
}

#[test]
fn a_tier_that_is_closed_or_gone_hears_nothing() {
    let Some(server) = Server::start() else { return };
    let other = patient(&server).build().unwrap();
    let (closed, by_closed) = listening(patient(&server).build().unwrap());
    closed.close().unwrap();
    assert_eq!(closed.announce(&Scope::All).unwrap_err().cause(), "closed");
    let (gone, by_gone) = listening(patient(&server).build().unwrap());
    drop(gone);
    other.remove(b"a").unwrap();
    // The threads have gone, with their connections.
    by_gone.until(|_| server.clients() == 2);
    assert!(by_closed.changes().is_empty() && by_gone.changes().is_empty());
}
