//! Room for the bytes of one read, kept for the next one of the thread.

use std::cell::Cell;

/// Room for a key and a value.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) name: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

thread_local! {
    static KEPT: Cell<(Vec<u8>, Vec<u8>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

impl Scratch {
    pub(super) fn take() -> Scratch {
        let (mut name, mut bytes) = KEPT.try_with(Cell::take).unwrap_or_default();
        name.clear();
        bytes.clear();
        Scratch { name, bytes }
    }
}

impl Drop for Scratch {
    /// To the thread that it is dropped on, whichever took it.
    fn drop(&mut self) {
        let (name, bytes) = (std::mem::take(&mut self.name), std::mem::take(&mut self.bytes));
        if bytes.capacity() <= LARGEST && name.capacity() <= LARGEST {
            let _ = KEPT.try_with(|kept| kept.set((name, bytes)));
        }
    }
}

/// More is given back.
const LARGEST: usize = 256 << 10;
