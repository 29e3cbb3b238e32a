//! The access log: one line an answer, in the combined format.

mod logged;

pub(super) use logged::LogLayer;

use http::request::Parts;
use http::{HeaderValue, Version, header};
use perf_core::{Counter, Observe, Signal};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};

/// Writes lines to a file on a thread of its own. Answers never wait for the disk: what the disk
/// cannot keep up with falls off and is counted.
#[derive(Debug)]
pub(super) struct AccessLog {
    lines: SyncSender<Message>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    written: Counter,
    dropped: Counter,
}

enum Message {
    Line(String),
    /// Everything before this is to be in the file; then the other end is dropped.
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// Appends to a file, which is made if it is not there.
    pub(super) fn open(path: &Path) -> io::Result<AccessLog> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (lines, queue) = sync_channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let seen = Arc::clone(&counts);
        std::thread::Builder::new()
            .name("perfkit-access-log".to_owned())
            .spawn(move || write(&queue, file, &seen))?;
        Ok(AccessLog { lines, counts })
    }

    fn append(&self, line: String) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.try_send(Message::Line(line))
        {
            self.counts.dropped.increment();
        }
    }

    /// Waits until what was appended is in the file, but not long. Blocks.
    pub(super) fn flush(&self) {
        let (done, end) = sync_channel(0);
        if self.lines.send(Message::Flush(done)).is_ok() {
            // Ends when the other side is dropped, which is what is waited for.
            let _ = end.recv_timeout(FLUSH);
        }
    }
}

impl Observe for AccessLog {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let since = perf_core::Instant::default();
        visit(
            Signal::counter("access_log_lines", self.counts.written.get(), since)
                .help("Lines written to the access log."),
        );
        visit(
            Signal::counter("access_log_dropped", self.counts.dropped.get(), since)
                .help("Lines that the access log lost, because the disk was too slow or full."),
        );
    }
}

/// Lines that may wait: some 2 MiB as they are, 26 MiB at their longest.
const QUEUE: usize = 4096;
/// The longest wait for the disk at the end.
const FLUSH: Duration = Duration::from_secs(2);

fn write(queue: &Receiver<Message>, file: File, counts: &Counts) {
    let mut file = BufWriter::with_capacity(1 << 16, file);
    let mut waiting = 0;
    let settle = |written: io::Result<()>, lines: u64| {
        let count = if written.is_ok() { &counts.written } else { &counts.dropped };
        count.add(lines);
    };
    while let Ok(first) = queue.recv() {
        let mut next = Ok(first);
        loop {
            match next {
                Ok(Message::Line(line)) => match file.write_all(line.as_bytes()) {
                    Ok(()) => waiting += 1,
                    failed => settle(failed, 1),
                },
                Ok(Message::Flush(_done)) => settle(file.flush(), std::mem::take(&mut waiting)),
                // Nothing comes at the moment: whoever looks at the file is to see it all.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                    settle(file.flush(), std::mem::take(&mut waiting));
                    break;
                }
            }
            next = queue.try_recv();
        }
    }
}

/// A line that is written when it is dropped, however the request ends.
#[derive(Debug)]
pub(super) struct Line {
    log: Arc<AccessLog>,
    head: String,
    tail: String,
    status: u16,
    bytes: u64,
}

impl Line {
    fn new(log: Arc<AccessLog>, peer: Option<SocketAddr>, parts: &Parts) -> Line {
        let mut head = peer.map_or_else(|| "-".to_owned(), |peer| peer.ip().to_string());
        let _ = write!(head, " - - [{}] \"", time(SystemTime::now()));
        quote(&mut head, parts.method.as_str().as_bytes(), 32);
        head.push(' ');
        quote(&mut head, parts.uri.to_string().as_bytes(), LONGEST_TARGET);
        head.push_str(if parts.version == Version::HTTP_10 {
            " HTTP/1.0\""
        } else {
            " HTTP/1.1\""
        });
        let mut tail = String::new();
        for name in [header::REFERER, header::USER_AGENT] {
            let value = parts.headers.get(name).map_or(&b"-"[..], HeaderValue::as_bytes);
            tail.push_str(" \"");
            quote(&mut tail, value, LONGEST_FIELD);
            tail.push('"');
        }
        Line { log, head, tail, status: GONE, bytes: 0 }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut self.head);
        let _ = write!(line, " {}", self.status);
        if self.bytes == 0 {
            line.push_str(" -");
        } else {
            let _ = write!(line, " {}", self.bytes);
        }
        line.push_str(&self.tail);
        line.push('\n');
        self.log.append(line);
    }
}

/// Who asked went before there was an answer. The number is nginx's.
const GONE: u16 = 499;
/// Longer ones are cut.
const LONGEST_TARGET: usize = 4096;
const LONGEST_FIELD: usize = 1024;

/// Appends bytes so that a line stays one and a quote stays inside.
fn quote(text: &mut String, bytes: &[u8], most: usize) {
    for &byte in bytes.iter().take(most) {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
}

/// `10/Oct/2000:13:55:36 +0000`.
///
/// Source: Hinnant, "chrono-compatible low-level date algorithms", 2013 (`civil_from_days`).
fn time(at: SystemTime) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    // Years begin in March here, so that the odd day is the last one.
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 2, 0) } else { (month - 10, 1) };
    format!(
        "{day:02}/{}/{:04}:{:02}:{:02}:{:02} +0000",
        MONTHS[month as usize % 12],
        era * 400 + year + later,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn at(seconds: u64) -> String {
        time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn times_are_civil() {
        assert_eq!(at(0), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(at(971_211_336), "10/Oct/2000:20:55:36 +0000");
        assert_eq!(at(1_709_208_000), "29/Feb/2024:12:00:00 +0000");
        assert_eq!(at(1_798_761_599), "31/Dec/2026:23:59:59 +0000");
    }

    #[test]
    fn lines_are_whole_and_stay_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = Arc::new(AccessLog::open(&path).unwrap());
        let request = Request::get("/a?b=c")
            .header("user-agent", b"caf\xe9 \"x\"".as_slice())
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let mut line = Line::new(Arc::clone(&log), Some("[::1]:80".parse().unwrap()), &parts);
        (line.status, line.bytes) = (200, 12);
        drop(line);
        drop(Line::new(Arc::clone(&log), None, &parts));
        log.flush();

        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("::1 - - ["), "{}", lines[0]);
        let end = r#"] "GET /a?b=c HTTP/1.1" 200 12 "-" "caf\xe9 \"x\"""#;
        assert!(lines[0].ends_with(end), "{}", lines[0]);
        assert!(lines[1].starts_with("- - - [") && lines[1].contains("\" 499 - \"-\""));
        assert_eq!((log.counts.written.get(), log.counts.dropped.get()), (2, 0));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let (lines, queue) = sync_channel(1);
        let log = AccessLog { lines, counts: Arc::default() };
        for _ in 0..3 {
            log.append("x\n".to_owned());
        }
        assert_eq!(log.counts.dropped.get(), 2);
        drop(queue);
        log.append("x\n".to_owned());
        log.flush();
        assert_eq!(log.counts.dropped.get(), 3);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_counted_too() {
        let log = AccessLog::open(Path::new("/dev/full")).unwrap();
        log.append("x\n".to_owned());
        log.flush();
        assert_eq!((log.counts.written.get(), log.counts.dropped.get()), (0, 1));
    }
}
