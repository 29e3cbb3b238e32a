//! The run second by second, in bounded memory.

use perf_core::Histogram;
use std::time::Duration;

/// Windows of one second; when there are too many, each two become one and they go on twice as wide.
#[derive(Debug)]
pub(super) struct Windows {
    all: Vec<Window>,
    width: Duration,
}

/// What happened in one window.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// Requests that were due in it and have left.
    pub(super) sent: u64,
    /// Answers that came in it.
    pub(super) answered: u64,
    /// Requests that were due in it and failed.
    pub(super) failed: u64,
    /// Latencies from the intended start of what was due in it.
    pub(super) latency: Histogram,
}

const MOST: usize = 600;

impl Windows {
    pub(super) fn new() -> Windows {
        Windows { all: Vec::new(), width: Duration::from_secs(1) }
    }

    /// The window of this time.
    pub(super) fn at(&mut self, time: Duration) -> &mut Window {
        let mut index = self.index(time);
        while index >= MOST {
            self.halve();
            index = self.index(time);
        }
        if self.all.len() <= index {
            self.all.resize(index + 1, Window::default());
        }
        &mut self.all[index]
    }

    pub(super) fn width(&self) -> Duration {
        self.width
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Window> {
        self.all.iter()
    }

    fn index(&self, time: Duration) -> usize {
        (time.as_nanos() / self.width.as_nanos()).try_into().unwrap_or(usize::MAX)
    }

    fn halve(&mut self) {
        self.width *= 2;
        let mut halved = Vec::with_capacity(MOST);
        for pair in self.all.chunks(2) {
            let mut first = pair[0].clone();
            if let Some(second) = pair.get(1) {
                first.sent += second.sent;
                first.answered += second.answered;
                first.failed += second.failed;
                first.latency.merge(&second.latency);
            }
            halved.push(first);
        }
        self.all = halved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_stays_bounded_and_loses_nothing() {
        let mut windows = Windows::new();
        for second in 0..86_400 {
            let window = windows.at(Duration::from_secs(second));
            window.sent += 1;
            window.latency.record(second);
        }
        assert!(windows.iter().count() <= MOST);
        assert_eq!(windows.width(), Duration::from_secs(256));
        assert_eq!(windows.iter().map(|w| w.sent).sum::<u64>(), 86_400);
        let mut all = Histogram::new();
        windows.iter().for_each(|w| all.merge(&w.latency));
        assert_eq!((all.count(), all.max()), (86_400, Some(86_399)));
    }

    #[test]
    fn seconds_without_anything_are_empty_windows() {
        let mut windows = Windows::new();
        windows.at(Duration::from_millis(3_500)).sent += 1;
        assert_eq!(windows.iter().map(|w| w.sent).collect::<Vec<_>>(), [0, 0, 0, 1]);
    }
}
