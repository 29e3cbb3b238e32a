//! How unevenly keys are used.

/// The exponent `s` of a Zipf law, by which the key of rank `r` is used in proportion to `r^-s`,
/// from how often the keys of a sample were used; `None` with too few of them.
///
/// The uses of each key were shared out over two counters at random. One ranks the keys, the other
/// says how often they were used: ranking by the same count that is then read would take chance for
/// skew, and find some in uniform use. `s` is the slope of a line through both on logarithmic
/// scales, over ranks that double, as far down as keys were used often enough for their ranks to
/// mean something.
///
/// `rate` is the share of the keys that is in the sample: what is not there leaves gaps between the
/// ranks, which make the first of them uncertain.
///
/// O(n log n).
pub(crate) fn zipf_exponent(uses: impl Iterator<Item = [u32; 2]>, rate: f64) -> Option<f64> {
    let mut keys: Vec<[u32; 2]> = uses.collect();
    keys.sort_unstable_by(|a, b| b[0].cmp(&a[0]));
    let ranked = keys.iter().take_while(|uses| uses[0] >= LEAST_USES).count();
    if ranked < LEAST_KEYS {
        return None;
    }
    let (mut points, mut from) = (Vec::new(), 0);
    let mut step = 1.0;
    while from < ranked {
        // The first ranks one by one, then more and more at once.
        let until = (from + step as usize).min(ranked);
        let sum: u64 = keys[from..until].iter().map(|uses| u64::from(uses[1])).sum();
        if sum > 0 {
            let mean = sum as f64 / (until - from) as f64;
            // The rank whose use is the mean of the group, about.
            let rank = (((from + 1) * until) as f64).sqrt();
            // Of the rank by the gaps, of the mean by chance, and of the law by its own.
            let variance = (1.0 - rate) / rank + 1.0 / sum as f64 + LAW;
            points.push(Point { x: rank.ln(), y: mean.ln(), weight: 1.0 / variance });
        }
        from = until;
        step *= std::f64::consts::SQRT_2;
    }
    slope(&points).map(|slope| (-slope).max(0.0))
}

struct Point {
    x: f64,
    y: f64,
    weight: f64,
}

/// The slope of the line that fits best.
fn slope(points: &[Point]) -> Option<f64> {
    let sum = |of: &dyn Fn(&Point) -> f64| points.iter().map(|p| p.weight * of(p)).sum::<f64>();
    let total = sum(&|_| 1.0);
    let (x, y) = (sum(&|p| p.x) / total, sum(&|p| p.y) / total);
    let across = sum(&|p| (p.x - x).powi(2));
    (points.len() > 2 && across > 0.0).then(|| sum(&|p| (p.x - x) * (p.y - y)) / across)
}

/// Uses of a key by which it may be ranked.
const LEAST_USES: u32 = 6;
const LEAST_KEYS: usize = 24;
/// How far keys may lie off the law: a seventh, as a variance of the logarithm.
const LAW: f64 = 0.02;
