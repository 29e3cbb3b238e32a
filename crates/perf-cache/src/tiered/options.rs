//! What a tiered cache is set to, and what one entry may ask for.

use crate::Terms;
use perf_core::ByteSize;
use std::fmt;
use std::time::Duration;

/// When values that are put in reach the tiers beyond memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WritePolicy {
    /// Before the call returns.
    #[default]
    Through,
    /// Later, by a thread of the cache, in the order in which they came; of several values of one
    /// key only the latest. Values that find no room are counted and not written, and what the tiers
    /// had for their keys is removed. A crash loses what waits.
    Behind {
        /// How many bytes may wait.
        max_bytes: ByteSize,
        /// How long a value waits at most, unless the tier is slower.
        max_age: Duration,
    },
    /// When memory lets go of them to make room, and not before: the tiers hold what memory does
    /// not. What they had for the key is removed at once.
    Aside,
}

/// Where an entry is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Strategy {
    /// Where it is worth its place: in memory, and beyond it as the [`WritePolicy`] says, in each
    /// tier that is worth a write, by [rules](super#where-an-entry-is-kept) on its life, its cost, its
    /// use and its size.
    #[default]
    Auto,
    /// In memory only.
    Memory,
    /// On disk only. Without a disk it is not kept.
    Disk,
    /// In a tier that other machines share, only. Without one it is not kept.
    Remote,
    /// At the edge only. Without a tier there it is not kept.
    Cdn,
}

impl Strategy {
    /// Its name: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Strategy::Auto => "auto",
            Strategy::Memory => "memory",
            Strategy::Disk => "disk",
            Strategy::Remote => "remote",
            Strategy::Cdn => "cdn",
        }
    }

    /// Whether it may be in memory.
    pub(super) const fn is_near(self) -> bool {
        matches!(self, Strategy::Auto | Strategy::Memory)
    }

    /// Whether it may be in a tier of that kind. One of which nothing is known takes all that goes
    /// beyond memory.
    pub(super) fn goes_to(self, kind: TierKind) -> bool {
        match self {
            Strategy::Auto => true,
            Strategy::Memory => false,
            Strategy::Disk => matches!(kind, TierKind::Disk | TierKind::Other),
            Strategy::Remote => matches!(kind, TierKind::Remote | TierKind::Other),
            Strategy::Cdn => matches!(kind, TierKind::Cdn | TierKind::Other),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a tier beyond memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TierKind {
    /// A device of this machine.
    Disk,
    /// A server that several machines use.
    Remote,
    /// A store near those who ask.
    Cdn,
    /// Anything else. It takes all that goes beyond memory.
    #[default]
    Other,
}

/// What one entry of a tiered cache may ask for: its [`Terms`], where it is kept, whether it is
/// compressed there. Made of [`Terms`] or of a [`Strategy`] by `into`.
///
/// A time to live that is asked for holds in all tiers. Without one, memory and disk each have
/// their own. An entry with a time to idle is kept in memory only, whatever else is said: a tier
/// that is not asked as long as memory answers cannot know when an entry was last used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TieredTerms {
    pub(super) terms: Terms,
    pub(super) strategy: Strategy,
    pub(super) compress: Option<bool>,
}

impl TieredTerms {
    /// As the cache says.
    #[must_use]
    pub const fn new() -> TieredTerms {
        TieredTerms { terms: Terms::new(), strategy: Strategy::Auto, compress: None }
    }

    /// On these terms.
    #[must_use]
    pub fn terms(mut self, terms: Terms) -> TieredTerms {
        self.terms = terms;
        self
    }

    /// Kept there.
    #[must_use]
    pub const fn strategy(mut self, strategy: Strategy) -> TieredTerms {
        self.strategy = strategy;
        self
    }

    /// Compressed or not, whatever the cache would do, in the tiers beyond memory.
    #[must_use]
    pub const fn compress(mut self, compress: bool) -> TieredTerms {
        self.compress = Some(compress);
        self
    }
}

impl From<Terms> for TieredTerms {
    fn from(terms: Terms) -> TieredTerms {
        TieredTerms::new().terms(terms)
    }
}

impl From<Strategy> for TieredTerms {
    fn from(strategy: Strategy) -> TieredTerms {
        TieredTerms::new().strategy(strategy)
    }
}
