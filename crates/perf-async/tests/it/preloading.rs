use crate::{Alive, assert_idle, give_up_after, manager, ms, nap, settle};
use perf_async::{Lazy, LazyState, Manager, Operation, OperationError, Preloader};
use perf_core::{Observe, Priority, Reading, assert_tune_contract};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::time::sleep;

/// Values that take 10 ms each and note their names when their load begins.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<String>>>);

impl Order {
    fn lazy(&self, manager: &Manager, name: &str) -> Lazy<String> {
        let (order, text) = (self.clone(), name.to_owned());
        Lazy::new(manager, name, move || {
            let (order, text) = (order.clone(), text.clone());
            async move {
                order.0.lock().unwrap().push(text.clone());
                sleep(ms(10)).await;
                if text.starts_with("bad") { Err("broken") } else { Ok(text) }
            }
        })
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn level(level: u8) -> Priority {
    Priority::new(level).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_are_loaded_first_and_all_are_there() {
    let manager = manager(4);
    let order = Order::default();
    let preloader = Preloader::builder(&manager).max_concurrent(1).build().unwrap();
    let lazies: Vec<_> = ["c", "a", "bad", "b"].map(|name| order.lazy(&manager, name)).into();
    for (lazy, urgency) in lazies.iter().zip([1, 9, 5, 9]) {
        preloader.register(lazy, level(urgency)).unwrap();
    }
    settle().await;
    assert!(order.names().is_empty()); // Not before it is started.
    preloader.start();
    preloader.start();
    preloader.finished().await;
    assert_eq!(order.names(), ["a", "b", "bad", "c"]);
    assert_eq!(lazies[0].try_get().as_deref(), Some("c"));
    let report = preloader.report();
    let names: Vec<_> = report.initialised().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let ready: Vec<_> = report.initialised().map(|entry| entry.ready_after.unwrap()).collect();
    assert_eq!(ready, [ms(10), ms(20), ms(40)]);
    let unused: Vec<_> = report.never_used().map(|entry| entry.name.as_str()).collect();
    assert_eq!(unused, ["a", "b", "bad"]);
    let bad = report.entries.last().unwrap();
    assert_eq!((bad.state, bad.last_error.as_deref()), (LazyState::Empty, Some("broken")));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn what_is_registered_later_is_loaded_too() {
    let manager = manager(4);
    let order = Order::default();
    let preloader = Preloader::builder(&manager).build().unwrap();
    preloader.finished().await;
    let (one, watched) = (order.lazy(&manager, "one"), order.lazy(&manager, "watched"));
    preloader.register(&one, Priority::NORMAL).unwrap();
    preloader.watch(&watched).unwrap();
    assert!(!preloader.is_finished());
    preloader.finished().await;
    assert_eq!(order.names(), ["one"]);
    assert_eq!(preloader.report().entries.len(), 2);
    // What was loaded by somebody who asked is not loaded again.
    let asked = order.lazy(&manager, "asked");
    asked.get().await.unwrap();
    preloader.register(&asked, Priority::NORMAL).unwrap();
    preloader.finished().await;
    assert_eq!(order.names(), ["one", "asked"]);
}

#[tokio::test(start_paused = true)]
async fn one_who_asks_lifts_the_load_that_waits() {
    let manager = manager(1);
    let order = Order::default();
    let preloader = Preloader::builder(&manager).max_concurrent(2).build().unwrap();
    let lazies: Vec<_> =
        ["a", "b", "c", "d"].into_iter().map(|name| order.lazy(&manager, name)).collect();
    for lazy in &lazies {
        preloader.register(lazy, Priority::NORMAL).unwrap();
    }
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(5)))).unwrap();
    preloader.start();
    settle().await;
    let levels = |manager: &Manager| -> Vec<u8> {
        manager.pending().iter().map(|one| one.priority.level()).collect()
    };
    // Two with the manager, the others not even there.
    assert_eq!(levels(&manager), [1, 1]);
    let ask = |number: usize| {
        let lazy = lazies[number].clone();
        tokio::spawn(async move { lazy.get().await })
    };
    let (b, d) = (ask(1), ask(3));
    settle().await;
    assert_eq!(levels(&manager), [1, 9, 9]);
    blocking.await.unwrap();
    b.await.unwrap().unwrap();
    d.await.unwrap().unwrap();
    assert_eq!(order.names(), ["b", "d", "a"]); // "a" had begun when "d" answered.
    preloader.finished().await;
    assert_eq!(order.names(), ["b", "d", "a", "c"]);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_stops_what_nobody_else_wants() {
    let manager = manager(2);
    let alive = Alive::default();
    let lazy = |name: &str| {
        let alive = alive.clone();
        Lazy::new(&manager, name, move || {
            let token = alive.token();
            async move {
                let _token = token;
                sleep(ms(10)).await;
                Ok::<_, OperationError>(1)
            }
        })
    };
    let (wanted, unwanted, waiting) = (lazy("wanted"), lazy("unwanted"), lazy("waiting"));
    let preloader = Preloader::builder(&manager).build().unwrap();
    for lazy in [&wanted, &unwanted, &waiting] {
        preloader.register(lazy, Priority::NORMAL).unwrap();
    }
    preloader.start();
    settle().await;
    assert_eq!(alive.count(), 2);
    let asked = {
        let wanted = wanted.clone();
        tokio::spawn(async move { wanted.get().await })
    };
    settle().await;
    drop(preloader);
    settle().await;
    assert_eq!(alive.count(), 1);
    assert_eq!(asked.await.unwrap().unwrap(), 1);
    assert_eq!((unwanted.stats().state, waiting.stats().loads), (LazyState::Empty, 0));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn it_waits_while_the_manager_turns_it_away() {
    let manager = Manager::builder().max_concurrent(1).queue_limit(1).build().unwrap();
    let order = Order::default();
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(250)))).unwrap();
    let waiting = manager.submit(Operation::infallible("waits", nap(ms(1)))).unwrap();
    let preloader = Preloader::builder(&manager).max_concurrent(3).build().unwrap();
    let lazies = ["a", "b", "c"].map(|name| order.lazy(&manager, name));
    for lazy in &lazies {
        preloader.register(lazy, Priority::NORMAL).unwrap();
    }
    preloader.finished().await;
    assert!(lazies.iter().all(|lazy| lazy.try_get().is_some()));
    let signals = signals(&preloader);
    assert!(signals["turned_away"] >= 4.0, "{signals:?}");
    assert_eq!(signals["preload_failures"], 0.0);
    blocking.await.unwrap();
    waiting.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_who_stops_waiting_for_the_end_stops_nothing() {
    for polls in 0..5 {
        let manager = manager(1);
        let order = Order::default();
        let preloader = Preloader::builder(&manager).build().unwrap();
        for name in ["a", "b"] {
            preloader.register(&order.lazy(&manager, name), Priority::NORMAL).unwrap();
        }
        give_up_after(polls, preloader.finished(), ms(7)).await;
        preloader.finished().await;
        assert_eq!(order.names(), ["a", "b"], "after {polls} polls");
        assert_idle(&manager);
    }
}

#[tokio::test(start_paused = true)]
async fn its_register_is_bounded_and_counts_what_it_refuses() {
    let manager = manager(1);
    let order = Order::default();
    let preloader = Preloader::builder(&manager).limit(2).build().unwrap();
    preloader.register(&order.lazy(&manager, "a"), Priority::NORMAL).unwrap();
    let twice = preloader.watch(&order.lazy(&manager, "a")).unwrap_err();
    assert_eq!(twice.to_string(), "`register` cannot be a: each name can be registered once");
    preloader.watch(&order.lazy(&manager, "b")).unwrap();
    assert!(preloader.register(&order.lazy(&manager, "c"), Priority::NORMAL).is_err());
    assert_eq!(signals(&preloader)["refused"], 2.0);
    for (loads, limit) in [(0, 1), (65, 1), (1, 0)] {
        let builder = Preloader::builder(&manager).max_concurrent(loads).limit(limit);
        assert!(builder.build().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn its_sums_are_signals_and_its_limit_a_knob() {
    let manager = manager(4);
    let order = Order::default();
    let preloader = Preloader::builder(&manager).build().unwrap();
    let lazies = ["a", "b", "bad"].map(|name| order.lazy(&manager, name));
    for lazy in &lazies {
        preloader.register(lazy, Priority::NORMAL).unwrap();
    }
    preloader.finished().await;
    lazies[0].get().await.unwrap();
    let signals = signals(&preloader);
    let expected =
        [("gets", 1.0), ("hits", 1.0), ("loads", 3.0), ("failures", 1.0), ("ready", 2.0)];
    for (name, value) in expected.into_iter().chain([("unused", 1.0), ("registered", 3.0)]) {
        assert_eq!(signals[name], value, "{name}");
    }
    assert_tune_contract(&preloader);
}

#[test]
fn a_runtime_that_goes_away_leaves_it_to_be_started_again() {
    let order = Order::default();
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let manager = Manager::builder().build().unwrap();
    let preloader = Preloader::builder(&manager).build().unwrap();
    let lazy = order.lazy(&manager, "a");
    preloader.register(&lazy, Priority::NORMAL).unwrap();
    let first = runtime();
    first.block_on(async {
        preloader.start();
        settle().await;
    });
    assert_eq!(order.names(), ["a"]);
    drop(first);
    assert!(!preloader.is_finished());
    runtime().block_on(preloader.finished());
    assert_eq!(lazy.try_get().as_deref(), Some("a"));
    assert_eq!(lazy.stats().loads, 2);
}

fn signals(preloader: &Preloader) -> HashMap<String, f64> {
    let mut signals = HashMap::new();
    preloader.observe(&mut |signal| {
        let value = match signal.reading {
            Reading::Counter(count) => count as f64,
            Reading::Gauge(value) => value,
            _ => return,
        };
        signals.insert(signal.name.to_owned(), value);
    });
    signals
}
