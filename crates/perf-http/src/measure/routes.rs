//! The routes seen so far: a bounded table that only grows and is read without a lock.

use http::StatusCode;
use perf_core::{Counter, StripedHistogram};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Open addressing over cells that are written once. A route never leaves, so a probe needs no
/// lock; half of the cells stay empty, so it is short.
pub(crate) struct Routes {
    cells: Box<[OnceLock<Route>]>,
    used: AtomicUsize,
    /// Held while a route is added; never while reading only.
    adding: Mutex<()>,
    max: usize,
    other: Route,
    overflowed: Counter,
    hasher: std::hash::RandomState,
}

impl Routes {
    pub(crate) fn new(max: usize) -> Routes {
        let cells = (max * 2).next_power_of_two();
        Routes {
            cells: (0..cells).map(|_| OnceLock::new()).collect(),
            used: AtomicUsize::new(0),
            adding: Mutex::new(()),
            max,
            other: Route::new("other"),
            overflowed: Counter::new(),
            hasher: std::hash::RandomState::new(),
        }
    }

    /// Where the route of this name stands; [`OTHER`] if there are too many.
    pub(crate) fn index(&self, name: &str) -> usize {
        let mask = self.cells.len() - 1;
        let mut at = self.hasher.hash_one(name) as usize & mask;
        for _ in 0..self.cells.len() {
            match self.cells[at].get() {
                Some(route) if route.name() == name => return at,
                Some(_) => {}
                None => match self.claim(at, name) {
                    Some(route) if route.name() == name => return at,
                    Some(_) => {}
                    None => break,
                },
            }
            at = (at + 1) & mask;
        }
        self.overflowed.increment();
        OTHER
    }

    pub(crate) fn at(&self, index: usize) -> &Route {
        self.cells.get(index).and_then(OnceLock::get).unwrap_or(&self.other)
    }

    pub(crate) fn each(&self, visit: &mut dyn FnMut(&Route)) {
        for route in self.cells.iter().filter_map(OnceLock::get) {
            visit(route);
        }
        if self.overflowed.get() > 0 {
            visit(&self.other);
        }
    }

    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.get()
    }

    /// What stands in an empty cell now: the route of this name, one that was faster, or nothing
    /// since there are too many.
    fn claim(&self, at: usize, name: &str) -> Option<&Route> {
        // Acquire: who sees the last place taken sees the route that took it.
        if self.used.load(Ordering::Acquire) < self.max {
            let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
            let used = self.used.load(Ordering::Relaxed);
            if used < self.max && self.cells[at].set(Route::new(name)).is_ok() {
                self.used.store(used + 1, Ordering::Release);
            }
        }
        self.cells[at].get()
    }
}

/// The index of the route that takes what does not fit.
pub(crate) const OTHER: usize = usize::MAX;

/// What is measured of one route.
pub(crate) struct Route {
    name: Box<str>,
    classes: [OnceLock<StripedHistogram>; Class::ALL.len()],
    pub(crate) first_byte: StripedHistogram,
    pub(crate) bytes: Counter,
}

impl Route {
    fn new(name: &str) -> Route {
        Route {
            name: name.into(),
            classes: [const { OnceLock::new() }; Class::ALL.len()],
            first_byte: StripedHistogram::new(),
            bytes: Counter::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn durations(&self, class: Class) -> Option<&StripedHistogram> {
        self.classes[class as usize].get()
    }

    pub(crate) fn record(&self, class: Class, nanos: u64) {
        self.classes[class as usize].get_or_init(StripedHistogram::new).record(nanos);
    }
}

/// The class of an answer: its first digit, or that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Informational,
    Success,
    Redirect,
    ClientError,
    ServerError,
    /// The service failed without an answer.
    Failed,
}

impl Class {
    pub(crate) const ALL: [Class; 6] = [
        Class::Informational,
        Class::Success,
        Class::Redirect,
        Class::ClientError,
        Class::ServerError,
        Class::Failed,
    ];

    pub(crate) fn of(status: StatusCode) -> Class {
        match status.as_u16() / 100 {
            1 => Class::Informational,
            2 => Class::Success,
            3 => Class::Redirect,
            4 => Class::ClientError,
            _ => Class::ServerError,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Informational => "1xx",
            Class::Success => "2xx",
            Class::Redirect => "3xx",
            Class::ClientError => "4xx",
            Class::ServerError => "5xx",
            Class::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_beyond_the_bound_share_other_and_are_counted() {
        let routes = Routes::new(3);
        let names = ["/a", "/b", "/c", "/d", "/a", "/e"];
        let at: Vec<usize> = names.iter().map(|n| routes.index(n)).collect();
        assert_eq!(at[0], at[4]);
        assert_eq!((at[3], at[5]), (OTHER, OTHER));
        assert_eq!(routes.overflowed(), 2);
        let mut seen = Vec::new();
        routes.each(&mut |r| seen.push(r.name().to_owned()));
        seen.sort();
        assert_eq!(seen, ["/a", "/b", "/c", "other"]);
    }

    #[test]
    fn threads_agree_on_one_route_each() {
        let routes = Routes::new(64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..64 {
                        let at = routes.index(&format!("/{n}"));
                        routes.at(at).record(Class::Success, 1);
                    }
                });
            }
        });
        let mut counts = Vec::new();
        routes.each(&mut |r| counts.push(r.durations(Class::Success).unwrap().snapshot().count()));
        assert_eq!(counts, vec![4; 64]);
    }
}
