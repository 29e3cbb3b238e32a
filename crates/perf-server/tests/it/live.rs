//! Live connections.

use crate::rig::Rig;
use futures_util::{SinkExt as _, StreamExt as _};
use perf_core::{ByteSize, KnobValue, Turn};
use perf_server::AdminConfig;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

/// Long enough for a machine that is busy with something else; nothing here takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(rig: &Rig) -> Socket {
    let (mut socket, _) = connect_async(url(rig)).await.unwrap();
    let hello = next(&mut socket).await;
    assert_eq!((&hello["type"], &hello["version"]), (&json!("hello"), &json!(1)));
    socket
}

fn url(rig: &Rig) -> String {
    format!("ws://{}/api/performance/live", rig.address)
}

/// The next message that is JSON.
async fn next<S>(socket: &mut WebSocketStream<S>) -> Value
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a message").unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(close) => panic!("closed: {close:?}"),
            _ => {}
        }
    }
}

async fn say(socket: &mut Socket, message: &str) {
    socket.send(Message::text(message)).await.unwrap();
}

/// The code of the close message that comes next, whatever comes before it.
async fn closing_code(socket: &mut Socket) -> u16 {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a close message") {
            Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
            Some(Ok(_)) => {}
            other => panic!("the connection ended without a word: {other:?}"),
        }
    }
}

fn turn(rig: &Rig, mib: u64, by: &str) -> u64 {
    let to = KnobValue::Bytes(ByteSize::mib(mib));
    let turn = Turn { knob: "capacity".into(), to, expect: None };
    rig.optimizer.turn("memory", turn, by).unwrap().id
}

#[tokio::test]
async fn a_subscription_is_answered_at_once_and_again_with_each_reading() {
    let rig = Rig::start().await;
    rig.second_of(9, 1, 0);
    let mut socket = connect(&rig).await;
    say(&mut socket, r#"{"type":"subscribe","channel":"overview","span":60}"#).await;
    let first = next(&mut socket).await;
    assert_eq!(first["type"], "snapshot");
    assert_eq!((&first["channel"], &first["span"]), (&json!("overview"), &json!(60)));
    assert_eq!(first["data"]["service"]["name"], "shop");
    rig.second_of(9, 1, 0);
    let second = next(&mut socket).await;
    assert!(second["data"]["at"].as_f64() > first["data"]["at"].as_f64());
    assert_eq!(rig.get("/api/performance/status").await.json()["live"]["connections"], 1);
}

#[tokio::test]
async fn a_snapshot_is_the_same_object_as_the_answer_to_a_get() {
    let rig = Rig::start().await;
    rig.second_of(9, 1, 0);
    let mut socket = connect(&rig).await;
    say(&mut socket, r#"{"type":"subscribe","channel":"caching","span":300}"#).await;
    let snapshot = next(&mut socket).await;
    assert_eq!(snapshot["data"], rig.get("/api/performance/caching?span=300").await.json());
}

#[tokio::test]
async fn an_event_shows_at_once_on_every_channel_that_is_watched() {
    let rig = Rig::start().await;
    let mut socket = connect(&rig).await;
    for channel in ["overview", "caching"] {
        say(&mut socket, &format!(r#"{{"type":"subscribe","channel":"{channel}"}}"#)).await;
        assert_eq!(next(&mut socket).await["data"]["events"], json!([]));
    }
    // No reading comes: the optimizer of the rig is sampled by hand.
    let id = turn(&rig, 64, "ada");
    for _ in 0..2 {
        let snapshot = next(&mut socket).await;
        assert_eq!(snapshot["data"]["events"][0]["id"], id, "{}", snapshot["channel"]);
    }
}

#[tokio::test]
async fn a_message_that_is_no_order_is_answered_and_the_connection_goes_on() {
    let rig = Rig::start().await;
    let mut socket = connect(&rig).await;
    for wrong in ["hello", "{}", r#"{"type":"subscribe","channel":"overview","span":"soon"}"#] {
        say(&mut socket, wrong).await;
        let error = next(&mut socket).await;
        assert_eq!(error["type"], "error");
        assert!(
            error["detail"].as_str().unwrap().contains("overview, caching or operations"),
            "{error}"
        );
    }
    say(&mut socket, r#"{"type":"subscribe","channel":"overview"}"#).await;
    assert_eq!(next(&mut socket).await["type"], "snapshot");
}

#[tokio::test]
async fn too_many_and_too_large_messages_end_the_connection() {
    let rig = Rig::start().await;
    let mut socket = connect(&rig).await;
    for _ in 0..200 {
        // The server may have hung up before the last.
        if socket
            .send(Message::text(r#"{"type":"unsubscribe","channel":"caching"}"#))
            .await
            .is_err()
        {
            break;
        }
    }
    assert_eq!(closing_code(&mut socket).await, 1008);

    let mut socket = connect(&rig).await;
    let _ = socket.send(Message::text("x".repeat(64 * 1024 + 1))).await;
    assert_eq!(closing_code(&mut socket).await, 1009);

    let mut socket = connect(&rig).await;
    let _ = socket.send(Message::binary(vec![0])).await;
    assert_eq!(closing_code(&mut socket).await, 1003);
}

#[tokio::test]
async fn a_page_of_another_origin_gets_no_connection() {
    let rig = Rig::start().await;
    for (origin, allowed) in
        [("http://evil.example".to_owned(), false), (format!("http://{}", rig.address), true)]
    {
        let mut request = url(&rig).into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        match connect_async(request).await {
            Ok(_) => assert!(allowed, "{origin}"),
            Err(Error::Http(refused)) => {
                assert!(!allowed, "{origin}");
                assert_eq!(refused.status(), 403);
            }
            Err(other) => panic!("{origin}: {other}"),
        }
    }
}

#[tokio::test]
async fn one_connection_too_many_is_refused_and_counted() {
    let config = AdminConfig::new("127.0.0.1:0".parse().unwrap()).max_live_connections(2);
    let rig = Rig::start_with(config).await;
    let (one, _two) = (connect(&rig).await, connect(&rig).await);
    let Err(Error::Http(refused)) = connect_async(url(&rig)).await else {
        panic!("a third connection was let in");
    };
    assert_eq!(refused.status(), 503);
    let status = rig.get("/api/performance/status").await.json();
    assert_eq!(
        (&status["live"]["connections"], &status["live"]["refused"]),
        (&json!(2), &json!(1))
    );
    drop(one);
    let again = async {
        while connect_async(url(&rig)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.expect("its place is free when it has gone");
}

#[tokio::test]
async fn a_slow_client_gets_only_the_newest_and_holds_up_nobody() {
    let rig = Rig::start().await;
    let small = TcpSocket::new_v4().unwrap();
    small.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = small.connect(rig.address).await.unwrap();
    let (mut slow, _) = client_async(url(&rig), stream).await.unwrap();
    assert_eq!(next(&mut slow).await["type"], "hello");
    slow.send(Message::text(r#"{"type":"subscribe","channel":"overview"}"#)).await.unwrap();

    // It reads nothing while events come, until the server has stopped sending to it. Every GET
    // goes on being answered, and computes what the socket would be sent.
    let long_name = "x".repeat(20_000);
    let crowd = async {
        let (mut last, mut sent, mut silent) = (0, 0, 0);
        while silent < 20 {
            last = turn(&rig, 1 + last % 2, &long_name);
            let page = rig.get("/api/performance/overview").await.json();
            assert_eq!(page["events"][0]["id"], last);
            let status = rig.get("/api/performance/status").await.json();
            let now = status["live"]["sent"].as_u64().unwrap();
            silent = if now == sent { silent + 1 } else { 0 };
            sent = now;
        }
        (last, sent)
    };
    let (last, sent) =
        timeout(PATIENCE, crowd).await.expect("a client that reads nothing gets no more");

    let mut received = 0;
    loop {
        let snapshot = next(&mut slow).await;
        received += 1;
        if snapshot["data"]["events"][0]["id"] == last {
            break;
        }
    }
    assert!(received <= sent + 2, "{received} came, {sent} had been sent when it was slow");
    let status = rig.get("/api/performance/status").await.json();
    assert!(status["live"]["skipped"].as_u64().unwrap() >= 10, "{}", status["live"]);
}

#[tokio::test]
async fn a_stopping_server_says_goodbye() {
    let mut rig = Rig::start().await;
    let mut socket = connect(&rig).await;
    rig.tell_to_stop();
    assert_eq!(closing_code(&mut socket).await, 1001);
    timeout(PATIENCE, rig.stop()).await.expect("the server ends");
}
