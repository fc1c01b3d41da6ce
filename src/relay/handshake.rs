//! A forwarder's handshake: refused with a status and a text that its user can act on, or a link with a name.

use super::{Origin, Relay, link, metrics, whole};
use crate::gate::Body;
use crate::gate::route::PublicUrl;
use crate::gate::switchboard::{Claim, Refusal, Switchboard as _, owner_hash};
use crate::id::{OwnerSecret, TunnelName};
use crate::limits;
use crate::link::{GateEnd, locked};
use crate::wire::{Encoding, handshake};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Why a handshake is refused.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    reason: metrics::Refusal,
    text: String,
}

impl Refused {
    fn new(status: StatusCode, reason: metrics::Refusal, text: impl Into<String>) -> Self {
        Self { status, reason, text: text.into() }
    }
}

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
    let malformed =
        || Refused::new(StatusCode::BAD_REQUEST, metrics::Refusal::Malformed, "this is no WebSocket handshake");
    let accept_key = derive_accept_key(key.ok_or_else(malformed)?.as_bytes());
    let encoding = encoding(headers)?;
    let claim = claim(relay, headers)?;

    let end = origin.end.as_ref().and_then(|end| locked(end).take());
    let (sender, way) = match end.filter(|_| encoding == Encoding::Binary) {
        Some(GateEnd { sender, queue }) => (sender, link::Way::InProcess(queue)),
        None => {
            let (sender, queue) = crate::link::queue(encoding);
            (sender, link::Way::Socket(queue))
        }
    };
    let link = Arc::new(link::Link::new(sender, relay.options.limits.idle));
    let name = relay.gate.switchboard.connect(&claim, &link).await.map_err(|refusal| refuse(&refusal))?;
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

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refused> {
    let offered = text(headers, &header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    Encoding::choose(offered).ok_or_else(|| {
        let ours: Vec<_> = Encoding::ALL.iter().map(|encoding| encoding.subprotocol()).collect();
        let text = format!(
            "this relay speaks {}, the forwarder offers {offered}: upgrade the older of the two",
            ours.join(" and ")
        );
        Refused::new(StatusCode::UPGRADE_REQUIRED, metrics::Refusal::Malformed, text)
    })
}

fn claim(relay: &Relay, headers: &HeaderMap) -> Result<Claim, Refused> {
    let name = text(headers, &handshake::NAME).map(str::parse::<TunnelName>).transpose();
    let name =
        name.map_err(|error| Refused::new(StatusCode::BAD_REQUEST, metrics::Refusal::Malformed, error.to_string()))?;
    let owner = text(headers, &handshake::OWNER).and_then(OwnerSecret::from_hex).ok_or_else(|| {
        Refused::new(
            StatusCode::BAD_REQUEST,
            metrics::Refusal::Malformed,
            "the header x-tunnel-owner must hold 64 hex digits",
        )
    })?;
    let grant = relay.access.admit(headers.get(header::AUTHORIZATION), name.as_ref(), SystemTime::now());
    let grant = grant.map_err(|denied| Refused::new(denied.status(), (&denied).into(), denied.to_string()))?;
    Ok(Claim { name, owner: owner_hash(&owner), subject: grant.subject })
}

fn refuse(refusal: &Refusal) -> Refused {
    let (status, reason) = match refusal {
        Refusal::NameTaken(_) => (StatusCode::CONFLICT, metrics::Refusal::NameTaken),
        Refusal::TooManyTunnels(_) => (StatusCode::TOO_MANY_REQUESTS, metrics::Refusal::TooManyTunnels),
        Refusal::NoNameFree => (StatusCode::SERVICE_UNAVAILABLE, metrics::Refusal::NameTaken),
        Refusal::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, metrics::Refusal::Malformed),
    };
    Refused::new(status, reason, refusal.to_string())
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

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
