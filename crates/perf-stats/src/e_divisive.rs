//! Where does a series change its level? E-divisive means with a t test.
//!
//! Sources: Matteson and James, "A Nonparametric Approach for Multiple Change Point Analysis of
//! Multivariate Data", Journal of the American Statistical Association 109, 2014 (the divergence
//! and the search by division); Fleming, Kołaczkowski, Kumar, Das, McCarthy, Pattabhiraman and
//! Ingo, "Hunter: Using Change Point Detection to Hunt for Performance Regressions", ICPE 2023
//! (windows, Student's test in place of permutations, weak points first).

mod divergence;
mod level;

use crate::{StatsError, input};
use divergence::{Candidate, best_split};
use level::Level;
use std::ops::Range;

/// Change points of a series of figures, such as a bench's over the commits.
///
/// Windows slide along the series. In each, the place that divides it best is kept as long as the
/// means on its two sides differ by Student's t test, with ten times the `p` asked for (twice from
/// 0.05 on); then each side is divided again. From all these weak points the least significant
/// one is dropped until all that remain differ at `p`, and then the smallest until all that
/// remain are larger than `min_magnitude`. A lone outlier is therefore no change.
///
/// The points are those of Apache Otava 0.8 (formerly Hunter) at the same settings, except where
/// stretches do not vary at all and rounding errors decide there. What is told of a point is taken
/// from the levels in the end; as Otava does not look at every point again when it drops one, such
/// a `p` may lie a little above the one asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EDivisive {
    /// How many values are looked at together, from 2 to 1000; the 30 of the paper unless set.
    pub window: usize,
    /// How likely a point without a change may be, above 0 and at most 1; 0.001 unless set.
    pub p: f64,
    /// The least change that counts, as a fraction of the smaller level; 0 unless set.
    pub min_magnitude: f64,
}

/// A place where the level changes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChangePoint {
    /// Index of the first value on the new level.
    pub index: usize,
    /// Student's two-sided p value of the levels around it.
    pub p: f64,
    /// Mean of the values since the change before.
    pub before: f64,
    /// Mean of the values until the next change.
    pub after: f64,
}

impl ChangePoint {
    /// The new level over the old one; above 1, it is larger.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.after / self.before
    }
}

impl Default for EDivisive {
    fn default() -> EDivisive {
        EDivisive { window: 30, p: 0.001, min_magnitude: 0.0 }
    }
}

impl EDivisive {
    /// The change points of `series`, in order.
    ///
    /// O(n × window) time and O(n) memory, plus the square of the number of weak points, which is
    /// a small part of `n` where `p` is small: 4 800 values take some 1 ms.
    ///
    /// # Errors
    ///
    /// [`StatsError`] if there are fewer than 3 values, one is not finite, or a setting is out of
    /// its range.
    pub fn change_points(&self, series: &[f64]) -> Result<Vec<ChangePoint>, StatsError> {
        self.check()?;
        input::finite(series, 3)?;
        let weak = self.weak_points(series);
        Ok(self.strong_points(series, &weak))
    }

    fn check(&self) -> Result<(), StatsError> {
        let refuse =
            |setting, value, allowed| Err(StatsError::OutOfRange { setting, value, allowed });
        if !(2..=1000).contains(&self.window) {
            return refuse("window", self.window as f64, "from 2 to 1000");
        }
        if !(self.p > 0.0 && self.p <= 1.0) {
            return refuse("p", self.p, "above 0 and at most 1");
        }
        if !(self.min_magnitude >= 0.0 && self.min_magnitude.is_finite()) {
            return refuse("min_magnitude", self.min_magnitude, "at least 0 and finite");
        }
        Ok(())
    }

    fn weak_points(&self, series: &[f64]) -> Vec<usize> {
        let p = match self.p {
            p if p < 0.05 => p * 10.0,
            p if p < 0.5 => p * 2.0,
            p => p,
        };
        let mut points = Vec::new();
        let mut start = 0;
        while start < series.len() {
            let end = series.len().min(start + self.window);
            let found = divide(&series[start..end], p);
            points.extend(found.iter().map(|index| start + index));
            // The next window starts at the last level that was found, or half a window on.
            let last = found.last().map_or(0, |index| start + index);
            start = last.max(start + self.window / 2);
        }
        points.sort_unstable();
        points.dedup();
        points
    }

    fn strong_points(&self, series: &[f64], weak: &[usize]) -> Vec<ChangePoint> {
        let ends = weak.iter().copied().chain([series.len()]);
        let starts = [0].into_iter().chain(weak.iter().copied());
        let mut levels: Vec<Level> =
            starts.zip(ends).map(|(start, end)| Level::of(&series[start..end])).collect();
        let mut points: Vec<ChangePoint> = weak
            .iter()
            .zip(levels.windows(2))
            .map(|(index, sides)| between(*index, sides[0], sides[1]))
            .collect();

        while let Some(dropped) = self.weakest(&points) {
            points.remove(dropped);
            let right = levels.remove(dropped + 1);
            levels[dropped] = levels[dropped].with(right);
            // The point to its left is not looked at again here, though its level has changed
            // too: Otava has it so, and would find other points else.
            refresh(&mut points, &levels, dropped..dropped + 2);
        }
        refresh(&mut points, &levels, 0..weak.len());
        points
    }

    /// The point to drop next, if one must go; of equal ones the first.
    fn weakest(&self, points: &[ChangePoint]) -> Option<usize> {
        let first_least = |key: &dyn Fn(&ChangePoint) -> f64| {
            points
                .iter()
                .enumerate()
                .min_by(|(_, a), (_, b)| key(a).total_cmp(&key(b)))
                .map(|(place, _)| place)
        };
        let weakest = first_least(&|point| -point.p)?;
        if points[weakest].p >= self.p {
            return Some(weakest);
        }
        let smallest = first_least(&magnitude)?;
        (magnitude(&points[smallest]) <= self.min_magnitude).then_some(smallest)
    }
}

/// Divides a window as long as its parts differ; indexes in order.
fn divide(window: &[f64], p: f64) -> Vec<usize> {
    // Parts with the best split of each, in order.
    let mut parts: Vec<(usize, usize, Option<Candidate>)> =
        vec![(0, window.len(), best_split(window))];
    loop {
        let mut best: Option<(usize, Candidate)> = None;
        for (place, (_, _, candidate)) in parts.iter().enumerate() {
            if let Some(candidate) = candidate
                && best.is_none_or(|(_, best)| candidate.divergence > best.divergence)
            {
                best = Some((place, *candidate));
            }
        }
        let Some((place, candidate)) = best else { break };
        let (start, end, _) = parts[place];
        let middle = start + candidate.index;
        let (left, right) = (&window[start..middle], &window[middle..end]);
        if Level::of(left).p(Level::of(right)) > p {
            break;
        }
        parts[place] = (start, middle, best_split(left));
        parts.insert(place + 1, (middle, end, best_split(right)));
    }
    parts[1..].iter().map(|(start, _, _)| *start).collect()
}

/// Looks at some of the points again, as far as they exist.
fn refresh(points: &mut [ChangePoint], levels: &[Level], which: Range<usize>) {
    for place in which {
        if let Some(point) = points.get_mut(place) {
            *point = between(point.index, levels[place], levels[place + 1]);
        }
    }
}

fn between(index: usize, before: Level, after: Level) -> ChangePoint {
    ChangePoint { index, p: before.p(after), before: before.mean(), after: after.mean() }
}

/// The change as a fraction of the smaller level; 0 where a level is.
fn magnitude(point: &ChangePoint) -> f64 {
    let change = |from: f64, to: f64| if from == 0.0 { 0.0 } else { (to / from - 1.0).abs() };
    change(point.before, point.after).max(change(point.after, point.before))
}

#[cfg(test)]
mod tests;
