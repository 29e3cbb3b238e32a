//! Which format a trace is in.

use super::{TraceFormat, access_log, binary, fields};

/// Looks at the name and at the beginning of the content; `whole` says that this is all of it.
pub(super) fn detect(name: &str, head: &[u8], whole: bool) -> TraceFormat {
    // Text may be of any alphabet, but it has no such characters.
    let strange = |byte: &u8| *byte < b' ' && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x1b);
    if head.iter().any(strange) {
        let long = head.len().is_multiple_of(8) && binary::is_long(head);
        return if long { TraceFormat::BeU64 } else { TraceFormat::BeU32 };
    }
    let end = if whole { head.len() } else { newline(head).unwrap_or(head.len()) };
    let lines: Vec<&[u8]> = head[..end]
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && *line != b"*")
        .take(LINES)
        .collect();
    let fit = |test: &dyn Fn(&[u8]) -> bool| {
        let fitting = lines.iter().filter(|line| test(line)).count();
        // A broken line or two do not hide what a file is.
        fitting > 0 && fitting * 5 >= lines.len() * 4
    };
    let count = |line: &[u8]| fields::words(line).filter(|w| fields::number(w).is_some()).count();
    if name_says_json(name) || fit(&|line| line.starts_with(b"{") && line.ends_with(b"}")) {
        TraceFormat::JsonLines
    } else if fit(&|line| access_log::parse(line).is_some()) {
        TraceFormat::AccessLog
    } else if fit(&|line| matches!(line[0], b'l' | b's') && fields::address(line).is_some()) {
        TraceFormat::Address
    } else if fit(&|line| fields::words(line).count() == 4 && count(line) == 4) {
        TraceFormat::Arc
    } else if fit(&|line| fields::words(line).count() == 3 && fields::sized(line).is_some()) {
        TraceFormat::Sized
    } else if fit(&|line| fields::number(line).is_some()) {
        TraceFormat::Lirs
    } else {
        TraceFormat::Keys
    }
}

/// Lines that are looked at.
const LINES: usize = 100;

fn newline(head: &[u8]) -> Option<usize> {
    head.iter().rposition(|byte| *byte == b'\n')
}

fn name_says_json(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let plain = [".gz", ".xz", ".zst"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(&name);
    plain.ends_with(".jsonl") || plain.ends_with(".ndjson")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_the_format() {
        let words = |n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes();
        // Not 90: two keys that always come together are one long key.
        let random: Vec<u8> = (0..400_u32).flat_map(|n| words(n % 91)).collect();
        let small: Vec<u8> = (0..400_u64).flat_map(|n| (n % 90).to_be_bytes()).collect();
        let wide: Vec<u8> =
            (0..400_u32).flat_map(|n| [words(n % 90), words(n % 90 + 1_000)].concat()).collect();
        let scan: Vec<u8> = (0..400_u32).flat_map(u32::to_be_bytes).collect();
        for (head, format) in [
            (&b"1 1 0 0\n2 4 0 1\n"[..], TraceFormat::Arc),
            (b"5\r\n*\r\n\r\n6\r\n", TraceFormat::Lirs),
            (b"5\nsix\n7\n8\n9\n10\n", TraceFormat::Lirs),
            (b"5\nsix\n", TraceFormat::Keys),
            (b"1.5 42 1000\n2 43 7\n", TraceFormat::Sized),
            (b"l 0x1fff 3\ns 0x10 1\n", TraceFormat::Address),
            (b"user:1\nuser:2 x\n", TraceFormat::Keys),
            ("ключ\n".as_bytes(), TraceFormat::Keys),
            (b"{\"key\":1}\n{\"key\":2}\n", TraceFormat::JsonLines),
            (b"h - - [t] \"GET / HTTP/1.1\" 200 1 \"-\" \"curl\"\n", TraceFormat::AccessLog),
            (b"", TraceFormat::Keys),
            (&random, TraceFormat::BeU32),
            (&scan, TraceFormat::BeU32),
            (&small, TraceFormat::BeU64),
            (&wide, TraceFormat::BeU64),
        ] {
            let shown = String::from_utf8_lossy(&head[..head.len().min(40)]).into_owned();
            assert_eq!(detect("trace", head, true), format, "{shown}");
        }
        assert_eq!(detect("log.jsonl.gz", b"?\n", true), TraceFormat::JsonLines);
    }

    #[test]
    fn a_line_cut_off_by_the_end_of_the_look_does_not_count() {
        assert_eq!(detect("t", b"1 2 3 4\n1 2", false), TraceFormat::Arc);
        assert_eq!(detect("t", b"1 2 3 4\n1 2", true), TraceFormat::Keys);
    }
}
