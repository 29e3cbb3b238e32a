//! What invalidations and those they concern are answered.

use std::error::Error;
use std::fmt;

/// What an invalidation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalidated {
    /// So many entries that could be read before cannot be read any more, or fewer. From counters
    /// where there are some, else the number of entries in the cache; entries that have died or
    /// expired in another way may be counted too. The `count_…` methods walk and count exactly.
    pub at_most: u64,
}

impl Invalidated {
    pub(crate) const fn new(at_most: u64) -> Invalidated {
        Invalidated { at_most }
    }
}

/// Why a value was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Its key was removed, inserted or cleared since the value was read.
    Key,
    /// One of its tags was invalidated since.
    Tag,
    /// A pattern or namespace that covers its key was invalidated since.
    Pattern,
    /// Something that it depends on was invalidated since.
    Dependency,
    /// It is heavier than the whole cache may be.
    TooLarge,
    /// The cache has as many tags in use as it may have, and not this one.
    TooManyTags,
    /// Its time to live or to idle is zero.
    Expired,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Key => "the key was invalidated since the value was read, read it again",
            Refusal::Tag => "a tag was invalidated since the value was read, read it again",
            Refusal::Pattern => "a pattern was invalidated since the value was read, read it again",
            Refusal::Dependency => {
                "a dependency was invalidated since the value was read, read it again"
            }
            Refusal::TooLarge => "the value is heavier than the cache may be, raise `max_bytes`",
            Refusal::TooManyTags => "too many tags are in use, use fewer or raise `max_tags`",
            Refusal::Expired => "a time to live of zero keeps nothing",
        })
    }
}

impl Error for Refusal {}
