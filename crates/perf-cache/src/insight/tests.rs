//! How well the sample tells the whole.

use super::*;
use crate::replay::{Curve, Trace};

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Ranks from 0, drawn by Zipf's law.
pub(super) fn zipf(keys: usize, exponent: f64, seed: u64) -> impl FnMut() -> u64 {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    let mut random = Random(seed);
    move || {
        let at = random.unit() * sum;
        sums.partition_point(|s| *s < at) as u64
    }
}

fn hash(key: u64) -> u64 {
    Random(key).next()
}

/// The mean absolute error over sizes spaced evenly by ratio, from ten over the sampling rate on.
fn error(requests: &[u64], shards: &Shards) -> f64 {
    let mut trace = Trace::new();
    requests.iter().for_each(|key| trace.push(*key).unwrap());
    let (exact, sampled) = (Curve::exact(&trace), shards.curve());
    let least = (10.0 / shards.sampling_rate()) as u64;
    let sizes = exact.points(100).into_iter().map(|(size, _)| size);
    let sizes: Vec<u64> = sizes.filter(|size| *size >= least).collect();
    let sum: f64 = sizes
        .iter()
        .map(|size| (exact.miss_ratio(*size) - sampled.miss_ratio_at(*size).unwrap()).abs())
        .sum();
    sum / sizes.len() as f64
}

fn sampled(requests: &[u64], samples: usize) -> Shards {
    let mut shards = Shards::new(samples);
    for key in requests {
        shards.record(hash(*key), 1);
    }
    shards
}

#[test]
fn with_all_keys_in_the_sample_the_curve_is_exact_but_for_its_buckets() {
    let mut draw = zipf(400, 0.9, 1);
    let requests: Vec<u64> = (0..20_000).map(|_| draw()).collect();
    let shards = sampled(&requests, 1_000);
    assert_eq!((shards.sampling_rate(), shards.sampled_keys()), (1.0, 400));
    let error = error(&requests, &shards);
    assert!(error < 0.002, "{error}");
}

#[test]
fn zipf_curves_are_told_from_a_tenth_of_the_keys() {
    for (exponent, seed) in [(0.6, 2), (0.8, 3), (0.99, 4), (1.2, 5)] {
        let mut draw = zipf(40_000, exponent, seed);
        let requests: Vec<u64> = (0..300_000).map(|_| draw()).collect();
        let shards = sampled(&requests, 4_096);
        assert!(shards.sampling_rate() < 0.25);
        let error = error(&requests, &shards);
        assert!(error < 0.02, "zipf {exponent}: {error}");
    }
}

#[test]
fn the_step_of_a_loop_is_found() {
    let requests: Vec<u64> = (0..200_000).map(|n| n % 20_000).collect();
    let shards = sampled(&requests, 2_048);
    let error = error(&requests, &shards);
    assert!(error < 0.02, "{error}");
    let curve = shards.curve();
    assert!(curve.miss_ratio_at(18_000).unwrap() > 0.9);
    assert!(curve.miss_ratio_at(22_000).unwrap() < 0.15);
}

#[test]
fn a_scan_between_hot_keys_is_seen() {
    let mut draw = zipf(5_000, 0.9, 6);
    let requests: Vec<u64> =
        (0..300_000).map(|n| if n % 3 == 0 { 1_000_000 + n } else { draw() }).collect();
    let shards = sampled(&requests, 4_096);
    let error = error(&requests, &shards);
    assert!(error < 0.02, "{error}");
    let once = shards.used_once().unwrap();
    assert!((0.30..0.36).contains(&once), "{once}");
}

#[test]
fn an_endless_scan_does_not_thin_out_a_sample_with_a_farthest_distance() {
    let mut shards = Shards::new(2_048).farthest(20_000);
    let mut draw = zipf(2_000, 0.9, 7);
    for n in 0..2_000_000 {
        let key = if n % 2 == 0 { 1_000_000 + n } else { draw() };
        shards.record(hash(key), 1);
    }
    assert!(shards.sampling_rate() > 0.07, "{}", shards.sampling_rate());
    assert!(shards.sampled_keys() <= 2_048);
    let miss_ratio = shards.curve().miss_ratio_at(20_000).unwrap();
    assert!((0.49..0.53).contains(&miss_ratio), "{miss_ratio}");
}

#[test]
fn weights_make_the_sizes() {
    // A loop over a thousand keys of 100 each.
    let mut shards = Shards::new(4_096);
    for n in 0..20_000_u64 {
        shards.record(hash(n % 1_000), if n < 1_000 { 1 } else { 100 });
        shards.set_weight(hash(n % 1_000), 100);
    }
    let curve = shards.curve();
    assert!(curve.miss_ratio_at(90_000).unwrap() > 0.95);
    assert!(curve.miss_ratio_at(104_000).unwrap() < 0.1);
}

#[test]
fn what_was_filtered_before_is_scaled_up_and_corrected() {
    let mut draw = zipf(40_000, 0.99, 8);
    let requests: Vec<u64> = (0..400_000).map(|_| draw()).collect();
    let mut errors = Vec::new();
    for part in 0..8 {
        let mut shards = Shards::new(8_192).one_in(8);
        for key in &requests {
            if hash(*key) % 8 == part {
                shards.record(hash(*key), 1);
            }
        }
        shards.correct(requests.len() as f64 / 8.0);
        errors.push(error(&requests, &shards));
    }
    let mean = errors.iter().sum::<f64>() / 8.0;
    assert!(mean < 0.02 && errors.iter().all(|error| *error < 0.03), "{errors:?}");
}

#[test]
fn fading_lets_the_present_win() {
    let mut shards = Shards::new(1_024);
    for n in 0..100_000_u64 {
        shards.record(hash(n % 500), 1);
    }
    for n in 0..100_000_u64 {
        if n % 10_000 == 0 {
            shards.fade();
        }
        shards.record(hash(1_000_000 + n), 1);
    }
    assert!(shards.curve().miss_ratio_at(1_000).unwrap() > 0.95);
}

#[test]
fn the_skew_is_told_to_a_tenth() {
    for (exponent, seed) in [(0.0, 11), (0.4, 12), (0.6, 13), (0.8, 14), (1.0, 15), (1.2, 16)] {
        for samples in [2_048, 1 << 20] {
            let mut draw = zipf(10_000, exponent, seed);
            let mut shards = Shards::new(samples);
            for _ in 0..250_000 {
                shards.record(hash(draw()), 1);
            }
            let skew = skew::zipf_exponent(shards.uses(), shards.sampling_rate()).unwrap();
            assert!((skew - exponent).abs() < 0.1, "{exponent}: {skew} of {samples}");
        }
    }
}

#[test]
fn nothing_seen_is_nothing_known() {
    let shards = Shards::new(100);
    assert!(shards.curve().is_empty());
    assert_eq!((shards.used_once(), shards.distance_quantile(0.5)), (None, None));
    assert_eq!(skew::zipf_exponent(shards.uses(), shards.sampling_rate()), None);
}

#[test]
fn distances_have_quantiles() {
    let requests: Vec<u64> = (0..10_000).map(|n| n % 100).collect();
    let shards = sampled(&requests, 1_000);
    let median = shards.distance_quantile(0.5).unwrap();
    assert!((96..=104).contains(&median), "{median}");
    assert_eq!(shards.distance_quantile(1.0), None);
}

/// Runs a real policy of this size against the requests, and shows them to an observer of every
/// fourth key.
fn observed(entries: u64, mut draw: impl FnMut() -> u64, requests: u64) -> (Insight, Vec<f64>) {
    let observer = Observer::new(Bounds::of(entries), false, 4);
    let kinds = [PolicyKind::Lru, PolicyKind::Lfu, PolicyKind::Fifo, PolicyKind::Random];
    let mut caches =
        kinds.map(|kind| (crate::policy::Simulation::new(kind.build(entries), entries), 0.0));
    let mut numbers = std::collections::HashMap::new();
    for n in 0..requests {
        let key = draw();
        let next = numbers.len() as u32;
        let number = *numbers.entry(key).or_insert(next);
        for (cache, hits) in &mut caches {
            *hits += f64::from(u8::from(cache.access(number, hash(key) as u32, 1)));
        }
        if hash(key).is_multiple_of(4) {
            observer.on_access(hash(key), n, || n + 1);
        }
    }
    let measured: Vec<f64> = caches.iter().map(|(_, hits)| hits / requests as f64).collect();
    (observer.snapshot(requests, Some(measured[0])), measured)
}

#[test]
fn shadows_tell_policies_apart() {
    // Hot keys and a loop: what was used often is worth more than what was used last.
    let mut hot = zipf(3_000, 0.9, 21);
    let mut n = 0;
    let draw = || {
        n += 1;
        if n % 2 == 0 { hot() } else { 1_000_000 + n % 12_000 }
    };
    let (insight, measured) = observed(2_000, draw, 200_000);
    let shadow = |kind| insight.policies.iter().find(|(k, _)| *k == kind).unwrap().1;
    let (lru, lfu) = (shadow(PolicyKind::Lru), shadow(PolicyKind::Lfu));
    assert!((lru - measured[0]).abs() < 0.05, "{lru} {}", measured[0]);
    assert!((lfu - measured[1]).abs() < 0.05, "{lfu} {}", measured[1]);
    assert!(measured[1] > measured[0] && lfu > lru);
}

#[test]
fn an_insight_tells_what_twice_the_capacity_would_give() {
    let (at_one, _) = observed(2_000, zipf(20_000, 0.9, 22), 200_000);
    let (_, at_two) = observed(4_000, zipf(20_000, 0.9, 22), 200_000);
    let told = at_one.hit_ratio_with(2.0).unwrap();
    assert!((told - at_two[0]).abs() < 0.02, "{told} {}", at_two[0]);
    assert_eq!(at_one.hit_ratio_with(1.0), at_one.hit_ratio);
    assert!(at_one.to_string().contains("2 x capacity"), "{at_one}");
}

#[test]
fn other_bounds_begin_new_shadows_and_another_sample_a_new_curve() {
    let observer = Observer::new(Bounds::of(1_000), false, 1);
    (0..20_000).for_each(|n| observer.on_access(hash(n % 1_000), n, || n));
    let miss_ratio = |insight: &Insight| insight.curve.miss_ratio_at(1_500).unwrap();
    let before = observer.snapshot(20_000, None);
    assert!(miss_ratio(&before) < 0.1 && !before.policies.is_empty());
    observer.on_capacity(Bounds::of(2_000), 1);
    let resized = observer.snapshot(20_000, None);
    assert_eq!((resized.capacity, miss_ratio(&resized)), (2_000, miss_ratio(&before)));
    assert!(resized.policies.is_empty(), "they begin anew");
    observer.on_capacity(Bounds::of(2_000), 4);
    assert!(observer.snapshot(20_000, None).curve.is_empty());
}

#[test]
fn bytes_are_weighed_when_they_are_known() {
    let observer =
        Observer::new(Bounds { capacity: 1_000_000, entries: 5_000, room: 5_000 }, true, 1);
    for n in 0..100_000 {
        observer.on_access(hash(n % 5_000), n, || n);
        if n < 5_000 {
            observer.on_insert(hash(n), 200, false, n);
        }
    }
    let insight = observer.snapshot(100_000, None);
    assert_eq!((insight.unit, insight.workload.weights.max()), (Unit::Bytes, Some(200)));
    assert!(insight.curve.miss_ratio_at(850_000).unwrap() > 0.8);
    assert!(insight.curve.miss_ratio_at(1_150_000).unwrap() < 0.1);
}

#[test]
fn one_key_that_is_hit_all_the_time_is_a_hit_at_any_size() {
    let observer = Observer::new(Bounds::of(1_000), false, 1);
    // One that is in the sample.
    let key = (0..).map(hash).find(|hash| shards::mix(*hash) < u64::MAX / 64).unwrap();
    (0..10_000).for_each(|n| observer.on_access(key, n, || n));
    let insight = observer.snapshot(10_000, None);
    assert_eq!((insight.sampled_keys, insight.dropped), (1, 0));
    assert!(insight.curve.miss_ratio_at(100).unwrap() < 0.01);
}

#[test]
fn the_skew_is_told_of_keys_that_were_passed_by() {
    let (insight, _) = observed(4_000, zipf(20_000, 0.9, 31), 400_000);
    let skew = insight.workload.skew.unwrap();
    assert!((skew - 0.9).abs() < 0.15, "{skew}");
}

#[test]
fn hits_are_counted_for_the_hottest_whatever_the_sample() {
    let observer = Observer::new(Bounds::of(1_000), false, 1);
    let mut draw = zipf(1_000, 1.0, 41);
    for turn in 0..100_000 {
        let key = draw();
        if turn % ONE_HIT_IN == 0 {
            observer.on_hit(key);
        }
    }
    let hottest = observer.hottest();
    assert_eq!(hottest[0].0, 0);
    let hits = u64::from(hottest[0].1) * ONE_HIT_IN;
    assert!((11_000..16_000).contains(&hits), "{hits}");
}
