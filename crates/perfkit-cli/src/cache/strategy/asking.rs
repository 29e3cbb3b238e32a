//! Asks a running gateway for a strategy, over its API.

use super::has_prices;
use crate::cache::arguments::StrategyArguments;
use crate::failure::Failure;
use perf_cache::strategy::CacheStrategy;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

pub(super) fn ask(arguments: &StrategyArguments) -> Result<CacheStrategy, Failure> {
    let address = Address::parse(&arguments.source)?;
    let mut generate = json!({
        "cache": arguments.cache, "name": arguments.name, "shared": arguments.shared,
        "dry_run": true,
    });
    if let Some(bytes) = arguments.max_bytes {
        generate["max_bytes"] = bytes.as_u64().into();
    }
    if let Some(entries) = arguments.max_entries {
        generate["max_entries"] = entries.get().into();
    }
    if let Some(bytes) = arguments.max_disk {
        generate["disk_bytes"] = bytes.as_u64().into();
    }
    if has_prices(arguments) {
        generate["prices"] = json!({
            "per_load": arguments.price_load.unwrap_or(0.0),
            "per_hour_waited": arguments.price_wait.unwrap_or(0.0),
            "per_gib_hour": arguments.price_memory.unwrap_or(0.0),
            "requests_per_hour": arguments.requests_per_hour,
            "mean_load_seconds": arguments.mean_load.0.as_secs_f64(),
        });
    }
    let token = arguments.token.as_deref().or(address.token);
    let body = json!({ "generate": generate }).to_string();
    let answer = address.post("/api/performance/cache-strategies", token, &body)?;
    let strategy = answer["strategy"].to_string();
    CacheStrategy::from_json(&strategy)
        .map_err(|error| Failure::failed(format!("{} answered {error}", address.authority)))
}

/// Where a dashboard is.
#[derive(Debug, PartialEq)]
struct Address<'a> {
    authority: &'a str,
    /// As the program prints it when it starts.
    token: Option<&'a str>,
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Result<Address<'a>, Failure> {
        let refuse = || {
            Failure::usage(format!(
                "`{}` is no address of a dashboard: write http://127.0.0.1:9090, as `perfkit serve` \
                 prints it",
                text.split('#').next().unwrap_or_default()
            ))
        };
        let rest = text.strip_prefix("http://").ok_or_else(refuse)?;
        let (place, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let authority = place.split('/').next().unwrap_or_default();
        let is_plain = authority.chars().all(|c| c.is_ascii_graphic() && c != '@');
        if authority.is_empty() || !is_plain {
            return Err(refuse());
        }
        Ok(Address { authority, token: fragment.strip_prefix("token=") })
    }

    fn post(&self, path: &str, token: Option<&str>, body: &str) -> Result<Value, Failure> {
        let authority = self.authority;
        let failed = |what: &dyn std::fmt::Display| {
            Failure::failed(format!("{authority} cannot be asked: {what}; is it the dashboard's?"))
        };
        let has_port =
            authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let place = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let mut stream = connect(&place).map_err(|error| failed(&error))?;
        let limited = stream.set_read_timeout(Some(PATIENCE));
        limited.and_then(|()| stream.set_write_timeout(Some(PATIENCE))).map_err(|e| failed(&e))?;
        let shown = match token {
            Some(token) if token.chars().all(|c| c.is_ascii_graphic()) => {
                format!("authorization: Bearer {token}\r\n")
            }
            Some(_) => return Err(Failure::usage("the token has letters that none has")),
            None => String::new(),
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n{shown}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut answer = Vec::new();
        stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.take(LARGEST_ANSWER).read_to_end(&mut answer))
            .map_err(|error| failed(&error))?;
        let (status, json) = parse(&answer).ok_or_else(|| failed(&"it answers no JSON"))?;
        match (status, json["detail"].as_str()) {
            (200..300, _) => Ok(json),
            (401, _) => Err(Failure::usage(format!(
                "{authority} wants its token: add --token, or the address with #token= as `perfkit \
                 serve` printed it"
            ))),
            (400..500, Some(why)) => Err(Failure::usage(format!("{authority}: {why}"))),
            (status, why) => Err(failed(&format!("{status} {}", why.unwrap_or_default()))),
        }
    }
}

/// To the first of its addresses that answers in time.
fn connect(place: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("it has no address");
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIME_TO_CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The status of an answer, and its body.
fn parse(answer: &[u8]) -> Option<(u16, Value)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}

const PATIENCE: Duration = Duration::from_secs(30);
const TIME_TO_CONNECT: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_are_printed() {
        let address = |text| Address::parse(text).ok();
        let known = |authority, token| Some(Address { authority, token });
        assert_eq!(address("http://127.0.0.1:9090"), known("127.0.0.1:9090", None));
        assert_eq!(address("http://[::1]:9/#token=abc"), known("[::1]:9", Some("abc")));
        for wrong in ["https://a", "http://", "http://a@b/", "a.b", "a:1/#token=x", "http://a b/"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn answers_are_json_or_none() {
        let answer = b"HTTP/1.1 201 Created\r\nx: y\r\n\r\n{\"a\": 1}";
        assert_eq!(parse(answer), Some((201, json!({"a": 1}))));
        for wrong in [&b"HTTP/1.1 200 OK\r\n\r\nhello"[..], b"", b"HTTP/1.1 2\r\n\r\n{}", b"\xff"] {
            assert_eq!(parse(wrong), None);
        }
    }
}
