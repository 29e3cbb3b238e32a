//! One thread's part of a step: operations timed one by one, answers checked beside the timing.

use super::DatabaseSettings;
use super::content::{Content, Row, below, mix};
use super::engine::{Fault, Session};
use super::step::{Kind, Step};
use super::table::Share;
use perf_core::Histogram;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a thread is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job<'a> {
    pub(super) step: Step,
    pub(super) settings: &'a DatabaseSettings,
    pub(super) content: Content,
    /// All rows as they stand before the step, in order of their keys.
    pub(super) view: &'a [(i64, i32)],
    /// Operations of this thread; rows in the batched step.
    pub(super) quota: u64,
    pub(super) thread: u64,
    pub(super) deadline: Instant,
    /// Set by whoever wants the step to end.
    pub(super) stop: &'a AtomicBool,
    /// Operations done by all threads; rows in the batched step.
    pub(super) done: &'a AtomicU64,
}

/// What a thread has done.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) latency: Histogram,
    /// By kind, in the mixed step.
    pub(super) parts: [Histogram; 5],
    pub(super) rows: u64,
    pub(super) retries: u64,
    pub(super) given_up: u64,
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) failure: Option<String>,
    /// Whether the time was over before the quota was done.
    pub(super) cut: bool,
    pub(super) span: Option<(Instant, Instant)>,
}

impl Tally {
    /// Adds what another thread did.
    pub(super) fn add(&mut self, other: Tally) {
        self.latency.merge(&other.latency);
        for (ours, theirs) in self.parts.iter_mut().zip(&other.parts) {
            ours.merge(theirs);
        }
        self.rows += other.rows;
        self.retries += other.retries;
        self.given_up += other.given_up;
        for (kind, n) in other.errors {
            *self.errors.entry(kind).or_default() += n;
        }
        self.failure = self.failure.take().or(other.failure);
        self.cut |= other.cut;
        self.span = match (self.span, other.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (ours, theirs) => ours.or(theirs),
        };
    }

    pub(super) fn count(&mut self, fault: &Fault) {
        *self.errors.entry(fault.kind.clone()).or_default() += 1;
    }
}

/// Does a thread's part on one connection.
pub(super) fn work(job: Job<'_>, share: &mut Share, session: &mut dyn Session) -> Tally {
    let seed = mix(job.settings.seed ^ (job.thread << 32) ^ ((job.step as u64) << 56) ^ 0xA5);
    let mut worker = Worker {
        job,
        share,
        session,
        random: seed,
        tally: Tally::default(),
        rows: Vec::new(),
        row: Row::default(),
    };
    let begin = Instant::now();
    worker.all();
    worker.tally.span = Some((begin, Instant::now()));
    worker.tally
}

struct Worker<'a> {
    job: Job<'a>,
    share: &'a mut Share,
    session: &'a mut dyn Session,
    random: u64,
    tally: Tally,
    rows: Vec<Row>,
    row: Row,
}

impl Worker<'_> {
    fn all(&mut self) {
        let mut left = self.job.quota;
        while left > 0 {
            if self.job.stop.load(Ordering::Relaxed) {
                self.tally.cut = true;
                return;
            }
            if Instant::now() >= self.job.deadline {
                self.tally.cut = true;
                return;
            }
            match self.next(left) {
                Ok(steps) => {
                    left -= steps.min(left);
                    self.job.done.fetch_add(steps, Ordering::Relaxed);
                }
                Err(fault) if fault.passes => {
                    // Nothing was changed, so the next operation may have more luck.
                    self.tally.given_up += 1;
                    left -= 1;
                }
                Err(fault) => {
                    self.tally.failure = Some(format!("{}: {}", fault.kind, fault.message));
                    self.job.stop.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    }

    /// Does the next operation and answers how much of the quota it was.
    fn next(&mut self, left: u64) -> Result<u64, Fault> {
        let kind = match self.job.step {
            Step::InsertSingle => return self.insert(1),
            Step::InsertBatch => {
                return self.insert(self.job.settings.batch.min(left as usize));
            }
            Step::PointRead => Kind::Read,
            Step::RangeRead => Kind::Range,
            Step::Update => Kind::Update,
            Step::Delete => Kind::Delete,
            Step::Mixed => self.draw(),
        };
        let before = self.tally.latency.sum();
        match kind {
            Kind::Read => self.read()?,
            Kind::Range => self.range()?,
            Kind::Update => self.update()?,
            Kind::Insert => _ = self.insert(1)?,
            Kind::Delete => self.delete()?,
        }
        if self.job.step == Step::Mixed {
            let took = self.tally.latency.sum() - before;
            self.tally.parts[kind as usize].record(u64::try_from(took).unwrap_or(u64::MAX));
        }
        Ok(1)
    }

    /// Draws from the mix. Without a row of one's own there is nothing to update or delete.
    fn draw(&mut self) -> Kind {
        let parts = self.job.settings.mix.parts();
        let mut at = below(&mut self.random, parts.iter().sum());
        for (kind, part) in Kind::ALL.into_iter().zip(parts) {
            if at < part {
                let needs_own = matches!(kind, Kind::Update | Kind::Delete);
                return if needs_own && self.share.live.is_empty() { Kind::Insert } else { kind };
            }
            at -= part;
        }
        Kind::Read
    }

    fn insert(&mut self, n: usize) -> Result<u64, Fault> {
        let mut rows = std::mem::take(&mut self.rows);
        self.share.fresh(&self.job.content, n, &mut rows);
        let done = self.timed(|session| session.insert(&rows));
        if done.is_ok() {
            self.share.live.extend(rows.iter().map(|row| (row.key, row.version)));
            self.tally.rows += n as u64;
        }
        self.rows = rows;
        done.map(|()| n as u64)
    }

    fn read(&mut self) -> Result<(), Fault> {
        // Only a row of one's own is known to the last change while others write.
        let own = self.job.step.others_write()
            && !self.share.live.is_empty()
            && below(&mut self.random, 2) == 0;
        let rows = if own { &self.share.live } else { self.job.view };
        let Some(&(key, version)) = pick(&mut self.random, rows) else {
            return Err(Fault::wrong("no row is there to be read"));
        };
        let exact = own || !self.job.step.others_write();
        let mut row = std::mem::take(&mut self.row);
        let found = self.timed(|session| session.read(key, &mut row));
        self.row = row;
        if !found? {
            // Its thread may have deleted it in the meantime.
            return if exact {
                Err(Fault::wrong(format!("the row with key {key} is not there")))
            } else {
                Ok(())
            };
        }
        self.tally.rows += 1;
        let row = &self.row;
        if !self.job.content.is_right(row) || row.key != key {
            return Err(Fault::wrong(format!("the row with key {key} holds another value")));
        }
        if (exact && row.version != version) || row.version < version {
            return Err(Fault::wrong(format!(
                "the row with key {key} has version {}, not {version}",
                row.version
            )));
        }
        Ok(())
    }

    fn range(&mut self) -> Result<(), Fault> {
        let view = self.job.view;
        let at = below(&mut self.random, view.len().max(1) as u64) as usize;
        let Some(&(from, _)) = view.get(at) else {
            return Err(Fault::wrong("no row is there to be read"));
        };
        let most = self.job.settings.range;
        let mut rows = std::mem::take(&mut self.rows);
        let found = self.timed(|session| session.range(from, most, &mut rows));
        self.rows = rows;
        found?;
        self.tally.rows += self.rows.len() as u64;
        let wrong = |what: &str| Fault::wrong(format!("the range from key {from} {what}"));
        if self.rows.iter().any(|row| !self.job.content.is_right(row)) {
            return Err(wrong("holds another value"));
        }
        if !self.job.step.others_write() {
            let expected = &view[at..(at + most).min(view.len())];
            if !self.rows.iter().map(|row| (row.key, row.version)).eq(expected.iter().copied()) {
                return Err(wrong("holds other rows than were written"));
            }
        } else if self.rows.len() > most
            || self.rows.first().is_some_and(|row| row.key < from)
            || !self.rows.is_sorted_by(|a, b| a.key < b.key)
        {
            return Err(wrong("is out of order"));
        }
        Ok(())
    }

    fn update(&mut self) -> Result<(), Fault> {
        let Some(at) = place(&mut self.random, &self.share.live) else { return Ok(()) };
        let (key, version) = self.share.live[at];
        let mut row = std::mem::take(&mut self.row);
        self.job.content.fill(&mut row, key, version + 1);
        let changed = self.timed(|session| session.update(&row));
        self.row = row;
        one(changed?, key, "updated")?;
        self.share.live[at].1 = version + 1;
        self.tally.rows += 1;
        Ok(())
    }

    fn delete(&mut self) -> Result<(), Fault> {
        let Some(at) = place(&mut self.random, &self.share.live) else { return Ok(()) };
        let (key, _) = self.share.live[at];
        let deleted = self.timed(|session| session.delete(key))?;
        one(deleted, key, "deleted")?;
        self.share.live.swap_remove(at);
        self.tally.rows += 1;
        Ok(())
    }

    /// Times an operation, tries included.
    fn timed<T>(
        &mut self,
        mut call: impl FnMut(&mut dyn Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let begin = Instant::now();
        let mut tries = 0;
        loop {
            match call(self.session) {
                Ok(answer) => {
                    self.tally.latency.record_duration(begin.elapsed());
                    return Ok(answer);
                }
                Err(fault) => {
                    self.tally.count(&fault);
                    let over = Instant::now() >= self.job.deadline;
                    if !fault.passes || over || tries == self.job.settings.retries {
                        return Err(fault);
                    }
                    self.tally.retries += 1;
                    thread::sleep(pause(tries, &mut self.random));
                    tries += 1;
                }
            }
        }
    }
}

/// How long to wait before the next try: 1 ms, doubled up to 64 ms, of which a random half.
fn pause(tries: u32, random: &mut u64) -> Duration {
    let longest = 1_000 << tries.min(6);
    Duration::from_micros(longest / 2 + below(random, longest / 2))
}

fn one(rows: u64, key: i64, what: &str) -> Result<(), Fault> {
    if rows == 1 {
        return Ok(());
    }
    Err(Fault::wrong(format!("{rows} rows with key {key} were {what}, not 1")))
}

fn pick<'r, T>(random: &mut u64, rows: &'r [T]) -> Option<&'r T> {
    rows.get(place(random, rows)?)
}

fn place<T>(random: &mut u64, rows: &[T]) -> Option<usize> {
    (!rows.is_empty()).then(|| below(random, rows.len() as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DatabaseMix;

    /// A table in which another thread has changed every row since the step began.
    struct Changed {
        content: Content,
        gone: bool,
    }

    impl Session for Changed {
        fn insert(&mut self, _: &[Row]) -> Result<(), Fault> {
            Ok(())
        }

        fn read(&mut self, key: i64, out: &mut Row) -> Result<bool, Fault> {
            self.content.fill(out, key, 3);
            Ok(!self.gone)
        }

        fn range(&mut self, _: i64, _: usize, out: &mut Vec<Row>) -> Result<(), Fault> {
            out.clear();
            Ok(())
        }

        fn update(&mut self, _: &Row) -> Result<u64, Fault> {
            Ok(1)
        }

        fn delete(&mut self, _: i64) -> Result<u64, Fault> {
            Ok(1)
        }

        fn count(&mut self) -> Result<u64, Fault> {
            Ok(1)
        }
    }

    /// Reads a row of another thread, by a thread with these rows of its own.
    fn reads(live: &[(i64, i32)], gone: bool) -> Tally {
        let mix = DatabaseMix { reads: 1, ranges: 0, updates: 0, inserts: 0, deletes: 0 };
        let settings = DatabaseSettings { mix, ..DatabaseSettings::default() };
        let content = Content::new(settings.seed, settings.value_size);
        let job = Job {
            step: Step::Mixed,
            settings: &settings,
            content,
            view: &[(7, 0)],
            quota: 100,
            thread: 1,
            deadline: Instant::now() + Duration::from_secs(3_600),
            stop: &AtomicBool::new(false),
            done: &AtomicU64::new(0),
        };
        let mut share = Share::split(1).remove(0);
        share.live.extend(live);
        work(job, &mut share, &mut Changed { content, gone })
    }

    #[test]
    fn a_thread_without_rows_expects_no_exact_answer_for_those_of_others() {
        for gone in [false, true] {
            let tally = reads(&[], gone);
            assert_eq!((tally.failure, tally.latency.count()), (None, 100));
        }
        assert_eq!(reads(&[(5, 3)], false).failure, None);
        // Of its own rows it knows better.
        assert!(reads(&[(5, 2)], false).failure.unwrap().contains("has version 3, not 2"));
        assert!(reads(&[(5, 3)], true).failure.unwrap().contains("is not there"));
    }
}
