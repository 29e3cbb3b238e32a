//! A real series of commits with the points that Hunter's successor finds in it.

use perf_stats::EDivisive;
use serde_json::Value;

/// Names a file with `series`, and `cases` of `window`, `p`, `min_magnitude` and `indexes`.
const FILE: &str = "PERFKIT_CHANGEPOINTS";

#[test]
fn the_recorded_points_are_found_at_every_setting() {
    let Some(path) = std::env::var_os(FILE) else {
        eprintln!("no recorded change points here: set {FILE} to the file that holds them");
        return;
    };
    let text = std::fs::read_to_string(&path).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let series: Vec<f64> = list(&file["series"]).iter().map(|v| v.as_f64().unwrap()).collect();
    let cases = list(&file["cases"]);
    assert!(!cases.is_empty());
    for case in cases {
        let detector = EDivisive {
            window: case["window"].as_u64().unwrap() as usize,
            p: case["p"].as_f64().unwrap(),
            min_magnitude: case["min_magnitude"].as_f64().unwrap(),
        };
        let expected: Vec<usize> =
            list(&case["indexes"]).iter().map(|i| i.as_u64().unwrap() as usize).collect();
        let points = detector.change_points(&series).unwrap();
        let got: Vec<usize> = points.iter().map(|point| point.index).collect();
        assert_eq!(got, expected, "{detector:?}");
    }
}
