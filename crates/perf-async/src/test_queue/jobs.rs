//! How many cases run at once.

use perf_core::ConfigError;

/// The most that run at once where nobody says.
pub(super) const DEFAULT_MAX_CONCURRENT: usize = 20;
/// The environment's name for it.
pub(super) const VARIABLE: &str = "MAX_CONCURRENT_TESTS";
/// As many as any manager runs.
const MOST: usize = 10_000;

/// What a machine can bear, read once at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Machine {
    pub(super) cores: usize,
    /// Processes that run or want to, averaged over a minute; `None` where the system does not say.
    pub(super) load: Option<f64>,
}

impl Machine {
    /// This machine: one system call and one line of a file.
    pub(super) fn here() -> Machine {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = std::fs::read_to_string("/proc/loadavg");
        let load = load.ok().and_then(|line| line.split(' ').next()?.parse().ok());
        Machine { cores, load }
    }

    /// Two cases for each core, as one half of most cases is waiting, less what the machine is busy
    /// with already; at least one.
    fn jobs(self) -> usize {
        let free = self.cores as f64 * 2.0 - self.load.unwrap_or(0.0);
        free.round().max(1.0) as usize
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    pub(super) jobs: Option<usize>,
    pub(super) max_concurrent: Option<usize>,
    pub(super) variable: Option<&'a str>,
}

/// As many as were asked for, or as the machine bears, and never more than the bound: the builder's,
/// else the environment's, else 20 unless more were asked for.
pub(super) fn jobs(wanted: Wanted<'_>, machine: Machine) -> Result<usize, ConfigError> {
    let variable = match wanted.variable {
        None | Some("") => None,
        Some(text) => Some(positive(VARIABLE, text.trim().parse().ok(), text)?),
    };
    let checked = |setting, given: Option<usize>| {
        given.map(|value| positive(setting, Some(value), &value.to_string())).transpose()
    };
    let jobs = checked("jobs", wanted.jobs)?;
    let bound = checked("max_concurrent", wanted.max_concurrent)?
        .or(variable)
        .unwrap_or(DEFAULT_MAX_CONCURRENT.max(jobs.unwrap_or(0)));
    Ok(jobs.unwrap_or_else(|| machine.jobs()).min(bound))
}

fn positive(setting: &'static str, value: Option<usize>, text: &str) -> Result<usize, ConfigError> {
    value
        .filter(|value| (1..=MOST).contains(value))
        .ok_or_else(|| ConfigError::new(setting, text, format!("use a number from 1 to {MOST}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(cores: usize, load: f64) -> Machine {
        Machine { cores, load: Some(load) }
    }

    #[test]
    fn cores_and_load_decide_where_nobody_says() {
        let nothing = Wanted::default();
        for (cores, load, jobs_) in [(4, 0.0, 8), (4, 3.2, 5), (4, 50.0, 1), (64, 1.0, 20)] {
            assert_eq!(jobs(nothing, machine(cores, load)).unwrap(), jobs_);
        }
        assert_eq!(jobs(nothing, Machine { cores: 2, load: None }).unwrap(), 4);
        assert_eq!(jobs(nothing, machine(1, f64::NAN)).unwrap(), 1);
    }

    #[test]
    fn more_run_on_request_but_never_above_the_bound() {
        let big = machine(128, 0.0);
        let asked = Wanted { jobs: Some(150), ..Wanted::default() };
        assert_eq!(jobs(asked, machine(2, 9.0)).unwrap(), 150);
        let bound = Wanted { variable: Some("100"), ..Wanted::default() };
        assert_eq!(jobs(bound, big).unwrap(), 100);
        assert_eq!(jobs(Wanted { jobs: Some(150), ..bound }, big).unwrap(), 100);
        assert_eq!(jobs(Wanted { max_concurrent: Some(120), ..bound }, big).unwrap(), 120);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let here = machine(2, 0.0);
        for text in ["many", "0", "-1", "10001"] {
            let wanted = Wanted { variable: Some(text), ..Wanted::default() };
            let error = jobs(wanted, here).unwrap_err().to_string();
            assert!(error.contains(VARIABLE) && error.contains(text), "{error}");
        }
        assert!(jobs(Wanted { jobs: Some(0), ..Wanted::default() }, here).is_err());
        assert_eq!(jobs(Wanted { variable: Some(""), ..Wanted::default() }, here).unwrap(), 4);
    }

    #[test]
    fn this_machine_has_a_core() {
        assert!(Machine::here().cores >= 1);
    }
}
