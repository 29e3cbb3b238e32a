//! Shares by weight, in the long run.

use super::*;

/// Virtual time passes its half-way mark after days of starts; nobody notices.
#[test]
fn shares_hold_however_many_have_started() {
    let mut config = SchedulerConfig { max_concurrent: 1, ..SchedulerConfig::default() };
    config.fairness = Fairness::Weighted;
    let mut scheduler = Scheduler::new(config);
    let kinds = ["a", "b"].map(|name| scheduler.kind(name));
    scheduler.configure(kinds[1], KindSettings::default().weight(3), at(0)).unwrap();
    scheduler.virtual_time = u64::MAX - (1 << 33);
    let mut count = [0_u32; 2];
    for kind in kinds.iter().flat_map(|kind| [*kind; 100]) {
        scheduler.submit(Submission::new(kind), kind, at(0)).unwrap();
    }
    for _ in 0..100 {
        let Some(Next::Start { id, payload, .. }) = scheduler.next(at(0)) else { panic!() };
        count[payload.index()] += 1;
        scheduler.finish(id, Ended::Completed, at(0));
    }
    assert!((24..=26).contains(&count[0]), "{count:?}");
}
