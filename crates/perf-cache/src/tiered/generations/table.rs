//! The numbers themselves, and the records that they are kept in.

use hashbrown::HashMap;
use perf_core::Glob;
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) tags: HashMap<u64, u64>,
    /// The number of every tag that is not here.
    pub(super) forgotten: u64,
    /// Oldest first.
    pub(super) patterns: Vec<(Arc<Pattern>, u64)>,
    /// What is older is dead.
    pub(super) floor: u64,
    /// Whether a record could not be read.
    pub(super) is_broken: bool,
}

/// What keys are compared with.
#[derive(Debug, PartialEq)]
pub(in crate::tiered) enum Pattern {
    Glob(Glob),
    /// The keys that begin with this and a colon.
    Namespace(Box<str>),
}

/// A record that is to be kept: which one, and its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::tiered) struct Record {
    pub(in crate::tiered) name: RecordName,
    pub(in crate::tiered) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tiered) enum RecordName {
    Tags(u8),
    Patterns,
    Floor,
}

impl RecordName {
    /// All that there can be.
    pub(in crate::tiered) fn all() -> impl Iterator<Item = RecordName> {
        (0..=u8::MAX).map(RecordName::Tags).chain([RecordName::Patterns, RecordName::Floor])
    }

    pub(in crate::tiered) fn to_bytes(self) -> [u8; 2] {
        match self {
            RecordName::Tags(bucket) => [b't', bucket],
            RecordName::Patterns => [b'p', 0],
            RecordName::Floor => [b'f', 0],
        }
    }
}

impl Table {
    pub(super) fn are_past<'a>(
        &self,
        era: u64,
        tags: impl IntoIterator<Item = u64>,
        key: impl FnOnce() -> Option<Cow<'a, str>>,
    ) -> bool {
        if era < self.floor {
            return true;
        }
        let number = |id: u64| self.tags.get(&id).copied().unwrap_or(self.forgotten);
        if tags.into_iter().any(|id| era < number(id)) {
            return true;
        }
        let mut since = self.patterns.iter().rev().take_while(|(_, number)| era < *number);
        let Some(first) = since.next() else { return false };
        // A key of which nobody knows the text may be covered by any.
        let Some(key) = key() else { return true };
        std::iter::once(first).chain(since).any(|(pattern, _)| pattern.covers(&key))
    }

    /// Drops the half of the tags that was invalidated longest ago; answers what changes by it.
    pub(super) fn forget_tags(&mut self) -> Vec<RecordName> {
        let mut numbers: Vec<u64> = self.tags.values().copied().collect();
        let middle = numbers.len() / 2;
        let newest_gone = *numbers.select_nth_unstable(middle).1;
        let mut changed = vec![RecordName::Floor];
        self.tags.retain(|id, number| {
            if *number > newest_gone {
                return true;
            }
            let bucket = RecordName::Tags(bucket_of(*id));
            if !changed.contains(&bucket) {
                changed.push(bucket);
            }
            false
        });
        self.forgotten = self.forgotten.max(newest_gone);
        changed
    }

    pub(super) fn write(&self, name: RecordName) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        match name {
            RecordName::Tags(bucket) => {
                for (id, number) in self.tags.iter().filter(|(id, _)| bucket_of(**id) == bucket) {
                    bytes.extend(id.to_le_bytes());
                    bytes.extend(number.to_le_bytes());
                }
            }
            RecordName::Patterns => {
                for (pattern, number) in &self.patterns {
                    let (kind, text) = match &**pattern {
                        Pattern::Glob(glob) => (b'g', glob.as_str()),
                        Pattern::Namespace(name) => (b'n', &**name),
                    };
                    bytes.push(kind);
                    bytes.extend(number.to_le_bytes());
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
            RecordName::Floor => {
                bytes.extend(self.floor.to_le_bytes());
                bytes.extend(self.forgotten.to_le_bytes());
            }
        }
        bytes
    }

    pub(super) fn read(&mut self, name: RecordName, bytes: &[u8]) -> Option<()> {
        let (version, mut rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        while !rest.is_empty() {
            match name {
                RecordName::Tags(_) => {
                    let (id, number) = (take_u64(&mut rest)?, take_u64(&mut rest)?);
                    let known = self.tags.entry(id).or_default();
                    *known = number.max(*known);
                }
                RecordName::Patterns => {
                    let kind = take(&mut rest, 1)?[0];
                    let number = take_u64(&mut rest)?;
                    let len = usize::try_from(take_u64(&mut rest)?).ok()?;
                    let text = std::str::from_utf8(take(&mut rest, len)?).ok()?;
                    let pattern = match kind {
                        b'g' => Pattern::Glob(Glob::new(text).ok()?),
                        b'n' => Pattern::Namespace(text.into()),
                        _ => return None,
                    };
                    let at = self.patterns.partition_point(|(_, known)| *known <= number);
                    self.patterns.insert(at, (Arc::new(pattern), number));
                }
                RecordName::Floor => {
                    self.floor = self.floor.max(take_u64(&mut rest)?);
                    self.forgotten = self.forgotten.max(take_u64(&mut rest)?);
                }
            }
        }
        Some(())
    }
}

impl Pattern {
    pub(super) fn covers(&self, key: &str) -> bool {
        match self {
            Pattern::Glob(glob) => glob.matches(key),
            Pattern::Namespace(name) => {
                key.strip_prefix(&**name).is_some_and(|rest| rest.starts_with(':'))
            }
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(front)
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?))
}

pub(super) const fn bucket_of(id: u64) -> u8 {
    (id >> 56) as u8
}

pub(super) const VERSION: u8 = 1;
