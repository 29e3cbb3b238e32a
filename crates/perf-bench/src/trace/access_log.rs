//! The common and the combined log format.

use super::fields::number;

/// What a line of a log says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Logged<'a> {
    pub(super) method: &'a [u8],
    /// Empty where the request was none, as `-` or the bytes of a TLS handshake.
    pub(super) target: &'a [u8],
    pub(super) status: u16,
    pub(super) bytes: Option<u64>,
}

/// `host ident user [time] "METHOD target HTTP/1.1" status bytes`, and whatever else.
pub(super) fn parse(line: &[u8]) -> Option<Logged<'_>> {
    // Not the first bracket: a host may be an address of version 6.
    let time = line.windows(3).position(|part| part == b"] \"")?;
    let rest = &line[time + 3..];
    let mut escaped = false;
    let end = rest.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let mut after = super::fields::words(&rest[end + 1..]);
    let status = u16::try_from(number(after.next()?)?).ok()?;
    let bytes = match after.next()? {
        b"-" => None,
        digits => Some(number(digits)?),
    };
    let mut words = rest[..end].split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    Some(Logged { method, target, status, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(line: &str) -> Option<(&str, &str, u16, Option<u64>)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        parse(line.as_bytes()).map(|l| (text(l.method), text(l.target), l.status, l.bytes))
    }

    #[test]
    fn servers_write_it_in_many_ways() {
        for (line, expected) in [
            (
                r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
                ("GET", "/apache_pb.gif", 200, Some(2326)),
            ),
            (
                r#"[::1]:80 ::1 - - [10/Oct/2000:13:55:36 -0700] "HEAD /a?x=\"1\" HTTP/1.1" 304 - "http://r/" "Mozilla/5.0 [en] \"x\"""#,
                ("HEAD", r#"/a?x=\"1\""#, 304, None),
            ),
            (r#"h - - [t] "GET /old" 200 1"#, ("GET", "/old", 200, Some(1))),
            (r#"h - - [t] "-" 408 0"#, ("-", "", 408, Some(0))),
            (r#"h - - [t] "\x16\x03\x01" 400 150 "-" "-""#, (r"\x16\x03\x01", "", 400, Some(150))),
            (r#"h - - [t] "" 400 0"#, ("", "", 400, Some(0))),
        ] {
            assert_eq!(logged(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_log_is_refused() {
        for line in [
            "",
            "127.0.0.1",
            r#"h - - [t] "GET / HTTP/1.1" 200"#,
            r#"h - - [t] "GET / HTTP/1.1" OK 12"#,
            r#"h - - [t] "GET / HTTP/1.1 200 12"#,
            r#"h - - [t] "GET / HTTP/1.1" 200 12KB"#,
            r#"h - - [t] GET / HTTP/1.1 200 12"#,
        ] {
            assert_eq!(logged(line), None, "{line}");
        }
    }
}
