//! The admin server: the API and the dashboard on a port of their own.

mod config;
mod error;
mod serve;
mod server;

pub use config::{AdminConfig, ServiceInfo};
pub use error::AdminError;
pub(crate) use server::{Server, event_row};

use crate::access::{AllowedNames, Gate, Sessions};
use crate::assets::Assets;
use crate::live::Live;
use crate::view::Span;
use crate::{Token, api};
use perf_core::Clock;
use perf_engine::{PerformanceOptimizer, Subscription};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The API and the dashboard of a [`PerformanceOptimizer`], bound to an address and ready to serve.
///
/// ```
/// use perf_engine::PerformanceOptimizer;
/// use perf_server::{Admin, AdminConfig, ServiceInfo};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let optimizer = PerformanceOptimizer::builder().build()?;
/// let config = AdminConfig::new("127.0.0.1:0".parse()?);
/// let admin = Admin::bind(config, optimizer, ServiceInfo::new("shop"))?;
/// assert!(admin.dashboard_url().starts_with("http://127.0.0.1:"));
///
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let server = tokio::spawn(admin.serve(async { drop(stopped.await) }));
/// // ... until somebody presses Ctrl-C.
/// drop(stop);
/// server.await??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    server: Arc<Server>,
    /// Wake the live connections; end when this goes.
    _news: Vec<Subscription>,
}

impl Admin {
    /// Takes the address and prepares everything, so that what can fail fails here.
    ///
    /// # Errors
    ///
    /// [`AdminError`] if the address can be reached from other machines and no token is given, if
    /// another program has it, or if no token can be generated.
    pub fn bind(
        config: AdminConfig,
        optimizer: PerformanceOptimizer,
        service: ServiceInfo,
    ) -> Result<Admin, AdminError> {
        let listen = config.listen;
        let public = config.is_public();
        if public && config.token.is_none() {
            return Err(AdminError::PublicWithoutToken { listen });
        }
        let randomness = |source| AdminError::Randomness { source };
        let token = match config.token {
            Some(token) => token,
            None => Token::generate().map_err(randomness)?,
        };
        let epoch = Token::generate().map_err(randomness)?;
        let bound = TcpListener::bind(listen)
            .and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok((listener.local_addr()?, listener))
            })
            .map_err(|source| AdminError::Listen { listen, source });
        let (address, listener) = bound?;

        let clock = Clock::system();
        let assets = Assets::embedded();
        let gate = Gate {
            names: AllowedNames::new(&config.allowed_hosts, &config.allowed_origins),
            token,
            sessions: Sessions::new(clock.clone()),
            cookie: format!("perfkit_session_{}", address.port()),
            reads_need_token: public,
            content_security_policy: assets.content_security_policy().clone(),
        };
        let server = Arc::new_cyclic(|server: &Weak<Server>| {
            let server = Weak::clone(server);
            let live = Live::new(config.max_live_connections, move |channel, span| {
                server.upgrade().map_or_else(
                    || "null".to_owned(),
                    |server| api::compute(&server, channel, Span::nearest(span)),
                )
            });
            Server {
                optimizer: optimizer.clone(),
                service,
                started: clock.now(),
                clock,
                gate,
                budgets: config.budgets,
                inspected: config.inspected,
                managers: config.managers,
                strategies: config.strategies,
                assets,
                live: Arc::new(live),
                epoch: epoch.reveal()[..12].into(),
                stop: CancellationToken::new(),
                sockets: TaskTracker::new(),
            }
        });
        // A second server of the same engine is counted nowhere; its clients do not mind.
        let _ = optimizer.register("live", &server.live);
        Ok(Admin { _news: news(&optimizer, &server.live), listener, address, server })
    }

    /// The address it really has, with the port that was chosen for 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The token that allows changes.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.server.gate.token
    }

    /// The dashboard's address with the token in its fragment, which no browser sends on. Whoever
    /// has it may change state.
    #[must_use]
    pub fn dashboard_url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}/#token={}", self.server.gate.token.reveal())
    }

    /// Serves until `stop` completes; then says goodbye to live connections, lets open requests
    /// finish for at most ten seconds, and ends.
    ///
    /// # Errors
    ///
    /// [`AdminError::Serve`] if the runtime does not take the socket.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), AdminError> {
        let listener = tokio::net::TcpListener::from_std(self.listener)
            .map_err(|source| AdminError::Serve { source })?;
        let server = self.server;
        let routes = api::router(Arc::clone(&server));
        let stop = async {
            stop.await;
            server.stop.cancel();
        };
        serve::serve(listener, routes, stop).await;
        server.sockets.close();
        // Each has a second to take the goodbye.
        let _ = tokio::time::timeout(Duration::from_secs(2), server.sockets.wait()).await;
        Ok(())
    }
}

/// Starts a generation with each round of readings and each event. An engine that has no room for
/// another subscriber leaves the pages to those who reload them.
fn news(optimizer: &PerformanceOptimizer, live: &Arc<Live>) -> Vec<Subscription> {
    let (sampled, turned) = (Arc::clone(live), Arc::clone(live));
    let samples = optimizer.on_sample(Arc::new(move |_| sampled.advance(false)));
    let events = optimizer.on_event(Arc::new(move |_| turned.advance(true)));
    [samples, events].into_iter().filter_map(Result::ok).collect()
}
