//! What a builder answers when a setting cannot be.

use std::fmt;

/// A setting that cannot be, found by `build()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    value: String,
    remedy: &'static str,
}

impl ConfigError {
    pub(crate) fn new(
        setting: &'static str,
        value: impl fmt::Debug,
        remedy: &'static str,
    ) -> ConfigError {
        ConfigError { setting, value: format!("{value:?}"), remedy }
    }

    /// The name of the setting, as the builder's method.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be {}: use {}", self.setting, self.value, self.remedy)
    }
}

impl std::error::Error for ConfigError {}

/// `Ok` where the rule holds, else the error that names setting, value and remedy.
pub(crate) fn require(
    holds: bool,
    setting: &'static str,
    value: impl fmt::Debug,
    remedy: &'static str,
) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::new(setting, value, remedy)) }
}
