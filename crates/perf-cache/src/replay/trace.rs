//! Requests under dense numbers.

use hashbrown::HashTable;
use std::fmt;

/// A row of requests, whose keys are numbered in the order in which they first appear.
///
/// Takes 4 bytes a request, and some 20 bytes a key (28 with weights).
#[derive(Clone, Default)]
pub struct Trace {
    requests: Vec<u32>,
    /// The hash of each key, by its number.
    hashes: Vec<u64>,
    /// The weight of each key, by its number; empty while every request weighed nothing special.
    weights: Vec<u64>,
    numbers: HashTable<u32>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A number: two of them are one key exactly if they are equal.
    Number(u64),
    /// Bytes, known by 64 bits of hash: among ten million of them, the chance that any two are
    /// taken for one is 1 to 370 000.
    Text(&'a [u8]),
}

impl From<u64> for Key<'_> {
    fn from(number: u64) -> Self {
        Key::Number(number)
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(text: &'a str) -> Key<'a> {
        Key::Text(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Key<'a> {
    fn from(text: &'a [u8]) -> Key<'a> {
        Key::Text(text)
    }
}

/// A trace has taken as many requests as it can: 2³² - 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceFull;

impl fmt::Display for TraceFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a trace holds at most {} requests: replay a part of it", Trace::MOST)
    }
}

impl std::error::Error for TraceFull {}

impl Trace {
    /// The most requests that a trace can hold.
    pub const MOST: u64 = NEVER as u64 - 1;

    /// Without requests.
    #[must_use]
    pub fn new() -> Trace {
        Trace::default()
    }

    /// Appends a request of weight 1. O(1), one hash.
    ///
    /// # Errors
    ///
    /// [`TraceFull`] once there are [`Trace::MOST`] requests.
    pub fn push<'a>(&mut self, key: impl Into<Key<'a>>) -> Result<(), TraceFull> {
        let number = self.number(key.into())?;
        self.requests.push(number);
        Ok(())
    }

    /// Appends a request for something that weighs so much. Answers to one key may differ in
    /// weight, as the answers of a server do with status and coding: the heaviest one counts, from
    /// the first request on. O(1), one hash.
    ///
    /// # Errors
    ///
    /// [`TraceFull`] once there are [`Trace::MOST`] requests.
    pub fn push_weighed<'a>(
        &mut self,
        key: impl Into<Key<'a>>,
        weight: u64,
    ) -> Result<(), TraceFull> {
        let number = self.number(key.into())?;
        self.requests.push(number);
        self.weights.resize(self.hashes.len(), 1);
        let known = &mut self.weights[number as usize];
        *known = weight.max(*known);
        Ok(())
    }

    fn number(&mut self, key: Key<'_>) -> Result<u32, TraceFull> {
        if self.requests.len() as u64 >= Trace::MOST {
            return Err(TraceFull);
        }
        let hash = match key {
            Key::Number(number) => mix(number),
            Key::Text(text) => mix(fold(text)),
        };
        let hashes = &mut self.hashes;
        let entry = self.numbers.entry(
            hash,
            |&number| hashes[number as usize] == hash,
            |&number| hashes[number as usize],
        );
        let next = hashes.len() as u32;
        let number = *entry.or_insert(next).get();
        if number == next {
            hashes.push(hash);
        }
        Ok(number)
    }

    /// How many requests there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many keys there are.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.hashes.len()
    }

    /// The share of requests for a key that was asked for before: the hit ratio of a cache without
    /// bounds. 0 without requests.
    #[must_use]
    pub fn repeats(&self) -> f64 {
        ratio((self.len() - self.keys()) as u64, self)
    }

    /// Whether any request had a weight.
    #[must_use]
    pub fn has_weights(&self) -> bool {
        !self.weights.is_empty()
    }

    /// What all keys weigh together, each once.
    #[must_use]
    pub fn weight(&self) -> u64 {
        // Keys after the last one with a weight weigh 1.
        let rest = (self.keys() - self.weights.len()) as u64;
        self.weights.iter().fold(rest, |sum, weight| sum.saturating_add(*weight))
    }

    /// A part of the requests, as a trace of its own. O(keys of the whole + requests of the part).
    ///
    /// # Panics
    ///
    /// If there are no such requests.
    #[must_use]
    pub fn part(&self, requests: std::ops::Range<usize>) -> Trace {
        let mut numbers = vec![NEVER; self.keys()];
        let mut part = Trace::new();
        for &key in &self.requests[requests] {
            let number = &mut numbers[key as usize];
            if *number == NEVER {
                *number = part.hashes.len() as u32;
                part.hashes.push(self.hash(key));
                if self.has_weights() {
                    part.weights.push(self.weight_of(key));
                }
            }
            part.requests.push(*number);
        }
        let hashes = &part.hashes;
        for (number, &hash) in hashes.iter().enumerate() {
            part.numbers.insert_unique(hash, number as u32, |&n| hashes[n as usize]);
        }
        part
    }

    /// How often each key was asked for, in two parts: each other time counts for one of them.
    pub(crate) fn uses(&self) -> Vec<[u32; 2]> {
        let mut uses = vec![[0_u32; 2]; self.keys()];
        for &key in &self.requests {
            let [first, second] = &mut uses[key as usize];
            *(if *first > *second { second } else { first }) += 1;
        }
        uses
    }

    /// The requests, as numbers of keys.
    pub(super) fn requests(&self) -> &[u32] {
        &self.requests
    }

    pub(super) fn hash(&self, key: u32) -> u64 {
        self.hashes[key as usize]
    }

    pub(super) fn weight_of(&self, key: u32) -> u64 {
        self.weights.get(key as usize).copied().unwrap_or(1)
    }
}

/// No request has this index.
pub(super) const NEVER: u32 = u32::MAX;

pub(super) fn ratio(hits: u64, trace: &Trace) -> f64 {
    if trace.is_empty() { 0.0 } else { hits as f64 / trace.len() as f64 }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("requests", &self.len())
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

/// One to one, so that different numbers stay different. The same on every machine, so that a
/// replay can be repeated to the last hit.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014
/// (the finalizer of SplitMix64, with Stafford's thirteenth constants).
fn mix(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Eight bytes at a time, both halves of a wide product folded together, as in wyhash.
fn fold(text: &[u8]) -> u64 {
    let step = |hash: u64, word: u64| {
        let wide = u128::from(hash ^ word) * u128::from(0x9fb2_1c65_1e98_df25_u64);
        // The sum keeps the hash from being stuck where a product is zero.
        (wide as u64 ^ (wide >> 64) as u64).wrapping_add(word.rotate_left(29))
    };
    let mut hash = 0xa076_1d64_78bd_642f ^ text.len() as u64;
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        hash = step(hash, u64::from_le_bytes(*word));
    }
    let last = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    step(step(hash, last), 0x2d35_8dcc_aa6c_78a5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_as_they_come() {
        let mut trace = Trace::new();
        for key in [7_u64, 8, 7, 1 << 40, 8] {
            trace.push(key).unwrap();
        }
        assert_eq!(trace.requests(), [0, 1, 0, 2, 1]);
        assert_eq!((trace.len(), trace.keys(), trace.repeats()), (5, 3, 0.4));
        assert!(!trace.has_weights());
        assert_eq!(trace.weight(), 3);
    }

    #[test]
    fn the_heaviest_answer_counts() {
        let mut trace = Trace::new();
        trace.push("/").unwrap();
        for (key, weight) in [("/a", 10), ("/b", 0), ("/a", 30), ("/a", 20)] {
            trace.push_weighed(key, weight).unwrap();
        }
        trace.push("/c").unwrap();
        let weights: Vec<u64> = (0..4).map(|key| trace.weight_of(key)).collect();
        assert_eq!(weights, [1, 30, 1, 1]);
        assert_eq!(trace.weight(), 33);
    }

    #[test]
    fn a_part_is_what_would_have_been_recorded_then() {
        let mut trace = Trace::new();
        for (key, weight) in [(7_u64, 10), (8, 20), (7, 30), (9, 40), (8, 20)] {
            trace.push_weighed(key, weight).unwrap();
        }
        let mut part = trace.part(1..4);
        assert_eq!(part.requests(), [0, 1, 2]);
        assert_eq!((0..3).map(|key| part.weight_of(key)).collect::<Vec<_>>(), [20, 30, 40]);
        part.push(9_u64).unwrap();
        assert_eq!(part.requests(), [0, 1, 2, 2], "it knows its keys");
        assert_eq!(trace.part(5..5).len(), 0);
        assert_eq!(trace.uses(), [[1, 1], [1, 1], [1, 0]]);
    }

    #[test]
    fn texts_differ_where_any_byte_differs() {
        let mut trace = Trace::new();
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for length in 0..40 {
            texts.push(vec![0; length]);
            for at in 0..length {
                let mut text = vec![0; length];
                text[at] = 1;
                texts.push(text);
            }
        }
        texts.extend((0..20_000).map(|n| format!("/item/{n}").into_bytes()));
        for text in &texts {
            trace.push(text.as_slice()).unwrap();
        }
        assert_eq!(trace.keys(), texts.len());
    }
}
