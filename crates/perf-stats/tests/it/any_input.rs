//! Whatever goes in, nothing panics, and what comes out is a number.

use perf_stats::{
    Confidence, EDivisive, Estimate, StatsError, Test, bootstrap_quantile_ratio, hodges_lehmann,
    hodges_lehmann_ratio, hodges_lehmann_ratio_unpaired, hodges_lehmann_shift, holm, mann_whitney,
    median, median_interval, quantile, welch, welch_log_ratio, wilcoxon_signed_rank,
};
use proptest::prelude::*;

/// Mostly usable values, some that overflow or vanish when squared, some that are no number.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let odd = prop::sample::select(vec![0.0, -0.0, -1.0, 1e-320, 1e-150, 1e150, 1e-160, 1.0, 1.0]);
    let usable = prop_oneof![1e-3..1e6_f64, odd];
    let wild = prop_oneof![8 => 1e-3..1e6_f64, 1 => any::<f64>()];
    prop_oneof![
        prop::collection::vec(1e-9..1e9_f64, 0..80),
        prop::collection::vec((1..5_u32).prop_map(f64::from), 0..80),
        prop::collection::vec(usable, 0..20),
        prop::collection::vec(wild, 0..20),
        prop::collection::vec(any::<f64>(), 0..6),
    ]
}

fn confidence() -> impl Strategy<Value = Confidence> {
    prop::sample::select(vec![1e-300, 0.01, 0.5, 0.95, 0.99, 1.0 - f64::EPSILON])
        .prop_map(|value| Confidence::new(value).expect("all are above 0 and below 1"))
}

fn is_estimate(result: Result<Estimate, StatsError>) {
    if let Ok(Estimate { value, low, high }) = result {
        assert!(low.is_finite() && value.is_finite() && high.is_finite());
        assert!(low <= value && value <= high, "{low} {value} {high}");
    }
}

fn is_test(result: Result<Test, StatsError>) {
    if let Ok(Test { statistic, p }) = result {
        assert!(statistic.is_finite() && (0.0..=1.0).contains(&p), "{statistic} {p}");
    }
}

proptest! {
    #[test]
    fn answers_are_numbers(
        a in values(),
        b in values(),
        confidence in confidence(),
        q in prop_oneof![0.0..=1.0_f64, any::<f64>()],
    ) {
        is_estimate(hodges_lehmann(&a, confidence));
        is_estimate(median_interval(&a, confidence));
        is_estimate(hodges_lehmann_shift(&a, &b, confidence));
        is_estimate(hodges_lehmann_ratio_unpaired(&a, &b, confidence));
        is_test(wilcoxon_signed_rank(&a));
        is_test(mann_whitney(&a, &b));
        is_test(welch(&a, &b));
        if let Ok((estimate, test)) = welch_log_ratio(&a, &b, confidence) {
            is_estimate(Ok(estimate));
            is_test(Ok(test));
        }
        if let Ok(ratio) = bootstrap_quantile_ratio(&a, &b, q, confidence, 100, 1) {
            // The percentile interval need not hold the value at low confidence.
            assert!(ratio.low.is_finite() && ratio.high.is_finite() && ratio.low <= ratio.high);
        }
        assert!(median(&a).is_ok_and(f64::is_finite) || median(&a).is_err());
        assert!(quantile(&a, q).is_ok_and(f64::is_finite) || quantile(&a, q).is_err());
        assert!(holm(&a).map_or(true, |p| p.iter().all(|p| (0.0..=1.0).contains(p))));

        let pairs = a.len().min(b.len());
        is_estimate(hodges_lehmann_ratio(&a[..pairs], &b[..pairs], confidence));
        assert_eq!(
            hodges_lehmann_ratio(&a, &b, confidence)
                .is_err_and(|e| matches!(e, StatsError::Unpaired { .. })),
            a.len() != b.len()
        );
    }

    #[test]
    fn change_points_are_numbers(
        series in values(),
        window in 0..80_usize,
        p in prop_oneof![0.0..=1.0_f64, any::<f64>()],
    ) {
        let detector = EDivisive { window, p, min_magnitude: 0.0 };
        for point in detector.change_points(&series).unwrap_or_default() {
            assert!((1..series.len()).contains(&point.index));
            assert!((0.0..=1.0).contains(&point.p), "{point:?}");
            assert!(point.before.is_finite() && point.after.is_finite(), "{point:?}");
        }
    }
}
