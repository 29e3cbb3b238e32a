//! What a purger does with a service that a test is.

use super::{PATIENCE, eventually};
use perf_cache::cdn::{
    Purge, PurgeError, PurgeErrorKind, PurgeLimits, PurgeRefused, PurgeService, Purger,
    PurgerBuilder,
};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

type Answering = dyn Fn(&[Purge]) -> Result<(), PurgeErrorKind> + Send + Sync;

/// What a service has got, and whether it answers.
#[derive(Default)]
struct Seen {
    calls: Mutex<Vec<Vec<Purge>>>,
    is_held: Mutex<bool>,
    released: Condvar,
}

impl Seen {
    fn calls(&self) -> Vec<Vec<Purge>> {
        self.calls.lock().unwrap().clone()
    }

    fn hold(&self, is_held: bool) {
        *self.is_held.lock().unwrap() = is_held;
        self.released.notify_all();
    }
}

struct Service {
    seen: Arc<Seen>,
    limits: PurgeLimits,
    answer: Box<Answering>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Service")
    }
}

impl PurgeService for Service {
    fn name(&self) -> &'static str {
        "service"
    }

    fn limits(&self) -> PurgeLimits {
        self.limits
    }

    fn fit(&self, item: &Purge) -> Option<Purge> {
        match item {
            Purge::Host(host) if host == "nobody" => None,
            Purge::Host(_) => Some(Purge::All),
            item => Some(item.clone()),
        }
    }

    fn send(&self, items: &[Purge], _: Duration) -> Result<(), PurgeError> {
        self.seen.calls.lock().unwrap().push(items.to_vec());
        let held = self.seen.is_held.lock().unwrap();
        drop(self.seen.released.wait_while(held, |held| *held).unwrap());
        (self.answer)(items).map_err(|kind| PurgeError::new("service", kind, "no"))
    }
}

const FAST: PurgeLimits = PurgeLimits::new(3).rate(10_000, Duration::from_secs(1), 10_000);

fn purger_with(
    limits: PurgeLimits,
    answer: impl Fn(&[Purge]) -> Result<(), PurgeErrorKind> + Send + Sync + 'static,
) -> (PurgerBuilder, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    let service = Service { seen: Arc::clone(&seen), limits, answer: Box::new(answer) };
    (Purger::builder(service).gather(Duration::ZERO), seen)
}

fn purger() -> (PurgerBuilder, Arc<Seen>) {
    purger_with(FAST, |_| Ok(()))
}

fn url(n: usize) -> Purge {
    Purge::Url(format!("https://example.org/{n}"))
}

fn tag(n: usize) -> Purge {
    Purge::Tag(n.to_string())
}

#[test]
fn what_waits_goes_in_calls_of_the_size_of_the_service_and_once() {
    let (builder, seen) = purger();
    let purger = builder.build().unwrap();
    seen.hold(true);
    purger.purge(url(0)).unwrap();
    eventually("the first is on its way", || seen.calls().len() == 1);
    for n in [1, 2, 3, 1, 0, 2, 4] {
        purger.purge(url(n)).unwrap();
    }
    purger.purge_many([tag(1), tag(1)]).unwrap();
    assert_eq!((purger.stats().waiting, purger.stats().coalesced), (7, 3));
    seen.hold(false);
    assert!(purger.flush(PATIENCE));
    // What is on its way does not do what was asked for since.
    let expected = [vec![url(0)], vec![url(1), url(2), url(3)], vec![url(0), url(4)], vec![tag(1)]];
    assert_eq!(seen.calls(), expected);
    let stats = purger.stats();
    assert_eq!((stats.queued, stats.sent, stats.calls), (10, 7, 4));
    assert_eq!((stats.waiting, stats.lag, stats.lost), (0, Duration::ZERO, 0));
    let report = purger.close(PATIENCE);
    assert_eq!((report.sent, report.lost), (7, 0));
    assert_eq!(purger.purge(url(9)), Err(PurgeRefused::Closed));
    assert_eq!(purger.stats().refused, 1);
}

#[test]
fn what_comes_in_a_short_time_goes_together() {
    let (builder, seen) = purger();
    let purger = builder.gather(Duration::from_secs(10)).build().unwrap();
    purger.purge(url(1)).unwrap();
    purger.purge(url(2)).unwrap();
    assert!(seen.calls().is_empty());
    // A call is full.
    purger.purge(url(3)).unwrap();
    eventually("it goes", || seen.calls().len() == 1);
    assert_eq!(seen.calls(), [[url(1), url(2), url(3)]]);
}

#[test]
fn what_fails_is_tried_again_until_it_is_taken() {
    for kind in [PurgeErrorKind::Unavailable, PurgeErrorKind::Busy] {
        let left = Mutex::new(2);
        let (builder, seen) = purger_with(FAST, move |_| {
            let mut left = left.lock().unwrap();
            if *left == 0 {
                return Ok(());
            }
            *left -= 1;
            Err(kind)
        });
        // Nothing goes before both are there.
        let purger = builder.gather(Duration::from_secs(10)).build().unwrap();
        purger.purge_many([url(1), url(2)]).unwrap();
        assert!(purger.flush(PATIENCE));
        assert_eq!(seen.calls(), vec![vec![url(1), url(2)]; 3]);
        let stats = purger.stats();
        assert_eq!((stats.retried, stats.lost, stats.last_error), (2, 0, None));
    }
}

#[test]
fn what_is_rejected_is_found_and_keeps_nobody_else() {
    let limits = PurgeLimits::new(100).rate(10_000, Duration::from_secs(1), 10_000);
    let (builder, seen) = purger_with(limits, |items| {
        if items.contains(&url(13)) { Err(PurgeErrorKind::Rejected) } else { Ok(()) }
    });
    let purger = builder.gather(Duration::from_secs(10)).build().unwrap();
    for n in 0..64 {
        purger.purge(url(n)).unwrap();
    }
    assert!(purger.flush(PATIENCE));
    let stats = purger.stats();
    assert_eq!((stats.sent, stats.rejected, stats.lost), (63, 1, 0));
    // 64, 32 twice, 16, 8, 4, 2 and one, each in two halves.
    assert!(seen.calls().len() <= 16, "{}", seen.calls().len());
}

#[test]
fn with_no_room_all_goes_or_the_caller_is_told() {
    for collapses in [true, false] {
        let (builder, seen) = purger();
        let purger = builder.max_waiting(5).collapse(collapses).build().unwrap();
        seen.hold(true);
        purger.purge(url(0)).unwrap();
        eventually("the first is on its way", || seen.calls().len() == 1);
        for n in 1..=5 {
            purger.purge(url(n)).unwrap();
        }
        let outcome = purger.purge(url(6));
        let stats = purger.stats();
        seen.hold(false);
        assert!(purger.flush(PATIENCE));
        if collapses {
            assert_eq!((outcome, stats.collapsed, stats.lost), (Ok(()), 6, 0));
            assert_eq!(seen.calls().pop(), Some(vec![Purge::All]));
        } else {
            let Err(PurgeRefused::Full { waiting: 5, item }) = outcome else { panic!() };
            assert!(item.contains("example.org/6") && stats.lost == 1);
        }
    }
}

#[test]
fn what_a_service_does_not_know_is_widened_or_refused() {
    let (builder, seen) = purger();
    let purger = builder.clone().build().unwrap();
    let host = |name: &str| Purge::Host(name.to_owned());
    purger.purge(host("example.org")).unwrap();
    assert!(purger.flush(PATIENCE));
    assert_eq!((seen.calls(), purger.stats().widened), (vec![vec![Purge::All]], 1));
    for bad in [host("nobody"), Purge::Tag("a b".into())] {
        assert!(purger.purge(bad).is_err());
    }
    let strict = builder.widen(false).build().unwrap();
    let refused = strict.purge(host("example.org")).unwrap_err();
    assert_eq!(refused.cause(), "unsupported");
    assert!(refused.to_string().contains("service cannot purge host `example.org`"));
    assert_eq!((strict.stats().refused, purger.stats().refused), (1, 2));
}

#[test]
fn calls_keep_to_the_rate_of_the_service() {
    let limits = PurgeLimits::new(1).rate(1, Duration::from_secs(3_600), 4);
    let (builder, seen) = purger_with(limits, |_| Ok(()));
    let purger = builder.build().unwrap();
    for n in 0..20 {
        purger.purge(url(n)).unwrap();
    }
    eventually("as many as may", || purger.stats().sent == 4);
    assert!(!purger.flush(Duration::from_millis(50)), "the rate is not up");
    assert_eq!((seen.calls().len(), purger.stats().waiting), (4, 16));
    // What cannot go in time is lost, and told.
    let report = purger.close(Duration::from_millis(50));
    assert_eq!((report.sent, report.lost), (4, 16));
}

#[test]
fn what_is_given_up_is_lost_and_counted() {
    let (builder, _) = purger_with(FAST, |_| Err(PurgeErrorKind::Unavailable));
    let purger = builder.give_up_after(Duration::from_millis(50)).build().unwrap();
    purger.purge_many([url(1), url(2)]).unwrap();
    eventually("they are too old", || purger.stats().lost == 2);
    assert!(purger.stats().last_error.unwrap().contains("can be reached"));
    assert!(purger.flush(PATIENCE), "nothing waits");
}

#[test]
fn a_service_that_hangs_or_panics_holds_up_nobody_for_ever() {
    let (builder, seen) = purger();
    let purger = builder.build().unwrap();
    seen.hold(true);
    purger.purge(url(1)).unwrap();
    eventually("it is on its way", || seen.calls().len() == 1);
    purger.purge(url(2)).unwrap();
    assert!(!purger.flush(Duration::from_millis(20)));
    let report = purger.close(Duration::from_millis(20));
    assert_eq!((report.sent, report.lost), (0, 2));
    seen.hold(false);
    drop(purger);

    let is_first = Mutex::new(true);
    let (builder, _) = purger_with(FAST, move |_| {
        let was_first = std::mem::replace(&mut *is_first.lock().unwrap(), false);
        assert!(!was_first, "as a bad adapter does");
        Ok(())
    });
    let purger = builder.build().unwrap();
    purger.purge(url(1)).unwrap();
    eventually("it is tried again", || purger.stats().sent == 1);
}

#[test]
fn dropping_it_brings_what_waits_to_the_service() {
    let (builder, seen) = purger();
    let purger = builder.gather(Duration::from_secs(10)).close_within(PATIENCE).build().unwrap();
    purger.purge_many([url(1), tag(1)]).unwrap();
    drop(purger);
    assert_eq!(seen.calls(), [[url(1)], [tag(1)]]);
}

#[test]
fn settings_that_cannot_be_are_named() {
    let of = |change: fn(PurgerBuilder) -> PurgerBuilder| {
        change(purger().0).build().unwrap_err().to_string()
    };
    assert!(of(|builder| builder.max_waiting(0)).contains("max_waiting"));
    assert!(of(|builder| builder.deadline(Duration::ZERO)).contains("deadline"));
    assert!(of(|builder| builder.give_up_after(Duration::ZERO)).contains("give_up_after"));
    assert!(of(|builder| builder.gather(Duration::MAX)).contains("gather"));
}
