//! The HTTP and WebSocket API, the dashboard and the caching gateway of perfkit.
//!
//! An `Admin` server shows what a `PerformanceOptimizer` knows, on its own port: JSON under
//! `/api/performance`, Prometheus text for scrapers, live snapshots over a WebSocket, and the
//! dashboard, whose files are part of the program. Errors are [`Problem`] documents.

mod access;
mod admin;
mod api;
mod assets;
mod gateway;
mod live;
mod problem;
mod view;

pub use access::{ParseTokenError, Token};
pub use admin::{Admin, AdminConfig, AdminError, ServiceInfo};
pub use gateway::{Gateway, GatewayConfig, GatewayError, Origin, ParseOriginError};
pub use problem::Problem;
