//! What it costs to seal and open a value: time and bytes by kind, size, compression and cipher.
//!
//! `cargo run --release -p perf-cache --example codec_cost --features lz4,zstd,gzip,brotli,crypto`

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_cache::codec::{
    Cipher, Compression, KeyRing, Meta, Pipeline, PipelineBuilder, RawBytes, SecretKey,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    println!(
        "{:24} {:20} {:>8} {:>10} {:>10}",
        "value", "sealed by", "bytes", "seal ns", "open ns"
    );
    for len in [1 << 10, 64 << 10] {
        for (kind, value) in [
            ("half random, half zero", half_random(len)),
            ("json", json(len)),
            ("random", random().take(len).collect()),
        ] {
            let name = format!("{kind} {} KiB", len >> 10);
            for compression in Compression::ALL {
                let builder = Pipeline::builder(RawBytes).compression(compression);
                row(&name, compression.name(), builder, &value)?;
            }
            for cipher in [Cipher::Aes256Gcm, Cipher::XChaCha20Poly1305] {
                let keys = KeyRing::new(1, cipher, SecretKey::new([7; 32]));
                let builder = Pipeline::builder(RawBytes).compression(Compression::None).keys(keys);
                row(&name, &cipher.to_string(), builder, &value)?;
            }
        }
    }
    Ok(())
}

fn row(
    name: &str,
    how: &str,
    builder: PipelineBuilder<Vec<u8>>,
    value: &Vec<u8>,
) -> Result<(), Error> {
    let pipeline = builder.build()?;
    let meta = Meta::new(1_795_000_000_000).expires_at(1_795_003_600_000);
    let sealed = pipeline.seal(b"key", "bench", value, &meta, None)?;
    assert_eq!(&pipeline.open(b"key", "bench", &sealed)?.0, value);
    let mut out = Vec::new();
    let seal = best(|| {
        out.clear();
        black_box(pipeline.seal_into(&mut out, b"key", "bench", black_box(value), &meta, None)).ok()
    });
    let open = best(|| black_box(pipeline.open(b"key", "bench", black_box(&sealed))).ok());
    println!("{name:24} {how:20} {:>8} {seal:>10.0} {open:>10.0}", sealed.len());
    Ok(())
}

/// Nanoseconds of one run, in the best of some batches.
fn best<R>(mut run: impl FnMut() -> R) -> f64 {
    let mut batch = |runs: u32| {
        let start = Instant::now();
        for _ in 0..runs {
            run();
        }
        start.elapsed()
    };
    let mut runs = 1;
    while batch(runs) < Duration::from_millis(2) {
        runs *= 2;
    }
    let least = (0..10).map(|_| batch(runs)).min().unwrap_or_default();
    least.as_nanos() as f64 / f64::from(runs)
}

/// The same bytes in every run.
fn random() -> impl Iterator<Item = u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

fn half_random(len: usize) -> Vec<u8> {
    let mut value: Vec<u8> = random().take(len / 2).collect();
    value.resize(len, 0);
    value
}

fn json(len: usize) -> Vec<u8> {
    let mut random = random();
    let mut next = || random.next().unwrap_or(0);
    let mut value = Vec::new();
    while value.len() < len {
        let (id, name, score, tag) = (value.len(), next(), next(), next() % 8);
        value.extend_from_slice(
            format!(
                "{{\"id\":{id},\"name\":\"user{name}\",\"mail\":\"u{name}@example.com\",\
                 \"score\":{score}.{},\"tags\":[\"a{tag}\",\"b{}\"]}},",
                next(),
                next() % 8
            )
            .as_bytes(),
        );
    }
    value.truncate(len);
    value
}
