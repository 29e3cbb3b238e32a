//! Content codings: which one to use, and making it.

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

    /// The name in `Content-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Coding::Br => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
