//! Values as bytes.

use super::CodecError;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Which codec made some bytes. It is stored with them, and bytes of another are not decoded.
///
/// Numbers of formats below 16 belong to this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodecId {
    /// The format.
    pub format: u32,
    /// The version of what is written in it. Raise it with each change that old bytes do not
    /// survive.
    pub schema: u32,
}

impl CodecId {
    /// The first schema of a format.
    #[must_use]
    pub const fn new(format: u32) -> CodecId {
        CodecId { format, schema: 0 }
    }
}

impl fmt::Display for CodecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.format, self.schema)
    }
}

/// How values become bytes and bytes values.
///
/// ```
/// use perf_cache::codec::{Codec, CodecError, CodecId, Pipeline};
/// use perf_cache::codec::Meta;
///
/// #[derive(Debug, PartialEq)]
/// struct Point(i32, i32);
///
/// #[derive(Debug)]
/// struct Points;
///
/// impl Codec<Point> for Points {
///     fn id(&self) -> CodecId {
///         CodecId::new(100)
///     }
///
///     fn encode(&self, point: &Point, into: &mut Vec<u8>) -> Result<(), CodecError> {
///         into.extend(point.0.to_le_bytes());
///         into.extend(point.1.to_le_bytes());
///         Ok(())
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<Point, CodecError> {
///         let both: [u8; 8] = bytes.try_into().map_err(CodecError::new)?;
///         let half = |at: usize| i32::from_le_bytes([both[at], both[at + 1], both[at + 2], both[at + 3]]);
///         Ok(Point(half(0), half(4)))
///     }
/// }
///
/// let pipeline = Pipeline::new(Points);
/// let sealed = pipeline.seal(b"p", "points", &Point(3, -4), &Meta::new(0), None)?;
/// assert_eq!(pipeline.open(b"p", "points", &sealed)?.0, Point(3, -4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Codec<V>: fmt::Debug + Send + Sync {
    /// Stored with each value.
    fn id(&self) -> CodecId;

    /// Appends the bytes of the value.
    ///
    /// # Errors
    ///
    /// If the value has no bytes in this format. What was appended until then is thrown away.
    fn encode(&self, value: &V, into: &mut Vec<u8>) -> Result<(), CodecError>;

    /// The value of which all these are the bytes.
    ///
    /// # Errors
    ///
    /// If they are no value, or if bytes are left over.
    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError>;

    /// The bytes of the value where it holds them as they are, which saves copying them.
    fn as_encoded<'v>(&self, value: &'v V) -> Option<&'v [u8]> {
        let _ = value;
        None
    }
}

/// Bytes and texts as they are: `Vec<u8>`, `Box<[u8]>`, `Arc<[u8]>`, `String`, `Box<str>`,
/// `Arc<str>`, `Cow<'static, str>`, and with the feature `bytes` also `Bytes`.
///
/// Stored bytes are read as text only if they are UTF-8. Format 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawBytes;

impl RawBytes {
    pub(super) const ID: CodecId = CodecId::new(1);
}

macro_rules! raw {
    ($($value:ty, $decode:expr;)*) => {$(
        impl Codec<$value> for RawBytes {
            fn id(&self) -> CodecId {
                RawBytes::ID
            }

            fn encode(&self, value: &$value, into: &mut Vec<u8>) -> Result<(), CodecError> {
                into.extend_from_slice(value.as_ref());
                Ok(())
            }

            fn decode(&self, bytes: &[u8]) -> Result<$value, CodecError> {
                $decode(bytes)
            }

            fn as_encoded<'v>(&self, value: &'v $value) -> Option<&'v [u8]> {
                Some(value.as_ref())
            }
        }
    )*};
}

fn text<'a, T: From<&'a str>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    std::str::from_utf8(bytes).map(T::from).map_err(CodecError::new)
}

raw! {
    Vec<u8>, |bytes: &[u8]| Ok(Vec::from(bytes));
    Box<[u8]>, |bytes: &[u8]| Ok(Box::from(bytes));
    Arc<[u8]>, |bytes: &[u8]| Ok(Arc::from(bytes));
    String, text;
}

#[cfg(feature = "bytes")]
raw! {
    bytes::Bytes, |bytes: &[u8]| Ok(bytes::Bytes::copy_from_slice(bytes));
}

macro_rules! raw_text {
    ($($value:ty, $decode:expr;)*) => {$(
        impl Codec<$value> for RawBytes {
            fn id(&self) -> CodecId {
                RawBytes::ID
            }

            fn encode(&self, value: &$value, into: &mut Vec<u8>) -> Result<(), CodecError> {
                into.extend_from_slice(value.as_bytes());
                Ok(())
            }

            fn decode(&self, bytes: &[u8]) -> Result<$value, CodecError> {
                $decode(bytes)
            }

            fn as_encoded<'v>(&self, value: &'v $value) -> Option<&'v [u8]> {
                Some(value.as_bytes())
            }
        }
    )*};
}

raw_text! {
    Box<str>, text;
    Arc<str>, text;
    Cow<'static, str>, |bytes| text::<String>(bytes).map(Cow::Owned);
}

/// Values behind an [`Arc`], by the codec of what it holds: as the memory tier keeps what is long, so
/// that a hit need not copy it.
///
/// The bytes are the same with and without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shared<C>(pub C);

impl<V, C: Codec<V>> Codec<Arc<V>> for Shared<C> {
    fn id(&self) -> CodecId {
        self.0.id()
    }

    fn encode(&self, value: &Arc<V>, into: &mut Vec<u8>) -> Result<(), CodecError> {
        self.0.encode(value, into)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Arc<V>, CodecError> {
        self.0.decode(bytes).map(Arc::new)
    }

    fn as_encoded<'v>(&self, value: &'v Arc<V>) -> Option<&'v [u8]> {
        self.0.as_encoded(value)
    }
}

/// Whatever serde serializes, by [postcard](https://postcard.jamesmunns.com), a compact binary
/// format that does not describe itself. Format 2.
///
/// Bytes of another type may decode to a wrong value, so **raise the
/// [schema](Postcard::schema)** whenever the type changes: then what was stored before is a miss.
///
/// ```
/// use perf_cache::codec::{Meta, OpenError, Pipeline, Postcard};
///
/// let old = Pipeline::new(Postcard::new());
/// let sealed = old.seal(b"7", "users", &("ann".to_owned(), 41_u8), &Meta::new(0), None)?;
///
/// let new: Pipeline<(u32, String)> = Pipeline::new(Postcard::new().schema(1));
/// assert!(matches!(new.open(b"7", "users", &sealed), Err(OpenError::Codec { .. })));
/// # Ok::<(), perf_cache::codec::SealError>(())
/// ```
#[cfg(feature = "serde")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Postcard {
    schema: u32,
}

#[cfg(feature = "serde")]
impl Postcard {
    /// Schema 0.
    #[must_use]
    pub const fn new() -> Postcard {
        Postcard { schema: 0 }
    }

    /// The version of the type.
    #[must_use]
    pub const fn schema(self, schema: u32) -> Postcard {
        Postcard { schema }
    }
}

#[cfg(feature = "serde")]
impl<V: serde::Serialize + serde::de::DeserializeOwned> Codec<V> for Postcard {
    fn id(&self) -> CodecId {
        CodecId { format: 2, schema: self.schema }
    }

    fn encode(&self, value: &V, into: &mut Vec<u8>) -> Result<(), CodecError> {
        postcard::serialize_with_flavor(value, Appending(into)).map_err(CodecError::new)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, CodecError> {
        match postcard::take_from_bytes(bytes).map_err(CodecError::new)? {
            (value, []) => Ok(value),
            (_, rest) => Err(CodecError::new(format!("{} bytes are left over", rest.len()))),
        }
    }
}

/// Lets postcard write to the end of a vector that is not its own.
#[cfg(feature = "serde")]
struct Appending<'a>(&'a mut Vec<u8>);

#[cfg(feature = "serde")]
impl postcard::ser_flavors::Flavor for Appending<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
