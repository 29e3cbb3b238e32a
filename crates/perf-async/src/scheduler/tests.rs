use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Submit { level: u8, start_within: Option<u64>, key: Option<u8> },
    Next,
    Tick,
    Wait(u64),
    Finish { which: usize, well: bool },
    Cancel(usize),
    Move { which: usize, level: u8 },
    Limit(usize),
    Concurrency(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let level = 1_u8..=10;
    let within = prop::option::of(0_u64..3_000);
    let step = prop_oneof![
        8 => (level.clone(), within, prop::option::weighted(0.3, 0_u8..4))
            .prop_map(|(level, start_within, key)| Step::Submit { level, start_within, key }),
        8 => Just(Step::Next),
        1 => Just(Step::Tick),
        3 => (0_u64..1_500).prop_map(Step::Wait),
        5 => any::<(usize, bool)>().prop_map(|(which, well)| Step::Finish { which, well }),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => (any::<usize>(), level).prop_map(|(which, level)| Step::Move { which, level }),
        1 => (0_usize..8).prop_map(Step::Limit),
        1 => (0_usize..5).prop_map(Step::Concurrency),
    ];
    prop::collection::vec(step, 1..200)
}

/// One operation, as the docs tell its life. Times in milliseconds.
struct Known {
    id: OperationId,
    payload: usize,
    level: u8,
    arrived: u64,
    start_by: Option<u64>,
    key: Option<u8>,
    status: Status,
}

impl Known {
    /// Smaller is sooner: each second of waiting counts as a level.
    fn rank(&self) -> i64 {
        self.arrived as i64 - i64::from(self.level) * 1_000
    }

    fn late(&self, now: u64) -> bool {
        self.start_by.is_some_and(|by| by <= now)
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn key(name: u8) -> OperationKey {
    OperationKey::new::<u32>("kind".into(), name.to_string())
}

fn indices(known: &[Known], status: Status) -> Vec<usize> {
    (0..known.len()).filter(|i| known[*i].status == status).collect()
}

fn pick(of: &[usize], which: usize) -> Option<usize> {
    (!of.is_empty()).then(|| of[which % of.len()])
}

proptest! {
    #![proptest_config(crate::test_cases())]

    /// The model is a list of operations that is searched from end to end for everything.
    #[test]
    fn does_what_a_naive_list_does(steps in steps()) {
        let (mut concurrency, mut limit) = (2, 5);
        let config = SchedulerConfig {
            max_concurrent: concurrency,
            queue_limit: limit,
            aging: Duration::from_secs(1),
            finished_kept: 1_000,
            ..SchedulerConfig::default()
        };
        let mut scheduler = Scheduler::new(config);
        let kind = scheduler.kind("kind");
        let mut known: Vec<Known> = Vec::new();
        let (mut now, mut rejected) = (0, 0);
        for step in steps {
            let waiting = indices(&known, Status::Queued);
            let running = indices(&known, Status::InProgress);
            match step {
                Step::Submit { level, start_within, key: name } => {
                    let shared = name.and_then(|name| {
                        known.iter().find(|k| k.key == Some(name) && !k.status.is_finished())
                    });
                    if let Some(name) = name {
                        prop_assert_eq!(scheduler.find(&key(name)), shared.map(|k| k.id));
                    }
                    if shared.is_some() {
                        continue; // The driver would join it.
                    }
                    let start_by = start_within.map(|within| now + within);
                    let mut submission = Submission::new(kind).priority(Priority::new(level).unwrap());
                    if let Some(by) = start_by {
                        submission = submission.start_by(Deadline::at(at(by)));
                    }
                    if let Some(name) = name {
                        submission = submission.key(key(name));
                    }
                    let at_once = waiting.is_empty() && running.len() < concurrency;
                    prop_assert_eq!(scheduler.can_start_now(kind, at(now)), at_once);
                    let payload = known.len();
                    match scheduler.submit(submission, payload, at(now)) {
                        Ok(id) => {
                            prop_assert!(waiting.len() < limit);
                            prop_assert!(known.iter().all(|k| k.id != id));
                            let (arrived, key, status) = (now, name, Status::Queued);
                            known.push(Known { id, payload, level, arrived, start_by, key, status });
                        }
                        Err((overloaded, returned)) => {
                            prop_assert!(waiting.len() >= limit);
                            prop_assert_eq!((overloaded.waiting, overloaded.limit), (waiting.len(), limit));
                            prop_assert_eq!(returned, payload);
                            rejected += 1;
                        }
                    }
                }
                Step::Next => {
                    let best = waiting.iter().copied().min_by_key(|i| (known[*i].rank(), *i));
                    let best = best.filter(|_| running.len() < concurrency);
                    prop_assert_eq!(scheduler.has_next(), best.is_some());
                    match (scheduler.next(at(now)), best) {
                        (None, None) => {}
                        (Some(Next::Start { id, payload, waited, .. }), Some(best)) => {
                            let best = &mut known[best];
                            prop_assert!(!best.late(now));
                            prop_assert_eq!((id, payload), (best.id, best.payload));
                            prop_assert_eq!(waited.as_millis() as u64, now - best.arrived);
                            best.status = Status::InProgress;
                        }
                        (Some(Next::Expired { id, payload }), Some(best)) => {
                            let best = &mut known[best];
                            prop_assert!(best.late(now));
                            prop_assert_eq!((id, payload), (best.id, best.payload));
                            best.status = Status::Timeout;
                        }
                        (next, best) => prop_assert!(false, "{:?} but the model says {:?}", next, best),
                    }
                }
                Step::Tick => {
                    while let Some((id, payload)) = scheduler.tick(at(now)) {
                        let late = &mut known[payload];
                        prop_assert!(late.id == id && late.status == Status::Queued && late.late(now));
                        late.status = Status::Timeout;
                    }
                    let left = known.iter().filter(|k| k.status == Status::Queued);
                    let soonest = left.filter_map(|k| k.start_by).min();
                    prop_assert!(soonest.is_none_or(|by| by > now));
                    prop_assert_eq!(scheduler.next_timer(), soonest.map(at));
                }
                Step::Wait(millis) => now += millis,
                Step::Finish { which, well } => {
                    let Some(i) = pick(&running, which) else { continue };
                    let ended = if well { Ended::Completed } else { Ended::Failed("no".into()) };
                    prop_assert!(scheduler.finish(known[i].id, ended.clone(), at(now)).is_some());
                    prop_assert!(scheduler.finish(known[i].id, ended, at(now)).is_none());
                    known[i].status = if well { Status::Completed } else { Status::Failed };
                }
                Step::Cancel(which) => {
                    if known.is_empty() {
                        continue;
                    }
                    let some = which % known.len();
                    let some = &mut known[some];
                    match (scheduler.cancel(some.id, at(now)), some.status) {
                        ((CancelOutcome::Removed, payload), Status::Queued) => {
                            prop_assert_eq!(payload, Some(some.payload));
                            some.status = Status::Cancelled;
                        }
                        // It runs on, but nobody joins it any more.
                        ((CancelOutcome::Signalled, None), Status::InProgress) => some.key = None,
                        ((CancelOutcome::AlreadyFinished, None), status) => prop_assert!(status.is_finished()),
                        (other, status) => prop_assert!(false, "{:?} for {}", other, status),
                    }
                }
                Step::Move { which, level } => {
                    if known.is_empty() {
                        continue;
                    }
                    let some = which % known.len();
                    let some = &mut known[some];
                    let before = scheduler.set_priority(some.id, Priority::new(level).unwrap());
                    let waits = some.status == Status::Queued;
                    prop_assert_eq!(before.map(Priority::level), waits.then_some(some.level));
                    if waits {
                        some.level = level;
                    }
                }
                Step::Limit(operations) => {
                    limit = operations;
                    scheduler.set_queue_limit(limit);
                }
                Step::Concurrency(operations) => {
                    concurrency = operations;
                    scheduler.set_max_concurrent(concurrency);
                }
            }
            let count = |status| known.iter().filter(|k| k.status == status).count();
            prop_assert_eq!(scheduler.pending(), count(Status::Queued));
            prop_assert_eq!(scheduler.running(), count(Status::InProgress));
            let totals = scheduler.totals();
            prop_assert_eq!(totals.submitted, known.len() as u64);
            prop_assert_eq!(totals.completed, count(Status::Completed) as u64);
            prop_assert_eq!(totals.failed, count(Status::Failed) as u64);
            prop_assert_eq!(totals.cancelled, count(Status::Cancelled) as u64);
            prop_assert_eq!(totals.timed_out, count(Status::Timeout) as u64);
            prop_assert_eq!(totals.rejected, rejected);
            for k in &known {
                prop_assert_eq!(scheduler.status(k.id), Some(k.status));
            }
        }
        // Nothing is left behind once all have ended.
        for k in known.iter().filter(|k| !k.status.is_finished()) {
            if scheduler.cancel(k.id, at(now)).0 == CancelOutcome::Signalled {
                scheduler.finish(k.id, Ended::Cancelled, at(now));
            }
        }
        prop_assert_eq!((scheduler.slab.len(), scheduler.holds.len()), (0, 0));
        prop_assert!(scheduler.keys.is_empty() && scheduler.next_timer().is_none());
        prop_assert_eq!(scheduler.expiries.len(), 0);
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
    assert_ne!(first, second);
    assert_eq!(scheduler.status(first), None);
    assert!(scheduler.finish(first, Ended::Completed, now).is_none());
    assert_eq!(scheduler.cancel(first, now).0, CancelOutcome::Unknown);
    assert_eq!(scheduler.status(second), Some(Status::InProgress));
}

#[test]
fn ended_operations_are_forgotten_beyond_what_is_kept() {
    let mut scheduler = Scheduler::new(SchedulerConfig { finished_kept: 3, ..Default::default() });
    let kind = scheduler.kind("a");
    for _ in 0..10 {
        let id = scheduler.start_now(Submission::new(kind), Some(()), at(0));
        scheduler.finish(id, Ended::Completed, at(1));
    }
    assert_eq!(scheduler.finished().count(), 3);
    assert_eq!(scheduler.forgotten(), 7);
}
