//! Runs a body: for its answer, for a number of iterations that takes long enough, for its time,
//! and inside the region that is counted.

use super::waiting::{self, Spent};
use super::{Body, Subject};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// More iterations than any real bench needs in the time a sample takes.
const MOST_ITERATIONS: u64 = 1 << 40;

/// Does `work` as often as told; the answer depends on every result.
///
/// The results pass through [`black_box`], so that none of the work can be left out.
pub fn repeat(iterations: u64, mut work: impl FnMut() -> u64) -> u64 {
    let mut answer = 0_u64;
    for _ in 0..iterations {
        answer = answer.rotate_left(5) ^ black_box(work());
    }
    answer
}

/// A bench that has been set up.
pub(super) struct Live {
    body: Body,
    single_threaded: bool,
}

impl Live {
    /// Sets the bench up.
    pub(super) fn new(subject: &Subject) -> Result<Live, String> {
        let single_threaded = subject.single_threaded;
        guarded(|| Live { body: (subject.set_up)(), single_threaded })
    }

    /// The answer of so many iterations.
    pub(super) fn answer(&mut self, iterations: u64) -> Result<u64, String> {
        guarded(|| black_box((self.body)(black_box(iterations))))
    }

    /// How long so many iterations take, and their answer. The clock is read twice.
    ///
    /// What one thread waits for a core is told apart. Of several threads only one is seen, so
    /// that their waiting stays in their time.
    pub(super) fn time(&mut self, iterations: u64) -> Result<(Spent, u64), String> {
        let single_threaded = self.single_threaded;
        guarded(|| {
            let mut run = || black_box((self.body)(black_box(iterations)));
            if single_threaded {
                return waiting::time(run);
            }
            let start = Instant::now();
            let answer = run();
            (Spent { elapsed: start.elapsed(), waited: None }, answer)
        })
    }

    /// So many iterations inside the region that a counting tool switches on.
    pub(super) fn count(&mut self, iterations: u64) -> Result<u64, String> {
        guarded(|| perfkit_counted_region(&mut self.body, iterations))
    }

    /// The number of iterations that takes about `target`, and how long some of them took.
    pub(super) fn calibrate(&mut self, target: Duration) -> Result<(u64, Duration), String> {
        calibrate(target, |iterations| Ok(self.time(iterations)?.0.own()))
    }
}

/// The number of iterations that takes about `target`, found by doubling.
fn calibrate(
    target: Duration,
    mut time: impl FnMut(u64) -> Result<Duration, String>,
) -> Result<(u64, Duration), String> {
    let mut iterations = 1_u64;
    loop {
        let mut elapsed = time(iterations)?;
        // A tenth of the target is long enough to extrapolate from. It is measured twice, since the
        // machine may have been away during the first, which would end the search at once.
        if elapsed >= target / 10 {
            elapsed = elapsed.min(time(iterations)?);
        }
        if elapsed >= target / 10 {
            let per_iteration = elapsed.as_secs_f64() / iterations as f64;
            let wanted = (target.as_secs_f64() / per_iteration).ceil();
            let wanted = (wanted as u64).clamp(1, MOST_ITERATIONS);
            if wanted <= iterations {
                return Ok((wanted, elapsed));
            }
            // Then it is tried once more, since the first rounds ran with cold caches.
            let elapsed = time(wanted)?;
            let shortfall = target.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
            let corrected = (wanted as f64 * shortfall.clamp(1.0, 20.0)).ceil() as u64;
            return Ok((corrected.min(MOST_ITERATIONS), elapsed));
        }
        if iterations >= MOST_ITERATIONS {
            return Err(format!(
                "{iterations} iterations take {elapsed:?}, so the body does not do its work once \
                 per iteration"
            ));
        }
        iterations *= 2;
    }
}

/// Counting tools find this function by its name, so it is neither inlined nor doubled.
#[inline(never)]
fn perfkit_counted_region(body: &mut Body, iterations: u64) -> u64 {
    black_box(body(black_box(iterations)))
}

/// Runs it; a panic becomes its message. The body is not used again afterwards.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned());
        message.map_or_else(|| "panicked".to_owned(), |text| format!("panicked: {text}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    /// A body that takes so long for each iteration, and `stalls` for its first round.
    fn timer(each: Duration, stalls: Duration) -> impl FnMut(u64) -> Result<Duration, String> {
        let mut late = Some(stalls);
        move |iterations| {
            let own = Duration::from_nanos(each.as_nanos() as u64 * iterations);
            Ok(own + late.take().unwrap_or_default())
        }
    }

    #[test]
    fn calibration_finds_how_many_iterations_take_as_long_as_asked() {
        let target = Duration::from_micros(200);
        let each = Duration::from_nanos(10);
        assert_eq!(calibrate(target, timer(each, Duration::ZERO)).unwrap().0, 20_000);
        let slow = Duration::from_millis(3);
        assert_eq!(calibrate(target, timer(slow, Duration::ZERO)).unwrap(), (1, slow));
    }

    #[test]
    fn a_machine_that_was_away_once_does_not_end_calibration() {
        let timer = timer(Duration::from_nanos(10), Duration::from_millis(50));
        assert_eq!(calibrate(Duration::from_micros(200), timer).unwrap().0, 20_000);
    }

    #[test]
    fn a_body_that_ignores_its_iterations_is_named() {
        let error =
            calibrate(Duration::from_millis(20), |_| Ok(Duration::from_nanos(9))).unwrap_err();
        assert!(error.contains("once per iteration"), "{error}");
    }

    #[test]
    fn what_calibration_answers_has_been_run() {
        let seen = Rc::new(Cell::new(0_u64));
        let counter = Rc::clone(&seen);
        let subject = Subject::new("spin", "spins", move || {
            let seen = Rc::clone(&counter);
            move |iterations| {
                seen.set(seen.get() + iterations);
                repeat(iterations, || black_box(1))
            }
        });
        let (_, elapsed) =
            Live::new(&subject).unwrap().calibrate(Duration::from_micros(200)).unwrap();
        assert!(elapsed > Duration::ZERO && seen.get() >= 1);
    }

    #[test]
    fn a_panic_becomes_its_message() {
        let subject =
            Subject::new("bad", "panics", || |n| if n == 3 { panic!("at {n}") } else { n });
        let mut live = Live::new(&subject).unwrap();
        assert_eq!(live.answer(2), Ok(2));
        assert_eq!(live.answer(3), Err("panicked: at 3".to_owned()));
    }

    #[test]
    fn repeat_depends_on_every_result() {
        let mut counter = 0;
        let mut next = || {
            counter += 1;
            counter
        };
        let first = repeat(10, &mut next);
        assert_ne!(first, repeat(10, &mut next));
    }
}
