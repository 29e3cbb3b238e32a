//! A result on its way to those who wait for it, and a request to stop.

use super::{Drops, model, wait};
use crate::driver::attempt::Stop;
use crate::driver::group::{GivenUp, Group, Operand, Remaining};
use crate::{OperationError, Source};
use loom::thread::spawn;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

#[test]
fn loom_an_answer_finds_whoever_waits_for_it() {
    model(3, || {
        let group = Group::<u32>::new();
        let settling = Arc::clone(&group);
        let settling = spawn(move || settling.settle(Ok(7), Source::Fresh));
        assert_eq!(wait(poll_fn(|cx| group.poll(0, cx))).unwrap(), 7);
        settling.join().unwrap();
    });
}

#[test]
fn loom_a_waker_that_is_replaced_is_not_the_one_that_is_woken() {
    model(3, || {
        let group = Group::<u32>::new();
        let settling = Arc::clone(&group);
        let settling = spawn(move || settling.settle(Ok(7), Source::Fresh));
        let first = poll_fn(|cx| Poll::Ready(group.poll(0, cx)));
        if wait(first).is_pending() {
            // In another task, so to speak.
            assert_eq!(wait(poll_fn(|cx| group.poll(0, cx))).unwrap(), 7);
        }
        settling.join().unwrap();
    });
}

#[test]
fn loom_the_value_of_a_handle_that_goes_is_dropped_once() {
    for leaves in [false, true] {
        model(3, move || {
            let drops = Drops::default();
            let group = Group::new();
            let (settling, token) = (Arc::clone(&group), drops.token());
            let settling = spawn(move || settling.settle(Ok(token), Source::Fresh));
            if leaves {
                drop(group.leave(0));
            } else {
                group.detach(0);
            }
            settling.join().unwrap();
            assert_eq!(drops.count(), 1);
        });
    }
}

#[test]
fn loom_followers_are_answered_while_others_leave_or_give_up() {
    for gives_up in [false, true] {
        model(3, move || {
            let group = Group::<u32>::new();
            let second = group.join(8, |value| *value).unwrap();
            let third = group.join(8, |value| *value).unwrap();
            let (settling, follower) = (Arc::clone(&group), Arc::clone(&group));
            let settling = spawn(move || settling.settle(Ok(7), Source::Fresh));
            let follower = spawn(move || wait(poll_fn(|cx| follower.poll(second, cx))));
            if gives_up {
                match group.give_up(third) {
                    GivenUp::ByOne(waker) => drop(waker),
                    GivenUp::TooLate => {}
                    GivenUp::ByAll => panic!("there were three"),
                }
                match wait(poll_fn(|cx| group.poll(third, cx))) {
                    Ok(value) => assert_eq!(value, 7),
                    Err(error) => assert!(matches!(error, OperationError::Cancelled)),
                }
            } else {
                let (remaining, gone) = group.leave(0);
                assert_eq!(remaining, Remaining::Somebody);
                drop(gone);
                assert_eq!(wait(poll_fn(|cx| group.poll(third, cx))).unwrap(), 7);
            }
            assert_eq!(follower.join().unwrap().unwrap(), 7);
            settling.join().unwrap();
        });
    }
}

#[test]
fn loom_only_the_last_of_two_who_leave_finds_nobody() {
    model(3, || {
        let group = Group::<u32>::new();
        let second = group.join(8, |value| *value).unwrap();
        let other = Arc::clone(&group);
        let other = spawn(move || other.leave(second).0);
        let mine = group.leave(0).0;
        assert_ne!(mine, other.join().unwrap());
    });
}

#[test]
fn loom_a_request_to_stop_is_heard() {
    model(3, || {
        let group = Group::<u32>::new();
        let asking = Arc::clone(&group);
        let asking = spawn(move || asking.request_stop());
        wait(poll_fn(|cx| if group.listen(cx) { Poll::Ready(()) } else { Poll::Pending }));
        asking.join().unwrap();
    });
    model(3, || {
        let stop = Arc::new(Stop::default());
        let asking: Vec<_> = (0..2)
            .map(|_| {
                let stop = Arc::clone(&stop);
                spawn(move || stop.request())
            })
            .collect();
        wait(poll_fn(|cx| if stop.listen(cx) { Poll::Ready(()) } else { Poll::Pending }));
        for thread in asking {
            thread.join().unwrap();
        }
    });
}
