//! Waits until an instant, to the microsecond.
//!
//! The runtime's timers count in milliseconds. On Linux a timer of the kernel wakes the thread
//! 100 µs before the time, elsewhere the runtime's does up to 2 ms before it; the rest is waited
//! busily, while answers are still read.

use std::io;
use std::time::{Duration, Instant};

/// How long before its time a sender stops sleeping.
pub(in crate::load) const BUSY_WAIT: Duration =
    if cfg!(target_os = "linux") { Duration::from_micros(100) } else { Duration::from_millis(2) };

/// A sender notices within this time that its run is to stop.
const NAP: Duration = Duration::from_millis(50);

/// The timer of one sender.
#[derive(Debug)]
pub(super) struct Pacer {
    #[cfg(target_os = "linux")]
    timer: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
}

impl Pacer {
    pub(super) fn new() -> io::Result<Pacer> {
        #[cfg(target_os = "linux")]
        {
            use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            #[expect(
                deprecated,
                reason = "its replacement is unsafe, for types that could hand out another \
                          descriptor later; an `OwnedFd` cannot"
            )]
            let timer = tokio::io::unix::AsyncFd::new(timer)?;
            Ok(Pacer { timer })
        }
        #[cfg(not(target_os = "linux"))]
        Ok(Pacer {})
    }

    /// Waits until `due`, or for a nap if that is further off; `true` when `due` has come.
    pub(super) async fn approach(&self, due: Instant) -> bool {
        let left = due.saturating_duration_since(Instant::now());
        if left > BUSY_WAIT {
            self.sleep((left - BUSY_WAIT).min(NAP)).await;
            if left > NAP {
                return false;
            }
        }
        while Instant::now() < due {
            // Lets answers in between.
            tokio::task::yield_now().await;
        }
        true
    }

    #[cfg(target_os = "linux")]
    async fn sleep(&self, span: Duration) {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let at = Timespec { tv_sec: 0, tv_nsec: i64::from(span.min(NAP).subsec_nanos().max(1)) };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        if timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).is_ok()
            && let Ok(mut fired) = self.timer.readable().await
        {
            // Setting it again takes back that it has fired, so nothing need be read.
            fired.clear_ready();
        }
    }

    #[cfg(not(target_os = "linux"))]
    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_never_early_and_naps_while_time_is_far() {
        let pacer = Pacer::new().unwrap();
        for micros in [0, 50, 700, 3_000] {
            let due = Instant::now() + Duration::from_micros(micros);
            assert!(pacer.approach(due).await);
            assert!(Instant::now() >= due);
        }
        let far = Instant::now() + Duration::from_secs(3600);
        assert!(!pacer.approach(far).await);
    }
}
