//! A visitor's WebSocket: messages go both ways at once, each direction waits only for its own reader, and a close
//! reaches the other end with its code and reason.

use super::link::{LinkInbox, LinkOutbox};
use super::memory::Memory;
use super::{Relay, fault_response};
use crate::gate::switchboard::{Arrival, Inbox as _, Outbox as _};
use crate::gate::{Begun, Body, whole};
use crate::head::{ResponseHead, Visitor};
use crate::id::TunnelName;
use crate::websocket as bridge;
use crate::wire::Flow;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Answers a visitor's handshake with the service's own answer to it.
pub(super) async fn answer(
    relay: &Arc<Relay>,
    request: Request<Incoming>,
    visitor: &Visitor,
    sole: Option<TunnelName>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let begun = match relay.gate.open_websocket(&parts, visitor, sole).await {
        Ok(begun) => begun,
        Err(fault) => return fault_response(&fault, &parts.headers),
    };
    if begun.head.status != StatusCode::SWITCHING_PROTOCOLS {
        return begun.into_response();
    }
    let key = parts.headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    let response = switching(&begun.head, key);
    let upgrade = hyper::upgrade::on(Request::from_parts(parts, body));
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let config = Some(bridge::socket_config());
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, config).await;
            carry(begun, socket).await;
        }
    });
    response
}

fn switching(head: &ResponseHead, key: &[u8]) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = head.headers.clone();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key)) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

async fn carry(begun: Begun<Memory>, socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>) {
    let Begun { inbox, outbox, .. } = begun;
    // The request of a handshake has no body, so nothing else uses the outbox.
    if let Some(outbox) = outbox {
        bridge::carry(socket, ToForwarder(outbox), FromForwarder(inbox)).await;
    }
}

struct ToForwarder(LinkOutbox);

impl bridge::FlowSink for ToForwarder {
    fn part(&self) -> usize {
        self.0.part()
    }

    async fn send(&mut self, flow: Flow) -> bool {
        self.0.send(flow).await.is_ok()
    }
}

struct FromForwarder(LinkInbox);

impl bridge::FlowSource for FromForwarder {
    async fn next(&mut self) -> Option<Flow> {
        match self.0.next().await {
            Ok(Arrival::Flow(flow)) => Some(flow),
            Ok(Arrival::Fail(fault)) => Some(Flow::Abort(fault.detail)),
            Ok(Arrival::Answer(..)) | Err(_) => None,
        }
    }

    fn read(&mut self, bytes: usize) {
        self.0.read(bytes);
    }

    fn finish(&mut self) {
        self.0.finish();
    }
}
