//! An event is one of five things and is told from the others by its shape alone; what it becomes is plain `http`.
//!
//! Pure. The shapes are those of the API Gateway guide ("payload format version", "WebSocket API mapping template
//! reference") and of the Lambda guide ("Function URL request payload"); fields that nobody reads are skipped.

mod answer;
mod request;

pub use answer::{Answer, Prelude, fits, whole};
pub use request::{Call, Door};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// What an invocation is about.
#[derive(Debug)]
pub enum Event {
    /// A forwarder wants a link: the headers of its handshake.
    Connect(ConnectionId, HeaderMap),
    /// A link is over, with the close code that API Gateway saw.
    Disconnect(ConnectionId, Option<u16>),
    /// A forwarder's message.
    Message(ConnectionId, String),
    /// A visitor's request.
    Visit(Box<Call>),
}

/// API Gateway's name for a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(Box<str>);

impl ConnectionId {
    /// The id as API Gateway wrote it.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with an event; the invocation fails or is answered with this text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventError {
    /// Neither a WebSocket event nor an HTTP one.
    Unknown,
    /// A WebSocket event whose type is none of the three.
    WebSocketType(String),
    /// A field that the event's kind needs is missing or malformed.
    Field(&'static str),
    /// `isBase64Encoded` is true and the body is not base64.
    Base64,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(
                "the event is neither a WebSocket event nor an HTTP one of payload 1.0 or 2.0: \
                 invoke this function through API Gateway or its Function URL",
            ),
            Self::WebSocketType(kind) => write!(f, "the WebSocket event's type {kind:?} is not known"),
            Self::Field(name) => write!(f, "the event's field {name} is missing or malformed"),
            Self::Base64 => f.write_str("the event's body is not the base64 that isBase64Encoded promises"),
        }
    }
}

impl std::error::Error for EventError {}

/// Every shape at once; which fields are there says which it is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Shape {
    version: Option<String>,
    http_method: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    cookies: Option<Vec<String>>,
    headers: Option<BTreeMap<String, String>>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    body: Option<String>,
    is_base64_encoded: bool,
    request_context: Option<Context>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Context {
    event_type: Option<String>,
    connection_id: Option<String>,
    disconnect_status_code: Option<u16>,
    domain_name: Option<String>,
    http: Option<HttpContext>,
    identity: Option<Identity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HttpContext {
    method: String,
    source_ip: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    source_ip: Option<String>,
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// [`EventError`] says what is wrong with it.
    pub fn parse(event: serde_json::Value) -> Result<Self, EventError> {
        let mut shape: Shape = serde_json::from_value(event).map_err(|_| EventError::Unknown)?;
        let context = shape.request_context.take().ok_or(EventError::Unknown)?;
        match &context.connection_id {
            Some(id) => web_socket(ConnectionId::new(id), &context, shape),
            None => request::call(&context, shape).map(|call| Self::Visit(Box::new(call))),
        }
    }
}

fn web_socket(id: ConnectionId, context: &Context, shape: Shape) -> Result<Event, EventError> {
    match context.event_type.as_deref() {
        Some("CONNECT") => Ok(Event::Connect(id, headers(&shape)?)),
        Some("DISCONNECT") => Ok(Event::Disconnect(id, context.disconnect_status_code)),
        Some("MESSAGE") => match shape.is_base64_encoded {
            false => Ok(Event::Message(id, shape.body.unwrap_or_default())),
            true => Err(EventError::Field("isBase64Encoded")),
        },
        other => Err(EventError::WebSocketType(other.unwrap_or_default().to_owned())),
    }
}

/// The headers of an event, every value of each where the event has them apart.
fn headers(shape: &Shape) -> Result<HeaderMap, EventError> {
    let mut headers = HeaderMap::new();
    let mut append = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| EventError::Field("headers"))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| EventError::Field("headers"))?;
        headers.append(name, value);
        Ok(())
    };
    match &shape.multi_value_headers {
        Some(all) => all
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |v| (name, v)))
            .try_for_each(|(n, v)| append(n, v)),
        None => shape.headers.iter().flatten().try_for_each(|(name, value)| append(name, value)),
    }?;
    Ok(headers)
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
