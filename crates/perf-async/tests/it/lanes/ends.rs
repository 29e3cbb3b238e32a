//! Managers and runtimes that go away while threads are at work.

use super::{Gate, manager};
use crate::Alive;
use perf_async::{Manager, Operation, OperationError};
use std::sync::mpsc::channel;
use std::thread;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

#[test]
fn a_runtime_that_shuts_down_does_not_wait_and_every_handle_answers() {
    let manager = Manager::builder().cpu_threads(1).build().unwrap();
    let (gate, wait) = Gate::new();
    let runtime = runtime();
    let (running, waiting) = {
        let _inside = runtime.enter();
        let running = manager.submit(Operation::cpu("slow", |_| wait())).unwrap();
        (running, manager.submit(Operation::cpu("next", |_| ())).unwrap())
    };
    gate.begun.recv().unwrap();
    drop(runtime); // Hangs here if it waits for the thread.
    let other = self::runtime();
    assert!(matches!(other.block_on(running).unwrap_err(), OperationError::Cancelled));
    assert_eq!(manager.stats().zombies, 1);
    gate.open();
    // Its runtime is gone, so it cannot run; but it answers.
    other.block_on(waiting).unwrap_err();
    while manager.running_count() > 0 {
        thread::yield_now();
    }
    // And others go on.
    other.block_on(manager.run(Operation::cpu("next", |_| ()))).unwrap();
}

#[test]
fn threads_end_when_the_manager_is_gone() {
    let (started, ended) = channel();
    struct Ends(std::sync::mpsc::Sender<()>);
    impl Drop for Ends {
        fn drop(&mut self) {
            let _test_is_over = self.0.send(()).is_err();
        }
    }
    thread_local! {
        static LAST: std::cell::RefCell<Option<Ends>> = const { std::cell::RefCell::new(None) };
    }
    let manager = manager();
    let mark = move |_: &perf_async::LaneContext<'_>| {
        LAST.with_borrow_mut(|last| *last = Some(Ends(started)));
    };
    runtime().block_on(manager.run(Operation::cpu("mark", mark))).unwrap();
    assert!(ended.try_recv().is_err());
    drop(manager);
    ended.recv().unwrap(); // Answers when the thread's own values are dropped.
}

#[test]
fn a_manager_may_go_while_its_threads_are_at_work() {
    let manager = manager();
    let (gate, wait) = Gate::new();
    let alive = Alive::default();
    let token = alive.token();
    let runtime = runtime();
    let handle = {
        let _inside = runtime.enter();
        let work = Operation::cpu("slow", |_| {
            wait();
            token
        });
        manager.submit(work).unwrap()
    };
    gate.begun.recv().unwrap();
    drop(manager);
    drop(handle); // It goes on: nobody has cancelled it.
    gate.open();
    while alive.count() > 0 {
        thread::yield_now();
    }
}
