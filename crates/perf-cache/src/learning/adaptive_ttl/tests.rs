use super::*;
use proptest::prelude::*;

fn learned(share: f64) -> AdaptiveTtlBuilder {
    AdaptiveTtl::builder(Ratio::new(share).unwrap())
}

fn after(seconds: u64, changed: bool) -> Reload {
    let age = Duration::from_secs(seconds);
    Reload { age, time_to_live: age, changed }
}

#[test]
fn what_is_not_known_lives_shortest() {
    let mut learned = learned(0.05).classes(1).build().unwrap();
    assert_eq!(learned.time_to_live(1), Duration::from_secs(1));
    (0..1_000).for_each(|_| learned.reloaded(1, after(10, false)));
    assert!(learned.time_to_live(1) > Duration::from_secs(60));
    assert_eq!(learned.time_to_live(2), Duration::from_secs(1));
}

#[test]
fn classes_without_room_are_one() {
    let mut learned = learned(0.05).classes(2).build().unwrap();
    for _ in 0..100 {
        (0..50).for_each(|class| learned.reloaded(class, after(10, class < 2)));
    }
    assert_eq!((learned.stats().others, learned.classes.len()), (4_800, 2));
    let classes: Vec<Option<u64>> = learned.classes().iter().map(|one| one.class).collect();
    assert_eq!(classes, [Some(0), Some(1), None]);
    assert!(learned.time_to_live(40) > learned.time_to_live(1));
    assert_eq!(learned.time_to_live(40), learned.time_to_live(4_000));
}

#[test]
fn what_changes_all_the_time_is_stale_no_more_than_its_class_may_be() {
    // Worth nothing by itself: its stale answers could be had for the fewest loads.
    let plan = |class_share: f64| {
        let share = Ratio::new(class_share).unwrap();
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3_600));
        let builder = learned(0.05).class_share(share).between(second, hour);
        let mut learned = builder.build().unwrap();
        for n in 0..5_000 {
            learned.reloaded(1, Reload { age: 5 * second, ..after(1, n % 2 == 0) });
            for class in 2..40 {
                learned.reloaded(class, Reload { age: hour, ..after(1, false) });
            }
        }
        learned.time_to_live(1)
    };
    assert!(plan(0.1) < Duration::from_secs(2));
    assert!(plan(1.0) > Duration::from_secs(1_000), "{:?}", plan(1.0));
}

#[test]
fn where_no_time_is_too_long_the_longest_is_given() {
    let (second, longest) = (Duration::from_secs(1), Duration::MAX);
    let learned = learned(0.05).between(second, longest).build().unwrap();
    assert_eq!(learned.span(Some(longest.as_secs_f64())), longest);
    assert_eq!((learned.span(None), learned.span(Some(0.5))), (second, second));
}

#[test]
fn the_same_reloads_teach_the_same() {
    let learn = || {
        let mut learned = learned(0.05).build().unwrap();
        for n in 0..5_000_u64 {
            learned.reloaded(n % 30, after(1 + n % 7, n % (n % 30 + 2) == 0));
        }
        learned.classes()
    };
    assert_eq!(learn(), learn());
}

#[test]
fn bad_settings_are_refused() {
    let refused = |builder: AdaptiveTtlBuilder| builder.build().unwrap_err().to_string();
    let ms = Duration::from_millis;
    assert!(refused(learned(0.0)).contains("`stale_share`"));
    assert!(refused(learned(1.0)).contains("`stale_share`"));
    assert!(refused(learned(0.1).class_share(Ratio::ZERO)).contains("`class_share`"));
    assert!(refused(learned(0.1).between(ms(5), ms(5))).contains("`between`"));
    assert!(refused(learned(0.1).between(ms(0), ms(5))).contains("`between`"));
    assert!(refused(learned(0.1).classes(0)).contains("`classes`"));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64, rng_seed: proptest::test_runner::RngSeed::Fixed(0xada), ..Default::default()
    })]

    /// Whatever is told, times stay within their bounds and memory within its own.
    #[test]
    fn bounds_hold(
        share in 0.001_f64..0.9,
        shortest in 1_u64..1_000_000,
        factor in 2_u64..1_000_000,
        reloads in prop::collection::vec((0_u64..6, any::<u64>(), any::<u64>(), any::<bool>()), 0..400),
    ) {
        let (shortest, longest) =
            (Duration::from_micros(shortest), Duration::from_micros(shortest * factor));
        let builder = learned(share).between(shortest, longest).classes(3);
        let mut learned = builder.build().unwrap();
        for (class, age, lived, changed) in reloads {
            let (age, time_to_live) = (Duration::from_nanos(age), Duration::from_nanos(lived));
            learned.reloaded(class, Reload { age, time_to_live, changed });
            let found = learned.time_to_live(class);
            prop_assert!((shortest..=longest).contains(&found), "{:?}", found);
            prop_assert!(learned.classes.len() <= 3);
            prop_assert!((0.0..=1.0).contains(&learned.stats().expected_stale));
        }
    }
}
