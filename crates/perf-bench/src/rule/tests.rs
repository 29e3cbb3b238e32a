use super::*;

/// Thirty pairs whose ratio is `ratio` and scatters by `spread` either way.
fn sides(ratio: f64, spread: f64) -> (Vec<f64>, Vec<f64>) {
    let base: Vec<f64> = (0..30).map(|i| 100.0 + f64::from(i % 7)).collect();
    let head = base
        .iter()
        .zip([1.0, -0.5, 0.25, -1.0, 0.5, -0.25].iter().cycle())
        .map(|(base, sign)| base * ratio * (1.0 + spread * sign))
        .collect();
    (base, head)
}

fn judged(ratio: f64, spread: f64, learnt: Option<f64>) -> Judged {
    let (base, head) = sides(ratio, spread);
    Rule::new().judge(&Paired::new("sort", &base, &head).learnt(learnt))
}

#[test]
fn each_verdict_has_its_interval() {
    for (ratio, spread, verdict) in [
        (1.05, 0.005, Verdict::Regress),
        (0.95, 0.005, Verdict::Improve),
        (1.0, 0.005, Verdict::Same),
        (1.02, 0.005, Verdict::Inconclusive),
        (1.0, 0.3, Verdict::Inconclusive),
    ] {
        let judged = judged(ratio, spread, None);
        assert_eq!(judged.verdict, verdict, "{}", judged.why);
        assert_eq!(judged.margin, Some(0.02));
    }
}

#[test]
fn the_middle_values_and_the_reason_are_told() {
    let judged = judged(1.05, 0.0, None);
    assert_eq!((judged.base, judged.unit.as_str()), (Some(103.0), "ns"));
    assert_eq!(judged.why, "the whole interval lies beyond the margin of 2 %");
}

#[test]
fn a_learnt_margin_mutes_red_but_never_makes_green() {
    assert_eq!(judged(1.05, 0.005, Some(0.01)).verdict, Verdict::Regress, "the asked one holds");
    let muted = judged(1.05, 0.005, Some(0.06));
    assert_eq!(muted.verdict, Verdict::Inconclusive);
    assert!(muted.why.contains("builds of one source have differed by 6 %"), "{}", muted.why);
    assert_eq!(judged(1.05, 0.005, Some(f64::NAN)).verdict, Verdict::Regress);
    // The layout may have hidden a loss: times that are alike say nothing of such a bench.
    let alike = judged(1.0, 0.005, Some(0.06));
    assert_eq!(alike.verdict, Verdict::Inconclusive);
    assert!(alike.why.contains("builds of one source have differed by 6 %"), "{}", alike.why);
    assert_eq!(judged(1.0, 0.005, Some(0.02)).verdict, Verdict::Same);
}

#[test]
fn outliers_do_not_move_the_verdict() {
    let (base, mut head) = sides(1.0, 0.004);
    for spike in [3, 11, 19] {
        head[spike] *= 40.0;
    }
    let judged = Rule::new().judge(&Paired::new("sort", &base, &head));
    assert_eq!(judged.verdict, Verdict::Same, "{}", judged.why);
}

#[test]
fn bad_samples_are_named_and_never_panic() {
    let good = [1.0; 10];
    let mut nan = good;
    nan[6] = f64::NAN;
    let mut zero = good;
    zero[0] = 0.0;
    let cases: [(&[f64], &[f64], Verdict, &str); 6] = [
        (&[], &[], Verdict::Inconclusive, "0 pairs are too few"),
        (&[1.0], &[1.0], Verdict::Inconclusive, "1 pairs are too few, at least 8"),
        (&good, &nan, Verdict::Incomparable, "sample 7 of the head is NaN"),
        (&zero, &good, Verdict::Incomparable, "sample 1 of the base is 0"),
        (&good, &good[..9], Verdict::Incomparable, "10 samples of the base and 9 of the head"),
        (&good, &[f64::INFINITY; 10], Verdict::Incomparable, "sample 1 of the head is inf"),
    ];
    for (base, head, verdict, part) in cases {
        let judged = Rule::new().judge(&Paired::new("sort", base, head));
        assert_eq!(judged.verdict, verdict);
        assert!(judged.why.contains(part), "{}", judged.why);
    }
    assert!(Rule::new().judge_suite(&[]).is_empty());
}

#[test]
fn a_large_suite_needs_stronger_evidence() {
    // Nine pairs all beyond the margin: p = 1/512, enough for one bench and not for fifty.
    let base = [100.0; 9];
    let head: Vec<f64> = (0..9).map(|i| 104.0 + f64::from(i) / 10.0).collect();
    let rule = Rule::new();
    let slow = Paired::new("slow", &base, &head);
    assert_eq!(rule.judge(&slow).verdict, Verdict::Regress);
    assert_eq!(rule.judge_suite(&[slow])[0].verdict, Verdict::Regress);
    let mut suite = vec![Paired::new("same", &base, &base); 49];
    suite.push(slow);
    let judged = rule.judge_suite(&suite);
    assert_eq!(judged[49].verdict, Verdict::Inconclusive);
    assert!(judged[49].why.contains("one of 50 benches"), "{}", judged[49].why);
    assert_eq!(judged[0].verdict, Verdict::Same);
}

#[test]
fn a_hard_loss_is_red_in_any_suite() {
    let base = [100.0; 9];
    let head: Vec<f64> = (0..9).map(|i| 130.0 + f64::from(i)).collect();
    let rule = Rule::new();
    let mut suite = vec![Paired::new("same", &base, &base); 49];
    suite.push(Paired::new("slow", &base, &head));
    let judged = &rule.judge_suite(&suite)[49];
    assert!(rule.is_hard(judged), "{}", judged.why);
}

#[test]
fn red_stands_only_if_the_second_measurement_agrees() {
    let rule = Rule::new();
    let red = judged(1.05, 0.005, None);
    let confirmed = rule.confirm(&red, &judged(1.06, 0.005, None));
    assert_eq!(confirmed.verdict, Verdict::Regress);
    assert!(confirmed.why.contains("linked in another order +6.0 %"), "{}", confirmed.why);
    let not = rule.confirm(&red, &judged(1.0, 0.005, None));
    assert_eq!(not.verdict, Verdict::Inconclusive);
    assert!(not.why.ends_with("not confirmed"), "{}", not.why);
    let same = judged(1.0, 0.005, None);
    assert_eq!(rule.confirm(&same, &red), same);
}

#[test]
fn red_stands_where_the_second_measurement_failed() {
    let rule = Rule::new();
    let mut failed = Judged::new("sort", "time", Verdict::Incomparable);
    failed.why = "head: panicked: out of memory".to_owned();
    let red = rule.confirm(&judged(1.05, 0.005, None), &failed);
    assert_eq!(red.verdict, Verdict::Regress, "{}", red.why);
    assert!(red.why.ends_with("could not be measured: head: panicked: out of memory"));
    let green = rule.confirm(&judged(0.9, 0.005, None), &failed);
    assert_eq!(green.verdict, Verdict::Inconclusive, "{}", green.why);
}

#[test]
fn no_learnt_margin_hides_a_hard_loss() {
    let red = judged(1.3, 0.005, Some(0.5));
    assert_eq!((red.verdict, red.margin), (Verdict::Regress, Some(0.20)), "{}", red.why);
    let (base, head) = sides(1.3, 0.005);
    let asked = Rule::new().margin(0.4).judge(&Paired::new("sort", &base, &head));
    assert_eq!((asked.verdict, asked.margin), (Verdict::Same, Some(0.4)), "asked is asked");
}

#[test]
fn a_stall_in_one_of_six_processes_is_not_the_same() {
    for (direction, verdict) in [(1.4, Verdict::Inconclusive), (1.0, Verdict::Same)] {
        let (mut base, mut head) = sides(1.0, 0.004);
        head[10..15].iter_mut().for_each(|time| *time *= direction);
        let judged = Rule::new().judge(&Paired::new("sort", &base, &head));
        assert_eq!(judged.verdict, verdict, "{}", judged.why);
        assert_eq!(judged.why.contains("but for 5 of 30 pairs"), direction > 1.0);
        std::mem::swap(&mut base, &mut head);
        let judged = Rule::new().judge(&Paired::new("sort", &base, &head));
        assert_eq!(judged.verdict, verdict, "{}", judged.why);
    }
    let (base, mut head) = sides(1.1, 0.004);
    head[10..15].iter_mut().for_each(|time| *time /= 1.4);
    let judged = Rule::new().judge(&Paired::new("sort", &base, &head));
    assert_eq!(judged.verdict, Verdict::Regress, "a loss is still found: {}", judged.why);
}

#[test]
fn with_the_least_pairs_a_bench_can_be_red_and_with_one_less_it_cannot() {
    let rule = Rule::new();
    for (benches, least) in [(0, 8), (1, 8), (2, 9), (30, 13), (1000, 18)] {
        assert_eq!(rule.least_pairs(benches), least, "{benches}");
    }
    let red = |pairs: usize, benches: usize| {
        let base = vec![100.0; pairs];
        let head: Vec<f64> = (0..pairs).map(|i| 105.0 + i as f64 / 10.0).collect();
        let mut suite = vec![Paired::new("same", &base, &base); benches - 1];
        suite.push(Paired::new("slow", &base, &head));
        rule.judge_suite(&suite)[benches - 1].verdict == Verdict::Regress
    };
    for benches in [1, 2, 7, 30, 40] {
        let least = rule.least_pairs(benches);
        assert!(red(least, benches) && !red(least - 1, benches), "{benches} benches");
    }
    assert!(Rule::new().confidence(Confidence::P95).least_pairs(1) < 8);
}
