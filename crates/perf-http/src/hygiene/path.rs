//! Paths that climb out.

use super::Rejection;
use std::borrow::Cow;

/// Whether a path stays inside its root when its dot segments are resolved.
///
/// Looks through one level of percent-encoding, and takes a backslash for a slash, since what
/// stands behind may do either. A NUL byte is refused as well.
///
/// # Errors
///
/// [`Rejection::PathEscapes`].
pub fn check_path(path: &str) -> Result<(), Rejection> {
    let raw = path.as_bytes();
    // Without a dot there is no dot segment, and without `%` no hidden one.
    if !raw.iter().any(|b| matches!(b, b'.' | b'%' | 0)) {
        return Ok(());
    }
    let bytes = decoded(raw);
    let mut depth = 0_usize;
    for segment in bytes.split(|b| matches!(b, b'/' | b'\\')) {
        match segment {
            b"" | b"." => {}
            b".." if depth == 0 => return Err(escapes(path)),
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    if bytes.contains(&0) { Err(escapes(path)) } else { Ok(()) }
}

fn escapes(path: &str) -> Rejection {
    Rejection::PathEscapes { path: path.chars().take(80).collect() }
}

fn decoded(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'%') {
        return Cow::Borrowed(raw);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [first, tail @ ..] = rest {
        match rest {
            [b'%', high, low, tail @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for path in ["/", "", "/a/b.html", "/a/../b", "/a/./b/", "/a..b/..c", "/%41", "/%zz", "*"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in [
            "/..",
            "/../etc/passwd",
            "/a/../../b",
            "/%2e%2e/b",
            "/a/..%2f..%2fb",
            "/..\\b",
            "/..%5cb",
            "/a%00",
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

        #[test]
        fn depth_agrees_with_a_stack(segments in proptest::collection::vec("\\.{0,3}|a|%2[eE]", 0..8)) {
            let path = format!("/{}", segments.join("/"));
            let mut stack = Vec::new();
            let mut out = false;
            for segment in &segments {
                match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
                    "" | "." => {}
                    ".." => out |= stack.pop().is_none(),
                    _ => stack.push(()),
                }
            }
            proptest::prop_assert_eq!(check_path(&path).is_err(), out, "{}", path);
        }
    }
}
