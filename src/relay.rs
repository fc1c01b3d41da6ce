//! The public end as a server: visitors and forwarders come in on one port, and a slow or hostile one of them holds up
//! nobody else.
//!
//! A connection that asks for a WebSocket with a `tunnel.v…` subprotocol and names no tunnel is a forwarder's, every
//! other one a visitor's. Each connection is a task of its own; each exchange has its own flow control on the link.

pub mod admin;
pub mod config;
mod counted;
mod handshake;
pub mod link;
pub mod memory;
pub mod metrics;
pub mod tls;
mod visitor;
mod websocket;

use crate::fault::Fault;
use crate::gate::access::Access;
use crate::gate::{self, Body, Gate, Settings, page, whole};
use crate::head::Visitor;
use crate::link::{GateEnd, InProcess};
use config::OperatorLimits;
use counted::Counted;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use ipnet::IpNet;
use memory::Memory;
use metrics::Metrics;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often names whose grace period is over are forgotten. Shorter than every time that an exchange or a connection
/// waits for: a timer that becomes the first to expire costs the runtime a system call to wake itself.
const SWEEP: Duration = Duration::from_secs(10);

/// The relay: a gate over the switchboard in memory, and who may link to it.
pub struct Relay {
    gate: Gate<Memory>,
    access: Access,
    metrics: Metrics,
    options: Options,
}

/// What a relay needs to know besides the gate's settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// One tunnel answers for every host that names none (the relay inside a forwarder).
    pub sole: bool,
    /// Proxies whose `x-forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What the operator limits.
    pub limits: OperatorLimits,
    /// A link without any frame for this long is dead, see [`crate::limits::LINK_SILENCE`].
    pub silence: Duration,
}

/// Where a connection comes from.
#[derive(Clone, Debug)]
struct Origin {
    address: Option<IpAddr>,
    secure: bool,
    /// From this very process: the link's shorter way, for the first handshake.
    end: Option<Arc<Mutex<Option<GateEnd>>>>,
}

impl Relay {
    /// A relay with nobody linked.
    pub fn new(settings: Settings, access: Access, options: Options, metrics: Metrics) -> Arc<Self> {
        let memory = Memory::new(options.limits, metrics.clone());
        Arc::new(Self { gate: Gate::new(memory, settings), access, metrics, options })
    }

    /// A link from this very process: the other end of the stream is served like any connection.
    pub fn connect_in_process(self: &Arc<Self>) -> InProcess {
        let (ours, stream) = tokio::io::duplex(crate::limits::LINK_WRITE * 2);
        let (our_end, end) = crate::link::pair();
        let relay = self.clone();
        tokio::spawn(async move {
            let end = Some(Arc::new(Mutex::new(Some(our_end))));
            let origin = Origin { address: None, secure: false, end };
            visitor::serve_http1(&relay, ours, origin, CancellationToken::new()).await;
        });
        InProcess { stream, end }
    }

    async fn handle(self: Arc<Self>, request: Request<Incoming>, origin: Origin) -> Response<Counted> {
        let mut counted = self.metrics.exchange_opened();
        let mut response = self.answer(request, origin).await;
        match gate::fault_code(response.headers()) {
            Some(code) => {
                counted.failed(code);
                // The service's answers have their own; this one is the relay's.
                response.headers_mut().insert(header::DATE, now());
            }
            None => counted.answered(response.status()),
        }
        response.map(|body| Counted::new(body, counted, &self.metrics))
    }

    async fn answer(self: &Arc<Self>, request: Request<Incoming>, origin: Origin) -> Response<Body> {
        if handshake::is_for_us(&request, &self.gate.settings().public_url) {
            return handshake::answer(self, request, &origin).await;
        }
        let visitor = self.visitor(&origin);
        let sole = self.options.sole.then(|| self.gate.switchboard.sole()).flatten();
        if crate::head::asks_for_websocket(request.method(), request.headers()) {
            return websocket::answer(self, request, &visitor, sole).await;
        }
        self.gate.serve(request, &visitor, sole).await
    }

    fn visitor(&self, origin: &Origin) -> Visitor {
        let trusted = |address: IpAddr| self.options.trusted_proxies.iter().any(|net| net.contains(&address));
        Visitor { address: origin.address, secure: origin.secure, trusted_proxy: origin.address.is_some_and(trusted) }
    }
}

fn now() -> HeaderValue {
    let now = httpdate::fmt_http_date(SystemTime::now());
    HeaderValue::try_from(now).unwrap_or(HeaderValue::from_static(""))
}

fn fault_response(fault: &Fault, request_headers: &http::HeaderMap) -> Response<Body> {
    let accept = request_headers.get(header::ACCEPT);
    page::respond(fault, accept, &page::Extra::default()).map(whole)
}

/// Serves `listener` until `shutdown`; then open exchanges get [`crate::limits::DRAIN`] to finish.
pub async fn serve(relay: Arc<Relay>, listener: TcpListener, shutdown: CancellationToken) {
    let stop = shutdown.clone();
    let connection = |stream, origin| {
        let (relay, stop) = (relay.clone(), stop.clone());
        async move { visitor::serve_plain(&relay, stream, origin, stop).await }
    };
    accept(&relay, listener, &shutdown, false, connection).await;
}

/// The same over TLS. Apart, so that a program that serves without carries none of it.
pub async fn serve_tls(relay: Arc<Relay>, listener: TcpListener, tls: TlsAcceptor, shutdown: CancellationToken) {
    let stop = shutdown.clone();
    let connection = |stream, origin| {
        let (relay, tls, stop) = (relay.clone(), tls.clone(), stop.clone());
        async move { visitor::serve_tls(&relay, stream, &tls, origin, stop).await }
    };
    accept(&relay, listener, &shutdown, true, connection).await;
}

async fn accept<F>(
    relay: &Relay,
    listener: TcpListener,
    shutdown: &CancellationToken,
    secure: bool,
    connection: impl Fn(TcpStream, Origin) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let connections = TaskTracker::new();
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sweep.tick() => {
                relay.gate.switchboard.sweep(Instant::now());
                continue;
            }
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Small answers must not wait for an acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                let origin = Origin { address: Some(peer.ip().to_canonical()), secure, end: None };
                connections.spawn(connection(stream, origin));
            }
            Err(error) => {
                // Out of file descriptors, most likely: existing connections must end before new ones can come.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    relay.gate.switchboard.say_goodbye("this relay is shutting down");
    connections.close();
    if tokio::time::timeout(crate::limits::DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections were still open at the end of the drain");
    }
}
