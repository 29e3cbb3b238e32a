//! One suite of sections, each of which puts figures to a part of the product or of a program that
//! uses it.
//!
//! A figure is timed over batches of many calls, never over a single call: a clock costs as much as
//! a lookup. Its quantiles are those of the batches' means, so they tell how steady it is and not
//! how slow one call may be, unless a figure says otherwise.

mod advice;
mod context;
#[cfg(feature = "sqlite")]
mod database;
mod figure;
mod report;
mod run;

pub use advice::{Recommendation, recommend};
pub use context::{Context, SectionFailure};
#[cfg(feature = "sqlite")]
pub use database::DatabaseSection;
pub use figure::{Better, Figure, Spread};
pub use report::{SectionReport, SuiteReport};
pub use run::SuiteProgress;

use std::fmt;
use std::ops::ControlFlow;

/// A part of a suite.
pub trait Section {
    /// Its name, the first part of its figures' ids.
    fn name(&self) -> &str;

    /// Measures, and hands each figure to the context as soon as it has it.
    ///
    /// # Errors
    ///
    /// Why it cannot go on. What the context has by then is kept and the section marked.
    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure>;
}

/// A suite of sections that are run one after the other.
///
/// ```
/// use perf_bench::suite::{Context, PerformanceBenchmark, Section, SectionFailure};
///
/// struct Sorting;
///
/// impl Section for Sorting {
///     fn name(&self) -> &str {
///         "sorting"
///     }
///
///     fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
///         context.time("sort_1000", "sort 1 000 numbers", |n| {
///             let mut numbers: Vec<u64> = (0..1000).map(|i| (i * 7919 + n) % 1009).collect();
///             numbers.sort_unstable();
///             numbers[0]
///         })?;
///         context.check(true, "the numbers are in order")
///     }
/// }
///
/// let report = PerformanceBenchmark::new().section(Sorting).quick(true).run();
/// assert!(report.complete);
/// assert!(report.figure("sorting/sort_1000").unwrap().value > 0.0);
/// ```
#[doc(alias = "Suite")]
#[doc(alias = "BenchmarkSuite")]
#[derive(Default)]
pub struct PerformanceBenchmark {
    sections: Vec<Box<dyn Section>>,
    only: Vec<String>,
    quick: bool,
}

impl PerformanceBenchmark {
    /// A suite without sections.
    #[must_use]
    pub fn new() -> PerformanceBenchmark {
        PerformanceBenchmark::default()
    }

    /// The same with one more section at the end.
    #[must_use]
    pub fn section(mut self, section: impl Section + 'static) -> PerformanceBenchmark {
        self.sections.push(Box::new(section));
        self
    }

    /// The same, in a fraction of the time and with less certain figures.
    #[must_use]
    pub fn quick(mut self, quick: bool) -> PerformanceBenchmark {
        self.quick = quick;
        self
    }

    /// The same with the sections of these names alone.
    ///
    /// # Errors
    ///
    /// [`UnknownSection`] if there is none of a name; it names those that there are.
    pub fn only(mut self, names: &[&str]) -> Result<PerformanceBenchmark, UnknownSection> {
        for &name in names {
            if !self.sections.iter().any(|section| section.name() == name) {
                let known = self.names().iter().map(ToString::to_string).collect();
                return Err(UnknownSection { name: name.to_owned(), known });
            }
        }
        self.only = names.iter().map(ToString::to_string).collect();
        Ok(self)
    }

    /// The names of all its sections.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.sections.iter().map(|section| section.name()).collect()
    }

    /// Runs the sections. One that fails is marked in the report, and the others still run.
    #[must_use]
    pub fn run(self) -> SuiteReport {
        self.run_watched(&mut |_| ControlFlow::Continue(()))
    }

    /// Runs the sections and tells how far it is. `Break` ends the suite, with what it has.
    #[must_use]
    pub fn run_watched(
        self,
        watch: &mut dyn FnMut(&SuiteProgress) -> ControlFlow<()>,
    ) -> SuiteReport {
        let PerformanceBenchmark { mut sections, only, quick } = self;
        if !only.is_empty() {
            sections.retain(|section| only.iter().any(|name| name == section.name()));
        }
        run::run(sections, quick, watch)
    }
}

impl fmt::Debug for PerformanceBenchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerformanceBenchmark")
            .field("sections", &self.names())
            .field("only", &self.only)
            .field("quick", &self.quick)
            .finish()
    }
}

/// A section was asked for that the suite does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSection {
    name: String,
    known: Vec<String>,
}

impl fmt::Display for UnknownSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no section is called `{}`: there are {}", self.name, self.known.join(", "))
    }
}

impl std::error::Error for UnknownSection {}
