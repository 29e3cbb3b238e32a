//! One bench's pairs, as they are taken.

use super::pinning::pin;
use super::session::Session;
use super::{Side, SubjectProgram};
use crate::Bench;
use crate::subject::{Answered, Calibrated, ListedSubject, Request, Timed};
use std::time::Duration;

/// A bench that both sides have.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) name: String,
    work: String,
    single_threaded: bool,
    same_answer_asked: bool,
    iterations: Option<u64>,
    pub(super) base: Vec<f64>,
    pub(super) head: Vec<f64>,
    /// Nanoseconds that the samples took, and those they waited for a core besides.
    pub(super) ran: f64,
    pub(super) waited: f64,
    /// Which side failed and why. It is not measured further.
    pub(super) failure: Option<(Option<Side>, String)>,
    /// Why the head fails as well, where the base was the first.
    head_too: Option<String>,
}

/// A block of pairs between fresh processes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) number: usize,
    pub(super) pairs: usize,
    pub(super) sample: Duration,
    pub(super) limit: Duration,
    pub(super) pinned: bool,
}

impl Measured {
    pub(super) fn new(base: &ListedSubject, head: &ListedSubject) -> Measured {
        Measured {
            name: base.name.clone(),
            work: base.work.clone(),
            single_threaded: base.single_threaded && head.single_threaded,
            same_answer_asked: base.answer_iterations == head.answer_iterations,
            iterations: None,
            base: Vec::new(),
            head: Vec::new(),
            ran: 0.0,
            waited: 0.0,
            failure: None,
            head_too: None,
        }
    }

    /// Takes the round's pairs; what goes wrong is kept as the bench's failure.
    pub(super) fn take(&mut self, round: &Round, base: &SubjectProgram, head: &SubjectProgram) {
        if let Err(failure) = self.try_take(round, base, head) {
            // A base that fails alone is forgiven, so the head is asked whether it does better.
            if failure.0 == Some(Side::Base) {
                self.head_too = self.try_head(round, head).err().map(|(_, why)| why);
            }
            self.failure = Some(failure);
        }
    }

    /// As many samples of the head as a block has; only whether it fails is of interest.
    fn try_head(&self, round: &Round, head: &SubjectProgram) -> Result<(), (Option<Side>, String)> {
        let mut head = Running::start(Side::Head, head, self, round)?;
        head.answer(&self.name)?;
        let iterations = match self.iterations {
            Some(iterations) => iterations,
            None => head.calibrate(&self.name, round.sample)?,
        };
        for _ in 0..=round.pairs {
            head.sample(&self.name, iterations)?;
        }
        Ok(())
    }

    fn try_take(
        &mut self,
        round: &Round,
        base: &SubjectProgram,
        head: &SubjectProgram,
    ) -> Result<(), (Option<Side>, String)> {
        let mut base = Running::start(Side::Base, base, self, round)?;
        let mut head = Running::start(Side::Head, head, self, round)?;
        let iterations = match self.iterations {
            Some(iterations) => iterations,
            None => {
                self.compare_answers(&mut base, &mut head)?;
                *self.iterations.insert(base.calibrate(&self.name, round.sample)?)
            }
        };
        // Caches, branch predictors and the processor's clock settle outside of the samples.
        let warm_up = (iterations / 4).max(1);
        base.sample(&self.name, warm_up)?;
        head.sample(&self.name, warm_up)?;
        for pair in 0..round.pairs {
            // Base head, head base: a machine that drifts one way favours neither.
            let (b, h) = if (round.number + pair).is_multiple_of(2) {
                let b = base.sample(&self.name, iterations)?;
                (b, head.sample(&self.name, iterations)?)
            } else {
                let h = head.sample(&self.name, iterations)?;
                (base.sample(&self.name, iterations)?, h)
            };
            let [b, h] = alike(b, h).map(|(own, waited)| {
                self.ran += own;
                self.waited += waited;
                own / iterations as f64
            });
            self.base.push(b);
            self.head.push(h);
        }
        Ok(())
    }

    fn compare_answers(
        &self,
        base: &mut Running,
        head: &mut Running,
    ) -> Result<(), (Option<Side>, String)> {
        let [base, head] = [base.answer(&self.name)?, head.answer(&self.name)?];
        if !self.same_answer_asked || base == head {
            return Ok(());
        }
        let why = format!(
            "the answers differ, base {base:#x} and head {head:#x}: one is wrong, or the work \
             differs and its description must say so"
        );
        Err((None, why))
    }

    pub(super) fn why_failed(&self) -> String {
        match &self.failure {
            Some((Some(side), why)) => match &self.head_too {
                Some(head) => format!("{side}: {why}; head: {head}"),
                None => format!("{side}: {why}"),
            },
            Some((None, why)) => why.clone(),
            None => String::new(),
        }
    }

    /// Both sides as they are kept.
    pub(super) fn kept(&self) -> (Bench, Bench) {
        let side = |samples: &[f64], side| {
            let mut bench = Bench::new(&self.name, samples.to_vec());
            bench.work = Some(self.work.clone());
            bench.failure = match &self.failure {
                Some((failed, why)) if failed.is_none_or(|failed| failed == side) => {
                    Some(why.clone())
                }
                _ if side == Side::Head => self.head_too.clone(),
                _ => None,
            };
            bench
        };
        (side(&self.base, Side::Base), side(&self.head, Side::Head))
    }
}

/// Nanoseconds of a pair, base and head, without the waiting for a core, and the waiting. Both sides
/// lose theirs or none does: a program that tells no waiting, as one built with an older version,
/// has it in its time.
fn alike(base: Timed, head: Timed) -> [(f64, f64); 2] {
    let told = base.waiting.zip(head.waiting);
    let [base_waited, head_waited] = told.map_or([0, 0], |(base, head)| [base, head]);
    [(base, base_waited), (head, head_waited)].map(|(side, waited)| {
        let waited = waited.min(side.ns);
        ((side.ns - waited) as f64, waited as f64)
    })
}

/// One side's process.
struct Running {
    side: Side,
    session: Session,
    limit: Duration,
}

impl Running {
    fn start(
        side: Side,
        program: &SubjectProgram,
        bench: &Measured,
        round: &Round,
    ) -> Result<Running, (Option<Side>, String)> {
        let session = Session::start(program, "serve").map_err(|why| (Some(side), why))?;
        if round.pinned && bench.single_threaded {
            // Without it the figures scatter more, and are still right.
            pin(session.child());
        }
        Ok(Running { side, session, limit: round.limit })
    }

    fn ask<T: serde::de::DeserializeOwned>(
        &mut self,
        request: &Request,
    ) -> Result<T, (Option<Side>, String)> {
        self.session.ask(request, self.limit).map_err(|why| (Some(self.side), why))
    }

    fn answer(&mut self, bench: &str) -> Result<u64, (Option<Side>, String)> {
        let request = Request::Answer { bench: bench.to_owned() };
        self.ask::<Answered>(&request).map(|answered| answered.answer)
    }

    fn calibrate(&mut self, bench: &str, sample: Duration) -> Result<u64, (Option<Side>, String)> {
        let nanoseconds = u64::try_from(sample.as_nanos()).unwrap_or(u64::MAX);
        let request = Request::Calibrate { bench: bench.to_owned(), nanoseconds };
        self.ask::<Calibrated>(&request).map(|calibrated| calibrated.iterations.max(1))
    }

    fn sample(&mut self, bench: &str, iterations: u64) -> Result<Timed, (Option<Side>, String)> {
        let request = Request::Sample { bench: bench.to_owned(), iterations };
        self.ask::<Timed>(&request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_left_out_only_where_both_sides_tell_it() {
        let timed = |json: &str| serde_json::from_str::<Timed>(json).unwrap();
        let newer = timed(r#"{"ns":100,"waiting":30,"answer":1}"#);
        let quiet = timed(r#"{"ns":90,"waiting":0,"answer":1}"#);
        let older = timed(r#"{"ns":100,"answer":1}"#);
        assert_eq!(alike(newer, quiet), [(70.0, 30.0), (90.0, 0.0)]);
        assert_eq!(alike(older, newer), [(100.0, 0.0), (100.0, 0.0)]);
        assert_eq!(alike(newer, older), [(100.0, 0.0), (100.0, 0.0)]);
        assert_eq!(alike(older, older), [(100.0, 0.0), (100.0, 0.0)]);
    }
}
