use crate::cases;
use perf_guard::Backoff;
use proptest::prelude::*;
use std::time::Duration;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_wait_is_within_zero_and_the_doubled_base_or_the_cap(
        base in 1_u64..10_000_000_000,
        more in 0_u64..1_000_000_000_000,
        retries in 0_u32..200,
        retry in 0_u32..200,
        random: u64,
    ) {
        let cap = base + more;
        let backoff = Backoff::builder()
            .base(Duration::from_nanos(base))
            .cap(Duration::from_nanos(cap))
            .retries(retries)
            .build()
            .unwrap();
        let mut ceiling = u128::from(base);
        for _ in 0..retry {
            ceiling = (ceiling * 2).min(u128::from(cap));
        }
        match backoff.delay(retry, random) {
            None => prop_assert!(retry >= retries),
            Some(delay) => {
                prop_assert!(retry < retries);
                prop_assert!(delay.as_nanos() <= ceiling);
            }
        }
        prop_assert_eq!(backoff.ceiling(retry).as_nanos(), ceiling);
        prop_assert!(backoff.delay(retry, random) <= backoff.delay(retry, u64::MAX));
    }
}

#[test]
fn random_bits_spread_evenly_over_the_whole_span() {
    let backoff = Backoff::builder().base(Duration::from_secs(1)).build().unwrap();
    let quarter = |q: u64| backoff.delay(0, q << 62).unwrap().as_millis();
    assert_eq!([quarter(0), quarter(1), quarter(2), quarter(3)], [0, 250, 500, 750]);
    assert_eq!(backoff.delay(0, u64::MAX).unwrap(), Duration::from_secs(1));
}
