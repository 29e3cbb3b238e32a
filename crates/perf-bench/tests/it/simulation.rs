//! The gate's promises, tried against the noise that is simulated in the example of the same name.

#[path = "../../examples/gate_simulation/model.rs"]
mod model;

use model::{Noise, share};
use perf_bench::{Judged, Paired, Rule, Verdict};
use rand::rngs::StdRng;

const NOISE: Noise = Noise { machine: 0.05, run: 0.02, ..Noise::NONE };

fn judged(noise: Noise, random: &mut StdRng, change: f64) -> Judged {
    let sides = noise.job(random, change, 30, 5);
    Rule::new().judge(&Paired::new("simulated", &sides.base, &sides.head))
}

fn is_red(judged: &Judged) -> bool {
    judged.verdict == Verdict::Regress
}

#[test]
fn clean_jobs_are_red_in_less_than_one_of_two_hundred() {
    // None in 4 000 leaves less than 0.1 % with a confidence of 95 %.
    let red = share(4_000, 1, |random| is_red(&judged(NOISE, random, 0.0)));
    assert_eq!(red, 0.0);
}

#[test]
fn five_per_cent_are_found_in_at_least_95_of_100_jobs() {
    // 96.8 % in 10 000 trials; the deviation of a share of 4 000 is 0.3 %.
    let red = share(4_000, 2, |random| is_red(&judged(NOISE, random, 0.05)));
    assert!(red >= 0.95, "red in {red} of the jobs");
    let red = share(1_000, 3, |random| is_red(&judged(NOISE, random, 0.20)));
    assert!(red >= 0.99, "red in {red} of the jobs");
}

#[test]
fn a_layout_that_differs_by_one_per_cent_is_caught_by_the_second_link_order() {
    let noise = Noise { layout: 0.01, run: 0.01, ..NOISE };
    let (mut once, mut confirmed) = (0, 0);
    share(1_000, 4, |random| {
        let first = judged(noise, random, 0.0);
        if is_red(&first) {
            once += 1;
            let second = judged(noise, random, 0.0);
            confirmed += usize::from(is_red(&Rule::new().confirm(&first, &second)));
        }
        false
    });
    assert!(once >= 10, "the layout alone makes a bench red: {once} of 1 000");
    assert!(confirmed <= 5, "{confirmed} of 1 000 although linked twice");
}

#[test]
fn a_suite_of_clean_benches_stays_without_red() {
    let red = share(160, 5, |random| {
        let sides: Vec<_> = (0..25).map(|_| NOISE.job(random, 0.0, 30, 5)).collect();
        let suite: Vec<_> =
            sides.iter().map(|s| Paired::new("simulated", &s.base, &s.head)).collect();
        Rule::new().judge_suite(&suite).iter().any(is_red)
    });
    assert_eq!(red, 0.0);
}

#[test]
fn processes_that_differ_by_one_per_cent_cost_power_and_make_nothing_red() {
    // Five pairs have the same two processes, so that they err together.
    let noise = Noise { process: 0.01, ..NOISE };
    let red = share(2_000, 6, |random| is_red(&judged(noise, random, 0.0)));
    assert_eq!(red, 0.0);
    let red = share(1_000, 7, |random| is_red(&judged(noise, random, 0.05)));
    assert!(red >= 0.85, "red in {red} of the jobs");
    let red = share(500, 8, |random| is_red(&judged(noise, random, 0.10)));
    assert!(red >= 0.99, "red in {red} of the jobs");
}

#[test]
fn a_head_that_stalls_in_one_of_its_processes_is_never_the_same() {
    let quiet = Noise { run: 0.005, process: 0.002, ..NOISE };
    let verdict = |noise: Noise, seed, verdict| {
        share(1_000, seed, |random| judged(noise, random, 0.0).verdict == verdict)
    };
    let same = verdict(quiet, 9, Verdict::Same);
    assert!(same >= 0.9, "the same in {same} of the jobs in which nothing stalls");
    for stalling in [1, 2] {
        let noise = Noise { stalling, ..quiet };
        assert_eq!(verdict(noise, 10, Verdict::Same), 0.0, "{stalling} of 6 stall");
        assert_eq!(verdict(noise, 11, Verdict::Improve), 0.0, "{stalling} of 6 stall");
    }
    let noise = Noise { stalling: 1, ..quiet };
    let red = share(500, 12, |random| is_red(&judged(noise, random, 0.05)));
    assert!(red >= 0.95, "a loss besides is red in {red} of the jobs");
}
