//! The relay inside the forwarder's process: only this process can link to it.

use anyhow::{Context as _, anyhow};
use http_tunnel::gate::Settings;
use http_tunnel::gate::access::{Access, AccessConfig};
use http_tunnel::id::OwnerSecret;
use http_tunnel::limits;
use http_tunnel::link::InProcess;
use http_tunnel::relay::config::OperatorLimits;
use http_tunnel::relay::metrics::Metrics;
use http_tunnel::relay::{self, Options, Relay};
use http_tunnel::secret::Secret;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running relay in this process.
pub(super) struct Embedded {
    relay: Arc<Relay>,
    task: JoinHandle<()>,
    shutdown: CancellationToken,
    /// The token that opens a link; known to nobody else.
    pub(super) token: Secret,
    /// URLs for other devices on the local network.
    pub(super) lan: Vec<String>,
    /// The port that was asked for and taken.
    pub(super) port_taken: Option<u16>,
}

/// Starts the relay on `listen`, or on the next free port when the user did not choose. A `sole` tunnel answers any host;
/// of several only the host says which is meant.
pub(super) async fn start(listen: SocketAddr, chosen: bool, sole: bool) -> anyhow::Result<Embedded> {
    let listener = bind(listen, chosen).await?;
    let address = listener.local_addr()?;
    let public_url = format!("http://{{tunnel}}.localhost:{}", address.port()).parse()?;
    let token = Secret::new(&OwnerSecret::random()?.to_hex());
    let access = Access::new(AccessConfig { tokens: vec![token.clone()], ..AccessConfig::default() });
    let access = access.map_err(|error| anyhow!("the relay's access: {error}"))?;
    let settings =
        Settings { public_url, head_bytes: limits::HEAD, body_bytes: None, opening_bytes: limits::TEXT_MESSAGE };
    let (bounds, silence) = (OperatorLimits::default(), limits::LINK_SILENCE);
    let options = Options { sole, trusted_proxies: Vec::new(), limits: bounds, silence };
    let relay = Relay::new(settings, access, options, Metrics::new());
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(relay::serve(relay.clone(), listener, shutdown.clone()));
    let port_taken = (!chosen && address.port() != listen.port()).then(|| listen.port());
    let lan = if sole { lan(address) } else { Vec::new() };
    Ok(Embedded { relay, task, shutdown, token, lan, port_taken })
}

async fn bind(listen: SocketAddr, chosen: bool) -> anyhow::Result<TcpListener> {
    let last = if chosen { listen.port() } else { listen.port().saturating_add(limits::PORTS) };
    for port in listen.port()..=last {
        match TcpListener::bind(SocketAddr::new(listen.ip(), port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port < last => {}
            bound => {
                return bound.with_context(|| {
                    format!(
                        "cannot listen on {}: choose another address with --listen",
                        SocketAddr::new(listen.ip(), port)
                    )
                });
            }
        }
    }
    Err(anyhow!("no free port from {} to {last}: choose one with --listen", listen.port()))
}

/// URLs under which phones on the same network reach `address`: none when it is loopback.
fn lan(address: SocketAddr) -> Vec<String> {
    let ip = match address.ip() {
        ip if ip.is_loopback() => return Vec::new(),
        ip if ip.is_unspecified() => outward(ip),
        ip => Some(ip),
    };
    ip.map(|ip| format!("http://{}", SocketAddr::new(ip, address.port()))).into_iter().collect()
}

/// This machine's address towards the rest of the network. Nothing is sent: connecting a UDP socket only picks a route.
fn outward(unspecified: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(SocketAddr::new(unspecified, 0)).ok()?;
    // An address reserved for documentation (RFC 5737, RFC 3849).
    socket.connect(if unspecified.is_ipv4() { "192.0.2.1:9" } else { "[2001:db8::1]:9" }).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

impl Embedded {
    /// Opens links to this relay.
    pub(super) fn connector(&self) -> Box<dyn Fn() -> InProcess + Send + Sync> {
        let relay = self.relay.clone();
        Box::new(move || relay.connect_in_process())
    }

    /// Stops the relay; visitors' open exchanges were drained before.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the relay ended badly");
        }
    }
}
