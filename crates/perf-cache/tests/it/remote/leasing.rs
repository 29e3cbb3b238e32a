//! One load for all processes.

use super::proxy::Proxy;
use super::server::Server;
use super::{PATIENCE, patient};
use crate::tiered::{Texts, builder, text};
use perf_cache::remote::{RedisTier, RedisTierBuilder};
use perf_cache::tiered::{Lease, OuterTier, SharedTier};
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3_600);

fn over(tier: RedisTierBuilder) -> Texts {
    let cache = builder().tier(Arc::new(tier.build().unwrap())).deadline(PATIENCE);
    cache.choose_tiers(false).single_flight_lease(HOUR).build().unwrap()
}

fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE);
        thread::yield_now();
    }
}

fn taken(cache: &Texts) -> u64 {
    cache.stats().shared.unwrap().leases_taken
}

fn leases(server: &Server) -> i64 {
    server.keys("perf-cache:l*")
}

#[test]
fn of_many_threads_of_two_caches_one_loads() {
    let Some(server) = Server::start() else { return };
    let caches = [over(patient(&server)), over(patient(&server))];
    let taken = || caches.iter().map(taken).sum::<u64>();
    for round in 1..=20 {
        let (key, loads) = (format!("key:{round}"), AtomicU64::new(0));
        let together = Barrier::new(20);
        let load = || {
            loads.fetch_add(1, Ordering::SeqCst);
            // In every second round it takes until the other cache has asked as well.
            until(|| round % 2 == 0 || taken() > round / 2);
            text("made once")
        };
        thread::scope(|scope| {
            for nth in 0..20 {
                let (cache, key, load, together) = (&caches[nth % 2], &key, &load, &together);
                scope.spawn(move || {
                    together.wait();
                    assert_eq!(cache.get_with(key.clone(), load), "made once");
                });
            }
        });
        assert_eq!(loads.into_inner(), 1, "round {round}");
    }
    let spared: u64 = caches.iter().map(|cache| cache.stats().shared.unwrap().loads_spared).sum();
    assert_eq!(spared, taken());
    // Then it is over, and what is missing is loaded at once.
    until(|| leases(&server) == 0);
    caches[0].remove("key:1").unwrap();
    until(|| caches[1].get("key:1").is_none());
    assert_eq!(caches[1].get_with(text("key:1"), || text("anew")), "anew");
}

#[test]
fn who_loads_and_is_gone_holds_up_nobody_for_longer_than_its_time() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.port);
    let open = RedisTier::builder(proxy.url()).deadline(PATIENCE).connect_timeout(PATIENCE);
    let (one, other) = (over(open), over(patient(&server)));
    let life = "return redis.call('PTTL', redis.call('KEYS', ARGV[1])[1])";
    let end = "return redis.call('PEXPIRE', redis.call('KEYS', ARGV[1])[1], 1)";
    thread::scope(|scope| {
        let load = || {
            proxy.cut(true);
            text("lost")
        };
        assert_eq!(one.get_with(text("a"), load), "lost");
        let waits = scope.spawn(|| other.get_with(text("a"), || text("loaded")));
        until(|| taken(&other) == 1);
        let left = server.number(&["EVAL", life, "0", "perf-cache:l*"]);
        assert!((1..=3_600_000).contains(&left), "{left}");
        assert!(!waits.is_finished());
        assert_eq!(server.number(&["EVAL", end, "0", "perf-cache:l*"]), 1);
        assert_eq!(waits.join().unwrap(), "loaded");
    });
    assert_eq!(other.stats().shared.unwrap().loads_spared, 0);
    until(|| leases(&server) == 0);
}

#[test]
fn a_lease_is_that_of_one_tier_and_ends_with_its_time() {
    let Some(server) = Server::start() else { return };
    let (one, other) = (patient(&server).build().unwrap(), patient(&server).build().unwrap());
    assert_eq!(one.lease(b"a", HOUR).unwrap(), Lease::Held);
    assert_eq!(other.lease(b"a", HOUR).unwrap(), Lease::Taken);
    assert_eq!(other.lease(b"b", HOUR).unwrap(), Lease::Held);
    // As where what was asked is asked again on another connection.
    assert_eq!(one.lease(b"a", HOUR).unwrap(), Lease::Held);
    other.release(b"a").unwrap();
    assert_eq!(other.lease(b"a", HOUR).unwrap(), Lease::Taken, "it is not its own");
    one.release(b"a").unwrap();
    assert_eq!(other.lease(b"a", Duration::ZERO).unwrap(), Lease::Held);
    until(|| one.lease(b"a", Duration::MAX).unwrap() == Lease::Held);
    // Of what is stored nowhere.
    let long = vec![b'k'; 1 << 20];
    assert_eq!(one.lease(&long, HOUR).unwrap(), Lease::Held);
    assert_eq!(other.lease(&long, HOUR).unwrap(), Lease::Held);
    // A server that takes nothing more is no server that fails.
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory", "1"]), "+OK");
    assert_eq!(one.lease(b"c", HOUR).unwrap(), Lease::Held);
    assert_eq!(one.stats().errors, 0);
    one.close().unwrap();
    assert_eq!(one.lease(b"a", HOUR).unwrap_err().cause(), "closed");
}
