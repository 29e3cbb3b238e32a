//! Random interleavings.

use crate::{assert_idle, settle};
use perf_async::{Batch, Handle, Manager, Operation, OperationError};
use perf_core::Priority;
use proptest::prelude::*;
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

/// Answers each item with itself, fails multiples of 7, answers too few when a batch has 13, and
/// panics when it has 17.
fn enable(manager: &Manager, rule: Batch) {
    let handler = |items: Vec<u64>| async move {
        tokio::time::sleep(Duration::from_millis(items[0] % 9)).await;
        let short = usize::from(items.iter().any(|item| item % 50 == 13));
        assert!(!items.iter().any(|item| item % 50 == 17), "seventeen");
        let answer = |item: &u64| if item.is_multiple_of(7) { Err("seven") } else { Ok(*item) };
        items[short..].iter().map(answer).collect::<Vec<Result<u64, &'static str>>>()
    };
    manager.enable_batching("echo", rule, handler).unwrap();
}

async fn run(concurrent: usize, steps: Vec<Step>) {
    let manager = Manager::builder().max_concurrent(concurrent).queue_limit(60).build().unwrap();
    enable(&manager, Batch::natural(5));
    let mut handles: Vec<(u64, bool, Handle<u64>)> = Vec::new();
    for (number, step) in (0_u64..).zip(steps) {
        // Items of one key have one number modulo 1,000, so that anybody's answer fits.
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
                );
            }
            Step::Disable => drop(manager.disable_batching("echo")),
            _ => {}
        }
    }
    for (item, ..) in &handles {
        assert!(*item > 0 || handles.len() < 100_000);
    }
    for (item, _, handle) in handles {
        match handle.await {
            Ok(value) => assert_eq!(value, item, "somebody else's answer"),
            Err(OperationError::Failed(error)) if error.to_string() == "seven" => {
                assert_eq!(item % 7, 0)
            }
            Err(_) => {}
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
