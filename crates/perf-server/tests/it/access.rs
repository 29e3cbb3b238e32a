//! Who is let in.

use crate::rig::{Rig, TOKEN};
use perf_engine::PerformanceOptimizer;
use perf_server::{Admin, AdminConfig, AdminError, ServiceInfo};
use std::net::SocketAddr;

const KNOB: &str = "/api/performance/knobs/memory/capacity";
const TURN: &str = r#"{"value":"64MiB"}"#;

fn bind(listen: &str, token: Option<&str>) -> Result<Admin, AdminError> {
    let optimizer = PerformanceOptimizer::builder().manual_sampling().build().unwrap();
    let mut config = AdminConfig::new(listen.parse().unwrap());
    if let Some(token) = token {
        config = config.token(token.parse().unwrap());
    }
    Admin::bind(config, optimizer, ServiceInfo::new("shop"))
}

#[tokio::test]
async fn reading_is_open_on_this_machine_and_changing_needs_the_token() {
    let rig = Rig::start().await;
    for path in ["overview", "caching", "metrics", "health", "status", "knobs", "events"] {
        assert_eq!(rig.get(&format!("/api/performance/{path}")).await.status, 200, "{path}");
    }
    let refused = rig.ask("PUT", KNOB, &[], TURN).await;
    refused.problem(401, &["Authorization: Bearer TOKEN"]);
    assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"perfkit\"");
    for wrong in ["Bearer wrong", "Bearer", "Basic YTpi", "Bearer a-token-for-the-testss"] {
        rig.ask("PUT", KNOB, &[("authorization", wrong)], TURN).await.problem(401, &["token"]);
    }
    rig.ask("POST", "/api/performance/events/1/undo", &[], "").await.problem(401, &[]);
    rig.ask("POST", "/api/session", &[], "").await.problem(401, &[]);
    assert!(rig.optimizer.events().is_empty(), "nothing has changed");
    assert_eq!(rig.tell("PUT", KNOB, TURN).await.status, 200);
}

#[tokio::test]
async fn a_session_is_got_for_the_token_and_ends_when_it_is_closed() {
    let rig = Rig::start().await;
    let opened = rig.tell("POST", "/api/session", "").await;
    assert_eq!(opened.status, 204);
    let cookies = opened.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap());
    let cookies: Vec<&str> = cookies.collect();
    assert_eq!(cookies.len(), 2, "one for each of our own paths");
    for cookie in &cookies {
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/api/", "Max-Age=43200"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
    }
    let cookie = cookies[0];
    assert!(!cookie.contains(TOKEN), "the cookie is not the token");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with_cookie = [("cookie", cookie.as_str())];

    let turned = rig.ask("PUT", KNOB, &with_cookie, TURN).await;
    assert_eq!(turned.json()["event"]["by"], "dashboard");
    rig.ask("POST", "/api/session", &with_cookie, "").await.problem(401, &["token"]);
    assert_eq!(rig.ask("DELETE", "/api/session", &with_cookie, "").await.status, 204);
    rig.ask("PUT", KNOB, &with_cookie, TURN).await.problem(401, &[]);
}

#[tokio::test]
async fn names_that_are_not_ours_are_refused_whatever_they_ask() {
    let rig = Rig::start().await;
    let port = rig.address.port();
    for (path, host) in [
        ("/", "evil.example".to_owned()),
        ("/api/performance/overview", format!("127.0.0.1.evil.example:{port}")),
        ("/assets/app/main.js", "evil.example".to_owned()),
    ] {
        let refused = rig.ask("GET", path, &[("host", &host)], "").await;
        refused.problem(421, &[&host, "localhost"]);
    }
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "[::1]".to_owned()] {
        let path = "/api/performance/health";
        assert_eq!(rig.ask("GET", path, &[("host", &host)], "").await.status, 200, "{host}");
    }
    let allowed = AdminConfig::new("127.0.0.1:0".parse().unwrap()).allow_host("perf.example");
    let rig = Rig::start_with(allowed).await;
    let asked = rig.ask("GET", "/live", &[("host", "perf.example:443")], "").await;
    assert_eq!(asked.status, 204);
}

#[tokio::test]
async fn pages_of_other_origins_cannot_change_anything_even_with_the_token() {
    let config =
        AdminConfig::new("127.0.0.1:0".parse().unwrap()).allow_origin("https://ops.example");
    let rig = Rig::start_with(config).await;
    let shown = format!("Bearer {TOKEN}");
    let from = |origin: String| [("authorization", shown.clone()), ("origin", origin)];
    let ours = format!("http://{}", rig.address);
    let neighbour = format!("http://127.0.0.1:{}", rig.address.port() - 1);
    for (origin, status) in [
        (ours, 200),
        ("https://ops.example".to_owned(), 200),
        (neighbour, 403),
        ("http://evil.example".to_owned(), 403),
        ("null".to_owned(), 403),
    ] {
        let headers = from(origin.clone());
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer = rig.ask("PUT", KNOB, &headers, TURN).await;
        assert_eq!(answer.status, status, "{origin}");
        if status == 403 {
            answer.problem(403, &["open the dashboard's own address"]);
        }
    }
}

#[tokio::test]
async fn pages_of_an_origin_that_was_let_in_may_read_the_answers() {
    let config =
        AdminConfig::new("127.0.0.1:0".parse().unwrap()).allow_origin("https://ops.example");
    let rig = Rig::start_with(config).await;
    let path = "/api/performance/knobs";
    let ours = rig.ask("GET", path, &[("origin", "https://ops.example")], "").await;
    assert_eq!(ours.headers["access-control-allow-origin"], "https://ops.example");
    assert_eq!(ours.headers["vary"], "origin");
    let foreign = rig.ask("GET", path, &[("origin", "https://evil.example")], "").await;
    assert!(!foreign.headers.contains_key("access-control-allow-origin"));

    let preflight = |origin| [("origin", origin), ("access-control-request-method", "PUT")];
    let asked = rig.ask("OPTIONS", KNOB, &preflight("https://ops.example"), "").await;
    assert_eq!(asked.status, 204);
    assert!(asked.headers["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
    assert!(!asked.headers.contains_key("access-control-allow-credentials"));
    rig.ask("OPTIONS", KNOB, &preflight("https://evil.example"), "").await.problem(403, &[]);
    let unshown = [("origin", "https://ops.example")];
    rig.ask("PUT", KNOB, &unshown, TURN).await.problem(401, &["token"]);
}

#[tokio::test]
async fn a_public_address_needs_a_token_of_ones_own_to_start() {
    let error = bind("0.0.0.0:0", None).unwrap_err();
    assert!(matches!(error, AdminError::PublicWithoutToken { .. }));
    let text = error.to_string();
    assert!(text.contains("0.0.0.0:0") && text.contains("127.0.0.1:0"), "{text}");
    assert!(bind("0.0.0.0:0", Some(TOKEN)).is_ok());
    let admin = bind("127.0.0.1:0", None).unwrap();
    let url = admin.dashboard_url();
    let (address, token) = url.split_once("/#token=").unwrap();
    assert_eq!(address, format!("http://{}", admin.local_addr()));
    assert_eq!(token.len(), 43, "256 bits");
}

#[tokio::test]
async fn a_public_server_asks_for_the_token_before_it_shows_anything() {
    let rig = Rig::start_with(AdminConfig::new("0.0.0.0:0".parse().unwrap())).await;
    assert!(rig.url.starts_with("http://127.0.0.1:"), "{}", rig.url);
    for path in ["/api/performance/overview", "/api/performance/status", "/openapi.json"] {
        let local = SocketAddr::from(([127, 0, 0, 1], rig.address.port())).to_string();
        let here = [("host", local.as_str())];
        rig.ask("GET", path, &here, "").await.problem(401, &["token"]);
        assert_eq!(rig.tell("GET", path, "").await.status, 200, "{path}");
        let page = rig.ask("GET", "/", &here, "").await;
        assert_eq!(page.status, 200, "the page itself holds nothing");
    }
}

#[tokio::test]
async fn an_occupied_port_is_named_with_the_remedy() {
    let first = bind("127.0.0.1:0", None).unwrap();
    let taken = first.local_addr().to_string();
    let text = bind(&taken, None).unwrap_err().to_string();
    assert!(text.contains(&taken) && text.contains("choose another port"), "{text}");
    let text = bind("192.0.2.1:0", Some(TOKEN)).unwrap_err().to_string();
    assert!(text.contains("192.0.2.1:0") && text.contains("127.0.0.1"), "{text}");
}
