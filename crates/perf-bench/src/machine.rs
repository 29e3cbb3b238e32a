//! Where something was measured: figures from different machines are not compared.

use serde::{Deserialize, Serialize};

/// What a figure depends on besides the code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Machine {
    /// Processor model as the system names it.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Operating system and kernel.
    pub system: String,
    /// Target triple.
    pub target: String,
    /// `rustc --version`.
    pub rustc: String,
}
