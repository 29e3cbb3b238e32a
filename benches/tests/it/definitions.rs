//! Every definition gives the answers that it promises.

use perfkit_benches::{Definition, Workload, trace_folder};

#[test]
fn generated_workloads_draw_the_expected_numbers() {
    for suite in Definition::names() {
        let definition = Definition::load(suite).unwrap();
        assert_eq!(definition.suite, suite);
        for (name, named) in &definition.workloads {
            if !matches!(named.workload, Workload::Trace { .. }) {
                assert_eq!(definition.numbers(name, 10).unwrap().len(), 10);
            }
        }
    }
}

#[test]
fn traces_hold_the_expected_requests_where_there_are_any() {
    if let Err(absent) = trace_folder() {
        println!("not checked: {absent}");
        return;
    }
    let definition = Definition::load("traces").unwrap();
    for name in definition.workloads.keys() {
        definition.numbers(name, 1).unwrap();
    }
}

#[test]
fn a_changed_answer_is_an_error_that_says_so() {
    let mut definition = Definition::load("memory").unwrap();
    definition.seed += 1;
    let error = definition.numbers("hits", 1).unwrap_err().to_string();
    assert!(error.contains("workload `hits` of `memory` draws"), "{error}");
    assert!(Definition::load("no such suite").is_err());
    assert!(definition.parameter::<u64>("no such parameter").is_err());
    assert_eq!(definition.parameter::<u64>("capacity").unwrap(), 100_000);
}
