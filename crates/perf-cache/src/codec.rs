//! Values as bytes, for the tiers below memory: encoded, compressed, encrypted.

mod compression;

mod error;
mod header;
#[cfg(feature = "crypto")]
mod keys;
mod methods;
mod pipeline;
mod scratch;
mod sealing;
mod stats;
mod value;
mod wire;

pub use compression::Compression;
pub use error::{CodecError, OpenError, SealError};
pub use header::{Cipher, Header, Meta, TagGeneration};
#[cfg(feature = "crypto")]
pub use keys::{KeyRing, SecretKey};
pub use pipeline::{
    Pipeline, PipelineBuilder, Sealed, compress_value, compression_ratio, decompress_value,
};
pub use stats::{CodecStats, Compressed, Refused, Undecodable};
#[cfg(feature = "serde")]
pub use value::Postcard;
pub use value::{Codec, CodecId, RawBytes};
