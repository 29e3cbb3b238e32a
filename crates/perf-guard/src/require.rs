//! The one check that all builders make.

use perf_core::ConfigError;
use std::fmt;

/// `Ok` where the rule holds, else the error that names setting, value and remedy.
pub(crate) fn require(
    holds: bool,
    setting: &'static str,
    value: impl fmt::Debug,
    remedy: &'static str,
) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::new(setting, format_args!("{value:?}"), format!("use {remedy}")))
}
