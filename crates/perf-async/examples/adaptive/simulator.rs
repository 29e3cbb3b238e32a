//! A service with so many servers and a queue before them, and a manager with a limit before it:
//! events in order of time, no clock, no sleep, a seed for every random number.

use perf_async::{LimitPolicy, Window};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// What the service is like from some moment on.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// Operations that it works on at once: the knee, beyond which they only wait.
    pub(crate) servers: usize,
    /// Kinds of work: the share of each, and the mean of its exponential service time in seconds.
    pub(crate) work: Vec<(f64, f64)>,
    /// Operations that arrive in a second; infinite if there are always more.
    pub(crate) arrivals: f64,
}

impl Service {
    pub(crate) fn new(servers: usize, seconds: f64) -> Service {
        Service { servers, work: vec![(1.0, seconds)], arrivals: f64::INFINITY }
    }
}

/// What one window saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) servers: usize,
    pub(crate) limit: usize,
}

impl Step {
    /// Whether the limit is within a fifth of the knee.
    pub(crate) fn is_at_knee(&self) -> bool {
        (self.limit as f64 - self.servers as f64).abs() <= 0.2 * self.servers as f64
    }
}

/// Runs a policy from this limit, over services that each last so many windows.
pub(crate) fn simulate(
    policy: &mut dyn LimitPolicy,
    start: usize,
    services: &[(usize, Service)],
    seed: u64,
) -> Vec<Step> {
    let mut world = World::new(start, seed);
    let mut steps = Vec::new();
    for (windows, service) in services {
        world.service = service.clone();
        world.arrive();
        for _ in 0..*windows {
            let window = world.window();
            world.limit = policy.on_window(&window).clamp(1, MOST);
            steps.push(Step { servers: service.servers, limit: world.limit });
        }
    }
    steps
}

const MOST: usize = 5_000;
/// Seconds.
const WINDOW: f64 = 1.0;
const LEAST_SAMPLES: usize = 50;
const TURNS: usize = 4;

struct World {
    now: f64,
    limit: usize,
    service: Service,
    /// Waiting in the manager.
    waiting: usize,
    next_arrival: Option<f64>,
    running: usize,
    /// When those came that wait at the service.
    queue: VecDeque<f64>,
    /// When those that are worked on end, and came.
    ends: BinaryHeap<Reverse<(Moment, Moment)>>,
    random: Random,
}

impl World {
    fn new(limit: usize, seed: u64) -> World {
        World {
            now: 0.0,
            limit,
            service: Service::new(1, 1.0),
            waiting: 0,
            next_arrival: None,
            running: 0,
            queue: VecDeque::new(),
            ends: BinaryHeap::new(),
            random: Random(seed),
        }
    }

    fn arrive(&mut self) {
        let rate = self.service.arrivals;
        self.next_arrival =
            rate.is_finite().then(|| self.now + self.random.exponential(1.0 / rate));
        self.waiting = if rate.is_finite() { self.waiting.min(MOST) } else { usize::MAX };
    }

    fn window(&mut self) -> Window {
        let start = self.now;
        let mut latencies = Vec::new();
        let mut most = 0;
        loop {
            while self.waiting > 0 && self.running < self.limit {
                self.waiting -= usize::from(self.waiting != usize::MAX);
                self.running += 1;
                self.queue.push_back(self.now);
            }
            most = self.running.max(most);
            while self.ends.len() < self.service.servers
                && let Some(came) = self.queue.pop_front()
            {
                let takes = self.service_time();
                self.ends.push(Reverse((Moment(self.now + takes), Moment(came))));
            }
            let end = self.ends.peek().map_or(f64::INFINITY, |Reverse((end, _))| end.0);
            let arrival = self.next_arrival.unwrap_or(f64::INFINITY);
            let due = start + WINDOW;
            let enough = LEAST_SAMPLES.max(TURNS * self.limit.min(most));
            let closes = if latencies.len() >= enough { due.max(self.now) } else { f64::INFINITY };
            if closes <= end.min(arrival) {
                self.now = closes;
                return window(closes - start, self.limit, most, latencies);
            }
            if arrival < end {
                self.now = arrival;
                self.waiting += 1;
                let mean = 1.0 / self.service.arrivals;
                self.next_arrival = Some(arrival + self.random.exponential(mean));
            } else if let Some(Reverse((end, came))) = self.ends.pop() {
                self.now = end.0;
                self.running -= 1;
                latencies.push(end.0 - came.0);
            }
        }
    }

    fn service_time(&mut self) -> f64 {
        let mut dice = self.random.uniform();
        for (share, mean) in &self.service.work {
            if dice < *share {
                return self.random.exponential(*mean);
            }
            dice -= share;
        }
        self.random.exponential(self.service.work.last().map_or(1.0, |(_, mean)| *mean))
    }
}

fn window(length: f64, limit: usize, most: usize, mut latencies: Vec<f64>) -> Window {
    latencies.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let at = (latencies.len() as f64 * share) as usize;
        Duration::from_secs_f64(latencies[at.min(latencies.len() - 1)])
    };
    let mut window = Window::default();
    window.length = Duration::from_secs_f64(length);
    window.limit = limit;
    window.samples = latencies.len() as u64;
    window.max_running = most;
    window.mean = Duration::from_secs_f64(latencies.iter().sum::<f64>() / latencies.len() as f64);
    (window.p50, window.p90, window.p99) = (quantile(0.5), quantile(0.9), quantile(0.99));
    window
}

#[derive(Clone, Copy, PartialEq)]
struct Moment(f64);

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Moment) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Moment) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }
}
