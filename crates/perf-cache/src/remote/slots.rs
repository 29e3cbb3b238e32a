//! Which slot a key is in, and which node has it.
//!
//! Source: the Redis cluster specification, "Key distribution model" and "Redirection and resharding".

use redis::{ServerError, Value};
use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};

/// Slots of a cluster.
pub(super) const SLOTS: u16 = 1 << 14;

/// The slot of a key: of what is between its first brace and the next that closes, if that is
/// anything, so that keys can be kept together.
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inside = &key[open + 1..];
        let close = inside.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &inside[..close])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| crc << 8 ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)])
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let mut crc = (at as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 15 == 1 { crc << 1 ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// For each slot the index of the node that has it.
pub(super) struct Slots(Box<[AtomicU16]>);

impl Slots {
    pub(super) fn new() -> Slots {
        Slots((0..SLOTS).map(|_| AtomicU16::new(NO_NODE)).collect())
    }

    // Relaxed: a node that has not got the slot any more says who has.
    pub(super) fn node(&self, slot: u16) -> Option<usize> {
        let node = self.0.get(usize::from(slot))?.load(Ordering::Relaxed);
        (node != NO_NODE).then_some(usize::from(node))
    }

    pub(super) fn set(&self, slot: u16, node: usize) {
        if let (Some(at), Ok(node)) = (self.0.get(usize::from(slot)), u16::try_from(node)) {
            at.store(node, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served = self.0.iter().filter(|node| node.load(Ordering::Relaxed) != NO_NODE).count();
        f.debug_struct("Slots").field("served", &served).finish()
    }
}

const NO_NODE: u16 = u16::MAX;

/// Slots that one node has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) node: Address,
}

/// The answer to `CLUSTER SLOTS` of the node at that address; `None` if it is none. A node that does
/// not know its own name is where it was asked; one whose name nobody knows is left out.
pub(super) fn ranges(answer: &Value, asked: &Address) -> Option<Vec<Range>> {
    let Value::Array(all) = answer else { return None };
    let mut ranges = Vec::with_capacity(all.len().min(usize::from(SLOTS)));
    for one in all {
        let Value::Array(parts) = one else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(node), ..] = &parts[..] else {
            return None;
        };
        let [name, Value::Int(port), ..] = &node[..] else { return None };
        let host = match name {
            Value::Nil => "",
            Value::BulkString(name) => std::str::from_utf8(name).ok()?,
            _ => return None,
        };
        if host == "?" {
            continue;
        }
        let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
        if first > last || last >= SLOTS {
            return None;
        }
        ranges.push(Range { first, last, node: address(host, u16::try_from(*port).ok()?, asked) });
    }
    Some(ranges)
}

fn address(host: &str, port: u16, asked: &Address) -> Address {
    let host = if host.is_empty() { &asked.host } else { host };
    Address { host: host.to_owned(), port }
}

/// Where a node says that something is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) slot: u16,
    pub(super) to: Address,
    /// Only this once: the slot is being moved there.
    pub(super) is_ask: bool,
}

/// What an answer that is an error says, of the node at that address, if it says where else to ask.
pub(super) fn redirect(error: &ServerError, asked: &Address) -> Option<Redirect> {
    let is_ask = match error.code() {
        "ASK" => true,
        "MOVED" => false,
        _ => return None,
    };
    let (slot, to) = error.details()?.split_once(' ')?;
    // Addresses of version 6 have colons too.
    let (host, port) = to.split_once(' ').map_or(to, |(to, _)| to).rsplit_once(':')?;
    let slot = slot.parse().ok().filter(|slot| *slot < SLOTS)?;
    Some(Redirect { slot, to: address(host, port.parse().ok()?, asked), is_ask })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn parsed(line: &str) -> Option<Redirect> {
        let answer = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        let Value::ServerError(error) = answer else { panic!("{answer:?}") };
        redirect(&error, &at("asked", 1))
    }

    #[test]
    fn keys_have_the_slots_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b""), 0);
        let same = [
            ("{user1000}.following", "user1000"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("}{a}", "a"),
        ];
        for (key, tag) in same {
            assert_eq!(slot_of(key.as_bytes()), slot_of(tag.as_bytes()), "{key}");
        }
        for whole in ["foo{}{bar}", "foo{bar", "foo}bar"] {
            assert_eq!(slot_of(whole.as_bytes()), crc16(whole.as_bytes()) % SLOTS, "{whole}");
        }
    }

    #[test]
    fn a_map_names_nodes_and_leaves_out_those_without_a_name() {
        let node = |name: Value, port| Value::Array(vec![name, Value::Int(port), text("id")]);
        let range = |first, last, node| {
            Value::Array(vec![Value::Int(first), Value::Int(last), node, text("a replica")])
        };
        let answer = Value::Array(vec![
            range(0, 99, node(text("a"), 7_000)),
            range(100, 100, node(text(""), 7_001)),
            range(200, 16_383, node(Value::Nil, 7_002)),
            range(101, 102, node(text("?"), 7_003)),
        ]);
        let found = ranges(&answer, &at("asked", 1)).unwrap();
        let expected =
            [(0, 99, "a", 7_000), (100, 100, "asked", 7_001), (200, 16_383, "asked", 7_002)]
                .map(|(first, last, host, port)| Range { first, last, node: at(host, port) });
        assert_eq!(found, expected);

        let bad = [
            Value::Nil,
            text("map"),
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![Value::Array(Vec::new())]),
            Value::Array(vec![range(0, 16_384, node(text("a"), 1))]),
            Value::Array(vec![range(5, 4, node(text("a"), 1))]),
            Value::Array(vec![range(-1, 4, node(text("a"), 1))]),
            Value::Array(vec![range(0, 4, node(text("a"), 65_536))]),
            Value::Array(vec![range(0, 4, node(Value::Int(1), 1))]),
            Value::Array(vec![range(0, 4, Value::Array(Vec::new()))]),
            Value::Array(vec![range(0, 4, node(Value::BulkString(vec![0xff]), 1))]),
        ];
        for answer in bad {
            assert_eq!(ranges(&answer, &at("asked", 1)), None, "{answer:?}");
        }
    }

    #[test]
    fn redirections_say_where_and_whether_for_good() {
        let to =
            |slot, host: &str, port, is_ask| Some(Redirect { slot, to: at(host, port), is_ask });
        assert_eq!(parsed("MOVED 3999 127.0.0.1:6381"), to(3_999, "127.0.0.1", 6_381, false));
        assert_eq!(parsed("ASK 0 node.internal:6381"), to(0, "node.internal", 6_381, true));
        assert_eq!(parsed("MOVED 16383 :6381"), to(16_383, "asked", 6_381, false));
        assert_eq!(parsed("MOVED 1 2001:db8::1:6381"), to(1, "2001:db8::1", 6_381, false));
        for other in [
            "MOVED",
            "MOVED 1",
            "MOVED 16384 a:1",
            "MOVED x a:1",
            "ASK 1 a",
            "ASK 1 a:65536",
            "TRYAGAIN 1 a:1",
            "CLUSTERDOWN The cluster is down",
        ] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }

    #[test]
    fn slots_belong_to_nobody_until_they_are_given() {
        let slots = Slots::new();
        assert_eq!((slots.node(0), slots.node(SLOTS)), (None, None));
        slots.set(0, 7);
        slots.set(SLOTS, 7);
        slots.set(1, usize::MAX);
        assert_eq!((slots.node(0), slots.node(1)), (Some(7), None));
    }
}
