//! An origin whose values change at known rates, and those who ask for them.

/// A class of values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Class {
    /// The mean time between two changes of one value, in seconds.
    pub(crate) holds: f64,
    pub(crate) keys: u64,
    /// Its share of the requests, beside those of the others.
    pub(crate) weight: f64,
}

/// All that happens, drawn by chance from a seed: requests and changes in the order of time.
#[derive(Debug)]
pub(crate) struct Origin {
    classes: Vec<usize>,
    pub(crate) requests: Vec<Request>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// In seconds from the beginning.
    pub(crate) at: f64,
    pub(crate) key: usize,
    /// How often the value has changed until then.
    pub(crate) version: usize,
}

/// What answers came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) answers: u64,
    pub(crate) stale: u64,
    pub(crate) loads: u64,
}

impl Outcome {
    pub(crate) fn stale_share(&self) -> f64 {
        self.stale as f64 / self.answers.max(1) as f64
    }
}

impl Origin {
    /// So many requests in so many seconds. In each class the key of rank `r` is asked for in
    /// proportion to `r^-0.8`.
    pub(crate) fn new(classes: &[Class], seconds: f64, requests: usize, seed: u64) -> Origin {
        let mut state = seed;
        let mut unit = move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut x = state;
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (mut changes, mut class_of, mut sums, mut sum) = (vec![], vec![], vec![], 0.0);
        for (number, class) in classes.iter().enumerate() {
            let shares: Vec<f64> = (1..=class.keys).map(|rank| (rank as f64).powf(-0.8)).collect();
            let all: f64 = shares.iter().sum();
            for share in shares {
                sum += class.weight * share / all;
                sums.push(sum);
                class_of.push(number);
                let (mut times, mut at) = (vec![], 0.0);
                while at < seconds {
                    at -= (1.0 - unit()).ln() * class.holds;
                    times.push(at);
                }
                changes.push(times);
            }
        }
        let mut requests: Vec<Request> = (0..requests)
            .map(|_| {
                let (at, place) = (unit() * seconds, unit() * sum);
                let key = sums.partition_point(|sum| *sum <= place).min(sums.len() - 1);
                let version = changes[key].partition_point(|change: &f64| *change <= at);
                Request { at, key, version }
            })
            .collect();
        requests.sort_unstable_by(|a, b| a.at.total_cmp(&b.at));
        Origin { classes: class_of, requests }
    }

    pub(crate) fn keys(&self) -> usize {
        self.classes.len()
    }

    pub(crate) fn class(&self, key: usize) -> usize {
        self.classes[key]
    }

    /// What comes out if values are kept for a fixed time, in seconds.
    pub(crate) fn with_fixed(&self, time_to_live: f64) -> Outcome {
        let mut kept = vec![(f64::NEG_INFINITY, 0); self.keys()];
        let mut outcome = Outcome { answers: self.requests.len() as u64, ..Outcome::default() };
        for &Request { at, key, version } in &self.requests {
            let (loaded, kept) = &mut kept[key];
            if at >= *loaded + time_to_live {
                (*loaded, *kept) = (at, version);
                outcome.loads += 1;
            }
            outcome.stale += u64::from(*kept != version);
        }
        outcome
    }

    /// The fixed time that loads least with no more than this share of stale answers, in steps of 5 %.
    pub(crate) fn best_fixed(&self, share: f64) -> (f64, Outcome) {
        let (mut time, mut best) = (1.0, (0.0, self.with_fixed(0.0)));
        // Both are monotonic but for chance, so the search ends where it is clearly over.
        loop {
            let outcome = self.with_fixed(time);
            if outcome.stale_share() <= share {
                best = (time, outcome);
            } else if outcome.stale_share() > 1.5 * share || time > 1e6 {
                return best;
            }
            time *= 1.05;
        }
    }
}
