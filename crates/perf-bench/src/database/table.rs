//! What the table must hold: the model that answers are checked against.

use super::content::{Content, Row};

/// The rows that one thread inserts, updates and deletes; nobody else writes them.
#[derive(Debug)]
pub(super) struct Share {
    /// Key and version of each row that is there.
    pub(super) live: Vec<(i64, i32)>,
    next: u64,
    stride: u64,
}

impl Share {
    /// One share for each thread.
    pub(super) fn split(threads: usize) -> Vec<Share> {
        let stride = threads as u64;
        (0..stride).map(|next| Share { live: Vec::new(), next, stride }).collect()
    }

    /// Makes rows that are not there yet.
    pub(super) fn fresh(&mut self, content: &Content, n: usize, rows: &mut Vec<Row>) {
        rows.resize_with(n, Row::default);
        for row in rows {
            content.fill(row, content.key(self.next), 0);
            self.next += self.stride;
        }
    }
}

/// All rows of all shares, in order of their keys.
pub(super) fn view(shares: &[Share]) -> Vec<(i64, i32)> {
    let mut all: Vec<(i64, i32)> = shares.iter().flat_map(|share| &share.live).copied().collect();
    all.sort_unstable();
    all
}
