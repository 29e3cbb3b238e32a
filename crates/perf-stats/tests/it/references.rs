//! Figures of an independent implementation: SciPy 1.16.3, the function named at each.

use perf_stats::{Confidence, mann_whitney, welch, welch_log_ratio, wilcoxon_signed_rank};

fn near(got: f64, expected: f64, digits: i32) -> bool {
    (got / expected - 1.0).abs() < 10.0_f64.powi(-digits)
}

/// `(i * factor) mod modulus` for 1 to `count`: scattered, with ties once it comes round.
fn scattered(count: u32, factor: u32, modulus: u32) -> impl Iterator<Item = f64> {
    (1..=count).map(move |i| f64::from(i * factor % modulus))
}

#[test]
fn signed_ranks_with_ties_and_zeros() {
    // scipy.stats.wilcoxon(d, correction=True, method="approx", zero_method="wilcox")
    let differences: Vec<f64> = scattered(120, 37, 101).map(|v| (v - 40.0) / 4.0).collect();
    let test = wilcoxon_signed_rank(&differences).unwrap();
    assert_eq!(test.statistic, 4797.5);
    assert!(near(test.p, 0.0005503176037109786, 9), "{test:?}");
}

#[test]
fn signed_ranks_exactly() {
    // scipy.stats.wilcoxon(d, method="exact")
    let differences: Vec<f64> = scattered(45, 37, 101).map(|v| v - 39.75).collect();
    let test = wilcoxon_signed_rank(&differences).unwrap();
    assert_eq!(test.statistic, 699.0);
    assert!(near(test.p, 0.040228857855368005, 9), "{test:?}");
}

#[test]
fn rank_sums_with_ties() {
    // scipy.stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=True)
    let a: Vec<f64> = scattered(80, 29, 67).map(|v| v / 2.0).collect();
    let b: Vec<f64> = scattered(70, 31, 67).map(|v| v / 2.0 + 3.0).collect();
    let test = mann_whitney(&a, &b).unwrap();
    assert_eq!(test.statistic, 2296.5);
    assert!(near(test.p, 0.058088097213730504, 9), "{test:?}");
}

#[test]
fn rank_sums_exactly() {
    // scipy.stats.mannwhitneyu(a, b, method="exact")
    let a: Vec<f64> = scattered(40, 29, 97).collect();
    let b: Vec<f64> = scattered(35, 31, 89).map(|v| v + 6.5).collect();
    let test = mann_whitney(&a, &b).unwrap();
    assert_eq!(test.statistic, 743.0);
    assert!(near(test.p, 0.6535866999442745, 9), "{test:?}");
}

#[test]
fn means_of_logarithms() {
    // scipy.stats.ttest_ind(log(head), log(base), equal_var=False) and its confidence_interval
    let base = [10.1, 9.8, 10.4, 10.0, 9.9, 12.0];
    let head = [11.0, 10.9, 11.4, 10.7];
    let (ratio, test) = welch_log_ratio(&base, &head, Confidence::P99).unwrap();
    assert!(near(test.statistic, 1.828365492891503, 9), "{test:?}");
    assert!(near(test.p, 0.1124718682337661, 9), "{test:?}");
    assert!(near(ratio.value, 1.0634345061583332, 12), "{ratio:?}");
    assert!(near(ratio.low, 0.9432839412366275, 9), "{ratio:?}");
    assert!(near(ratio.high, 1.1988892203609858, 9), "{ratio:?}");
    let logarithms = |values: &[f64]| values.iter().map(|v| v.ln()).collect::<Vec<_>>();
    assert_eq!(welch(&logarithms(&head), &logarithms(&base)).unwrap(), test);
}
