//! Who may ask: tokens, sessions, and the names and origins that are let in.

mod gate;
mod names;
mod session;
mod token;

pub(crate) use gate::{Gate, unauthorized};
pub(crate) use names::AllowedNames;
pub(crate) use session::{LIFETIME, Sessions};
pub use token::{ParseTokenError, Token};
