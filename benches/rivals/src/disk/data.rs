//! Keys and values, and the orders in which they are asked for.

/// What is put and got: values of one size, by number.
pub(super) struct Data {
    pub(super) values: usize,
    pub(super) bytes: usize,
    seed: u64,
    /// Every number once, scattered.
    pub(super) order: Vec<u32>,
}

pub(super) const KEY_BYTES: usize = 16;

impl Data {
    pub(super) fn new(values: usize, bytes: usize, seed: u64) -> Data {
        let mut order: Vec<u32> = (0..values as u32).collect();
        let mut draw = seed;
        for last in (1..order.len()).rev() {
            draw = mix(draw);
            order.swap(last, (draw % (last as u64 + 1)) as usize);
        }
        Data { values, bytes, seed, order }
    }

    /// The payload of all values.
    pub(super) fn logical_bytes(&self) -> u64 {
        (self.values * self.bytes) as u64
    }

    pub(super) fn key(&self, number: u32) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        let (number, scattered) = (u64::from(number), mix(u64::from(number) ^ self.seed));
        key[..8].copy_from_slice(&scattered.to_be_bytes());
        key[8..].copy_from_slice(&number.to_be_bytes());
        key
    }

    /// Half random, half zero; no two alike.
    pub(super) fn value(&self, number: u32, into: &mut Vec<u8>) {
        into.clear();
        into.resize(self.bytes, 0);
        let mut draw = mix(self.seed ^ u64::from(number) << 20);
        for chunk in into[..self.bytes / 2].chunks_exact_mut(8) {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            chunk.copy_from_slice(&(draw ^ draw >> 31).to_le_bytes());
        }
    }
}

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_all_different_and_the_same_each_time() {
        let data = Data::new(500, 1_024, 7);
        let mut keys: Vec<_> = data.order.iter().map(|&n| data.key(n)).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 500);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        data.value(3, &mut a);
        Data::new(500, 1_024, 7).value(3, &mut b);
        assert_eq!(a, b);
        data.value(4, &mut b);
        assert!(a != b && a.len() == 1_024 && a[512..].iter().all(|&byte| byte == 0));
    }
}
