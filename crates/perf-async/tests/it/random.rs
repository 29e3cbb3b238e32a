//! Random sequences of everything that can happen, against a naive model.

mod model;

use crate::{Alive, assert_idle, ms, settle};
use model::{Answer, Model, Wish, Work};
use perf_async::{Handle, Manager, Operation, OperationError, OperationId};
use perf_core::Priority;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::collections::BTreeMap;
use tokio::task::JoinHandle;

#[derive(Clone, Debug)]
enum Step {
    /// Submits and keeps the handle, which cancels when dropped if it says so.
    Submit(Wish, bool),
    /// Awaits in a task of its own.
    Call(Wish),
    /// Drops a handle or aborts a caller.
    Leave(usize),
    /// Cancels through a handle.
    GiveUp(usize),
    /// Cancels by id.
    Cancel(usize),
    Level(usize, u8),
    Concurrency(usize),
    Wait(u64),
}

fn wishes() -> impl Strategy<Value = Wish> {
    let takes = prop_oneof![2 => Just(0), 5 => 1_u64..4_000];
    let work = prop_oneof![
        6 => takes.clone().prop_map(Work::Value),
        1 => takes.clone().prop_map(Work::Error),
        1 => takes.prop_map(Work::Panic),
        1 => Just(Work::Never),
    ];
    let key = prop::option::weighted(0.4, 0_u8..3);
    let queue = prop::option::weighted(0.3, 0_u64..5_000);
    let total = prop::option::weighted(0.3, 0_u64..5_000);
    (work, 1_u8..=10, key, queue, 1_u64..6_000, total).prop_map(
        |(work, level, key, queue, run, total)| Wish { work, level, key, queue, run, total },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (wishes(), any::<bool>()).prop_map(|(wish, cancels)| Step::Submit(wish, cancels)),
        4 => wishes().prop_map(Step::Call),
        3 => any::<usize>().prop_map(Step::Leave),
        1 => any::<usize>().prop_map(Step::GiveUp),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (any::<usize>(), 1_u8..=10).prop_map(|(which, level)| Step::Level(which, level)),
        1 => (1_usize..5).prop_map(Step::Concurrency),
        5 => (1_u64..2_500).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..80)
}

struct Real {
    manager: Manager,
    alive: Alive,
    handles: BTreeMap<usize, (Handle<usize>, bool)>,
    callers: BTreeMap<usize, JoinHandle<Result<usize, OperationError>>>,
    ids: BTreeMap<usize, OperationId>,
    answers: BTreeMap<usize, Answer>,
}

impl Real {
    fn operation(
        &self,
        wish: &Wish,
        value: usize,
    ) -> Operation<
        usize,
        impl Future<Output = Result<usize, Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    > {
        let (token, work) = (self.alive.token(), wish.work);
        let future = async move {
            let _token = token;
            let takes = match work {
                Work::Value(takes) | Work::Error(takes) | Work::Panic(takes) => takes,
                Work::Never => std::future::pending().await,
            };
            if takes > 0 {
                tokio::time::sleep(ms(takes)).await;
            }
            match work {
                Work::Error(_) => Err("no"),
                Work::Panic(_) => panic!("as planned"),
                _ => Ok(value),
            }
        };
        let mut operation = Operation::new("work", future)
            .priority(Priority::new(wish.level).unwrap())
            .timeout(ms(wish.run));
        if let Some(key) = wish.key {
            operation = operation.key(key.to_string());
        }
        if let Some(queue) = wish.queue {
            operation = operation.queue_timeout(ms(queue));
        }
        if let Some(total) = wish.total {
            operation = operation.total_timeout(ms(total));
        }
        operation
    }

    fn submit(&mut self, wish: &Wish, cancels: bool, waiter: usize) {
        match self.manager.submit(self.operation(wish, waiter)) {
            Ok(handle) => {
                self.ids.insert(waiter, handle.id());
                let handle = if cancels { handle.cancel_on_drop() } else { handle };
                self.handles.insert(waiter, (handle, cancels));
            }
            Err(_) => {
                self.answers.insert(waiter, Answer::Overloaded);
            }
        }
    }

    fn call(&mut self, wish: &Wish, waiter: usize) {
        let (manager, operation) = (self.manager.clone(), self.operation(wish, waiter));
        let caller = tokio::spawn(async move { manager.run(operation).await });
        self.callers.insert(waiter, caller);
    }

    /// Takes the answers that are there.
    async fn collect(&mut self) {
        let done = |handle: &Handle<usize>| handle.is_finished();
        for (waiter, (handle, _)) in self.handles.extract_if(.., |_, (handle, _)| done(handle)) {
            self.answers.insert(waiter, handle.await.into());
        }
        for (waiter, caller) in self.callers.extract_if(.., |_, caller| caller.is_finished()) {
            self.answers.insert(waiter, caller.await.unwrap().into());
        }
    }
}

async fn play(steps: Vec<Step>) -> Result<(), TestCaseError> {
    const LIMIT: usize = 6;
    let mut model = Model::new(2, LIMIT);
    let mut real = Real {
        manager: Manager::builder().max_concurrent(2).queue_limit(LIMIT).build().unwrap(),
        alive: Alive::default(),
        handles: BTreeMap::new(),
        callers: BTreeMap::new(),
        ids: BTreeMap::new(),
        answers: BTreeMap::new(),
    };
    for step in steps {
        let next = model.waiters.len();
        match step {
            Step::Submit(wish, cancels) => {
                real.submit(&wish, cancels, next);
                model.submit(wish);
            }
            Step::Call(wish) => {
                real.call(&wish, next);
                model.submit(wish);
            }
            Step::Leave(which) if next > 0 => {
                let which = which % next;
                if let Some((handle, cancels)) = real.handles.remove(&which) {
                    drop(handle);
                    model.leave(which, cancels);
                } else if let Some(caller) = real.callers.remove(&which) {
                    caller.abort();
                    model.leave(which, true);
                }
            }
            Step::GiveUp(which) if next > 0 => {
                if let Some((handle, _)) = real.handles.get(&(which % next)) {
                    handle.cancel();
                    model.give_up(which % next);
                }
            }
            Step::Cancel(which) if next > 0 => {
                if let Some(id) = real.ids.get(&(which % next)) {
                    real.manager.cancel(*id);
                    model.cancel(which % next);
                }
            }
            Step::Level(which, level) if next > 0 => {
                if let Some(id) = real.ids.get(&(which % next)) {
                    real.manager.set_priority(*id, Priority::new(level).unwrap());
                    model.set_level(which % next, level);
                }
            }
            Step::Concurrency(operations) => {
                real.manager.set_max_concurrent(operations);
                model.set_concurrency(operations);
            }
            Step::Wait(millis) => {
                tokio::time::sleep(ms(millis)).await;
                model.wait(millis);
            }
            _ => {}
        }
        settle().await;
        real.collect().await;
        let counts = (real.manager.pending_count(), real.manager.running_count());
        prop_assert_eq!(counts, (model.queued(), model.running()));
        // Each operation has its future until it ends, and not a moment longer.
        prop_assert_eq!(real.alive.count(), counts.0 + counts.1);
        crate::assert_balanced(&real.manager.stats());
        for (waiter, answer) in &real.answers {
            prop_assert_eq!(Some(*answer), model.waiters[*waiter].answer);
        }
        for waiter in real.handles.keys().chain(real.callers.keys()) {
            prop_assert_eq!(model.waiters[*waiter].answer, None, "waiter {} has none", waiter);
        }
    }
    // Every operation has a time-out, so everything ends if one waits long enough.
    tokio::time::sleep(ms(10_000_000)).await;
    settle().await;
    real.collect().await;
    prop_assert!(real.handles.is_empty() && real.callers.is_empty());
    prop_assert_eq!(real.alive.count(), 0);
    assert_idle(&real.manager);
    Ok(())
}

pub(crate) fn config() -> Config {
    let rng_seed = RngSeed::Fixed(20_261_121);
    Config { cases: 128, rng_seed, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn everyone_gets_the_answer_that_the_model_gives(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(play(steps))?;
    }
}
