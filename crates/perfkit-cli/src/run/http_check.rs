//! A question to an HTTP server, and what is right as its answer.

use super::suite::CaseTable;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use perf_async::test_queue::TestAttempt;
use std::error::Error;
use std::fmt;

/// Asks, each time over a connection of its own: one that was kept may have been closed meanwhile,
/// and a server that takes no more of them should be found out.
#[derive(Clone, Debug)]
pub(super) struct Client(hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>);

impl Client {
    pub(super) fn new() -> Client {
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false)
            .build_http();
        Client(client)
    }
}

/// A question and what is right as its answer.
#[derive(Debug)]
pub(super) struct HttpCheck {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// Any below 400 if there is none.
    status: Option<StatusCode>,
    /// A part of the value.
    wanted: Vec<(HeaderName, String)>,
    contains: Vec<String>,
}

/// Bytes of an answer's body that are read.
const MOST: usize = 16 << 20;
/// Bytes of it that are shown where it is wrong.
const SHOWN: usize = 2_000;

impl HttpCheck {
    pub(super) fn new(table: &CaseTable, url: &str) -> Result<HttpCheck, String> {
        let expect = &table.expect;
        let method = match &table.method {
            Some(name) => name.to_ascii_uppercase().parse(),
            None if table.body.is_some() => Ok(Method::POST),
            None => Ok(Method::GET),
        };
        let status = expect.status.map(|code| {
            StatusCode::from_u16(code)
                .map_err(|_| format!("{code} is no HTTP status: use 100 to 599"))
        });
        Ok(HttpCheck {
            method: method.map_err(|_| format!("`{}` is no method", text(&table.method)))?,
            url: parse_url(url)?,
            headers: headers(table)?,
            body: Bytes::from(text(&table.body).to_owned()),
            status: status.transpose()?,
            wanted: expect
                .headers
                .iter()
                .flatten()
                .map(|(name, value)| Ok((header_name(name)?, value.clone())))
                .collect::<Result<_, String>>()?,
            contains: expect.contains.as_ref().map_or(Vec::new(), |c| c.as_slice().to_vec()),
        })
    }

    /// Asks once.
    pub(super) async fn run(&self, client: &Client, attempt: &TestAttempt) -> Result<(), Wrong> {
        attempt.write(format!("{self}\n"));
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = client.0.request(request).await.map_err(|error| Wrong::unanswered(&error))?;
        let (head, body) = answer.into_parts();
        attempt.write(format!("{:?} {}\n", head.version, head.status));
        for (name, value) in &head.headers {
            attempt.write(format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
        }
        let body = Limited::new(body, MOST).collect().await.map_err(|error| {
            Wrong(format!("the body breaks off, or is longer than 16 MiB: {error}"))
        })?;
        let body = body.to_bytes();
        attempt.write("\n");
        attempt.write(&body[..body.len().min(SHOWN)]);
        if body.len() > SHOWN {
            attempt.write(format!("\n… {} bytes more\n", body.len() - SHOWN));
        }
        self.judge(head.status, &head.headers, &body)
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), Wrong> {
        match self.status {
            Some(wanted) if status != wanted => {
                return Err(Wrong(format!(
                    "status {}, expected {}",
                    status.as_u16(),
                    wanted.as_u16()
                )));
            }
            None if status.as_u16() >= 400 => {
                return Err(Wrong(format!("status {}", status.as_u16())));
            }
            _ => {}
        }
        for (name, wanted) in &self.wanted {
            let mut values =
                headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            if !values.any(|value| value.contains(wanted.as_str())) {
                let found = headers.get(name).map_or("absent".to_owned(), |value| {
                    format!("`{}`", String::from_utf8_lossy(value.as_bytes()))
                });
                return Err(Wrong(format!("header {name} is {found}, expected `{wanted}` in it")));
            }
        }
        let body = String::from_utf8_lossy(body);
        match self.contains.iter().find(|text| !body.contains(text.as_str())) {
            Some(text) => Err(Wrong(format!("the body does not contain `{text}`"))),
            None => Ok(()),
        }
    }
}

fn parse_url(url: &str) -> Result<Uri, String> {
    let parsed: Uri = url.parse().map_err(|error| format!("`{url}` is no URL: {error}"))?;
    match parsed.scheme_str() {
        Some("http") if parsed.authority().is_some() => Ok(parsed),
        Some("https") => Err(format!(
            "`{url}`: checks speak cleartext HTTP only; use `run` with a client such as curl"
        )),
        _ => Err(format!("`{url}` is no URL: write it like http://127.0.0.1:8080/path")),
    }
}

fn headers(table: &CaseTable) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in table.headers.iter().flatten() {
        let value: HeaderValue =
            value.parse().map_err(|_| format!("`{value}` is no header value"))?;
        headers.append(header_name(name)?, value);
    }
    Ok(headers)
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse().map_err(|_| format!("`{name}` is no header name"))
}

fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

impl fmt::Display for HttpCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)
    }
}

/// Why an answer is not right.
#[derive(Debug)]
pub(super) struct Wrong(String);

impl Wrong {
    fn unanswered(error: &dyn Error) -> Wrong {
        let mut why = "no answer".to_owned();
        let mut cause = error.source();
        while let Some(error) = cause {
            why = format!("{why}: {error}");
            cause = error.source();
        }
        Wrong(why)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Wrong {}
