//! `Cache-Status` (RFC 9211).

use http::HeaderValue;
use std::time::Duration;

/// What this cache did for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Answered from memory.
    Hit,
    /// Answered from a tier beyond memory.
    HitBeyond(Place),
    /// Went on to the origin.
    Forward {
        why: Forward,
        /// What the origin said, where that is not what the client gets.
        origin: Option<u16>,
        stored: bool,
        /// Another request's fetch was used.
        collapsed: bool,
    },
}

/// A tier beyond memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine.
    Disk,
    /// A server that several processes share.
    Remote,
    /// At the edge of the network.
    Cdn,
}

impl Place {
    /// By the name of the tier.
    #[cfg(feature = "tiers")]
    pub(crate) fn of_tier(name: &str) -> Place {
        match name {
            "disk" => Place::Disk,
            "cdn" => Place::Cdn,
            _ => Place::Remote,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Place::Disk => "disk",
            Place::Remote => "remote",
            Place::Cdn => "cdn",
        }
    }
}

/// Why a request went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    /// There was nothing for this URL.
    Miss,
    /// There was, but not for these fields.
    VaryMiss,
    /// It was too old.
    Stale,
    /// The client asked for it.
    Request,
    /// The method is not one that caches answer.
    Method,
    /// Caching is off, or not for this request.
    Bypass,
}

impl Note {
    pub(crate) fn forwarded(why: Forward) -> Note {
        Note::Forward { why, origin: None, stored: false, collapsed: false }
    }

    pub(crate) fn collapsed(why: Forward) -> Note {
        Note::Forward { why, origin: None, stored: false, collapsed: true }
    }

    /// The value behind what caches upstream have written. `left` is what remains of the lifetime:
    /// seconds, negative where it is past.
    pub(crate) fn value(
        self,
        upstream: Option<&HeaderValue>,
        name: &str,
        left: Option<i64>,
    ) -> HeaderValue {
        let before = upstream.map(HeaderValue::as_bytes).unwrap_or_default();
        let mut text = Vec::with_capacity(before.len() + name.len() + 48);
        if !before.is_empty() {
            text.extend_from_slice(before);
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(name.as_bytes());
        match self {
            Note::Hit | Note::HitBeyond(_) => text.extend_from_slice(b"; hit"),
            Note::Forward { why, origin, stored, collapsed } => {
                text.extend_from_slice(b"; fwd=");
                text.extend_from_slice(why.word().as_bytes());
                if let Some(status) = origin {
                    text.extend_from_slice(b"; fwd-status=");
                    push_number(&mut text, status.into());
                }
                if stored {
                    text.extend_from_slice(b"; stored");
                }
                if collapsed {
                    text.extend_from_slice(b"; collapsed");
                }
            }
        }
        if let Some(left) = left {
            text.extend_from_slice(b"; ttl=");
            if left < 0 {
                text.push(b'-');
            }
            push_number(&mut text, left.unsigned_abs());
        }
        if let Note::HitBeyond(place) = self {
            text.extend_from_slice(b"; detail=");
            text.extend_from_slice(place.word().as_bytes());
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
            .unwrap_or_else(|_| HeaderValue::from_static("perfkit"))
    }
}

impl Forward {
    fn word(self) -> &'static str {
        match self {
            Forward::Miss => "miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Stale => "stale",
            Forward::Request => "request",
            Forward::Method => "method",
            Forward::Bypass => "bypass",
        }
    }
}

/// What remains of a lifetime, in whole seconds, so that it adds up with `Age`.
pub(crate) fn seconds_left(lifetime: Duration, age: Duration) -> i64 {
    let whole = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    whole(lifetime).saturating_sub(whole(age))
}

/// Without the formatting machinery, since every hit comes here.
fn push_number(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_the_standard_has_them() {
        let forward = |why, stored, origin| Note::Forward { why, origin, stored, collapsed: false };
        let cases = [
            (Note::Hit, Some(120), "perfkit; hit; ttl=120"),
            (Note::Hit, Some(-3), "perfkit; hit; ttl=-3"),
            (Note::HitBeyond(Place::Disk), Some(7), "perfkit; hit; ttl=7; detail=disk"),
            (Note::HitBeyond(Place::Remote), None, "perfkit; hit; detail=remote"),
            (forward(Forward::Miss, true, None), Some(60), "perfkit; fwd=miss; stored; ttl=60"),
            (forward(Forward::Bypass, false, None), None, "perfkit; fwd=bypass"),
            (Note::collapsed(Forward::Miss), Some(0), "perfkit; fwd=miss; collapsed; ttl=0"),
            (
                forward(Forward::Stale, true, Some(304)),
                None,
                "perfkit; fwd=stale; fwd-status=304; stored",
            ),
        ];
        for (note, left, wanted) in cases {
            assert_eq!(note.value(None, "perfkit", left), wanted);
        }
        let upstream = HeaderValue::from_static("edge; hit");
        let value = Note::Hit.value(Some(&upstream), "perfkit", None);
        assert_eq!(value, "edge; hit, perfkit; hit");
    }
}
