//! Content codings: which one to use, and making it.

mod accept;
mod encode;
mod media;

pub(crate) use accept::{accepts, choose};
pub(crate) use encode::{Levels, encode};
pub(crate) use media::{is_compressible, is_event_stream};

use std::fmt;

/// A content coding that an answer can be sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coding {
    /// Brotli (feature `br`).
    Br,
    /// Zstandard (feature `zstd`).
    Zstd,
    /// Gzip (feature `gzip`).
    Gzip,
}

impl Coding {
    /// The codings whose features are on, in the default order of preference.
    pub const AVAILABLE: &'static [Coding] = &[
        #[cfg(feature = "br")]
        Coding::Br,
        #[cfg(feature = "zstd")]
        Coding::Zstd,
        #[cfg(feature = "gzip")]
        Coding::Gzip,
    ];

    /// Every coding, whether its feature is on or not, in the order of their indices.
    pub(crate) const ALL: [Coding; 3] = [Coding::Br, Coding::Zstd, Coding::Gzip];

    /// The name in `Content-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Coding::Br => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Coding> {
        Coding::ALL
            .into_iter()
            .find(|c| name.eq_ignore_ascii_case(c.name().as_bytes()))
            .or_else(|| name.eq_ignore_ascii_case(b"x-gzip").then_some(Coding::Gzip))
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
