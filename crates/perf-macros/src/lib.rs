//! The derive macros of perfkit. Use them through the crates whose traits they implement:
//! `perf-cache` re-exports `Plain` with its feature `derive`.
