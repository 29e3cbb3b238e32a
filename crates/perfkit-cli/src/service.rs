//! The gateway, the engine that watches it, and the admin server that shows both.

use crate::failure::Failure;
use perf_engine::PerformanceOptimizer;
use perf_server::{Admin, AdminConfig, AdminError, Gateway, GatewayConfig, ServiceInfo};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Everything that runs for one gateway.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) gateway: Gateway,
    pub(crate) optimizer: PerformanceOptimizer,
    /// The dashboard's address, with the token in its fragment.
    pub(crate) dashboard: String,
    pub(crate) admin: SocketAddr,
    stop_admin: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), AdminError>>,
}

impl Service {
    /// Starts all of it.
    ///
    /// # Errors
    ///
    /// Whatever cannot start, with the value and the remedy.
    pub(crate) async fn start(
        gateway: GatewayConfig,
        admin: AdminConfig,
        sample_every: Duration,
    ) -> Result<Service, Failure> {
        let name = gateway.name.clone();
        let optimizer = PerformanceOptimizer::builder()
            .clock(gateway.clock.clone())
            .sample_every(sample_every)
            .build()
            .map_err(|error| Failure::from_error(&error))?;
        let gateway = Gateway::start(gateway).await.map_err(|error| Failure::from_error(&error))?;
        gateway.register(&optimizer).map_err(|error| Failure::from_error(&error))?;
        let about = ServiceInfo::new(name)
            .version(env!("CARGO_PKG_VERSION"))
            .origin(gateway.origin().to_string())
            .listen(format!("http://{}", gateway.address()));
        let admin = admin
            .inspect("memory", gateway.cache())
            .operations("origin", gateway.operations().clone());
        let admin = Admin::bind(admin, optimizer.clone(), about)
            .map_err(|error| Failure::from_error(&error))?;
        let (address, dashboard) = (admin.local_addr(), admin.dashboard_url());
        let (stop_admin, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(admin.serve(async move {
            // Either way the admin server is to end.
            let _ = stopped.await;
        }));
        Ok(Service { gateway, optimizer, dashboard, admin: address, stop_admin, serving })
    }

    /// Lets open requests end, for at most `drain`, and answers how many connections were cut.
    pub(crate) async fn shutdown(self, drain: Duration) -> usize {
        let Service { gateway, stop_admin, serving, .. } = self;
        let cut = gateway.shutdown(drain).await;
        // It may have ended by itself already.
        let _ = stop_admin.send(());
        // A dashboard that is open may keep its connection; it is not waited for long.
        let _ = tokio::time::timeout(GOODBYE, serving).await;
        cut
    }
}

/// How long the admin server may take to say goodbye to open dashboards.
const GOODBYE: Duration = Duration::from_secs(2);
