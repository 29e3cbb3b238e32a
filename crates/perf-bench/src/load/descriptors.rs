//! How many connections the system lets this process hold.

/// Files that the process opens besides its connections.
#[cfg(target_os = "linux")]
const RESERVE: usize = 64;

/// How many of these connections can be open at once. Raises the soft limit on open files for the
/// whole process as far as that takes and the hard limit allows.
pub(super) fn allow(connections: usize) -> usize {
    connections.min(most(connections))
}

/// The most that the limit leaves.
#[cfg(target_os = "linux")]
fn most(connections: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let used = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) + RESERVE;
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current else { return usize::MAX };
    let wanted = connections.saturating_add(used) as u64;
    let wanted = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let current = if wanted <= current {
        current
    } else {
        // Refused, the old limit stays: what it leaves is told.
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).map_or(current, |()| wanted)
    };
    left(current, used)
}

#[cfg(not(target_os = "linux"))]
fn most(_connections: usize) -> usize {
    usize::MAX
}

/// What a limit leaves beside what is used: one at least, for without it nothing can be said.
#[cfg(any(target_os = "linux", test))]
fn left(limit: u64, used: usize) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(used).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_connections_are_always_allowed_and_never_more_than_asked() {
        assert_eq!(allow(8), 8);
        assert!(allow(usize::MAX / 4) <= usize::MAX / 4);
    }

    #[test]
    fn a_limit_leaves_what_is_not_used() {
        assert_eq!((left(1024, 100), left(10, 100)), (924, 1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_soft_limit_is_raised_to_what_is_needed() {
        use rustix::process::{Resource, getrlimit};
        let before = getrlimit(Resource::Nofile);
        let (Some(current), Some(maximum)) = (before.current, before.maximum) else { return };
        let asked = usize::try_from(current).unwrap();
        let allowed = allow(asked);
        let after = getrlimit(Resource::Nofile).current.unwrap();
        assert!(after >= current && after <= maximum);
        assert!(allowed == asked || after == maximum, "{allowed} of {asked} at {after}");
    }
}
