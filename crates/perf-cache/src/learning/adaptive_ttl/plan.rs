//! How long the values of each class may live, so that in all no more than a share of the answers is
//! stale and as little as possible is loaded.

/// What is known of a class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// Changes of a value, a second.
    pub(super) changes: f64,
    /// Requests for a value, a second.
    pub(super) requests: f64,
    /// Answers from all of its values, in any unit that is the same for all classes.
    pub(super) answers: f64,
}

/// The bounds of a plan; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) share: f64,
    pub(super) class_share: f64,
    pub(super) shortest: f64,
    pub(super) longest: f64,
}

/// The share of answers that are stale if they come at any time within so many mean times between
/// changes after the load.
pub(super) fn staleness(x: f64) -> f64 {
    // The quotient loses its digits near zero.
    if x < 1e-4 { x / 2.0 - x * x / 6.0 } else { 1.0 + (-x).exp_m1() / x }
}

/// A time to live for each class, in seconds, and the share of stale answers that is expected.
///
/// Each class is loaded `1 / (1 + ρT)` times for an answer and `ρT / (1 + ρT)` of its answers are
/// hits, of which [`staleness`]`(λT)` are stale; ρ is the rate of requests, λ that of changes. The
/// sum of the loads is least under the bound on the sum of the stale where each class by itself has
/// the least of loads + μ × stale, for one price μ of a stale answer that is the same for all. It is
/// found by halves; times are tried in steps of a fixed ratio. O(classes).
///
/// Source: Cho and Garcia-Molina, "Effective page refresh policies for Web crawlers", ACM TODS 2003
/// (one multiplier for all, so that what changes too often is not worth chasing).
pub(super) fn plan(classes: &[Demand], limits: Limits) -> (Vec<f64>, f64) {
    let ratio = (limits.longest / limits.shortest).powf(1.0 / (STEPS - 1) as f64);
    let time = |step: usize| limits.shortest * ratio.powi(step as i32);
    // For each class its loads and its stale answers at each time that it may have.
    let tables: Vec<Vec<(f64, f64)>> = classes
        .iter()
        .map(|class| {
            let at = |step: usize| {
                let held = class.requests * time(step);
                let stale = staleness(class.changes * time(step));
                (stale, (class.answers / (1.0 + held), class.answers * held / (1.0 + held) * stale))
            };
            let within = |step: &usize| *step == 0 || at(*step).0 <= limits.class_share;
            (0..STEPS).take_while(within).map(|step| at(step).1).collect()
        })
        .collect();
    let choose = |price: f64| -> Vec<usize> {
        let cost = |of: &(f64, f64)| of.0 + price * of.1;
        let least = |table: &Vec<(f64, f64)>| {
            (0..table.len()).min_by(|a, b| cost(&table[*a]).total_cmp(&cost(&table[*b])))
        };
        tables.iter().map(|table| least(table).unwrap_or(0)).collect()
    };
    let answers: f64 = classes.iter().map(|class| class.answers).sum();
    let share = |steps: &[usize]| {
        let stale: f64 = steps.iter().zip(&tables).map(|(step, table)| table[*step].1).sum();
        if answers > 0.0 { stale / answers } else { 0.0 }
    };
    let (mut low, mut high) = PRICES;
    let free = choose(0.0);
    // Where no plan keeps the share, one that spares almost whatever is stale.
    let mut best = choose(high);
    if share(&free) <= limits.share {
        best = free;
    } else {
        for _ in 0..HALVINGS {
            let price = (low * high).sqrt();
            let steps = choose(price);
            if share(&steps) <= limits.share {
                high = price;
                best = steps;
            } else {
                low = price;
            }
        }
    }
    let expected = share(&best);
    (best.into_iter().map(time).collect(), expected)
}

/// Times that are tried.
const STEPS: usize = 128;
/// What a stale answer may cost, in loads.
const PRICES: (f64, f64) = (1e-9, 1e6);
const HALVINGS: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits =
        Limits { share: 0.05, class_share: 1.0, shortest: 1.0, longest: 86_400.0 };

    #[test]
    fn staleness_rises_from_none_to_all() {
        assert_eq!(staleness(0.0), 0.0);
        assert!((staleness(1e-4) - staleness(0.99e-4)).abs() < 1e-6);
        assert!((staleness(1.0) - (-1.0_f64).exp()).abs() < 1e-12);
        assert!(staleness(1e6) > 0.999);
    }

    #[test]
    fn one_class_gets_the_time_that_has_the_share() {
        let class = Demand { changes: 0.01, requests: 1e6, answers: 1.0 };
        let (times, share) = plan(&[class], LIMITS);
        assert!((0.045..=0.05).contains(&share), "{share}");
        assert!((9.0..10.4).contains(&times[0]), "{times:?}");
    }

    #[test]
    fn what_never_changes_lives_longest_and_bounds_hold() {
        let still = Demand { changes: 1e-12, requests: 1.0, answers: 1.0 };
        let wild = Demand { changes: 1e3, requests: 1.0, answers: 1.0 };
        let (times, _) = plan(&[still, wild], LIMITS);
        assert!(times[0] > 500.0, "{times:?}");
        assert_eq!(times[1], 1.0, "what cannot be met gets the shortest");
        let (times, share) = plan(&[still], LIMITS);
        assert!((times[0] / 86_400.0 - 1.0).abs() < 1e-9 && share < 1e-6);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 64, rng_seed: proptest::test_runner::RngSeed::Fixed(0x77a), ..Default::default()
        })]

        /// Against all pairs of times that meet the share.
        #[test]
        fn two_classes_load_hardly_more_than_the_best_pair(
            fast in -3.0_f64..0.0,
            slow in -6.0_f64..-3.0,
            requests in prop::array::uniform2(-2.0_f64..2.0),
            weight in 0.1_f64..10.0,
        ) {
            let class = |changes: f64, requests: f64, answers| {
                Demand { changes: 10_f64.powf(changes), requests: 10_f64.powf(requests), answers }
            };
            let classes = [class(fast, requests[0], weight), class(slow, requests[1], 1.0)];
            let cost = |times: &[f64]| {
                let (mut loads, mut stale, mut answers) = (0.0, 0.0, 0.0);
                for (class, time) in classes.iter().zip(times) {
                    let held = class.requests * time;
                    loads += class.answers / (1.0 + held);
                    stale += class.answers * held / (1.0 + held) * staleness(class.changes * time);
                    answers += class.answers;
                }
                (loads, stale / answers)
            };
            let (times, share) = plan(&classes, LIMITS);
            let (loads, found) = cost(&times);
            prop_assert!((found - share).abs() < 1e-9);
            let steps: Vec<f64> = (0..64).map(|n| 86_400_f64.powf(n as f64 / 63.0)).collect();
            let pairs = steps.iter().flat_map(|a| steps.iter().map(move |b| [*a, *b]));
            let best = pairs.map(|pair| cost(&pair)).filter(|of| of.1 <= LIMITS.share);
            let best = best.map(|of| of.0).min_by(f64::total_cmp);
            if let Some(best) = best {
                prop_assert!(share <= LIMITS.share);
                prop_assert!(loads <= best * 1.1 + 1e-3, "{loads} against {best}");
            }
        }
    }
}
