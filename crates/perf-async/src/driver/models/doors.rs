//! Who may come in, and when the last has gone.

use super::{Drops, assert_idle, manager, model, poll_once, runtime, wait};
use crate::{Operation, OperationError, Refused};
use loom::thread::spawn;
use std::future::{pending, ready};
use std::task::Poll;
use std::time::Duration;

#[test]
fn loom_a_place_that_is_given_back_finds_whoever_waits_for_one() {
    model(3, || {
        let manager = manager(|builder| builder.queue_limit(1));
        let place = wait(manager.reserve("a")).unwrap();
        let (waiting, leaving) = (manager.clone(), manager.clone());
        let waiting = spawn(move || drop(wait(waiting.reserve("a")).unwrap()));
        let leaving = spawn(move || {
            // Gives up again, with a place or without.
            drop(poll_once(&mut Box::pin(leaving.reserve("a"))));
        });
        drop(place);
        waiting.join().unwrap();
        leaving.join().unwrap();
        // Nobody has taken a place along.
        assert!(poll_once(&mut Box::pin(manager.reserve("a"))).is_ready());
    });
}

#[test]
fn loom_more_room_lets_those_in_who_wait_for_it() {
    model(3, || {
        let manager = manager(|builder| builder.queue_limit(1));
        let place = wait(manager.reserve("a")).unwrap();
        let waiting = [manager.clone(), manager.clone()]
            .map(|waiting| spawn(move || wait(waiting.reserve("a")).unwrap()));
        manager.set_queue_limit(3);
        for thread in waiting {
            drop(thread.join().unwrap());
        }
        drop(place);
        assert!(poll_once(&mut Box::pin(manager.reserve("a"))).is_ready());
    });
}

#[test]
fn loom_closing_answers_those_who_wait_for_a_place() {
    model(3, || {
        let manager = manager(|builder| builder.queue_limit(1));
        let place = wait(manager.reserve("a")).unwrap();
        let (waiting, closing) = (manager.clone(), manager.clone());
        let waiting = spawn(move || wait(waiting.reserve("a")).map(drop));
        let closing = spawn(move || closing.close());
        assert_eq!(waiting.join().unwrap(), Err(Refused::Closed));
        closing.join().unwrap();
        drop(place);
        assert_idle(&manager);
    });
}

#[test]
fn loom_nobody_is_inside_once_a_closed_manager_is_drained() {
    model(3, || {
        let runtime = runtime();
        let _inside = runtime.enter();
        let manager = manager(|builder| builder);
        let drops = Drops::default();
        let callers = [0, 1].map(|_| {
            let (manager, token) = (manager.clone(), drops.token());
            spawn(move || {
                let work = async move {
                    let _token = token;
                };
                wait(manager.run(Operation::infallible("work", work)))
            })
        });
        manager.close();
        wait(manager.shared.core.drained());
        let stats = manager.stats();
        assert_eq!((stats.pending, stats.running), (0, 0));
        let mut completed = 0;
        for caller in callers {
            match caller.join().unwrap() {
                Ok(()) => completed += 1,
                Err(error) => assert!(matches!(error, OperationError::Closed), "{error}"),
            }
        }
        // Whoever came in had ended by then, and nobody has come in since.
        assert_eq!((stats.completed, manager.stats().submitted), (completed, completed));
        assert_eq!(drops.count(), 2);
        assert_idle(&manager);
    });
}

#[test]
fn loom_two_who_drain_are_both_told_by_the_last_who_leaves() {
    model(3, || {
        let manager = manager(|builder| builder);
        let mut running = Box::pin(manager.run(Operation::infallible("work", ready(1))));
        let stuck = Operation::infallible("stuck", pending::<()>()).timeout(Duration::MAX);
        let mut stuck = Box::pin(manager.run(stuck));
        assert!(poll_once(&mut stuck).is_pending());
        let draining = [manager.clone(), manager.clone()]
            .map(|manager| spawn(move || wait(manager.shared.core.drained())));
        assert!(matches!(poll_once(&mut running), Poll::Ready(Ok(1))));
        drop(stuck);
        for thread in draining {
            thread.join().unwrap();
        }
        assert_idle(&manager);
    });
}
