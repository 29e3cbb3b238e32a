//! How urgent something is.

use std::fmt;

/// From 1, least urgent, to 10, most urgent. The default is 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u8", into = "u8"))]
pub struct Priority(u8);

impl Priority {
    /// Least urgent.
    pub const LOWEST: Priority = Priority(1);
    /// The default.
    pub const NORMAL: Priority = Priority(5);
    /// Most urgent.
    pub const HIGHEST: Priority = Priority(10);

    /// A priority, `None` unless `1 <= level <= 10`.
    #[must_use]
    pub const fn new(level: u8) -> Option<Priority> {
        if level >= 1 && level <= 10 { Some(Priority(level)) } else { None }
    }

    /// The number, from 1 to 10.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Priority {
        Priority::NORMAL
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> u8 {
        priority.0
    }
}

impl TryFrom<u8> for Priority {
    type Error = String;

    /// For deserialization; the message names the level and the remedy.
    fn try_from(level: u8) -> Result<Priority, String> {
        Priority::new(level)
            .ok_or_else(|| format!("{level} is not a priority: use 1 (least urgent) to 10"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_is_more_urgent_than_one() {
        assert!(Priority::HIGHEST > Priority::default());
        assert!(Priority::default() > Priority::LOWEST);
        assert_eq!(Priority::new(0), None);
        assert_eq!(Priority::new(11), None);
        assert_eq!(Priority::new(10), Some(Priority::HIGHEST));
    }
}
