//! Patterns over keys.
//!
//! A pattern is compiled into alternatives, one for each way through its braces; an alternative is
//! a row of units, each of which is a star or takes exactly one character. A row is matched with a
//! single point of return, the last star passed, so time is bounded by key length times pattern
//! length, whatever the pattern: a later star makes every earlier one needless to revisit.

mod parse;
#[cfg(test)]
mod tests;

pub use parse::ParseGlobError;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// A compiled key pattern.
///
/// | Written | Matches |
/// |---|---|
/// | `*` | any text, also none; `/` and `:` are like any other character |
/// | `?` | one character |
/// | `[a-z_]`, `[!a-z_]` | one character that is, is not, in the set; `-` first or last stands for itself |
/// | `{a,b*}` | any of the patterns; braces may nest, at most 8 deep |
/// | `\x` | the character `x` itself |
/// | anything else | itself |
///
/// A pattern has at most 1024 bytes and, with its braces written out, 4096 units.
/// Matching takes O(key × units) at worst and usually O(key); it does not allocate.
///
/// ```
/// use perf_core::Glob;
/// let users = Glob::new("user:[0-9]*:{name,mail}").unwrap();
/// assert!(users.matches("user:42:mail"));
/// assert!(!users.matches("user:x:mail"));
/// assert_eq!(users.literal_prefix(), "user:");
/// ```
#[doc(alias = "pattern")]
#[doc(alias = "wildcard")]
#[derive(Clone)]
pub struct Glob {
    pattern: String,
    prefix: String,
    /// What follows `prefix`, for each way through the braces.
    alternatives: Vec<Box<[Unit]>>,
}

/// The smallest part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unit {
    /// Any text, also none. Never two in a row.
    Star,
    /// Any one character.
    Any,
    /// This character.
    One(char),
    /// A character in one of the ranges, or in none of them.
    Set { ranges: Box<[(char, char)]>, negated: bool },
}

impl Glob {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// [`ParseGlobError`] names the byte position, what is wrong there, and the remedy.
    pub fn new(pattern: &str) -> Result<Glob, ParseGlobError> {
        let mut alternatives = parse::alternatives(pattern)?;
        let prefix = take_common_prefix(&mut alternatives);
        let alternatives = alternatives.into_iter().map(Vec::into_boxed_slice).collect();
        Ok(Glob { pattern: pattern.to_owned(), prefix, alternatives })
    }

    /// Whether the whole key matches.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        key.strip_prefix(self.prefix.as_str())
            .is_some_and(|rest| self.alternatives.iter().any(|units| row_matches(units, rest)))
    }

    /// The literal text that every matching key starts with, as long as the pattern tells; empty
    /// for `*x`. With sorted keys or a namespace it narrows the search before any matching.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        &self.prefix
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

/// Cuts off and answers the literal characters that all alternatives start with.
fn take_common_prefix(alternatives: &mut [Vec<Unit>]) -> String {
    let mut prefix = String::new();
    let Some(first) = alternatives.first() else { return prefix };
    let mut length = 0;
    while let Some(Unit::One(c)) = first.get(length)
        && alternatives.iter().all(|units| units.get(length) == Some(&Unit::One(*c)))
    {
        prefix.push(*c);
        length += 1;
    }
    for units in alternatives {
        units.drain(..length);
    }
    prefix
}

fn row_matches(units: &[Unit], key: &str) -> bool {
    let mut unit = 0;
    let mut rest = key.chars();
    // Where to go on if this attempt fails: after the last star, one character further.
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        match units.get(unit) {
            Some(Unit::Star) => {
                unit += 1;
                if unit == units.len() {
                    return true;
                }
                retry = Some((unit, rest.clone()));
                continue;
            }
            Some(single) => {
                let mut ahead = rest.clone();
                match ahead.next() {
                    Some(c) if single.takes(c) => {
                        unit += 1;
                        rest = ahead;
                        continue;
                    }
                    Some(_) => {}
                    None => return false,
                }
            }
            None if rest.as_str().is_empty() => return true,
            None => {}
        }
        let Some((after_star, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        unit = *after_star;
        rest = from.clone();
    }
}

impl Unit {
    fn takes(&self, c: char) -> bool {
        match self {
            Unit::Star => false,
            Unit::Any => true,
            Unit::One(own) => *own == c,
            Unit::Set { ranges, negated } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

impl FromStr for Glob {
    type Err = ParseGlobError;

    fn from_str(pattern: &str) -> Result<Glob, ParseGlobError> {
        Glob::new(pattern)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Glob").field(&self.pattern).finish()
    }
}

/// Equal when written the same; patterns written differently may still match the same keys.
impl PartialEq for Glob {
    fn eq(&self, other: &Glob) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Glob {}

impl Hash for Glob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.pattern.hash(state);
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Glob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.pattern)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Glob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Glob, D::Error> {
        let pattern = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Glob::new(&pattern).map_err(serde::de::Error::custom)
    }
}
