//! One call in eight is timed: reading a clock twice would be a tenth of most.

use std::cell::Cell;
use std::thread::LocalKey;

/// Calls of a kind that a thread has made.
pub(super) type Calls = &'static LocalKey<Cell<u32>>;

/// Whether this call is one of those that are timed: the first of the thread, and each eighth.
pub(super) fn is_timed(calls: Calls) -> bool {
    let call = calls.try_with(|calls| calls.replace(calls.get().wrapping_add(1)));
    call.is_ok_and(|call| call.is_multiple_of(TIMED))
}

const TIMED: u32 = 8;
