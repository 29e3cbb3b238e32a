//! How numbers went over a span: lines for charts, short courses for cards.

use super::shapes::Series;
use perf_analytics::Points;

/// Several lines over the same times.
///
/// History is asked once per line and may get a reading in between, which can move its bins by
/// one: so values are put where their time is, never where their index is.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) time: Vec<f64>,
}

impl Course {
    /// The times of these points. Times before anything was read are left out.
    pub(super) fn of(points: &Points) -> Course {
        Course { time: points.time.iter().copied().filter(|time| *time > YEAR_ONE).collect() }
    }

    /// The values of a line at these times.
    pub(super) fn values(&self, points: &Points) -> Vec<Option<f64>> {
        let mut values = points.time.iter().zip(&points.values).peekable();
        self.time
            .iter()
            .map(|time| {
                while values.next_if(|(t, _)| **t < time - SAME).is_some() {}
                values.next_if(|(t, _)| (**t - time).abs() <= SAME).and_then(|(_, value)| *value)
            })
            .collect()
    }

    /// The times, to the millisecond.
    pub(super) fn times(&self) -> Vec<f64> {
        self.time.iter().map(|time| (time * 1e3).round() / 1e3).collect()
    }
}

/// A line with a name.
pub(super) fn series(id: &str, title: &str, values: Vec<Option<f64>>) -> Series {
    Series { id: id.to_owned(), title: title.to_owned(), values: rounded(&values) }
}

/// A line with the digits that show.
pub(super) fn rounded(line: &[Option<f64>]) -> Vec<Option<f64>> {
    line.iter().map(|value| value.map(round)).collect()
}

/// Adds up lines; unknown where all are.
pub(super) fn sum(lines: &[Vec<Option<f64>>]) -> Vec<Option<f64>> {
    let length = lines.iter().map(Vec::len).max().unwrap_or(0);
    (0..length)
        .map(|i| {
            lines
                .iter()
                .filter_map(|line| line.get(i).copied().flatten())
                .fold(None, |sum, v| Some(sum.unwrap_or(0.0) + v))
        })
        .collect()
}

/// The part that one line has in its sum with another; unknown where there is nothing.
pub(super) fn part(one: &[Option<f64>], other: &[Option<f64>]) -> Vec<Option<f64>> {
    one.iter()
        .zip(other)
        .map(|(one, other)| {
            let (one, other) = (one.unwrap_or(0.0), other.unwrap_or(0.0));
            (one + other > 0.0).then(|| one / (one + other))
        })
        .collect()
}

/// A line times a factor.
pub(super) fn scale(line: &[Option<f64>], factor: f64) -> Vec<Option<f64>> {
    line.iter().map(|value| value.map(|value| value * factor)).collect()
}

/// Exactly as many points as a card shows, the latest of them.
pub(super) fn spark(mut line: Vec<Option<f64>>) -> Vec<Option<f64>> {
    let surplus = line.len().saturating_sub(SPARK_POINTS);
    line.drain(..surplus);
    let missing = SPARK_POINTS - line.len();
    let mut spark = vec![None; missing];
    spark.extend(rounded(&line));
    spark
}

/// To five digits: more do not show on a screen and cost a third of the page's bytes.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 4 - value.abs().log10().floor() as i32;
    if digits <= 0 {
        let unit = 10_f64.powi(-digits);
        return (value / unit).round() * unit;
    }
    let unit = 10_f64.powi(digits);
    (value * unit).round() / unit
}

pub(super) const SPARK_POINTS: usize = 60;
/// As many as an hour has in history's middle tier.
pub(super) const CHART_POINTS: usize = 360;
/// Bins are at least a millisecond apart.
const SAME: f64 = 0.000_5;
const YEAR_ONE: f64 = 31_536_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn points(pairs: &[(f64, Option<f64>)]) -> Points {
        let mut points = Points::default();
        for (time, value) in pairs {
            points.time.push(1e9 + time);
            points.values.push(*value);
        }
        points
    }

    #[test]
    fn values_stand_where_their_time_is() {
        let course = Course::of(&points(&[(1.0, None), (2.0, None), (3.0, None)]));
        let moved = points(&[(2.0, Some(20.0)), (3.0, Some(30.0)), (4.0, Some(40.0))]);
        assert_eq!(course.values(&moved), [None, Some(20.0), Some(30.0)]);
        assert_eq!(course.values(&Points::default()), [None, None, None]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            ..proptest::test_runner::Config::with_cases(256)
        })]

        #[test]
        fn a_line_is_what_a_map_by_time_would_give(
            wanted in proptest::collection::btree_set(0..50_u32, 0..20),
            held in proptest::collection::btree_map(0..50_u32, proptest::option::of(0..9_u32), 0..20),
        ) {
            let empty: Vec<_> = wanted.iter().map(|at| (f64::from(*at), None)).collect();
            let line: Vec<_> = held
                .iter()
                .map(|(at, value)| (f64::from(*at), value.map(f64::from)))
                .collect();
            let values = Course::of(&points(&empty)).values(&points(&line));
            let model: Vec<_> = wanted
                .iter()
                .map(|at| held.get(at).copied().flatten().map(f64::from))
                .collect();
            proptest::prop_assert_eq!(values, model);
        }
    }

    #[test]
    fn gaps_stay_gaps() {
        let (a, b) = (vec![Some(1.0), None, None], vec![Some(3.0), Some(0.0), None]);
        assert_eq!(sum(&[a.clone(), b.clone()]), [Some(4.0), Some(0.0), None]);
        assert_eq!(part(&a, &b), [Some(0.25), None, None]);
    }

    #[test]
    fn a_spark_has_sixty_points_whatever_there_is() {
        let short = spark(vec![Some(1.0)]);
        assert_eq!((short.len(), short[59], short[0]), (60, Some(1.0), None));
        let long = spark((0..70).map(|i| Some(f64::from(i))).collect());
        assert_eq!((long.len(), long[0], long[59]), (60, Some(10.0), Some(69.0)));
    }

    #[test]
    fn five_digits_remain() {
        for (value, rounded) in [
            (0.0, 0.0),
            (12.345_678, 12.346),
            (0.000_123_456_7, 0.000_123_46),
            (268_435_456.0, 268_440_000.0),
            (99_999.7, 100_000.0),
        ] {
            assert_eq!(round(value), rounded);
        }
    }
}
