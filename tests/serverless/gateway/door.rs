//! What every HTTP door does first: takes a visitor's request whole, within its quotas.

use super::event::Visit;
use crate::serverless::listen::{self, Body, full};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::json;
use std::net::SocketAddr;

/// Fields between two hops, which never reach an event.
const HOP: [&str; 9] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads a request, or answers it. The head's size is that of the request line and the values.
pub async fn take(
    request: Request<Incoming>,
    peer: SocketAddr,
    head: usize,
    body: usize,
) -> Result<Visit, Response<Body>> {
    let (parts, incoming) = request.into_parts();
    let line = parts.method.as_str().len() + parts.uri.to_string().len() + " HTTP/1.1 ".len();
    let size = line + parts.headers.values().map(http::HeaderValue::len).sum::<usize>();
    if size > head {
        return Err(fault(431, "Request Header Fields Too Large"));
    }
    let framed = parts.headers.contains_key("content-length") || parts.headers.contains_key("transfer-encoding");
    let whole = match Limited::new(incoming, body).collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(fault(413, "Request Entity Too Large"));
        }
        Err(_) => return Err(fault(400, "Bad Request")),
    };
    let source = peer.ip().to_string();
    let mut headers = lines(&parts.headers);
    if framed {
        headers.retain(|(name, _)| name != "content-length");
        headers.push(("content-length".to_owned(), whole.len().to_string()));
    }
    let told = headers.iter().position(|(name, _)| name == "x-forwarded-for").map(|at| headers.remove(at).1);
    // What else a visitor claims reaches the function.
    headers.retain(|(name, _)| name != "x-forwarded-port" && name != "x-forwarded-proto");
    headers.extend([
        ("x-amzn-trace-id".to_owned(), crate::serverless::trace()),
        ("x-forwarded-for".to_owned(), told.map_or(source.clone(), |told| format!("{told}, {source}"))),
        ("x-forwarded-port".to_owned(), "443".to_owned()),
        ("x-forwarded-proto".to_owned(), "https".to_owned()),
    ]);
    Ok(Visit {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: whole.to_vec(),
        source,
    })
}

fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| !HOP.contains(&name.as_str()));
    kept.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

pub fn fault(status: u16, text: &str) -> Response<Body> {
    listen::json(status, &json!({"message": text}))
}

pub fn whole(response: Response<Vec<u8>>) -> Response<Body> {
    response.map(|body| full(Bytes::from(body)))
}
