//! Random interleavings.

use crate::{assert_idle, settle};
use perf_async::{Batch, Handle, Manager, Operation, OperationError, WrongAnswers};
use perf_core::Priority;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Submit { key: Option<u8>, level: u8, timeout: Option<u8> },
    Many(u8),
    Cancel(usize),
    Drop(usize),
    Wait(u8),
    Rule(u8, Option<u8>),
    Disable,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let timeout = prop::option::weighted(0.2, 1_u8..30);
    let submit = (prop::option::weighted(0.3, 0_u8..4), 1_u8..=10, timeout)
        .prop_map(|(key, level, timeout)| Step::Submit { key, level, timeout });
    let step = prop_oneof![
        8 => submit,
        2 => (1_u8..20).prop_map(Step::Many),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Drop),
        4 => (0_u8..15).prop_map(Step::Wait),
        1 => (1_u8..8, prop::option::of(1_u8..20)).prop_map(|(max, window)| Step::Rule(max, window)),
        1 => Just(Step::Disable),
    ];
    prop::collection::vec(step, 1..80)
}

/// What became of each call of the handler.
#[derive(Clone, Debug, Default)]
struct Calls(Arc<Mutex<Vec<Call>>>);

/// The items, and what became of them.
type Call = (Vec<u64>, Fate);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Begun,
    Answered,
    Short,
    Panicked,
}

impl Calls {
    /// The fates of the calls that this item was in.
    fn of(&self, item: u64) -> Vec<Fate> {
        let calls = self.0.lock().unwrap();
        calls.iter().filter(|(items, _)| items.contains(&item)).map(|(_, fate)| *fate).collect()
    }
}

/// Answers each item with itself, but fails multiples of 7, answers too few where there is a 13, and
/// panics where there is a 17.
fn enable(manager: &Manager, rule: Batch, calls: &Calls) {
    let calls = calls.clone();
    let handler = move |items: Vec<u64>| {
        let calls = calls.clone();
        async move {
            let call = {
                let mut calls = calls.0.lock().unwrap();
                calls.push((items.clone(), Fate::Begun));
                calls.len() - 1
            };
            tokio::time::sleep(Duration::from_millis(items[0] % 9)).await;
            let has = |rest| items.iter().any(|item| item % 50 == rest);
            let fate = match (has(17), has(13)) {
                (true, _) => Fate::Panicked,
                (_, true) => Fate::Short,
                _ => Fate::Answered,
            };
            calls.0.lock().unwrap()[call].1 = fate;
            assert!(fate != Fate::Panicked, "seventeen");
            let answer = |item: &u64| if item.is_multiple_of(7) { Err("seven") } else { Ok(*item) };
            let from = usize::from(fate == Fate::Short);
            items[from..].iter().map(answer).collect::<Vec<Result<u64, &'static str>>>()
        }
    };
    manager.enable_batching("echo", rule, handler).unwrap();
}

async fn run(concurrent: usize, steps: Vec<Step>) {
    let manager = Manager::builder().max_concurrent(concurrent).queue_limit(60).build().unwrap();
    let calls = Calls::default();
    enable(&manager, Batch::natural(5), &calls);
    let mut handles: Vec<(u64, bool, Handle<u64>)> = Vec::new();
    for (number, step) in (0_u64..).zip(steps) {
        match step {
            Step::Submit { key, level, timeout } => {
                let item = key.map_or(10_000 + number * 100, u64::from);
                let mut operation = Operation::item("echo", item);
                if key.is_some() {
                    operation = operation.key(item.to_string());
                }
                if let Some(millis) = timeout {
                    operation = operation.total_timeout(Duration::from_millis(millis.into()));
                }
                operation = operation.priority(Priority::new(level).unwrap());
                if let Ok(handle) = manager.submit_item_operation(operation) {
                    handles.push((item, timeout.is_some(), handle));
                }
            }
            Step::Many(many) => {
                let items: Vec<u64> =
                    (1..=u64::from(many)).map(|i| 10_000 + number * 100 + i).collect();
                if let Ok(many) = manager.submit_items("echo", items.clone()) {
                    handles.extend(
                        items.into_iter().zip(many).map(|(item, handle)| (item, false, handle)),
                    );
                }
            }
            Step::Cancel(which) if !handles.is_empty() => {
                let which = which % handles.len();
                handles[which].2.cancel();
            }
            Step::Drop(which) if !handles.is_empty() => {
                let (.., handle) = handles.swap_remove(which % handles.len());
                drop(if which % 2 == 0 { handle } else { handle.cancel_on_drop() });
            }
            Step::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
            Step::Rule(max, window) => {
                let window = window.map(|window| Duration::from_millis(window.into()));
                let max = usize::from(max);
                enable(
                    &manager,
                    window.map_or(Batch::natural(max), |window| Batch::window(max, window)),
                    &calls,
                );
            }
            Step::Disable => drop(manager.disable_batching("echo")),
            _ => {}
        }
    }
    for (item, timed, handle) in handles {
        let answer = handle.await;
        let fates = calls.of(item);
        // One without a key is handed over once at most.
        assert!(fates.len() <= 1 || item < KEYS, "{item} was in {fates:?}");
        match answer {
            Ok(value) => {
                assert_eq!(value, item, "somebody else's answer");
                assert!(fates.contains(&Fate::Answered));
            }
            Err(OperationError::Failed(error)) if error.is::<WrongAnswers>() => {
                assert!(fates.contains(&Fate::Short));
            }
            Err(OperationError::Failed(_)) => {
                assert!(item.is_multiple_of(7) && fates.contains(&Fate::Answered));
            }
            Err(OperationError::Panicked(_)) => assert!(fates.contains(&Fate::Panicked)),
            Err(OperationError::TimedOut { .. }) => assert!(timed || item < KEYS),
            Err(OperationError::Cancelled) => {}
            Err(other) => panic!("{other}"),
        }
    }
    settle().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_idle(&manager);
}

proptest! {
    #![proptest_config(crate::random::config())]

    #[test]
    fn every_item_gets_exactly_its_own_answer(concurrent in 1_usize..4, steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(concurrent, steps));
    }
}

/// Items below this have a key.
const KEYS: u64 = 4;
