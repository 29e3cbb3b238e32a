//! The HTTP and WebSocket API, the dashboard and the caching gateway of perfkit.
//!
//! An [`Admin`] server shows what a [`PerformanceOptimizer`](perf_engine::PerformanceOptimizer)
//! knows, on a port of its own: JSON under `/api/performance`, Prometheus text for scrapers, live
//! snapshots over a WebSocket, and the dashboard, whose files are part of the program. Knobs are
//! turned and turned back here. A [`Gateway`] puts a measured, compressing response cache in front
//! of a folder or an HTTP origin. Errors are [`Problem`] documents.
//!
//! Not for you if you only want numbers in Prometheus: [`perf_analytics::prometheus`] writes them
//! without a server.
//!
//! ```
//! use perf_engine::PerformanceOptimizer;
//! use perf_server::{Admin, AdminConfig, ServiceInfo};
//! use std::sync::Arc;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let cache = perf_cache::Cache::<String, String>::builder().max_entries(1_000).build()?;
//! let cache = Arc::new(cache);
//! let optimizer = PerformanceOptimizer::builder().build()?;
//! optimizer.register("memory", &cache)?;
//!
//! let config = AdminConfig::new("127.0.0.1:0".parse()?);
//! let admin = Admin::bind(config, optimizer, ServiceInfo::new("shop"))?;
//! let dashboard = admin.dashboard_url(); // for whoever runs the service
//! assert!(dashboard.contains("/#token="));
//!
//! // Until somebody presses Ctrl-C; here at once.
//! admin.serve(async {}).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Who may ask
//!
//! On a loopback address everybody on the machine may read, and changes need the token. On any
//! other address reading needs it too, and the server does not start without one that was given.
//! Names that are not ours are refused, against DNS rebinding, and so are changes from pages of
//! other origins. See [`AdminConfig`].
//!
//! # Cost
//!
//! A page is computed once per round of readings, whoever watches, and only while somebody does. A
//! live connection takes about 20 KiB, and a slow one gets only the newest snapshot. Sessions, live
//! connections, messages, bodies and remembered pages are bounded, and what falls off is counted.

mod access;
mod admin;
mod api;
mod assets;
mod budget;
mod gateway;
mod inspect;
mod live;
mod problem;
mod strategies;
mod view;

pub use access::{ParseTokenError, Token};
pub use admin::{Admin, AdminConfig, AdminError, ServiceInfo};
pub use budget::{BudgetRow, Seen, SeenRoute};
pub use gateway::{CdnConfig, Gateway, GatewayConfig, GatewayError, Origin, ParseOriginError};
pub use inspect::{
    CacheReport, CurveMark, CurvePoint, EntryOrder, EntryRow, Fact, InspectCache,
    InvalidateFailure, PolicyRow, Selection,
};
pub use problem::Problem;
