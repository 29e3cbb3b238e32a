//! The OpenAPI document against real answers.

use crate::rig::Rig;
use serde_json::Value;

/// Checks that a value has what its schema requires and nothing of another type, following
/// references.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        let named = &document["components"]["schemas"][name];
        assert!(named.is_object(), "{place}: no schema {name}");
        return check(document, named, value, place);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        check(document, part, value, place);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = types.contains(&is) || (is == "integer" && types.contains(&"number"));
    assert!(fits, "{place}: {is} where the document says {types:?}");
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(value.get(name).is_some(), "{place}: `{name}` is missing");
    }
    if let Some(properties) = schema["properties"].as_object() {
        let closed = place.split('/').next_back() != Some("one") && !properties.is_empty();
        for (name, value) in value.as_object().into_iter().flatten() {
            match properties.get(name) {
                Some(schema) => check(document, schema, value, &format!("{place}.{name}")),
                None => assert!(
                    !closed || schema["allOf"].is_array(),
                    "{place}: `{name}` is not described"
                ),
            }
        }
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{place}[{i}]"));
    }
}

#[tokio::test]
async fn real_answers_are_as_the_document_says() {
    let rig = Rig::start().await;
    for _ in 0..3 {
        rig.second_of(9, 1, 1);
    }
    drop(rig.optimizer.recorder().operation("db.query", &[("table", "users")]).start());
    rig.tell("PUT", "/api/performance/knobs/memory/capacity", r#"{"value":"1MiB"}"#).await;
    let document = rig.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for page in ["overview", "caching", "metrics", "health", "status", "knobs", "events"] {
        let path = format!("/api/performance/{page}");
        let described = &document["paths"][&path]["get"]["responses"]["200"]["content"];
        let schema = &described["application/json"]["schema"];
        assert!(schema.is_object(), "{path} has no schema");
        check(&document, schema, &rig.get(&path).await.json(), page);
    }
    let problem = &document["components"]["schemas"]["Problem"];
    let wrong = rig.get("/api/performance/overview?span=x").await.json();
    for name in problem["required"].as_array().unwrap() {
        assert!(wrong.get(name.as_str().unwrap()).is_some(), "{name}");
    }
}
