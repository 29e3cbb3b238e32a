//! What the docs promise, with a list of operations that is searched from end to end for everything.
//! Times in milliseconds. Only the throttles and the breakers are the real ones: what they decide is
//! tested where they are.

use super::*;
use perf_guard::{CircuitBreaker, Gcra, Outcome, Permit};
use proptest::test_runner::TestCaseError;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Submit { kind: usize, level: u8, start_within: Option<u64>, key: Option<u8>, at_once: bool },
    Next,
    Members(usize),
    Tick,
    Wait(u64),
    Finish { which: usize, well: bool, next: bool },
    Suspend { which: usize, wait: u64, start_within: Option<u64> },
    Report { which: usize, well: Option<bool> },
    Cancel(usize),
    Move { which: usize, level: u8 },
    Join { which: usize, level: u8 },
    Limit(usize),
    Concurrency(usize),
    Configure { kind: usize, settings: Set },
}

/// What a kind is set to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    max: Option<usize>,
    limit: Option<usize>,
    /// Milliseconds and burst.
    throttle: Option<(u64, u64)>,
    breaker: bool,
    /// How many, and the window.
    batch: Option<(usize, Option<u64>)>,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let level = 1_u8..=10;
    let within = || prop::option::weighted(0.3, 0_u64..3_000);
    let which = any::<usize>;
    let set = (
        prop::option::of(1_usize..4),
        prop::option::weighted(0.2, 0_usize..4),
        prop::option::weighted(0.3, (1_u64..2_000, 1_u64..4)),
        prop::bool::weighted(0.3),
        prop::option::weighted(0.3, (1_usize..4, prop::option::of(1_u64..1_000))),
    );
    let set = set.prop_map(|(max, limit, throttle, breaker, batch)| Set {
        max,
        limit,
        throttle,
        breaker,
        batch,
    });
    let key = prop::option::weighted(0.3, 0_u8..4);
    let step = prop_oneof![
        12 => (0..KINDS, level.clone(), within(), key, any::<bool>()).prop_map(
            |(kind, level, start_within, key, at_once)| Step::Submit { kind, level, start_within, key, at_once }
        ),
        10 => Just(Step::Next),
        2 => which().prop_map(Step::Members),
        1 => Just(Step::Tick),
        4 => (0_u64..1_500).prop_map(Step::Wait),
        7 => any::<(usize, bool, bool)>().prop_map(|(which, well, next)| Step::Finish { which, well, next }),
        3 => (which(), 0_u64..1_000, within())
            .prop_map(|(which, wait, start_within)| Step::Suspend { which, wait, start_within }),
        1 => any::<(usize, Option<bool>)>().prop_map(|(which, well)| Step::Report { which, well }),
        3 => which().prop_map(Step::Cancel),
        3 => (which(), level.clone()).prop_map(|(which, level)| Step::Move { which, level }),
        1 => (which(), level).prop_map(|(which, level)| Step::Join { which, level }),
        1 => (0_usize..12).prop_map(Step::Limit),
        1 => (0_usize..6).prop_map(Step::Concurrency),
        1 => (0..KINDS, set).prop_map(|(kind, settings)| Step::Configure { kind, settings }),
    ];
    prop::collection::vec(step, 1..300)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Waiting { since: u64, moved: bool },
    Suspended { until: u64 },
    Running { member: bool },
    Ended(Status),
}

/// One operation, as the docs tell its life.
struct Known {
    id: OperationId,
    kind: usize,
    level: u8,
    arrived: u64,
    start_by: Option<u64>,
    key: Option<u8>,
    state: State,
    permit: Option<Permit>,
}

impl Known {
    /// Smaller is sooner: each second of waiting counts as a level.
    fn rank(&self) -> i64 {
        self.arrived as i64 - i64::from(self.level) * 1_000
    }

    fn waits(&self) -> bool {
        matches!(self.state, State::Waiting { .. } | State::Suspended { .. })
    }

    fn runs(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    fn holds_place(&self) -> bool {
        self.state == State::Running { member: false }
    }
}

#[derive(Default)]
struct KnownKind {
    max: Option<usize>,
    limit: Option<usize>,
    set_throttle: Option<(u64, u64)>,
    throttle: Option<Gcra>,
    breaker: Option<CircuitBreaker>,
    batch: Option<(usize, Option<u64>)>,
    totals: Totals,
}

pub(super) struct Model {
    scheduler: Scheduler<usize>,
    ids: Vec<KindId>,
    kinds: Vec<KnownKind>,
    known: Vec<Known>,
    now: u64,
    concurrency: usize,
    /// The limit, or what it was before it shrank as long as more than it run.
    most: usize,
    limit: usize,
}

type Checked = Result<(), TestCaseError>;

impl Model {
    pub(super) fn new() -> Model {
        let (concurrency, limit) = (2, 8);
        let mut scheduler = Scheduler::new(SchedulerConfig {
            max_concurrent: concurrency,
            queue_limit: limit,
            aging: Duration::from_secs(1),
            finished_kept: 1_000,
            ..SchedulerConfig::default()
        });
        let ids = (0..KINDS).map(|kind| scheduler.kind(kind.to_string())).collect();
        let kinds = (0..KINDS).map(|_| KnownKind::default()).collect();
        let known = Vec::new();
        Model { scheduler, ids, kinds, known, now: 0, concurrency, most: concurrency, limit }
    }

    pub(super) fn take(&mut self, step: &Step) -> Checked {
        let now = at(self.now);
        match *step {
            Step::Submit { kind, level, start_within, key, at_once } => {
                return self.submit(kind, level, start_within, key, at_once);
            }
            Step::Next => return self.next(None),
            Step::Members(which) => {
                if let Some(which) = self.pick(which, Known::holds_place) {
                    return self.members(which);
                }
            }
            Step::Tick => {
                self.wake();
                while let Some(late) = self.late() {
                    prop_assert_eq!(self.scheduler.tick(now), Some((self.known[late].id, late)));
                    self.end(late, Status::Timeout);
                }
                prop_assert!(self.scheduler.tick(now).is_none());
            }
            Step::Wait(millis) => self.now += millis,
            Step::Finish { which, well, next } => {
                let Some(which) = self.pick(which, Known::runs) else { return Ok(()) };
                let ended = if well { Ended::Completed } else { Ended::Failed("no".into()) };
                let id = self.known[which].id;
                self.learn(which, if well { Outcome::Success } else { Outcome::Failure });
                self.end(which, if well { Status::Completed } else { Status::Failed });
                if next {
                    let (finished, next) = self.scheduler.finish_and_next(id, ended.clone(), now);
                    prop_assert!(finished.is_some());
                    self.next(Some(next))?;
                } else {
                    prop_assert!(self.scheduler.finish(id, ended.clone(), now).is_some());
                }
                prop_assert!(self.scheduler.finish(id, ended, now).is_none());
            }
            Step::Suspend { which, wait, start_within } => {
                let Some(which) = self.pick(which, Known::runs) else { return Ok(()) };
                let (until, start_by) = (self.now + wait, start_within.map(|time| self.now + time));
                let deadline = start_by.map_or(Deadline::NEVER, |by| Deadline::at(at(by)));
                let id = self.known[which].id;
                let suspended = self.scheduler.suspend(id, which, at(until), deadline, now);
                prop_assert_eq!(suspended.is_ok(), self.known[which].holds_place());
                if suspended.is_ok() {
                    self.learn(which, Outcome::Failure);
                    let known = &mut self.known[which];
                    known.start_by = start_by;
                    known.state = State::Suspended { until };
                    self.kinds[known.kind].totals.retried += 1;
                }
            }
            Step::Report { which, well } => {
                let Some(which) = self.pick(which, Known::runs) else { return Ok(()) };
                let outcome =
                    well.map(|well| if well { Outcome::Success } else { Outcome::Failure });
                self.scheduler.report(self.known[which].id, outcome, now);
                match outcome {
                    Some(outcome) => self.learn(which, outcome),
                    None => self.known[which].permit = None,
                }
            }
            Step::Cancel(which) => {
                let Some(which) = self.pick(which, |_| true) else { return Ok(()) };
                let known = &mut self.known[which];
                match (self.scheduler.cancel(known.id, now), known.state) {
                    (
                        (CancelOutcome::Removed, payload),
                        State::Waiting { .. } | State::Suspended { .. },
                    ) => {
                        prop_assert_eq!(payload, Some(which));
                        self.end(which, Status::Cancelled);
                    }
                    // It runs on, but nobody joins it any more.
                    ((CancelOutcome::Signalled, None), State::Running { .. }) => known.key = None,
                    ((CancelOutcome::AlreadyFinished, None), State::Ended(_)) => {}
                    (other, state) => prop_assert!(false, "{:?} for {:?}", other, state),
                }
            }
            Step::Move { which, level: to } => {
                let Some(which) = self.pick(which, |_| true) else { return Ok(()) };
                let before = self.scheduler.set_priority(self.known[which].id, level(to));
                let known = &self.known[which];
                prop_assert_eq!(before.map(Priority::level), known.waits().then_some(known.level));
                self.set_level(which, to);
            }
            Step::Join { which, level: to } => {
                let Some(which) = self.pick(which, |_| true) else { return Ok(()) };
                self.scheduler.join(self.known[which].id, level(to));
                let known = &self.known[which];
                if !matches!(known.state, State::Ended(_)) {
                    self.kinds[known.kind].totals.joined += 1;
                    self.set_level(which, known.level.max(to));
                }
            }
            Step::Limit(operations) => {
                self.limit = operations;
                self.scheduler.set_queue_limit(operations);
            }
            Step::Concurrency(operations) => {
                self.concurrency = operations;
                self.scheduler.set_max_concurrent(operations);
            }
            Step::Configure { kind, settings } => self.configure(kind, settings),
        }
        Ok(())
    }

    fn submit(
        &mut self,
        kind: usize,
        urgency: u8,
        start_within: Option<u64>,
        key: Option<u8>,
        at_once: bool,
    ) -> Checked {
        let key_of = |name: u8| OperationKey::new::<u32>(kind.to_string().into(), name.to_string());
        if let Some(name) = key {
            let same = |known: &&Known| {
                (known.kind, known.key) == (kind, key) && !matches!(known.state, State::Ended(_))
            };
            let shared = self.known.iter().find(same).map(|known| known.id);
            prop_assert_eq!(self.scheduler.find(&key_of(name)), shared);
            if shared.is_some() {
                return Ok(()); // The driver would join it.
            }
        }
        let start_by = start_within.map(|within| self.now + within);
        let mut submission = Submission::new(self.ids[kind]).priority(level(urgency));
        if let Some(by) = start_by {
            submission = submission.start_by(Deadline::at(at(by)));
        }
        if let Some(name) = key {
            submission = submission.key(key_of(name));
        }
        let payload = self.known.len();
        let mut known = Known {
            id: OperationId::NONE,
            kind,
            level: urgency,
            arrived: self.now,
            start_by,
            key,
            state: State::Running { member: false },
            permit: None,
        };
        let can = self.scheduler.can_start_now(self.ids[kind], at(self.now));
        let of_kind = self.count(|known| known.kind == kind && known.waits());
        if can {
            prop_assert!(self.places() < self.concurrency && self.has_place(kind));
            let waits =
                |known: &Known| known.kind == kind && matches!(known.state, State::Waiting { .. });
            prop_assert_eq!(self.count(waits), 0);
            prop_assert!(self.ready().is_empty());
        } else if self
            .kinds
            .iter()
            .all(|kind| kind.throttle.is_none() && kind.breaker.is_none() && kind.batch.is_none())
        {
            let room = self.places() < self.concurrency && self.has_place(kind);
            let first = of_kind == 0 && self.count(Known::waits) == 0;
            prop_assert!(!(room && first), "nothing is in the way");
        }
        if at_once && can {
            known.id = self.scheduler.start_now(submission, Some(payload), at(self.now));
            let kind = &mut self.kinds[kind];
            if let Some(throttle) = &mut kind.throttle {
                prop_assert!(throttle.check(at(self.now)).is_ok());
            }
            if let Some(breaker) = &mut kind.breaker {
                known.permit = breaker.try_acquire(at(self.now)).ok();
                prop_assert!(known.permit.is_some());
            }
            kind.totals.submitted += 1;
            self.known.push(known);
            return Ok(());
        }
        let waiting = self.count(Known::waits);
        let full = self.kinds[kind].limit.is_some_and(|limit| of_kind >= limit);
        match self.scheduler.submit(submission, payload, at(self.now)) {
            Ok(id) => {
                prop_assert!(!full && waiting < self.limit);
                prop_assert!(self.known.iter().all(|known| known.id < id));
                let state = State::Waiting { since: self.now, moved: false };
                self.known.push(Known { id, state, ..known });
                self.kinds[kind].totals.submitted += 1;
            }
            Err((overloaded, returned)) => {
                prop_assert!(full || waiting >= self.limit);
                let figures = (overloaded.waiting, overloaded.limit);
                let expected = if full {
                    (of_kind, self.kinds[kind].limit.unwrap_or(0))
                } else {
                    (waiting, self.limit)
                };
                prop_assert_eq!(figures, expected);
                prop_assert_eq!(returned, payload);
                self.kinds[kind].totals.rejected += 1;
            }
        }
        Ok(())
    }

    /// Compares what the scheduler answers, or has answered, with what it should.
    fn next(&mut self, answered: Option<Option<Next<usize>>>) -> Checked {
        let next = match answered {
            Some(next) => next,
            None => self.scheduler.next(at(self.now)),
        };
        if self.places() >= self.concurrency {
            prop_assert!(next.is_none());
            return Ok(());
        }
        self.wake();
        if let Some(late) = self.late() {
            let expired = matches!(next, Some(Next::Expired { id, payload }) if (id, payload) == (self.known[late].id, late));
            prop_assert!(expired, "{:?} but {} is late", next, late);
            self.end(late, Status::Timeout);
            return Ok(());
        }
        let now = at(self.now);
        let best = self.ready().into_iter().min_by_key(|i| (self.known[*i].rank(), *i));
        let Some(best) = best else {
            prop_assert!(next.is_none(), "{:?} but nothing is to start", next);
            return Ok(());
        };
        let kind = &mut self.kinds[self.known[best].kind];
        let permit = match kind.breaker.as_mut().map(|breaker| breaker.try_acquire(now)) {
            Some(Err(rejected)) => {
                let refused = matches!(
                    next,
                    Some(Next::Refused { id, payload, retry_after })
                        if (id, payload) == (self.known[best].id, best)
                            && retry_after == rejected.retry_after()
                );
                prop_assert!(refused, "{:?} but {} is to be refused", next, best);
                kind.totals.refused += 1;
                self.end(best, Status::Failed);
                return Ok(());
            }
            other => other.and_then(Result::ok),
        };
        if let Some(throttle) = &mut kind.throttle {
            prop_assert!(throttle.check(now).is_ok(), "it was ready");
        }
        let Some(Next::Start { id, payload, queued_at, waited }) = next else {
            return Err(TestCaseError::fail(format!("{next:?} but {best} is to start")));
        };
        let known = &mut self.known[best];
        prop_assert_eq!((id, payload, queued_at), (known.id, best, at(known.arrived)));
        let State::Waiting { since, .. } = known.state else { unreachable!("it is ready") };
        prop_assert_eq!(waited, millis(self.now - since));
        known.state = State::Running { member: false };
        known.permit = permit;
        Ok(())
    }

    fn members(&mut self, leader: usize) -> Checked {
        let kind = self.known[leader].kind;
        // What it is a batch of is the driver's affair.
        let mut room = self.kinds[kind].batch.map_or(0, |(max, _)| max - 1);
        let id = self.known[leader].id;
        let taken = self.scheduler.take_members(id, room, at(self.now), |_| true);
        let mut taken = taken.into_iter();
        while room > 0 {
            let waiting = |i: &usize| {
                let known = &self.known[*i];
                known.kind == kind && matches!(known.state, State::Waiting { .. })
            };
            let best =
                (0..self.known.len()).filter(waiting).min_by_key(|i| (self.known[*i].rank(), *i));
            let Some(best) = best else { break };
            let late = self.known[best].start_by.is_some_and(|by| by <= self.now);
            match taken.next() {
                Some(Next::Start { payload, .. }) if !late => {
                    prop_assert_eq!(payload, best);
                    self.known[best].state = State::Running { member: true };
                    room -= 1;
                }
                Some(Next::Expired { payload, .. }) if late => {
                    prop_assert_eq!(payload, best);
                    self.end(best, Status::Timeout);
                }
                other => prop_assert!(false, "{:?} but {} is next", other, best),
            }
        }
        prop_assert!(taken.next().is_none());
        Ok(())
    }

    fn configure(&mut self, kind: usize, set: Set) {
        let mut settings = KindSettings::default().max_concurrent(set.max).queue_limit(set.limit);
        settings.throttle =
            set.throttle.map(|(time, burst)| Throttle::spacing(millis(time)).burst(burst));
        let breaker = CircuitBreaker::builder().minimum_calls(2).open_for(millis(500)).probes(1);
        settings.breaker = set.breaker.then_some(breaker);
        settings.batch = set.batch.map(|(max, window)| match window {
            Some(window) => batching(Batch::window(max, millis(window))),
            None => batching(Batch::natural(max)),
        });
        let known = &mut self.kinds[kind];
        let natural = set.batch.is_some_and(|(_, window)| window.is_none());
        known.max = set.max.or(natural.then_some(1));
        known.limit = set.limit;
        known.batch = set.batch;
        if known.set_throttle != set.throttle {
            known.set_throttle = set.throttle;
            known.throttle = settings.throttle.map(|throttle| throttle.gcra().unwrap());
        }
        if known.breaker.is_some() != set.breaker {
            known.breaker = settings.new_breaker().unwrap();
        }
        self.scheduler.configure(self.ids[kind], settings, at(self.now)).unwrap();
    }

    /// What holds after each step.
    pub(super) fn check(&mut self) -> Checked {
        let scheduler = &mut self.scheduler;
        let count = |which: &dyn Fn(&Known) -> bool| self.known.iter().filter(|k| which(k)).count();
        prop_assert_eq!(scheduler.pending(), count(&Known::waits));
        prop_assert_eq!(scheduler.running(), count(&Known::runs));
        // As many as may, or as ran when the limit was lowered, and then ever fewer.
        let places = count(&Known::holds_place);
        prop_assert!(places <= self.most.max(self.concurrency), "{} run", places);
        self.most = places.max(self.concurrency);
        for (kind, id) in self.kinds.iter().zip(&self.ids) {
            prop_assert_eq!(scheduler.metrics(*id, at(self.now)).totals, kind.totals);
        }
        let mut sum = Totals::default();
        self.kinds.iter().for_each(|kind| sum += kind.totals);
        let ended = sum.completed + sum.failed + sum.timed_out + sum.cancelled;
        let live = (scheduler.pending() + scheduler.running()) as u64;
        prop_assert_eq!(sum.submitted, ended + live);
        for known in &self.known {
            let batching = self.kinds[known.kind].batch.is_some();
            let status = match known.state {
                State::Waiting { .. } if batching => Status::Batching,
                State::Waiting { .. } | State::Suspended { .. } => Status::Queued,
                State::Running { .. } => Status::InProgress,
                State::Ended(status) => status,
            };
            prop_assert_eq!(scheduler.status(known.id), Some(status));
        }
        // The driver wakes up in time.
        let timer = scheduler.next_timer();
        let expiries = self.known.iter().filter(|known| known.waits()).filter_map(|k| k.start_by);
        let wakes = self.known.iter().filter_map(|known| match known.state {
            State::Suspended { until } => Some(until),
            _ => None,
        });
        if let Some(soonest) = expiries.chain(wakes).min() {
            prop_assert!(timer.is_some_and(|timer| timer <= at(soonest)));
        }
        Ok(())
    }

    /// Plays a driver that does what it is told and no more, until everything has ended: nobody is
    /// forgotten, and nothing is left behind.
    pub(super) fn drain(&mut self) -> Checked {
        self.take(&Step::Concurrency(3))?;
        for round in 0.. {
            prop_assert!(round < 10_000, "it goes on for ever");
            while self.scheduler.has_next() {
                let before = (self.scheduler.pending(), self.scheduler.running());
                self.next(None)?;
                if before == (self.scheduler.pending(), self.scheduler.running()) {
                    break;
                }
            }
            self.check()?;
            if let Some(running) = self.pick(round, Known::runs) {
                self.take(&Step::Finish { which: running, well: true, next: false })?;
                self.take(&Step::Finish { which: 0, well: true, next: false })?;
            } else if self.scheduler.pending() == 0 {
                break;
            } else if !self.scheduler.has_next() {
                let timer = self.scheduler.next_timer();
                prop_assert!(timer.is_some(), "some wait, and for nothing");
                let timer = timer.map_or(0, |timer| timer.as_nanos().div_ceil(1_000_000));
                self.now = self.now.max(timer);
                self.take(&Step::Tick)?;
            }
        }
        let scheduler = &mut self.scheduler;
        prop_assert_eq!((scheduler.slab.len(), scheduler.holds.len()), (0, 0));
        prop_assert!(scheduler.keys.is_empty() && scheduler.ready.is_empty());
        let last = scheduler.next_timer();
        prop_assert!(last.is_none_or(|last| last > at(self.now)), "{:?} at {}", last, self.now);
        prop_assert_eq!((scheduler.expiries.len(), scheduler.wakes.len()), (0, 0));
        Ok(())
    }

    /// The operations that a driver would let run.
    fn ready(&self) -> Vec<usize> {
        let ready = |i: &usize| {
            let known = &self.known[*i];
            let kind = &self.kinds[known.kind];
            let may = kind.throttle.as_ref().is_none_or(|t| t.wait(at(self.now)).is_zero());
            let waits = matches!(known.state, State::Waiting { .. });
            waits && may && self.has_place(known.kind) && self.has_batch(known.kind)
        };
        (0..self.known.len()).filter(ready).collect()
    }

    fn has_place(&self, kind: usize) -> bool {
        let places = self.count(|known| known.kind == kind && known.holds_place());
        self.kinds[kind].max.is_none_or(|max| places < max)
    }

    fn has_batch(&self, kind: usize) -> bool {
        let Some((max, Some(window))) = self.kinds[kind].batch else { return true };
        let waiting = |moved: bool| {
            self.known.iter().filter(move |known| {
                known.kind == kind
                    && matches!(known.state, State::Waiting { moved: m, .. } if m == moved)
            })
        };
        if waiting(true).count() + waiting(false).count() >= max {
            return true;
        }
        // Of those that were moved only the first counts, and of each level the first.
        let moved = waiting(true).min_by_key(|known| (known.rank(), known.id));
        let oldest = waiting(false).chain(moved).map(|known| known.arrived).min();
        oldest.is_some_and(|oldest| oldest + window <= self.now)
    }

    /// Those go on whose time has come.
    fn wake(&mut self) {
        for known in &mut self.known {
            if let State::Suspended { until } = known.state
                && until <= self.now
            {
                known.state = State::Waiting { since: until, moved: true };
            }
        }
    }

    /// The first of those that may no longer start.
    fn late(&self) -> Option<usize> {
        let late = |i: &usize| {
            let known = &self.known[*i];
            known.waits() && known.start_by.is_some_and(|by| by <= self.now)
        };
        let waiting = (0..self.known.len()).filter(late);
        waiting.min_by_key(|i| (self.known[*i].start_by, self.known[*i].id))
    }

    fn learn(&mut self, which: usize, outcome: Outcome) {
        let known = &mut self.known[which];
        if let (Some(permit), Some(breaker)) =
            (known.permit.take(), &mut self.kinds[known.kind].breaker)
        {
            breaker.record(permit, outcome, at(self.now));
        }
    }

    fn end(&mut self, which: usize, status: Status) {
        let known = &mut self.known[which];
        assert!(!matches!(known.state, State::Ended(_)), "{which} ends twice");
        known.state = State::Ended(status);
        known.permit = None;
        self.kinds[known.kind].totals.count(status);
    }

    fn set_level(&mut self, which: usize, level: u8) {
        let known = &mut self.known[which];
        if known.waits() && known.level != level {
            known.level = level;
            if let State::Waiting { moved, .. } = &mut known.state {
                *moved = true;
            }
        }
    }

    fn places(&self) -> usize {
        self.count(Known::holds_place)
    }

    fn count(&self, which: impl Fn(&Known) -> bool) -> usize {
        self.known.iter().filter(|known| which(known)).count()
    }

    fn pick(&self, which: usize, of: impl Fn(&Known) -> bool) -> Option<usize> {
        let some: Vec<usize> = (0..self.known.len()).filter(|i| of(&self.known[*i])).collect();
        (!some.is_empty()).then(|| some[which % some.len()])
    }
}

const KINDS: usize = 3;
