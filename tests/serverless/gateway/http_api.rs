//! The HTTP API's door: payload 2.0, everything buffered, any host (a wildcard domain leads here too).

use super::event::Door;
use super::{Gateway, body, door};
use crate::serverless::lambda::Failure;
use crate::serverless::listen::Body;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;

pub async fn answer(gateway: Arc<Gateway>, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
    gateway.meter.count(|tally| tally.http_requests += 1);
    let knobs = gateway.panel.read();
    if knobs.throttle_visitors {
        return door::fault(429, "Too Many Requests");
    }
    let visit = match door::take(request, peer, knobs.http_head_bytes, knobs.http_body_bytes).await {
        Ok(visit) => visit,
        Err(refusal) => return refusal,
    };
    let event = visit.version_2(&Door { api_id: &gateway.names.http_api, stage: "$default", decodes_path: true });
    // A visitor that leaves does not stop the function: the invocation has its own task.
    let mut response = match gateway.invoke("HTTP", &event, gateway.names.http_timeout).await {
        Ok(bytes) => match body::version_2(&bytes) {
            Some(answer) => door::whole(answer),
            None => door::fault(500, "Internal Server Error"),
        },
        Err(Failure::RequestTooLarge) => door::fault(413, "Request Entity Too Large"),
        Err(Failure::TimedOut | Failure::Throttled) => door::fault(503, "Service Unavailable"),
        Err(_) => door::fault(500, "Internal Server Error"),
    };
    let id = HeaderValue::from_str(&crate::serverless::unique()).expect("it is plain text");
    response.headers_mut().insert("apigw-requestid", id);
    response
}
