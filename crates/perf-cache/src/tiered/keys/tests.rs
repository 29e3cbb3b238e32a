//! The machine under a scheduler that takes any step that can be taken next, against what callers
//! were promised.
//!
//! Memory and a tier are plain maps here, from keys to the numbers of what they hold: what a call
//! has read is as new as its number says. The steps are those between which the real code holds no
//! lock.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

const KEYS: u64 = 2;
const TIER: usize = 0;

/// What somebody is in the middle of.
#[derive(Clone, Debug)]
enum Actor {
    /// Has begun, and is to put its value in memory.
    Insert { key: u64, number: u64 },
    /// Has begun, and is to remove the key from memory.
    Remove { key: u64, number: u64 },
    /// Waits until it has been removed beyond.
    AwaitRemoval { key: u64, number: u64 },
    /// Has asked memory in vain, and is to look beyond.
    Look { key: u64, claim: u64 },
    /// Has read this beyond, when the last number was that, and is to put it in memory.
    Promote { key: u64, claim: u64, number: u64, value: u64 },
    /// Has read the origin since that number.
    Loaded { key: u64, claim: u64, number: u64 },
    /// Has stored what it has read, and is to put it in memory.
    Publish { key: u64, claim: u64, number: u64 },
    /// Has let go of this to make room, and may store it.
    Overflow { key: u64, number: u64, value: u64 },
    /// Is to do what is to be done for a key.
    Drive { key: u64 },
    /// Is doing it.
    Run { key: u64, job: Job },
}

struct World {
    keys: Keys<u64>,
    leaving: BTreeMap<u64, u32>,
    last: u64,
    /// By key: the number it is known by, and that of the value itself.
    memory: BTreeMap<u64, (u64, u64)>,
    tier: BTreeMap<u64, u64>,
    /// Who may put a value in memory.
    claims: BTreeMap<u64, BTreeSet<u64>>,
    /// The one who looks beyond memory for a key, for all who ask.
    looking: BTreeMap<u64, u64>,
    actors: Vec<Actor>,
    /// Removals that have been made, by number.
    made: BTreeSet<u64>,
    /// The last write or removal that began, and the last removal that returned.
    begun: BTreeMap<u64, u64>,
    returned: BTreeMap<u64, u64>,
    random: u64,
    fails: bool,
    /// Whether both keys have one hash.
    is_one_hash: bool,
}

fn bytes_of(number: u64) -> Arc<Vec<u8>> {
    Arc::new(number.to_le_bytes().to_vec())
}

fn number_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

fn name(key: u64) -> KeyBytes {
    KeyBytes::from(&key.to_le_bytes()[..])
}

fn put(value: u64) -> Action {
    Action::Put(bytes_of(value), Terms { expires_at: 9, written_at: 0, pinned: false, since: None })
}

impl World {
    fn new(seed: u64, fails: bool) -> World {
        World {
            keys: Keys::new(),
            leaving: BTreeMap::new(),
            last: 0,
            memory: BTreeMap::new(),
            tier: BTreeMap::new(),
            claims: BTreeMap::new(),
            looking: BTreeMap::new(),
            actors: Vec::new(),
            made: BTreeSet::new(),
            begun: BTreeMap::new(),
            returned: BTreeMap::new(),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            fails,
            is_one_hash: seed.is_multiple_of(3),
        }
    }

    fn hash_of(&self, key: u64) -> u64 {
        if self.is_one_hash { 7 } else { key }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as usize % bound
    }

    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn push(&mut self, key: u64, number: u64, action: Action) {
        let op = Op {
            tier: TIER,
            key: name(key),
            number,
            action,
            waiters: vec![number],
            is_doubted: false,
        };
        let hash = self.hash_of(key);
        let _ = self.keys.push(hash, op);
        self.actors.push(Actor::Drive { key });
    }

    fn forget(&mut self, key: u64) {
        let hash = self.hash_of(key);
        let is_leaving = self.leaving.get(&hash).is_some_and(|count| *count > 0);
        self.keys.forget_idle(hash, || is_leaving);
    }

    fn release(&mut self, key: u64) {
        let hash = self.hash_of(key);
        self.keys.release(hash);
        self.forget(key);
    }

    /// A caller comes.
    fn arrive(&mut self) {
        let key = self.below(KEYS as usize) as u64;
        match self.below(6) {
            0 => {
                let number = self.begin(key);
                self.claims.entry(key).or_default().insert(number);
                self.push(key, number, put(number));
                self.actors.push(Actor::Insert { key, number });
            }
            1 => {
                let number = self.begin(key);
                self.push(key, number, Action::Remove);
                self.actors.push(Actor::Remove { key, number });
            }
            2..4 if !self.memory.contains_key(&key) && !self.looking.contains_key(&key) => {
                let claim = self.next_number();
                self.looking.insert(key, claim);
                self.claims.entry(key).or_default().insert(claim);
                self.actors.push(Actor::Look { key, claim });
            }
            _ => {
                if let Some((number, value)) = self.memory.remove(&key) {
                    let hash = self.hash_of(key);
                    *self.leaving.entry(hash).or_default() += 1;
                    self.actors.push(Actor::Overflow { key, number, value });
                }
            }
        }
    }

    fn begin(&mut self, key: u64) -> u64 {
        let number = self.next_number();
        let hash = self.hash_of(key);
        self.keys.hold(hash);
        self.keys.raise(hash, number);
        self.detach(key);
        self.begun.insert(key, number);
        number
    }

    fn detach(&mut self, key: u64) {
        self.claims.remove(&key);
        self.looking.remove(&key);
    }

    fn claims(&mut self, key: u64, claim: u64) -> bool {
        if self.looking.get(&key) == Some(&claim) {
            self.looking.remove(&key);
        }
        self.claims.get_mut(&key).is_some_and(|claims| claims.remove(&claim))
    }

    fn offer(&mut self, key: u64, number: u64, value: u64) {
        let hash = self.hash_of(key);
        if self.keys.admits(hash, number) && !self.keys.is_overtaken(hash, TIER, &name(key), number)
        {
            self.push(key, number, put(value));
        }
    }

    fn step(&mut self) {
        let at = self.below(self.actors.len());
        match self.actors.swap_remove(at) {
            Actor::Insert { key, number } => {
                if self.claims(key, number) {
                    self.memory.insert(key, (number, number));
                }
                self.release(key);
            }
            Actor::Remove { key, number } => {
                self.memory.remove(&key);
                self.detach(key);
                self.release(key);
                self.actors.push(Actor::AwaitRemoval { key, number });
            }
            Actor::AwaitRemoval { key, number } => {
                if self.made.contains(&number) {
                    let returned = self.returned.entry(key).or_default();
                    *returned = number.max(*returned);
                } else {
                    self.actors.push(Actor::AwaitRemoval { key, number });
                }
            }
            Actor::Look { key, claim } => {
                let number = self.last;
                match self.visible(key) {
                    Some(value) => {
                        self.actors.push(Actor::Promote { key, claim, number, value });
                    }
                    None => {
                        let hash = self.hash_of(key);
                        self.keys.hold(hash);
                        let number = self.next_number();
                        self.actors.push(Actor::Loaded { key, claim, number });
                    }
                }
            }
            Actor::Promote { key, claim, number, value } => {
                if self.claims(key, claim) {
                    self.memory.insert(key, (number, value));
                }
            }
            Actor::Loaded { key, claim, number } => {
                self.offer(key, number, number);
                self.release(key);
                self.actors.push(Actor::Publish { key, claim, number });
            }
            Actor::Publish { key, claim, number } => {
                if self.claims(key, claim) {
                    self.memory.insert(key, (number, number));
                }
            }
            Actor::Overflow { key, number, value } => {
                let has_none = matches!(
                    self.keys.peek(self.hash_of(key), TIER, &name(key)),
                    Peek::AsStored | Peek::Removed
                ) && !self.tier.contains_key(&key);
                if has_none {
                    self.offer(key, number, value);
                }
                let hash = self.hash_of(key);
                *self.leaving.get_mut(&hash).unwrap() -= 1;
                self.forget(key);
            }
            Actor::Drive { key } => {
                let hash = self.hash_of(key);
                if let Some(job) = self.keys.next(hash, TIER) {
                    self.actors.push(Actor::Run { key, job });
                }
            }
            Actor::Run { key, job } => self.run(key, &job),
        }
    }

    fn run(&mut self, key: u64, job: &Job) {
        let hash = self.hash_of(key);
        let waiters = if self.fails && self.below(4) == 0 {
            let (waiters, is_due) = self.keys.failed(hash, TIER, false);
            drop(waiters);
            if !is_due {
                self.actors.push(Actor::Drive { key });
                return;
            }
            Vec::new()
        } else {
            // It may be for the other key of that hash.
            let of = number_of(&job.key);
            match &job.action {
                Action::Put(bytes, _) => self.tier.insert(of, number_of(bytes)),
                Action::Remove => self.tier.remove(&of),
            };
            let waiters = self.keys.done(hash, TIER);
            self.forget(key);
            waiters
        };
        self.made.extend(waiters);
        // The one who drives goes on.
        self.actors.push(Actor::Drive { key });
    }

    fn visible(&self, key: u64) -> Option<u64> {
        match self.keys.peek(self.hash_of(key), TIER, &name(key)) {
            Peek::Put(bytes) => Some(number_of(&bytes)),
            Peek::Removed => None,
            Peek::AsStored => self.tier.get(&key).copied(),
        }
    }

    fn check(&self) {
        for key in 0..KEYS {
            let begun = self.begun.get(&key).copied().unwrap_or(0);
            let returned = self.returned.get(&key).copied().unwrap_or(0);
            let seen = self.visible(key);
            assert!(seen.is_none_or(|value| value >= begun), "{key}: {seen:?} is before {begun}");
            let stored = self.tier.get(&key);
            assert!(
                stored.is_none_or(|value| *value > returned),
                "{key}: {stored:?} came back after the removal {returned}"
            );
            let near = self.memory.get(&key);
            assert!(
                near.is_none_or(|(_, value)| *value > returned),
                "{key}: {near:?} is in memory after the removal {returned}"
            );
        }
    }
}

#[test]
fn what_was_read_before_a_removal_is_never_there_after_it() {
    for seed in 0..4_000 {
        let mut world = World::new(seed, seed % 2 == 1);
        for _ in 0..60 {
            if world.actors.is_empty() || (world.actors.len() < 12 && world.below(3) == 0) {
                world.arrive();
            } else {
                world.step();
            }
            world.check();
        }
        // Everybody comes to an end, where the tier does not fail for ever.
        world.fails = false;
        for key in 0..KEYS {
            world.actors.push(Actor::Drive { key });
        }
        for _ in 0..2_000 {
            if world.actors.iter().all(|actor| matches!(actor, Actor::AwaitRemoval { .. })) {
                break;
            }
            world.step();
            world.check();
        }
        assert_eq!(world.keys.len(), 0, "seed {seed}: {:?} {:?}", world.actors, world.keys);
        for key in 0..KEYS {
            // All is quiet: what there is was written last, or read since.
            let begun = world.begun.get(&key).copied().unwrap_or(0);
            let there = world.memory.get(&key).map(|(_, value)| value).into_iter();
            let mut there = there.chain(world.tier.get(&key));
            assert!(there.all(|value| *value >= begun), "seed {seed}");
        }
    }
}

#[test]
fn a_value_that_waits_makes_way_and_a_removal_does_not() {
    let mut keys = Keys::<u64>::new();
    let op = |number, action| Op {
        tier: 0,
        key: name(1),
        number,
        action,
        waiters: vec![number],
        is_doubted: false,
    };
    assert_eq!(keys.push(1, op(1, put(1))).coalesced, 0);
    let begun = keys.push(1, op(2, Action::Remove));
    assert_eq!((begun.coalesced, begun.freed), (1, 8));
    assert_eq!(keys.push(1, op(3, put(3))).coalesced, 0);
    assert_eq!(keys.push(1, op(4, put(4))).coalesced, 1);
    let first = keys.next(1, 0).unwrap();
    assert!(matches!(first.action, Action::Remove));
    assert!(keys.next(1, 0).is_none(), "one after the other");
    assert_eq!(keys.done(1, 0), [2, 1], "who waits for what made way waits for this");
    let second = keys.next(1, 0).unwrap();
    assert!(matches!(second.action, Action::Put(bytes, _) if number_of(&bytes) == 4));
    assert_eq!(keys.done(1, 0), [4, 3]);
    keys.forget_idle(1, || false);
    assert_eq!(keys.len(), 0);
}

#[test]
fn a_value_that_cannot_be_put_is_removed_and_a_record_is_put_again() {
    let mut keys = Keys::<u64>::new();
    let op = |action| Op {
        tier: 0,
        key: name(1),
        number: 1,
        action,
        waiters: vec![1],
        is_doubted: false,
    };
    let _ = keys.push(1, op(put(1)));
    assert!(keys.next(1, 0).is_some());
    assert_eq!(keys.failed(1, 0, false), (vec![1], true));
    assert!(matches!(keys.peek(1, 0, &name(1)), Peek::Removed));
    assert!(matches!(keys.next(1, 0).unwrap().action, Action::Remove));
    assert!(keys.done(1, 0).is_empty());
    let _ = keys.push(1, op(put(1)));
    assert!(keys.next(1, 0).is_some());
    assert_eq!(keys.failed(1, 0, true), (vec![], true), "it was only refused");
    assert!(keys.next(1, 0).is_some());
    assert_eq!(keys.done(1, 0), [1]);
    let terms = Terms { expires_at: 9, written_at: 0, pinned: true, since: None };
    let record = Action::Put(bytes_of(2), terms);
    let _ = keys.push(1, op(record));
    assert!(keys.next(1, 0).is_some());
    let _ = keys.failed(1, 0, false);
    assert!(matches!(keys.next(1, 0).unwrap().action, Action::Put(..)));
}

#[test]
fn what_others_have_changed_is_not_answered_as_it_is_put() {
    let mut keys = Keys::<u64>::new();
    let op = |number| Op {
        tier: 0,
        key: name(1),
        number,
        action: put(number),
        waiters: vec![number],
        is_doubted: false,
    };
    let _ = keys.push(1, op(1));
    assert!(keys.next(1, 0).is_some());
    let _ = keys.push(1, op(2));
    let overtaken = keys.overtake(1, 0, &name(1));
    assert_eq!((overtaken.puts, overtaken.waiters), (1, vec![2]));
    assert!(matches!(keys.peek(1, 0, &name(1)), Peek::AsStored));
    let _ = keys.push(1, op(3));
    assert!(matches!(keys.peek(1, 0, &name(1)), Peek::Put(bytes) if number_of(&bytes) == 3));
    assert_eq!(keys.done(1, 0), [1]);
}
