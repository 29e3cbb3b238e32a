//! Values as bytes, for the tiers below memory: encoded, compressed, encrypted, under a header that
//! says all of it.
//!
//! A [`Pipeline`] seals a value into bytes and opens them again. They carry what it takes to know
//! them: what encoded and compressed them, which key they are sealed with, when they were written
//! and when they expire, which tags they have. So compression, cipher and keys can be changed while
//! old values are about, and what cannot be opened, of another version, with a key that is gone,
//! changed by a bad disk, is an [`OpenError`] that a cache counts as a miss.
//!
#![cfg_attr(
    all(feature = "crypto", feature = "serde"),
    doc = r#"
```
use perf_cache::codec::{Cipher, KeyRing, Meta, OpenError, Pipeline, Postcard, SecretKey};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    visits: u32,
}

let keys = KeyRing::new(1, Cipher::Aes256Gcm, SecretKey::new([7; 32]));
let users: Pipeline<User> = Pipeline::builder(Postcard::new()).keys(keys).build()?;

let ann = User { name: "ann".to_owned(), visits: 3 };
let meta = Meta::new(1_795_000_000_000).expires_at(1_795_000_060_000);
let sealed = users.seal(b"ann", "users", &ann, &meta, None)?;

assert_eq!(users.open(b"ann", "users", &sealed)?, (ann, meta));
// Bound to its key: nobody can pass one user off as another.
assert!(matches!(users.open(b"bob", "users", &sealed), Err(OpenError::Unauthentic)));

let stats = users.stats();
assert_eq!((stats.sealed, stats.opened, stats.undecodable.unauthentic), (1, 1, 1));
# Ok::<(), Box<dyn std::error::Error>>(())
```
"#
)]
//!
//! # Encoding
//!
//! | codec | values |
//! |---|---|
//! | [`RawBytes`] | bytes and texts, as they are |
//! | `Postcard`, feature `serde` | all that serde serializes |
//! | [`Shared`] | those of another codec in an `Arc` |
//! | one of your own, by [`Codec`] | whatever it takes |
//!
//! # Compression
//!
//! [`Compression`] says with what, and a flag for each value whether. The default leaves alone what
//! is short, compressed already, or hardly becomes smaller. A value of 1 KiB, half random bytes and
//! half zeros, took 0.4 µs to seal with lz4 and 0.35 to open, 0.1 and 0.1 as it is; 64 KiB of JSON,
//! on one core of a small server, by the example `codec_cost` in the repository:
//!
//! | | stored | to seal | to open |
//! |---|---|---|---|
//! | as it is | 65.6 kB | 3 µs | 3 µs |
//! | lz4 | 17.3 kB | 39 µs | 11 µs |
//! | zstd, level 3 | 10.3 kB | 84 µs | 27 µs |
//! | gzip, level 6 | 10.4 kB | 519 µs | 48 µs |
//! | brotli, level 4 | 9.9 kB | 476 µs | 55 µs |
//! | AES-256-GCM | 65.6 kB | 21 µs | 22 µs |
//! | XChaCha20-Poly1305 | 65.6 kB | 58 µs | 58 µs |
//!
//! Beside the bytes it appends to, sealing allocates nothing with lz4, zstd and none: each thread
//! keeps room for its next value, up to 1 MiB for each of three buffers, 24 KiB for lz4, and what
//! zstd needs for a value of that size. Opening allocates the value.
//!
//! [`compress_value`], [`decompress_value`] and [`compression_ratio`] are for bytes outside of a
//! cache.
//!
//! # Encryption
//!
//! With a `KeyRing`, feature `crypto`, values are encrypted after they were compressed, and can be
//! neither read nor changed without the key, nor moved to another key of the cache or another
//! namespace, nor given other times or tags. Which keys are stored, how long values are, and when
//! they were written remains to be seen; and as with all that is compressed and then encrypted, the
//! length tells something about the content to those who can choose a part of it: turn compression
//! off for such values. An old value put back in its place is not noticed until it expires.
//!
//! # The format
//!
//! A header of 11 bytes and a checksum of four, or a nonce and a tag of 28 or 40 and some for the key's
//! number; 4 more if the value expires, 9 or more for each tag, 2 or 3 if it is compressed. Files of
//! each kind are kept in `tests/golden` and read by every version to come; what is of a newer
//! version is refused. [`Header::peek`] reads it without a key.
//!
//! Version 1, in this order; a varint has seven bits of a number in each byte, the least significant
//! first, and its top bit says that there is more:
//!
//! | what | bytes |
//! |---|---|
//! | `0xCA`, version | 2 |
//! | flags: compression in bits 0 to 2, cipher in 3 and 4, "expires" in 5, "has tags" in 6, 7 is zero | 1 |
//! | codec: format, schema | varints, 2 mostly |
//! | written at, Unix milliseconds | varint, 6 |
//! | if it expires: expires at, less written at | varint of the zigzag, 4 for an hour |
//! | if it has tags: how many, and for each a hash of its name and its generation | varint, and 8 + varint |
//! | if it is compressed: how long it is otherwise | varint |
//! | if there is a cipher: the number of the key, and the nonce | varint, and 12 or 24 |
//! | the value: encoded, then compressed, then encrypted | |
//! | CRC-32C of all before, little-endian; or the tag of the cipher | 4 or 16 |
//!
//! A cipher binds the value to three parts, each after its length as a varint: the header, the
//! namespace and the key.
//!
//! Source of the checksum: Castagnoli, Bräuer and Herrmann, "Optimization of cyclic redundancy-check
//! codes with 24 and 32 parity bits", IEEE Trans. Comm. 1993. It finds every change of one bit, and
//! every burst up to 32.

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
pub use value::{Codec, CodecId, RawBytes, Shared};
