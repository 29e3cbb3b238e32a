//! The messages of a live connection.
//!
//! The server greets, the client subscribes, the server sends a snapshot at once and again with
//! each generation. A snapshot holds the same object as the GET of its channel, so a client that
//! missed some is whole again with the next.

use crate::view::Span;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::ops::Range;

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    Overview,
    Caching,
    Operations,
}

impl Channel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Channel::Overview => "overview",
            Channel::Caching => "caching",
            Channel::Operations => "operations",
        }
    }
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Subscribe { channel: Channel, span: u64 },
    Unsubscribe { channel: Channel },
}

/// A message that is no order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAnOrder(String);

impl fmt::Display for NotAnOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: send {{\"type\":\"subscribe\",\"channel\":\"overview\",\"span\":300}}, where the \
             channel is overview, caching or operations",
            self.0
        )
    }
}

/// Reads what a client sent.
pub(super) fn read(text: &str) -> Result<Order, NotAnOrder> {
    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Said {
        Subscribe { channel: Channel, span: Option<Value> },
        Unsubscribe { channel: Channel },
    }
    match serde_json::from_str(text).map_err(|error| NotAnOrder(error.to_string()))? {
        Said::Unsubscribe { channel } => Ok(Order::Unsubscribe { channel }),
        Said::Subscribe { channel, span } => {
            let span = match span {
                None | Some(Value::Null) => Span::default(),
                Some(Value::String(text)) => Span::parse(&text).map_err(NotAnOrder)?,
                Some(other) => Span::parse(&other.to_string()).map_err(NotAnOrder)?,
            };
            Ok(Order::Subscribe { channel, span: span.seconds() })
        }
    }
}

/// The greeting. `epoch` changes when the server starts anew.
pub(super) fn hello(epoch: &str) -> String {
    json!({ "type": "hello", "version": 1, "epoch": epoch }).to_string()
}

/// What was wrong with a message; the connection goes on.
pub(super) fn error(wrong: &NotAnOrder) -> String {
    json!({ "type": "error", "detail": wrong.to_string() }).to_string()
}

/// A snapshot message around its data, and where the data stands in it.
pub(super) fn frame_around(channel: Channel, span: u64, data: &str) -> (String, Range<usize>) {
    let mut frame = format!(
        "{{\"type\":\"snapshot\",\"channel\":\"{}\",\"span\":{span},\"data\":",
        channel.name()
    );
    let start = frame.len();
    frame.push_str(data);
    let end = frame.len();
    frame.push('}');
    (frame, start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_a_missing_span_is_five_minutes() {
        let subscribe = |channel, span| Ok(Order::Subscribe { channel, span });
        assert_eq!(
            read(r#"{"type":"subscribe","channel":"overview","span":3600}"#),
            subscribe(Channel::Overview, 3_600)
        );
        assert_eq!(
            read(r#"{"type":"subscribe","channel":"caching"}"#),
            subscribe(Channel::Caching, 300)
        );
        assert_eq!(
            read(r#"{"type":"subscribe","channel":"caching","span":"1h"}"#),
            subscribe(Channel::Caching, 3_600)
        );
        assert_eq!(
            read(r#"{"type":"unsubscribe","channel":"caching"}"#),
            Ok(Order::Unsubscribe { channel: Channel::Caching })
        );
    }

    #[test]
    fn anything_else_is_answered_with_what_would_do() {
        for bad in [
            "",
            "hello",
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","channel":"secrets"}"#,
            r#"{"type":"subscribe","channel":"overview","span":-1}"#,
            r#"{"type":"subscribe","channel":"overview","span":1e99}"#,
        ] {
            let error = error(&read(bad).unwrap_err());
            assert!(error.contains("overview, caching or operations"), "{error}");
        }
    }

    #[test]
    fn a_frame_is_json_and_knows_where_its_data_is() {
        let (frame, data) = frame_around(Channel::Caching, 300, r#"{"a":1}"#);
        let whole: Value = serde_json::from_str(&frame).unwrap();
        assert_eq!(whole["data"]["a"], 1);
        assert_eq!(whole["channel"], "caching");
        assert_eq!(&frame[data], r#"{"a":1}"#);
    }
}
