//! What needs attention, worst first.

use super::Scene;
use super::shapes::{Action, Attention, ComponentRow, KnobRow};
use super::traffic::{
    GATEWAY, MEMORY, OUTERS, Outer, RESPONSES, TARGET_P95_MS, TIERS, Traffic, WORST_ERROR_RATIO, ms,
};
use crate::budget::BudgetRow;
use perf_analytics::{History, Select, Span};

/// What somebody should look at now. Thresholds need enough requests behind them: one slow answer
/// at night is no news.
pub(super) fn attention(
    history: &History,
    span: Span,
    traffic: &Traffic,
    scene: &Scene<'_>,
) -> Vec<Attention> {
    let (components, knobs) = (&scene.components, &scene.knobs);
    let mut found: Vec<Attention> = components.iter().filter_map(unwell).collect();
    found.extend(scene.budgets.iter().filter_map(over_budget));
    // The gateway's own complaint is about the same errors.
    if !found.iter().any(|attention| attention.title.starts_with(GATEWAY)) {
        found.extend(errors(traffic));
    }
    found.extend(not_durable(history, span));
    // Nor twice about a tier.
    if !found.iter().any(|attention| attention.title.starts_with(TIERS)) {
        found.extend(unwell_tiers(history, span));
    }
    found.extend(slowness(traffic));
    found.extend(few_hits(history, span, traffic));
    found.extend(not_stored(history, span, traffic));
    found.extend(slow_origin(traffic));
    found.extend(full_memory(history, span, knobs));
    found.extend(switched_off(knobs));
    if traffic.requests == 0 && found.is_empty() {
        found.push(Attention {
            severity: "info",
            title: "No requests in this span".to_owned(),
            detail: "Send some through the gateway, or choose a longer span.".to_owned(),
            action: None,
        });
    }
    found.sort_by_key(|attention| match attention.severity {
        "critical" => 0,
        "warning" => 1,
        _ => 2,
    });
    found.truncate(MOST_SHOWN);
    found
}

fn unwell(row: &ComponentRow) -> Option<Attention> {
    let severity = match row.status {
        "healthy" => return None,
        "degraded" => "warning",
        _ => "critical",
    };
    Some(Attention {
        severity,
        title: format!("{} is {}", row.component, row.status),
        detail: [row.reason.as_str(), row.remedy.as_str()]
            .iter()
            .filter(|part| !part.is_empty())
            .map(|part| sentence(part))
            .collect::<Vec<_>>()
            .join(" "),
        action: None,
    })
}

fn over_budget(row: &BudgetRow) -> Option<Attention> {
    let (severity, how) = match row.verdict.as_str() {
        "broken" => ("warning", "over its budget"),
        "tight" => ("info", "close to its budget"),
        _ => return None,
    };
    Some(Attention {
        severity,
        title: sentence(&format!("{} is {how}", row.what)).trim_end_matches('.').to_owned(),
        detail: format!("{} of at most {}.", row.measured_display, row.limit_display),
        action: None,
    })
}

fn errors(traffic: &Traffic) -> Option<Attention> {
    let ratio = traffic.error_ratio().filter(|ratio| *ratio > 0.01)?;
    (traffic.requests >= ENOUGH).then(|| Attention {
        severity: if ratio >= WORST_ERROR_RATIO { "critical" } else { "warning" },
        title: format!("{:.1} % of the answers are errors", ratio * 100.0),
        detail: format!(
            "{} of {} answers were of class 5xx. Look at the origin's own log.",
            traffic.errors, traffic.requests
        ),
        action: None,
    })
}

/// What was purged and may come back.
fn not_durable(history: &History, span: Span) -> Option<Attention> {
    let gauge = |signal: &str| history.gauge(&Select::new(TIERS, signal), span).unwrap_or_default();
    let waiting = gauge("parked") + gauge("unannounced");
    if waiting < 1.0 {
        return None;
    }
    let (what, they) = match waiting {
        ..1.5 => ("1 removal waits".to_owned(), "It holds"),
        many => (format!("{many:.0} removals wait"), "They hold"),
    };
    Some(Attention {
        severity: "warning",
        title: format!("{what} for a tier beyond memory"),
        detail: format!(
            "{they} while this process lives. What was purged may be answered again if it ends before \
             the tier is well, and by others that share it. See whether the disk is full or the \
             server gone."
        ),
        action: Some(caching("See the tiers")),
    })
}

fn unwell_tiers(history: &History, span: Span) -> Option<Attention> {
    let is_unwell = |outer: &&Outer| {
        history.gauge(&outer.signal("tier_breaker"), span).is_some_and(|state| state >= 0.5)
    };
    let names: Vec<_> = OUTERS.iter().filter(is_unwell).map(|outer| outer.spoken()).collect();
    (!names.is_empty()).then(|| Attention {
        severity: "warning",
        title: format!("The cache passes {} by", names.join(" and ")),
        detail: "Calls failed or took too long, so answers come from elsewhere. It is tried again \
                 every few seconds."
            .to_owned(),
        action: Some(caching("See the tiers")),
    })
}

fn slowness(traffic: &Traffic) -> Option<Attention> {
    let p95 = traffic.p95_ms().filter(|p95| *p95 > TARGET_P95_MS)?;
    (traffic.requests >= ENOUGH).then(|| Attention {
        severity: "warning",
        title: format!("Response time p95 is {p95:.0} ms"),
        detail: format!(
            "The target is {TARGET_P95_MS:.0} ms. Answers from the cache are fast: see which part \
             of the requests reaches the origin."
        ),
        action: Some(caching("Where answers come from")),
    })
}

fn few_hits(history: &History, span: Span, traffic: &Traffic) -> Option<Attention> {
    let ratio = traffic.hit_ratio().filter(|ratio| *ratio < 0.5)?;
    if traffic.served + traffic.fetched < ENOUGH {
        return None;
    }
    let detail = if pushed_out(history, span) > 0 {
        "Entries are pushed out to make room: more memory helps."
    } else {
        "Nothing was pushed out: pages are asked for the first time, or do not stay fresh for long."
    };
    Some(Attention {
        severity: "info",
        title: format!("{:.0} % of the answers come from the cache", ratio * 100.0),
        detail: detail.to_owned(),
        action: Some(caching("Turn a knob")),
    })
}

fn not_stored(history: &History, span: Span, traffic: &Traffic) -> Option<Attention> {
    let reasons = by_label(history, RESPONSES, "not_stored", "reason", span);
    let (why, count) = reasons
        .iter()
        .filter_map(|(reason, count)| Some((why_not_stored(reason)?, *count)))
        .max_by_key(|(_, count)| *count)?;
    (count >= ENOUGH && count * 5 > traffic.fetched).then(|| Attention {
        severity: "info",
        title: format!("{count} answers could not be stored"),
        detail: sentence(why),
        action: Some(caching("See why")),
    })
}

/// In words, with the remedy, where there is one: what fails to be stored by its nature is no news.
fn why_not_stored(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "no_store" | "private" => {
            "their Cache-Control says so; if they are the same for everyone, allow a shared cache \
             to keep them"
        }
        "set_cookie" => "they set a cookie; set it on fewer pages",
        "cookie" | "authorization" => {
            "the requests carry a cookie or a login; answers that are the same for everyone may \
             say `Cache-Control: public`"
        }
        "no_freshness" => {
            "they do not say how long they stay fresh; say it, or turn responses/default_ttl up"
        }
        "too_large" => {
            "they are larger than the largest that is kept; turn responses/max_object up"
        }
        "vary_all" => "they say `Vary: *`; name the headers that they depend on",
        _ => return None,
    })
}

fn slow_origin(traffic: &Traffic) -> Option<Attention> {
    let fetch = traffic.fetched_time.quantile(0.95).map(ms).filter(|p95| *p95 > 10.0)?;
    let hit = traffic.served_time.quantile(0.95).map(ms)?;
    let enough = traffic.fetched_time.count().min(traffic.served_time.count()) >= ENOUGH;
    (enough && fetch > 5.0 * hit).then(|| Attention {
        severity: "info",
        title: "The origin is the slowest part".to_owned(),
        detail: format!(
            "A fetch takes {fetch:.0} ms (p95 of {}), an answer from the cache {hit:.1} ms.",
            traffic.fetched_time.count()
        ),
        action: Some(caching("See caching")),
    })
}

/// Entries of the memory tier that left to make room.
fn pushed_out(history: &History, span: Span) -> u64 {
    history.counter(&Select::new(MEMORY, "evictions").label("cause", "size"), span)
}

fn full_memory(history: &History, span: Span, knobs: &[KnobRow]) -> Option<Attention> {
    let pushed_out = pushed_out(history, span);
    let bytes = history.gauge(&Select::new(MEMORY, "bytes"), span)?;
    let capacity = history.gauge(&Select::new(MEMORY, "capacity_bytes"), span)?;
    if pushed_out < ENOUGH || bytes < 0.9 * capacity {
        return None;
    }
    let knob = knobs.iter().find(|knob| knob.id == "memory/capacity");
    Some(Attention {
        severity: "info",
        title: "The memory tier is full".to_owned(),
        detail: format!(
            "{pushed_out} entries were pushed out to make room{}.",
            knob.map_or(String::new(), |knob| format!("; it may hold {}", knob.display))
        ),
        action: Some(caching("Give it more memory")),
    })
}

fn switched_off(knobs: &[KnobRow]) -> Option<Attention> {
    let knob = knobs.iter().find(|knob| knob.id == "responses/enabled")?;
    (knob.value == false).then(|| Attention {
        severity: "warning",
        title: "The cache is switched off".to_owned(),
        detail: "Every request goes to the origin.".to_owned(),
        action: Some(caching("Switch it on")),
    })
}

/// The counts of a signal by one of its labels, over a span. Labels without a count are left out.
pub(super) fn by_label(
    history: &History,
    component: &str,
    signal: &str,
    label: &str,
    span: Span,
) -> std::collections::BTreeMap<String, u64> {
    let mut counts = std::collections::BTreeMap::new();
    for series in history.series() {
        if series.component != component || series.signal != signal {
            continue;
        }
        if let Some((_, value)) = series.labels.iter().find(|(key, _)| key == label) {
            let select = Select::new(component, signal).label(label, value);
            let count = history.counter(&select, span);
            if count > 0 {
                counts.insert(value.clone(), count);
            }
        }
    }
    counts
}

fn caching(label: &str) -> Action {
    Action { label: label.to_owned(), href: "/caching".to_owned() }
}

/// `origin refuses` as `Origin refuses.`
fn sentence(fragment: &str) -> String {
    let mut letters = fragment.trim().trim_end_matches('.').chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Requests, or entries, below which a ratio says nothing.
const ENOUGH: u64 = 50;
const MOST_SHOWN: usize = 6;

#[cfg(test)]
mod tests {
    use super::super::shapes::{HealthSummary, Service};
    use super::*;
    use perf_analytics::HistoryConfig;
    use std::time::Duration;

    fn look(traffic: &Traffic, components: &[ComponentRow]) -> Vec<Attention> {
        let history = History::new(HistoryConfig::default());
        look_at(traffic, &scene(&history, components, Vec::new()))
    }

    fn look_at(traffic: &Traffic, scene: &Scene<'_>) -> Vec<Attention> {
        attention(scene.history, Span::last(Duration::from_secs(300)), traffic, scene)
    }

    fn scene<'a>(
        history: &'a History,
        components: &[ComponentRow],
        budgets: Vec<BudgetRow>,
    ) -> Scene<'a> {
        Scene {
            history,
            at: 0.0,
            service: Service {
                name: String::new(),
                version: String::new(),
                uptime_seconds: 0.0,
                origin: None,
                listen: None,
            },
            health: HealthSummary { status: "healthy", summary: String::new() },
            components: components.to_vec(),
            knobs: Vec::new(),
            events: Vec::new(),
            budgets,
        }
    }

    #[test]
    fn a_broken_budget_is_named_with_its_limit_and_a_kept_one_is_no_news() {
        let row = |verdict: &str| BudgetRow {
            what: "route / p95".to_owned(),
            unit: "ns".to_owned(),
            limit: 1e7,
            limit_display: "10.0 ms".to_owned(),
            measured: Some(1.2e7),
            measured_display: "12.0 ms".to_owned(),
            room: Some(-0.2),
            verdict: verdict.to_owned(),
        };
        let history = History::new(HistoryConfig::default());
        let traffic = Traffic { requests: 10, ..Traffic::default() };
        let rows = vec![row("within"), row("not_measured"), row("broken"), row("tight")];
        let found = look_at(&traffic, &scene(&history, &[], rows));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].title, "Route / p95 is over its budget");
        assert_eq!(found[0].detail, "12.0 ms of at most 10.0 ms.");
        assert_eq!((found[0].severity, found[1].severity), ("warning", "info"));
    }

    #[test]
    fn silence_is_said_once_and_only_when_there_is_nothing_else() {
        let quiet = look(&Traffic::default(), &[]);
        assert_eq!(quiet.len(), 1);
        assert_eq!(quiet[0].severity, "info");
    }

    #[test]
    fn the_worst_comes_first_with_reason_and_remedy() {
        let sick = ComponentRow {
            component: "origin".to_owned(),
            status: "unhealthy",
            reason: "it refuses connections".to_owned(),
            since: None,
            remedy: "start it".to_owned(),
        };
        let traffic = Traffic { requests: 1_000, errors: 20, ..Traffic::default() };
        let found = look(&traffic, &[sick]);
        assert_eq!(found[0].severity, "critical");
        assert_eq!(found[0].detail, "It refuses connections. Start it.");
        assert_eq!(found[1].title, "2.0 % of the answers are errors");
    }

    #[test]
    fn a_slow_origin_is_named_with_its_figures() {
        let mut traffic =
            Traffic { requests: 1_000, served: 900, fetched: 100, ..Traffic::default() };
        traffic.fetched_time.record_n(38_000_000, 100);
        traffic.served_time.record_n(400_000, 900);
        let found = look(&traffic, &[]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].title, "The origin is the slowest part");
        assert!(found[0].detail.contains("38 ms (p95 of 100)"), "{}", found[0].detail);
    }

    #[test]
    fn answers_that_could_be_stored_are_news_and_others_are_not() {
        let history = History::new(HistoryConfig::default());
        let at = perf_core::Instant::from_nanos(1_000_000_000);
        for (reason, count) in [("no_freshness", 90), ("method", 5_000)] {
            let labels = [("reason", reason)];
            let signal = perf_core::Signal::counter("not_stored", count, at).labels(&labels);
            history.sample(at, RESPONSES, &signal);
        }
        let traffic = Traffic { fetched: 100, ..Traffic::default() };
        let found = not_stored(&history, Span::last(Duration::from_secs(300)), &traffic).unwrap();
        assert_eq!(found.title, "90 answers could not be stored");
        assert!(found.detail.contains("responses/default_ttl"), "{}", found.detail);
    }

    #[test]
    fn a_tier_that_cannot_be_told_is_news() {
        let history = History::new(HistoryConfig::default());
        let span = Span::last(Duration::from_secs(300));
        let mut seconds = 0;
        let mut sample = |parked: f64, breaker: f64| {
            seconds += 1;
            let at = perf_core::Instant::from_nanos(seconds * 1_000_000_000);
            let labels = [("tier", "disk")];
            let unit = perf_core::Unit::None;
            history.sample(at, TIERS, &perf_core::Signal::gauge("parked", unit, parked));
            let breaker = perf_core::Signal::gauge("tier_breaker", unit, breaker).labels(&labels);
            history.sample(at, TIERS, &breaker);
        };
        sample(0.0, 0.0);
        assert!(not_durable(&history, span).is_none() && unwell_tiers(&history, span).is_none());
        sample(3.0, 2.0);
        let found = not_durable(&history, span).unwrap();
        assert_eq!(
            (found.severity, &*found.title),
            ("warning", "3 removals wait for a tier beyond memory")
        );
        assert_eq!(unwell_tiers(&history, span).unwrap().title, "The cache passes the disk by");
        sample(0.0, 0.0);
        assert!(not_durable(&history, span).is_none() && unwell_tiers(&history, span).is_none());
    }

    #[test]
    fn few_requests_are_no_news() {
        let traffic = Traffic { requests: 10, errors: 5, fetched: 10, ..Traffic::default() };
        assert!(look(&traffic, &[]).is_empty());
    }
}
