//! Who has reserved keys of a shard, and has not been overtaken.

use hashbrown::HashTable;

/// The claims of fill tokens, by the hashes of their keys: of two keys with one hash, what ends the
/// claims on one ends those on the other.
#[derive(Debug)]
pub(crate) struct Claims {
    table: HashTable<Claim>,
}

#[derive(Debug)]
struct Claim {
    hash: u64,
    /// Unique in the process.
    number: u64,
}

impl Claims {
    pub(crate) const fn new() -> Claims {
        Claims { table: HashTable::new() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn add(&mut self, hash: u64, number: u64) {
        self.table.insert_unique(hash, Claim { hash, number }, |claim| claim.hash);
    }

    pub(crate) fn holds(&self, hash: u64, number: u64) -> bool {
        self.table.find(hash, |claim| claim.number == number).is_some()
    }

    /// Ends one claim.
    pub(crate) fn end(&mut self, hash: u64, number: u64) {
        if let Ok(found) = self.table.find_entry(hash, |claim| claim.number == number) {
            found.remove();
        }
    }

    /// Ends all claims on a key.
    #[inline]
    pub(crate) fn detach(&mut self, hash: u64) {
        while !self.table.is_empty() {
            let Ok(found) = self.table.find_entry(hash, |claim| claim.hash == hash) else { return };
            found.remove();
        }
    }
}
