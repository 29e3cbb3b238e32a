//! The components that the engine knows.

use perf_core::Component;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Components by name, held weakly: a dropped one leaves by itself.
#[derive(Default)]
pub(crate) struct Registry {
    components: Mutex<BTreeMap<Arc<str>, Weak<dyn Component>>>,
}

impl Registry {
    pub(crate) fn register(
        &self,
        name: &str,
        component: Weak<dyn Component>,
    ) -> Result<(), NameTaken> {
        if name.is_empty() || name.contains('/') {
            return Err(NameTaken { name: name.to_owned(), taken: false });
        }
        let mut components = self.lock();
        match components.get(name) {
            Some(other) if other.strong_count() > 0 => {
                Err(NameTaken { name: name.to_owned(), taken: true })
            }
            _ => {
                components.insert(name.into(), component);
                Ok(())
            }
        }
    }

    /// The components that are alive, by name. Forgets the others.
    pub(crate) fn live(&self) -> Vec<(Arc<str>, Arc<dyn Component>)> {
        let mut live = Vec::new();
        self.lock().retain(|name, component| match component.upgrade() {
            Some(component) => {
                live.push((Arc::clone(name), component));
                true
            }
            None => false,
        });
        live
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<dyn Component>> {
        self.lock().get(name)?.upgrade()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        // Counted, not upgraded: who asks for names must not become the last owner of a component.
        let components = self.lock();
        let alive = components.iter().filter(|(_, component)| component.strong_count() > 0);
        alive.map(|(name, _)| name.to_string()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Weak<dyn Component>>> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// A name that a component cannot be registered by: another one that is alive has it, or it is
/// empty or has a `/` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTaken {
    name: String,
    taken: bool,
}

impl fmt::Display for NameTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        if self.taken {
            write!(
                f,
                "a component named `{name}` is registered already: give this one another name"
            )
        } else {
            write!(f, "`{name}` is no name for a component: use one without `/` that is not empty")
        }
    }
}

impl std::error::Error for NameTaken {}
