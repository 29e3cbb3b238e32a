//! Who may ask: tokens, sessions, and the names and origins that are let in.

mod names;
mod session;
mod token;

pub(crate) use names::{AllowedNames, NameRefused};
pub(crate) use session::Sessions;
pub use token::{ParseTokenError, Token};
