//! How a list is read.

use super::{Page, PageRequest, Pages, PagesStats};
use crate::driver::BoxError;
use crate::lazy::Loading;
use crate::sync::Arc;
use crate::{Attempt, ConfigError, Manager, Operation, Work};
use perf_core::Priority;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

/// How [`Pages`] are read. Made by [`Pages::builder`].
#[derive(Clone, Debug)]
#[must_use = "`load` makes the pages of it"]
pub struct PagesBuilder {
    settings: Settings,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) manager: Manager,
    pub(super) name: String,
    kind: Cow<'static, str>,
    pub(super) size: usize,
    pub(super) read_ahead: usize,
    pub(super) priority: Priority,
    timeout: Option<Duration>,
}

impl Pages<()> {
    /// A list of that name, to be read by operations of that manager: of kind `pages`, 50 items a
    /// page, one page ahead, priority 5, and the manager's time-out, until set otherwise.
    pub fn builder(manager: &Manager, name: impl Into<String>) -> PagesBuilder {
        let settings = Settings {
            manager: manager.clone(),
            name: name.into(),
            kind: Cow::Borrowed("pages"),
            size: crate::DEFAULT_PAGE_SIZE,
            read_ahead: 1,
            priority: Priority::NORMAL,
            timeout: None,
        };
        PagesBuilder { settings }
    }
}

impl PagesBuilder {
    /// The kind of the operations that load, which limits and statistics go by. The default is
    /// `pages`.
    pub fn kind(mut self, kind: impl Into<Cow<'static, str>>) -> PagesBuilder {
        self.settings.kind = kind.into();
        self
    }

    /// How many items a page may have, from 1 to 1,000,000. The default is 50.
    pub fn page_size(mut self, items: usize) -> PagesBuilder {
        self.settings.size = items;
        self
    }

    /// How many pages are loaded ahead of the one that is asked for, from 0 to 64. So many are also
    /// kept in memory. The default is 1.
    pub fn read_ahead(mut self, pages: usize) -> PagesBuilder {
        self.settings.read_ahead = pages;
        self
    }

    /// How urgent a page is that somebody waits for; those ahead have priority 1, or this if it is
    /// lower. The default is 5.
    pub fn priority(mut self, priority: Priority) -> PagesBuilder {
        self.settings.priority = priority;
        self
    }

    /// How long the load of a page may run. The default is the manager's.
    pub fn timeout(mut self, limit: Duration) -> PagesBuilder {
        self.settings.timeout = Some(limit);
        self
    }

    /// The list, whose pages are loaded by what `load` answers, called once for each load, inside
    /// the operation; if operations of its kind are tried again, so are these.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is out of its bounds.
    pub fn load<T, E, L, F>(self, load: L) -> Result<Pages<T>, ConfigError>
    where
        T: Send + 'static,
        E: Into<BoxError>,
        L: Fn(PageRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Page<T>, E>> + Send + 'static,
    {
        let Settings { size, read_ahead, .. } = self.settings;
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(ConfigError::new("page_size", size, format!("use 1 to {MAX_SIZE}")));
        }
        if read_ahead > MAX_AHEAD {
            let remedy = format!("use 0 to {MAX_AHEAD}");
            return Err(ConfigError::new("read_ahead", read_ahead, remedy));
        }
        let load = move |request| -> Loading<Page<T>> {
            let loading = load(request);
            Box::pin(async move { loading.await.map_err(Into::into) })
        };
        Ok(Pages {
            settings: self.settings,
            load: Arc::new(load),
            window: VecDeque::with_capacity(read_ahead + 1),
            next: 0,
            total: None,
            end: None,
            polled: false,
            stats: PagesStats::default(),
        })
    }
}

impl Settings {
    pub(super) fn operation<T, M>(
        &self,
        load: M,
        is_ahead: bool,
    ) -> Operation<T, impl Work<T> + use<T, M>>
    where
        T: Send + 'static,
        M: Fn(Attempt) -> Loading<T> + Send + 'static,
    {
        let priority = if is_ahead { Priority::LOWEST } else { self.priority };
        let operation = Operation::retryable(self.kind.clone(), load).priority(priority);
        match self.timeout {
            Some(limit) => operation.timeout(limit),
            None => operation,
        }
    }
}

const MAX_SIZE: usize = 1_000_000;
const MAX_AHEAD: usize = 64;
