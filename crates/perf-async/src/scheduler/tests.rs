mod aging;
mod counts;
mod model;
mod weights;

use super::*;
use crate::{Batch, Batching, Throttle};
use model::Model;
use proptest::prelude::*;

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Batches by that rule; nobody calls the handler here.
fn batching(rule: Batch) -> Batching {
    Batching::new(rule, |rows: Vec<()>| async { rows.into_iter().map(Ok::<(), String>).collect() })
}

fn level(level: u8) -> Priority {
    Priority::new(level).unwrap()
}

proptest! {
    #![proptest_config(crate::test_cases())]

    /// The model is a list of operations that is searched from end to end for everything.
    #[test]
    fn does_what_a_naive_list_does(steps in model::steps()) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step)?;
            model.check()?;
        }
        model.drain()?;
    }

    /// With nobody moved, kinds of different weight that always have something to start share the
    /// starts out by their weights, whoever takes turns with them in between.
    #[test]
    fn weights_share_the_starts_out_within_5_percent(
        weights in prop::collection::vec(1_u32..=20, 2..6),
        places in 1_usize..8,
        guest in 0_usize..40,
    ) {
        let mut config = SchedulerConfig { queue_limit: 100_000, ..SchedulerConfig::default() };
        config.fairness = Fairness::Weighted;
        config.max_concurrent = places;
        let mut scheduler = Scheduler::new(config);
        let mut kinds = Vec::new();
        for (i, weight) in weights.iter().enumerate() {
            let kind = scheduler.kind(i.to_string());
            let settings = KindSettings::default().weight(*weight);
            scheduler.configure(kind, settings, at(0)).unwrap();
            kinds.push(kind);
        }
        let visitor = scheduler.kind("visitor");
        let total: u32 = weights.iter().sum();
        let starts = 200 * total as usize;
        let mut started = vec![0_usize; kinds.len()];
        let mut running = std::collections::VecDeque::new();
        for (i, kind) in kinds.iter().enumerate() {
            for n in 0..2 {
                let urgency = level(1 + (i * 7 + n) as u8 % 10);
                scheduler.submit(Submission::new(*kind).priority(urgency), i, at(0)).unwrap();
            }
        }
        for n in 0..starts {
            if guest > 0 && n % 97 < guest {
                scheduler.submit(Submission::new(visitor), usize::MAX, at(n as u64)).unwrap();
            }
            let Some(Next::Start { id, payload, .. }) = scheduler.next(at(n as u64)) else {
                panic!("there is room and much to start")
            };
            running.push_back(id);
            if let Some(count) = started.get_mut(payload) {
                *count += 1;
                let kind = kinds[payload];
                scheduler.submit(Submission::new(kind), payload, at(n as u64)).unwrap();
            }
            if running.len() == places {
                let first = running.pop_front().unwrap();
                scheduler.finish(first, Ended::Completed, at(n as u64));
            }
        }
        let all: usize = started.iter().sum();
        for (count, weight) in started.iter().zip(&weights) {
            let (share, due) = (*count as f64 / all as f64, f64::from(*weight) / f64::from(total));
            prop_assert!((share / due - 1.0).abs() < 0.05, "{:?} for {:?}", started, weights);
        }
    }
}

fn one_at_a_time() -> Scheduler<u32> {
    Scheduler::new(SchedulerConfig { max_concurrent: 1, ..SchedulerConfig::default() })
}

fn start(next: Option<Next<u32>>) -> (OperationId, u32) {
    match next {
        Some(Next::Start { id, payload, .. }) => (id, payload),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stale_id_is_not_taken_for_the_next_user_of_its_place() {
    let mut scheduler = Scheduler::new(SchedulerConfig { finished_kept: 0, ..Default::default() });
    let (now, kind) = (at(0), scheduler.kind("a"));
    let first = scheduler.start_now(Submission::new(kind), Some(()), now);
    scheduler.finish(first, Ended::Completed, now);
    let second = scheduler.start_now(Submission::new(kind), Some(()), now);
    assert_eq!(first.slot(), second.slot());
    assert!(first < second);
    assert_eq!(scheduler.status(first), None);
    assert!(scheduler.finish(first, Ended::Completed, now).is_none());
    assert_eq!(scheduler.cancel(first, now).0, CancelOutcome::Unknown);
    assert_eq!(scheduler.status(second), Some(Status::InProgress));
    // Nobody's id, and one that points beyond all places.
    for id in [0, 1, u64::MAX] {
        let id = OperationId::from_u64(id);
        assert_eq!(scheduler.cancel(id, now).0, CancelOutcome::Unknown);
        assert_eq!(scheduler.set_priority(id, Priority::HIGHEST), None);
        assert!(scheduler.suspend(id, (), now, Deadline::NEVER, now).is_err());
        scheduler.join(id, Priority::HIGHEST);
        scheduler.report(id, None, now);
    }
}

#[test]
fn ended_operations_are_forgotten_beyond_what_is_kept() {
    let mut scheduler = Scheduler::new(SchedulerConfig { finished_kept: 3, ..Default::default() });
    let kind = scheduler.kind("a");
    for _ in 0..10 {
        let id = scheduler.start_now(Submission::new(kind), Some(()), at(0));
        scheduler.finish(id, Ended::Failed("no".into()), at(1));
    }
    assert_eq!(scheduler.finished().count(), 3);
    assert_eq!(scheduler.forgotten(), 7);
    let last = scheduler.finished().last().unwrap();
    assert_eq!((last.error.as_deref(), last.status), (Some("no"), Status::Failed));
    assert_eq!((last.started_at, last.ended_at), (Some(at(0)), Some(at(1))));
    assert_eq!((last.kind, last.timeout), ("a".into(), Duration::MAX));
}

#[test]
fn a_suspended_operation_keeps_its_age_and_gives_its_place_to_another() {
    let mut scheduler = one_at_a_time();
    let kind = scheduler.kind("call");
    let submission = || Submission::new(kind);
    let first = scheduler.submit(submission(), 1, at(0)).unwrap();
    scheduler.submit(submission(), 2, at(1)).unwrap();
    assert_eq!(start(scheduler.next(at(2))).1, 1);
    let suspended = scheduler.suspend(first, 11, at(100), Deadline::NEVER, at(10)).unwrap();
    assert_eq!((suspended.payload, suspended.ran), (None, millis(8)));
    assert_eq!(scheduler.status(first), Some(Status::Queued));
    assert_eq!((scheduler.pending(), scheduler.running()), (2, 0));
    assert_eq!(scheduler.next_timer(), Some(at(100)));
    let (second, _) = start(scheduler.next(at(10)));
    // Its time comes while nobody may start; one that comes later stands behind it.
    scheduler.submit(submission(), 3, at(50)).unwrap();
    assert!(scheduler.tick(at(100)).is_none());
    let (_, next) = scheduler.finish_and_next(second, Ended::Completed, at(120));
    let Some(Next::Start { id, payload, queued_at, waited }) = next else { panic!("{next:?}") };
    assert_eq!((id, payload, queued_at, waited), (first, 11, at(0), millis(20)));
    scheduler.finish(first, Ended::Completed, at(121));
    assert_eq!(scheduler.totals().retried, 1);
}

#[test]
fn a_suspended_operation_can_be_cancelled_moved_and_expire() {
    let mut scheduler = one_at_a_time();
    let kind = scheduler.kind("call");
    let mut suspended = |start_by: Deadline| {
        let id = scheduler.submit(Submission::new(kind), 1, at(0)).unwrap();
        start(scheduler.next(at(0)));
        scheduler.suspend(id, 1, at(100), start_by, at(0)).unwrap();
        id
    };
    let (one, two) = (suspended(Deadline::NEVER), suspended(Deadline::NEVER));
    let three = suspended(Deadline::at(at(50)));
    assert_eq!(scheduler.cancel(one, at(1)), (CancelOutcome::Removed, Some(1)));
    assert_eq!(scheduler.set_priority(two, Priority::HIGHEST), Some(Priority::NORMAL));
    assert_eq!(scheduler.next_timer(), Some(at(50)));
    assert_eq!(scheduler.tick(at(60)), Some((three, 1)));
    assert_eq!(start(scheduler.next(at(100))).0, two);
    assert_eq!(scheduler.record(two).unwrap().priority, Priority::HIGHEST);
}

#[test]
fn members_of_a_batch_run_in_the_place_of_the_first() {
    let mut scheduler = one_at_a_time();
    let kind = scheduler.kind("row");
    let settings = KindSettings::default().batch(batching(Batch::natural(3)));
    scheduler.configure(kind, settings, at(0)).unwrap();
    for payload in 0..5 {
        let submission = Submission::new(kind).priority(level(payload as u8 + 1));
        scheduler.submit(submission, payload, at(0)).unwrap();
    }
    let (leader, payload) = start(scheduler.next(at(0)));
    assert_eq!(payload, 4);
    let members = scheduler.take_members(leader, 2, at(0), |_| true);
    let members: Vec<_> = members.into_iter().map(|next| start(Some(next))).collect();
    assert_eq!(members.iter().map(|(_, payload)| *payload).collect::<Vec<_>>(), [3, 2]);
    assert_eq!((scheduler.running(), scheduler.pending()), (3, 2));
    assert_eq!(scheduler.running_of(kind), 3);
    // The members' ends free no place, the leader's does.
    scheduler.finish(members[0].0, Ended::Completed, at(1));
    assert!(scheduler.next(at(1)).is_none());
    scheduler.finish(leader, Ended::Completed, at(1));
    assert_eq!(start(scheduler.next(at(1))).1, 1);
    assert_eq!(scheduler.status(members[1].0), Some(Status::InProgress));
    assert!(scheduler.take_members(members[1].0, 2, at(1), |_| true).is_empty());
}

#[test]
fn a_window_ends_by_size_or_by_time() {
    let mut scheduler = one_at_a_time();
    let kind = scheduler.kind("row");
    let settings = KindSettings::default().batch(batching(Batch::window(2, millis(100))));
    scheduler.configure(kind, settings, at(0)).unwrap();
    let first = scheduler.submit(Submission::new(kind), 1, at(10)).unwrap();
    assert_eq!(scheduler.status(first), Some(Status::Batching));
    assert!(scheduler.next(at(20)).is_none());
    assert_eq!((scheduler.take_alarm(), scheduler.next_timer()), (Some(at(110)), Some(at(110))));
    assert_eq!(scheduler.take_alarm(), None);
    // By time.
    assert_eq!(start(scheduler.next(at(110))).0, first);
    assert!(scheduler.take_members(first, 1, at(110), |_| true).is_empty());
    scheduler.finish(first, Ended::Completed, at(111));
    assert_eq!(scheduler.next_timer(), None);
    // By size.
    scheduler.submit(Submission::new(kind), 2, at(200)).unwrap();
    scheduler.submit(Submission::new(kind), 3, at(201)).unwrap();
    let (leader, _) = start(scheduler.next(at(201)));
    assert_eq!(scheduler.take_members(leader, 1, at(201), |_| true).len(), 1);
    scheduler.finish(leader, Ended::Completed, at(202));
    // What is left counts from when it came, and the rule can be taken away.
    scheduler.submit(Submission::new(kind), 4, at(300)).unwrap();
    assert!(scheduler.next(at(399)).is_none());
    scheduler.configure(kind, KindSettings::default(), at(399)).unwrap();
    assert_eq!(start(scheduler.next(at(399))).1, 4);
    assert_eq!(scheduler.next_timer(), None);
}

#[test]
fn a_throttled_kind_keeps_no_other_waiting() {
    let mut scheduler = Scheduler::new(SchedulerConfig::default());
    let (slow, quick) = (scheduler.kind("slow"), scheduler.kind("quick"));
    let settings = KindSettings::default().throttle(Throttle::spacing(millis(100)));
    scheduler.configure(slow, settings, at(0)).unwrap();
    for payload in 0..2 {
        let urgent = Submission::new(slow).priority(Priority::HIGHEST);
        scheduler.submit(urgent, payload, at(0)).unwrap();
        scheduler.submit(Submission::new(quick), payload + 2, at(0)).unwrap();
    }
    let starts: Vec<u32> =
        std::iter::from_fn(|| scheduler.next(at(0))).map(|next| start(Some(next)).1).collect();
    assert_eq!(starts, [0, 2, 3]);
    assert!(scheduler.metrics(slow, at(0)).throttled);
    assert_eq!(scheduler.next_timer(), Some(at(100)));
    assert!(scheduler.next(at(99)).is_none());
    assert!(!scheduler.can_start_now(slow, at(100)), "somebody waits");
    assert_eq!(start(scheduler.next(at(100))).1, 1);
    assert_eq!(scheduler.next_timer(), None);
}

#[test]
fn a_report_is_what_the_breaker_learns() {
    let mut scheduler = Scheduler::new(SchedulerConfig::default());
    let kind = scheduler.kind("call");
    let breaker = perf_guard::CircuitBreaker::builder().minimum_calls(1);
    scheduler.configure(kind, KindSettings::default().breaker(breaker), at(0)).unwrap();
    let mut failed = |report: Option<Option<perf_guard::Outcome>>| {
        let id = scheduler.start_now(Submission::new(kind), Some(1), at(0));
        if let Some(outcome) = report {
            scheduler.report(id, outcome, at(0));
        }
        scheduler.finish(id, Ended::Failed("not found".into()), at(0));
        scheduler.can_start_now(kind, at(0))
    };
    assert!(failed(Some(None)));
    assert!(failed(Some(Some(perf_guard::Outcome::Success))));
    // One success is known, so half of all have failed.
    assert!(!failed(None));
    assert_eq!(scheduler.holds.len(), 0);
}

#[test]
fn kinds_share_one_name_beyond_the_bound() {
    let mut scheduler = Scheduler::<()>::new(SchedulerConfig::default());
    let kinds: Vec<_> = (0..1_000).map(|i| scheduler.kind(i.to_string())).collect();
    assert_eq!(scheduler.kinds().count(), crate::MAX_KINDS + 1);
    assert_eq!(scheduler.unnamed(), 1_000 - crate::MAX_KINDS as u64);
    assert_eq!(scheduler.kind_name(kinds[999]), "other");
    assert_eq!(scheduler.kind("17"), kinds[17]);
    assert_eq!(scheduler.find_kind("255"), Some(kinds[255]));
    assert_eq!(scheduler.find_kind("256"), None);
    assert!(scheduler.has_room_for_kind("255") && !scheduler.has_room_for_kind("256"));
}

#[test]
fn an_operation_that_waits_takes_few_bytes() {
    // Beside the 8 to 16 of its entry in the line and the driver's payload.
    assert_eq!(size_of::<slab::Slot<Box<u8>>>(), 64);
    assert_eq!(size_of::<slab::Slot<[u64; 2]>>(), 64);
    assert_eq!(size_of::<EndedOperation>(), 56);
}

proptest! {
    #![proptest_config(crate::test_cases())]

    /// In any span of time no more start than the burst and what the rate gives, whoever is
    /// cancelled meanwhile; and nobody waits once the throttle lets the next one through.
    #[test]
    fn no_more_start_than_rate_and_burst_allow(
        spacing in 1_u64..50,
        burst in 1_u64..6,
        steps in prop::collection::vec((0_u8..4, 0_u64..40), 1..200),
    ) {
        let config = SchedulerConfig { max_concurrent: 1_000, ..SchedulerConfig::default() };
        let mut scheduler = Scheduler::new(config);
        let kind = scheduler.kind("mail");
        let throttle = Throttle::spacing(millis(spacing)).burst(burst);
        scheduler.configure(kind, KindSettings::default().throttle(throttle), at(0)).unwrap();
        let (mut now, mut waiting, mut starts) = (0, Vec::new(), Vec::new());
        for (step, time) in steps {
            match step {
                0 | 1 => waiting.push(scheduler.submit(Submission::new(kind), (), at(now)).unwrap()),
                2 if !waiting.is_empty() => {
                    let id = waiting.remove(time as usize % waiting.len());
                    scheduler.cancel(id, at(now));
                }
                _ => now += time,
            }
            while let Some(next) = scheduler.next(at(now)) {
                let Next::Start { id, .. } = next else { panic!("{next:?}") };
                waiting.retain(|waiting| *waiting != id);
                starts.push(now);
            }
            if !waiting.is_empty() {
                let timer = scheduler.next_timer();
                prop_assert!(timer.is_some_and(|timer| timer > at(now) && timer <= at(now + spacing)));
            }
        }
        for (i, from) in starts.iter().enumerate() {
            for (n, to) in (1..).zip(&starts[i..]) {
                prop_assert!(n <= burst + (to - from) / spacing, "{} within {}", n, to - from);
            }
        }
    }
}
