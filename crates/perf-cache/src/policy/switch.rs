//! From one policy to another while the cache is in use.

use super::{Entries, Hits, Policy, Slot};

/// Hands the entries of one policy over to another that holds none, the next victim first, so that
/// it takes up as much of the order as it can. `old` is to be dropped afterwards. O(entries).
///
/// Hits that were counted go along: as a count where the new policy counts, else as uses.
pub(crate) fn hand_over(old: &dyn Policy, new: &mut dyn Policy, entries: &dyn Entries) {
    let (counted, hits) = (matches!(old.hits(), Hits::Counted(_)), new.hits());
    old.for_each(&mut |slot: Slot| {
        let noted = if counted { entries.hits(slot) } else { 0 };
        entries.set_hits(slot, 0);
        new.on_insert(slot, entries);
        match hits {
            Hits::Counted(most) => entries.set_hits(slot, noted.min(most)),
            Hits::Reported => (0..noted).for_each(|_| new.on_hit(slot, entries)),
            Hits::Ignored => {}
        }
    });
}
