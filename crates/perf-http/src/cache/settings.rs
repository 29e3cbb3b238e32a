//! What can be turned while the cache works.

use crate::Coding;
use crate::coding::Levels;
use perf_core::{Bounds, ByteSize, Direction, Knob, KnobError, KnobValue, Turn, Turned};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The knobs' values. Read on hot paths, so each is an atomic; none says anything about other
/// memory, so all orderings are relaxed.
pub(crate) struct Settings {
    enabled: AtomicBool,
    default_ttl: AtomicU64,
    brotli_level: AtomicU8,
    max_object: AtomicU64,
    defaults: Defaults,
    turning: Mutex<()>,
}

#[derive(Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) default_ttl: Duration,
    pub(crate) brotli_level: u8,
    pub(crate) max_object: ByteSize,
}

impl Settings {
    pub(crate) fn new(defaults: Defaults) -> Settings {
        Settings {
            enabled: AtomicBool::new(true),
            default_ttl: AtomicU64::new(nanos(defaults.default_ttl)),
            brotli_level: AtomicU8::new(defaults.brotli_level),
            max_object: AtomicU64::new(defaults.max_object.as_u64()),
            defaults,
            turning: Mutex::new(()),
        }
    }

    pub(crate) fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    pub(crate) fn set_enabled(&self, on: bool) {
        self.enabled.store(on, Ordering::Relaxed);
    }

    pub(crate) fn default_ttl(&self) -> Duration {
        Duration::from_nanos(self.default_ttl.load(Ordering::Relaxed))
    }

    pub(crate) fn max_object(&self) -> ByteSize {
        ByteSize::from_bytes(self.max_object.load(Ordering::Relaxed))
    }

    pub(crate) fn levels(&self, zstd: u8, gzip: u8) -> Levels {
        Levels { brotli: self.brotli_level.load(Ordering::Relaxed), zstd, gzip }
    }

    pub(crate) fn knobs(&self) -> Vec<Knob> {
        let mut knobs = vec![self.enabled_knob(), self.ttl_knob(), self.max_object_knob()];
        if Coding::AVAILABLE.contains(&Coding::Br) {
            knobs.push(self.brotli_knob());
        }
        knobs
    }

    pub(crate) fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        let _turning = self.turning.lock().unwrap_or_else(PoisonError::into_inner);
        let knobs = self.knobs();
        let Some(knob) = knobs.iter().find(|knob| knob.id == turn.knob) else {
            let known = knobs.into_iter().map(|knob| knob.id).collect();
            return Err(KnobError::Unknown { knob: turn.knob, known });
        };
        knob.check(&turn)?;
        // The kinds have been checked.
        match (knob.id.as_str(), &turn.to) {
            (ENABLED, KnobValue::Switch(on)) => self.set_enabled(*on),
            (DEFAULT_TTL, KnobValue::Duration(ttl)) => {
                self.default_ttl.store(nanos(*ttl), Ordering::Relaxed);
            }
            (MAX_OBJECT, KnobValue::Bytes(size)) => {
                self.max_object.store(size.as_u64(), Ordering::Relaxed);
            }
            (BROTLI_LEVEL, KnobValue::Count(level)) => {
                let level = u8::try_from(*level).unwrap_or(MAX_BROTLI);
                self.brotli_level.store(level, Ordering::Relaxed);
            }
            _ => {}
        }
        Ok(Turned { from: knob.value.clone(), to: turn.to, settles: None })
    }

    fn enabled_knob(&self) -> Knob {
        let value = KnobValue::Switch(self.enabled());
        Knob::new(ENABLED, "Caching and encoding", value, KnobValue::Switch(true), Bounds::Switch)
            .trades("On answers from memory and sends fewer bytes; off sends every request to the origin.")
            .moves("origin_bytes", Direction::Down)
    }

    fn ttl_knob(&self) -> Knob {
        let value = KnobValue::Duration(self.default_ttl());
        let default = KnobValue::Duration(self.defaults.default_ttl);
        let bounds =
            Bounds::Duration { min: Duration::ZERO, max: MAX_TTL, step: Duration::from_secs(60) };
        Knob::new(DEFAULT_TTL, "Lifetime when the origin says nothing", value, default, bounds)
            .trades("Longer asks the origin less often and shows changes later; holds for what is stored from now on.")
            .moves("origin_bytes", Direction::Down)
            .moves("answer_duration", Direction::Down)
    }

    fn max_object_knob(&self) -> Knob {
        let value = KnobValue::Bytes(self.max_object());
        let default = KnobValue::Bytes(self.defaults.max_object);
        let bounds =
            Bounds::Bytes { min: MIN_OBJECT, max: MAX_OBJECT_SIZE, step: ByteSize::mib(1) };
        Knob::new(MAX_OBJECT, "Largest body stored", value, default, bounds)
            .trades("Higher stores larger bodies, which take the room of many small ones.")
            .moves("stored", Direction::Up)
    }

    fn brotli_knob(&self) -> Knob {
        let level = self.brotli_level.load(Ordering::Relaxed);
        let value = KnobValue::Count(level.into());
        let default = KnobValue::Count(self.defaults.brotli_level.into());
        let bounds = Bounds::Count { min: 0, max: MAX_BROTLI.into(), step: 1 };
        Knob::new(BROTLI_LEVEL, "Brotli level", value, default, bounds)
            .trades("Higher sends fewer bytes and makes the first answer in brotli slower; holds for what is encoded from now on.")
            .moves("bytes_sent", Direction::Down)
    }
}

/// The bounds that the builder keeps to as well.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
pub(crate) const MIN_OBJECT: ByteSize = ByteSize::kib(1);
pub(crate) const MAX_OBJECT_SIZE: ByteSize = ByteSize::gib(1);
const MAX_BROTLI: u8 = 11;

const ENABLED: &str = "enabled";
const DEFAULT_TTL: &str = "default_ttl";
const MAX_OBJECT: &str = "max_object";
const BROTLI_LEVEL: &str = "brotli_level";

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_core::Tune;

    impl Tune for Settings {
        fn knobs(&self) -> Vec<Knob> {
            Settings::knobs(self)
        }

        fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
            Settings::turn(self, turn)
        }
    }

    #[test]
    fn knobs_keep_their_contract() {
        let defaults = Defaults {
            default_ttl: Duration::from_secs(5),
            brotli_level: 4,
            max_object: ByteSize::mib(8),
        };
        perf_core::assert_tune_contract(&Settings::new(defaults));
    }
}
