//! Against a model that keeps every value.

use perf_core::Histogram;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|v| histogram.record(*v));
    histogram
}

/// Values of every magnitude, many small ones among them.
fn values() -> impl Strategy<Value = Vec<u64>> {
    let value = prop_oneof![
        8 => (any::<u64>(), 0_u32..64).prop_map(|(v, shift)| v >> shift),
        1 => 0_u64..3,
        1 => Just(u64::MAX),
    ];
    prop::collection::vec(value, 0..200)
}

fn exact_sum(values: &[u64]) -> u128 {
    values.iter().map(|v| u128::from(*v)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]
    #[test]
    fn totals_are_exact(values in values()) {
        let h = of(&values);
        prop_assert_eq!(h.count(), values.len() as u64);
        prop_assert_eq!(h.sum(), exact_sum(&values));
        prop_assert_eq!(h.min(), values.iter().min().copied());
        prop_assert_eq!(h.max(), values.iter().max().copied());
        prop_assert_eq!(h.buckets().map(|b| b.count).sum::<u64>(), h.count());
    }

    #[test]
    fn quantiles_are_within_1_1_percent_and_half_a_unit(mut values in values(), q in 0.0..=1.0) {
        let answer = of(&values).quantile(q);
        values.sort_unstable();
        let rank = ((q * values.len() as f64).ceil() as usize).max(1);
        match (answer, values.get(rank - 1)) {
            (Some(answer), Some(exact)) => {
                let off = answer.abs_diff(*exact) as f64;
                prop_assert!(off <= 0.011 * *exact as f64 + 0.5, "{} for {}", answer, exact);
                prop_assert!(*exact > 45 || off == 0.0);
            }
            (answer, exact) => prop_assert_eq!(answer, exact.copied()),
        }
    }

    #[test]
    fn merging_is_recording_both(a in values(), b in values()) {
        let mut merged = of(&a);
        merged.merge(&of(&b));
        prop_assert_eq!(merged, of(&[a, b].concat()));
    }

    #[test]
    fn a_window_is_what_came_between(before in values(), between in values()) {
        let earlier = of(&before);
        let later = of(&[before, between.clone()].concat());
        let window = later.minus(&earlier);
        let exact = of(&between);
        prop_assert_eq!((window.count(), window.sum()), (exact.count(), exact.sum()));
        prop_assert!(window.buckets().eq(exact.buckets()));
        for (edge, exact) in [(window.min(), exact.min()), (window.max(), exact.max())] {
            match (edge, exact) {
                (Some(edge), Some(exact)) => {
                    prop_assert!(edge.abs_diff(exact) as f64 <= 0.022 * exact as f64);
                }
                neither => prop_assert_eq!(neither, (None, None)),
            }
        }
        let mut rebuilt = earlier;
        rebuilt.merge(&window);
        prop_assert!(rebuilt.buckets().eq(later.buckets()));
    }

    #[test]
    fn recording_n_times_is_recording_n_times(value in any::<u64>(), n in 0_u64..50) {
        let mut at_once = Histogram::new();
        at_once.record_n(value, n);
        prop_assert_eq!(at_once, of(&vec![value; n as usize]));
    }
}
