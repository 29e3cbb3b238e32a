//! One core for both sides.
//!
//! Two processes that take turns on one core meet the same clock frequency and the same
//! neighbours, and neither is moved to a core with cold caches in the middle of a sample.

use std::process::Child;

/// Binds the process to the last core that this one may use; the first takes most interrupts.
/// Where that is not possible, or there is one core only, nothing happens.
#[cfg(target_os = "linux")]
pub(super) fn pin(child: &Child) -> bool {
    use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return false };
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    if allowed.count() < 2 {
        return false;
    }
    let Some(core) = cores.next_back() else { return false };
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(Some(Pid::from_child(child)), &one).is_ok()
}

/// Only Linux lets a process choose for its child.
#[cfg(not(target_os = "linux"))]
pub(super) fn pin(_child: &Child) -> bool {
    false
}
