//! A REST API's door: payload 1.0, `/{stage}/…`, the path as the visitor wrote it.

use super::{Gateway, body, door};
use crate::serverless::lambda::Failure;
use crate::serverless::listen::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub async fn answer(gateway: Arc<Gateway>, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
    gateway.meter.count(|tally| tally.rest_requests += 1);
    let knobs = gateway.panel.read();
    if knobs.throttle_visitors {
        return door::fault(429, "Too Many Requests");
    }
    let mut visit = match door::take(request, peer, knobs.http_head_bytes, knobs.http_body_bytes).await {
        Ok(visit) => visit,
        Err(refusal) => return refusal,
    };
    let stage = &gateway.names.stage;
    let Some(path) = visit.path.strip_prefix(&format!("/{stage}")).filter(|path| path.starts_with('/')) else {
        return door::fault(403, "Forbidden");
    };
    visit.path = path.to_owned();
    match gateway.invoke("REST", &visit.version_1("rest-api", stage), Duration::from_secs(29)).await {
        Ok(bytes) => body::version_1(&bytes).map_or_else(|| door::fault(502, "Internal server error"), door::whole),
        Err(Failure::RequestTooLarge) => door::fault(413, "Request Too Long"),
        Err(Failure::TimedOut) => door::fault(504, "Endpoint request timed out"),
        Err(_) => door::fault(502, "Internal server error"),
    }
}
