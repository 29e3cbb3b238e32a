//! The keys of a sample in the order of their last use, and how much lies above each.
//!
//! Positions grow with each use and are renumbered when they run out; a Fenwick tree over them
//! holds the weights, so that the distance of a key is one prefix sum.

use hashbrown::HashTable;

/// A key of the sample.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    /// Its hash, mixed anew, so that it is uniform among the sampled ones too.
    pub(super) hash: u64,
    /// Zero marks a vacant position.
    pub(super) weight: u32,
    /// How often it was used, shared out at random over two counters: see `skew`.
    pub(super) uses: [u32; 2],
}

#[derive(Debug)]
pub(super) struct Stack {
    /// By position; the last `next..` have never been used.
    nodes: Vec<Node>,
    /// Sums of weights.
    tree: Vec<u64>,
    /// Positions by hash.
    places: HashTable<u32>,
    next: usize,
    /// No key lies before this position.
    oldest: usize,
    weight: u64,
}

impl Stack {
    /// For up to so many keys; allocates as they come.
    pub(super) const fn new() -> Stack {
        Stack {
            nodes: Vec::new(),
            tree: Vec::new(),
            places: HashTable::new(),
            next: 0,
            oldest: 0,
            weight: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The sum of the weights.
    pub(super) const fn weight(&self) -> u64 {
        self.weight
    }

    /// Takes a key out; answers it and the weight of what was used after it. O(log n).
    pub(super) fn take(&mut self, hash: u64) -> Option<(Node, u64)> {
        let found = self.places.find_entry(hash, |at| self.nodes[*at as usize].hash == hash);
        let at = found.ok()?.remove().0 as usize;
        let node = std::mem::take(&mut self.nodes[at]);
        let above = self.weight - self.sum(at);
        self.add(at, 0_u64.wrapping_sub(node.weight.into()));
        self.weight -= u64::from(node.weight);
        Some((node, above))
    }

    /// Puts a key, which is not in it, on top. O(log n), amortized.
    pub(super) fn push(&mut self, node: Node) {
        if self.next == self.nodes.len() {
            self.renumber();
        }
        let at = self.next;
        self.next += 1;
        self.nodes[at] = node;
        self.add(at, node.weight.into());
        self.weight += u64::from(node.weight);
        let nodes = &self.nodes;
        self.places.insert_unique(node.hash, at as u32, |at| nodes[*at as usize].hash);
    }

    /// Sets the weight of a key that is in it, where it lies.
    pub(super) fn set_weight(&mut self, hash: u64, weight: u32) {
        let found = self.places.find(hash, |at| self.nodes[*at as usize].hash == hash);
        let Some(at) = found.map(|at| *at as usize) else { return };
        let old = u64::from(std::mem::replace(&mut self.nodes[at].weight, weight));
        self.add(at, u64::from(weight).wrapping_sub(old));
        self.weight = self.weight - old + u64::from(weight);
    }

    /// A key that is in it, to count its uses.
    pub(super) fn find_mut(&mut self, hash: u64) -> Option<&mut Node> {
        let found = self.places.find(hash, |at| self.nodes[*at as usize].hash == hash);
        found.map(|at| &mut self.nodes[*at as usize])
    }

    /// Takes out the key that was not used for longest. O(log n), amortized.
    pub(super) fn pop_oldest(&mut self) -> Option<Node> {
        while self.oldest < self.next {
            let node = self.nodes[self.oldest];
            if node.weight != 0 {
                return self.take(node.hash).map(|(node, _)| node);
            }
            self.oldest += 1;
        }
        None
    }

    /// Takes out all keys with this hash or above. O(n).
    pub(super) fn cut(&mut self, threshold: u64) {
        for at in self.oldest..self.next {
            let node = self.nodes[at];
            if node.weight != 0 && node.hash >= threshold {
                self.take(node.hash);
            }
        }
    }

    /// The keys, the one that was not used for longest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.nodes[self.oldest..self.next].iter().filter(|node| node.weight != 0)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.nodes[self.oldest..self.next].iter_mut().filter(|node| node.weight != 0)
    }

    /// Gives the keys the first positions, in the same order, and as many more are free after them.
    fn renumber(&mut self) {
        let keys: Vec<Node> = self.iter().copied().collect();
        let positions = (2 * keys.len()).next_power_of_two().max(64);
        self.places.clear();
        self.next = keys.len();
        self.oldest = 0;
        self.nodes = keys;
        let nodes = &self.nodes;
        for (at, node) in nodes.iter().enumerate() {
            self.places.insert_unique(node.hash, at as u32, |at| nodes[*at as usize].hash);
        }
        self.nodes.resize(positions, Node::default());
        // Built in O(n): each place hands its sum on to the one that covers it.
        self.tree = self.nodes.iter().map(|node| node.weight.into()).collect();
        for at in 0..positions {
            let covering = at | (at + 1);
            if covering < positions {
                self.tree[covering] = self.tree[covering].wrapping_add(self.tree[at]);
            }
        }
    }

    /// The sum of the weights up to and with this position.
    fn sum(&self, mut at: usize) -> u64 {
        let mut sum = self.tree[at];
        while at & (at + 1) != 0 {
            at = (at & (at + 1)) - 1;
            sum = sum.wrapping_add(self.tree[at]);
        }
        sum
    }

    fn add(&mut self, mut at: usize, by: u64) {
        while at < self.tree.len() {
            self.tree[at] = self.tree[at].wrapping_add(by);
            at |= at + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn node(hash: u64, weight: u32) -> Node {
        Node { hash, weight, uses: [0; 2] }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 64, rng_seed: proptest::test_runner::RngSeed::Fixed(0x5ac4), ..Default::default()
        })]

        #[test]
        fn it_is_a_list_with_sums(steps in prop::collection::vec((0_u64..40, 1_u32..9, 0..12), 1..900)) {
            let mut stack = Stack::new();
            // The one used last is at the end.
            let mut list: Vec<(u64, u32)> = Vec::new();
            for (hash, weight, what) in steps {
                let found = list.iter().position(|(h, _)| *h == hash);
                match what {
                    0 => {
                        let gone = (!list.is_empty()).then(|| list.remove(0).0);
                        prop_assert_eq!(stack.pop_oldest().map(|node| node.hash), gone);
                    }
                    1 => {
                        list.retain(|(h, _)| *h < 35);
                        stack.cut(35);
                    }
                    2 => {
                        if let Some(at) = found {
                            list[at].1 = weight;
                        }
                        stack.set_weight(hash, weight);
                    }
                    _ => {
                        let above = found.map(|at| list[at + 1..].iter().map(sum).sum::<u64>());
                        prop_assert_eq!(stack.take(hash).map(|(_, above)| above), above);
                        list.retain(|(h, _)| *h != hash);
                        stack.push(node(hash, weight));
                        list.push((hash, weight));
                    }
                }
                let now: Vec<_> = stack.iter().map(|node| (node.hash, node.weight)).collect();
                prop_assert_eq!(&now, &list);
                prop_assert_eq!(stack.weight(), list.iter().map(sum).sum::<u64>());
                prop_assert_eq!(stack.len(), list.len());
            }
        }
    }

    fn sum(entry: &(u64, u32)) -> u64 {
        entry.1.into()
    }
}
