use super::*;
use crate::{Outcome, Rule, Verdict};
use tempfile::TempDir;

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn read(name: &str, text: &str) -> Result<Measurements, FileError> {
    let dir = TempDir::new().unwrap();
    Measurements::read(&file(&dir, name, text))
}

fn refusal(name: &str, text: &str) -> String {
    let error = read(name, text).unwrap_err().to_string();
    error.rsplit_once('/').map(|(_, rest)| rest.to_owned()).unwrap_or(error)
}

/// Samples around a middle, spread by half a per cent.
fn around(middle: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| middle * (1.0 + 0.005 * ((i * 37 % 101) as f64 / 101.0 - 0.5))).collect()
}

fn csv(benches: &[(&str, Vec<f64>)]) -> String {
    let mut text = "bench,sample\n".to_owned();
    for (name, samples) in benches {
        for sample in samples {
            text += &format!("{name},{sample}\n");
        }
    }
    text
}

fn compare(base: &[(&str, Vec<f64>)], head: &[(&str, Vec<f64>)]) -> FileComparison {
    let base = read("base.csv", &csv(base)).unwrap();
    let head = read("head.csv", &csv(head)).unwrap();
    FileComparison::new(base, head, &Rule::new())
}

/// One side of so many runs, each off by a little of its own as a whole.
fn runs(benches: &[(&str, f64)], runs: usize) -> Measurements {
    let dir = TempDir::new().unwrap();
    for run in 0..runs {
        let off = 1.0 + 0.002 * ((run * 37 % 101) as f64 / 101.0 - 0.5);
        let benches: Vec<(&str, Vec<f64>)> =
            benches.iter().map(|(name, middle)| (*name, around(middle * off, 9))).collect();
        file(&dir, &format!("{run}.csv"), &csv(&benches));
    }
    Measurements::read(dir.path()).unwrap()
}

/// A run of ours, as JSON.
fn ours(complete: bool, benches: &str) -> Measurements {
    let text = format!(r#"{{"format":1,"complete":{complete},"benches":[{benches}]}}"#);
    read("run.json", &text).unwrap()
}

fn bench(name: &str) -> String {
    let samples = around(100.0, 20);
    format!(r#"{{"name":"{name}","unit":"ns","samples":{samples:?}}}"#)
}

fn failed(name: &str) -> String {
    format!(r#"{{"name":"{name}","unit":"ns","samples":[],"failure":"panicked: no page"}}"#)
}

fn verdicts(comparison: &FileComparison) -> Vec<(&str, Verdict)> {
    comparison.judged.iter().map(|j| (j.bench.as_str(), j.verdict)).collect()
}

#[test]
fn csv_is_read_long_and_wide_with_units() {
    let long = read("a.csv", "bench,sample (ms)\n\"a, b\",1.5\n\"a, b\",2.5\r\nc,3\n").unwrap();
    assert_eq!(long.benches["a, b"].samples, [1.5e6, 2.5e6]);
    assert_eq!(long.benches["c"].unit, "ns");
    let wide = read("a.csv", "fast_us;slow [s];heap (bytes)\n1;2;64\n\n3;;128\n").unwrap();
    assert_eq!(wide.benches["fast"].samples, [1e3, 3e3]);
    assert_eq!(wide.benches["slow"].samples, [2e9]);
    assert_eq!((wide.benches["heap"].unit.as_str(), wide.benches["heap"].runs[0]), ("bytes", 96.0));
    let column = read("a.csv", "name\tvalue\tunit\nx\t2\tms\n").unwrap();
    assert_eq!(column.benches["x"].samples, [2e6]);
}

#[test]
fn a_bad_csv_names_its_line_and_a_remedy() {
    assert_eq!(
        refusal("a.csv", "bench,sample\na,1\na,fast\n"),
        "a.csv:3: `fast` is no number, write samples such as 12.5"
    );
    assert_eq!(
        refusal("a.csv", "1,2\n3,4\n"),
        "a.csv:1: starts with numbers: give it a heading, `bench,sample` or a name for each column"
    );
    assert!(refusal("a.csv", "bench,sample\n\"a,1\n").contains("a.csv:2: opens a quote"));
    assert!(refusal("a.csv", "bench,sample\n").contains("no samples"));
    assert!(refusal("a.csv", "bench,colour\na,1\n").contains("call it `sample`"));
    assert!(refusal("a.csv", "a,a\n1,2\n").contains("two columns called `a`"));
    assert!(refusal("a.csv", "").contains("is empty"));
}

#[test]
fn hyperfine_is_read_in_seconds_and_failed_runs_are_seen() {
    let text = r#"{"results":[{"command":"ls","mean":0.01,"times":[0.01,0.02],"exit_codes":[0,0]},
        {"command":"false","times":[0.5],"exit_codes":[1]}]}"#;
    let read = read("h.json", text).unwrap();
    assert_eq!(read.kinds, [Kind::Hyperfine]);
    assert_eq!(read.benches["ls"].samples, [1e7, 2e7]);
    assert_eq!(read.benches["false"].failure.as_deref(), Some("1 of 1 runs failed"));
}

#[test]
fn parameters_tell_commands_of_one_name_apart() {
    let text = r#"{"results":[{"command":"sort","times":[1.0],"parameters":{"n":"1"}},
        {"command":"sort","times":[2.0],"parameters":{"n":"2"}}]}"#;
    let read = read("h.json", text).unwrap();
    assert_eq!(read.benches.keys().collect::<Vec<_>>(), ["sort [n=1]", "sort [n=2]"]);
}

#[test]
fn what_is_no_measurement_is_refused_by_name() {
    assert!(refusal("a.json", r#"{"format": 7, "benches": []}"#).contains("format 7 is newer"));
    assert!(
        refusal("a.json", "{\"results\":\n [")
            .contains("a.json:2: EOF while parsing a list: the file is cut off")
    );
    assert!(refusal("a.json", r#"{"some": "thing"}"#).contains("none of the kinds"));
    assert!(refusal("a.json", "[1, 2]").contains("none of the kinds"));
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.csv");
    fs::write(&path, b"bench,sample\na,\xff\n").unwrap();
    assert!(Measurements::read(&path).unwrap_err().to_string().contains("a.csv:2: is not text"));
    assert!(Measurements::read(&dir.path().join("none")).unwrap_err().is_missing());
}

#[test]
fn criterion_directories_are_read_by_baseline() {
    let dir = TempDir::new().unwrap();
    let sample =
        |n: u64| format!(r#"{{"sampling_mode":"Flat","iters":[2.0,2.0],"times":[{n}.0,{n}.0]}}"#);
    for (baseline, n) in [("new", 10), ("base", 20), ("main", 40)] {
        file(&dir, &format!("g/f/{baseline}/sample.json"), &sample(n));
        file(&dir, &format!("g/f/{baseline}/benchmark.json"), r#"{"full_id":"g/f: x"}"#);
    }
    // As caches leave them behind, and a bench without a name beside it.
    fs::create_dir_all(dir.path().join("g/empty/base")).unwrap();
    file(&dir, "g/h/new/sample.json", &sample(6));
    let of = |suffix: &str| {
        let path = format!("{}{suffix}", dir.path().display());
        Measurements::read(Path::new(&path))
    };
    let new = of("").unwrap();
    assert_eq!(new.kinds, [Kind::Criterion]);
    assert_eq!(new.benches["g/f: x"].samples, [5.0, 5.0]);
    assert_eq!(new.benches["g/h"].samples, [3.0, 3.0]);
    assert_eq!(of("@main").unwrap().benches["g/f: x"].samples, [20.0, 20.0]);
    let error = of("@other").unwrap_err().to_string();
    assert!(error.contains("has no baseline `other`; make it with"), "{error}");

    file(&dir, "g/f/new/sample.json", r#"{"iters":[1.0],"times":[1.0,2.0]}"#);
    assert!(of("").unwrap_err().to_string().contains("2 times for 1 iterations"));
}

#[test]
fn a_loss_is_red_a_gain_green_and_the_same_the_same() {
    let base = runs(&[("a", 100.0), ("b", 100.0), ("c", 100.0)], 8);
    let head = runs(&[("a", 105.0), ("b", 90.0), ("c", 100.2)], 8);
    let comparison = FileComparison::new(base, head, &Rule::new());
    assert_eq!(
        verdicts(&comparison),
        [("a", Verdict::Regress), ("b", Verdict::Improve), ("c", Verdict::Same)]
    );
    assert_eq!(comparison.notes, [""; 0]);
    assert_eq!(comparison.outcome(), Outcome::Regression);
    let ratio = comparison.judged[0].ratio.unwrap();
    assert!((ratio.value - 1.05).abs() < 0.002, "{ratio:?}");
    let text = comparison.document().terminal(120, false);
    assert!(text.contains("1 of 3 is slower"), "{text}");
}

#[test]
fn what_cannot_be_compared_says_why() {
    let base = [
        ("few", vec![1.0, 2.0]),
        ("gone", around(1.0, 9)),
        ("nan", around(1.0, 9)),
        ("zero", vec![0.0; 9]),
    ];
    let head = [
        ("few", vec![1.0]),
        ("nan", vec![1.0, f64::NAN]),
        ("new", around(1.0, 9)),
        ("zero", around(1.0, 9)),
    ];
    let comparison = compare(&base, &head);
    assert_eq!(
        verdicts(&comparison),
        [
            ("few", Verdict::Inconclusive),
            ("gone", Verdict::Gone),
            ("nan", Verdict::Incomparable),
            ("new", Verdict::New),
            ("zero", Verdict::Incomparable),
        ]
    );
    let why: Vec<&str> = comparison.judged.iter().map(|j| j.why.as_str()).collect();
    assert!(why[0].contains("1 samples are too few, take at least"), "{}", why[0]);
    assert!(why[2].contains("sample 2 of the head is NaN"), "{}", why[2]);
    assert_eq!(comparison.outcome(), Outcome::Inconclusive);
}

#[test]
fn units_must_agree_but_kinds_need_not() {
    let hyperfine = r#"{"results":[{"command":"a","times":[0.1,0.11,0.12,0.1,0.11,0.1,0.12]}]}"#;
    let base = read("h.json", hyperfine).unwrap();
    let head = read("a.csv", &csv(&[("a", around(1.1e8, 30))])).unwrap();
    let comparison = FileComparison::new(base.clone(), head, &Rule::new());
    assert!(comparison.judged[0].ratio.is_some(), "{:?}", comparison.judged);
    let head = read("a.csv", "a (bytes)\n1\n2\n").unwrap();
    let comparison = FileComparison::new(base, head, &Rule::new());
    assert_eq!(comparison.judged[0].verdict, Verdict::Incomparable);
    assert_eq!(comparison.judged[0].why, "the base is in ns and the head in bytes");
}

#[test]
fn a_missing_baseline_makes_all_new_and_the_answer_open() {
    let head = read("a.csv", &csv(&[("a", around(1.0, 9))])).unwrap();
    let comparison =
        FileComparison::new(Measurements::none(Path::new("nowhere")), head, &Rule::new());
    assert_eq!(verdicts(&comparison), [("a", Verdict::New)]);
    assert_eq!(comparison.outcome(), Outcome::Inconclusive);
    assert!(comparison.notes[0].contains("nowhere holds no baseline"));
}

#[test]
fn several_runs_are_compared_by_their_middles() {
    // Each run is off by some per cent as a whole: its own samples know nothing of that.
    let side = |dir: &TempDir, offsets: [f64; 6]| {
        for (i, offset) in offsets.into_iter().enumerate() {
            file(dir, &format!("{i}.csv"), &csv(&[("a", around(100.0 * offset, 50))]));
        }
        Measurements::read(dir.path()).unwrap()
    };
    let (base, head) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let base = side(&base, [1.0, 1.06, 0.98, 1.05, 1.02, 0.99]);
    let head = side(&head, [1.07, 1.01, 1.05, 1.06, 1.0, 1.08]);
    let comparison = FileComparison::new(base, head, &Rule::new());
    assert_eq!(comparison.judged[0].verdict, Verdict::Inconclusive, "{:?}", comparison.judged);
    assert!(comparison.judged[0].why.contains("6 and 6 runs"), "{}", comparison.judged[0].why);
}

#[test]
fn one_run_a_side_is_red_only_beyond_the_hard_limit() {
    // What two runs of one program may differ by is in neither's samples.
    let base =
        [("far", around(100.0, 40)), ("gain", around(100.0, 40)), ("off", around(100.0, 40))];
    let head = [("far", around(125.0, 40)), ("gain", around(94.0, 40)), ("off", around(106.0, 40))];
    let comparison = compare(&base, &head);
    assert_eq!(
        verdicts(&comparison),
        [
            ("far", Verdict::Regress),
            ("gain", Verdict::Inconclusive),
            ("off", Verdict::Inconclusive)
        ]
    );
    let why = &comparison.judged[2].why;
    assert!(why.contains("give several runs of each side"), "{why}");
    let note = &comparison.notes[0];
    assert!(note.contains("below 20 % among 3 benches"), "{note}");
    assert!(note.contains("at least 6 runs of each side"), "{note}");
    // Four runs make no interval yet, however many samples they have together.
    let (base, head) = (runs(&[("a", 100.0)], 4), runs(&[("a", 106.0)], 4));
    let comparison = FileComparison::new(base, head, &Rule::new());
    assert_eq!(verdicts(&comparison), [("a", Verdict::Inconclusive)]);
    assert!(comparison.notes[0].contains("at least 5 runs"), "{:?}", comparison.notes);
}

#[test]
fn a_suite_is_told_how_many_runs_it_needs() {
    let of = |count| {
        let base = runs(&[("a", 100.0), ("b", 100.0)], count);
        let head = runs(&[("a", 106.0), ("b", 100.0)], count);
        FileComparison::new(base, head, &Rule::new())
    };
    let five = of(5);
    assert_eq!(verdicts(&five), [("a", Verdict::Inconclusive), ("b", Verdict::Same)]);
    let why = "5 and 5 runs can show nothing among 2 benches: take at least 6 of each side";
    assert_eq!(five.judged[0].why, why);
    assert!(five.notes[0].contains("5 and 5 runs cannot show"), "{:?}", five.notes);
    let six = of(6);
    assert_eq!(verdicts(&six), [("a", Verdict::Regress), ("b", Verdict::Same)]);
    assert_eq!(six.notes, [""; 0]);
}

#[test]
fn copies_of_a_criterion_directory_are_runs() {
    let dir = TempDir::new().unwrap();
    for run in 0..3 {
        let times = format!(r#"{{"iters":[2.0],"times":[{}.0]}}"#, 10 + run);
        file(&dir, &format!("{run}/g/f/new/sample.json"), &times);
        file(&dir, &format!("{run}/g/f/new/benchmark.json"), r#"{"full_id":"g/f"}"#);
    }
    assert_eq!(Measurements::read(dir.path()).unwrap().benches["g/f"].runs, [5.0, 5.5, 6.0]);
}

#[test]
fn a_head_that_failed_is_a_failure_whatever_the_base_has() {
    let rule = Rule::new();
    let good = ours(true, &bench("a"));
    let bad = ours(true, &format!("{},{}", bench("a"), failed("b")));
    let both = ours(true, &format!("{},{}", bench("a"), bench("b")));
    for base in [&good, &bad, &both] {
        let comparison = FileComparison::new(base.clone(), bad.clone(), &rule);
        assert_eq!(comparison.outcome(), Outcome::ToolFailed, "{:?}", comparison.judged);
        let why = &comparison.judged[1].why;
        assert!(why.contains("the head failed: panicked: no page"), "{why}");
        let text = comparison.document().terminal(120, false);
        assert!(text.contains("1 bench failed in the head"), "{text}");
    }
    // The change that mends a bench must be able to pass.
    let mended = FileComparison::new(bad.clone(), both, &rule);
    assert_eq!(mended.outcome(), Outcome::Inconclusive);
    let removed = FileComparison::new(bad, good, &rule);
    assert_eq!(removed.outcome(), Outcome::Pass, "{:?}", removed.judged);
}

#[test]
fn what_a_run_had_not_reached_is_unknown_not_gone() {
    let (rule, all) = (Rule::new(), format!("{},{}", bench("a"), bench("b")));
    let (whole, half) = (ours(true, &all), ours(false, &bench("a")));
    let comparison = FileComparison::new(whole.clone(), half.clone(), &rule);
    assert_eq!(verdicts(&comparison), [("a", Verdict::Same), ("b", Verdict::Inconclusive)]);
    assert!(comparison.judged[1].why.contains("ended half way"), "{:?}", comparison.judged);
    assert_eq!(comparison.outcome(), Outcome::Inconclusive);
    let comparison = FileComparison::new(half.clone(), whole, &rule);
    assert_eq!(verdicts(&comparison), [("a", Verdict::Same), ("b", Verdict::Inconclusive)]);
    let text = FileComparison::new(ours(true, &bench("a")), half, &rule).document();
    let text = text.terminal(120, false);
    assert!(text.contains("a run ended half way"), "{text}");
}

#[test]
fn chance_among_many_benches_is_not_red() {
    // Seven runs can just show a loss among 17 benches, but not if they overlap at all.
    const NAMES: [&str; 17] =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q"];
    let base = runs(&NAMES.map(|name| (name, 100.0)), 7);
    let mut head = base.clone();
    let slower = head.benches.get_mut("h").unwrap();
    slower.runs.iter_mut().for_each(|run| *run *= 1.1);
    let red = FileComparison::new(base.clone(), head.clone(), &Rule::new());
    assert_eq!(red.judged[7].verdict, Verdict::Regress, "{:?}", red.judged[7]);
    head.benches.get_mut("h").unwrap().runs[0] = 102.0;
    let open = FileComparison::new(base, head, &Rule::new());
    let one = &open.judged[7];
    assert_eq!(one.verdict, Verdict::Inconclusive, "{one:?}");
    assert!(one.why.contains("one of 17 benches may look so by chance"), "{}", one.why);
}
