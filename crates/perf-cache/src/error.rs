//! What the builder answers when a setting cannot be.

use std::fmt;

/// A setting that cannot be, found by [`build()`](crate::CacheBuilder::build).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    value: String,
    remedy: &'static str,
}

impl ConfigError {
    pub(crate) fn new(
        setting: &'static str,
        value: impl fmt::Display,
        remedy: &'static str,
    ) -> ConfigError {
        ConfigError { setting, value: value.to_string(), remedy }
    }

    /// The name of the setting, as the builder's method.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be {}: {}", self.setting, self.value, self.remedy)
    }
}

impl std::error::Error for ConfigError {}
