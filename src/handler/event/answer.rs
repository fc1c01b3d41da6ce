//! An answer leaves in the platform's shape, whole or not at all; what the shape cannot hold is refused, not cut.

use crate::fault::{Code, Fault};
use crate::limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};
use serde::Serialize;
use std::collections::BTreeMap;

/// A buffered answer: payload 2.0 and the answers to WebSocket events, or payload 1.0 with `multi_value_headers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// HTTP status.
    pub status_code: u16,
    /// One value a name; repeated ones joined by a comma, which `multiValueHeaders` is not honoured for in payload 2.0.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Payload 1.0 only: every value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub multi_value_headers: BTreeMap<String, Vec<String>>,
    /// Payload 2.0 only: each becomes a `set-cookie`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<String>,
    /// The body, as text or base64.
    pub body: String,
    /// Whether `body` is base64.
    pub is_base64_encoded: bool,
}

/// The head of a streamed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prelude {
    /// HTTP status.
    pub status: StatusCode,
    /// One value a name.
    pub headers: HeaderMap,
    /// Each becomes a `set-cookie`.
    pub cookies: Vec<String>,
}

impl Answer {
    /// An answer to a WebSocket event.
    pub fn plain(status: StatusCode, text: &str) -> Self {
        let headers = BTreeMap::from([("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())]);
        Self { status_code: status.as_u16(), headers, body: text.to_owned(), ..Self::default() }
    }

    /// Accepts a handshake, in the encoding that it names.
    pub fn accepted(subprotocol: &str) -> Self {
        let name = header::SEC_WEBSOCKET_PROTOCOL.as_str().to_owned();
        Self { status_code: 200, headers: BTreeMap::from([(name, subprotocol.to_owned())]), ..Self::default() }
    }
}

impl Prelude {
    /// The head for the platform: it frames the body itself.
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let mut single = HeaderMap::new();
        for (name, value) in joined(headers) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value.parse()) {
                single.insert(name, value);
            }
        }
        Self { status, headers: single, cookies: cookies(headers) }
    }
}

/// Whether an answer that says how long it is can go out whole, through a door that carries `most` bytes.
///
/// # Errors
/// [`Code::ResponseTooLarge`], with both sizes.
pub fn fits(size: u64, most: u64, elsewhere: &str) -> Result<(), Fault> {
    if size <= most {
        return Ok(());
    }
    let text =
        format!("The answer has {size} bytes or more, this address carries answers of up to {most} bytes{elsewhere}.");
    Err(Fault::new(Code::ResponseTooLarge, text))
}

/// A whole answer in payload 2.0, or in 1.0 when `multi_value` asks for it.
///
/// # Errors
/// The payload is over the platform's 6 MB, base64 and JSON escapes counted.
pub fn whole(
    status: StatusCode,
    headers: &HeaderMap,
    body: &Bytes,
    multi_value: bool,
    elsewhere: &str,
) -> Result<Answer, Fault> {
    let (body, is_base64_encoded) = carried(body);
    let head: usize = headers.iter().map(|(name, value)| name.as_str().len() + 2 * value.len() + 16).sum();
    let size = head + if is_base64_encoded { body.len() } else { escaped(&body) };
    fits(size as u64, limits::LAMBDA_PAYLOAD as u64, elsewhere)?;
    let mut answer = Answer { status_code: status.as_u16(), body, is_base64_encoded, ..Answer::default() };
    if multi_value {
        for (name, value) in headers.iter().filter(|(name, _)| !is_platforms(name)) {
            answer.multi_value_headers.entry(name.to_string()).or_default().push(text(value.as_bytes()));
        }
    } else {
        (answer.headers, answer.cookies) = (joined(headers), cookies(headers));
    }
    Ok(answer)
}

/// A body as text where it is UTF-8 and the shorter for it, else in base64.
fn carried(body: &Bytes) -> (String, bool) {
    match std::str::from_utf8(body) {
        Ok(text) if escaped(text) <= body.len().div_ceil(3) * 4 => (text.to_owned(), false),
        _ => (STANDARD.encode(body), true),
    }
}

/// Bytes that a text takes as a JSON string, without its quotes.
fn escaped(text: &str) -> usize {
    let cost = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(cost).sum()
}

/// Set by whoever frames the body on the visitor's connection, which is the platform.
fn is_platforms(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers.get_all(header::SET_COOKIE).iter().map(|value| text(value.as_bytes())).collect()
}

fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let names = headers.keys().filter(|name| **name != header::SET_COOKIE && !is_platforms(name));
    let values = |name| headers.get_all(name).iter().map(|value| text(value.as_bytes())).collect::<Vec<_>>();
    names.map(|name| (name.to_string(), values(name).join(", "))).collect()
}

/// JSON carries text only: bytes that are not UTF-8 are taken for Latin-1, which header values were until 2014.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}
