//! What was initialised, how long it took, and what was never used.

use perf_core::{Instant, Priority};
use std::fmt;
use std::time::Duration;

/// Where a [`Lazy`](super::Lazy) stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LazyState {
    /// Nothing is there: not asked for, failed, or reset.
    Empty,
    /// A load runs.
    Loading,
    /// The value is there.
    Ready,
    /// A load failed, and its error is kept.
    Failed,
}

impl fmt::Display for LazyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LazyState::Empty => "empty",
            LazyState::Loading => "loading",
            LazyState::Ready => "ready",
            LazyState::Failed => "failed",
        })
    }
}

/// What a [`Lazy`](super::Lazy) was asked for since it was made, and what that cost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LazyStats {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: LazyState,
    /// How often somebody asked. Preloading does not count.
    pub gets: u64,
    /// How often the value was there at once.
    pub hits: u64,
    /// How often it began to be loaded.
    pub loads: u64,
    /// Loads that brought no value.
    pub failures: u64,
    /// How often it was reset.
    pub resets: u64,
    /// When the first load ended that brought a value.
    pub first_loaded: Option<Instant>,
    /// Where that load stands among those of the whole process, counted from zero.
    pub order: Option<u64>,
    /// How long the last load ran that brought a value, without waiting for its turn.
    pub load_duration: Option<Duration>,
    /// Why the last load failed that did, at most 256 characters.
    pub last_error: Option<String>,
}

/// What was initialised since a [`Preloader`](super::Preloader) was made, how long it took, in which
/// order, and what was never used. `Display` writes a table.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StartupReport {
    /// How long ago the preloader was made.
    pub elapsed: Duration,
    /// What was initialised, in the order in which that ended; then the rest, by name.
    pub entries: Vec<StartupEntry>,
}

/// One value of a [`StartupReport`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StartupEntry {
    /// Its name.
    pub name: String,
    /// Its place in the order of preloading; `None` if it is only watched.
    pub priority: Option<Priority>,
    /// Where it stands.
    pub state: LazyState,
    /// Its place in the order in which the values of this report were initialised, from one.
    pub place: Option<usize>,
    /// When it was there for the first time, counted from when the preloader was made; zero if it
    /// was there before.
    pub ready_after: Option<Duration>,
    /// How long its last load ran that brought a value.
    pub load_duration: Option<Duration>,
    /// How often somebody asked for it.
    pub gets: u64,
    /// How often it was there at once.
    pub hits: u64,
    /// How often it began to be loaded.
    pub loads: u64,
    /// Loads that brought no value.
    pub failures: u64,
    /// Why the last load failed that did.
    pub last_error: Option<String>,
}

impl StartupReport {
    pub(super) fn new(
        since: Instant,
        now: Instant,
        lazies: impl Iterator<Item = (Option<Priority>, LazyStats)>,
    ) -> StartupReport {
        let mut lazies: Vec<_> = lazies.collect();
        lazies.sort_by(|(_, one), (_, other)| {
            let place = |stats: &LazyStats| stats.order.unwrap_or(u64::MAX);
            (place(one), &one.name).cmp(&(place(other), &other.name))
        });
        let entry = |(place, (priority, stats)): (usize, (Option<Priority>, LazyStats))| {
            let LazyStats { name, state, gets, hits, loads, failures, last_error, .. } = stats;
            StartupEntry {
                name,
                priority,
                state,
                place: stats.order.map(|_| place + 1),
                ready_after: stats.first_loaded.map(|at| at - since),
                load_duration: stats.load_duration,
                gets,
                hits,
                loads,
                failures,
                last_error,
            }
        };
        let entries = lazies.into_iter().enumerate().map(entry).collect();
        StartupReport { elapsed: now - since, entries }
    }

    /// What was initialised, in that order.
    pub fn initialised(&self) -> impl Iterator<Item = &StartupEntry> {
        self.entries.iter().filter(|entry| entry.place.is_some())
    }

    /// What nobody has asked for, initialised or not.
    pub fn never_used(&self) -> impl Iterator<Item = &StartupEntry> {
        self.entries.iter().filter(|entry| entry.gets == 0)
    }

    /// What the loads of all values took together, one after the other.
    #[must_use]
    pub fn load_duration(&self) -> Duration {
        self.entries.iter().filter_map(|entry| entry.load_duration).sum()
    }
}

impl fmt::Display for StartupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.entries.iter().map(|entry| entry.name.chars().count()).max();
        let width = width.unwrap_or(0).max("name".len());
        writeln!(
            f,
            "{:>5}  {:width$}  {:7}  {:>8}  {:>10}  {:>10}  {:>6}  {:>6}  {:>8}  note",
            "place", "name", "state", "priority", "ready", "load", "gets", "hits", "failures"
        )?;
        for entry in &self.entries {
            let note = match (&entry.last_error, entry.gets) {
                (Some(error), _) => error.lines().next().unwrap_or_default(),
                (None, 0) => "never used",
                (None, _) => "",
            };
            let line = format!(
                "{:>5}  {:width$}  {:7}  {:>8}  {:>10}  {:>10}  {:>6}  {:>6}  {:>8}  {note}",
                or_dash(entry.place),
                entry.name,
                entry.state,
                or_dash(entry.priority),
                milliseconds(entry.ready_after),
                milliseconds(entry.load_duration),
                entry.gets,
                entry.hits,
                entry.failures,
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        write!(
            f,
            "{} of {} initialised, {} never used; loads of {} together, {} since the start",
            self.initialised().count(),
            self.entries.len(),
            self.never_used().count(),
            milliseconds(Some(self.load_duration())),
            milliseconds(Some(self.elapsed)),
        )
    }
}

fn or_dash(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn milliseconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.1} ms", time.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(name: &str, order: Option<u64>, gets: u64) -> LazyStats {
        let at = |order| Instant::from_nanos(1_000_000 * (order + 1));
        LazyStats {
            name: name.to_owned(),
            state: if order.is_some() { LazyState::Ready } else { LazyState::Empty },
            gets,
            hits: 0,
            loads: 1,
            failures: 0,
            resets: 0,
            first_loaded: order.map(at),
            order,
            load_duration: order.map(|order| Duration::from_micros(500 * (order + 1))),
            last_error: None,
        }
    }

    #[test]
    fn the_initialised_come_first_in_their_order_and_the_table_is_aligned() {
        let mut failed = stats("mails", None, 1);
        failed.failures = 1;
        failed.last_error = Some("no such host".to_owned());
        let lazies = [
            (None, stats("zebra", None, 0)),
            (Some(Priority::LOWEST), stats("settings", Some(7), 3)),
            (Some(Priority::HIGHEST), stats("menu", Some(2), 0)),
            (Some(Priority::NORMAL), failed),
        ];
        let now = Instant::from_nanos(10_000_000);
        let report = StartupReport::new(Instant::from_nanos(0), now, lazies.into_iter());
        let expected = "\
place  name      state    priority       ready        load    gets    hits  failures  note
    1  menu      ready          10      3.0 ms      1.5 ms       0       0         0  never used
    2  settings  ready           1      8.0 ms      4.0 ms       3       0         0
    -  mails     empty           5           -           -       1       0         1  no such host
    -  zebra     empty           -           -           -       0       0         0  never used
2 of 4 initialised, 2 never used; loads of 5.5 ms together, 10.0 ms since the start";
        assert_eq!(report.to_string(), expected);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_report_can_be_written_and_read_back() {
        let lazies = [(Some(Priority::NORMAL), stats("a", Some(1), 2))];
        let report =
            StartupReport::new(Instant::from_nanos(0), Instant::from_nanos(9), lazies.into_iter());
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<StartupReport>(&text).unwrap(), report);
    }
}
