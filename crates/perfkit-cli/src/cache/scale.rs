//! The axes of the plots: entries by ratio, miss ratio evenly.

/// Both axes of a miss-ratio curve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes {
    low: f64,
    high: f64,
    top: f64,
}

impl Axes {
    /// Axes from the smallest size that matters to all keys, and up to the highest miss ratio.
    pub(super) fn new(smallest: u64, keys: u64, highest: f64) -> Axes {
        let high = (keys as f64).max(2.0);
        let low = (smallest as f64).min(high / 2.0).max(1.0);
        let steps = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0];
        let top = steps.into_iter().find(|top| *top >= highest).unwrap_or(1.0);
        Axes { low, high, top }
    }

    /// Where a size lies, 0 to 1 from left to right; `None` outside.
    pub(super) fn across(&self, entries: f64) -> Option<f64> {
        let place = (entries / self.low).ln() / (self.high / self.low).ln();
        (-1e-9..=1.0 + 1e-9).contains(&place).then(|| place.clamp(0.0, 1.0))
    }

    /// The size at a place.
    pub(super) fn entries(&self, place: f64) -> f64 {
        self.low * (self.high / self.low).powf(place)
    }

    /// Where a miss ratio lies, 0 to 1 from the bottom up.
    pub(super) fn up(&self, ratio: f64) -> f64 {
        (ratio / self.top).clamp(0.0, 1.0)
    }

    /// Miss ratios that are named, from the bottom up.
    pub(super) fn ratios(&self) -> [f64; 5] {
        [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| part * self.top)
    }

    /// Sizes that are named: powers of ten, with their doubles and halves where few would fit.
    pub(super) fn sizes(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = if decades < 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let first = self.low.log10().floor() as i32;
        (first..=self.high.log10().ceil() as i32)
            .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
            .filter(|size| self.across(*size).is_some())
            .collect()
    }
}

/// A size for an axis: `500`, `20k`, `1M`.
pub(super) fn short(size: f64) -> String {
    match size {
        size if size >= 1e9 => format!("{}G", size / 1e9),
        size if size >= 1e6 => format!("{}M", size / 1e6),
        size if size >= 1e3 => format!("{}k", size / 1e3),
        size => format!("{size}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_spaced_by_ratio() {
        let axes = Axes::new(10, 1000, 0.93);
        assert_eq!(axes.across(10.0), Some(0.0));
        assert!((axes.across(100.0).unwrap() - 0.5).abs() < 1e-9);
        assert!((axes.entries(0.5) - 100.0).abs() < 1e-6);
        assert_eq!((axes.across(9.0), axes.across(1001.0)), (None, None));
        assert_eq!((axes.up(0.5), axes.up(2.0)), (0.5, 1.0));
        let sizes: Vec<String> = axes.sizes().into_iter().map(short).collect();
        assert_eq!(sizes, ["10", "20", "50", "100", "200", "500", "1k"]);
    }

    #[test]
    fn a_trace_of_one_key_has_axes() {
        let axes = Axes::new(1, 1, 0.0);
        assert_eq!(axes.across(1.0), Some(0.0));
        assert!(!axes.sizes().is_empty());
        assert_eq!(axes.ratios()[4], 0.02);
    }
}
