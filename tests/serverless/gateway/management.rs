//! The management API, `/{stage}/@connections/{id}`: signed calls that post to a link, describe it or end it.

use super::Gateway;
use super::event;
use super::link::Order;
use crate::serverless::lambda::runtime_api::header;
use crate::serverless::listen::{self, Body, full};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::json;
use std::sync::Arc;

/// Largest post.
const POST_BYTES: usize = 128 * 1024;

pub async fn answer(gateway: Arc<Gateway>, request: Request<Incoming>) -> Response<Body> {
    let signature = header(request.headers(), "authorization").unwrap_or_default();
    if !signature.starts_with("AWS4-HMAC-SHA256 ") || !signature.contains("/execute-api/aws4_request") {
        return refuse(403, "ForbiddenException", "Missing Authentication Token");
    }
    let path = request.uri().path().to_owned();
    let Some(id) = path.strip_prefix(&format!("/{}/@connections/", gateway.names.stage)) else {
        return refuse(403, "ForbiddenException", "Forbidden");
    };
    if id.contains('=') {
        // The platform's signature check fails on an id that is not encoded.
        return refuse(403, "ForbiddenException", "the connection id is not URL-encoded");
    }
    let id = event::decode(id);
    let method = request.method();
    let resource = format!("{}/{}/{method}/@connections/{id}", gateway.names.websocket_arn, gateway.names.stage);
    if !gateway.policy.allows("execute-api:ManageConnections", &resource) {
        return refuse(403, "ForbiddenException", &format!("the role may not manage {resource}"));
    }
    match *request.method() {
        Method::POST => post(&gateway, &id, request.into_body()).await,
        Method::GET => describe(&gateway, &id),
        Method::DELETE => match gateway.link(&id) {
            Some(link) => {
                link.order(Order::Close(1000, "Connection Closed Normally".to_owned()));
                Response::builder().status(204).body(full(Bytes::new())).expect("the parts are sound")
            }
            None => gone(),
        },
        _ => refuse(403, "ForbiddenException", "Missing Authentication Token"),
    }
}

async fn post(gateway: &Gateway, id: &str, body: Incoming) -> Response<Body> {
    gateway.meter.count(|tally| tally.posts += 1);
    let refused = |response| {
        gateway.meter.count(|tally| tally.posts_refused += 1);
        response
    };
    let text = match Limited::new(body, POST_BYTES).collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(_) => return refused(refuse(413, "PayloadTooLargeException", "Payload too large")),
    };
    if std::str::from_utf8(&text).is_err() {
        // What the platform does with it is not known; a link carries text.
        return refused(refuse(400, "BadRequestException", "the post is not UTF-8"));
    }
    tokio::time::sleep(gateway.panel.read().latency.post).await;
    gateway.panel.until(|knobs| !knobs.hold_posts).await;
    let knobs = gateway.panel.read();
    let Some(link) = gateway.link(id) else { return refused(gone()) };
    if gateway.throttling.picks(knobs.post_throttle_percent) || link.waiting() + text.len() > knobs.client_buffer_bytes
    {
        return refused(refuse(429, "LimitExceededException", "Too many requests"));
    }
    link.push(text.to_vec(), knobs.latency.socket);
    Response::new(full(Bytes::new()))
}

fn describe(gateway: &Gateway, id: &str) -> Response<Body> {
    let Some(link) = gateway.link(id) else { return gone() };
    let active = event::epoch_ms() - link.last_active().elapsed().as_millis() as u64;
    listen::json(
        200,
        &json!({
            "connectedAt": event::iso_time(link.info.connected_at), "lastActiveAt": event::iso_time(active),
            "identity": {"sourceIp": link.info.source, "userAgent": link.info.agent},
        }),
    )
}

fn gone() -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = http::StatusCode::GONE;
    response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static("GoneException"));
    response
}

fn refuse(status: u16, kind: &'static str, text: &str) -> Response<Body> {
    let mut response = listen::json(status, &json!({"message": text}));
    response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(kind));
    response
}
