//! The plainest server to load: axum on one thread, 13 bytes, until it is ended.
//!
//! ```console
//! $ cargo build --release -p perf-bench --features load --example bare_axum
//! $ taskset -c 0 target/release/examples/bare_axum 127.0.0.1:8090 &
//! $ taskset -c 1 target/release/perfkit load http://127.0.0.1:8090/ --rate 30000
//! ```

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(&address).await?;
        writeln!(std::io::stdout(), "http://{}/", listener.local_addr()?)?;
        let listener = listener.tap_io(|stream| {
            // Without it small packets wait for each other.
            let _ = stream.set_nodelay(true);
        });
        let routes = Router::new().route("/", get(async || "Hello, world!"));
        axum::serve(listener, routes).await?;
        Ok(())
    })
}
