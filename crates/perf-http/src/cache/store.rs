//! What is stored: in memory, and in the tiers beyond it.

use super::entry::StoredResponse;
use super::invalidation::Forgotten;
use super::key::ResponseKey;
use super::near::{Covers, Epoch, Near};
use super::outer::{Looked, OuterTiers};
use super::passes::Passes;
use crate::body::BoxError;
use perf_cache::Cache;
use perf_core::Clock;
use std::sync::Arc;

pub(crate) struct Store {
    pub(crate) near: Arc<Near>,
    outer: Option<Arc<OuterTiers>>,
    pub(crate) passes: Passes,
    clock: Clock,
}

impl Store {
    pub(crate) fn new(near: Arc<Near>, outer: Option<Arc<OuterTiers>>, clock: Clock) -> Store {
        Store { near, outer, passes: Passes::new(), clock }
    }

    /// The tiers beyond memory, if there are some.
    pub(crate) fn outer(&self) -> Option<&OuterTiers> {
        self.outer.as_deref()
    }

    pub(crate) fn get(&self, key: &str) -> Option<StoredResponse> {
        self.near.memory().get(key)
    }

    /// What the tiers beyond memory have for a key that memory has not, as far as that is known
    /// without waiting for them; it is in memory then.
    pub(crate) fn look_beyond(&self, key: &str) -> Option<(ResponseKey, Epoch, Looked)> {
        let outer = self.outer.as_ref()?;
        let key = ResponseKey::new(key);
        // Before the look: an invalidation after it must show.
        let epoch = self.near.epoch(&key);
        let looked = outer.look(&key);
        if let Looked::Known(Some(found)) = &looked {
            self.near.promote(&key, epoch, found.stored.clone());
        }
        Some((key, epoch, looked))
    }

    /// Writes what memory has for a key to the tiers beyond it.
    pub(crate) fn keep_beyond(&self, key: &ResponseKey) {
        let Some(outer) = &self.outer else { return };
        // Before the look at memory: what others change from now on is not undone.
        let reserved = outer.reserve(key);
        // While this is held, what memory has is not invalidated.
        if let Some((stored, _ordering)) = self.near.hold(key) {
            let useful_for = stored.useful_for(self.clock.coarse());
            outer.keep(reserved, stored, useful_for);
        }
    }

    /// Forgets one URL, and refuses answers that are still on their way; whether memory had it.
    /// Waits for the tiers beyond memory, if there are some.
    pub(crate) fn invalidate(&self, key: &ResponseKey) -> Forgotten<bool> {
        let covers = Covers::Key(key);
        let forget = || self.near.memory().remove(key.as_str()).is_some();
        let Some(outer) = &self.outer else {
            return Forgotten { in_memory: self.near.forget(covers, forget), untold: None };
        };
        let (were_there, told) = self.near.forget_beyond(covers, forget, || outer.forget(key));
        Forgotten { in_memory: were_there.contains(&true), untold: told.err() }
    }

    /// Forgets what some invalidation of the memory tier names, and refuses answers that are still
    /// on their way: which of them it would name is not known yet. Answers what memory did. Waits
    /// for the tiers beyond it, if there are some.
    pub(crate) fn invalidate_by<T>(
        &self,
        forget: impl Fn(&Cache<ResponseKey, StoredResponse>) -> T,
        forget_beyond: impl FnOnce(&OuterTiers) -> Result<(), BoxError>,
    ) -> Forgotten<T> {
        let forget = || forget(self.near.memory());
        let Some(outer) = &self.outer else {
            return Forgotten { in_memory: self.near.forget(Covers::Any, forget), untold: None };
        };
        let beyond = || forget_beyond(outer);
        let ([in_memory, _], told) = self.near.forget_beyond(Covers::Any, forget, beyond);
        Forgotten { in_memory, untold: told.err() }
    }
}

#[cfg(all(test, feature = "tiers"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_on_disk_while_that_forgets_it_is_not_written_there_again() {
        use super::super::entry::{Representation, Variant};
        use super::super::outer::Setting;
        use super::super::policy::Freshness;
        use http::HeaderMap;
        use perf_cache::disk::LogStore;
        use std::time::Duration;

        let folder = tempfile::tempdir().unwrap();
        let log = LogStore::builder(folder.path()).open().unwrap();
        let memory = Cache::builder().max_entries(10).build().unwrap();
        let clock = Clock::system();
        let near = Arc::new(Near::new(memory, clock.clone()));
        let (disk, clocks) = (Some(Arc::new(log) as _), clock.clone());
        let setting = Setting {
            disk,
            #[cfg(feature = "redis")]
            redis: None,
            tiers: Vec::new(),
            clock: clocks,
            min_encoded: 1_024,
            whose: 0,
        };
        let outer = OuterTiers::build(setting, &near).unwrap();
        let store = Store::new(Arc::clone(&near), outer, clock.clone());
        let freshness = Freshness {
            lifetime: Duration::from_secs(60),
            initial_age: Duration::ZERO,
            explicit: true,
            always_validate: false,
            authorized: false,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            must_revalidate: false,
            no_transform: false,
        };
        let request = http::Request::get("http://h/a").body(()).unwrap().into_parts().0;
        let body = Arc::new(Representation::new("old".into()));
        let (status, none) = (http::StatusCode::OK, HeaderMap::new());
        let now = clock.now();
        let variant = Variant::new(&request, status, none.clone(), freshness, body, now, 1_024);
        let stored = StoredResponse::with(None, Arc::new(variant), &none).0;
        let key = ResponseKey::new("h/a");
        let is_on_disk = || store.outer().unwrap().tiered().get(&key).is_some();

        near.promote(&key, near.epoch(&key), stored.clone());
        store.keep_beyond(&key);
        assert!(is_on_disk() && near.contains(&key));
        // Somebody has found it on disk, and goes on while memory has forgotten it and the disk has
        // just done so.
        let forget = |memory: &Cache<ResponseKey, StoredResponse>| memory.clear();
        store.invalidate_by(forget, |outer| {
            near.promote(&key, near.epoch(&key), stored.clone());
            outer.clear().unwrap();
            store.keep_beyond(&key);
            Ok(())
        });
        assert!(!is_on_disk() && !near.contains(&key));
        near.promote(&key, near.epoch(&key), stored.clone());
        assert!(near.contains(&key), "it is over");
    }
}
