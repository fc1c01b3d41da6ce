//! Two answers are the same when status, the chosen headers and every JSON field are; the rest may differ.

use super::har::Reply;
use http::{HeaderName, header};
use serde_json::Value;

/// What is looked at.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Headers that must be the same.
    pub(super) headers: Vec<HeaderName>,
    /// Fields that may differ, with all below them: `data.id`; `*` stands for any name or index.
    pub(super) ignored: Vec<String>,
}

/// What differs, a line each.
pub(super) fn differences(was: &Reply, is: &Reply, scope: &Scope) -> Vec<String> {
    let mut found = Vec::new();
    if was.status != is.status {
        found.push(format!("status: {} became {}", was.status.as_u16(), is.status.as_u16()));
    }
    for name in &scope.headers {
        let values = |reply: &Reply| -> Vec<_> {
            reply
                .headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect()
        };
        let (was, is) = (values(was), values(is));
        if was != is {
            found.push(format!("header {name}: {was:?} became {is:?}"));
        }
    }
    match (json(was), json(is)) {
        (Some(was), Some(is)) => fields("", &was, &is, scope, &mut found),
        (Some(_), None) => found.push("body: JSON became something else".to_owned()),
        (None, _) => {}
    }
    found
}

fn json(reply: &Reply) -> Option<Value> {
    let kind = reply.headers.get(header::CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
    let kind = kind.split(';').next()?.trim();
    (kind == "application/json" || kind.ends_with("+json")).then(|| serde_json::from_slice(&reply.body).ok())?
}

fn fields(path: &str, was: &Value, is: &Value, scope: &Scope, found: &mut Vec<String>) {
    if was == is || scope.ignored.iter().any(|pattern| matches(pattern, path)) {
        return;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            for (name, value) in was {
                fields(&below(name), value, is.get(name).unwrap_or(&ABSENT), scope, found);
            }
            for (name, value) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
                fields(&below(name), &ABSENT, value, scope, found);
            }
        }
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            for (i, (was, is)) in was.iter().zip(is).enumerate() {
                fields(&below(&i.to_string()), was, is, scope, found);
            }
        }
        (Value::Array(was), Value::Array(is)) => {
            found.push(format!("field {}: {} items became {}", shown(path), was.len(), is.len()));
        }
        _ => found.push(format!("field {}: {} became {}", shown(path), short(was), short(is))),
    }
}

/// Stands for a field that is not there; `null` and nothing are the same to most readers, but told apart by presence.
const ABSENT: Value = Value::Null;

fn shown(path: &str) -> &str {
    if path.is_empty() { "(all)" } else { path }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), path.split('.').collect());
    pattern.len() == path.len() && pattern.iter().zip(path).all(|(pattern, name)| *pattern == "*" || *pattern == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use serde_json::json;

    fn reply(status: u16, body: &Value) -> Reply {
        let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        Reply {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::from_iter([kind]),
            body: body.to_string().into_bytes(),
        }
    }

    fn differ(was: Value, is: Value, ignored: &[&str]) -> Vec<String> {
        let scope = Scope { headers: Vec::new(), ignored: ignored.iter().map(|text| (*text).to_owned()).collect() };
        differences(&reply(200, &was), &reply(200, &is), &scope)
    }

    #[test]
    fn every_field_that_differs_is_named() {
        let was = json!({ "a": 1, "b": { "c": [1, 2], "d": "x" }, "e": [1] });
        let is = json!({ "b": { "d": "y", "c": [1, 3] }, "e": [1, 2], "a": 1, "f": true });
        let expected = [
            "field b.c.1: 2 became 3",
            "field b.d: \"x\" became \"y\"",
            "field e: 1 items became 2",
            "field f: null became true",
        ];
        assert_eq!(differ(was.clone(), is.clone(), &[]), expected);
        assert!(differ(was.clone(), is, &["b.*.*", "b.d", "e", "f"]).is_empty());
        assert!(differ(was.clone(), was, &[]).is_empty());
    }

    #[test]
    fn status_and_chosen_headers_are_compared() {
        let (was, is) = (reply(200, &json!({})), reply(404, &json!({})));
        assert_eq!(differences(&was, &is, &Scope::default()), ["status: 200 became 404"]);
        let mut other = was.clone();
        other.headers.insert("x-a", HeaderValue::from_static("1"));
        let scope = Scope { headers: vec![HeaderName::from_static("x-a")], ignored: Vec::new() };
        assert_eq!(differences(&was, &other, &scope), ["header x-a: [] became [\"1\"]"]);
    }
}
