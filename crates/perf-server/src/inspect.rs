//! Looking into a cache, and forgetting some of what it holds.

use perf_cache::strategy::WorkloadAnalysis;
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use utoipa::ToSchema;

/// A cache that the Caching page may look into, beyond its signals and knobs.
///
/// Give it to [`AdminConfig::inspect`](crate::AdminConfig::inspect) under the name of its
/// component. The gateway's cache of answers is one: [`Gateway::cache`](crate::Gateway::cache).
pub trait InspectCache: fmt::Debug + Send + Sync {
    /// What the cache has learnt of its use. Asked every few seconds while somebody looks.
    fn report(&self) -> CacheReport;

    /// Some entries, first in that order. May walk all entries.
    fn entries(&self, order: EntryOrder, most: usize) -> Vec<EntryRow>;

    /// How many entries a selection names now.
    ///
    /// # Errors
    ///
    /// What is wrong with the selection, and what would do.
    fn count(&self, selection: &Selection) -> Result<u64, String>;

    /// Forgets what a selection names, what is being loaded included; about how many entries that
    /// were.
    ///
    /// # Errors
    ///
    /// [`InvalidateFailure`]: nothing was forgotten, or it may come back with a restart.
    fn invalidate(&self, selection: &Selection) -> Result<u64, InvalidateFailure>;

    /// What is known of its workload, from which a strategy can be generated; `None`, if not said,
    /// for nothing.
    fn analysis(&self) -> Option<WorkloadAnalysis> {
        None
    }

    /// What is not counted though it is forgotten, as a sentence; `None`, if not said, for nothing.
    fn uncounted(&self) -> Option<&'static str> {
        None
    }
}

/// Why something was not forgotten, or not for good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidateFailure {
    /// What is wrong with the selection, and what would do. Nothing was forgotten.
    Selection(String),
    /// This process has forgotten it, and the next one may find it again.
    NotDurable {
        /// About how many entries were forgotten.
        entries: u64,
        /// Why it may come back, and the remedy.
        cause: String,
    },
}

impl From<String> for InvalidateFailure {
    /// Of what is wrong with a selection.
    fn from(wrong: String) -> InvalidateFailure {
        InvalidateFailure::Selection(wrong)
    }
}

impl fmt::Display for InvalidateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidateFailure::Selection(wrong) => f.write_str(wrong),
            InvalidateFailure::NotDurable { entries, cause } => {
                write!(f, "forgotten in this process ({entries} in memory); {cause}")
            }
        }
    }
}

impl Error for InvalidateFailure {}

/// Entries of a cache by what they have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// The entry of one key.
    Key(String),
    /// Entries that carry a tag.
    Tag(String),
    /// Entries whose key matches a pattern, such as `users:*`.
    Pattern(String),
}

/// In which order entries are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryOrder {
    /// Most used first.
    Hottest,
    /// Heaviest first.
    Largest,
}

/// What a cache has learnt of its use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct CacheReport {
    /// `bytes` or `count`: what capacities are given in.
    pub unit: &'static str,
    /// How much it may hold.
    pub capacity: Option<f64>,
    /// The eviction policy in use.
    pub policy: String,
    /// Keys that are watched, from which the estimates below are made.
    pub sampled: u64,
    /// Which part of all keys they are, 0 to 1.
    pub sampled_share: Option<f64>,
    /// The hit ratio that each capacity would have, smallest first; empty while too little is known.
    pub curve: Vec<CurvePoint>,
    /// The capacities people ask about: half of today's, today's, twice and four times of it.
    pub marks: Vec<CurveMark>,
    /// What each policy would have hit with today's capacity, best first.
    pub policies: Vec<PolicyRow>,
    /// How the keys are used, once that is known.
    pub workload: Vec<Fact>,
    /// Entries that were invalidated and are not yet swept.
    pub dead: u64,
}

/// A capacity and the hit ratio that it would have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct CurvePoint {
    /// In the report's unit.
    pub capacity: f64,
    /// 0 to 1.
    pub hit_ratio: f64,
}

/// A point of the curve with a name.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CurveMark {
    /// Such as `twice`.
    pub title: &'static str,
    /// In the report's unit.
    pub capacity: f64,
    /// 0 to 1.
    pub hit_ratio: f64,
}

/// What a policy would have hit.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PolicyRow {
    /// Its name, such as `s3-fifo`.
    pub policy: String,
    /// 0 to 1.
    pub hit_ratio: f64,
    /// Whether it is the one in use.
    pub in_use: bool,
}

/// Something that is known of the workload, in words.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Fact {
    /// What.
    pub title: &'static str,
    /// How much, with its unit.
    pub value: String,
    /// What that means.
    pub help: &'static str,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EntryRow {
    /// Its key as text. One that is too long to show ends in `…`, and names nothing then.
    pub key: String,
    /// What it weighs; null where that is not known.
    pub bytes: Option<u64>,
    /// How often it was used of late, as far as was sampled; null where that is not known.
    pub uses: Option<u64>,
    /// Seconds until it expires; null for never and for unknown.
    pub expires_in_seconds: Option<f64>,
}

/// The caches that can be looked into, by the names of their components.
pub(crate) type Inspected = Vec<(String, Arc<dyn InspectCache>)>;
