//! Every order in which a load may end while its waiters come, wait and leave.

use super::*;
use crate::load::Loads;
use loom::sync::Notify;
use loom::thread;

/// Wakes the one who waits for it.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Waits as a thread does; a lost wake-up is a deadlock, which loom reports.
fn wait(load: &Load<u8>) -> Arc<Outcome<u8>> {
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let mut join = pin!(load.join());
    loop {
        match join.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => bell.0.wait(),
        }
    }
}

fn load() -> Arc<Load<u8>> {
    Arc::new(Load::new(LeaderId::new(), crate::invalidation::Fence::default()))
}

fn value(outcome: &Outcome<u8>) -> Option<u8> {
    match outcome {
        Outcome::Value(value) => Some(*value),
        _ => None,
    }
}

#[test]
fn nobody_sleeps_through_the_end_of_a_load() {
    loom::model(|| {
        let load = load();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let load = Arc::clone(&load);
                thread::spawn(move || value(&wait(&load)))
            })
            .collect();
        load.settle(Outcome::Value(7));
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Some(7));
        }
    });
}

#[test]
fn a_waiter_that_leaves_takes_nobody_elses_wake_up() {
    loom::model(|| {
        let load = load();
        let leaving = Arc::clone(&load);
        let leaving = thread::spawn(move || {
            let mut join = Box::pin(leaving.join());
            let _ = join.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
        let waiting = Arc::clone(&load);
        let waiting = thread::spawn(move || value(&wait(&waiting)));
        load.settle(Outcome::Value(7));
        leaving.join().unwrap();
        assert_eq!(waiting.join().unwrap(), Some(7));
    });
}

#[test]
fn a_load_ends_once() {
    loom::model(|| {
        let load = load();
        let other = Arc::clone(&load);
        let other = thread::spawn(move || other.settle(Outcome::Value(1)));
        load.settle(Outcome::Value(2));
        let first = value(&wait(&load));
        other.join().unwrap();
        assert_eq!(value(&wait(&load)), first);
    });
}

/// A shard: its loads, and what is kept for the only key.
type Shard = Arc<Mutex<(Loads<u8, u8>, Option<u8>)>>;

/// What `start` and the leader do, without what else they do: looks for the value and for a load
/// in one holding of the lock, ends the claim before it tells who waits, and tells only if somebody
/// does. Answers the value and whether it ran its own loader.
fn ask(shard: &Shard, own: Option<u8>) -> (Option<u8>, bool) {
    loop {
        let mut held = shard.lock().unwrap();
        if let Some(value) = held.1 {
            return (Some(value), false);
        }
        if let Some(running) = held.0.find(0, &0).cloned() {
            drop(held);
            match value(&wait(&running)) {
                Some(value) => return (Some(value), false),
                None => continue,
            }
        }
        let load = load();
        held.0.add(0, 0, Arc::clone(&load));
        drop(held);
        // Here the loader runs; without a value of its own it panics.
        let mut held = shard.lock().unwrap();
        if held.0.holds(0, &load) {
            held.1 = own;
        }
        let ended = held.0.end(0, &load);
        drop(held);
        drop(ended);
        if Arc::strong_count(&load) > 1 {
            load.settle(own.map_or(Outcome::Abandoned, Outcome::Value));
        }
        return (own, true);
    }
}

fn shard() -> Shard {
    Arc::new(Mutex::new((Loads::new(), None)))
}

#[test]
fn a_leader_that_gives_up_is_followed_by_exactly_one() {
    let mut model = loom::model::Builder::new();
    // Enough for every pair of steps to be torn apart; all orders of three are too many.
    model.preemption_bound = Some(3);
    model.check(|| {
        let shard = shard();
        let others: Vec<_> = (1..3)
            .map(|own| {
                let shard = Arc::clone(&shard);
                thread::spawn(move || ask(&shard, Some(own)))
            })
            .collect();
        let gave_up = ask(&shard, None);
        let answers: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        let led = answers.iter().filter(|(_, led)| *led).count();
        assert_eq!(led, 1, "one of the others loads");
        assert_eq!(answers[0].0, answers[1].0);
        assert!(gave_up == (None, true) || gave_up.0 == answers[0].0);
        assert_eq!(shard.lock().unwrap().0.len(), 0);
    });
}

#[test]
fn a_load_that_was_overtaken_publishes_nothing() {
    loom::model(|| {
        let shard = shard();
        let other = Arc::clone(&shard);
        let loading = thread::spawn(move || ask(&other, Some(1)));
        let mut held = shard.lock().unwrap();
        // What is in is removed; what is being loaded may not come in.
        let was_loading = held.0.len() == 1;
        held.1 = None;
        let ended = held.0.detach(0, &0);
        drop(held);
        drop(ended);
        assert_eq!(loading.join().unwrap().0, Some(1));
        if was_loading {
            assert_eq!(shard.lock().unwrap().1, None);
        }
    });
}
