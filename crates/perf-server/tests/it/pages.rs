//! The pages, their numbers, and what is not there.

use crate::rig::Rig;
use serde_json::{Value, json};

fn card<'a>(overview: &'a Value, id: &str) -> &'a Value {
    overview["cards"].as_array().unwrap().iter().find(|card| card["id"] == id).unwrap()
}

#[tokio::test]
async fn the_overview_counts_what_happened() {
    let rig = Rig::start().await;
    for _ in 0..10 {
        rig.second_of(90, 10, 0);
    }
    let overview = rig.get("/api/performance/overview?span=10").await.json();
    assert_eq!(overview["service"]["name"], "shop");
    assert_eq!(overview["span_seconds"], 10);
    let ids: Vec<_> =
        overview["cards"].as_array().unwrap().iter().map(|card| card["id"].clone()).collect();
    assert_eq!(ids, ["score", "hit_ratio", "response_p95", "efficiency", "requests", "errors"]);
    assert_eq!(card(&overview, "hit_ratio")["value"], 90.0);
    assert_eq!(card(&overview, "hit_ratio")["count"], 1_000);
    assert_eq!(card(&overview, "hit_ratio")["previous"], Value::Null);
    assert_eq!(card(&overview, "requests")["value"], 100.0);
    assert_eq!(card(&overview, "errors")["value"], 0.0);
    let p95 = card(&overview, "response_p95")["value"].as_f64().unwrap();
    assert!((49.0..51.0).contains(&p95), "{p95}");
    // A hit takes 1 ms and a fetch 40: 0.9 x (1 - 1/40).
    let efficiency = card(&overview, "efficiency")["value"].as_f64().unwrap();
    assert!((87.0..88.5).contains(&efficiency), "{efficiency}");
    for card in overview["cards"].as_array().unwrap() {
        assert_eq!(card["spark"].as_array().unwrap().len(), 60, "{}", card["id"]);
    }
    let requests = &overview["charts"][0];
    assert_eq!(requests["id"], "requests");
    let times = requests["time"].as_array().unwrap().len();
    for line in requests["series"].as_array().unwrap() {
        assert_eq!(line["values"].as_array().unwrap().len(), times);
    }
    assert!(requests["series"][0]["values"].as_array().unwrap().contains(&json!(90.0)));
}

#[tokio::test]
async fn a_server_without_traffic_knows_nothing_and_says_so() {
    let rig = Rig::start().await;
    let overview = rig.get("/api/performance/overview").await.json();
    for id in ["score", "hit_ratio", "response_p95", "efficiency", "requests", "errors"] {
        assert_eq!(card(&overview, id)["value"], Value::Null, "{id}");
    }
    assert_eq!(overview["attention"][0]["title"], "No requests in this span");
    let caching = rig.get("/api/performance/caching").await.json();
    assert_eq!(caching["stats"]["hit_ratio"], Value::Null);
    assert_eq!(caching["tiers"][0]["share"], Value::Null);
}

#[tokio::test]
async fn errors_need_attention() {
    let rig = Rig::start().await;
    rig.second_of(80, 10, 10);
    rig.second_of(80, 10, 10);
    let overview = rig.get("/api/performance/overview").await.json();
    assert_eq!(card(&overview, "errors")["value"], 10.0);
    assert_eq!(overview["attention"][0]["severity"], "critical");
    assert_eq!(overview["attention"][0]["title"], "gateway is unhealthy");
    let detail = overview["attention"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("10.0 % of 200 requests"), "{detail}");
    assert_eq!(overview["health"]["status"], "unhealthy");
    let health = rig.get("/api/performance/health").await.json();
    let rows = health["components"].as_array().unwrap();
    let gateway = rows.iter().find(|row| row["component"] == "gateway").unwrap();
    assert!(gateway["since"].is_f64() && gateway["remedy"].as_str().unwrap().contains("origin"));
    rig.get("/ready").await.problem(503, &["gateway"]);
}

#[tokio::test]
async fn the_caching_page_says_who_answered() {
    let rig = Rig::start().await;
    rig.second_of(75, 20, 5);
    let caching = rig.get("/api/performance/caching?span=1m").await.json();
    assert_eq!(caching["requests"], 100);
    assert_eq!(caching["tiers"][0]["share"], 0.75);
    assert_eq!(caching["tiers"][1]["requests"], 25);
    assert_eq!(caching["stats"]["evictions"]["size"], 1);
    assert_eq!(caching["stats"]["bytes"], 4_096.0);
    let knobs: Vec<_> =
        caching["knobs"].as_array().unwrap().iter().map(|knob| knob["id"].clone()).collect();
    assert_eq!(knobs, ["memory/capacity", "memory/time_to_live"]);
}

#[tokio::test]
async fn operations_are_listed_and_found_by_name() {
    let rig = Rig::start().await;
    rig.second_of(9, 1, 0);
    drop(rig.optimizer.recorder().operation("db.query", &[("table", "users")]).start());
    let all = rig.get("/api/performance/metrics").await.json();
    let names: Vec<_> =
        all["metrics"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["http.request", "db.query"]);
    let one = rig.get("/api/performance/metrics/http.request?span=60").await.json();
    assert_eq!((&one["count"], &one["success_rate"]), (&json!(10), &json!(1.0)));
    let times = one["points"]["time"].as_array().unwrap().len();
    assert_eq!(one["points"]["p95_ms"].as_array().unwrap().len(), times);
    let query = rig.get("/api/performance/metrics/db.query").await.json();
    assert_eq!(query["count"], 1);
    rig.get("/api/performance/metrics/db.quarry").await.problem(404, &["db.quarry", "db.query"]);
}

#[tokio::test]
async fn scrapers_get_every_signal_as_text() {
    let rig = Rig::start().await;
    rig.second_of(9, 1, 0);
    let scraped = [("accept", "application/openmetrics-text;q=0.6,text/plain;q=0.5,*/*;q=0.1")];
    let text = rig.ask("GET", "/api/performance/metrics", &scraped, "").await;
    assert_eq!(text.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(text.headers["vary"], "accept");
    let text = std::str::from_utf8(&text.body).unwrap();
    for line in [
        "# TYPE perfkit_requests_total counter",
        "perfkit_answers_total{component=\"responses\",outcome=\"hit\"} 9",
        "perfkit_connections{component=\"live\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn spans_that_are_none_are_refused() {
    let rig = Rig::start().await;
    for (span, word) in
        [("soon", "soon"), ("0", "10 to 86400"), ("-5", "-5"), ("1e9", "1e9"), ("", "5m")]
    {
        for page in ["overview", "caching", "metrics"] {
            let path = format!("/api/performance/{page}?span={span}");
            rig.get(&path).await.problem(422, &[word]);
        }
    }
    assert_eq!(rig.get("/api/performance/overview?span=24h").await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_that_shows_the_way() {
    let rig = Rig::start().await;
    rig.get("/api/performance/overviews").await.problem(404, &["/openapi.json"]);
    rig.get("/assets/nothing.js").await.problem(404, &["nothing.js"]);
    rig.get("/assets/../Cargo.toml").await.problem(404, &[]);
    rig.tell("DELETE", "/api/performance/overview", "").await.problem(405, &["DELETE", "GET"]);
    rig.tell("POST", "/api/performance/knobs/memory/capacity", "").await.problem(405, &["PUT"]);
    rig.get("/api/performance/metrics/%FF").await.problem(400, &["UTF-8"]);
    rig.get("/api/performance/live").await.problem(426, &["ws://"]);
}

#[tokio::test]
async fn the_page_and_its_files_are_served_safely() {
    let rig = Rig::start().await;
    for path in ["/", "/caching"] {
        let page = rig.ask("GET", path, &[("accept-encoding", "br")], "").await;
        assert_eq!(page.status, 200);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["cache-control"], "no-cache");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let tag = page.headers["etag"].to_str().unwrap();
        let again = [("if-none-match", tag), ("accept-encoding", "br")];
        assert_eq!(rig.ask("GET", path, &again, "").await.status, 304);
    }
    let page = rig.get("/").await;
    let text = std::str::from_utf8(&page.body).unwrap();
    let mut files = 0;
    for quoted in text.split('"').filter(|part| part.starts_with("/assets/")) {
        let file = rig.get(quoted).await;
        assert_eq!(file.status, 200, "{quoted}");
        assert!(
            file.headers["cache-control"].to_str().unwrap().contains("immutable"),
            "{quoted} is named by its content"
        );
        assert_eq!(file.headers["x-content-type-options"], "nosniff");
        files += 1;
    }
    assert!(files > 3, "the page names its files");
    let icon = rig.get("/favicon.ico").await.status;
    assert!(icon.is_success(), "{icon}");
}

#[tokio::test]
async fn everything_carries_the_security_headers() {
    let rig = Rig::start().await;
    for path in ["/", "/api/performance/overview", "/nowhere", "/openapi.json", "/live"] {
        let headers = rig.get(path).await.headers;
        for name in [
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "x-frame-options",
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
            "cache-control",
        ] {
            assert!(headers.contains_key(name), "{path} lacks {name}");
        }
    }
}

#[tokio::test]
async fn probes_answer_without_a_word() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/live").await.status, 204);
    assert_eq!(rig.get("/ready").await.status, 204);
}

#[tokio::test]
async fn a_header_of_a_megabyte_is_refused_and_harms_nobody() {
    let rig = Rig::start().await;
    let large = "x".repeat(1 << 20);
    let stream = tokio::net::TcpStream::connect(rig.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let flood = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {large}\r\n\r\n");
        // The server may hang up before it has all of it.
        let _ = write.write_all(head.as_bytes()).await;
        write
    });
    let mut said = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut read, &mut said).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 431");
    drop(flood.await);
    assert_eq!(rig.get("/live").await.status, 204);
}
