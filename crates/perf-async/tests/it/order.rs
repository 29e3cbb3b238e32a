use crate::{assert_idle, manager, ms, nap};
use perf_async::{Manager, Operation};
use perf_core::Priority;
use std::sync::{Arc, Mutex};
use tokio::time::advance;

fn level(level: u8) -> Priority {
    Priority::new(level).unwrap()
}

struct Bench {
    manager: Manager,
    order: Arc<Mutex<Vec<&'static str>>>,
}

impl Bench {
    fn new() -> Bench {
        let manager = manager(1);
        drop(manager.submit(Operation::infallible("slow", nap(ms(60_000)))).unwrap());
        Bench { manager, order: Arc::default() }
    }

    fn submit(&self, name: &'static str, priority: u8) -> perf_async::OperationId {
        let order = Arc::clone(&self.order);
        let work = async move { order.lock().unwrap().push(name) };
        let operation = Operation::infallible(name, work).priority(level(priority));
        self.manager.submit(operation).unwrap().id()
    }

    async fn order(self) -> Vec<&'static str> {
        let last = Operation::infallible("last", async {}).priority(Priority::LOWEST);
        self.manager.run(last).await.unwrap();
        assert_idle(&self.manager);
        Arc::into_inner(self.order).unwrap().into_inner().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_starts_first_and_equals_in_order_of_arrival() {
    let bench = Bench::new();
    for (name, priority) in [("a", 5), ("b", 1), ("c", 10), ("d", 5), ("e", 10)] {
        bench.submit(name, priority);
    }
    assert_eq!(bench.order().await, ["c", "e", "a", "d", "b"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_a_second_counts_as_one_level() {
    let bench = Bench::new();
    bench.submit("old", 3);
    advance(ms(1_999)).await;
    bench.submit("urgent", 5);
    advance(ms(2)).await;
    bench.submit("late", 5);
    assert_eq!(bench.order().await, ["urgent", "old", "late"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_priority_keeps_the_time_waited() {
    let bench = Bench::new();
    bench.submit("first", 5);
    let low = bench.submit("low", 1);
    bench.submit("third", 5);
    assert_eq!(bench.manager.set_priority(low, level(5)), Some(level(1)));
    let running = bench.manager.running()[0].id;
    assert_eq!(bench.manager.set_priority(running, level(10)), None);
    assert_eq!(bench.order().await, ["first", "low", "third"]);
}
