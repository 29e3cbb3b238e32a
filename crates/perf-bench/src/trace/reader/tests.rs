use super::*;
use std::io::Write;

fn read(reader: &TraceReader, content: &[u8]) -> (Vec<String>, Result<TraceSummary, TraceError>) {
    let mut keys = Vec::new();
    let summary = reader.read(content, "", |access| {
        let key = match access.key {
            AccessKey::Number(number) => number.to_string(),
            AccessKey::Text(text) => String::from_utf8_lossy(text).into_owned(),
        };
        keys.push(access.size.map_or(key.clone(), |size| format!("{key}={size}")));
        ControlFlow::Continue(())
    });
    (keys, summary)
}

fn keys(content: &[u8]) -> Vec<String> {
    let (keys, summary) = read(&TraceReader::new(), content);
    assert_eq!(summary.unwrap().requests, keys.len() as u64);
    keys
}

fn problem(reader: &TraceReader, content: &[u8]) -> String {
    let error = read(reader, content).1.unwrap_err();
    assert!(error.is_content());
    error.to_string()
}

#[test]
fn every_format_is_found_out_and_read() {
    assert_eq!(keys(b"10 3 0 1\n7 1 0 2\n"), ["10", "11", "12", "7"]);
    assert_eq!(keys(b"5\r\n\r\n*\n6\n5"), ["5", "6", "5"]);
    assert_eq!(keys(&[0, 0, 1, 2, 0, 0, 0, 9]), ["258", "9"]);
    assert_eq!(keys(b"1.5 42 1000\n2 43 7\n"), ["42=1000", "43=7"]);
    assert_eq!(keys(b"l 0x1fff 3\ns 0x10 1\n"), ["8191", "16"]);
    assert_eq!(keys(b"a b\n \nc\n*\n"), ["a b", "c", "*"]);
    assert_eq!(keys(b"{\"path\":\"/\",\"bytes\":3}\n{\"path\":\"/b\"}\n"), ["/=3", "/b"]);
    let log = b"h - - [t] \"GET /a HTTP/1.1\" 200 1\nh - - [t] \"HEAD /b HTTP/1.1\" 200 -\n";
    assert_eq!(keys(log), ["/a=1", "/b"]);
    let long = TraceReader::new().format(TraceFormat::BeU64);
    assert_eq!(read(&long, &[0, 0, 0, 0, 0, 0, 1, 0]).0, ["256"]);
}

#[test]
fn only_reads_count_and_only_the_wanted_answers() {
    let log = b"h - - [t] \"GET /a HTTP/1.1\" 200 1\nh - - [t] \"POST /b HTTP/1.1\" 200 1\n\
        h - - [t] \"GET /c HTTP/1.1\" 404 1\nh - - [t] \"-\" 408 0\n";
    let reader = TraceReader::new().statuses("2xx".parse().unwrap());
    let (keys, summary) = read(&reader, log);
    assert_eq!((keys, summary.unwrap().skipped), (vec!["/a=1".to_owned()], 3));

    let json = b"{\"key\":1,\"method\":\"put\"}\n{\"key\":2,\"status\":500}\n{\"key\":3}\n";
    let (keys, summary) = read(&reader, json);
    assert_eq!((keys, summary.unwrap().skipped), (vec!["3".to_owned()], 2));
    // Who names the field knows what a request is.
    assert_eq!(read(&TraceReader::new().key("key"), json).0, ["1", "2", "3"]);
}

#[test]
fn malformed_lines_are_counted_and_the_first_are_named() {
    let mut content = b"1\n".repeat(90);
    for n in 0..5 {
        content.extend_from_slice(format!("what {n}?\n").as_bytes());
    }
    let (keys, summary) = read(&TraceReader::new(), &content);
    let summary = summary.unwrap();
    assert_eq!((keys.len(), summary.malformed, summary.format), (90, 5, TraceFormat::Lirs));
    let first: Vec<u64> = summary.first_malformed.iter().map(|m| m.line).collect();
    assert_eq!(first, [91, 92, 93]);
    assert_eq!(summary.first_malformed[0].text, "what 0?");
    let strict = problem(&TraceReader::new().strict(), &content);
    assert!(strict.contains("line 91 is `what 0?`"), "{strict}");
}

#[test]
fn what_is_hardly_meant_is_refused_with_a_remedy() {
    let forced = |format| TraceReader::new().format(format);
    for (reader, content, part) in [
        (TraceReader::new(), &b""[..], "is empty"),
        (TraceReader::new(), b"\n\n", "no requests"),
        (forced(TraceFormat::Arc), b"1 2 3 4\nx\ny\n", "line 2 is `x`: name its format"),
        (forced(TraceFormat::AccessLog), b"/a\n", "access log"),
        (TraceReader::new(), b"{\"colour\":1}\n", "name the field"),
        (TraceReader::new().key("k"), b"{\"colour\":1}\n", "`k` is the field"),
        (TraceReader::new(), b"h - - [t] \"PUT / HTTP/1.1\" 200 1\n", "GET or HEAD"),
        (forced(TraceFormat::BeU32), &[0, 0, 1], "key 1 is cut off"),
    ] {
        let problem = problem(&reader, content);
        assert!(problem.contains(part), "{part}: {problem}");
    }
}

#[test]
fn a_line_without_end_takes_no_memory() {
    let mut content = b"1\n2\n".to_vec();
    content.extend(std::iter::repeat_n(b'7', 3 << 16));
    content.extend_from_slice(b"\n3\n");
    let (keys, summary) = read(&TraceReader::new(), &content);
    let summary = summary.unwrap();
    assert_eq!((keys, summary.malformed), (vec!["1".into(), "2".into(), "3".into()], 1));
    assert!(summary.first_malformed[0].text.len() < 100);
}

#[test]
fn the_visitor_ends_it() {
    let mut seen = 0;
    let summary = TraceReader::new().read(&b"1 18446744073709551615 0 0\n"[..], "", |_| {
        seen += 1;
        if seen > 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((seen, summary.unwrap().requests), (6, 5));
}

#[test]
fn compressed_content_is_known_by_itself() {
    let plain = b"1\n2\n3\n";
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(plain).unwrap();
    let zst = zstd::encode_all(&plain[..], 1).unwrap();
    for content in [gz.finish().unwrap(), zst, XZ.to_vec()] {
        assert_eq!(keys(&content), ["1", "2", "3"]);
        // Cut in the middle it is no input, whatever it would have held.
        let (_, cut) = read(&TraceReader::new(), &content[..content.len() / 2]);
        assert!(!cut.unwrap_err().is_content());
    }
}

/// What `printf '1\n2\n3\n' | xz` writes.
#[rustfmt::skip]
const XZ: [u8; 64] = [
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01,
    0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x05, 0x31, 0x0a, 0x32, 0x0a, 0x33,
    0x0a, 0x00, 0x00, 0x00, 0xe3, 0xc1, 0xb1, 0x7e, 0x5b, 0xb8, 0x57, 0x4e, 0x00, 0x01, 0x1e, 0x06,
    0xc1, 0x2f, 0xa4, 0x1d, 0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
];
