//! What goes in with a value, and what comes back.

/// The terms of a value to put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PutTerms {
    /// When it ends, in milliseconds since 1970; it is not there any more in that millisecond.
    /// [`PutTerms::NEVER`] for one that stays until it is evicted.
    pub expires_at: u64,
    /// Whether it is kept until it is removed or has ended, whatever the bound on bytes, and
    /// handed to the system before the call returns. For small records on which the meaning of
    /// others depends. They may take a quarter of the bound, what is beyond is refused unless it
    /// takes the place of one that is no smaller.
    pub pinned: bool,
}

impl PutTerms {
    /// No end.
    pub const NEVER: u64 = u64::MAX;

    /// For a value that may be evicted at any time and ends at `expires_at`.
    #[must_use]
    pub const fn until(expires_at: u64) -> PutTerms {
        PutTerms { expires_at, pinned: false }
    }

    /// For a record that has to stay until it is removed.
    #[must_use]
    pub const fn pinned() -> PutTerms {
        PutTerms { expires_at: PutTerms::NEVER, pinned: true }
    }
}

impl Default for PutTerms {
    /// No end, and may be evicted.
    fn default() -> PutTerms {
        PutTerms::until(PutTerms::NEVER)
    }
}

/// What is known of a value that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// When it ends, in milliseconds since 1970; [`PutTerms::NEVER`] if it does not.
    pub expires_at: u64,
    /// When it was put, in milliseconds since 1970.
    pub written_at: u64,
    /// The value's length in bytes.
    pub len: u32,
}

/// What a read that does not wait found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TryGet {
    /// The value, which was appended.
    Found(Stored),
    /// There is none.
    Missing,
    /// There may be one, and to read it might mean to wait. Ask again by
    /// [`get`](crate::disk::DiskStore::get), on a thread that may.
    WouldBlock,
}

/// What became of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a put that was refused left the old value in its place"]
pub enum Put {
    /// It is there.
    Stored,
    /// It is not, and what was there before still is.
    Refused(RefusedBecause),
}

/// Why a put was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusedBecause {
    /// The device does not keep up with the puts, and the store was told not to wait for it.
    QueueFull,
    /// Key and value are larger than the store takes.
    TooLarge,
    /// There is no room left on the device.
    DiskFull,
    /// What is pinned already takes all that it may.
    PinnedFull,
    /// The key has changed since the value was read at its source.
    Overtaken,
}
