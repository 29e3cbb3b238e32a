//! The routes of the admin server. Handlers are thin: they read, ask [`crate::view`] or the engine,
//! and answer.

mod change;
mod document;
mod inspect;
mod metrics;
mod operations;
mod read;
mod request;
mod routes;
mod session;
mod strategies;

pub(crate) use read::compute;
pub(crate) use routes::router;
