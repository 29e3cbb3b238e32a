//! Questions to a [`History`].

use super::series::{Series, WindowRef, Windows};
use super::sketch::Scratch;
use super::store::Inner;
use super::{History, Kind, Shape, TIERS, nanos};
use perf_core::Histogram;
use serde::Serialize;
use std::iter::Peekable;
use std::time::Duration;

/// Which series a question is about. All that match are merged: counters and gauges are added,
/// distributions joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    component: Option<String>,
    signal: String,
    labels: Vec<(String, String)>,
}

impl Select {
    /// Every series of a signal of one component.
    #[must_use]
    pub fn new(component: impl Into<String>, signal: impl Into<String>) -> Select {
        Select { component: Some(component.into()), signal: signal.into(), labels: Vec::new() }
    }

    /// Every series of a signal, whichever component reports it.
    #[must_use]
    pub fn of_any_component(signal: impl Into<String>) -> Select {
        Select { component: None, signal: signal.into(), labels: Vec::new() }
    }

    /// Only series with this label; others they may have do not matter.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Select {
        self.labels.push((key.into(), value.into()));
        self
    }

    fn matches(&self, series: &Series) -> bool {
        *series.signal == *self.signal
            && self.component.as_ref().is_none_or(|c| *series.component == **c)
            && self.labels.iter().all(|(key, value)| {
                series.labels.iter().any(|(k, v)| **k == **key && **v == **value)
            })
    }
}

/// A span of time that ends `ago` before the latest reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// How long.
    pub length: Duration,
    /// How long before the latest reading it ends.
    pub ago: Duration,
}

impl Span {
    /// The span up to the latest reading.
    #[must_use]
    pub const fn last(length: Duration) -> Span {
        Span { length, ago: Duration::ZERO }
    }

    /// The span of the same length just before this one.
    #[must_use]
    pub const fn previous(self) -> Span {
        Span { length: self.length, ago: self.ago.saturating_add(self.length) }
    }
}

/// Values over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Points {
    /// The end of each bin, in seconds after the Unix epoch.
    pub time: Vec<f64>,
    /// The value of each bin, `None` where there were no readings.
    pub values: Vec<Option<f64>>,
}

impl History {
    /// How much the selected counters grew over the span.
    #[must_use]
    pub fn counter(&self, select: &Select, span: Span) -> u64 {
        let inner = self.read();
        let range = Range::of(span, &inner, self.step());
        let mut total = 0u64;
        inner.each(select, Kind::Counter, &range, |_, windows| {
            total = windows.fold(total, |sum, window| sum.saturating_add(window.counter()));
        });
        total
    }

    /// How much the selected counters grew a second over the part of the span that readings
    /// cover; `None` without readings.
    #[must_use]
    pub fn rate(&self, select: &Select, span: Span) -> Option<f64> {
        let inner = self.read();
        let range = Range::of(span, &inner, self.step());
        let (mut total, mut covered) = (0u64, 0u64);
        inner.each(select, Kind::Counter, &range, |_, windows| {
            let mut own = 0;
            for window in windows {
                total = total.saturating_add(window.counter());
                own += window.covered_ms;
            }
            covered = covered.max(own);
        });
        (covered > 0).then(|| total as f64 * 1000.0 / covered as f64)
    }

    /// How much the selected counters grew a second, in at most `points` bins over the span.
    #[must_use]
    pub fn rates(&self, select: &Select, span: Span, points: usize) -> Points {
        let inner = self.read();
        let bins = Bins::of(span, points, &inner, self.step());
        let mut totals = vec![(0u64, 0u64); bins.count];
        let mut own = vec![0u64; bins.count];
        inner.each(select, Kind::Counter, &bins.range, |_, windows| {
            own.fill(0);
            for window in windows {
                let bin = bins.of_window(&window);
                totals[bin].0 = totals[bin].0.saturating_add(window.counter());
                own[bin] += window.covered_ms;
            }
            // Series of one component are read together: together they cover what each covers.
            for (total, own) in totals.iter_mut().zip(&own) {
                total.1 = total.1.max(*own);
            }
        });
        let values = totals
            .into_iter()
            .map(|(total, covered)| (covered > 0).then(|| total as f64 * 1000.0 / covered as f64));
        bins.points(values, &inner, self.step())
    }

    /// The latest level of the selected gauges within the span, added up over those read in that
    /// same step; `None` without readings.
    #[must_use]
    pub fn gauge(&self, select: &Select, span: Span) -> Option<f64> {
        let inner = self.read();
        let range = Range::of(span, &inner, self.step());
        let mut latest: Option<(u64, f64)> = None;
        inner.each(select, Kind::Gauge, &range, |_, windows| {
            let last = windows.filter(|w| w.gauge().1 > 0).last();
            let Some((slot, level)) = last.map(|w| (w.slot, w.gauge().2)) else { return };
            latest = match latest {
                Some((newest, _)) if newest > slot => latest,
                Some((newest, sum)) if newest == slot => Some((slot, sum + level)),
                _ => Some((slot, level)),
            };
        });
        latest.map(|(_, level)| level)
    }

    /// The mean level of the selected gauges in at most `points` bins over the span, added up over
    /// the gauges.
    #[must_use]
    pub fn gauges(&self, select: &Select, span: Span, points: usize) -> Points {
        let inner = self.read();
        let bins = Bins::of(span, points, &inner, self.step());
        let mut levels: Vec<Option<f64>> = vec![None; bins.count];
        let mut own = vec![(0.0, 0u64); bins.count];
        inner.each(select, Kind::Gauge, &bins.range, |_, windows| {
            own.fill((0.0, 0));
            for window in windows {
                let (sum, count, _) = window.gauge();
                let bin = &mut own[bins.of_window(&window)];
                *bin = (bin.0 + sum, bin.1 + count);
            }
            for (level, (sum, count)) in levels.iter_mut().zip(&own) {
                if *count > 0 {
                    *level = Some(level.unwrap_or(0.0) + sum / *count as f64);
                }
            }
        });
        bins.points(levels.into_iter(), &inner, self.step())
    }

    /// The values of the selected distributions over the span, joined.
    ///
    /// Buckets and sum are exact; minimum and maximum lie in their buckets, at most 2.2 % off.
    #[must_use]
    pub fn distribution(&self, select: &Select, span: Span) -> Histogram {
        let inner = self.read();
        let range = Range::of(span, &inner, self.step());
        let mut scratch = Scratch::new();
        inner.each(select, Kind::Histogram, &range, |_, windows| {
            windows.for_each(|window| window.merge_into(&mut scratch));
        });
        scratch.to_histogram(&inner.edges)
    }

    /// A quantile of the selected distributions, joined, in at most `points` bins over the span;
    /// `None` where nothing was recorded.
    #[must_use]
    pub fn quantiles(&self, select: &Select, q: f64, span: Span, points: usize) -> Points {
        self.many_quantiles(select, &[q], span, points).pop().unwrap_or_default()
    }

    /// Several quantiles at once, for the price of one.
    #[must_use]
    pub fn many_quantiles(
        &self,
        select: &Select,
        quantiles: &[f64],
        span: Span,
        points: usize,
    ) -> Vec<Points> {
        let inner = self.read();
        let bins = Bins::of(span, points, &inner, self.step());
        let mut cursors: Vec<Peekable<Selected<'_>>> = Vec::new();
        inner.each(select, Kind::Histogram, &bins.range, |_, windows| {
            cursors.push(windows.peekable());
        });
        let mut scratch = Scratch::new();
        let mut values = vec![Vec::with_capacity(bins.count); quantiles.len()];
        for bin in 0..bins.count {
            scratch.clear();
            for cursor in &mut cursors {
                while let Some(window) = cursor.next_if(|w| bins.of_window(w) == bin) {
                    window.merge_into(&mut scratch);
                }
            }
            for (values, q) in values.iter_mut().zip(quantiles) {
                values.push(scratch.quantile(*q, &inner.edges).map(|v| v as f64));
            }
        }
        values.into_iter().map(|v| bins.points(v.into_iter(), &inner, self.step())).collect()
    }
}

impl Inner {
    fn each<'a>(
        &'a self,
        select: &Select,
        kind: Kind,
        range: &Range,
        mut visit: impl FnMut(&'a Series, Selected<'a>),
    ) {
        for series in self.live().filter(|s| s.kind == kind && select.matches(s)) {
            visit(series, Selected { windows: series.windows(range.tier), range: *range });
        }
    }
}

/// Finest slots `from..=to`, and the tier to read them from.
#[derive(Clone, Copy, Debug)]
struct Range {
    from: u64,
    to: u64,
    now: u64,
    tier: usize,
}

impl Range {
    fn of(span: Span, inner: &Inner, step: Duration) -> Range {
        let length = nanos(span.length).div_ceil(nanos(step)).max(1);
        let ago = nanos(span.ago).saturating_add(nanos(step) / 2) / nanos(step);
        // Saturation only cuts off what lies before the beginning.
        let to = inner.now.saturating_sub(ago);
        let from = (to + 1).saturating_sub(length);
        let tier = (0..TIERS.len())
            .find(|tier| Range::oldest(TIERS[*tier], inner.now) <= from)
            .unwrap_or(TIERS.len() - 1);
        Range { from, to, now: inner.now, tier }
    }

    /// The oldest of the finest slots that a tier still holds.
    fn oldest(shape: Shape, now: u64) -> u64 {
        (now / shape.step + 1).saturating_sub(shape.windows) * shape.step
    }

    /// A window belongs to the span that its last moment falls in, so that neighbouring spans share
    /// none and miss none.
    fn holds(&self, window: &WindowRef<'_>) -> bool {
        let step = TIERS[self.tier].step;
        let first = window.slot * step;
        let last = (first + step - 1).min(self.now);
        first <= self.now && self.from <= last && last <= self.to
    }
}

/// The windows of a series that a range holds.
#[derive(Clone, Debug)]
struct Selected<'a> {
    windows: Windows<'a>,
    range: Range,
}

impl<'a> Iterator for Selected<'a> {
    type Item = WindowRef<'a>;

    fn next(&mut self) -> Option<WindowRef<'a>> {
        let range = self.range;
        self.windows.find(|window| range.holds(window))
    }
}

/// Bins of equal width whose edges stay where they are while time goes on, so that a chart does
/// not change its past.
#[derive(Clone, Copy, Debug)]
struct Bins {
    range: Range,
    /// In finest slots; a multiple of the tier's step.
    width: u64,
    first: u64,
    count: usize,
}

impl Bins {
    fn of(span: Span, points: usize, inner: &Inner, step: Duration) -> Bins {
        let mut range = Range::of(span, inner, step);
        let length = range.to + 1 - range.from;
        let width = length.div_ceil(points.max(1) as u64).max(1);
        // A coarser tier gives the same answer from fewer windows where the bins allow it.
        let fits = |tier: usize| width.is_multiple_of(TIERS[tier].step);
        if let Some(tier) = (range.tier..TIERS.len()).rev().find(|tier| fits(*tier)) {
            range.tier = tier;
        }
        let width = width.next_multiple_of(TIERS[range.tier].step);
        // Only whole bins at the beginning; the last one is still being filled.
        let last = range.to / width;
        let first = range.from.div_ceil(width).min(last);
        range.from = first * width;
        Bins { range, width, first, count: (last - first + 1) as usize }
    }

    fn of_window(&self, window: &WindowRef<'_>) -> usize {
        (window.slot * TIERS[self.range.tier].step / self.width).saturating_sub(self.first) as usize
    }

    fn points(
        &self,
        values: impl Iterator<Item = Option<f64>>,
        inner: &Inner,
        step: Duration,
    ) -> Points {
        let end = |bin: u64| ((self.first + bin + 1) * self.width - 1).min(self.range.to);
        Points {
            time: (0..self.count as u64).map(|bin| inner.wall_seconds(end(bin), step)).collect(),
            values: values.collect(),
        }
    }
}
