//! Subject programs: benches behind a line protocol, so that a driver can interleave two of them.
//!
//! A benchmark framework that runs one program after the other charges whatever the machine did in
//! between to the second one. Here the program only holds the benches; somebody else starts the
//! base's and the head's program together and asks them in turn for one sample each. The same
//! program counts instead of timing when it runs under callgrind.
//!
//! ```no_run
//! use perf_bench::{Subjects, repeat};
//!
//! fn main() -> std::process::ExitCode {
//!     Subjects::new()
//!         .bench("sort/thousand", "sorts 1000 numbers in falling order, version 1", || {
//!             let falling: Vec<u64> = (0..1000).rev().collect();
//!             move |iterations| {
//!                 repeat(iterations, || {
//!                     let mut numbers = falling.clone();
//!                     numbers.sort_unstable();
//!                     numbers[0] + numbers[999]
//!                 })
//!             }
//!         })
//!         .main()
//! }
//! ```

mod command;
mod injection;
mod protocol;
mod timing;
mod waiting;

pub(crate) use injection::VARIABLE as INJECTION_VARIABLE;
pub use injection::{Injection, InjectionError};
pub(crate) use protocol::{Answered, Calibrated, Failed, Listing, Request, Timed};
pub use protocol::{CountedRegion, ListedSubject, PROTOCOL};
pub use timing::repeat;
pub(crate) use waiting::waited_for_core;

use std::fmt;

/// Does its work as often as told and returns an answer that depends on all of it.
type Body = Box<dyn FnMut(u64) -> u64>;

/// The benches of one program, and its `main`.
#[derive(Debug, Default)]
pub struct Subjects {
    subjects: Vec<Subject>,
}

/// One bench: a name, what it does, and how to set it up.
pub struct Subject {
    name: String,
    work: String,
    single_threaded: bool,
    answer_iterations: u64,
    set_up: Box<dyn Fn() -> Body>,
}

impl Subjects {
    /// A program without benches.
    #[must_use]
    pub fn new() -> Subjects {
        Subjects::default()
    }

    /// Adds a bench that runs on one thread; see [`Subject::new`].
    #[must_use]
    pub fn bench<S, B>(
        self,
        name: impl Into<String>,
        work: impl Into<String>,
        set_up: S,
    ) -> Subjects
    where
        S: Fn() -> B + 'static,
        B: FnMut(u64) -> u64 + 'static,
    {
        self.subject(Subject::new(name, work, set_up))
    }

    /// Adds a bench.
    #[must_use]
    pub fn subject(mut self, subject: Subject) -> Subjects {
        self.subjects.push(subject);
        self
    }

    /// The names in the order they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.subjects.iter().map(|subject| subject.name.as_str())
    }

    /// The whole program: reads the arguments, answers on standard output.
    #[must_use]
    pub fn main(self) -> std::process::ExitCode {
        command::main(&self, std::env::args().skip(1))
    }

    fn find(&self, name: &str) -> Result<&Subject, String> {
        self.subjects
            .iter()
            .find(|subject| subject.name == name)
            .ok_or_else(|| format!("there is no bench `{name}`, `list` names them"))
    }
}

impl Subject {
    /// A bench on one thread.
    ///
    /// `work` says what one iteration does and must change with it: two sides whose `work` differs
    /// are not compared. `set_up` makes the body, outside of what is timed. The body does its work
    /// as often as it is told ([`repeat`] helps) and returns a checksum of what came out; it must
    /// be the same in every process for the same number of iterations, so seeds are fixed and
    /// nothing hangs on addresses or on the time.
    pub fn new<S, B>(name: impl Into<String>, work: impl Into<String>, set_up: S) -> Subject
    where
        S: Fn() -> B + 'static,
        B: FnMut(u64) -> u64 + 'static,
    {
        Subject {
            name: name.into(),
            work: work.into(),
            single_threaded: true,
            answer_iterations: 64,
            set_up: Box::new(move || Box::new(set_up())),
        }
    }

    /// The body uses several threads: it is not pinned to one core, and its instructions differ
    /// from run to run.
    #[must_use]
    pub fn multi_threaded(mut self) -> Subject {
        self.single_threaded = false;
        self
    }

    /// How many iterations, from a fresh set-up, the answer is taken of that both sides must agree
    /// on. 64 unless said otherwise; lower it where one iteration takes milliseconds.
    #[must_use]
    pub fn answer_iterations(mut self, iterations: u64) -> Subject {
        self.answer_iterations = iterations.max(1);
        self
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name)
            .field("work", &self.work)
            .field("single_threaded", &self.single_threaded)
            .finish_non_exhaustive()
    }
}
