//! How many entries of the lines are touched: what the clock cannot prove.

use super::aging::Random;
use super::*;

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

fn full(operations: usize) -> (Scheduler<()>, Vec<OperationId>) {
    let config =
        SchedulerConfig { max_concurrent: 0, queue_limit: operations, ..Default::default() };
    let mut scheduler = Scheduler::new(config);
    let kind = scheduler.kind("any");
    let ids = (0..operations)
        .map(|n| {
            let submission = Submission::new(kind).priority(level(1 + (n % 10) as u8));
            scheduler.submit(submission, (), at(n as u64)).unwrap()
        })
        .collect();
    (scheduler, ids)
}

fn shuffle(ids: &mut [OperationId]) {
    let mut random = Random(11);
    for i in (1..ids.len()).rev() {
        ids.swap(i, random.below(i as u64 + 1) as usize);
    }
}

fn touched<P>(scheduler: &Scheduler<P>) -> u64 {
    scheduler.kinds.iter().map(|(_, kind)| kind.line.touched).sum()
}

/// Changing the priority touches as many entries as the number of those moved has digits, and
/// cancelling a constant number, however many wait.
#[test]
fn changing_the_priority_and_cancelling_touch_few_entries_however_many_wait() {
    for operations in SIZES {
        let (mut scheduler, mut ids) = full(operations);
        shuffle(&mut ids);
        for moved in [10, 100, 1_000] {
            let before = touched(&scheduler);
            for (n, id) in ids[..moved].iter().enumerate() {
                assert!(scheduler.set_priority(*id, level(1 + (n % 9) as u8)).is_some());
            }
            let each = (touched(&scheduler) - before) as f64 / moved as f64;
            let bound = 4.0 + 3.0 * (3.0 * moved as f64).log2();
            assert!(each < bound, "{each} entries each for {moved} moved of {operations}");
        }
        let before = touched(&scheduler);
        shuffle(&mut ids);
        for id in ids {
            assert_eq!(scheduler.cancel(id, at(0)).0, CancelOutcome::Removed);
        }
        // A little more where a good part of them is among the moved.
        let (each, bound) = (
            (touched(&scheduler) - before) as f64 / operations as f64,
            if operations > 1_000 { 4.0 } else { 8.0 },
        );
        assert!(each < bound, "{each} entries for each of {operations}");
    }
}

#[test]
fn moving_one_to_and_fro_for_ever_leaves_nothing_behind() {
    let (mut scheduler, ids) = full(100);
    for n in 0..100_000 {
        scheduler.set_priority(ids[17], level(1 + (n % 10) as u8));
    }
    let (_, kind) = scheduler.kinds.iter().next().unwrap();
    assert!(kind.line.entries() < 100 + 200, "{} entries for 100", kind.line.entries());
}

/// Ten million in the example `scheduler`; here as many as a debug build does in a second.
#[test]
fn hundreds_of_thousands_of_operations_leave_memory_as_it_was() {
    let config = SchedulerConfig { max_concurrent: 8, finished_kept: 16, ..Default::default() };
    let mut scheduler = Scheduler::new(config);
    let kinds = ["a", "b", "c"].map(|name| scheduler.kind(name));
    let mut random = Random(3);
    let (mut live, mut places) = (Vec::new(), 0);
    for n in 0..300_000_u64 {
        let submission = Submission::new(kinds[random.below(3) as usize])
            .priority(level(1 + random.below(10) as u8))
            .start_by(Deadline::at(at(n + random.below(1_000))));
        live.push(scheduler.submit(submission, (), at(n)).unwrap());
        if random.below(4) == 0 {
            let id = live[random.below(live.len() as u64) as usize];
            scheduler.set_priority(id, level(1 + random.below(10) as u8));
        }
        while live.len() > 100 {
            let id = live.swap_remove(random.below(live.len() as u64) as usize);
            if scheduler.cancel(id, at(n)).0 == CancelOutcome::Signalled {
                scheduler.finish(id, Ended::Completed, at(n));
            }
        }
        while scheduler.next(at(n)).is_some() {}
        if n == 10_000 {
            places = scheduler.slab.places();
        }
    }
    assert_eq!(scheduler.slab.places(), places);
    assert!(scheduler.pending() + scheduler.running() <= 101);
    let entries: usize = scheduler.kinds.iter().map(|(_, kind)| kind.line.entries()).sum();
    assert!(entries < 30 * 150 + 500, "{entries} entries");
    assert!(scheduler.expiries.len() < 500, "{} expiries", scheduler.expiries.len());
}
