//! The JSON that the API answers with.
//!
//! Times are seconds since 1970, spans are seconds, durations are milliseconds and say so in their
//! name. A number that nothing is known about is null, never zero.

use crate::budget::BudgetRow;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Is it healthy, what is slow, what needs attention: the first page of the dashboard.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    pub(crate) service: Service,
    pub(crate) health: HealthSummary,
    /// When this was true.
    pub(crate) at: f64,
    /// The span that every number belongs to.
    pub(crate) span_seconds: u64,
    pub(crate) cards: Vec<Card>,
    pub(crate) charts: Vec<Chart>,
    /// What needs attention, worst first.
    pub(crate) attention: Vec<Attention>,
    /// What was changed in the span, newest first.
    pub(crate) events: Vec<EventRow>,
}

/// Limits and how they are kept.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Budgets {
    /// The span that the rows are about.
    pub(crate) span_seconds: u64,
    /// Worst first; none where no budget was given.
    pub(crate) budgets: Vec<BudgetRow>,
}

/// The service that is watched.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) uptime_seconds: f64,
    /// Where its answers come from.
    pub(crate) origin: Option<String>,
    /// Where it listens.
    pub(crate) listen: Option<String>,
}

/// Health in one word and one sentence.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct HealthSummary {
    /// `healthy`, `degraded` or `unhealthy`.
    pub(crate) status: &'static str,
    pub(crate) summary: String,
}

/// One number with its change and its course.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Card {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) value: Option<f64>,
    pub(crate) unit: &'static str,
    /// The value in the span before this one.
    pub(crate) previous: Option<f64>,
    /// How many samples stand behind the value.
    pub(crate) count: u64,
    /// Whether `up` or `down` is better.
    pub(crate) better: &'static str,
    /// What it is and how it is computed.
    pub(crate) help: &'static str,
    /// Its course over the span, oldest first; null where nothing is known.
    pub(crate) spark: Vec<Option<f64>>,
}

/// Lines over time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Chart {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) help: &'static str,
    pub(crate) time: Vec<f64>,
    pub(crate) series: Vec<Series>,
}

/// One line of a chart; as many values as the chart has times.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Series {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) values: Vec<Option<f64>>,
}

/// Something to look at, and what to do about it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Attention {
    /// `info`, `warning` or `critical`.
    pub(crate) severity: &'static str,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) action: Option<Action>,
}

/// What to do, as a link of the dashboard.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Action {
    pub(crate) label: String,
    pub(crate) href: String,
}

/// A turn of a knob, or its undoing.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct EventRow {
    pub(crate) id: u64,
    pub(crate) at: f64,
    /// `turn` or `undo`.
    pub(crate) kind: &'static str,
    pub(crate) component: String,
    pub(crate) knob: String,
    /// The value before, as the knob's own kind of JSON value.
    pub(crate) from: Value,
    /// The value after.
    pub(crate) to: Value,
    /// The value before, for people.
    pub(crate) from_display: String,
    /// The value after, for people.
    pub(crate) to_display: String,
    /// Who did it.
    pub(crate) by: String,
    /// The event that undid this one.
    pub(crate) undone_by: Option<u64>,
}

/// One knob as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct KnobRow {
    /// Its address: `component/knob`.
    pub(crate) id: String,
    pub(crate) component: String,
    pub(crate) knob: String,
    pub(crate) title: String,
    /// The unit of the plain values.
    pub(crate) unit: String,
    /// `switch`, `count`, `number`, `duration` (seconds), `bytes` or `choice`.
    pub(crate) kind: &'static str,
    pub(crate) value: Value,
    /// The value for people.
    pub(crate) display: String,
    pub(crate) default: Value,
    pub(crate) min: Value,
    pub(crate) max: Value,
    pub(crate) step: Value,
    /// What a choice can be.
    pub(crate) options: Option<Vec<String>>,
    /// What is gained and what is paid when it goes up.
    pub(crate) trades: String,
    /// Which signals it should move when it goes up, and which way.
    pub(crate) moves: Vec<Move>,
    /// The value it is still moving to.
    pub(crate) pending: Value,
}

/// A signal that a knob moves.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Move {
    pub(crate) signal: String,
    /// `up` or `down`.
    pub(crate) direction: &'static str,
}

/// Where answers come from and what the cache does.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Caching {
    pub(crate) at: f64,
    pub(crate) span_seconds: u64,
    /// Those who answer, nearest first.
    pub(crate) tiers: Vec<Tier>,
    pub(crate) requests: u64,
    pub(crate) per_second: Option<f64>,
    pub(crate) stats: CachingStats,
    /// What was learnt of the use of caches.
    pub(crate) learning: Learning,
    /// Those who tell content delivery networks what to forget.
    pub(crate) purgers: Vec<Purger>,
    pub(crate) charts: Vec<Chart>,
    pub(crate) knobs: Vec<KnobRow>,
    pub(crate) events: Vec<EventRow>,
}

/// One of those who answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Tier {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// Which part of all answers came from here, 0 to 1.
    pub(crate) share: Option<f64>,
    pub(crate) requests: u64,
    pub(crate) per_second: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    /// Lookups that found something here, fresh or not, and that did not. Null for the origin.
    pub(crate) hits: Option<u64>,
    pub(crate) misses: Option<u64>,
    pub(crate) entries: Option<f64>,
    pub(crate) bytes: Option<f64>,
    pub(crate) capacity_bytes: Option<f64>,
    /// Of a tier that may fail: `closed` while it is asked, `open` while it is passed by, `half open`
    /// while it is tried.
    pub(crate) breaker: Option<&'static str>,
    /// Calls in the span that failed or took longer than they may. Null for memory and the origin.
    pub(crate) failed: Option<u64>,
    /// Calls in the span that were not made, because others had failed. Null for memory and the
    /// origin.
    pub(crate) passed_by: Option<u64>,
    /// Of a tier that other processes use as well. Null for others.
    pub(crate) sharing: Option<Sharing>,
    /// Of a tier that others use as well: for how many seconds nothing was heard of what they change,
    /// up to 0.2 where all is well.
    pub(crate) lag_seconds: Option<f64>,
    /// How many times smaller its values became in the span: 2 where half is left. Null where nothing
    /// was written.
    pub(crate) compression_ratio: Option<f64>,
}

/// How this process and others that use the same tier are in step.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Sharing {
    /// Invalidations of this process that the others are not told of yet.
    pub(crate) pending: Option<f64>,
    /// Changes of others that were taken in, in the span.
    pub(crate) changes: u64,
    /// Times in the span that all that is near was dropped, because nobody knew what had changed.
    pub(crate) doubts: u64,
}

/// What the cache did in the span, and what it holds now.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct CachingStats {
    pub(crate) entries: Option<f64>,
    pub(crate) bytes: Option<f64>,
    pub(crate) capacity_bytes: Option<f64>,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// 0 to 1.
    pub(crate) hit_ratio: Option<f64>,
    /// By cause.
    pub(crate) evictions: BTreeMap<String, u64>,
    pub(crate) insertions: u64,
    /// Requests that waited for the fetch of another.
    pub(crate) joins: u64,
    pub(crate) stored: u64,
    /// By reason.
    pub(crate) not_stored: BTreeMap<String, u64>,
    pub(crate) not_modified: u64,
    /// Bytes that encoding kept off the wire.
    pub(crate) bytes_saved: u64,
    /// By coding.
    pub(crate) encoded: BTreeMap<String, u64>,
}

/// What caches have learnt of their use, one row for each cache that learns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Learning {
    /// What they load before it is asked for.
    pub(crate) ahead: Vec<Ahead>,
    /// For how long they keep what.
    pub(crate) lives: Vec<Lives>,
}

/// What a cache loads ahead. Counts are those of the span.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Ahead {
    pub(crate) component: String,
    /// Whether it does, where that is a knob.
    pub(crate) enabled: Option<bool>,
    /// The share of what was loaded ahead that was used, 0 to 1; null before the first.
    pub(crate) precision: Option<f64>,
    /// Below this it stops but for a few trials.
    pub(crate) least_precision: Option<f64>,
    /// Keys that were advised.
    pub(crate) named: u64,
    /// Values that were asked for in time.
    pub(crate) used: u64,
    /// Values that were loaded in vain.
    pub(crate) unused: u64,
    /// Keys that were asked for before they were loaded.
    pub(crate) late: u64,
    pub(crate) failed: u64,
    /// Requests that taught nothing and loads for which there was no place.
    pub(crate) skipped: u64,
    /// What is held and was not asked for yet, in the unit.
    pub(crate) held: Option<f64>,
    /// How much that may be.
    pub(crate) held_most: Option<f64>,
    /// `bytes` or `count`.
    pub(crate) unit: &'static str,
}

/// For how long a cache keeps what it loads, as it has learnt. Counts are those of the span.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Lives {
    pub(crate) component: String,
    /// Values that were given a time to live, of which the next are quantiles.
    pub(crate) given: u64,
    pub(crate) p10_seconds: Option<f64>,
    pub(crate) p50_seconds: Option<f64>,
    pub(crate) p90_seconds: Option<f64>,
    /// How many lives are how long.
    pub(crate) steps: Vec<LifeStep>,
    /// The share of answers that is stale by the rates of change that were seen.
    pub(crate) stale_share: Option<f64>,
    /// The share that may be.
    pub(crate) stale_share_stated: Option<f64>,
    /// Values loaded anew, from which it learns.
    pub(crate) reloads: u64,
    /// Those of them that had changed.
    pub(crate) changed: u64,
    /// Loads that taught nothing, for want of memory.
    pub(crate) forgotten: u64,
}

/// How many lives are longer than the step before and at most this long.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct LifeStep {
    /// Null for all that are longer.
    pub(crate) up_to_seconds: Option<f64>,
    pub(crate) count: u64,
}

/// One who tells a content delivery network what to forget. Counts are those of the span.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Purger {
    pub(crate) component: String,
    /// Such as `cloudfront`.
    pub(crate) service: String,
    /// Items that wait or are on their way.
    pub(crate) waiting: Option<f64>,
    /// How long the oldest of them has.
    pub(crate) lag_seconds: Option<f64>,
    /// Whether the last call has failed.
    pub(crate) failing: bool,
    /// Why, where it is known.
    pub(crate) last_error: Option<String>,
    /// Items that were to be purged.
    pub(crate) queued: u64,
    /// Items that the service has taken.
    pub(crate) sent: u64,
    /// Calls that it has taken.
    pub(crate) calls: u64,
    /// Calls that failed and were made again.
    pub(crate) retries: u64,
    /// Items for which something wider was purged, since the service knows no such kind.
    pub(crate) widened: u64,
    /// Items for which all was purged, for want of room.
    pub(crate) collapsed: u64,
    /// Items that could not be queued.
    pub(crate) refused: u64,
    /// Items that the service will never take.
    pub(crate) rejected: u64,
    /// Items given up: the service may keep what they would end.
    pub(crate) lost: u64,
    /// From when an item was asked for until the service had taken it.
    pub(crate) delay_p50_ms: Option<f64>,
    pub(crate) delay_p95_ms: Option<f64>,
}

/// Health, component by component.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct HealthAnswer {
    /// `healthy`, `degraded` or `unhealthy`.
    pub(crate) status: &'static str,
    pub(crate) summary: String,
    pub(crate) at: f64,
    pub(crate) components: Vec<ComponentRow>,
}

/// The health of one component.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ComponentRow {
    pub(crate) component: String,
    pub(crate) status: &'static str,
    /// Why, empty when healthy.
    pub(crate) reason: String,
    /// Since when.
    pub(crate) since: Option<f64>,
    /// What to do about it, empty when healthy.
    pub(crate) remedy: String,
}

/// The server itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Status {
    pub(crate) service: Service,
    /// The version of perfkit.
    pub(crate) version: &'static str,
    pub(crate) at: f64,
    pub(crate) components: Vec<String>,
    pub(crate) signals: usize,
    pub(crate) knobs: usize,
    /// Whether reading needs the token too.
    pub(crate) reads_need_token: bool,
    pub(crate) sessions: usize,
    /// Sessions that newer ones pushed out.
    pub(crate) sessions_pushed_out: u64,
    pub(crate) live: LiveStatus,
}

/// The live connections.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LiveStatus {
    pub(crate) connections: u64,
    pub(crate) connections_most: u64,
    /// Connections refused because there were too many.
    pub(crate) refused: u64,
    /// Snapshots sent.
    pub(crate) sent: u64,
    /// Snapshots that a slow client did not get because a newer one replaced them.
    pub(crate) skipped: u64,
}

/// Every knob.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Knobs {
    pub(crate) knobs: Vec<KnobRow>,
}

/// Every event that is kept, newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Events {
    pub(crate) events: Vec<EventRow>,
    /// Events that newer ones pushed out.
    pub(crate) dropped: u64,
}

/// What a turn did.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TurnAnswer {
    pub(crate) event: EventRow,
    /// The knob afterwards.
    pub(crate) knob: KnobRow,
}
