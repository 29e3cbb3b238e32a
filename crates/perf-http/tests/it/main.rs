//! What perf-http does, seen from outside: every test sends requests through a stack whose origin
//! is in memory and counts its calls.
#![cfg(all(feature = "br", feature = "zstd", feature = "gzip"))]

#[cfg(test)]
mod conditions;
#[cfg(test)]
#[cfg(feature = "tiers")]
mod disk;
#[cfg(test)]
mod encoding;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod flight;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod never;
#[cfg(test)]
mod passing;
#[cfg(test)]
#[cfg(feature = "tiers")]
mod restart;
#[cfg(test)]
mod site;
#[cfg(test)]
mod stale;
#[cfg(test)]
mod told;
#[cfg(test)]
mod tuning;
#[cfg(test)]
mod unkeyed;
