//! Where counts by distance go: narrow buckets whose width grows with the distance.

/// The bucket of a distance: one each below 32, then sixteen for each doubling.
pub(super) fn bucket(distance: u64) -> usize {
    if distance < EXACT {
        return distance as usize;
    }
    let exponent = distance.ilog2();
    let within = (distance >> (exponent - STEP_BITS)) - (1 << STEP_BITS);
    (EXACT + u64::from(exponent - EXACT.ilog2()) * (1 << STEP_BITS) + within) as usize
}

/// The largest distance in a bucket.
pub(super) fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let (octave, within) = ((bucket - EXACT) >> STEP_BITS, (bucket - EXACT) % (1 << STEP_BITS));
    let shift = octave + u64::from(EXACT.ilog2() - STEP_BITS);
    let start = u128::from(within + (1 << STEP_BITS)) << shift;
    u64::try_from(start + (1 << shift) - 1).unwrap_or(u64::MAX)
}

const EXACT: u64 = 32;
const STEP_BITS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distance_is_in_the_bucket_that_ends_at_or_after_it() {
        let mut last = 0;
        for d in (0..5_000).chain((13..64).map(|e| 1 << e)).chain([u64::MAX - 1, u64::MAX]) {
            let b = bucket(d);
            assert!(upper(b) >= d, "{d}");
            assert!(b == 0 || upper(b - 1) < d, "{d}");
            assert!(b >= last);
            last = b;
        }
        assert!(last < 1_000);
    }
}
