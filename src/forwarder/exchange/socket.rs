//! A visitor's WebSocket at the service: opened with the visitor's path, headers and subprotocols; what the service
//! answers to the handshake is what the visitor gets.

use super::{Answering, Workshop, broken, request, too_slow};
use crate::body::Assembly;
use crate::fault::Fault;
use crate::head::{self, RequestHead, ResponseHead};
use crate::limits;
use crate::websocket::{self, FlowSink, FlowSource};
use crate::wire::{Chunk, Flow, ToGate};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Bytes of messages that may wait for a missing one.
const REORDER: usize = limits::WINDOW_MAX as usize;

/// Opens the service's WebSocket and carries it.
pub(super) async fn serve(workshop: &Arc<Workshop>, mut answering: Answering, head: RequestHead) {
    let exchange = answering.exchange.clone();
    let opening = async {
        match open(workshop, head).await? {
            Opened::Refused(response) => request::relay(&mut answering, response).await.map(|()| None),
            Opened::Open(head, socket) => Ok(Some((head, socket))),
        }
    };
    let opened = tokio::select! {
        opened = opening => opened,
        () = exchange.lane.closed() => return,
    };
    match opened {
        Err(fault) => {
            workshop.watcher.see_broken_socket(&answering.request.target, fault.code);
            answering.fail(fault).await;
        }
        Ok(None) => {}
        Ok(Some((head, socket))) => {
            if answering.answer(head, Chunk::default()).await.is_err() {
                return;
            }
            let source = FromGate { exchange: exchange.clone(), assembly: Assembly::new(1, REORDER) };
            let sink = ToVisitor(answering);
            tokio::select! {
                () = websocket::carry(*socket, sink, source) => {}
                () = exchange.lane.closed() => {}
            }
        }
    }
}

enum Opened {
    Open(ResponseHead, Box<WebSocketStream<TokioIo<Upgraded>>>),
    Refused(Response<Incoming>),
}

/// Through the client for requests rather than `tokio-tungstenite`, which would read no more of a refusal than came with
/// its head.
async fn open(workshop: &Workshop, head: RequestHead) -> Result<Opened, Fault> {
    let key = generate_key();
    let asked = tokio::time::timeout(workshop.timeout, workshop.client.ask_upgrade(handshake(head, &key)?)).await;
    let response =
        asked.map_err(|_| too_slow(workshop.timeout))?.map_err(|failed| request::explain(workshop, &failed))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Opened::Refused(response));
    }
    let accept = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(broken(&"it accepted another handshake than this one"));
    }
    let mut head = ResponseHead { status: response.status(), headers: response.headers().clone() };
    head::strip_websocket_handshake(&mut head.headers);
    let upgraded = hyper::upgrade::on(response).await.map_err(|error| broken(&error))?;
    let config = Some(websocket::socket_config());
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, config).await;
    Ok(Opened::Open(head, Box::new(socket)))
}

fn handshake(mut head: RequestHead, key: &str) -> Result<Request<request::Upload>, Fault> {
    let headers = &mut head.headers;
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::try_from(key).map_err(|error| broken(&error))?);
    Ok(request::request(head, request::Upload::Left(Full::default())))
}

struct ToVisitor(Answering);

impl FlowSink for ToVisitor {
    fn part(&self) -> usize {
        self.0.encoding().part()
    }

    async fn send(&mut self, flow: Flow) -> bool {
        let size = match &flow {
            Flow::Message(_, piece) => piece.bytes.len(),
            _ => 0,
        };
        self.0.bytes += size as u64;
        let exchange = &self.0.exchange;
        exchange.recording.message(false, &flow);
        exchange.lane.spend(size).await.is_ok() && exchange.sender.send(ToGate::Flow(exchange.id, flow)).await.is_ok()
    }
}

struct FromGate {
    exchange: Arc<super::Exchange>,
    assembly: Assembly<Flow>,
}

impl FlowSource for FromGate {
    async fn next(&mut self) -> Option<Flow> {
        loop {
            if let Some(flow) = self.assembly.pop() {
                self.exchange.recording.message(true, &flow);
                return Some(flow);
            }
            let flow = self.exchange.flows.take().await;
            let (n, size) = match &flow {
                Flow::Message(n, piece) => (*n, piece.bytes.len()),
                Flow::Close(n, ..) => (*n, 0),
                _ => return Some(flow),
            };
            if let Err(refused) = self.assembly.push(n, false, size, flow) {
                return Some(Flow::Abort(refused.to_string()));
            }
        }
    }

    fn read(&mut self, bytes: usize) {
        self.exchange.read(bytes);
    }

    fn finish(&mut self) {}
}
