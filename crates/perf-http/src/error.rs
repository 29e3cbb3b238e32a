//! Why a layer could not be built.

use std::borrow::Cow;
use std::fmt;

/// A setting that a builder cannot accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    problem: Cow<'static, str>,
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<Cow<'static, str>>) -> ConfigError {
        ConfigError { setting, problem: problem.into() }
    }

    /// The name of the builder method that set it.
    #[must_use]
    pub fn setting(&self) -> &str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use `{}`: {}", self.setting, self.problem)
    }
}

impl std::error::Error for ConfigError {}
