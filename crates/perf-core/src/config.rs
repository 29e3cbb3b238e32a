//! What a builder answers when a setting cannot be.

use std::borrow::Cow;
use std::fmt;

/// A setting that cannot be, found by a builder's `build()`.
///
/// ```
/// use perf_core::ConfigError;
/// let error = ConfigError::new("shards", 3, "use a power of two");
/// assert_eq!(error.to_string(), "`shards` cannot be 3: use a power of two");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    value: String,
    remedy: Cow<'static, str>,
}

impl ConfigError {
    /// Names the setting as the builder's method does, its value, and what to do about it.
    #[must_use]
    pub fn new(
        setting: &'static str,
        value: impl fmt::Display,
        remedy: impl Into<Cow<'static, str>>,
    ) -> ConfigError {
        ConfigError { setting, value: value.to_string(), remedy: remedy.into() }
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
