//! Objects of JSON, one a line.

use serde_json::Value;

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Text(String),
    Number(u64),
}

/// What a line was found to hold.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) key: Option<Said>,
    pub(super) size: Option<u64>,
    /// Upper case, where there is one.
    pub(super) method: Option<String>,
    pub(super) status: Option<u16>,
}

/// Where a key stands if nobody says so, the most telling name first.
pub(super) const KEYS: [&str; 9] =
    ["key", "path", "uri", "url", "request_uri", "request.uri", "request.path", "object", "id"];
const SIZES: [&str; 8] = [
    "size",
    "bytes",
    "body_bytes_sent",
    "bytes_sent",
    "response_size",
    "content_length",
    "response.bytes",
    "length",
];
const METHODS: [&str; 3] = ["method", "request_method", "request.method"];
const STATUSES: [&str; 4] = ["status", "status_code", "response.status", "code"];

/// Reads a line; `None` if it is no object.
pub(super) fn parse(line: &[u8], key: Option<&str>) -> Option<Object> {
    let value: Value = serde_json::from_slice(line).ok()?;
    value.is_object().then_some(())?;
    let first = |names: &[&str]| names.iter().find_map(|name| field(&value, name));
    let found = match key {
        Some(name) => field(&value, name),
        None => first(&KEYS),
    };
    Some(Object {
        key: found.and_then(said),
        size: first(&SIZES).and_then(whole),
        method: first(&METHODS).and_then(Value::as_str).map(str::to_ascii_uppercase),
        status: first(&STATUSES).and_then(whole).and_then(|n| u16::try_from(n).ok()),
    })
}

/// A field by its name, or by the names on the way to it with points between them.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    if let Some(found) = object.get(name) {
        return Some(found);
    }
    // Names may hold points themselves.
    name.match_indices('.').find_map(|(at, _)| field(object.get(&name[..at])?, &name[at + 1..]))
}

fn said(value: &Value) -> Option<Said> {
    match value {
        Value::String(text) => Some(Said::Text(text.clone())),
        Value::Number(number) => {
            Some(number.as_u64().map_or_else(|| Said::Text(number.to_string()), Said::Number))
        }
        _ => None,
    }
}

/// A whole number, bare or in quotes, as nginx writes it.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| super::fields::number(value.as_str()?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_usual_names() {
        let line = br#"{"request":{"method":"get","uri":"/a"},"size":12,"status":"200","id":7}"#;
        let object = parse(line, None).unwrap();
        assert_eq!(object.key, Some(Said::Text("/a".to_owned())));
        assert_eq!((object.size, object.status), (Some(12), Some(200)));
        assert_eq!(object.method.as_deref(), Some("GET"));
    }

    #[test]
    fn a_named_field_is_the_only_key() {
        let key = |line: &str, name| parse(line.as_bytes(), Some(name)).unwrap().key;
        assert_eq!(key(r#"{"user":{"id":7},"key":"k"}"#, "user.id"), Some(Said::Number(7)));
        assert_eq!(key(r#"{"a.b":{"c.d":"x"}}"#, "a.b.c.d"), Some(Said::Text("x".to_owned())));
        assert_eq!(key(r#"{"n":-1.5}"#, "n"), Some(Said::Text("-1.5".to_owned())));
        for line in [r#"{"key":"k"}"#, r#"{"user":null}"#, r#"{"user":["a"]}"#] {
            assert_eq!(key(line, "user"), None, "{line}");
        }
        for line in ["", "7", "[1]", "{", "key"] {
            assert!(parse(line.as_bytes(), None).is_none(), "{line}");
        }
    }
}
