//! What a section works with.

use super::figure::{Better, Figure};
use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// What a section works with: it times, checks and keeps.
pub struct Context<'a> {
    section: String,
    quick: bool,
    watch: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    pub(super) figures: Vec<Figure>,
    pub(super) checked: u64,
    pub(super) notes: Vec<String>,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        section: &str,
        quick: bool,
        watch: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Context<'a> {
        let section = section.to_owned();
        Context { section, quick, watch, figures: Vec::new(), checked: 0, notes: Vec::new() }
    }

    /// Whether figures may be less certain for the sake of time.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// One of two numbers: for a whole run, or for a quick one.
    #[must_use]
    pub fn size(&self, whole: u64, quick: u64) -> u64 {
        if self.quick { quick } else { whole }
    }

    /// Tells whoever watches what is done now.
    ///
    /// # Errors
    ///
    /// [`SectionFailure::Stopped`] if they want the suite to end.
    pub fn doing(&mut self, what: &str) -> Result<(), SectionFailure> {
        match (self.watch)(what) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(SectionFailure::Stopped),
        }
    }

    /// Times a call in batches and keeps the figure, in nanoseconds a call.
    ///
    /// The call gets a number that counts up, and its answer is used, so that no compiler can leave
    /// it out. The size of a batch is found first: so many calls as take 200 µs (quick: 50 µs),
    /// where the clock's own cost has vanished.
    ///
    /// # Errors
    ///
    /// [`SectionFailure::Stopped`] if whoever watches wants the suite to end.
    pub fn time<T>(
        &mut self,
        name: &str,
        label: &str,
        mut call: impl FnMut(u64) -> T,
    ) -> Result<(), SectionFailure> {
        let mut number = 0;
        self.time_batches(name, label, |calls| {
            let begin = Instant::now();
            for _ in 0..calls {
                black_box(call(black_box(number)));
                number += 1;
            }
            Ok(begin.elapsed())
        })
    }

    /// Times batches of calls as [`time`](Self::time) does, for calls that need something around
    /// them: `batch` makes so many calls and answers how long they took.
    ///
    /// # Errors
    ///
    /// What `batch` answers, and [`SectionFailure::Stopped`] if whoever watches wants the suite to
    /// end.
    pub fn time_batches(
        &mut self,
        name: &str,
        label: &str,
        mut batch: impl FnMut(u64) -> Result<Duration, SectionFailure>,
    ) -> Result<(), SectionFailure> {
        self.doing(label)?;
        let batch_time = Duration::from_micros(self.size(200, 50));
        let batches = self.size(500, 60);
        let mut calls = 1;
        loop {
            // The shortest of a few: one that was interrupted must not make batches too small.
            let mut shortest = Duration::MAX;
            for _ in 0..5 {
                shortest = shortest.min(batch(calls)?);
            }
            if shortest >= batch_time || calls >= MOST_CALLS {
                break;
            }
            calls *= 2;
        }
        let mut values = Vec::new();
        for _ in 0..batches {
            values.push(batch(calls)?.as_nanos() as f64 / calls as f64);
        }
        self.keep(Figure::of(name, label, &values, calls, "ns", Better::Lower));
        Ok(())
    }

    /// Keeps a figure. Its name becomes an id with the section's name before it. Of one that is no
    /// number only a note is kept.
    pub fn keep(&mut self, mut figure: Figure) {
        if !figure.value.is_finite() {
            self.notes.push(format!("{}: nothing was measured", figure.label));
            return;
        }
        figure.id = format!("{}/{}", self.section, figure.id);
        self.figures.push(figure);
    }

    /// Counts an answer that is right.
    ///
    /// # Errors
    ///
    /// [`SectionFailure::Wrong`] if it is not: fast and wrong must fail.
    pub fn check(&mut self, right: bool, what: &str) -> Result<(), SectionFailure> {
        if !right {
            return Err(SectionFailure::Wrong(what.to_owned()));
        }
        self.checked += 1;
        Ok(())
    }

    /// Counts many right answers at once.
    pub fn checked(&mut self, answers: u64) {
        self.checked += answers;
    }

    /// Keeps something that the reader should know.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("section", &self.section)
            .field("quick", &self.quick)
            .field("figures", &self.figures)
            .finish_non_exhaustive()
    }
}

/// A batch is never larger: a call that takes no time at all must end too.
const MOST_CALLS: u64 = 1 << 20;

/// Why a section does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SectionFailure {
    /// Whoever watches wanted the suite to end.
    Stopped,
    /// An answer was wrong.
    Wrong(String),
    /// Something else failed.
    Failed(String),
}

impl SectionFailure {
    /// Something failed.
    #[must_use]
    pub fn failed(why: impl fmt::Display) -> SectionFailure {
        SectionFailure::Failed(why.to_string())
    }
}

impl fmt::Display for SectionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SectionFailure::Stopped => f.write_str("stopped"),
            SectionFailure::Wrong(what) => write!(f, "wrong answer: not so that {what}"),
            SectionFailure::Failed(why) => f.write_str(why),
        }
    }
}

impl Error for SectionFailure {}
