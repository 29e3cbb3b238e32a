//! Room that a thread works in, kept from one value to the next.

use super::sealing::Room;
use std::cell::Cell;

/// Buffers longer than this are given back after use.
const KEPT: usize = 1 << 20;

/// What a thread needs for a moment to seal or open a value.
#[derive(Default)]
pub(super) struct Scratch {
    /// The encoded value, before compression or after decompression.
    pub(super) raw: Vec<u8>,
    /// What the cipher worked on; or a sample of the value.
    pub(super) plain: Vec<u8>,
    /// The sample, compressed.
    packed: Vec<u8>,
    /// What the cipher binds the value to.
    #[cfg(feature = "crypto")]
    pub(super) bound: Vec<u8>,
    pub(super) methods: super::methods::Workspace,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Runs `work` with this thread's room. A codec that uses another pipeline inside gets its own.
pub(super) fn with_scratch<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    let mut scratch = SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default();
    let result = work(&mut scratch);
    scratch.trim();
    // Fails while the thread is being torn down: then nothing is kept.
    let _ = SCRATCH.try_with(|place| place.set(Some(scratch)));
    result
}

impl Scratch {
    /// Where to encode, and where to seal.
    pub(super) fn split(&mut self) -> (&mut Vec<u8>, Room<'_>) {
        let room = Room {
            methods: &mut self.methods,
            sample: &mut self.plain,
            packed: &mut self.packed,
            #[cfg(feature = "crypto")]
            bound: &mut self.bound,
        };
        (&mut self.raw, room)
    }

    fn trim(&mut self) {
        trim(&mut self.raw);
        trim(&mut self.plain);
        trim(&mut self.packed);
        #[cfg(feature = "crypto")]
        trim(&mut self.bound);
    }
}

fn trim(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT {
        *buffer = Vec::new();
    }
}
