//! `Accept-Encoding` (RFC 9110 section 12.5.3).

use super::Coding;
use http::{HeaderMap, header};

/// The coding to send, out of those `offered` best first; `None` is identity.
///
/// The highest q-value wins, ties go to the order of the offer, and any acceptable coding goes
/// before an identity that was not asked for. When nothing is acceptable, identity is sent: a
/// client can do more with it than with a 406.
pub(crate) fn choose(headers: &HeaderMap, offered: &[Coding]) -> Option<Coding> {
    if offered.is_empty() {
        return None;
    }
    let accepted = Accepted::of(headers);
    let mut best: Option<(Coding, u16)> = None;
    for &coding in offered {
        let quality = accepted.quality(coding);
        if quality > best.map_or(0, |(_, q)| q) {
            best = Some((coding, quality));
        }
    }
    // Identity counts as wanted only if it is named; `*` speaks of codings first.
    best.filter(|(_, quality)| accepted.identity.is_none_or(|own| own <= *quality)).map(|(c, _)| c)
}

/// Whether a client that sent these headers can read an answer in `coding`.
pub(crate) fn accepts(headers: &HeaderMap, coding: Coding) -> bool {
    Accepted::of(headers).quality(coding) > 0
}

/// Qualities in thousandths.
#[derive(Default)]
struct Accepted {
    codings: [Option<u16>; 3],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Accepted {
    fn of(headers: &HeaderMap) -> Accepted {
        let mut accepted = Accepted::default();
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            for element in value.as_bytes().split(|&b| b == b',') {
                accepted.take(element);
            }
        }
        accepted
    }

    fn take(&mut self, element: &[u8]) {
        let mut parts = element.split(|&b| b == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let mut quality = 1000;
        for part in parts {
            let part = part.trim_ascii();
            if let Some(text) = part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")) {
                quality = thousandths(text);
            }
        }
        let place = if name == b"*" {
            &mut self.any
        } else if name.eq_ignore_ascii_case(b"identity") {
            &mut self.identity
        } else if let Some(coding) = Coding::from_name(name) {
            &mut self.codings[coding as usize]
        } else {
            return;
        };
        *place = Some(quality);
    }

    fn quality(&self, coding: Coding) -> u16 {
        self.codings[coding as usize].or(self.any).unwrap_or(0)
    }
}

/// `0`, `0.5`, `1.000`; what is no such number counts as zero: not wanted.
fn thousandths(text: &[u8]) -> u16 {
    let mut bytes = text.trim_ascii().iter();
    let whole = match bytes.next() {
        Some(b'0') => 0,
        Some(b'1') => 1000,
        _ => return 0,
    };
    match bytes.next() {
        None => return whole,
        Some(b'.') => {}
        Some(_) => return 0,
    }
    let mut sum = whole;
    let mut scale = 100;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return 0;
        }
        sum += u16::from(byte - b'0') * scale;
        scale /= 10;
    }
    sum.min(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const OFFER: [Coding; 3] = [Coding::Br, Coding::Zstd, Coding::Gzip];

    fn chosen(line: &str) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, line.parse().unwrap());
        choose(&headers, &OFFER)
    }

    #[test]
    fn qualities_go_before_our_order() {
        let cases = [
            ("gzip, deflate, br, zstd", Some(Coding::Br)),
            ("gzip, deflate, zstd", Some(Coding::Zstd)),
            ("gzip;q=1.0, br;q=0.5", Some(Coding::Gzip)),
            ("X-GZIP", Some(Coding::Gzip)),
            ("br;q=0, *", Some(Coding::Zstd)),
            ("*", Some(Coding::Br)),
            ("*;q=0", None),
            ("identity;q=0", None),
            ("identity;q=0, gzip;q=0.001", Some(Coding::Gzip)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Coding::Gzip)),
            ("deflate", None),
            ("", None),
            ("br;q=2", None),
            ("br;q=0.000", None),
            ("br;q=x, gzip", Some(Coding::Gzip)),
            ("gzip;Q=0.7;level=9 , br ; q=0.8", Some(Coding::Br)),
        ];
        for (line, coding) in cases {
            assert_eq!(chosen(line), coding, "{line}");
        }
        assert_eq!(choose(&HeaderMap::new(), &OFFER), None);
        assert!(!accepts(&HeaderMap::new(), Coding::Gzip));
    }

    #[test]
    fn lines_add_up() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static("br;q=0.9"));
        assert_eq!(choose(&headers, &OFFER), Some(Coding::Gzip));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

        #[test]
        fn any_bytes_are_read(line in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let mut headers = HeaderMap::new();
                headers.insert(header::ACCEPT_ENCODING, value);
                if let Some(coding) = choose(&headers, &OFFER) {
                    proptest::prop_assert!(accepts(&headers, coding));
                }
            }
        }
    }
}
