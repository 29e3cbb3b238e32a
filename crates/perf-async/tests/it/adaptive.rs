//! Limits that find themselves: the policies in a simulator, and the manager that holds to them.

#[path = "../../examples/adaptive/gradient.rs"]
mod gradient;
#[path = "../../examples/adaptive/simulator.rs"]
mod simulator;

use super::{ms, nap, settle};
use gradient::Gradient2;
use perf_async::{Adaptive, Aimd, Manager, Operation, Reason, Vegas};
use perf_core::{KnobId, KnobValue, Observe, Tune, Turn};
use simulator::{Service, Step, simulate};
use std::time::Duration;

/// Few, so that a run takes seconds; twenty have been looked at.
const SEEDS: std::ops::Range<u64> = 0..2;

fn vegas(services: &[(usize, Service)], seed: u64) -> Vec<Step> {
    simulate(&mut Vegas::new(), 20, services, seed)
}

fn first_at_knee(steps: &[Step]) -> usize {
    steps.iter().position(Step::is_at_knee).map_or(usize::MAX, |at| at + 1)
}

fn share_at_knee(steps: &[Step]) -> f64 {
    steps.iter().filter(|step| step.is_at_knee()).count() as f64 / steps.len() as f64
}

fn mean_limit(steps: &[Step]) -> f64 {
    steps.iter().map(|step| step.limit as f64).sum::<f64>() / steps.len() as f64
}

#[test]
fn the_knee_is_found_in_ten_windows_and_kept_for_a_thousand() {
    for (servers, seconds, windows) in
        [(8, 0.02, 1_000), (16, 0.02, 1_000), (50, 0.02, 100), (100, 0.05, 100)]
    {
        for seed in SEEDS {
            let steps = vegas(&[(windows, Service::new(servers, seconds))], seed);
            let found = first_at_knee(&steps);
            assert!(found <= 10, "{servers} servers, seed {seed}: {found} windows");
            let kept = share_at_knee(&steps[30..]);
            assert!(kept > 0.85, "{servers} servers, seed {seed}: at the knee for {kept}");
            let half = windows / 2;
            let (early, late) = (mean_limit(&steps[10..half]), mean_limit(&steps[half..]));
            assert!((late / early - 1.0).abs() < 0.1, "{servers}: from {early} to {late}");
        }
    }
}

#[test]
fn under_overload_gradient_drifts_and_vegas_does_not() {
    let service = Service { arrivals: 960.0, ..Service::new(16, 0.02) };
    for seed in SEEDS {
        let drifting = simulate(&mut Gradient2::default(), 20, &[(1_000, service.clone())], seed);
        assert!(mean_limit(&drifting[900..]) > 10.0 * 16.0, "{}", mean_limit(&drifting[900..]));
        let steps = vegas(&[(1_000, service.clone())], seed);
        assert!(share_at_knee(&steps[30..]) > 0.85);
    }
}

#[test]
fn a_loss_of_servers_and_their_return_are_followed() {
    let (many, few) = (Service::new(32, 0.02), Service::new(8, 0.02));
    for seed in SEEDS {
        let steps = vegas(&[(50, many.clone()), (100, few.clone()), (50, many.clone())], seed);
        assert!(first_at_knee(&steps[50..150]) <= 30, "loss, seed {seed}");
        assert!(first_at_knee(&steps[150..]) <= 30, "recovery, seed {seed}");
    }
}

#[test]
fn a_long_incident_in_which_all_is_slower_is_not_taken_for_a_queue() {
    let (usual, slow) = (Service::new(16, 0.02), Service::new(16, 0.1));
    for seed in SEEDS {
        let steps = vegas(&[(50, usual.clone()), (400, slow.clone()), (50, usual.clone())], seed);
        assert!(first_at_knee(&steps[50..450]) <= 30, "begin, seed {seed}");
        assert!(share_at_knee(&steps[80..450]) > 0.7, "during, seed {seed}");
        assert!(first_at_knee(&steps[450..]) <= 30, "end, seed {seed}");
    }
}

#[test]
fn operations_of_very_different_length_do_not_pin_it_to_the_bottom() {
    let work = vec![(0.8, 0.005), (0.2, 0.1)];
    for servers in [16, 50] {
        for seed in SEEDS {
            let service = Service { work: work.clone(), ..Service::new(servers, 0.0) };
            let steps = vegas(&[(400, service)], seed);
            let mean = mean_limit(&steps[30..]) / servers as f64;
            assert!((0.75..=1.25).contains(&mean), "{servers} servers, seed {seed}: {mean}");
        }
    }
}

#[test]
fn nobody_is_held_back_where_there_is_room() {
    for seed in SEEDS {
        let service = Service { arrivals: 200.0, ..Service::new(16, 0.02) };
        let steps = vegas(&[(200, service)], seed);
        assert!(steps.iter().all(|step| step.limit == 20), "seed {seed}");
    }
}

#[test]
fn above_what_is_healthy_the_limit_goes_down_whatever_the_baseline() {
    let (usual, slow) = (Service::new(16, 0.02), Service::new(16, 0.4));
    let mut capped = Vegas::new().max_healthy_latency(Duration::from_millis(300));
    let services = [(50, usual.clone()), (100, slow), (50, usual)];
    let steps = simulate(&mut capped, 20, &services, 7);
    assert!(steps[149].limit <= 2, "{:?}", steps[149]);
    assert!(first_at_knee(&steps[150..]) <= 30);
}

#[test]
fn aimd_goes_as_high_as_what_is_healthy_lets_it() {
    let mut aimd = Aimd::new().max_healthy_latency(Duration::from_millis(100));
    let steps = simulate(&mut aimd, 20, &[(300, Service::new(16, 0.02))], 3);
    // With 16 servers of 20 ms, one of ten takes 100 ms at about 58 at once.
    let mean = mean_limit(&steps[100..]);
    assert!((45.0..=70.0).contains(&mean), "{mean}");
}

/// So many operations of that length, always as many waiting as may run.
async fn load(manager: &Manager, operations: usize, length: Duration) {
    let handles: Vec<_> = (0..operations)
        .map(|_| manager.submit(Operation::infallible("fetch", nap(length))).unwrap())
        .collect();
    for handle in handles {
        handle.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_rises_to_where_it_no_longer_holds_back_and_more_start_at_once() {
    let adaptive = Adaptive::vegas().start(4).max(64);
    let manager = Manager::builder()
        .max_concurrent(1_000)
        .queue_limit(100_000)
        .kind("fetch", |kind| kind.adaptive(adaptive))
        .build()
        .unwrap();
    load(&manager, 40, ms(20)).await;
    assert_eq!(manager.metrics("fetch").unwrap().adaptive.unwrap().limit, 4);
    // Nothing waits on the other side, ever: sleeping takes as long however many do.
    let before = tokio::time::Instant::now();
    load(&manager, 10_000, ms(20)).await;
    assert!(before.elapsed() < Duration::from_secs(25), "{:?}", before.elapsed());
    let fetch = manager.metrics("fetch").unwrap();
    let state = fetch.adaptive.unwrap();
    assert!(state.limit > 16 && state.changes > 2, "{state:?}");
    let window = state.window.unwrap();
    assert!(window.mean >= ms(19) && window.mean <= ms(22), "{window:?}");
    assert_eq!(fetch.settings.max_concurrent, None);

    let mut seen = false;
    manager.observe(&mut |signal| {
        seen |= signal.name == "adaptive_limit" && signal.labels.contains(&("kind", "fetch"));
    });
    assert!(seen, "there is a signal");
}

#[tokio::test(start_paused = true)]
async fn the_manager_as_a_whole_falls_when_operations_time_out() {
    let manager = Manager::builder()
        .max_concurrent(40)
        .queue_limit(100_000)
        .timeout(ms(100))
        .adaptive(Adaptive::aimd().min(8))
        .build()
        .unwrap();
    assert_eq!(manager.adaptive().unwrap().limit, 40);
    let handles: Vec<_> = (0..3_000)
        .map(|_| manager.submit(Operation::infallible("stuck", nap(ms(500)))).unwrap())
        .collect();
    for handle in handles {
        handle.await.unwrap_err();
    }
    let state = manager.adaptive().unwrap();
    assert_eq!(state.reason, Reason::Drops);
    assert!(state.limit < 25 && manager.max_concurrent() == state.limit, "{state:?}");
    assert_eq!(manager.running_count(), 0);

    manager.set_adaptive(None).unwrap();
    manager.set_max_concurrent(7);
    assert_eq!((manager.max_concurrent(), manager.adaptive()), (7, None));
}

#[tokio::test(start_paused = true)]
async fn a_higher_bound_by_its_knob_starts_more_at_once() {
    let manager = Manager::builder()
        .max_concurrent(100)
        .kind("fetch", |kind| kind.adaptive(Adaptive::fixed(3).max(3)))
        .adaptive(Adaptive::aimd())
        .build()
        .unwrap();
    for _ in 0..10 {
        drop(manager.submit(Operation::infallible("fetch", nap(ms(50)))).unwrap());
    }
    settle().await;
    assert_eq!((manager.running_count(), manager.pending_count()), (3, 7));
    let turn = |knob: &'static str, to| {
        let turn = Turn { knob: KnobId::new(knob), to: KnobValue::Count(to), expect: None };
        manager.turn(turn).unwrap();
    };
    turn("adaptive_max:fetch", 8);
    manager.configure("fetch", |kind| kind.adaptive(Adaptive::fixed(8))).unwrap();
    settle().await;
    assert_eq!((manager.running_count(), manager.pending_count()), (8, 2));
    turn("adaptive_max:fetch", 2);
    assert_eq!(manager.metrics("fetch").unwrap().adaptive.unwrap().limit, 2);
    turn("adaptive_min", 50);
    assert_eq!(manager.adaptive().unwrap().limit, 100);
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |adaptive| {
        let error = Manager::builder().adaptive(adaptive).build().unwrap_err();
        assert_eq!(error.to_string(), {
            let kind = Manager::builder().kind("fetch", |kind| kind.adaptive(adaptive));
            kind.build().unwrap_err().to_string()
        });
        error.to_string()
    };
    assert!(refused(Adaptive::vegas().min(5).max(4)).contains("`adaptive.min`"));
    assert!(refused(Adaptive::vegas().max(0)).contains("`adaptive.max`"));
    assert!(refused(Adaptive::fixed(2_000)).contains("`adaptive.start`"));
    assert!(refused(Adaptive::aimd().window(Duration::ZERO)).contains("`adaptive.window`"));
    let latency = Adaptive::aimd().max_healthy_latency(Duration::ZERO);
    assert!(refused(latency).contains("`adaptive.max_healthy_latency`"));
}
