//! What each policy does, in the plainest words.

/// A policy that sees keys.
pub(super) trait Model {
    fn insert(&mut self, key: u32, weight: u64);
    fn hit(&mut self, key: u32);
    fn remove(&mut self, key: u32);
    fn replace(&mut self, key: u32, weight: u64);
    fn victim(&mut self) -> Option<u32>;
    /// The next victim first, where that is known.
    fn order(&self) -> Option<Vec<u32>>;
}

fn pop_first<T>(vec: &mut Vec<T>) -> Option<T> {
    (!vec.is_empty()).then(|| vec.remove(0))
}

#[derive(Default)]
pub(super) struct FifoModel(Vec<u32>);

impl Model for FifoModel {
    fn insert(&mut self, key: u32, _: u64) {
        self.0.push(key);
    }
    fn hit(&mut self, _: u32) {}
    fn remove(&mut self, key: u32) {
        self.0.retain(|&other| other != key);
    }
    fn replace(&mut self, _: u32, _: u64) {}
    fn victim(&mut self) -> Option<u32> {
        pop_first(&mut self.0)
    }
    fn order(&self) -> Option<Vec<u32>> {
        Some(self.0.clone())
    }
}

#[derive(Default)]
pub(super) struct LruModel(Vec<u32>);

impl Model for LruModel {
    fn insert(&mut self, key: u32, _: u64) {
        self.0.push(key);
    }
    fn hit(&mut self, key: u32) {
        self.remove(key);
        self.0.push(key);
    }
    fn remove(&mut self, key: u32) {
        self.0.retain(|&other| other != key);
    }
    fn replace(&mut self, key: u32, _: u64) {
        self.hit(key);
    }
    fn victim(&mut self) -> Option<u32> {
        pop_first(&mut self.0)
    }
    fn order(&self) -> Option<Vec<u32>> {
        Some(self.0.clone())
    }
}

pub(super) struct LfuModel {
    /// Keys with their frequencies, the least recently used first.
    held: Vec<(u32, u32)>,
    uses: u64,
    capacity: u64,
}

impl LfuModel {
    pub(super) fn new(capacity: u64) -> LfuModel {
        LfuModel { held: Vec::new(), uses: 0, capacity }
    }

    fn note_use(&mut self) {
        self.uses += 1;
        if self.uses == 10 * self.capacity {
            self.uses = 0;
            // What was lower stays lower.
            self.held.sort_by_key(|&(_, frequency)| frequency);
            self.held.iter_mut().for_each(|(_, frequency)| *frequency /= 2);
        }
    }
}

impl Model for LfuModel {
    fn insert(&mut self, key: u32, _: u64) {
        self.held.push((key, 1));
        self.note_use();
    }
    fn hit(&mut self, key: u32) {
        let at = self.held.iter().position(|&(other, _)| other == key).unwrap();
        let (_, frequency) = self.held.remove(at);
        self.held.push((key, frequency + 1));
        self.note_use();
    }
    fn remove(&mut self, key: u32) {
        self.held.retain(|&(other, _)| other != key);
    }
    fn replace(&mut self, key: u32, _: u64) {
        self.hit(key);
    }
    fn victim(&mut self) -> Option<u32> {
        let least = self.held.iter().map(|&(_, frequency)| frequency).min()?;
        let at = self.held.iter().position(|&(_, frequency)| frequency == least)?;
        Some(self.held.remove(at).0)
    }
    fn order(&self) -> Option<Vec<u32>> {
        let mut held = self.held.clone();
        held.sort_by_key(|&(_, frequency)| frequency);
        Some(held.into_iter().map(|(key, _)| key).collect())
    }
}

/// Algorithm 1 of the paper, one eviction at a time.
pub(super) struct S3FifoModel {
    /// Key, weight, frequency.
    small: Vec<(u32, u64, u8)>,
    main: Vec<(u32, u64, u8)>,
    /// Key and number of its insertion.
    ghost: Vec<(u32, u64)>,
    ghosts: u64,
    capacity: u64,
}

impl S3FifoModel {
    pub(super) fn new(capacity: u64) -> S3FifoModel {
        let capacity = (capacity - capacity / 10).max(1);
        S3FifoModel { small: Vec::new(), main: Vec::new(), ghost: Vec::new(), ghosts: 0, capacity }
    }

    fn find(&mut self, key: u32) -> &mut (u32, u64, u8) {
        self.small.iter_mut().chain(&mut self.main).find(|entry| entry.0 == key).unwrap()
    }

    fn in_ghost(&mut self, key: u32) -> bool {
        let (ghosts, capacity) = (self.ghosts, self.capacity);
        self.ghost.retain(|&(_, at)| ghosts - at <= capacity);
        let there = self.ghost.iter().any(|&(other, _)| other == key);
        self.ghost.retain(|&(other, _)| other != key);
        there
    }
}

impl Model for S3FifoModel {
    fn insert(&mut self, key: u32, weight: u64) {
        if self.in_ghost(key) {
            self.main.push((key, weight, 0));
        } else {
            self.small.push((key, weight, 0));
        }
    }
    fn hit(&mut self, key: u32) {
        let entry = self.find(key);
        entry.2 = (entry.2 + 1).min(3);
    }
    fn remove(&mut self, key: u32) {
        self.small.retain(|entry| entry.0 != key);
        self.main.retain(|entry| entry.0 != key);
    }
    fn replace(&mut self, key: u32, weight: u64) {
        self.hit(key);
        self.find(key).1 = weight;
    }
    fn victim(&mut self) -> Option<u32> {
        loop {
            let weight = |queue: &[(u32, u64, u8)]| queue.iter().map(|entry| entry.1).sum::<u64>();
            let (small, main) = (weight(&self.small), weight(&self.main));
            if small > 0 && (main == 0 || small * 10 >= small + main) {
                let (key, weight, frequency) = self.small.remove(0);
                if frequency > 1 {
                    self.main.push((key, weight, 0));
                    continue;
                }
                self.ghost.retain(|&(other, _)| other != key);
                self.ghost.push((key, self.ghosts));
                self.ghosts += 1;
                return Some(key);
            }
            let (key, weight, frequency) = pop_first(&mut self.main)?;
            if frequency == 0 {
                return Some(key);
            }
            self.main.push((key, weight, frequency - 1));
        }
    }
    fn order(&self) -> Option<Vec<u32>> {
        Some(self.small.iter().chain(&self.main).map(|entry| entry.0).collect())
    }
}
