//! The Function URL's door with RESPONSE_STREAM: the answer goes out as it comes, and one that is cut short ends the
//! visitor's connection without a clean end.

use super::event::Door;
use super::{Gateway, body, door};
use crate::serverless::lambda::{Answer, Failure, Part};
use crate::serverless::listen::Body;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

const PRELUDE: &str = "application/vnd.awslambda.http-integration-response";
const END_OF_PRELUDE: [u8; 8] = [0; 8];
/// Streamed bytes that cost nothing.
const FREE_BYTES: u64 = 6 * 1024 * 1024;

pub async fn answer(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    peer: SocketAddr,
    own: SocketAddr,
) -> Response<Body> {
    gateway.meter.count(|tally| tally.stream_requests += 1);
    let knobs = gateway.panel.read();
    if knobs.throttle_visitors {
        return door::fault(429, "Too Many Requests");
    }
    let visit = match door::take(request, peer, knobs.http_head_bytes, knobs.request_bytes).await {
        Ok(visit) => visit,
        Err(refusal) => return refusal,
    };
    let host = visit.header("host").unwrap_or_default();
    if ![own.to_string(), format!("localhost:{}", own.port())].iter().any(|known| known == host) {
        // No custom domains: the host must be the URL's own.
        return door::fault(403, "Forbidden");
    }
    let event = visit.version_2(&Door { api_id: &gateway.names.function_url, stage: "$default", decodes_path: false });
    match gateway.function.invoke("STREAM", &event, true).await {
        Ok(Answer::Streamed { content_type, parts }) => streamed(gateway, &content_type, parts).await,
        // Whether the platform takes a buffered answer here is not known, so the stand-in does not.
        Ok(Answer::Buffered(_)) => door::fault(502, "Internal Server Error"),
        Err(Failure::RequestTooLarge) => door::fault(413, "Request Entity Too Large"),
        Err(Failure::Throttled) => door::fault(429, "Rate Exceeded."),
        Err(_) => door::fault(502, "Internal Server Error"),
    }
}

async fn streamed(gateway: Arc<Gateway>, content_type: &str, mut parts: mpsc::Receiver<Part>) -> Response<Body> {
    let (mut response, first) = if content_type == PRELUDE {
        match prelude(&mut parts).await {
            Some(found) => found,
            None => return door::fault(502, "Internal Server Error"),
        }
    } else {
        let response = Response::builder().header("content-type", content_type).body(Vec::new());
        (response.unwrap_or_default(), Bytes::new())
    };
    let id = http::HeaderValue::from_str(&crate::serverless::unique()).expect("it is plain text");
    response.headers_mut().insert("x-amzn-requestid", id);
    let (sender, channel) = Channel::<Bytes, io::Error>::new(1);
    gateway.spawn(hand_on(Arc::clone(&gateway), sender, first, parts));
    response.map(|_| channel.boxed())
}

/// The JSON before eight NULs, and what follows them in the same part.
async fn prelude(parts: &mut mpsc::Receiver<Part>) -> Option<(Response<Vec<u8>>, Bytes)> {
    let mut bytes = BytesMut::new();
    loop {
        if let Some(at) = bytes.windows(END_OF_PRELUDE.len()).position(|eight| eight == END_OF_PRELUDE) {
            let json: Value = serde_json::from_slice(&bytes[..at]).ok()?;
            let head = body::head(&json, body::Reserved::Remapped)?;
            return Some((head, bytes.freeze().slice(at + END_OF_PRELUDE.len()..)));
        }
        match parts.recv().await {
            Some(Part::Data(part)) => bytes.extend_from_slice(&part),
            Some(Part::End | Part::Cut(_)) | None => return None,
        }
    }
}

/// Ends the visitor's body only with the function's own end.
async fn hand_on(
    gateway: Arc<Gateway>,
    mut sender: Sender<Bytes, io::Error>,
    first: Bytes,
    mut parts: mpsc::Receiver<Part>,
) {
    let mut size = first.len() as u64;
    let mut here = first.is_empty() || sender.send_data(first).await.is_ok();
    let cut = loop {
        match parts.recv().await {
            Some(Part::Data(part)) => {
                size += part.len() as u64;
                // The rest of an answer whose visitor has left is thrown away: the function goes on.
                here = here && sender.send_data(part).await.is_ok();
            }
            Some(Part::End) => break None,
            Some(Part::Cut(why)) => break Some(why),
            None => break Some("the process is gone".to_owned()),
        }
    };
    gateway.meter.count(|tally| tally.streamed_bytes += size.saturating_sub(FREE_BYTES));
    if let Some(why) = cut {
        sender.abort(io::Error::other(why));
    }
}
