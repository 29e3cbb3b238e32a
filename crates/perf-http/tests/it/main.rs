//! What perf-http does, seen from outside: every test sends requests through a stack whose origin
//! is in memory and counts its calls.
#![cfg(all(feature = "br", feature = "zstd", feature = "gzip"))]

#[cfg(test)]
mod never;
#[cfg(test)]
mod site;
