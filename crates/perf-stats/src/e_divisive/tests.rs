use super::*;

fn indexes(detector: EDivisive, series: &[f64]) -> Vec<usize> {
    detector.change_points(series).unwrap().iter().map(|point| point.index).collect()
}

/// Level plus whole-numbered noise from a plain generator, so that any language can repeat it.
fn noisy(levels: &[(usize, i64)], noise: i64, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut series = Vec::new();
    for (count, level) in levels {
        for _ in 0..*count {
            // The linear congruential generator of Numerical Recipes, upper half used.
            state = (state.wrapping_mul(1_664_525) + 1_013_904_223) % (1 << 32);
            let random = (state >> 16) as i64 % (2 * noise + 1) - noise;
            series.push((level + random) as f64);
        }
    }
    series
}

#[test]
fn a_step_is_found_where_it_is() {
    let series = noisy(&[(40, 1000), (40, 1050)], 20, 1);
    let points = EDivisive::default().change_points(&series).unwrap();
    assert_eq!(points.len(), 1, "{points:?}");
    assert_eq!(points[0].index, 40);
    assert!(points[0].p < 1e-6);
    assert!((points[0].ratio() - 1.05).abs() < 0.01, "{points:?}");
}

#[test]
fn a_lone_outlier_is_no_change() {
    let mut series = noisy(&[(60, 1000)], 20, 2);
    series[30] = 1500.0;
    assert_eq!(indexes(EDivisive::default(), &series), []);
}

#[test]
fn small_changes_are_left_out_when_asked() {
    let series = noisy(&[(40, 1000), (40, 1030), (40, 1300)], 10, 3);
    assert_eq!(indexes(EDivisive::default(), &series), [40, 80]);
    let large = EDivisive { min_magnitude: 0.1, ..EDivisive::default() };
    assert_eq!(indexes(large, &series), [80]);
}

#[test]
fn a_flat_series_has_none() {
    assert_eq!(indexes(EDivisive::default(), &[7.0; 100]), []);
    assert_eq!(indexes(EDivisive::default(), &[0.0; 3]), []);
}

#[test]
fn a_step_without_noise_is_found() {
    let mut series = vec![10.0; 20];
    series.extend([11.0; 20]);
    let points = EDivisive::default().change_points(&series).unwrap();
    assert_eq!(points, [ChangePoint { index: 20, p: 0.0, before: 10.0, after: 11.0 }]);
}

#[test]
fn every_setting_runs() {
    let series = noisy(&[(25, 0), (25, 50), (25, -50)], 20, 4);
    for window in [2, 3, 4, 7, 75, 1000] {
        for p in [1e-9, 0.01, 0.2, 0.7, 1.0] {
            let detector = EDivisive { window, p, min_magnitude: 0.0 };
            let points = detector.change_points(&series).unwrap();
            assert!(points.windows(2).all(|pair| pair[0].index < pair[1].index));
            assert!(points.iter().all(|point| (1..75).contains(&point.index)));
        }
    }
}

#[test]
fn the_points_are_those_of_otava() {
    // otava.analysis.compute_change_points, apache-otava 0.8.0.
    let creep: Vec<(usize, i64)> = (0..8).map(|i| (40, 10_000 + 150 * i)).collect();
    let drift: Vec<(usize, i64)> = (0..60).map(|i| (5, 10_000 + 10 * i)).collect();
    let busy = [(11, 1000), (29, 1100), (3, 1500), (50, 1050), (17, 900), (45, 905)];
    let settings = [(30, 0.001, 0.0), (30, 0.01, 0.02), (50, 0.1, 0.0), (13, 0.001, 0.0)];
    let expected: [(Vec<f64>, [&[usize]; 4]); 3] = [
        (
            noisy(&creep, 200, 7),
            [
                &[42, 79, 121, 159, 200, 234, 280],
                &[5, 121],
                &[
                    5, 15, 28, 42, 50, 83, 84, 121, 128, 132, 135, 151, 159, 187, 200, 235, 242,
                    243, 245, 259, 261, 280, 289, 292,
                ],
                &[5, 121, 159, 200, 280],
            ],
        ),
        (
            noisy(&drift, 120, 21),
            [
                &[43, 174, 177, 194, 253],
                &[272],
                &[
                    23, 27, 43, 45, 53, 87, 125, 129, 135, 151, 154, 174, 177, 194, 201, 216, 225,
                    226, 253, 260, 272, 277, 279, 281, 283, 284, 294, 299,
                ],
                &[53, 177, 194, 253],
            ],
        ),
        (
            noisy(&busy, 40, 99),
            [
                &[11, 40, 43, 93],
                &[11, 40, 43, 93],
                &[9, 11, 15, 40, 43, 87, 91, 93, 98, 153],
                &[9, 14, 40, 43, 93],
            ],
        ),
    ];
    for (series, expected) in expected {
        for ((window, p, min_magnitude), expected) in settings.into_iter().zip(expected) {
            let detector = EDivisive { window, p, min_magnitude };
            assert_eq!(indexes(detector, &series), expected, "{detector:?}");
        }
    }
}

#[test]
fn bad_input_is_named() {
    let say = |detector: EDivisive, series: &[f64]| {
        detector.change_points(series).unwrap_err().to_string()
    };
    let usual = EDivisive::default();
    assert_eq!(say(usual, &[]), "0 values are too few, take at least 3");
    assert_eq!(say(usual, &[1.0]), "1 values are too few, take at least 3");
    assert!(say(usual, &[1.0, f64::NAN, 2.0]).starts_with("value 1 is NaN"));
    let series = [1.0; 5];
    assert!(say(EDivisive { window: 1, ..usual }, &series).starts_with("window is 1"));
    assert!(say(EDivisive { p: 0.0, ..usual }, &series).starts_with("p is 0"));
    assert!(say(EDivisive { p: f64::NAN, ..usual }, &series).starts_with("p is NaN"));
    assert!(say(EDivisive { min_magnitude: -1.0, ..usual }, &series).contains("at least 0"));
}
