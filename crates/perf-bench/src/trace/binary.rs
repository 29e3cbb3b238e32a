//! Keys back to back, without a header.

use super::TraceError;
use super::reader::{Access, AccessKey};
use std::io::{BufRead, ErrorKind};
use std::ops::ControlFlow;

/// Reads keys of so many bytes, the first one the most significant.
pub(super) fn read<const WIDTH: usize>(
    input: &mut impl BufRead,
    mut visit: impl FnMut(Access<'_>) -> ControlFlow<()>,
) -> Result<(), TraceError> {
    let mut bytes = [0; WIDTH];
    for at in 1_u64.. {
        if input.read(&mut bytes[..1])? == 0 {
            break;
        }
        input.read_exact(&mut bytes[1..]).map_err(|error| {
            if error.kind() == ErrorKind::UnexpectedEof {
                TraceError::content(format!("key {at} is cut off: {WIDTH} bytes are one key"))
            } else {
                error.into()
            }
        })?;
        let key = bytes.iter().fold(0, |key, byte| key << 8 | u64::from(*byte));
        let access = Access { key: AccessKey::Number(key), size: None };
        if visit(access).is_break() {
            break;
        }
    }
    Ok(())
}

/// Whether keys are rather of 64 bits than of 32, by the first of them.
///
/// The first halves of long keys are of few kinds, as in small numbers, or each is followed by the
/// same second half whenever it comes again; and no second half is a first one elsewhere.
pub(super) fn is_long(head: &[u8]) -> bool {
    let (pairs, _) = head.as_chunks::<8>();
    let halves = |pair: &[u8; 8]| {
        let (first, second) = pair.split_at(4);
        (first.to_vec(), second.to_vec())
    };
    let mut followed = std::collections::HashMap::new();
    let (mut again, mut same) = (0_usize, 0_usize);
    let mut seconds = std::collections::HashSet::new();
    for (first, second) in pairs.iter().map(halves) {
        if let Some(known) = followed.insert(first, second.clone()) {
            again += 1;
            same += usize::from(known == second);
        }
        seconds.insert(second);
    }
    let mixed = seconds.iter().filter(|second| followed.contains_key(*second)).count();
    let apart = mixed * 50 <= seconds.len();
    let few = followed.len() * 16 <= seconds.len();
    apart && (few || (again > 0 && same * 10 >= again * 9))
}
