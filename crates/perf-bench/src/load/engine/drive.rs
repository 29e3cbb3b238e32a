//! Who sends when: the open form, the users, and what goes on beside them.

use super::pacer::Pacer;
use super::{Phase, PhaseLoad, Run, Stop};
use crate::load::plan::Plan;
use crate::load::progress::LoadProgress;
use crate::load::schedule::Schedule;
use crate::load::{Arrival, Jitter};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Sends each request at its time, whatever the target does; answers how many were due and never
/// left.
pub(super) async fn open(
    run: &Rc<Run>,
    pacer: &Pacer,
    arrival: &Arrival,
    phase: &Phase,
    jitter: Jitter,
    seed: u64,
) -> u64 {
    let mut choices = Plan::random(seed, 0);
    let first = Arrival::Constant { rate: arrival.first_rate() };
    let warm_up = Schedule::new(&first, jitter, phase.warm_up, seed ^ 1);
    let measured = Schedule::new(arrival, jitter, phase.length, seed).map(|d| phase.warm_up + d);
    let (mut left, mut behind, mut in_a_row, mut unsent) = (0_u64, false, 0_u32, 0);
    let never_left = |left| Schedule::expected(arrival, phase.length).saturating_sub(left);
    'all: for due in warm_up.chain(measured) {
        let counts = due >= phase.warm_up;
        loop {
            let now = run.now();
            // What could not leave before the end does not leave after it.
            if run.stop.get().is_some() {
                return 0;
            }
            if now >= run.end && now > due + GRACE {
                unsent = never_left(left);
                break 'all;
            }
            if now >= due {
                break;
            }
            // In time again: a wait for a connection is made up for.
            behind = false;
            in_a_row = 0;
            pacer.approach(run.zero + due).await;
        }
        let Some((lease, waited)) = run.lease(run.end + GRACE).await else {
            if run.stop.get().is_none() {
                unsent = never_left(left);
                run.starved.set(true);
            }
            break 'all;
        };
        behind |= waited;
        left += u64::from(counts);
        run.spawn(lease, run.plan.choose(&mut choices), due, behind);
        in_a_row += 1;
        // Many that are due at once must not keep the first of them from leaving.
        if in_a_row.is_multiple_of(BURST) {
            tokio::task::yield_now().await;
        }
    }
    // The last ones are due before the end: it is reached when all of them are under way.
    while run.stop.get().is_none() && !pacer.approach(run.zero + run.end).await {}
    unsent
}

/// How late the last requests may be and still leave.
const GRACE: Duration = Duration::from_millis(10);
const BURST: u32 = 16;

/// So many users, each asking again once it has its answer and has thought.
pub(super) async fn users(run: &Rc<Run>, users: usize, phase: &Phase, seed: u64) {
    // All at once would overrun the target's queue of new connections.
    let apart =
        Duration::from_millis(1).min(phase.warm_up / 2 / u32::try_from(users).unwrap_or(u32::MAX));
    for user in 0..users {
        let run = Rc::clone(run);
        let mut random = Plan::random(seed, user as u64 + 1);
        tokio::task::spawn_local(async move {
            if !apart.is_zero() {
                tokio::time::sleep(apart * u32::try_from(user).unwrap_or(u32::MAX)).await;
            }
            while run.now() < run.end {
                // A wait for a connection is the user's wait too.
                let wanted = run.now();
                let Some((lease, waited)) = run.lease(run.end).await else { return };
                let choice = run.plan.choose(&mut random);
                let answered = run.exchange(lease, choice, wanted, waited).await;
                let think = run.plan.think(choice, &mut random);
                if !think.is_zero() {
                    tokio::time::sleep(think).await;
                }
                if !answered {
                    // What refuses at once, target or system, would keep this thread from anything
                    // else.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
    }
    while run.stop.get().is_none() && run.now() < run.end {
        let left = run.end.saturating_sub(run.now());
        tokio::time::sleep(left.min(TICK)).await;
    }
}

/// Waits until nothing is open, or patience ends; once the run is stopped, for a second at most.
pub(super) async fn drain(run: &Run, patience: Duration) {
    let drained = async {
        // Requests that were spawned a moment ago have not counted themselves yet.
        tokio::task::yield_now().await;
        while run.in_flight.get() > 0 {
            run.idle.notified().await;
        }
    };
    let stopped = async {
        while run.stop.get().is_none() {
            tokio::time::sleep(TICK).await;
        }
        tokio::time::sleep(LAST.min(run.timeout)).await;
    };
    tokio::select! {
        () = drained => {}
        () = tokio::time::sleep(patience) => {}
        () = stopped => {}
    }
}

/// How long open requests are waited for when the run is stopped.
pub(super) const LAST: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);
/// A target that only breaks connections for so long is lost, and so many must have broken.
const LOST_AFTER: Duration = Duration::from_secs(3);
const LOST_BROKEN: u64 = 5;

/// Tells how far the run is, and ends it when it is asked to or the target is lost.
pub(super) async fn watch(run: Rc<Run>, progress: Arc<LoadProgress>, phase: Phase) {
    let mut second = run.now();
    let (mut answered, mut failed) = {
        let seen = progress.snapshot();
        (seen.answered, seen.failed)
    };
    progress.tell(|seen| {
        seen.length = run.end;
        seen.elapsed = Duration::ZERO;
    });
    loop {
        tokio::time::sleep(TICK).await;
        let now = run.now();
        if progress.is_stopped() {
            run.stop(Stop::Asked);
        }
        let silent = now.saturating_sub(run.heard.get());
        if run.broken.get() >= LOST_BROKEN && silent >= LOST_AFTER {
            run.stop(Stop::TargetLost(run.heard.get().saturating_sub(phase.warm_up)));
        }
        let span = now.saturating_sub(second);
        let live = (span >= Duration::from_secs(1)).then(|| {
            second = now;
            std::mem::take(&mut run.record.borrow_mut().live)
        });
        if let Some(live) = &live {
            answered += live.answered;
            failed += live.failed;
        }
        progress.tell(|seen| {
            seen.phase = match &phase.load {
                _ if now >= run.end => "draining".to_owned(),
                _ if now < phase.warm_up => "warm-up".to_owned(),
                PhaseLoad::Open(_) | PhaseLoad::Users(_) => phase.name.clone(),
            };
            seen.elapsed = now;
            seen.in_flight = run.in_flight.get();
            if let Some(live) = live {
                let at = |q| live.latency.quantile(q).map(Duration::from_nanos);
                seen.rate = live.answered as f64 / span.as_secs_f64();
                (seen.p50, seen.p99) = (at(0.5), at(0.99));
                (seen.answered, seen.failed) = (answered, failed);
            }
        });
    }
}
