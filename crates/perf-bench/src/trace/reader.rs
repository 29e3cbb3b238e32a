//! Reads a trace, line by line, in bounded memory.

use super::fields::{self, Row};
use super::json::{self, Said};
use super::{Statuses, TraceError, TraceFormat, access_log, binary, compressed, detect};
use std::io::{BufRead, BufReader, Cursor, Read};
use std::ops::ControlFlow;

/// One request of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access<'a> {
    /// What was asked for.
    pub key: AccessKey<'a>,
    /// How many bytes it has, where the trace says so.
    pub size: Option<u64>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKey<'a> {
    /// A number.
    Number(u64),
    /// Bytes, mostly text.
    Text(&'a [u8]),
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Its number, from 1.
    pub line: u64,
    /// What stands there, shortened.
    pub text: String,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceSummary {
    /// The format that was chosen or found.
    pub format: TraceFormat,
    /// Requests that were handed on.
    pub requests: u64,
    /// Lines in the format that do not count: another method than GET and HEAD, another status.
    pub skipped: u64,
    /// Lines that are not in the format.
    pub malformed: u64,
    /// The first few of them.
    pub first_malformed: Vec<Malformed>,
}

/// Reads traces. What is not said is found out.
#[derive(Clone, Debug, Default)]
pub struct TraceReader {
    format: Option<TraceFormat>,
    key: Option<String>,
    statuses: Option<Statuses>,
    strict: bool,
}

impl TraceReader {
    /// Finds the format out, and counts the lines that are not in it.
    #[must_use]
    pub fn new() -> TraceReader {
        TraceReader::default()
    }

    /// The format, instead of finding it out.
    #[must_use]
    pub fn format(mut self, format: TraceFormat) -> TraceReader {
        self.format = Some(format);
        self
    }

    /// The field of JSON lines that holds the key; names on the way to it are joined by points.
    /// Without it the usual names are tried, and lines that name another method than GET or HEAD
    /// are skipped.
    #[must_use]
    pub fn key(mut self, field: impl Into<String>) -> TraceReader {
        self.key = Some(field.into());
        self
    }

    /// Only answers of such a status, where the trace tells it.
    #[must_use]
    pub fn statuses(mut self, statuses: Statuses) -> TraceReader {
        self.statuses = Some(statuses);
        self
    }

    /// Ends with an error at the first line that is not in the format.
    #[must_use]
    pub fn strict(mut self) -> TraceReader {
        self.strict = true;
        self
    }

    /// Reads all requests, until `visit` breaks. Gzip, xz and Zstandard are known by the first
    /// bytes and taken off. `name` is the name of the file, whose ending may tell the format; it
    /// may be empty.
    ///
    /// # Errors
    ///
    /// The input fails; or nothing in it is a request, more of it is malformed than not, or, where
    /// that is asked for, the first line is malformed: [`TraceError::is_content`].
    pub fn read(
        &self,
        input: impl Read,
        name: &str,
        mut visit: impl FnMut(Access<'_>) -> ControlFlow<()>,
    ) -> Result<TraceSummary, TraceError> {
        let mut plain = compressed::plain(input)?;
        let mut head = Vec::new();
        plain.by_ref().take(HEAD).read_to_end(&mut head)?;
        let whole = (head.len() as u64) < HEAD;
        let format = self.format.unwrap_or_else(|| detect::detect(name, &head, whole));
        let mut summary = TraceSummary {
            format,
            requests: 0,
            skipped: 0,
            malformed: 0,
            first_malformed: Vec::new(),
        };
        let (is_empty, mut sound) = (head.is_empty(), u64::MAX);
        let mut input = BufReader::with_capacity(1 << 16, Cursor::new(head).chain(plain));
        let requests = &mut summary.requests;
        let mut counted = |access: Access<'_>| {
            let flow = visit(access);
            *requests += u64::from(flow.is_continue());
            flow
        };
        match format {
            TraceFormat::BeU32 => binary::read::<4>(&mut input, counted)?,
            TraceFormat::BeU64 => binary::read::<8>(&mut input, counted)?,
            _ => {
                let mut seen = Lines::default();
                self.lines(&mut input, format, &mut seen, &mut counted)?;
                sound = seen.sound + seen.skipped;
                summary.skipped = seen.skipped;
                summary.malformed = seen.malformed;
                summary.first_malformed = seen.first;
            }
        }
        if !self.strict {
            plausible(&summary, is_empty, sound, self.key.as_deref())?;
        }
        Ok(summary)
    }

    fn lines(
        &self,
        input: &mut impl BufRead,
        format: TraceFormat,
        seen: &mut Lines,
        visit: &mut impl FnMut(Access<'_>) -> ControlFlow<()>,
    ) -> Result<(), TraceError> {
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if input.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let cut = line.len() as u64 == LONGEST && line.last() != Some(&b'\n');
            if cut {
                input.skip_until(b'\n')?;
            }
            let text = line.trim_ascii();
            if text.is_empty() || (text == b"*" && format != TraceFormat::Keys) {
                continue;
            }
            let found = if cut { Found::Malformed } else { self.line(text, format, visit) };
            match found {
                Found::Done(ControlFlow::Continue(())) => seen.sound += 1,
                Found::Done(ControlFlow::Break(())) => break,
                Found::Skipped => seen.skipped += 1,
                Found::Malformed if self.strict => {
                    return Err(TraceError::content(format!(
                        "line {number} is `{}`, which is not in the format {format}",
                        shortened(text)
                    )));
                }
                Found::Malformed => {
                    seen.malformed += 1;
                    if seen.first.len() < NAMED {
                        seen.first.push(Malformed { line: number, text: shortened(text) });
                    }
                }
            }
        }
        Ok(())
    }

    fn line(
        &self,
        text: &[u8],
        format: TraceFormat,
        visit: &mut impl FnMut(Access<'_>) -> ControlFlow<()>,
    ) -> Found {
        let row = match format {
            TraceFormat::Arc => fields::arc(text),
            TraceFormat::Lirs => fields::lirs(text),
            TraceFormat::Sized => fields::sized(text),
            TraceFormat::Address => fields::address(text),
            TraceFormat::Keys => {
                return Found::Done(visit(Access { key: AccessKey::Text(text), size: None }));
            }
            TraceFormat::JsonLines => return self.object(text, visit),
            TraceFormat::AccessLog => return self.logged(text, visit),
            TraceFormat::BeU32 | TraceFormat::BeU64 => None,
        };
        let Some((first, count, size)): Option<Row> = row else { return Found::Malformed };
        for step in 0..count {
            let key = AccessKey::Number(first.wrapping_add(step));
            if visit(Access { key, size }).is_break() {
                return Found::Done(ControlFlow::Break(()));
            }
        }
        Found::Done(ControlFlow::Continue(()))
    }

    fn logged(&self, text: &[u8], visit: &mut impl FnMut(Access<'_>) -> ControlFlow<()>) -> Found {
        let Some(logged) = access_log::parse(text) else { return Found::Malformed };
        let counts = matches!(logged.method, b"GET" | b"HEAD") && self.wants(Some(logged.status));
        if !counts || logged.target.is_empty() {
            return Found::Skipped;
        }
        Found::Done(visit(Access { key: AccessKey::Text(logged.target), size: logged.bytes }))
    }

    fn object(&self, text: &[u8], visit: &mut impl FnMut(Access<'_>) -> ControlFlow<()>) -> Found {
        let Some(object) = json::parse(text, self.key.as_deref()) else { return Found::Malformed };
        let method = object.method.as_deref().filter(|_| self.key.is_none());
        if !method.is_none_or(|m| matches!(m, "GET" | "HEAD")) || !self.wants(object.status) {
            return Found::Skipped;
        }
        let key = match &object.key {
            Some(Said::Text(text)) => AccessKey::Text(text.as_bytes()),
            Some(Said::Number(number)) => AccessKey::Number(*number),
            None => return Found::Malformed,
        };
        Found::Done(visit(Access { key, size: object.size }))
    }

    fn wants(&self, status: Option<u16>) -> bool {
        match (&self.statuses, status) {
            (Some(statuses), Some(status)) => statuses.has(status),
            _ => true,
        }
    }
}

/// What became of a line.
enum Found {
    Done(ControlFlow<()>),
    Skipped,
    Malformed,
}

#[derive(Default)]
struct Lines {
    sound: u64,
    skipped: u64,
    malformed: u64,
    first: Vec<Malformed>,
}

/// How much is looked at to find the format out.
const HEAD: u64 = 1 << 16;
/// Longer lines are malformed.
const LONGEST: u64 = 1 << 16;
/// Malformed lines that are named.
const NAMED: usize = 3;

/// Refuses what was hardly meant to be read like this. `sound` lines are in the format.
fn plausible(
    summary: &TraceSummary,
    is_empty: bool,
    sound: u64,
    key: Option<&str>,
) -> Result<(), TraceError> {
    let TraceSummary { format, requests, skipped, malformed, .. } = summary;
    if *malformed <= sound && *requests > 0 {
        return Ok(());
    }
    let first = summary.first_malformed.first();
    let example = first.map_or(String::new(), |m| format!("; line {} is `{}`", m.line, m.text));
    Err(TraceError::content(if is_empty {
        "it is empty: record some requests first".to_owned()
    } else if *malformed > 0 {
        let remedy = match (format, key) {
            (TraceFormat::JsonLines, Some(key)) => {
                format!("look whether `{key}` is the field with the key")
            }
            (TraceFormat::JsonLines, None) => {
                format!("name the field with the key, which is none of {}", json::KEYS.join(", "))
            }
            _ => "name its format".to_owned(),
        };
        format!("{malformed} of its lines are not in the format `{format}`{example}: {remedy}")
    } else if *skipped > 0 {
        format!(
            "none of its {skipped} lines is a GET or HEAD with such a status: take another file or other statuses"
        )
    } else {
        "it holds no requests: take another file, or name its format".to_owned()
    }))
}

/// The beginning of a line, fit for a message.
fn shortened(text: &[u8]) -> String {
    const MOST: usize = 80;
    let mut said: String = String::from_utf8_lossy(&text[..text.len().min(4 * MOST)])
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(MOST)
        .collect();
    if text.len() > said.len() {
        said.push('…');
    }
    said
}

#[cfg(test)]
mod tests;
