//! Strategies of caches: kept, generated from what a cache has learnt, carried out.

use super::change::name_of;
use super::request;
use crate::Problem;
use crate::admin::Server;
use crate::strategies::{Done, Kept, Refused, Strategies};
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use perf_cache::Prices;
use perf_cache::strategy::{CacheStrategy, Constraints};
use perf_core::ByteSize;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// The strategies that are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StrategyList {
    /// By name.
    strategies: Vec<StrategyRow>,
    /// How many there may be.
    most: usize,
}

/// A strategy and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StrategyRow {
    /// Its name.
    id: String,
    /// `memory`, `disk`, `distributed` or `hybrid`.
    kind: &'static str,
    /// `active`, `disabled`, or `optimizing` while its plan is carried out.
    status: &'static str,
    /// The strategy itself, as a file has it.
    #[schema(value_type = Object)]
    strategy: Value,
    /// The same for people.
    text: String,
    /// What came of its plan the last time; null before.
    optimized: Option<OptimizedRow>,
}

/// What came of a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OptimizedRow {
    /// The component that was turned.
    component: String,
    /// When it was done.
    at: f64,
    /// What was applied, hit ratio and wait before and after, each step with its impact,
    /// recommendations; null if it ended in a panic.
    #[schema(value_type = Object)]
    outcome: Option<Value>,
    /// The same for people.
    text: String,
}

/// What a strategy is to be generated from and within.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GenerateRequest {
    /// What it is called; the name of the cache if not said.
    #[serde(default)]
    name: Option<String>,
    /// The cache, by its component, such as memory.
    cache: String,
    /// The most memory: a number of bytes or a text such as "512MiB".
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    max_bytes: Option<ByteSize>,
    /// The most entries, where the cache is bounded by them.
    #[serde(default)]
    max_entries: Option<u64>,
    /// The most that may be taken of a disk, where there is one.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    disk_bytes: Option<ByteSize>,
    /// Whether there is a tier that other machines share.
    #[serde(default)]
    shared: bool,
    /// What things cost; then memory is as large as is cheapest.
    #[serde(default)]
    prices: Option<PricesRequest>,
    /// Only answers it, and keeps nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What things cost, in any one currency.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PricesRequest {
    /// One load.
    #[serde(default)]
    per_load: f64,
    /// An hour for which somebody waits.
    #[serde(default)]
    per_hour_waited: f64,
    /// A GiB of memory for an hour.
    #[serde(default)]
    per_gib_hour: f64,
    /// How many requests there are in an hour.
    requests_per_hour: f64,
    /// How long a load takes, in seconds.
    #[serde(default)]
    mean_load_seconds: f64,
}

/// How a strategy is to be carried out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OptimizeRequest {
    /// The component to be turned; `memory` if not said.
    component: Option<String>,
    /// Steps to leave out: policy, cold_share, time_to_live, capacity, disk_capacity, prefetch.
    skip: Vec<String>,
    /// How long is counted before the first step and after each; 60 if not said, 0 judges nothing.
    window_seconds: Option<f64>,
    /// Only answers the plan.
    dry_run: bool,
    /// Who asks, for the list of events.
    by: Option<String>,
}

/// What is going to be turned.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlanAnswer {
    /// The component.
    component: String,
    /// Steps and what is left out, with reasons.
    #[schema(value_type = Object)]
    plan: Value,
    /// The same for people.
    text: String,
    /// Whether it is being carried out.
    started: bool,
}

/// The strategies that are kept.
#[utoipa::path(
    get, path = "/api/performance/cache-strategies", tag = "strategies",
    responses((status = 200, description = "The strategies", body = StrategyList))
)]
pub(super) async fn list(State(server): State<Arc<Server>>) -> Json<StrategyList> {
    let strategies = server.strategies.all().iter().map(row).collect();
    Json(StrategyList { strategies, most: Strategies::MOST })
}

/// Keeps a strategy, or generates one from what a cache has learnt of its use.
#[utoipa::path(
    post, path = "/api/performance/cache-strategies", tag = "strategies",
    request_body(content = Object, description = "A strategy, or {\"generate\": {\"cache\": \"memory\", \"max_bytes\": \"512MiB\"}}"),
    security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "It was only to be generated", body = StrategyRow),
        (status = 201, description = "It is kept", body = StrategyRow),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such cache; lists those there are", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "There is one of that name, or there are as many as may be", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No strategy, or too little is known of the cache; says what would do", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(server): State<Arc<Server>>,
    body: Body,
) -> Result<Response, Problem> {
    let mut asked: Value = request::json(body, WANTED).await?;
    let (strategy, keeps) = match asked.get_mut("generate").map(Value::take) {
        Some(how) => generate(&server, how)?,
        None => (read(&asked)?, true),
    };
    if !keeps {
        return Ok(Json(row(&Kept { strategy, optimized: None })).into_response());
    }
    let kept = server.strategies.put(strategy, false).map_err(|why| refused(&why, ""))?;
    let row = row(&kept);
    let place = format!("/api/performance/cache-strategies/{}", row.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(row)).into_response())
}

/// One strategy.
#[utoipa::path(
    get, path = "/api/performance/cache-strategies/{id}", tag = "strategies",
    params(("id" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The strategy", body = StrategyRow),
        (status = 404, description = "No such strategy", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn one(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<StrategyRow>, Problem> {
    let id = named(path)?;
    let kept = server.strategies.get(&id).ok_or_else(|| refused(&Refused::Unknown, &id))?;
    Ok(Json(row(&kept)))
}

/// Puts a strategy in the place of the one of that name, or keeps it.
#[utoipa::path(
    put, path = "/api/performance/cache-strategies/{id}", tag = "strategies",
    params(("id" = String, Path, description = "Its name")),
    request_body(content = Object, description = "A strategy of that name"),
    security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "It is kept", body = StrategyRow),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is being carried out, or there are as many as may be", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No strategy, or of another name; says what would do", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn replace(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Json<StrategyRow>, Problem> {
    let id = named(path)?;
    let strategy = read(&request::json(body, WANTED).await?)?;
    if strategy.name != id {
        let name = &strategy.name;
        let detail = format!("its `name` is {name}: send one named {id}, or put it there");
        return Err(wrong(detail));
    }
    let kept = server.strategies.put(strategy, true).map_err(|why| refused(&why, &id))?;
    Ok(Json(row(&kept)))
}

/// Forgets a strategy. What it has turned stays.
#[utoipa::path(
    delete, path = "/api/performance/cache-strategies/{id}", tag = "strategies",
    params(("id" = String, Path, description = "Its name")),
    security(("token" = []), ("session" = [])),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such strategy", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is being carried out", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn remove(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let id = named(path)?;
    server.strategies.remove(&id).map_err(|why| refused(&why, &id))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Carries a strategy out: turns one knob after another, judges each, takes back what lost. What came
/// of it stands with the strategy, and each turn among the events.
#[utoipa::path(
    post, path = "/api/performance/cache-strategies/{id}/optimize", tag = "strategies",
    params(("id" = String, Path, description = "Its name")),
    request_body = OptimizeRequest, security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "The plan, which was only asked for or has no steps", body = PlanAnswer),
        (status = 202, description = "The plan, which is being carried out", body = PlanAnswer),
        (status = 401, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such strategy or component", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "One is being carried out already", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "No such window", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn optimize(
    State(server): State<Arc<Server>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = named(path)?;
    let asked: OptimizeRequest = request::json(body, "an object such as {\"skip\": []}").await?;
    let seconds = asked.window_seconds.unwrap_or(60.0);
    let window = Duration::try_from_secs_f64(seconds).ok().filter(|w| *w <= LONGEST_WINDOW);
    let window = window.ok_or_else(|| {
        wrong(format!(
            "`window_seconds` cannot be {seconds}: use 0 to {}",
            LONGEST_WINDOW.as_secs()
        ))
    })?;
    let kept = server.strategies.get(&id).ok_or_else(|| refused(&Refused::Unknown, &id))?;
    let component = asked.component.clone().unwrap_or_else(|| "memory".to_owned());
    let skip: Vec<&str> = asked.skip.iter().map(String::as_str).collect();
    let plan = server.optimizer.plan_cache(&component, &kept.strategy, &skip);
    let plan = plan.map_err(|error| {
        Problem::new(StatusCode::NOT_FOUND, "unknown-component", "No such component")
            .detail(error.to_string())
            .with("known", server.optimizer.components())
    })?;
    let starts = !asked.dry_run && !plan.steps.is_empty();
    let answer = PlanAnswer {
        component: component.clone(),
        plan: serde_json::to_value(&plan).unwrap_or_default(),
        text: plan.to_string(),
        started: starts,
    };
    if !starts {
        return Ok(Json(answer).into_response());
    }
    server.strategies.begin(&id).map_err(|why| refused(&why, &id))?;
    let by = format!("strategy {id} ({})", name_of(&server, &headers, asked.by.as_deref()));
    let runs = Arc::clone(&server);
    let runtime = tokio::runtime::Handle::current();
    let settle = move |server: &Server| {
        runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(window) => true,
                () = server.stop.cancelled() => false,
            }
        })
    };
    tokio::task::spawn_blocking(move || {
        let work = std::panic::AssertUnwindSafe(|| {
            runs.optimizer.run_cache_plan(&component, &plan, &by, || settle(&runs))
        });
        let outcome = std::panic::catch_unwind(work).ok();
        let at = runs.seconds();
        runs.strategies.end(&id, Done { component, at, outcome });
    });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

fn row(kept: &Kept) -> StrategyRow {
    let strategy = &kept.strategy;
    StrategyRow {
        id: strategy.name.clone(),
        kind: strategy.kind.name(),
        status: strategy.status.name(),
        strategy: serde_json::to_value(strategy).unwrap_or_default(),
        text: strategy.to_string(),
        optimized: kept.optimized.as_ref().map(|done| OptimizedRow {
            component: done.component.clone(),
            at: done.at,
            outcome: done.outcome.as_ref().and_then(|all| serde_json::to_value(all).ok()),
            text: done.outcome.as_ref().map_or_else(
                || "it ended in a panic; the program's error output says more".to_owned(),
                ToString::to_string,
            ),
        }),
    }
}

fn read(json: &Value) -> Result<CacheStrategy, Problem> {
    // By its text, so that fields are checked as in a file.
    let text = serde_json::to_string_pretty(json).unwrap_or_default();
    CacheStrategy::from_json(&text).map_err(|error| wrong(format!("{error}: send {WANTED}")))
}

/// The strategy, and whether it is to be kept.
fn generate(server: &Server, how: Value) -> Result<(CacheStrategy, bool), Problem> {
    let asked: GenerateRequest = serde_json::from_value(how)
        .map_err(|error| wrong(format!("`generate`: {error}: send {WANTED}")))?;
    let found = server.inspected.iter().find(|(name, _)| *name == asked.cache);
    let (name, cache) = found.ok_or_else(|| {
        let known: Vec<&str> = server.inspected.iter().map(|(name, _)| name.as_str()).collect();
        let said: String = asked.cache.chars().take(40).collect();
        Problem::new(StatusCode::NOT_FOUND, "unknown-cache", "No such cache")
            .detail(format!("{said:?} is no cache that can be looked into"))
            .with("known", known)
    })?;
    let analysis = cache
        .analysis()
        .ok_or_else(|| wrong(format!("{name} does not watch its use: build it with insight")))?;
    if analysis.tried.is_empty() {
        let detail = format!("{name} was not used enough to tell: let it work for a while");
        return Err(wrong(detail));
    }
    let mut room = Constraints::new();
    if let Some(bytes) = asked.max_bytes {
        room = room.max_bytes(bytes);
    }
    if let Some(entries) = asked.max_entries {
        room = room.max_entries(entries);
    }
    if let Some(bytes) = asked.disk_bytes {
        room = room.disk(bytes);
    }
    if asked.shared {
        room = room.shared();
    }
    if let Some(asked) = asked.prices {
        for (price, amount) in [
            ("per_load", asked.per_load),
            ("per_hour_waited", asked.per_hour_waited),
            ("per_gib_hour", asked.per_gib_hour),
            ("requests_per_hour", asked.requests_per_hour),
        ] {
            if !amount.is_finite() || amount < 0.0 {
                return Err(wrong(format!(
                    "`prices.{price}` cannot be {amount}: use a number that is not negative"
                )));
            }
        }
        let mean_load = Duration::try_from_secs_f64(asked.mean_load_seconds).map_err(|_| {
            let seconds = asked.mean_load_seconds;
            wrong(format!("`prices.mean_load_seconds` cannot be {seconds}: use seconds"))
        })?;
        let prices = Prices {
            per_load: asked.per_load,
            per_hour_waited: asked.per_hour_waited,
            per_gib_hour: asked.per_gib_hour,
        };
        room = room.prices(prices, asked.requests_per_hour, mean_load);
    }
    let own_name = asked.name.unwrap_or_else(|| name.clone());
    let strategy = CacheStrategy::generate(own_name, &analysis, &room);
    strategy.check().map_err(|error| wrong(error.to_string()))?;
    Ok((strategy, !asked.dry_run))
}

fn named(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(id)| id).map_err(|_| refused(&Refused::Unknown, "a name that is not UTF-8"))
}

fn wrong(detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-strategy", "No such strategy")
        .detail(detail)
}

fn refused(why: &Refused, id: &str) -> Problem {
    let conflict = |kind, title| Problem::new(StatusCode::CONFLICT, kind, title);
    match why {
        Refused::Exists => conflict("strategy-exists", "There is one of that name")
            .detail("put it to /api/performance/cache-strategies/{id} to replace that one"),
        Refused::Full => conflict("too-many-strategies", "Too many strategies")
            .detail(format!("{} are kept, which is the most: delete one", Strategies::MOST)),
        Refused::Busy(name) => conflict("strategy-busy", "A strategy is being carried out")
            .detail(format!("{name} is being carried out: wait until it has ended")),
        Refused::Unknown => {
            let said: String = id.chars().take(80).collect();
            Problem::new(StatusCode::NOT_FOUND, "unknown-strategy", "No such strategy").detail(
                format!(
                    "{said:?} is none; those there are stand in /api/performance/cache-strategies"
                ),
            )
        }
    }
}

const WANTED: &str = "a strategy such as {\"name\": \"shop\", \"kind\": \"memory\", \"tiers\": \
                      [{\"tier\": \"memory\", \"max_bytes\": \"512MiB\"}]}, or {\"generate\": \
                      {\"cache\": \"memory\"}}";
const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);
