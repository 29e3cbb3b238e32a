//! Turning knobs, and undoing it.

use crate::rig::Rig;
use serde_json::json;

const CAPACITY: &str = "/api/performance/knobs/memory/capacity";
const TTL: &str = "/api/performance/knobs/memory/time_to_live";

#[tokio::test]
async fn a_turn_is_an_event_that_can_be_undone() {
    let rig = Rig::start().await;
    let turned = rig.tell("PUT", CAPACITY, r#"{"value":"512MiB","by":"ada"}"#).await.json();
    assert_eq!(turned["knob"]["value"], 512 << 20);
    assert_eq!(turned["knob"]["display"], "512 MiB");
    let event = &turned["event"];
    assert_eq!((&event["from"], &event["to"]), (&json!(256 << 20), &json!(512 << 20)));
    assert_eq!((&event["kind"], &event["by"]), (&json!("turn"), &json!("ada")));

    let undo = format!("/api/performance/events/{}/undo", event["id"]);
    let undone = rig.tell("POST", &undo, "").await.json();
    assert_eq!(undone["knob"]["value"], 256 << 20);
    assert_eq!(undone["event"]["kind"], "undo");
    rig.tell("POST", &undo, "").await.problem(409, &["undone"]);

    let events = rig.get("/api/performance/events").await.json();
    let kinds: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["undo", "turn"], "newest first");
    assert_eq!(events["events"][1]["undone_by"], events["events"][0]["id"]);
}

#[tokio::test]
async fn values_may_be_plain_or_as_people_write_them() {
    let rig = Rig::start().await;
    for (value, seconds) in [("60", json!(60)), ("\"5m\"", json!(300)), ("1.5", json!(1.5))] {
        let turned = rig.tell("PUT", TTL, &format!("{{\"value\":{value}}}")).await.json();
        assert_eq!(turned["knob"]["value"], seconds, "{turned}");
    }
    let rows = rig.get("/api/performance/knobs").await.json();
    let ttl = rows["knobs"].as_array().unwrap().iter().find(|k| k["id"] == "memory/time_to_live");
    let ttl = ttl.unwrap();
    assert_eq!((&ttl["kind"], &ttl["unit"]), (&json!("duration"), &json!("seconds")));
    assert_eq!((&ttl["min"], &ttl["max"]), (&json!(0), &json!(86_400)));
    assert_eq!(ttl["display"], "1.5 s");
}

#[tokio::test]
async fn a_lost_race_says_who_won_and_what_the_value_is() {
    let rig = Rig::start().await;
    let first = r#"{"value":"64MiB","expect":"256MiB","by":"ada"}"#;
    assert_eq!(rig.tell("PUT", CAPACITY, first).await.status, 200);
    let second = r#"{"value":"1GiB","expect":268435456,"by":"bob"}"#;
    let lost = rig.tell("PUT", CAPACITY, second).await;
    let lost = lost.problem(409, &["64 MiB", "256 MiB", "ada"]);
    assert_eq!(lost["value"], 64 << 20);
    assert_eq!(lost["turned_by"], "ada");
    assert_eq!(rig.optimizer.events().len(), 1);
}

#[tokio::test]
async fn an_undo_after_somebody_elses_turn_is_refused() {
    let rig = Rig::start().await;
    let event = rig.tell("PUT", CAPACITY, r#"{"value":"64MiB"}"#).await.json()["event"].clone();
    rig.tell("PUT", CAPACITY, r#"{"value":"32MiB","by":"bob"}"#).await;
    let undo = format!("/api/performance/events/{}/undo", event["id"]);
    rig.tell("POST", &undo, "").await.problem(409, &["32 MiB", "bob"]);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_can() {
    let rig = Rig::start().await;
    for (path, body, status, words) in [
        (CAPACITY, r#"{"value":"5TiB"}"#, 422, &["5 TiB", "1 MiB to 4 GiB"][..]),
        (CAPACITY, r#"{"value":0}"#, 422, &["0 B", "1 MiB to 4 GiB"]),
        (CAPACITY, r#"{"value":true}"#, 422, &["true", "512MiB"]),
        (CAPACITY, r#"{"value":"64MiB","expect":"soon"}"#, 422, &["`expect`", "soon"]),
        (TTL, r#"{"value":"2d"}"#, 422, &["2 d", "0 s to 1 d"]),
        (TTL, r#"{"value":-1}"#, 422, &["-1", "1.5s"]),
        (CAPACITY, r#"{"wert":1}"#, 422, &["wert", r#"{"value": "512MiB"}"#]),
        (CAPACITY, "", 422, &[r#"{"value": "512MiB"}"#]),
        (CAPACITY, "[1", 422, &["[1"]),
    ] {
        rig.tell("PUT", path, body).await.problem(status, words);
    }
    assert!(rig.optimizer.events().is_empty(), "nothing has changed");
}

#[tokio::test]
async fn unknown_names_are_answered_with_the_known_ones() {
    let rig = Rig::start().await;
    for path in ["memory/colour", "nobody/capacity", "%2e%2e/capacity", "memory/%F0%9F%A6%80"] {
        let path = format!("/api/performance/knobs/{path}");
        let unknown = rig.tell("PUT", &path, r#"{"value":1}"#).await;
        let unknown = unknown.problem(404, &["memory/capacity", "memory/time_to_live"]);
        assert!(unknown["known"].as_array().unwrap().contains(&json!("memory/capacity")));
    }
    for id in ["0", "99", "-1", "x", "99999999999999999999999"] {
        let path = format!("/api/performance/events/{id}/undo");
        rig.tell("POST", &path, "").await.problem(404, &["/api/performance/events"]);
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let rig = Rig::start().await;
    let large = format!(r#"{{"value":"{}"}}"#, "x".repeat(1 << 20));
    rig.tell("PUT", CAPACITY, &large).await.problem(413, &["1048576"]);
}
