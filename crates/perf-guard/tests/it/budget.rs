use crate::cases;
use perf_core::{Instant, Ratio};
use perf_guard::RetryBudget;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Deposit,
    Withdraw,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Deposit),
        4 => Just(Step::Withdraw),
        2 => (0_u64..2_000_000_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #![proptest_config(cases())]

    /// The model keeps thousandths of retries and whole milliseconds in plain integers, and every
    /// event since the start, and adds them up anew each time.
    #[test]
    fn never_gives_more_than_capacity_and_income_in_any_span(
        capacity in 1_u32..20,
        reserve in 0_u32..5,
        percent in 0_u32..=100,
        steps in steps(),
    ) {
        let mut budget = RetryBudget::builder()
            .capacity(capacity)
            .reserve_per_second(reserve)
            .ratio(Ratio::new(f64::from(percent) / 100.0).unwrap())
            .build()
            .unwrap();
        let mut now = Instant::from_nanos(0);
        let mut balance = i128::from(capacity) * 1_000_000_000;
        let full = balance;
        let mut events: Vec<(Instant, bool)> = Vec::new(); // (when, is a retry)
        for step in steps {
            match step {
                Step::Wait(nanos) => {
                    now = now + Duration::from_nanos(nanos);
                    balance = (balance + i128::from(nanos) * i128::from(reserve)).min(full);
                }
                Step::Deposit => {
                    budget.deposit(now);
                    balance = (balance + i128::from(percent) * 10_000_000).min(full);
                    events.push((now, false));
                }
                Step::Withdraw => {
                    let given = budget.withdraw(now).is_ok();
                    prop_assert_eq!(given, balance >= 1_000_000_000);
                    if given {
                        balance -= 1_000_000_000;
                        events.push((now, true));
                    }
                }
            }
            prop_assert!(balance >= 0);
            prop_assert_eq!(i128::from(budget.available(now)), balance / 1_000_000_000);
        }
        for first in 0..events.len() {
            let (mut retries, mut deposits) = (0_i128, 0_i128);
            for (when, is_retry) in &events[first..] {
                if *is_retry { retries += 1 } else { deposits += 1 }
                let span = (*when - events[first].0).as_nanos() as i128;
                let income = deposits * i128::from(percent) * 10_000_000
                    + span * i128::from(reserve);
                prop_assert!(retries * 1_000_000_000 <= full + income);
            }
        }
    }
}
