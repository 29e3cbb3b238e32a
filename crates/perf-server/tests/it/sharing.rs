//! Gateways that share one cache over a Redis, each with a memory of its own.

#[path = "../../../perf-cache/tests/it/remote/server.rs"]
#[expect(dead_code, reason = "the tests of the tier itself need more of it")]
mod server;

use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use perf_cache::disk::LogStore;
use perf_cache::remote::RedisTier;
use perf_core::{Clock, Glob};
use perf_engine::{PerformanceOptimizer, Status};
use perf_http::{InvalidateError, ResponseCache};
use perf_server::{Gateway, GatewayConfig};
use server::Server;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough that nothing ends by it but where a test waits for it.
const WINDOW: Duration = Duration::from_secs(20);

/// An origin whose answers say how often it was asked, filed under their path.
struct Origin {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Origin {
    async fn start() -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&asked));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Origin { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(
    State(asked): State<Arc<AtomicUsize>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> impl IntoResponse {
    let call = asked.fetch_add(1, Ordering::SeqCst) + 1;
    let path = uri.path();
    let said = |name: &str| headers.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
    let control = if path.starts_with("/private") { "private" } else { "max-age=600" };
    let fields = [
        ("cache-control", control.to_owned()),
        ("cache-tag", path.trim_matches('/').replace('/', "-")),
        ("vary", "accept-language, cookie".to_owned()),
    ];
    (fields, format!("{method} {path} {} {} {call}", said("accept-language"), said("cookie")))
}

/// A gateway on the origin, whose cache others may share.
async fn gateway(origin: &Origin, redis: &Server) -> Gateway {
    start(origin, redis, WINDOW, Clock::system()).await
}

async fn start(origin: &Origin, redis: &Server, window: Duration, clock: Clock) -> Gateway {
    Gateway::start(config(origin, redis, window, clock)).await.unwrap()
}

fn config(origin: &Origin, redis: &Server, window: Duration, clock: Clock) -> GatewayConfig {
    let mut config = GatewayConfig::new(format!("http://{}", origin.address).parse().unwrap());
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.clock = clock;
    // Nothing here is about how fast a server answers that is well.
    let tier = RedisTier::builder(redis.url()).deadline(Duration::from_secs(2));
    config.cache_redis = Some(tier.stale_window(window));
    config
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    cache: String,
    age: String,
    text: String,
}

impl Answer {
    /// Which call of the origin this is of.
    fn call(&self) -> usize {
        self.text.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn is_hit(&self) -> bool {
        self.cache.starts_with("hit")
    }
}

async fn get(gateway: &Gateway, path: &str) -> Answer {
    ask(gateway, "GET", path, &[]).await
}

/// Asks by a name that is the same for all gateways.
async fn ask(gateway: &Gateway, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "site.test");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response =
        sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let field = |name: &str| head.headers.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
    let cache = field("cache-status");
    Answer {
        status: head.status,
        cache: cache.strip_prefix("perfkit; ").unwrap_or(&cache).to_owned(),
        age: field("age"),
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// Asks again and again until the answer is as it should be.
async fn until(gateway: &Gateway, path: &str, is_so: impl Fn(&Answer) -> bool) -> Answer {
    let start = Instant::now();
    loop {
        let answer = get(gateway, path).await;
        if is_so(&answer) {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{path}: {answer:?}");
    }
}

/// What was stored is on the server when this returns.
async fn flush(gateway: &Gateway) {
    let cache = gateway.responses().clone();
    tokio::task::spawn_blocking(move || cache.outer().unwrap().flush()).await.unwrap();
}

/// Invalidations wait for the server.
async fn tell<T: Send + 'static>(
    gateway: &Gateway,
    what: impl FnOnce(&ResponseCache) -> Result<T, InvalidateError> + Send + 'static,
) -> Result<T, InvalidateError> {
    let cache = gateway.responses().clone();
    tokio::task::spawn_blocking(move || what(&cache)).await.unwrap()
}

/// Both have the answers of these paths in memory, of one fetch each.
async fn both_have(one: &Gateway, other: &Gateway, paths: &[&str]) {
    for path in paths {
        get(one, path).await;
    }
    flush(one).await;
    for path in paths {
        let answer = until(other, path, Answer::is_hit).await;
        assert!(answer.text.starts_with(&format!("GET {path} ")), "{answer:?}");
        assert!(get(other, path).await.is_hit());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_has_fetched_the_other_answers() {
    let Some(redis) = Server::start() else { return };
    let origin = Origin::start().await;
    let (one, other) = (gateway(&origin, &redis).await, gateway(&origin, &redis).await);
    let german = [("accept-language", "de"), ("cookie", "a=1")];
    assert!(get(&one, "/a").await.cache.contains("stored"));
    assert!(ask(&one, "GET", "/a", &german).await.cache.contains("stored"));
    flush(&one).await;

    let hit = get(&other, "/a").await;
    assert!(hit.is_hit() && hit.cache.ends_with("detail=remote"), "{hit:?}");
    assert_eq!(hit.text, "GET /a   1");
    let hit = ask(&other, "GET", "/a", &german).await;
    assert!(hit.is_hit() && !hit.cache.contains("detail"), "both are in memory now: {hit:?}");
    assert_eq!(hit.text, "GET /a de a=1 2");
    assert_eq!(origin.asked(), 2);
    // Who says something else gets an answer of his own, and leaves those of the others.
    let french = [("accept-language", "fr")];
    assert!(ask(&other, "GET", "/a", &french).await.cache.contains("vary-miss"));
    flush(&other).await;
    // What is stored is no change: nobody drops what he has for it. A change after it says when that
    // would have been heard of.
    both_have(&other, &one, &["/changed"]).await;
    tell(&other, |cache| cache.invalidate_tag("changed")).await.unwrap();
    until(&one, "/changed", |answer| !answer.is_hit()).await;
    let hit = get(&one, "/a").await;
    assert!(hit.is_hit() && !hit.cache.contains("detail"), "{hit:?}");
    let asked = origin.asked();
    let third = gateway(&origin, &redis).await;
    for fields in [&german[..], &french[..], &[]] {
        assert!(ask(&third, "GET", "/a", fields).await.is_hit(), "{fields:?}");
    }
    assert_eq!(origin.asked(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_invalidates_the_other_does_not_answer() {
    let Some(redis) = Server::start() else { return };
    let origin = Origin::start().await;
    let (one, other) = (gateway(&origin, &redis).await, gateway(&origin, &redis).await);
    let paths = ["/key", "/tag", "/glob/1", "/changed", "/kept"];
    both_have(&one, &other, &paths).await;
    assert_eq!(origin.asked(), paths.len());

    tell(&one, |cache| cache.invalidate_key("site.test/key")).await.unwrap();
    tell(&one, |cache| cache.invalidate_tag("tag")).await.unwrap();
    tell(&one, |cache| cache.invalidate_matching(&Glob::new("*/glob/*").unwrap())).await.unwrap();
    assert_eq!(ask(&one, "POST", "/changed", &[]).await.status, 200);
    for path in &paths[..4] {
        until(&other, path, |answer| !answer.is_hit()).await;
    }
    assert!(get(&other, "/kept").await.is_hit());
    tell(&other, ResponseCache::clear).await.unwrap();
    until(&one, "/kept", |answer| !answer.is_hit()).await;
    // Each of them fetched anew once, by whoever was asked first: the other has that.
    flush(&one).await;
    assert!(until(&other, "/kept", Answer::is_hit).await.text.ends_with(" 11"));
    assert_eq!(origin.asked(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_another_has_invalidated_on_its_way_is_not_kept() {
    let Some(redis) = Server::start() else { return };
    let origin = Origin::start().await;
    let (one, other) = (gateway(&origin, &redis).await, gateway(&origin, &redis).await);
    both_have(&one, &other, &["/a"]).await;
    for _ in 0..20 {
        end_while_asked(&origin, &one, &other).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_in_front_of_the_server_forgets_as_well() {
    let Some(redis) = Server::start() else { return };
    let (origin, folder) = (Origin::start().await, tempfile::tempdir().unwrap());
    let one = gateway(&origin, &redis).await;
    let log = Arc::new(LogStore::builder(folder.path()).open().unwrap());
    let mut config = config(&origin, &redis, WINDOW, Clock::system());
    config.cache_disk = Some(log);
    let other = Gateway::start(config).await.unwrap();
    both_have(&one, &other, &["/a", "/kept"]).await;
    flush(&other).await;
    other.memory().clear();
    assert!(get(&other, "/kept").await.cache.ends_with("detail=disk"));
    for _ in 0..20 {
        let before = end_while_asked(&origin, &one, &other).await;
        // Nor is it on the disk.
        flush(&other).await;
        other.memory().clear();
        let answer = get(&other, "/a").await;
        assert!(answer.call() > before, "{before}: {answer:?}");
    }
    other.memory().clear();
    assert!(get(&other, "/kept").await.cache.ends_with("detail=disk"));
}

/// Ends an answer at one gateway while the other is asked for it. Whatever comes first: when both are
/// through, the other answers nothing older, and how often the origin had been asked before.
async fn end_while_asked(origin: &Origin, one: &Gateway, other: &Gateway) -> usize {
    let before = origin.asked();
    let purge = tell(one, |cache| cache.invalidate_tag("a"));
    let (done, _) = tokio::join!(purge, get(other, "/a"));
    done.unwrap();
    until(other, "/a", |answer| answer.call() > before).await;
    before
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_and_private_answers_stay_apart() {
    let Some(redis) = Server::start() else { return };
    let (origin, another) = (Origin::start().await, Origin::start().await);
    let (one, stranger) = (gateway(&origin, &redis).await, gateway(&another, &redis).await);
    get(&one, "/a").await;
    flush(&one).await;
    assert!(!get(&stranger, "/a").await.is_hit());
    flush(&stranger).await;
    tell(&stranger, ResponseCache::clear).await.unwrap();
    assert!(gateway_hits(&origin, &redis, "/a").await, "what strangers clear is theirs");

    let keys = redis.number(&["DBSIZE"]);
    let secret = [("authorization", "Bearer a-secret")];
    assert!(!get(&one, "/private").await.cache.contains("stored"));
    assert!(!ask(&one, "GET", "/b", &secret).await.cache.contains("stored"));
    flush(&one).await;
    assert_eq!(redis.number(&["DBSIZE"]), keys, "nothing of it is on the server");
}

async fn gateway_hits(origin: &Origin, redis: &Server, path: &str) -> bool {
    get(&gateway(origin, redis).await, path).await.is_hit()
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_differ_do_not_matter() {
    let Some(redis) = Server::start() else { return };
    let origin = Origin::start().await;
    // 2026-01-01, and an hour later.
    let ((clock, _), (late, hand)) = (Clock::manual(), Clock::manual());
    hand.advance(Duration::from_secs(3_600));
    let one = start(&origin, &redis, WINDOW, clock).await;
    let other = start(&origin, &redis, WINDOW, late).await;
    for (from, to, path) in [(&one, &other, "/a"), (&other, &one, "/b")] {
        get(from, path).await;
        flush(from).await;
        let hit = get(to, path).await;
        assert!(hit.is_hit() && hit.cache.contains("detail=remote"), "{hit:?}");
        let age: u64 = hit.age.parse().unwrap();
        assert!(age < 60, "of 600 s: {hit:?}");
    }
    assert_eq!(origin.asked(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_server_both_go_on_and_nothing_is_older_than_the_window() {
    let Some(mut redis) = Server::start() else { return };
    let origin = Origin::start().await;
    let window = Duration::from_secs(2);
    let (one, other) = (
        start(&origin, &redis, window, Clock::system()).await,
        start(&origin, &redis, window, Clock::system()).await,
    );
    let optimizer = PerformanceOptimizer::builder().manual_sampling().build().unwrap();
    one.register(&optimizer).unwrap();
    both_have(&one, &other, &["/a", "/b"]).await;
    optimizer.sample_now();
    assert_eq!(optimizer.health_status().status, Status::Healthy);

    redis.kill();
    assert!(tell(&one, |cache| cache.invalidate_tag("a")).await.is_err(), "others do not know");
    assert!(!get(&one, "/a").await.is_hit());
    assert_eq!(get(&one, "/new").await.status, 200);
    assert!(get(&one, "/new").await.is_hit(), "memory goes on");
    until(&other, "/b", |answer| !answer.is_hit()).await;
    let start = Instant::now();
    loop {
        optimizer.sample_now();
        let health = optimizer.health_status();
        let ill = health.components.iter().find(|row| row.status == Status::Degraded);
        if ill.is_some_and(|row| row.reason.contains("cannot be connected to")) {
            assert_eq!(ill.map(|row| row.component.as_str()), Some("tiers"));
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{health:?}");
        get(&one, "/health").await;
    }

    redis.restart();
    // What one could not tell the other it tells now, and they share again.
    let start = Instant::now();
    loop {
        let path = format!("/again/{}", start.elapsed().as_nanos());
        get(&one, &path).await;
        flush(&one).await;
        if get(&other, &path).await.is_hit() {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "they do not share again");
    }
    both_have(&one, &other, &["/c"]).await;
    tell(&other, |cache| cache.invalidate_tag("c")).await.unwrap();
    until(&one, "/c", |answer| !answer.is_hit()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_waited_for_once() {
    let Some(redis) = Server::start() else { return };
    let origin = Origin::start().await;
    let one = gateway(&origin, &redis).await;
    get(&one, "/a").await;
    flush(&one).await;
    redis.pause(true);
    for n in 0..50 {
        assert_eq!(get(&one, &format!("/{n}")).await.status, 200);
    }
    let tier = one.responses().outer().unwrap().stats().tiers.remove(0);
    // The one that was waited for, and what was on its way beside it.
    assert!(tier.timed_out <= 3 && tier.passed_by >= 40, "{tier:?}");
    redis.pause(false);
    assert!(get(&one, "/a").await.is_hit());
}
