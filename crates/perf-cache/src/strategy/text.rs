//! A strategy for people.

use super::{CacheStrategy, Ends, TierSettings, WarmUpFrom};
use std::fmt;

impl fmt::Display for CacheStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}, {}", self.name, self.kind, self.status)?;
        for tier in &self.tiers {
            writeln!(f, "  {tier}")?;
        }
        for rule in &self.patterns {
            write!(f, "  keys {}:", rule.pattern)?;
            if let Some(place) = rule.place {
                write!(f, " {place} only")?;
            }
            if let Some(life) = rule.time_to_live {
                write!(f, " for {life:.1?}")?;
            }
            match rule.compress {
                Some(true) => f.write_str(" compressed")?,
                Some(false) => f.write_str(" not compressed")?,
                None => {}
            }
            writeln!(f)?;
        }
        for rule in &self.invalidation {
            write!(f, "  when {} changes, end ", rule.when)?;
            match &rule.ends {
                Ends::Tag(tag) => writeln!(f, "tag {tag}")?,
                Ends::Pattern(pattern) => writeln!(f, "keys {pattern}")?,
                Ends::Namespace(name) => writeln!(f, "namespace {name}")?,
            }
        }
        if let Some(warm_up) = &self.warm_up {
            let from = match &warm_up.from {
                WarmUpFrom::Hottest => "the hottest of the last run",
                WarmUpFrom::Snapshot => "a snapshot of the last run",
                WarmUpFrom::List(_) => "a list",
            };
            writeln!(f, "  warm-up: {} keys, {from}", warm_up.keys)?;
        }
        match &self.prefetch {
            Some(rule) => writeln!(
                f,
                "  loads ahead: up to {:.0} % of the cache, while {:.0} % of it is used",
                100.0 * rule.budget_share,
                100.0 * rule.least_precision
            )?,
            None => writeln!(f, "  loads nothing ahead")?,
        }
        let switches = [
            ("auto_tuning", self.auto_tuning),
            ("dynamic_ttl", self.dynamic_ttl),
            ("intelligent_prefetching", self.intelligent_prefetching),
            ("adaptive_eviction", self.adaptive_eviction),
        ];
        let of = |on| {
            let names: Vec<_> =
                switches.iter().filter(|(_, is)| *is == on).map(|(n, _)| *n).collect();
            names.join(", ")
        };
        for (on, word) in [(true, "on"), (false, "off")] {
            let names = of(on);
            if !names.is_empty() {
                writeln!(f, "  {word}: {names}")?;
            }
        }
        if let Some(expected) = self.expected {
            write!(
                f,
                "  expected: {:.1} % hits, the default {:.1} %",
                100.0 * expected.hit_ratio,
                100.0 * expected.default
            )?;
            match expected.requests {
                0 => writeln!(f, ", as estimated by a running cache")?,
                requests => writeln!(f, ", over {requests} requests")?,
            }
        }
        for reason in &self.reasons {
            writeln!(f, "  because {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TierSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.max_bytes.map(|bytes| bytes.to_string()));
        parts.extend(self.max_entries.map(|entries| format!("{entries} entries")));
        parts.extend(self.policy.map(|policy| format!("policy {policy}")));
        parts.extend(self.cold_share.map(|share| format!("cold share {share:.2}")));
        parts.extend(self.time_to_live.map(|life| format!("entries live for {life:.1?}")));
        if parts.is_empty() {
            parts.push("as it is".to_owned());
        }
        write!(f, "{}: {}", self.place, parts.join(", "))
    }
}
