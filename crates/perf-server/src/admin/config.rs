//! What an admin server is told when it starts.

use crate::budget::Judge;
use crate::inspect::{InspectCache, Inspected};
use crate::strategies::Strategies;
use crate::{BudgetRow, Seen, Token};
use perf_async::Manager;
use perf_cache::strategy::CacheStrategy;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where the admin server listens and whom it lets in.
///
/// On a loopback address everybody on the machine may read, and changes need the token, which is
/// generated unless one is given. On any other address reading needs the token too, and it must be
/// given: the server refuses to start without.
///
/// ```
/// use perf_server::AdminConfig;
/// let config = AdminConfig::new("127.0.0.1:9090".parse().unwrap());
/// assert!(!config.is_public());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AdminConfig {
    /// The address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The token that allows changes; generated when missing.
    pub token: Option<Token>,
    /// Names beside `localhost` and addresses in numbers that the server answers to.
    pub allowed_hosts: Vec<String>,
    /// Origins beside the server's own whose pages may ask and, with the token, change state, such
    /// as `https://ops.example`.
    pub allowed_origins: Vec<String>,
    /// How many live connections are open at most, about 20 KiB each. 1 024 by default; one more
    /// is refused with 503.
    pub max_live_connections: u64,
    pub(super) budgets: Option<Judge>,
    pub(super) inspected: Inspected,
    pub(super) managers: Vec<(String, Manager)>,
    pub(super) strategies: Strategies,
}

impl AdminConfig {
    /// Listens on an address and lets in nobody but those on it.
    #[must_use]
    pub fn new(listen: SocketAddr) -> AdminConfig {
        AdminConfig {
            listen,
            token: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            max_live_connections: 1_024,
            budgets: None,
            inspected: Vec::new(),
            managers: Vec::new(),
            strategies: Strategies::default(),
        }
    }

    /// The same with a token of one's own.
    #[must_use]
    pub fn token(mut self, token: Token) -> AdminConfig {
        self.token = Some(token);
        self
    }

    /// The same, answering to one more name.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> AdminConfig {
        self.allowed_hosts.push(host.into());
        self
    }

    /// The same, letting the pages of one more origin ask and change state.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> AdminConfig {
        self.allowed_origins.push(origin.into());
        self
    }

    /// The same with another bound on live connections.
    #[must_use]
    pub fn max_live_connections(mut self, most: u64) -> AdminConfig {
        self.max_live_connections = most;
        self
    }

    /// The same, holding what is seen against limits. The rows are shown by
    /// `/api/performance/budgets`, the broken and the tight ones in the overview too.
    ///
    /// The judge runs with each snapshot that somebody asks for; it must be quick and not block.
    #[must_use]
    pub fn budgets(
        mut self,
        judge: impl Fn(&Seen) -> Vec<BudgetRow> + Send + Sync + 'static,
    ) -> AdminConfig {
        self.budgets = Some(Judge::new(judge));
        self
    }

    /// The same, letting people look into a cache: what more memory would bring, which keys are
    /// hot, and, with the token, to invalidate some of them. `component` is the name under which
    /// the engine watches the cache.
    #[must_use]
    pub fn inspect(
        mut self,
        component: impl Into<String>,
        cache: Arc<dyn InspectCache>,
    ) -> AdminConfig {
        self.inspected.push((component.into(), cache));
        self
    }

    /// The same, showing a manager of operations: what waits and how urgent it is, what runs, how it
    /// ended, and, with the token, cancelling single operations and changing their priority.
    /// `component` is the name under which the engine watches the manager.
    #[must_use]
    pub fn operations(mut self, component: impl Into<String>, manager: Manager) -> AdminConfig {
        self.managers.push((component.into(), manager));
        self
    }

    /// The same, keeping a strategy from the start, in the place of one of that name. More than 64 are
    /// not kept.
    #[must_use]
    pub fn strategy(self, strategy: CacheStrategy) -> AdminConfig {
        // One too many is not there, and can be seen not to be.
        let _ = self.strategies.put(strategy, true);
        self
    }

    /// Whether others than this machine can reach the address.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !self.listen.ip().to_canonical().is_loopback()
    }
}

/// What the dashboard says about the service it watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// What people call it.
    pub name: String,
    /// Its version, empty when it has none.
    pub version: String,
    /// Where its answers come from: a folder or an address.
    pub origin: Option<String>,
    /// Where it listens.
    pub listen: Option<String>,
}

impl ServiceInfo {
    /// A service with a name and nothing else said.
    #[must_use]
    pub fn new(name: impl Into<String>) -> ServiceInfo {
        ServiceInfo { name: name.into(), ..ServiceInfo::default() }
    }

    /// The same with its version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> ServiceInfo {
        self.version = version.into();
        self
    }

    /// The same with where its answers come from.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> ServiceInfo {
        self.origin = Some(origin.into());
        self
    }

    /// The same with where it listens.
    #[must_use]
    pub fn listen(mut self, listen: impl Into<String>) -> ServiceInfo {
        self.listen = Some(listen.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_private() {
        for (address, public) in [
            ("127.0.0.1:1", false),
            ("127.8.0.1:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("192.168.1.2:1", true),
        ] {
            assert_eq!(AdminConfig::new(address.parse().unwrap()).is_public(), public, "{address}");
        }
    }
}
