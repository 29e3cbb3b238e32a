//! What a case writes: its end is kept, and words in it are looked for as it comes.

use std::collections::VecDeque;

/// The last bytes of what was written, at most so many.
#[derive(Debug)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    limit: usize,
    cut: u64,
}

impl Tail {
    pub(super) fn new(limit: usize) -> Tail {
        Tail { bytes: VecDeque::new(), limit, cut: 0 }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        if bytes.len() > self.limit {
            let beyond = bytes.len() - self.limit;
            self.cut += beyond as u64;
            bytes = &bytes[beyond..];
        }
        let beyond = (self.bytes.len() + bytes.len()).saturating_sub(self.limit);
        self.bytes.drain(..beyond);
        self.cut += beyond as u64;
        self.bytes.extend(bytes);
    }

    /// The text, and how many bytes before it were cut. What is no UTF-8 is replaced.
    pub(super) fn take(&mut self) -> (String, u64) {
        let mut bytes = std::mem::take(&mut self.bytes);
        if self.cut > 0 {
            // A character that was cut in two is cut whole.
            let begins = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
            let broken = bytes.iter().take(3).position(begins).unwrap_or(0);
            bytes.drain(..broken);
            self.cut += broken as u64;
        }
        let text = String::from_utf8_lossy(bytes.make_contiguous()).into_owned();
        (text, std::mem::take(&mut self.cut))
    }
}

/// A word that is looked for in a stream, across the borders of its pieces.
///
/// Source: Knuth, Morris and Pratt, "Fast Pattern Matching in Strings", SIAM J. Comput. 1977.
#[derive(Debug)]
pub(super) struct Sought {
    word: Vec<u8>,
    /// For each length of a match, the next shorter one that could still be right.
    shorter: Vec<usize>,
    matched: usize,
}

impl Sought {
    pub(super) fn new(word: &str) -> Sought {
        let word = word.as_bytes().to_vec();
        let mut shorter = vec![0; word.len()];
        let mut matched = 0;
        for (place, byte) in word.iter().enumerate().skip(1) {
            while matched > 0 && word[matched] != *byte {
                matched = shorter[matched - 1];
            }
            if word[matched] == *byte {
                matched += 1;
            }
            shorter[place] = matched;
        }
        Sought { word, shorter, matched: 0 }
    }

    /// The word as text.
    pub(super) fn word(&self) -> String {
        String::from_utf8_lossy(&self.word).into_owned()
    }

    pub(super) fn is_found(&self) -> bool {
        self.matched == self.word.len()
    }

    /// Looks on. O(bytes).
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.is_found() {
                return;
            }
            while self.matched > 0 && self.word[self.matched] != *byte {
                self.matched = self.shorter[self.matched - 1];
            }
            if self.word[self.matched] == *byte {
                self.matched += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_is_kept_and_what_was_cut_is_counted() {
        let mut tail = Tail::new(4);
        tail.push(b"abc");
        tail.push(b"def");
        assert_eq!(tail.take(), ("cdef".to_owned(), 2));
        tail.push(b"0123456789");
        assert_eq!(tail.take(), ("6789".to_owned(), 6));
        assert_eq!(tail.take(), (String::new(), 0));
    }

    #[test]
    fn no_character_is_cut_in_two() {
        let mut tail = Tail::new(4);
        tail.push("aé€".as_bytes());
        assert_eq!(tail.take(), ("€".to_owned(), 3));
        let mut nothing = Tail::new(0);
        nothing.push(b"abc");
        assert_eq!(nothing.take(), (String::new(), 3));
    }

    proptest! {
        #![proptest_config(crate::test_cases())]

        #[test]
        fn a_word_is_found_as_in_the_whole(
            word in "[ab]{0,6}", text in "[ab]{0,60}", piece in 1_usize..9,
        ) {
            let mut sought = Sought::new(&word);
            for piece in text.as_bytes().chunks(piece) {
                sought.feed(piece);
            }
            prop_assert_eq!(sought.is_found(), text.contains(&word));
        }

        #[test]
        fn a_tail_is_the_end_of_the_whole(
            pieces in proptest::collection::vec("[a-z]{0,12}", 0..9), limit in 0_usize..20,
        ) {
            let whole = pieces.concat();
            let mut tail = Tail::new(limit);
            for piece in &pieces {
                tail.push(piece.as_bytes());
            }
            let (text, cut) = tail.take();
            prop_assert_eq!(text, &whole[whole.len().saturating_sub(limit)..]);
            prop_assert_eq!(cut as usize, whole.len().saturating_sub(limit));
        }
    }
}
