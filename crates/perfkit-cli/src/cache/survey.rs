//! `perfkit cache inspect` and `perfkit cache verify`: what is in the directory of a disk store.

use super::arguments::{InspectArguments, VerifyArguments};
use crate::failure::Failure;
use crate::output::{self, many};
use crate::stores::StoreKind;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perf_cache::disk::{DiskError, DiskStore, LogStore, LogSurvey, PutTerms, Stored};
use perf_core::ByteSize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) fn inspect(arguments: &InspectArguments) -> Result<(), Failure> {
    let (survey, now) = survey(&arguments.directory, arguments.limit)?;
    let text = if arguments.json {
        format!("{}\n", inspected(&survey, kind_of(&arguments.directory)))
    } else {
        described(&survey, now, &arguments.directory)
    };
    output::print(&text)
}

pub(super) fn verify(arguments: &VerifyArguments) -> Result<ExitCode, Failure> {
    let (survey, _) = survey(&arguments.directory, 0)?;
    let clean = survey.damaged == 0;
    let text = if arguments.json {
        let verdict = json!({
            "store": kind_of(&arguments.directory).name(),
            "clean": clean,
            "records": survey.records,
            "damaged": survey.damaged,
            "damaged_bytes": survey.damaged_bytes,
            "cut_bytes": survey.cut_bytes,
            "entries": survey.entries,
            "file_bytes": survey.file_bytes,
            "segments": survey.segments,
            "clean_shutdown": survey.clean_shutdown,
        });
        format!("{verdict}\n")
    } else {
        judged(&survey, &arguments.directory)
    };
    output::print(&text)?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Reads the directory and says what is in it, and when that was.
fn survey(directory: &Path, most: usize) -> Result<(LogSurvey, u64), Failure> {
    if !directory.is_dir() {
        return Err(Failure::usage(format!(
            "{} is no directory: name the one of `perfkit serve --cache-disk`",
            directory.display()
        )));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let bar = std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{bar:20} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    });
    let mut progress = |read, total| {
        if let Some(bar) = &bar {
            bar.set_length(total);
            bar.set_position(read);
        }
    };
    let surveyed = match kind_of(directory) {
        StoreKind::Log => LogStore::survey(directory, now, most, &mut progress),
        kind => {
            // Without a bound to speak of: nothing is to leave.
            let store = kind.open(directory, ByteSize::gib(1 << 20))?;
            survey_open(&*store, most, &mut progress)
        }
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let survey = surveyed.map_err(|error| Failure::from_error(&error).into_usage())?;
    Ok((survey, now))
}

/// Which store the files are of.
fn kind_of(directory: &Path) -> StoreKind {
    StoreKind::found_in(directory).next().unwrap_or(StoreKind::Log)
}

/// A value by its length, with its key, its end and when it was put.
type Large = (u32, Box<[u8]>, u64, u64);

/// Reads every value of a store over SQLite or RocksDB. If its files are damaged, opening it has put
/// them aside, as it does for whoever opens it.
fn survey_open(
    store: &dyn DiskStore,
    most: usize,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<LogSurvey, DiskError> {
    let (opened, usage) = (store.open_report(), store.usage());
    let mut survey = LogSurvey::default();
    survey.clean_shutdown = opened.clean_shutdown;
    survey.damaged = u64::from(opened.corrupt_bytes > 0);
    survey.damaged_bytes = opened.corrupt_bytes;
    (survey.pinned, survey.file_bytes, survey.segments) = (usage.pinned, usage.file_bytes, 1);
    let mut largest = BinaryHeap::<Reverse<Large>>::new();
    let (mut read, mut value, mut failed) = (0, Vec::new(), None);
    store.for_each(&mut |key, stored| {
        progress(read, usage.file_bytes);
        value.clear();
        match store.get(key, &mut value) {
            Ok(Some(stored)) => {
                read += u64::from(stored.len) + key.len() as u64;
                survey.entries += 1;
                survey.live_bytes += u64::from(stored.len) + key.len() as u64;
            }
            // It has ended, or is damaged, which is counted.
            Ok(None) => return ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        survey.records += 1;
        let (oldest, newest) = survey.written.unwrap_or((u64::MAX, 0));
        survey.written = Some((oldest.min(stored.written_at), newest.max(stored.written_at)));
        largest.push(Reverse((stored.len, key.into(), stored.expires_at, stored.written_at)));
        if largest.len() > most {
            largest.pop();
        }
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let usage = store.usage();
    survey.damaged += usage.corrupt;
    survey.expired = usage.expired + opened.dropped;
    store.close()?;
    let entry =
        |Reverse((len, key, expires_at, written_at))| (key, Stored { expires_at, written_at, len });
    survey.largest = largest.into_sorted_vec().into_iter().map(entry).collect();
    Ok(survey)
}

fn inspected(survey: &LogSurvey, kind: StoreKind) -> Value {
    let (oldest, newest) = survey.written.unzip();
    let largest = |(key, stored): &(Box<[u8]>, Stored)| {
        json!({
            "key": named(key),
            "bytes": stored.len,
            "written_at": stored.written_at,
            "expires_at": (stored.expires_at != PutTerms::NEVER).then_some(stored.expires_at),
        })
    };
    json!({
        "store": kind.name(),
        "entries": survey.entries,
        "pinned": survey.pinned,
        "expired": survey.expired,
        "live_bytes": survey.live_bytes,
        "file_bytes": survey.file_bytes,
        "segments": survey.segments,
        "records": survey.records,
        "damaged": survey.damaged,
        "cut_bytes": survey.cut_bytes,
        "oldest_written_at": oldest,
        "newest_written_at": newest,
        "clean_shutdown": survey.clean_shutdown,
        "largest": survey.largest.iter().map(largest).collect::<Vec<_>>(),
    })
}

fn described(survey: &LogSurvey, now: u64, directory: &Path) -> String {
    let bytes = ByteSize::from_bytes;
    let mut text = format!("{}: a store of kind {}", directory.display(), kind_of(directory));
    text.push_str(match survey.clean_shutdown {
        true => ", closed\n",
        false => ", not closed: its process was killed\n",
    });
    let mut line = |title: &str, value: String| {
        let _ = writeln!(text, "  {title:<12} {value}");
    };
    let pinned = match survey.pinned {
        0 => String::new(),
        pinned => format!(", of which {pinned} are records of invalidations"),
    };
    line("entries", format!("{}{pinned}", survey.entries));
    line("live", bytes(survey.live_bytes).to_string());
    let segments = many(survey.segments, "segment", "segments");
    line("files", format!("{} in {segments}", bytes(survey.file_bytes)));
    line("expired", survey.expired.to_string());
    if let Some((oldest, newest)) = survey.written {
        line("oldest", format!("{} ago", span(now.saturating_sub(oldest))));
        line("newest", format!("{} ago", span(now.saturating_sub(newest))));
    }
    if survey.damaged > 0 {
        let records = many(survey.damaged, "record", "records");
        line("damaged", format!("{records}, {}", bytes(survey.damaged_bytes)));
    }
    if !survey.largest.is_empty() {
        // Longer than they are fresh: for as long as the origin can be asked about them.
        text.push_str("\n       bytes    kept for  key\n");
    }
    for (key, stored) in &survey.largest {
        let left = match stored.expires_at {
            PutTerms::NEVER => "never".to_owned(),
            at => span(at.saturating_sub(now)),
        };
        let _ = writeln!(text, "{:>12}  {left:>10}  {}", stored.len, named(key));
    }
    text
}

fn judged(survey: &LogSurvey, directory: &Path) -> String {
    let bytes = ByteSize::from_bytes;
    let mut text = format!(
        "{}: {} in {}, {} read\n",
        directory.display(),
        many(survey.records, "record", "records"),
        many(survey.segments, "segment", "segments"),
        bytes(survey.file_bytes)
    );
    if survey.cut_bytes > 0 {
        let _ = writeln!(
            text,
            "{} at the end were cut off when the process was killed",
            bytes(survey.cut_bytes)
        );
    }
    let _ = match survey.damaged {
        0 => writeln!(text, "clean: {} can be read", many(survey.entries, "entry", "entries")),
        damaged => writeln!(
            text,
            "damaged: {} in {} not as written; nothing of it will be answered",
            many(damaged, "record", "records"),
            bytes(survey.damaged_bytes)
        ),
    };
    text
}

/// A key as it is shown. Of an answer, that is its host, path and query.
fn named(key: &[u8]) -> String {
    let name = key.strip_prefix(&[1]).and_then(text).and_then(|(_, rest)| text(rest));
    match (name, key.first()) {
        (Some((name, [])), _) => shown(name),
        (_, Some(0)) => "(record of invalidations)".to_owned(),
        _ => shown(key),
    }
}

/// A text behind its length, seven bits a byte, and what follows.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut rest, mut len) = (bytes, 0_usize);
    for shift in (0..35).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        len |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return rest.split_at_checked(len);
        }
    }
    None
}

/// What cannot be read is escaped.
fn shown(key: &[u8]) -> String {
    key.utf8_chunks().fold(String::new(), |mut text, chunk| {
        for c in chunk.valid().chars() {
            if c.is_control() { text.extend(c.escape_default()) } else { text.push(c) }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
        text
    })
}

/// A time in its two largest units.
fn span(millis: u64) -> String {
    let seconds = Duration::from_millis(millis).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_times_can_be_read() {
        assert_eq!(shown(b"example.org/\xc3\xa9"), "example.org/\u{e9}");
        assert_eq!(shown(b"\0a\xff\n"), "\\u{0}a\\xff\\n");
        assert_eq!(named(b"\x01\x09responses\x03h/a"), "h/a");
        assert_eq!(named(b"\x01\x09responses\x03h/ab"), "\\u{1}\\tresponses\\u{3}h/ab");
        let long = [&[1, 0, 0x81, 1][..], &[b'a'; 129]].concat();
        assert_eq!(named(&long), "a".repeat(129));
        for (seconds, text) in [(59, "59s"), (61, "1m01s"), (3_660, "1h01m"), (90_000, "1d01h")] {
            assert_eq!(span(seconds * 1_000), text);
        }
    }
}
