//! Values that are made when somebody first asks for them.
//!
//! A [`Lazy`] is loaded by one operation of a [`Manager`](crate::Manager), however many ask at once;
//! a [`Preloader`] loads many of them ahead, in the background; [`Pages`] reads a long list page by
//! page, some pages ahead. Each keeps count of what it was asked for and what that cost.
//!
//! # Dropping
//!
//! | future | dropped midway |
//! |---|---|
//! | [`Lazy::get`] | the load goes on, and the value is there for the next who asks |
//! | [`Preloader::finished`] | nothing happens: the loading goes on |
//! | [`Pages::next_page`] | the page is kept, and the next call answers it |
//! | a [`Preloader`] or [`Pages`] itself | loads that nobody else waits for are cancelled |

mod pages;
mod preloader;
mod report;
mod slot;
mod value;

pub use pages::{Page, PageRequest, Pages, PagesBuilder, PagesStats};
pub use preloader::{Preloader, PreloaderBuilder};
pub use report::{LazyState, LazyStats, StartupEntry, StartupReport};
pub use value::{Lazy, LazyBuilder};

use crate::driver::BoxError;
use std::future::Future;
use std::pin::Pin;

/// A load on its way, whatever its type.
type Loading<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
