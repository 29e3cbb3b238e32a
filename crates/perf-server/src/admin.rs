//! The admin server: the API and the dashboard on a port of their own.

mod config;
mod error;

pub use config::{AdminConfig, ServiceInfo};
pub use error::AdminError;
