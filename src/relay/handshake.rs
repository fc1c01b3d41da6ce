//! A forwarder's handshake: refused with a status and a text that its user can act on, or a link with a name.

use super::{Origin, Relay, link, metrics};
use crate::gate::handshake::{self, Refused, text};
use crate::gate::route::PublicUrl;
use crate::gate::switchboard::Switchboard as _;
use crate::gate::{Body, whole};
use crate::limits;
use crate::link::{GateEnd, locked};
use crate::wire::Encoding;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Whether the request is a forwarder's: it offers a `tunnel.v…` subprotocol, and its host names no tunnel (there it
/// would be a visitor of a service that is a relay itself).
pub(super) fn is_for_us(request: &Request<Incoming>, public_url: &PublicUrl) -> bool {
    let offers = text(request.headers(), &header::SEC_WEBSOCKET_PROTOCOL)
        .is_some_and(|offered| offered.split(',').any(|name| name.trim().starts_with("tunnel.v")));
    let host = text(request.headers(), &header::HOST).unwrap_or_default();
    offers && !public_url.names_a_tunnel(host)
}

/// Answers the handshake; an accepted one becomes a link in a task of its own.
pub(super) async fn answer(relay: &Arc<Relay>, request: Request<Incoming>, origin: &Origin) -> Response<Body> {
    match accept(relay, request, origin).await {
        Ok(response) => response,
        Err(refused) => {
            let Refused { status, reason, text } = refused;
            let reason = metrics::Refusal::from(&reason);
            tracing::warn!(%status, ?reason, from = ?origin.address, "handshake refused");
            relay.metrics.handshake_refused(reason);
            let mut response = Response::new(whole(Bytes::from(format!("{text}\n"))));
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            response
        }
    }
}

async fn accept(
    relay: &Arc<Relay>,
    mut request: Request<Incoming>,
    origin: &Origin,
) -> Result<Response<Body>, Refused> {
    let headers = request.headers();
    let key =
        headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| crate::head::asks_for_websocket(request.method(), headers));
    let malformed = || Refused::malformed(StatusCode::BAD_REQUEST, "this is no WebSocket handshake");
    let accept_key = derive_accept_key(key.ok_or_else(malformed)?.as_bytes());
    let encoding = handshake::encoding(headers, &Encoding::ALL, "relay")?;
    let claim = handshake::claim(&relay.access, headers, SystemTime::now())?;

    let end = origin.end.as_ref().and_then(|end| locked(end).take());
    let (sender, way) = match end.filter(|_| encoding == Encoding::Binary) {
        Some(GateEnd { sender, queue }) => (sender, link::Way::InProcess(queue)),
        None => {
            let (sender, queue) = crate::link::queue(encoding);
            (sender, link::Way::Socket(queue))
        }
    };
    let link = Arc::new(link::Link::new(sender, relay.options.limits.idle));
    let name = relay.gate.switchboard.connect(&claim, &link).await?;
    tracing::info!(tunnel = %name, "forwarder admitted");

    let upgrade = hyper::upgrade::on(&mut request);
    let relay = relay.clone();
    tokio::spawn(async move {
        match tokio::time::timeout(limits::HANDSHAKE, upgrade).await {
            Ok(Ok(upgraded)) => {
                let config = Some(crate::link::socket_config());
                let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, config).await;
                let _counted = relay.metrics.link_opened();
                link::serve(&relay, socket, encoding, link, way).await;
            }
            Ok(Err(_)) | Err(_) => relay.gate.switchboard.disconnect(&link, false).await,
        }
    });
    Ok(switching(&accept_key, encoding))
}

fn switching(accept_key: &str, encoding: Encoding) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(encoding.subprotocol()));
    if let Ok(key) = HeaderValue::from_str(accept_key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    response
}
