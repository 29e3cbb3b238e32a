//! The run of a suite.

use super::report::{SectionReport, SuiteReport};
use super::{Context, Section, SectionFailure, recommend};
use crate::Machine;
use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How far a suite is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SuiteProgress {
    /// The section that runs.
    pub section: String,
    /// Its number, from 1 up.
    pub number: usize,
    /// How many sections there are.
    pub sections: usize,
    /// What it does.
    pub doing: String,
    /// How long the suite has run.
    pub elapsed: Duration,
}

pub(super) fn run(
    mut sections: Vec<Box<dyn Section>>,
    quick: bool,
    watch: &mut dyn FnMut(&SuiteProgress) -> ControlFlow<()>,
) -> SuiteReport {
    let begin = Instant::now();
    #[cfg(feature = "system")]
    let sampler = crate::system::Sampler::new().ok().and_then(|sampler| sampler.spawn().ok());
    let mut report = SuiteReport {
        format: 1,
        at: SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs()),
        machine: Machine::here(),
        quick,
        ..SuiteReport::default()
    };
    let count = sections.len();
    for (number, section) in sections.iter_mut().enumerate() {
        let name = section.name().to_owned();
        let mut tell = |doing: &str| {
            watch(&SuiteProgress {
                section: name.clone(),
                number: number + 1,
                sections: count,
                doing: doing.to_owned(),
                elapsed: begin.elapsed(),
            })
        };
        if report.stopped {
            let failure = Some("not run".to_owned());
            report.sections.push(SectionReport { name, failure, ..SectionReport::default() });
            continue;
        }
        let start = Instant::now();
        let mut context = Context::new(&name, quick, &mut tell);
        // A section that panics must not take the figures of the others with it.
        let done = catch_unwind(AssertUnwindSafe(|| section.run(&mut context)))
            .unwrap_or_else(|payload| Err(SectionFailure::Failed(panic_words(&*payload))));
        let Context { figures, checked, notes, .. } = context;
        report.stopped = done == Err(SectionFailure::Stopped);
        report.sections.push(SectionReport {
            name,
            figures,
            checked,
            notes,
            seconds: start.elapsed().as_secs_f64(),
            failure: done.err().map(|failure| failure.to_string()),
        });
    }
    report.complete = report.sections.iter().all(|section| section.failure.is_none());
    report.recommendations = recommend(&report.sections);
    #[cfg(feature = "system")]
    {
        report.system = sampler.map(crate::system::SamplerThread::stop);
    }
    report.seconds = begin.elapsed().as_secs_f64();
    report
}

fn panic_words(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    format!("it panicked: {text}")
}
