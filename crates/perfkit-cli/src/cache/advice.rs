//! The recommendation in words.

use super::cells::Results;
use super::read::Recorded;
use super::sizes::{Size, count, percent};
use perf_cache::policy::PolicyKind;
use perf_cache::replay::{Measured, Recommendation, Room, recommend};
use perf_core::ByteSize;

/// A recommendation and what it was chosen from.
#[derive(Debug)]
pub(super) struct Advice {
    pub(super) found: Recommendation,
    /// Whether its sizes are bytes.
    pub(super) is_bytes: bool,
    pub(super) optimal: Option<f64>,
    /// What least recently used hits there, where it was tried.
    lru: Option<f64>,
    /// The size as it was asked for.
    asked: Option<String>,
    /// What all keys weigh on the mean, where that is known.
    mean: Option<f64>,
    /// The hit ratio without bounds, and the size of that.
    everything: (u64, f64),
}

impl Advice {
    /// Entries if any size was one, else bytes.
    pub(super) fn new(
        recorded: &Recorded,
        sizes: &[Size],
        policies: &[PolicyKind],
        results: &Results,
    ) -> Option<Advice> {
        let trace = &recorded.trace;
        let is_bytes = results.sizes.iter().all(|size| matches!(size.room, Room::Bytes(_)));
        let size_of = |room: Room| match room {
            Room::Entries(entries) if !is_bytes => Some(entries),
            Room::Bytes(bytes) if is_bytes => Some(bytes.as_u64()),
            _ => None,
        };
        let mut measured = Vec::new();
        for size in &results.sizes {
            let Some(room) = size_of(size.room) else { continue };
            for (policy, done) in policies.iter().zip(&size.policies) {
                let policy = policy.name();
                measured.push(Measured { size: room, policy, hit_ratio: done.hit_ratio });
            }
        }
        let all = if is_bytes { trace.weight() } else { trace.keys() as u64 };
        let everything = (all, trace.repeats());
        let found = recommend(&measured, everything)?;
        let at = results.sizes.iter().position(|size| size_of(size.room) == Some(found.size));
        let lru = measured.iter().find(|one| one.size == found.size && one.policy == "lru");
        let mean = (trace.has_weights() && !is_bytes)
            .then(|| trace.weight() as f64 / trace.keys().max(1) as f64);
        Some(Advice {
            is_bytes,
            optimal: at.and_then(|at| results.sizes[at].optimal),
            lru: lru.map(|one| one.hit_ratio),
            asked: at.map(|at| sizes[at].to_string()),
            mean,
            everything,
            found,
        })
    }

    /// What to take, in one short line.
    pub(super) fn headline(&self) -> String {
        let Recommendation { size, policy, hit_ratio, is_everything, .. } = &self.found;
        let hits = percent(*hit_ratio);
        if *is_everything {
            return format!("Recommended: room for everything, {}: {hits} hits", self.say(*size));
        }
        format!("Recommended: {} with {policy}: {hits} hits", self.say(*size))
    }

    /// Why, in a few sentences.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut text = vec![self.size()];
        if self.found.is_everything {
            text.push(
                "Policy: any, nothing is evicted. A longer record may have more keys: replay one \
                 before you count on this."
                    .to_owned(),
            );
        } else {
            text.push(self.policy());
        }
        let first = 1.0 - self.everything.1;
        text.push(format!(
            "{} of the requests are the first for their key, which no cache hits.{}",
            percent(first),
            if first > 0.9 { " There is little here for a cache." } else { "" }
        ));
        text
    }

    fn size(&self) -> String {
        let found = &self.found;
        let mut parts = Vec::new();
        parts.extend(
            self.asked
                .as_ref()
                .filter(|asked| asked.ends_with('%'))
                .map(|asked| format!("{asked} of the keys")),
        );
        if let Some(mean) = self.mean {
            let bytes = ByteSize::from_bytes((mean * found.size as f64) as u64);
            parts.push(format!("about {bytes}"));
        }
        parts.push(match (found.is_everything, found.smaller) {
            (true, _) => "up to here doublings spare a fifth of the misses or more".to_owned(),
            (false, Some(_)) => "beyond it an entry brings less than the mean one".to_owned(),
            (false, None) => {
                "the smallest that was tried; beyond it an entry brings less than the mean one"
                    .to_owned()
            }
        });
        if let (Some((size, _)), Some(gain)) = (found.smaller, found.gain_before()) {
            let from = self.say(size);
            parts.push(format!("from {from} on each doubling brought {}", points(gain)));
        }
        if let (Some((size, ratio)), Some(gain)) = (found.larger, found.gain_after()) {
            let to = self.say(size);
            let what = if size == self.everything.0 { "all keys" } else { &to };
            let hits = percent(ratio);
            parts.push(format!(
                "each doubling up to {what} would bring {}, and {hits} hits in the end",
                points(gain)
            ));
        }
        format!("Size: {}.", parts.join("; "))
    }

    fn policy(&self) -> String {
        let Recommendation { policy, hit_ratio, best, .. } = &self.found;
        let mut text = if &best.0 == policy {
            format!("Policy: {policy} hits most here")
        } else {
            format!(
                "Policy: {} hits most here, {}; {policy} is within a point of it and follows what \
                 changes",
                best.0,
                percent(best.1)
            )
        };
        if let Some(lru) = self.lru.filter(|_| policy != "lru") {
            text += &format!("; lru hits {}", percent(lru));
        }
        if let Some(optimal) = self.optimal {
            let share = if optimal > 0.0 { hit_ratio / optimal } else { 1.0 };
            text += &format!(
                "; nothing can hit more than {}, of which this is {:.0} %",
                percent(optimal),
                share * 100.0
            );
        }
        text + "."
    }

    fn say(&self, size: u64) -> String {
        if self.is_bytes {
            return ByteSize::from_bytes(size).to_string();
        }
        format!("{} {}", count(size), if size == 1 { "entry" } else { "entries" })
    }
}

fn points(gain: f64) -> String {
    let points = gain * 100.0;
    let plural = if format!("{points:.1}") == "1.0" { "point" } else { "points" };
    format!("{points:.1} {plural}")
}
