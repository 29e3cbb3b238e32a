//! Least frequently used.
//!
//! Entries of the same frequency form a group, the least recently used first, and the groups are
//! linked in order of frequency. A hit moves an entry to the next group, which is made if there is
//! none. Every `10 × capacity` uses all frequencies are halved, so that old popularity fades: groups
//! `2k` and `2k + 1` become one.
//!
//! Sources: Shah, Mitra, Matani, "An O(1) algorithm for implementing the LFU cache eviction scheme",
//! 2010 (the groups); Einziger, Friedman, Manes, "TinyLFU", ACM TOS 2017 (the halving).

use super::{Entries, Hits, Policy, Slot};

/// Evicts what was used least often since it came, of several the least recently used.
///
/// Frequencies are exact, so each hit takes the lock of its shard. They are halved every
/// `10 × capacity` uses, O(capacity) then. An entry that returns starts anew. Right where the
/// same keys stay popular for long; where popularity moves, it follows late.
///
/// Twelve bytes an entry. With 125 000 entries in a shard a hit costs about 12 ns besides the lock,
/// evicting one entry and taking in another 9 ns.
#[derive(Debug)]
pub struct Lfu {
    places: Vec<Place>,
    groups: Vec<Group>,
    /// Groups that are not in use.
    vacant: Vec<u32>,
    /// The group of the lowest frequency.
    lowest: u32,
    capacity: usize,
    /// Insertions and hits since the last halving.
    uses: usize,
}

impl Lfu {
    /// Holds nothing.
    #[must_use]
    pub const fn new() -> Lfu {
        Lfu {
            places: Vec::new(),
            groups: Vec::new(),
            vacant: Vec::new(),
            lowest: NONE,
            capacity: 1,
            uses: 0,
        }
    }

    /// The group of this frequency, which is put behind `before` if there is none.
    fn group(&mut self, before: u32, frequency: u32) -> u32 {
        let next = match before {
            NONE => self.lowest,
            _ => self.groups[before as usize].next,
        };
        if next != NONE && self.groups[next as usize].frequency == frequency {
            return next;
        }
        let group = Group { frequency, first: NONE, last: NONE, previous: before, next };
        let made = if let Some(vacant) = self.vacant.pop() {
            self.groups[vacant as usize] = group;
            vacant
        } else {
            self.groups.push(group);
            self.groups.len() as u32 - 1
        };
        match before {
            NONE => self.lowest = made,
            _ => self.groups[before as usize].next = made,
        }
        if next != NONE {
            self.groups[next as usize].previous = made;
        }
        made
    }

    /// Puts a slot behind all others of a group.
    fn push(&mut self, slot: u32, group: u32) {
        let last = std::mem::replace(&mut self.groups[group as usize].last, slot);
        self.places[slot as usize] = Place { previous: last, next: NONE, group };
        match last {
            NONE => self.groups[group as usize].first = slot,
            _ => self.places[last as usize].next = slot,
        }
    }

    /// Takes a slot out of its group, and the group away if that was the last.
    fn unlink(&mut self, slot: u32) {
        let Place { previous, next, group } = self.places[slot as usize];
        self.places[slot as usize] = Place::ABSENT;
        match previous {
            NONE => self.groups[group as usize].first = next,
            _ => self.places[previous as usize].next = next,
        }
        match next {
            NONE => self.groups[group as usize].last = previous,
            _ => self.places[next as usize].previous = previous,
        }
        if self.groups[group as usize].first == NONE {
            self.drop_group(group);
        }
    }

    fn drop_group(&mut self, group: u32) {
        let Group { previous, next, .. } = self.groups[group as usize];
        match previous {
            NONE => self.lowest = next,
            _ => self.groups[previous as usize].next = next,
        }
        if next != NONE {
            self.groups[next as usize].previous = previous;
        }
        self.vacant.push(group);
    }

    fn is_held(&self, slot: Slot) -> bool {
        self.places.get(slot.index()).is_some_and(|place| place.group != NONE)
    }

    fn make_room(&mut self, slot: Slot) {
        if slot.index() >= self.places.len() {
            self.places.resize(slot.index() + 1, Place::ABSENT);
        }
    }

    fn note_use(&mut self) {
        self.uses += 1;
        if self.uses >= self.capacity.saturating_mul(10) {
            self.uses = 0;
            self.halve();
        }
    }

    /// Halves all frequencies. Groups that become equal are joined, the lower one first.
    fn halve(&mut self) {
        // Where the slots of a group are afterwards.
        let mut moved: Vec<u32> = (0..self.groups.len() as u32).collect();
        let (mut lower, mut group) = (NONE, self.lowest);
        while group != NONE {
            let Group { frequency, first, last, next, .. } = self.groups[group as usize];
            let frequency = frequency / 2;
            if lower != NONE && self.groups[lower as usize].frequency == frequency {
                let end = std::mem::replace(&mut self.groups[lower as usize].last, last);
                self.places[end as usize].next = first;
                self.places[first as usize].previous = end;
                moved[group as usize] = lower;
                self.drop_group(group);
            } else {
                self.groups[group as usize].frequency = frequency;
                lower = group;
            }
            group = next;
        }
        for place in &mut self.places {
            if place.group != NONE {
                place.group = moved[place.group as usize];
            }
        }
    }
}

impl Default for Lfu {
    fn default() -> Lfu {
        Lfu::new()
    }
}

impl Policy for Lfu {
    fn name(&self) -> &'static str {
        "lfu"
    }

    fn hits(&self) -> Hits {
        Hits::Reported
    }

    fn set_capacity(&mut self, entries: usize) {
        self.capacity = entries.max(1);
    }

    fn on_insert(&mut self, slot: Slot, _: &dyn Entries) {
        self.make_room(slot);
        // What was halved to nothing goes before what is new.
        let zero = self.lowest;
        let zero =
            if zero != NONE && self.groups[zero as usize].frequency == 0 { zero } else { NONE };
        let group = self.group(zero, 1);
        self.push(slot.as_u32(), group);
        self.note_use();
    }

    fn on_hit(&mut self, slot: Slot, _: &dyn Entries) {
        if !self.is_held(slot) {
            return;
        }
        let old = self.places[slot.index()].group;
        let frequency = self.groups[old as usize].frequency.saturating_add(1);
        if self.groups[old as usize].frequency < frequency {
            let new = self.group(old, frequency);
            self.unlink(slot.as_u32());
            self.push(slot.as_u32(), new);
        }
        self.note_use();
    }

    fn on_remove(&mut self, slot: Slot, _: &dyn Entries) {
        if self.is_held(slot) {
            self.unlink(slot.as_u32());
        }
    }

    fn on_replace(&mut self, old: Slot, new: Slot, entries: &dyn Entries) {
        if !self.is_held(old) {
            return;
        }
        self.make_room(new);
        let place = std::mem::replace(&mut self.places[old.index()], Place::ABSENT);
        self.places[new.index()] = place;
        match place.previous {
            NONE => self.groups[place.group as usize].first = new.as_u32(),
            previous => self.places[previous as usize].next = new.as_u32(),
        }
        match place.next {
            NONE => self.groups[place.group as usize].last = new.as_u32(),
            next => self.places[next as usize].previous = new.as_u32(),
        }
        self.on_hit(new, entries);
    }

    fn victim(&mut self, _: &dyn Entries) -> Option<Slot> {
        let first = self.groups.get(self.lowest as usize)?.first;
        self.unlink(first);
        Some(Slot::new(first))
    }

    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        let mut group = self.lowest;
        while group != NONE {
            let mut slot = self.groups[group as usize].first;
            while slot != NONE {
                visit(Slot::new(slot));
                slot = self.places[slot as usize].next;
            }
            group = self.groups[group as usize].next;
        }
    }
}

/// Where a slot is.
#[derive(Clone, Copy, Debug)]
struct Place {
    previous: u32,
    next: u32,
    group: u32,
}

impl Place {
    const ABSENT: Place = Place { previous: NONE, next: NONE, group: NONE };
}

/// All slots of one frequency.
#[derive(Clone, Copy, Debug)]
struct Group {
    frequency: u32,
    first: u32,
    last: u32,
    /// The group of the next lower frequency.
    previous: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;
