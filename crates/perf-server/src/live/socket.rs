//! One live connection.
//!
//! A slow client costs one snapshot: while that is on its way nothing is queued behind it, and
//! what is sent next is whatever is newest then.

use super::protocol::{self, Channel, Order};
use super::{Live, Place};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use perf_core::Clock;
use perf_guard::Gcra;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Attends to a connection until it ends.
pub(crate) async fn attend(
    socket: WebSocket,
    live: Arc<Live>,
    place: Place,
    epoch: Arc<str>,
    stop: CancellationToken,
) {
    let (mut sink, stream) = socket.split();
    let (replies, inbox) = mpsc::channel(QUEUED_ORDERS);
    let heard = AtomicU64::new(0);
    let end = tokio::select! {
        end = listen(stream, replies, &heard) => end,
        end = talk(&mut sink, inbox, &live, &heard, &epoch) => end,
        () = stop.cancelled() => End::Closed(GOING_AWAY, "the server stops; connect again later"),
    };
    if let End::Closed(code, reason) = end {
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        let _ = timeout(Duration::from_secs(1), sink.send(close)).await;
    }
    drop(place);
}

/// How a connection ended.
enum End {
    /// The other side has gone.
    Gone,
    /// We say goodbye.
    Closed(u16, &'static str),
}

/// What the listening side tells the talking side.
enum Reply {
    Order(Order),
    Wrong(protocol::NotAnOrder),
}

async fn listen(
    mut stream: SplitStream<WebSocket>,
    replies: mpsc::Sender<Reply>,
    heard: &AtomicU64,
) -> End {
    let clock = Clock::system();
    let Ok(mut limit) =
        Gcra::builder().rate(10, Duration::from_secs(1)).burst(MESSAGE_BURST).build()
    else {
        return End::Closed(INTERNAL, "the message limit is broken");
    };
    loop {
        let message = match stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return ending(&error),
            None => return End::Gone,
        };
        heard.fetch_add(1, Relaxed);
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return End::Closed(UNSUPPORTED, "send text"),
            Message::Close(_) => return End::Gone,
            Message::Ping(_) | Message::Pong(_) => "".into(),
        };
        if limit.check(clock.now()).is_err() {
            return End::Closed(
                POLICY,
                "more than 10 messages a second; connect again and send fewer",
            );
        }
        if text.is_empty() {
            continue;
        }
        let reply = protocol::read(&text).map_or_else(Reply::Wrong, Reply::Order);
        if replies.send(reply).await.is_err() {
            return End::Gone;
        }
    }
}

async fn talk(
    sink: &mut SplitSink<WebSocket, Message>,
    mut inbox: mpsc::Receiver<Reply>,
    live: &Live,
    heard: &AtomicU64,
    epoch: &str,
) -> End {
    let mut generations = live.generation.subscribe();
    let mut watched: Vec<Watched> = Vec::new();
    let mut pulse = Pulse::new();
    if !send(sink, Message::text(protocol::hello(epoch))).await {
        return End::Gone;
    }
    let (mut urgent, mut shown_at) = (0, None::<Instant>);
    loop {
        let now = *generations.borrow_and_update();
        // Readings may come a hundred times a second; eyes and browsers do with five.
        let wait = shown_at.map(|at| at + SHOWN_EVERY).filter(|next| *next > Instant::now());
        let late = watched.iter().any(|watched| watched.shown != Some(now.number));
        let news = now.urgent != urgent || watched.iter().any(|watched| watched.shown.is_none());
        if late && (news || wait.is_none()) {
            if !show(sink, live, &mut watched, now.number).await {
                return End::Gone;
            }
            (urgent, shown_at) = (now.urgent, Some(Instant::now()));
            continue;
        }
        let again = wait.filter(|_| late).unwrap_or(pulse.due).min(pulse.due);
        tokio::select! {
            changed = generations.changed() => if changed.is_err() {
                return End::Closed(GOING_AWAY, "the server stops");
            },
            reply = inbox.recv() => match reply {
                None => return End::Gone,
                Some(Reply::Order(order)) => obey(&mut watched, order),
                Some(Reply::Wrong(wrong)) => {
                    if !send(sink, Message::text(protocol::error(&wrong))).await {
                        return End::Gone;
                    }
                }
            },
            () = tokio::time::sleep_until(again) => match pulse.beat(heard.load(Relaxed)) {
                Beat::Early => {}
                Beat::Ping => if !send(sink, Message::Ping(bytes::Bytes::new())).await {
                    return End::Gone;
                },
                Beat::Alive => {}
                Beat::Dead => return End::Gone,
            },
        }
    }
}

/// Sends every channel that has something newer; whether the client took it.
async fn show(
    sink: &mut SplitSink<WebSocket, Message>,
    live: &Live,
    watched: &mut [Watched],
    now: u64,
) -> bool {
    for watched in watched.iter_mut().filter(|watched| watched.shown != Some(now)) {
        let snapshot = live.snapshot(watched.channel, watched.span).await;
        if !send(sink, Message::Text(snapshot.frame.clone())).await {
            return false;
        }
        live.counts.sent.fetch_add(1, Relaxed);
        let missed = watched.shown.map_or(0, |shown| snapshot.generation.saturating_sub(shown + 1));
        live.counts.skipped.fetch_add(missed, Relaxed);
        watched.shown = Some(snapshot.generation);
    }
    true
}

/// A channel that the client wants to see, and the generation it has seen.
#[derive(Clone, Copy)]
struct Watched {
    channel: Channel,
    span: u64,
    shown: Option<u64>,
}

/// One subscription per channel: a second one changes the span.
fn obey(watched: &mut Vec<Watched>, order: Order) {
    let (Order::Subscribe { channel, .. } | Order::Unsubscribe { channel }) = order;
    watched.retain(|watched| watched.channel != channel);
    if let Order::Subscribe { channel, span } = order {
        watched.push(Watched { channel, span, shown: None });
    }
}

/// Asks every 20 s whether the client lives and gives it 10 s to answer. Any message is an answer.
struct Pulse {
    due: Instant,
    waiting_since: Option<u64>,
}

enum Beat {
    Early,
    Ping,
    Alive,
    Dead,
}

impl Pulse {
    fn new() -> Pulse {
        Pulse { due: Instant::now() + PING_EVERY, waiting_since: None }
    }

    fn beat(&mut self, heard: u64) -> Beat {
        if Instant::now() < self.due {
            return Beat::Early;
        }
        match self.waiting_since.take() {
            None => {
                self.waiting_since = Some(heard);
                self.due = Instant::now() + PONG_WITHIN;
                Beat::Ping
            }
            Some(before) if heard > before => {
                self.due = Instant::now() + (PING_EVERY - PONG_WITHIN);
                Beat::Alive
            }
            Some(_) => Beat::Dead,
        }
    }
}

/// Sends one message; whether the client took it in time.
async fn send(sink: &mut SplitSink<WebSocket, Message>, message: Message) -> bool {
    matches!(timeout(TAKEN_WITHIN, sink.send(message)).await, Ok(Ok(())))
}

/// A message over the limit deserves its own word; everything else is a broken connection.
fn ending(error: &axum::Error) -> End {
    if error.to_string().to_ascii_lowercase().contains("too long") {
        End::Closed(TOO_BIG, "a message may have 64 KiB")
    } else {
        End::Gone
    }
}

const SHOWN_EVERY: Duration = Duration::from_millis(200);
const PING_EVERY: Duration = Duration::from_secs(20);
const PONG_WITHIN: Duration = Duration::from_secs(10);
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
const QUEUED_ORDERS: usize = 8;
const MESSAGE_BURST: u64 = 20;

// RFC 6455, section 7.4.1.
const GOING_AWAY: u16 = 1001;
const UNSUPPORTED: u16 = 1003;
const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;
const INTERNAL: u16 = 1011;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_subscription_changes_the_span() {
        let mut watched = Vec::new();
        for span in [300, 3_600] {
            obey(&mut watched, Order::Subscribe { channel: Channel::Overview, span });
        }
        obey(&mut watched, Order::Subscribe { channel: Channel::Caching, span: 60 });
        assert_eq!(watched.len(), 2);
        assert_eq!(watched[0].span, 3_600);
        obey(&mut watched, Order::Unsubscribe { channel: Channel::Overview });
        assert_eq!(watched.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_dead_after_ping_and_deadline() {
        let mut pulse = Pulse::new();
        assert!(matches!(pulse.beat(5), Beat::Early));
        tokio::time::advance(PING_EVERY).await;
        assert!(matches!(pulse.beat(5), Beat::Ping));
        tokio::time::advance(PONG_WITHIN).await;
        assert!(matches!(pulse.beat(6), Beat::Alive));
        tokio::time::advance(PING_EVERY).await;
        assert!(matches!(pulse.beat(6), Beat::Ping));
        tokio::time::advance(PONG_WITHIN).await;
        assert!(matches!(pulse.beat(6), Beat::Dead));
    }
}
