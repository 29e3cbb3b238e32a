//! The routes seen so far: a bounded table that only grows and is read without a lock.

use http::StatusCode;
use perf_core::{Counter, StripedHistogram};
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Open addressing over cells that are written once. A route never leaves, so a probe needs no
/// lock; half of the cells stay empty, so it is short.
pub(crate) struct Routes {
    cells: Box<[OnceLock<Route>]>,
    used: AtomicUsize,
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
                None => {
                    if !self.reserve() {
                        break;
                    }
                    let mut mine = false;
                    let route = self.cells[at].get_or_init(|| {
                        mine = true;
                        Route::new(name)
                    });
                    if !mine {
                        self.used.fetch_sub(1, Ordering::Relaxed);
                    }
                    if route.name() == name {
                        return at;
                    }
                }
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

    fn reserve(&self) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < self.max).then_some(n + 1))
            .is_ok()
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
