//! Changes as the server keeps them, and what follows from them.
//!
//! Each has the number after that of the one before, and names the nonce of the one before: so it
//! shows whether one is missing, and whether the server goes on from another past than was known, as
//! a replica may that takes the place of a server it was behind of.

use crate::tiered::{Changed, Scope, Since, Standing};
use perf_core::Glob;
use redis::Value;

/// How far the changes were taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Zero: nothing is known.
    pub(super) epoch: u64,
    pub(super) number: u64,
    /// Of the last change.
    pub(super) nonce: u64,
    /// Values of a lower number are dead.
    pub(super) floor: u64,
}

impl Place {
    pub(super) const fn since(self) -> Since {
        Since { epoch: self.epoch, number: self.number }
    }
}

/// What the server said of its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) epoch: u64,
    pub(super) number: u64,
    pub(super) nonce: u64,
}

impl Told {
    /// The fields that say it.
    pub(super) const FIELDS: [&[u8]; 3] = [b"e", b"n", b"x"];

    /// `Some(None)` where the server has lost it, `None` if that is no answer.
    pub(super) fn read(fields: &Value) -> Option<Option<Told>> {
        let Value::Array(fields) = fields else { return None };
        match &fields[..] {
            [Value::Nil, ..] if fields.len() == 3 => Some(None),
            [epoch, number, nonce] => {
                let (epoch, nonce) = (fixed(epoch)?, fixed(nonce)?);
                Some(Some(Told { epoch, number: decimal(number)?, nonce }))
            }
            _ => None,
        }
    }
}

/// A change.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) number: u64,
    /// The nonce of the one before.
    after: u64,
    /// Whose it is.
    pub(super) node: u64,
    pub(super) nonce: u64,
    /// `None`: it cannot be read, be it of a later version.
    pub(super) what: Option<Changed>,
}

/// Why changes do not follow from what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// Some are missing.
    Gap,
    /// They are of another past.
    Forked,
}

/// Those of the entries that follow, in order, without those that are known.
pub(super) fn following(place: Place, entries: Vec<Entry>) -> Result<Vec<Entry>, Break> {
    let (mut number, mut nonce) = (place.number, place.nonce);
    let mut fresh = Vec::with_capacity(entries.len());
    for entry in entries {
        if entry.number < number {
            continue;
        }
        if entry.number == number {
            if entry.nonce != nonce {
                return Err(Break::Forked);
            }
            continue;
        }
        if entry.number > number + 1 || entry.what.is_none() {
            return Err(Break::Gap);
        }
        if entry.after != nonce {
            return Err(Break::Forked);
        }
        (number, nonce) = (entry.number, entry.nonce);
        fresh.push(entry);
    }
    Ok(fresh)
}

/// What is sent of a change: whose it is, its nonce, its kind, its bytes. The server puts the nonce
/// of the one before in front.
pub(super) fn written(node: u64, nonce: u64, what: Kind, bytes: &[u8]) -> Vec<u8> {
    [&node.to_le_bytes()[..], &nonce.to_le_bytes(), &[what as u8], bytes].concat()
}

/// What a change is about, as one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Key = b'k',
    Tag = b't',
    Dependencies = b'd',
    Namespace = b's',
    Pattern = b'g',
    All = b'a',
}

/// A scope as a letter and its name.
pub(super) fn named(scope: &Scope) -> (Kind, &str) {
    match scope {
        Scope::Tag(name) => (Kind::Tag, name),
        Scope::Dependencies(name) => (Kind::Dependencies, name),
        Scope::Namespace(name) => (Kind::Namespace, name),
        Scope::Pattern(glob) => (Kind::Pattern, glob.as_str()),
        Scope::All => (Kind::All, ""),
    }
}

fn changed(kind: u8, bytes: &[u8]) -> Option<Changed> {
    if kind == Kind::Key as u8 {
        return Some(Changed::Key(bytes.to_vec()));
    }
    scope(kind, bytes).map(Changed::Scope)
}

fn scope(kind: u8, name: &[u8]) -> Option<Scope> {
    let name = std::str::from_utf8(name).ok()?;
    match kind {
        b't' => Some(Scope::Tag(name.into())),
        b'd' => Some(Scope::Dependencies(name.into())),
        b's' => Some(Scope::Namespace(name.into())),
        b'g' => Some(Scope::Pattern(Glob::new(name).ok()?)),
        b'a' => Some(Scope::All),
        _ => None,
    }
}

/// Entries of `XRANGE`; `None` if that is no answer.
pub(super) fn entries(answer: Value) -> Option<Vec<Entry>> {
    let Value::Array(all) = answer else { return None };
    all.iter().map(entry).collect()
}

/// Entries of `XREAD` for one stream, in either protocol.
pub(super) fn entries_of_one(answer: Value) -> Option<Vec<Entry>> {
    match answer {
        Value::Nil => Some(Vec::new()),
        Value::Array(mut streams) => match streams.pop()? {
            Value::Array(mut stream) => entries(stream.pop()?),
            _ => None,
        },
        Value::Map(mut streams) => entries(streams.pop()?.1),
        _ => None,
    }
}

fn entry(value: &Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let [Value::BulkString(id), Value::Array(fields)] = &parts[..] else { return None };
    let number = std::str::from_utf8(id).ok()?.strip_suffix("-0")?.parse().ok()?;
    let [_, Value::BulkString(bytes)] = &fields[..] else { return None };
    let (after, rest) = bytes.split_first_chunk()?;
    let (node, rest) = rest.split_first_chunk()?;
    let (nonce, rest) = rest.split_first_chunk()?;
    let (kind, name) = rest.split_first()?;
    Some(Entry {
        number,
        after: u64::from_le_bytes(*after),
        node: u64::from_le_bytes(*node),
        nonce: u64::from_le_bytes(*nonce),
        what: changed(*kind, name),
    })
}

/// The whole state, field by field; `None` if that is no answer. A scope that cannot be read, be it
/// of a later version, is one of everything.
pub(super) fn standing(answer: Value) -> Option<(Place, Standing)> {
    let Value::Array(fields) = answer else { return None };
    let mut place = Place::default();
    let mut scopes = Vec::new();
    for pair in fields.chunks_exact(2) {
        let Value::BulkString(name) = &pair[0] else { return None };
        match &name[..] {
            b"e" => place.epoch = fixed(&pair[1])?,
            b"n" => place.number = decimal(&pair[1])?,
            b"x" => place.nonce = fixed(&pair[1])?,
            b"f" => place.floor = place.floor.max(decimal(&pair[1])?),
            [kind, b':', name @ ..] => {
                let number = decimal(&pair[1])?;
                match scope(*kind, name) {
                    Some(scope) => scopes.push((number, scope)),
                    None => place.floor = place.floor.max(number),
                }
            }
            _ => {}
        }
    }
    let standing = Standing::new(place.since(), place.floor, scopes);
    (place.epoch != 0).then_some((place, standing))
}

/// A number as eight bytes.
pub(super) fn fixed(value: &Value) -> Option<u64> {
    let Value::BulkString(bytes) = value else { return None };
    Some(u64::from_le_bytes(*bytes.as_array()?))
}

pub(super) fn decimal(value: &Value) -> Option<u64> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(bytes: impl AsRef<[u8]>) -> Value {
        Value::BulkString(bytes.as_ref().to_vec())
    }

    fn on_server(number: u64, after: u64, nonce: u64, kind: Kind, name: &str) -> Value {
        let written = written(9, nonce, kind, name.as_bytes());
        let bytes = [&after.to_le_bytes()[..], &written].concat();
        let fields = Value::Array(vec![bulk("c"), bulk(bytes)]);
        Value::Array(vec![bulk(format!("{number}-0")), fields])
    }

    fn tags(all: &[(u64, u64, u64)]) -> Vec<Entry> {
        let on_server = |(number, after, nonce): &(u64, u64, u64)| {
            on_server(*number, *after, *nonce, Kind::Tag, "t")
        };
        entries(Value::Array(all.iter().map(on_server).collect())).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let scopes = [
            Scope::Tag("a".into()),
            Scope::Dependencies("".into()),
            Scope::Namespace("users".into()),
            Scope::Pattern(Glob::new("a*").unwrap()),
            Scope::All,
        ];
        for scope in scopes {
            let (kind, name) = named(&scope);
            let answer = Value::Array(vec![on_server(3, 1, 2, kind, name)]);
            let stream = Value::Array(vec![bulk("j"), answer.clone()]);
            let in_map = Value::Map(vec![(bulk("j"), answer.clone())]);
            let what = Some(Changed::Scope(scope.clone()));
            let expected = [Entry { number: 3, after: 1, node: 9, nonce: 2, what }];
            assert_eq!(entries(answer).unwrap(), expected);
            assert_eq!(entries_of_one(Value::Array(vec![stream])).unwrap(), expected);
            assert_eq!(entries_of_one(in_map).unwrap(), expected);
        }
        assert_eq!(entries_of_one(Value::Nil).unwrap(), []);
    }

    #[test]
    fn what_follows_is_taken_and_what_does_not_is_told_apart() {
        let place = Place { epoch: 1, number: 5, nonce: 50, floor: 0 };
        let numbers = |entries| {
            following(place, entries).map(|all| all.iter().map(|e| e.number).collect::<Vec<_>>())
        };
        let following = tags(&[(4, 0, 40), (5, 40, 50), (6, 50, 60), (7, 60, 70)]);
        assert_eq!(numbers(following), Ok(vec![6, 7]));
        assert_eq!(numbers(Vec::new()), Ok(Vec::new()));
        assert_eq!(numbers(tags(&[(7, 60, 70)])), Err(Break::Gap));
        assert_eq!(numbers(tags(&[(6, 50, 60), (8, 70, 80)])), Err(Break::Gap));
        assert_eq!(numbers(tags(&[(5, 40, 51)])), Err(Break::Forked));
        assert_eq!(numbers(tags(&[(6, 51, 60)])), Err(Break::Forked));
        let mut later = tags(&[(6, 50, 60)]);
        later[0].what = None;
        assert_eq!(numbers(later), Err(Break::Gap));
    }

    #[test]
    fn answers_that_make_no_sense_are_none() {
        for nonsense in [Value::Int(1), Value::Okay, Value::Array(vec![Value::Nil])] {
            assert_eq!(entries(nonsense.clone()), None);
            assert_eq!(entries_of_one(nonsense.clone()), None);
            assert_eq!(Told::read(&nonsense), None);
            assert!(standing(nonsense).is_none());
        }
        let short = Value::Array(vec![bulk("1-0"), Value::Array(vec![bulk("c"), bulk("short")])]);
        assert_eq!(entries(Value::Array(vec![short])), None);
        assert!(standing(Value::Array(vec![bulk("n"), bulk("5")])).is_none(), "no epoch");
        assert_eq!(Told::read(&Value::Array(vec![Value::Nil; 3])), Some(None));
    }

    #[test]
    fn of_a_state_what_is_not_known_raises_the_floor() {
        let fields = [
            ("e", bulk(7_u64.to_le_bytes())),
            ("n", bulk("30")),
            ("x", bulk(9_u64.to_le_bytes())),
            ("f", bulk("5")),
            ("c", bulk("1")),
            ("t:a", bulk("12")),
            ("z:later", bulk("20")),
        ];
        let flat = fields.into_iter().flat_map(|(name, value)| [bulk(name), value]).collect();
        let (place, standing) = standing(Value::Array(flat)).unwrap();
        assert_eq!(place, Place { epoch: 7, number: 30, nonce: 9, floor: 20 });
        assert_eq!((standing.since, standing.floor), (place.since(), 20));
        assert_eq!(standing.scopes, [(12, Scope::Tag("a".into()))]);
    }
}
