use crate::cases;
use perf_core::Instant;
use perf_guard::Gcra;
use proptest::prelude::*;
use std::time::Duration;

proptest! {
    #![proptest_config(cases())]

    /// The model is a bucket of tokens filled at the rate, in exact fractions.
    #[test]
    fn passes_exactly_what_a_token_bucket_passes(
        calls in 1_u64..50,
        per in 1_u64..3_000_000_000,
        burst in 1_u64..20,
        gaps in prop::collection::vec(prop_oneof![Just(0), 0_u64..400_000_000], 1..200),
    ) {
        let per_time = Duration::from_nanos(per);
        let mut limit = Gcra::builder().rate(calls, per_time).burst(burst).build().unwrap();
        // Tokens in units of 1 / per of a token: a nanosecond adds `calls` units.
        let (unit, full) = (u128::from(per), u128::from(per) * u128::from(burst));
        let mut bucket = full;
        let mut now = Instant::from_nanos(0);
        let mut passed: Vec<Instant> = Vec::new();
        for gap in gaps {
            now = now + Duration::from_nanos(gap);
            bucket = (bucket + u128::from(gap) * u128::from(calls)).min(full);
            prop_assert_eq!(u128::from(limit.available(now)), bucket / unit);
            match limit.check(now) {
                Ok(()) => {
                    prop_assert!(bucket >= unit);
                    bucket -= unit;
                    passed.push(now);
                }
                Err(refused) => {
                    prop_assert!(bucket < unit);
                    let wait = (unit - bucket).div_ceil(u128::from(calls));
                    prop_assert_eq!(refused.retry_after().as_nanos(), wait);
                }
            }
        }
        for (i, from) in passed.iter().enumerate() {
            for (j, to) in passed.iter().enumerate().skip(i) {
                let span = (*to - *from).as_nanos();
                let most = u128::from(burst) + span * u128::from(calls) / u128::from(per);
                prop_assert!((j - i + 1) as u128 <= most);
            }
        }
    }
}
