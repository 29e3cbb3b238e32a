//! What the response cache counts.

use super::policy::NotStored;
use super::status::Place;
use crate::Coding;
use perf_core::{Clock, Counter, Instant, Signal, StripedHistogram, Unit};

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// From memory, fresh, or from the fetch of another request.
    Hit,
    /// From a disk, fresh.
    Disk,
    /// From a server that several processes share, fresh.
    Remote,
    /// From the edge of the network, fresh.
    Cdn,
    /// From the store, past its lifetime.
    Stale,
    /// From the store, after the origin said that it still holds.
    Revalidated,
    /// From the origin.
    Miss,
    /// From the origin, since it could not have been otherwise.
    Bypass,
    /// The origin failed.
    Error,
}

impl Outcome {
    const ALL: [Outcome; 9] = [
        Outcome::Hit,
        Outcome::Disk,
        Outcome::Remote,
        Outcome::Cdn,
        Outcome::Stale,
        Outcome::Revalidated,
        Outcome::Miss,
        Outcome::Bypass,
        Outcome::Error,
    ];

    fn name(self) -> &'static str {
        match self {
            Outcome::Hit => "hit",
            Outcome::Disk => Place::Disk.word(),
            Outcome::Remote => Place::Remote.word(),
            Outcome::Cdn => Place::Cdn.word(),
            Outcome::Stale => "stale",
            Outcome::Revalidated => "revalidated",
            Outcome::Miss => "miss",
            Outcome::Bypass => "bypass",
            Outcome::Error => "error",
        }
    }
}

impl From<Place> for Outcome {
    fn from(place: Place) -> Outcome {
        match place {
            Place::Disk => Outcome::Disk,
            Place::Remote => Outcome::Remote,
            Place::Cdn => Outcome::Cdn,
        }
    }
}

pub(crate) struct Meters {
    since: Instant,
    durations: [StripedHistogram; Outcome::ALL.len()],
    not_stored: [Counter; NotStored::ALL.len()],
    encoded: [Counter; Coding::ALL.len()],
    pub(crate) bytes_identity: Counter,
    pub(crate) bytes_sent: Counter,
    pub(crate) origin_bytes: Counter,
    pub(crate) not_modified: Counter,
    pub(crate) stored: Counter,
    pub(crate) invalidated: Counter,
    pub(crate) not_durable: Counter,
    pub(crate) collapsed: Counter,
    pub(crate) uncollapsed: Counter,
    pub(crate) variants_dropped: Counter,
}

impl Meters {
    pub(crate) fn new(clock: &Clock) -> Meters {
        Meters {
            since: clock.now(),
            durations: [const { StripedHistogram::new() }; Outcome::ALL.len()],
            not_stored: [const { Counter::new() }; NotStored::ALL.len()],
            encoded: [const { Counter::new() }; Coding::ALL.len()],
            bytes_identity: Counter::new(),
            bytes_sent: Counter::new(),
            origin_bytes: Counter::new(),
            not_modified: Counter::new(),
            stored: Counter::new(),
            invalidated: Counter::new(),
            not_durable: Counter::new(),
            collapsed: Counter::new(),
            uncollapsed: Counter::new(),
            variants_dropped: Counter::new(),
        }
    }

    pub(crate) fn answered(&self, outcome: Outcome, nanos: u64) {
        self.durations[outcome as usize].record(nanos);
    }

    pub(crate) fn refused(&self, reason: NotStored) {
        self.not_stored[reason as usize].increment();
    }

    pub(crate) fn encoded(&self, coding: Coding) {
        self.encoded[coding as usize].increment();
    }

    pub(crate) fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        for outcome in Outcome::ALL {
            let labels = [("outcome", outcome.name())];
            let durations = self.durations[outcome as usize].snapshot();
            visit(
                Signal::counter("answers", durations.count(), self.since)
                    .labels(&labels)
                    .help("Answers by where they came from."),
            );
            visit(
                Signal::histogram("answer_duration", Unit::Nanoseconds, &durations, self.since)
                    .labels(&labels)
                    .help("From the request until the head of its answer is ready."),
            );
        }
        for reason in NotStored::ALL {
            let labels = [("reason", reason.reason())];
            visit(
                Signal::counter("not_stored", self.not_stored[reason as usize].get(), self.since)
                    .labels(&labels)
                    .help("Answers of the origin that were not stored, by reason."),
            );
        }
        for coding in Coding::ALL {
            let labels = [("coding", coding.name())];
            visit(
                Signal::counter("encoded", self.encoded[coding as usize].get(), self.since)
                    .labels(&labels)
                    .help("Bodies encoded; each is kept, so this grows with what is new."),
            );
        }
        let bytes = [
            (
                "bytes_identity",
                &self.bytes_identity,
                "Bytes that whole, uncoded answers would have had.",
            ),
            ("bytes_sent", &self.bytes_sent, "Bytes of bodies that were sent."),
            ("origin_bytes", &self.origin_bytes, "Bytes of bodies that came from the origin."),
        ];
        for (name, counter, help) in bytes {
            visit(Signal::counter(name, counter.get(), self.since).unit(Unit::Bytes).help(help));
        }
        let counters = [
            ("not_modified", &self.not_modified, "Answers 304: the client had it already."),
            ("stored", &self.stored, "Answers of the origin that were stored."),
            ("invalidated", &self.invalidated, "Stored answers of memory that were invalidated."),
            (
                "not_durable",
                &self.not_durable,
                "Invalidations that a tier could not be told when they were made.",
            ),
            ("collapsed", &self.collapsed, "Requests answered by the fetch of another one."),
            (
                "uncollapsed",
                &self.uncollapsed,
                "Fetches that nobody could wait for: too many were under way.",
            ),
            (
                "variants_dropped",
                &self.variants_dropped,
                "Variants that left because their URL had too many.",
            ),
        ];
        for (name, counter, help) in counters {
            visit(Signal::counter(name, counter.get(), self.since).help(help));
        }
    }
}
