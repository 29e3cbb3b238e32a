//! The caching gateway in front of a folder or an HTTP origin.

mod access_log;
mod body;
mod cdn;
mod component;
mod config;
mod fetch;
mod health;
mod inspect;
mod listener;
mod origin;
#[cfg(feature = "redis")]
mod redis;
mod route;
mod screen;
mod socket;
mod sweep;
mod warm;

pub use cdn::CdnConfig;
pub use config::{GatewayConfig, GatewayError};
pub use origin::{Origin, ParseOriginError};

use crate::InspectCache;
use access_log::{AccessLog, LogLayer};
use component::Front;
use fetch::{Fetch, Source};
use listener::{Connections, Limits, Stop};
use origin::{Folder, Upstream};
use perf_analytics::ProcessMonitor;
use perf_async::Manager;
use perf_cache::cdn::Purger;
use perf_cache::warming::{WarmReport, WarmUp};
use perf_cache::{Cache, TieredCache};
use perf_core::{Observe, Reading};
use perf_engine::{NameTaken, PerformanceOptimizer};
use perf_http::{Hygiene, Measure, ResponseCache, ResponseKey, StoredResponse};
use screen::{Rules, Screen};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower_layer::Layer;
use warm::Warmer;

/// A gateway that is up: it answers from its cache, and fetches from its origin what it lacks.
///
/// A request passes the measuring of `gateway`, the screen that refuses what is not sound, the
/// cache `responses`, and on a miss the operations manager `origin`. Dropping the gateway ends it
/// at once; [`shutdown`](Gateway::shutdown) lets open requests end first.
///
/// ```
/// use perf_engine::PerformanceOptimizer;
/// use perf_server::{Gateway, GatewayConfig};
/// use std::time::Duration;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let mut config = GatewayConfig::new(".".parse()?);
/// config.listen = "127.0.0.1:0".parse()?;
/// let gateway = Gateway::start(config).await?;
/// assert_ne!(gateway.address().port(), 0);
///
/// let optimizer = PerformanceOptimizer::builder().manual_sampling().build()?;
/// gateway.register(&optimizer)?;
/// assert!(optimizer.knobs().iter().any(|knob| knob.address() == "memory/capacity"));
///
/// let cut = gateway.shutdown(Duration::from_secs(10)).await;
/// assert_eq!(cut, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    origin: Origin,
    front: Arc<Front>,
    responses: Arc<ResponseCache>,
    tiers: Option<Arc<Tiers>>,
    #[cfg(feature = "redis")]
    redis: Option<Arc<redis::Server>>,
    memory: Arc<Memory>,
    cdn: Option<Arc<Purger>>,
    operations: Arc<Manager>,
    process: Arc<ProcessMonitor>,
    warmer: Warmer,
    stop: Stop,
    accepting: Option<JoinHandle<()>>,
}

type Memory = Cache<ResponseKey, StoredResponse>;
type Tiers = TieredCache<ResponseKey, StoredResponse>;

impl Gateway {
    /// Opens the origin, listens, and starts to answer.
    ///
    /// Needs a tokio runtime with time and I/O.
    ///
    /// # Errors
    ///
    /// [`GatewayError`] if the folder cannot be opened, the address cannot be listened on or a
    /// setting cannot work.
    pub async fn start(config: GatewayConfig) -> Result<Gateway, GatewayError> {
        let hygiene = Hygiene::new(pseudonym()).map_err(setting("name"))?;
        let is_folder = matches!(config.origin, Origin::Folder(_));
        let source = match &config.origin {
            Origin::Folder(folder) => Source::Folder(
                Folder::open(folder)
                    .map_err(|source| GatewayError::Folder { folder: folder.clone(), source })?,
            ),
            Origin::Upstream(uri) => Source::Upstream(
                Upstream::new(uri, &config, hygiene.clone())
                    .map(Box::new)
                    .ok_or_else(|| GatewayError::Upstream { address: uri.to_string() })?,
            ),
        };
        config.check_timeouts()?;
        if config.max_connections == 0 {
            return Err(setting("max-connections")("0 lets nobody in: use 1 or more"));
        }
        let operations = Manager::builder()
            .name("origin")
            .max_concurrent(config.concurrency)
            .queue_limit(config.queue_limit)
            .timeout(config.timeout)
            .clock(config.clock.clone())
            .build()
            .map_err(setting("concurrency"))?;
        let whose = config.origin.identity(config.keep_host);
        let mut responses = ResponseCache::builder().origin(whose);
        if let Some(store) = &config.cache_disk {
            responses = responses.disk(Arc::clone(store));
        }
        #[cfg(feature = "redis")]
        if let Some(server) = config.cache_redis.clone() {
            responses = responses.redis(&config.cache_redis_prefix, server);
        }
        if let Some(cdn) = config.cdn.clone() {
            // What is refused is counted.
            responses = responses.on_invalidation(move |invalidation| {
                let _ = cdn.tell(invalidation);
            });
        }
        let responses = responses
            .name(&config.name)
            .capacity(config.cache_memory)
            .default_ttl(config.default_ttl)
            .stale_while_revalidate(config.stale_while_revalidate)
            .stale_if_error(config.stale_if_error)
            .clock(config.clock.clone())
            .ignore_cookies(is_folder)
            .collapsed_wait(config.timeout)
            .build()
            .map_err(setting("cache"))?;
        let log = match &config.access_log {
            Some(path) => Some(Arc::new(AccessLog::open(path).map_err(|error| {
                let remedy = "name a file in a folder that this user may write to";
                setting("access-log")(format!(
                    "{} cannot be opened: {error}: {remedy}",
                    path.display()
                ))
            })?)),
            None => None,
        };
        let measure = Measure::builder()
            .name("gateway")
            .clock(config.clock.clone())
            .route(|parts| route::template(parts.uri.path()))
            .build()
            .map_err(setting("routes"))?;

        let fetch = Fetch::new(source, operations.clone(), config.timeout);
        let cached = responses.layer().layer(fetch);
        let screened = Screen::new(cached, Rules { hygiene, files: is_folder });
        let stack = LogLayer(log.clone()).layer(measure.layer().layer(screened.clone()));

        let listening = |source| GatewayError::Listen { listen: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let connections = Arc::new(Connections::default());
        let stop = Stop::default();
        let limits = Limits {
            max_connections: config.max_connections,
            header_timeout: config.header_timeout,
            max_header: usize::try_from(config.max_header.as_u64()).unwrap_or(usize::MAX),
            tell_peer: !is_folder || log.is_some(),
        };
        let warmer = Warmer::new(screened, address, config.clock.clone(), stop.accepting.clone());
        // Ends with the gateway: every way out of it cancels this.
        tokio::spawn(sweep::run(responses.memory(), stop.accepting.clone()));
        let accepting = tokio::spawn(listener::run(
            listener,
            stack,
            limits,
            Arc::clone(&connections),
            stop.clone(),
        ));
        Ok(Gateway {
            address,
            origin: config.origin,
            front: Arc::new(Front { measure, connections, log }),
            memory: Arc::new(responses.memory()),
            cdn: config.cdn.map(|cdn| Arc::clone(cdn.purger())),
            tiers: responses.outer().map(|outer| Arc::new(outer.tiered())),
            #[cfg(feature = "redis")]
            redis: responses
                .outer()
                .and_then(|outer| outer.redis())
                .map(|tier| Arc::new(redis::Server::new(Arc::clone(tier), config.clock.now()))),
            responses: Arc::new(responses),
            operations: Arc::new(operations),
            process: Arc::new(ProcessMonitor::new()),
            warmer,
            stop,
            accepting: Some(accepting),
        })
    }

    /// Where it listens, with the port that was really taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its answers come from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The cache of answers.
    #[must_use]
    pub fn responses(&self) -> &ResponseCache {
        &self.responses
    }

    /// The memory that the cache of answers keeps them in.
    #[must_use]
    pub fn memory(&self) -> &Cache<ResponseKey, StoredResponse> {
        &self.memory
    }

    /// The same for [`AdminConfig::inspect`](crate::AdminConfig::inspect): what more memory would
    /// bring, which keys are hot, and how to forget some.
    #[must_use]
    pub fn cache(&self) -> Arc<dyn InspectCache> {
        Arc::new(inspect::Answers((*self.responses).clone()))
    }

    /// The manager that the fetches from the origin run on, for
    /// [`AdminConfig::operations`](crate::AdminConfig::operations).
    #[must_use]
    pub fn operations(&self) -> &Manager {
        &self.operations
    }

    /// Asks itself for these URLs, so that the cache has their answers before clients want them; begins
    /// when it is polled. A URL is `http://host/path`, `host/path` or `/path`, where the host is the
    /// name that clients use, and the gateway's address in the last form.
    ///
    /// The requests are plain: without cookies, of nobody. What the cache has counts as
    /// [skipped](WarmReport::skipped), what the origin does not let be stored as
    /// [failed](WarmReport::failed). They count in `responses`, not in `gateway`, and have no line in
    /// the access log. When the gateway stops accepting, what is left fails.
    pub fn warm(
        &self,
        up: WarmUp,
        urls: Vec<String>,
    ) -> impl Future<Output = WarmReport> + Send + use<> {
        self.warmer.clone().run(up, urls, warm::From::Origin)
    }

    /// The same from the tiers of the cache alone: what a disk has of these URLs, and is still good,
    /// is in memory then, and the rest is [skipped](WarmReport::skipped). The origin is not asked.
    pub fn recall(
        &self,
        up: WarmUp,
        urls: Vec<String>,
    ) -> impl Future<Output = WarmReport> + Send + use<> {
        self.warmer.clone().run(up, urls, warm::From::Cache)
    }

    /// Requests answered so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let mut requests = 0;
        self.front.measure.observe(&mut |signal| {
            if let ("requests", Reading::Counter(n)) = (signal.name, signal.reading) {
                requests += n;
            }
        });
        requests
    }

    /// Clients connected now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.front.connections.open()
    }

    /// Shows its components to an engine: `gateway`, `responses`, `memory`, `origin`, `process`, and
    /// with tiers beyond memory `tiers`, where one of them is a Redis `redis`, and with a content
    /// delivery network in front `cdn`.
    ///
    /// # Errors
    ///
    /// [`NameTaken`] if the engine watches another component of such a name.
    pub fn register(&self, optimizer: &PerformanceOptimizer) -> Result<(), NameTaken> {
        optimizer.register("gateway", &self.front)?;
        optimizer.register("responses", &self.responses)?;
        optimizer.register("memory", &self.memory)?;
        if let Some(tiers) = &self.tiers {
            optimizer.register("tiers", tiers)?;
            optimizer.check_health("tiers", health::check);
        }
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            optimizer.register("redis", redis)?;
        }
        if let Some(cdn) = &self.cdn {
            optimizer.register("cdn", cdn)?;
            let purger = Arc::downgrade(cdn);
            optimizer.check_health("cdn", move |view| cdn::check(&purger, view));
        }
        optimizer.register("origin", &self.operations)?;
        optimizer.register("process", &self.process)
    }

    /// Stops accepting, waits for open requests, but not longer than `drain`, and ends. Answers
    /// how many connections had to be cut.
    pub async fn shutdown(mut self, drain: Duration) -> usize {
        self.stop.accepting.cancel();
        let Some(mut accepting) = self.accepting.take() else { return 0 };
        let mut cut = 0;
        if tokio::time::timeout(drain, &mut accepting).await.is_err() {
            cut = self.connections();
            self.stop.serving.cancel();
            // Ends as soon as every connection has seen the signal; an error is a panic, which the
            // runtime has reported.
            let _ = accepting.await;
        }
        if let Some(log) = self.front.log.clone() {
            // The same goes for this.
            let _ = tokio::task::spawn_blocking(move || log.flush()).await;
        }
        cut
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.accepting.cancel();
        self.stop.serving.cancel();
    }
}

/// The name in `Via`: of its own for each gateway, so that two in a row are no loop.
fn pseudonym() -> String {
    let mut id = [0; 4];
    // Without randomness the name is shared, and two gateways in a row are refused as a loop.
    let _ = getrandom::fill(&mut id);
    format!("perfkit-{:08x}", u32::from_ne_bytes(id))
}

fn setting<E: std::fmt::Display>(setting: &'static str) -> impl Fn(E) -> GatewayError {
    move |error| GatewayError::Setting { setting, reason: error.to_string() }
}
