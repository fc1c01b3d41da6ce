//! Bodies between HTTP and JSON: which request bodies travel as text, and what a function's answer means.

use super::event::Visit;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Text types travel as text, everything else as base64.
pub fn encode(bytes: &[u8], visit: &Visit) -> (String, bool) {
    let plain = visit.header("content-encoding").is_none_or(|coding| coding == "identity");
    match std::str::from_utf8(bytes) {
        Ok(text) if plain && is_text(visit.header("content-type").unwrap_or_default()) => (text.to_owned(), false),
        _ => (base64(bytes), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let application = ["json", "xml", "javascript", "x-www-form-urlencoded"];
    kind.starts_with("text/")
        || kind.strip_prefix("application/").is_some_and(|subtype| application.contains(&subtype))
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

/// Fields that are the connection's or the gateway's own, whatever the function says.
const OWN: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// What the gateway does with a field that it does not let through.
#[derive(Clone, Copy, PartialEq)]
pub enum Reserved {
    Dropped,
    /// `x-amzn-remapped-…`
    Remapped,
}

/// A function's answer in format 2.0; `None` if it is not one.
pub fn version_2(answer: &[u8]) -> Option<Response<Vec<u8>>> {
    let value: Value = serde_json::from_slice(answer).ok()?;
    if value.get("statusCode").is_none() {
        // Valid JSON without a status is the body of a 200.
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return Response::builder().header("content-type", "application/json").body(text.into_bytes()).ok();
    }
    let mut response = head(&value, Reserved::Dropped)?;
    *response.body_mut() = body(&value)?;
    if !response.body().is_empty() && !response.headers().contains_key("content-type") {
        response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Some(response)
}

/// A function's answer in format 1.0, with `multiValueHeaders`.
pub fn version_1(answer: &[u8]) -> Option<Response<Vec<u8>>> {
    let value: Value = serde_json::from_slice(answer).ok()?;
    let mut response = head(&value, Reserved::Remapped)?;
    *response.body_mut() = body(&value)?;
    for (name, values) in value["multiValueHeaders"].as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if OWN.contains(&name.as_str()) {
            continue;
        }
        response.headers_mut().remove(&name);
        for value in values.as_array()? {
            response.headers_mut().append(&name, HeaderValue::from_str(value.as_str()?).ok()?);
        }
    }
    Some(response)
}

/// `statusCode`, `headers` and `cookies`: also the prelude of a streamed answer.
pub fn head(value: &Value, reserved: Reserved) -> Option<Response<Vec<u8>>> {
    let status = u16::try_from(value["statusCode"].as_u64()?).ok().filter(|status| (200..600).contains(status))?;
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in value["headers"].as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        let mut name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if OWN.contains(&name.as_str()) {
            if reserved == Reserved::Dropped || name != "content-length" {
                continue;
            }
            name = HeaderName::from_static("x-amzn-remapped-content-length");
        }
        response.headers_mut().append(name, HeaderValue::from_bytes(text.as_bytes()).ok()?);
    }
    for cookie in value["cookies"].as_array().into_iter().flatten() {
        response.headers_mut().append("set-cookie", HeaderValue::from_bytes(cookie.as_str()?.as_bytes()).ok()?);
    }
    Some(response)
}

fn body(value: &Value) -> Option<Vec<u8>> {
    match &value["body"] {
        Value::Null => Some(Vec::new()),
        Value::String(text) if value["isBase64Encoded"] == true => STANDARD.decode(text).ok(),
        Value::String(text) => Some(text.clone().into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}
