//! What a content delivery network is told of what callers change in a tiered cache.

use crate::cdn::{Purge, Purger};
use std::fmt;
use std::sync::Arc;

type Urls<K> = dyn Fn(&K, &mut Vec<String>) + Send + Sync;

/// Whom to tell, and under which URLs values are known there.
pub(super) struct Purging<K> {
    purger: Arc<Purger>,
    urls: Box<Urls<K>>,
}

/// What is to be purged once a change is made, however its call ends: also one that is not waited
/// for any more.
#[must_use]
#[derive(Debug, Default)]
pub(super) struct Due {
    items: Vec<Purge>,
    purger: Option<Arc<Purger>>,
}

impl<K> Purging<K> {
    pub(super) fn new<I: IntoIterator<Item = String>>(
        purger: Arc<Purger>,
        urls: impl Fn(&K) -> I + Send + Sync + 'static,
    ) -> Purging<K> {
        Purging { purger, urls: Box::new(move |key, into| into.extend(urls(key))) }
    }

    fn due(&self, items: Vec<Purge>) -> Due {
        Due { items, purger: Some(Arc::clone(&self.purger)) }
    }

    /// Runs the closure of the user.
    pub(super) fn of_key(&self, key: &K) -> Due {
        let mut urls = Vec::new();
        (self.urls)(key, &mut urls);
        self.due(urls.into_iter().map(Purge::Url).collect())
    }

    pub(super) fn of_tag(&self, tag: &str) -> Due {
        self.due(vec![Purge::Tag(tag.to_owned())])
    }

    /// Keys of a pattern, or a namespace, are not known: all may be among them.
    pub(super) fn of_all(&self) -> Due {
        self.due(vec![Purge::All])
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if let Some(purger) = self.purger.take() {
            // What is refused is counted there.
            let _ = purger.purge_many(self.items.drain(..));
        }
    }
}

impl<K> fmt::Debug for Purging<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purging").field("purger", &self.purger).finish_non_exhaustive()
    }
}
