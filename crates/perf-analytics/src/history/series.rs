//! One series: the last cumulative reading, and the windows cut from the readings.

use super::sketch::{self, Buckets, Edges, Scratch};
use super::tape::{Reader, Record, Records, Tape, write_f64, write_varint};
use super::{Kind, TIERS};
use perf_core::{Instant, Reading, Signal, Unit};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Series {
    pub(super) component: Box<str>,
    pub(super) signal: Box<str>,
    pub(super) labels: Box<[(Box<str>, Box<str>)]>,
    pub(super) unit: Unit,
    pub(super) kind: Kind,
    /// The slot of the last reading.
    pub(super) last_slot: u64,
    last_at: Instant,
    since: Instant,
    last: Cumulative,
    tiers: [Tier; TIERS.len()],
}

/// Where the first reading of a new series is counted from.
#[derive(Clone, Copy, Debug)]
pub(super) enum First {
    /// All of it happened after this moment.
    CountsFrom(Instant),
    /// Nobody knows when it happened: windows start with the next reading.
    IsBaseline,
}

impl Series {
    pub(super) fn new(component: &str, signal: &Signal<'_>, kind: Kind) -> Series {
        Series {
            component: component.into(),
            signal: signal.name.into(),
            labels: signal.labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            unit: signal.unit,
            kind,
            last_slot: 0,
            last_at: Instant::default(),
            since: signal.since,
            last: Cumulative::None,
            tiers: std::array::from_fn(|_| Tier::default()),
        }
    }

    pub(super) fn is(&self, component: &str, signal: &Signal<'_>, kind: Kind) -> bool {
        self.kind == kind
            && *self.signal == *signal.name
            && *self.component == *component
            && self.labels.len() == signal.labels.len()
            && self.labels.iter().zip(signal.labels).all(|(a, b)| *a.0 == *b.0 && *a.1 == *b.1)
    }

    /// Takes a reading: what came since the last one is added to the window of `slot`.
    pub(super) fn read(
        &mut self,
        at: Instant,
        slot: u64,
        signal: &Signal<'_>,
        first: First,
        edges: &mut Edges,
    ) {
        let slot = slot.max(self.last_slot);
        let reset = signal.since != self.since;
        let (now, delta) = self.last.advance(&signal.reading, reset, edges);
        let begun = match (&self.last, first) {
            (Cumulative::None, First::IsBaseline) => None,
            (Cumulative::None, First::CountsFrom(from)) => Some(from),
            _ if reset => Some(self.last_at.max(signal.since)),
            _ => Some(self.last_at),
        };
        let covered = begun.map(|from| at.saturating_since(from));
        (self.last, self.since, self.last_slot) = (now, signal.since, slot);
        self.last_at = at.max(self.last_at);
        let covered = match (covered, &delta) {
            // Not a number is no reading.
            (_, Window::Gauge { count: 0, .. }) => None,
            // A gauge has no past: its first reading counts.
            (None, Window::Gauge { .. }) => Some(Duration::ZERO),
            (covered, _) => covered,
        };
        if let Some(covered) = covered {
            let covered = u64::try_from(covered.as_millis()).unwrap_or(u64::MAX);
            for (tier, shape) in self.tiers.iter_mut().zip(TIERS) {
                tier.add(slot / shape.step, covered, &delta, shape.windows);
            }
        }
    }

    /// The windows of one tier, oldest first.
    pub(super) fn windows(&self, tier: usize) -> Windows<'_> {
        let tier = &self.tiers[tier];
        Windows { sealed: tier.sealed.iter(), open: tier.open.as_ref() }
    }

    /// Bytes held by this series.
    pub(super) fn bytes(&self) -> usize {
        let text: usize = self.labels.iter().map(|(k, v)| k.len() + v.len() + 32).sum();
        let tiers: usize = self.tiers.iter().map(Tier::bytes).sum();
        let last = match &self.last {
            Cumulative::Histogram(buckets, _) => buckets.capacity() * 16,
            _ => 0,
        };
        size_of::<Series>() + self.component.len() + self.signal.len() + text + tiers + last
    }

    /// Forgets the older half of the largest tier; answers how many windows that were.
    pub(super) fn drop_half(&mut self) -> usize {
        let largest = self.tiers.iter_mut().max_by_key(|t| t.sealed.capacity());
        largest.map_or(0, |t| t.sealed.drop_half())
    }
}

/// A cumulative reading, kept to subtract it from the next.
#[derive(Debug)]
enum Cumulative {
    None,
    Counter(u64),
    Gauge,
    Histogram(Buckets, u128),
}

impl Cumulative {
    /// The next reading, and what it holds beyond this one: all of it after a reset.
    fn advance(
        &self,
        reading: &Reading<'_>,
        reset: bool,
        edges: &mut Edges,
    ) -> (Cumulative, Window) {
        match reading {
            Reading::Counter(now) => {
                let before = match self {
                    // A counter that went back was reset, whatever it says.
                    Cumulative::Counter(before) if !reset && before <= now => *before,
                    _ => 0,
                };
                (Cumulative::Counter(*now), Window::Counter(now - before))
            }
            Reading::Histogram(histogram) => {
                let now: Buckets =
                    histogram.buckets().map(|b| (edges.number(&b), b.count)).collect();
                let delta = match self {
                    Cumulative::Histogram(before, sum) if !reset => {
                        sketch::difference(&now, before).zip(histogram.sum().checked_sub(*sum))
                    }
                    _ => None,
                };
                let (buckets, sum) = delta.unwrap_or_else(|| (now.clone(), histogram.sum()));
                (Cumulative::Histogram(now, histogram.sum()), Window::Sketch { buckets, sum })
            }
            Reading::Gauge(value) => {
                let window = if value.is_finite() {
                    Window::Gauge { sum: *value, count: 1, last: *value }
                } else {
                    Window::Gauge { sum: 0.0, count: 0, last: 0.0 }
                };
                (Cumulative::Gauge, window)
            }
            // Kinds that this version does not know hold nothing it could add up.
            _ => (Cumulative::Gauge, Window::Counter(0)),
        }
    }
}

#[derive(Debug, Default)]
struct Tier {
    sealed: Tape,
    open: Option<Open>,
}

impl Tier {
    fn add(&mut self, slot: u64, covered_ms: u64, delta: &Window, keep: u64) {
        match &mut self.open {
            Some(open) if open.slot == slot => {
                open.covered_ms += covered_ms;
                open.window.add(delta);
            }
            open => {
                let closed = open.replace(Open { slot, covered_ms, window: delta.clone() });
                if let Some(closed) = closed {
                    let payload = closed.window.pack();
                    self.sealed.push(closed.slot, closed.covered_ms, &payload);
                }
                self.sealed.drop_before((slot + 1).saturating_sub(keep));
            }
        }
    }

    fn bytes(&self) -> usize {
        let open = match &self.open {
            Some(Open { window: Window::Sketch { buckets, .. }, .. }) => buckets.capacity() * 16,
            _ => 0,
        };
        self.sealed.capacity() + open
    }
}

/// The window that is still being added to.
#[derive(Debug)]
struct Open {
    slot: u64,
    covered_ms: u64,
    window: Window,
}

/// What came in a window.
#[derive(Clone, Debug)]
enum Window {
    Counter(u64),
    /// The sum and number of the readings, for their mean; and the last one.
    Gauge {
        sum: f64,
        count: u64,
        last: f64,
    },
    Sketch {
        buckets: Buckets,
        sum: u128,
    },
}

impl Window {
    fn add(&mut self, more: &Window) {
        match (self, more) {
            (Window::Counter(a), Window::Counter(b)) => *a = a.wrapping_add(*b),
            (
                Window::Gauge { sum, count, last },
                Window::Gauge { sum: more, count: n, last: latest },
            ) => {
                *sum += more;
                *count += n;
                if *n > 0 {
                    *last = *latest;
                }
            }
            (Window::Sketch { buckets, sum }, Window::Sketch { buckets: more, sum: more_sum }) => {
                sketch::add(buckets, more);
                *sum += more_sum;
            }
            // The kind is part of a series' identity.
            _ => debug_assert!(false, "a series never changes its kind"),
        }
    }

    fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        match self {
            Window::Counter(delta) => write_varint(&mut out, u128::from(*delta)),
            Window::Gauge { sum, count, .. } => {
                write_f64(&mut out, *sum);
                write_varint(&mut out, u128::from(*count));
            }
            Window::Sketch { buckets, sum } => {
                write_varint(&mut out, *sum);
                write_varint(&mut out, buckets.len() as u128);
                let mut before = 0;
                for (number, count) in buckets {
                    write_varint(&mut out, u128::from(number - before));
                    write_varint(&mut out, u128::from(*count));
                    before = *number;
                }
            }
        }
        out
    }
}

/// The windows of one tier, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Windows<'a> {
    sealed: Records<'a>,
    open: Option<&'a Open>,
}

impl<'a> Iterator for Windows<'a> {
    type Item = WindowRef<'a>;

    fn next(&mut self) -> Option<WindowRef<'a>> {
        match self.sealed.next() {
            Some(Record { slot, covered_ms, payload }) => {
                Some(WindowRef { slot, covered_ms, content: Content::Packed(payload) })
            }
            None => self.open.take().map(|open| WindowRef {
                slot: open.slot,
                covered_ms: open.covered_ms,
                content: Content::Open(&open.window),
            }),
        }
    }
}

/// A window as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowRef<'a> {
    /// In steps of its tier.
    pub(super) slot: u64,
    pub(super) covered_ms: u64,
    content: Content<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    Packed(Reader<'a>),
    Open(&'a Window),
}

impl WindowRef<'_> {
    pub(super) fn counter(&self) -> u64 {
        match self.content {
            Content::Packed(mut reader) => reader.next_u64(),
            Content::Open(Window::Counter(delta)) => *delta,
            Content::Open(_) => 0,
        }
    }

    /// Sum and number of the readings, and the last one (the mean, once the window is closed).
    pub(super) fn gauge(&self) -> (f64, u64, f64) {
        match self.content {
            Content::Packed(mut reader) => {
                let (sum, count) = (reader.next_f64(), reader.next_u64());
                (sum, count, if count == 0 { 0.0 } else { sum / count as f64 })
            }
            Content::Open(Window::Gauge { sum, count, last }) => (*sum, *count, *last),
            Content::Open(_) => (0.0, 0, 0.0),
        }
    }

    pub(super) fn merge_into(&self, scratch: &mut Scratch) {
        match self.content {
            Content::Packed(mut reader) => {
                scratch.add_sum(reader.next_u128());
                let mut number = 0;
                for _ in 0..reader.next_u64() {
                    number += reader.next_u64() as u16;
                    scratch.add(number, reader.next_u64());
                }
            }
            Content::Open(Window::Sketch { buckets, sum }) => {
                scratch.add_sum(*sum);
                for (number, count) in buckets {
                    scratch.add(*number, *count);
                }
            }
            Content::Open(_) => {}
        }
    }
}
