//! A relay and a forwarder in this process, as `src/bin` wires them, in a runtime of their own: dropped, all of it ends
//! at once, whatever it waits for.

use super::service::TestService;
use super::{Answer, Conn, PATIENCE};
use http_tunnel::forwarder::config::{ColorChoice, HostHeader, Output};
use http_tunnel::forwarder::dial::Proxies;
use http_tunnel::forwarder::exchange::Workshop;
use http_tunnel::forwarder::report::{Colors, Reporter};
use http_tunnel::forwarder::rules::Rules;
use http_tunnel::forwarder::service::Service;
use http_tunnel::forwarder::{self, Banner, Identity, Way};
use http_tunnel::gate::Settings;
use http_tunnel::gate::access::{Access, AccessConfig};
use http_tunnel::id::OwnerSecret;
use http_tunnel::limits;
use http_tunnel::relay::config::OperatorLimits;
use http_tunnel::relay::metrics::Metrics;
use http_tunnel::relay::{self, Options, Relay};
use http_tunnel::secret::Secret;
use http_tunnel::wire::Encoding;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// The name of the one tunnel.
pub const NAME: &str = "box";

/// What a test can choose; the defaults are the product's.
pub struct Knobs {
    pub encoding: Encoding,
    /// Tunnels at `/NAME/`, not at `NAME.localhost`.
    pub by_path: bool,
    /// The relay is inside the forwarder's process; otherwise the link is a socket.
    pub embedded: bool,
    pub host_header: HostHeader,
    pub rules: Rules,
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    pub timeout: Duration,
    /// The forwarder asks for each hop's time.
    pub timing: bool,
    pub limits: OperatorLimits,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Host and port of the service, where it is not the test's.
    pub service: Option<(String, u16)>,
    /// The public end, where it is not a relay of this tunnel's own.
    pub end: Option<End>,
}

/// A public end that stands already.
pub struct End {
    /// Where the forwarder links.
    pub endpoint: http::Uri,
    pub token: Option<Secret>,
    /// Where visitors connect.
    pub address: SocketAddr,
    /// `Host` of a visitor.
    pub host: String,
    /// What stands in front of the service's paths: `/NAME`, or nothing.
    pub prefix: String,
    /// Ends with the tunnel.
    pub alive: Box<dyn std::any::Any + Send>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            encoding: Encoding::Binary,
            by_path: false,
            embedded: false,
            host_header: HostHeader::Rewrite,
            rules: Rules::default(),
            headers: Vec::new(),
            timeout: limits::ANSWER,
            timing: false,
            limits: OperatorLimits::default(),
            trusted_proxies: Vec::new(),
            service: None,
            end: None,
        }
    }
}

pub struct Tunnel {
    /// The relay's.
    pub address: SocketAddr,
    /// `Host` of a visitor.
    pub host: String,
    /// What stands in front of the service's paths.
    pub prefix: String,
    pub workshop: Arc<Workshop>,
    events: mpsc::Receiver<serde_json::Value>,
    forwarder: tokio::task::AbortHandle,
    stop: CancellationToken,
    runtime: Option<Runtime>,
    _end: Option<Box<dyn std::any::Any + Send>>,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Tunnel {
    /// A tunnel to `service` on one encoding.
    pub async fn on(encoding: Encoding, service: &TestService) -> Self {
        Self::with(Knobs { encoding, ..Knobs::default() }, service).await
    }

    /// A tunnel to `service`.
    pub async fn to(service: &TestService) -> Self {
        Self::with(Knobs::default(), service).await
    }

    /// A tunnel to `service`, linked.
    pub async fn with(knobs: Knobs, service: &TestService) -> Self {
        let place = knobs.service.clone().unwrap_or_else(|| (service.address.ip().to_string(), service.port()));
        let started = tokio::task::spawn_blocking(move || Self::start(knobs, place));
        started.await.expect("the tunnel starts")
    }

    fn start(mut knobs: Knobs, place: (String, u16)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(limits::EXCHANGES)
            .enable_all()
            .build()
            .expect("the system has threads");
        let end = knobs.end.take();
        let (address, host, prefix, way, token) = match &end {
            Some(end) => {
                let way = Way::Remote(end.endpoint.clone(), Proxies::read(&|_| None));
                (end.address, end.host.clone(), end.prefix.clone(), way, end.token.clone())
            }
            None => {
                let (address, way) = own_relay(&runtime, &knobs);
                let by_name = || format!("{NAME}.localhost:{}", address.port());
                let host = if knobs.by_path { address.to_string() } else { by_name() };
                (address, host, String::new(), way, None)
            }
        };
        let (lines, events) = mpsc::channel();
        let workshop = workshop(&runtime, &mut knobs, &place, lines);
        let encodings: &[Encoding] = match knobs.encoding {
            Encoding::Binary => &[Encoding::Binary],
            Encoding::Text => &[Encoding::Text],
        };
        let owner = OwnerSecret::random().expect("the system has randomness");
        let identity = Identity { name: Some(NAME.parse().expect("a name")), token, owner, encodings };
        let (shop, stop) = (workshop.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let running = runtime.spawn(async move {
            forwarder::run(&way, identity, &shop, &Banner::default(), &stopped)
                .await
                .expect("the public end takes the link");
        });
        let forwarder = running.abort_handle();
        let alive = end.map(|end| end.alive);
        let tunnel =
            Self { address, host, prefix, workshop, events, forwarder, stop, runtime: Some(runtime), _end: alive };
        tunnel.event("online");
        tunnel
    }

    /// Stops the forwarder as its user does.
    pub fn stop_forwarder(&self) {
        self.stop.cancel();
    }

    /// The next event of this kind that the forwarder reports.
    pub fn event(&self, kind: &str) -> serde_json::Value {
        loop {
            let event = self.events.recv_timeout(PATIENCE);
            let event = event.unwrap_or_else(|_| panic!("waited in vain for the event {kind:?}"));
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// The events up to the next one of this kind, which is the last of them.
    pub fn events_to(&self, kind: &str) -> Vec<serde_json::Value> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &serde_json::Value| event["event"] != kind) {
            let event = self.events.recv_timeout(PATIENCE);
            events.push(event.unwrap_or_else(|_| panic!("waited in vain for the event {kind:?}")));
        }
        events
    }

    /// How many of the events that were reported and not looked at yet are of this kind.
    pub fn events_named(&self, kind: &str) -> usize {
        self.events.try_iter().filter(|event| event["event"] == kind).count()
    }

    /// Ends the forwarder in the middle of what it does; the relay stays.
    pub fn lose_forwarder(&self) {
        self.forwarder.abort();
    }

    /// A visitor's connection.
    pub async fn visitor(&self) -> Conn {
        Conn::open(self.address).await.beneath(&self.prefix)
    }

    /// Sends `request`, with `HOST` in it for the tunnel's, and reads the answer.
    pub async fn ask(&self, request: impl AsRef<str>) -> Answer {
        let mut visitor = self.visitor().await;
        let request = request.as_ref().replace("HOST", &self.host);
        visitor.send(&request).await;
        visitor.answer_to(request.split(' ').next().unwrap_or_default()).await
    }

    /// GET of `target`.
    pub async fn get(&self, target: &str) -> Answer {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: HOST\r\n\r\n")).await
    }

    /// POST of `body`, its length declared.
    pub async fn post(&self, target: &str, body: &[u8]) -> Answer {
        let mut visitor = self.visitor().await;
        let (host, length) = (&self.host, body.len());
        visitor.send(format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n")).await;
        visitor.send(body).await;
        visitor.answer().await
    }
}

fn own_relay(runtime: &Runtime, knobs: &Knobs) -> (SocketAddr, Way) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let relay = relay(knobs, address);
    runtime.spawn(relay::serve(relay.clone(), listener, CancellationToken::new()));
    let endpoint = || format!("ws://{address}/").parse().expect("an address makes a URL");
    let way = match knobs.embedded {
        true => Way::InProcess(Box::new(move || relay.connect_in_process())),
        false => Way::Remote(endpoint(), Proxies::read(&|_| None)),
    };
    (address, way)
}

fn workshop(
    runtime: &Runtime,
    knobs: &mut Knobs,
    (host, port): &(String, u16),
    lines: mpsc::Sender<serde_json::Value>,
) -> Arc<Workshop> {
    let output = Output { json: true, quiet: false, verbose: false, tui: false, color: ColorChoice::Never };
    let reporter = Reporter::write_to(output, Colors::default(), false, Lines { begun: Vec::new(), lines }, io::sink());
    let reporter = reporter.expect("the system has threads");
    let found =
        runtime.block_on(Service::find(host, *port, std::mem::replace(&mut knobs.host_header, HostHeader::Rewrite)));
    let rules = std::mem::take(&mut knobs.rules);
    let drops = rules.removes_authorization();
    let headers = std::mem::take(&mut knobs.headers);
    let service = found.expect("loopback is known").with_headers(headers).without_authorization(drops);
    Arc::new(Workshop::new(Arc::new(service), rules, knobs.timeout, reporter).timed(knobs.timing))
}

fn relay(knobs: &Knobs, address: SocketAddr) -> Arc<Relay> {
    let url = match knobs.by_path {
        true => format!("http://{address}/{{tunnel}}"),
        false => format!("http://{{tunnel}}.localhost:{}", address.port()),
    };
    let access = AccessConfig { open: true, ..AccessConfig::default() };
    let access = Access::new(access).expect("open to anyone is a configuration");
    let settings = Settings {
        public_url: url.parse().expect("a public URL"),
        head_bytes: knobs.limits.head_bytes,
        body_bytes: knobs.limits.body_bytes,
        opening_bytes: http_tunnel::limits::TEXT_MESSAGE,
    };
    let trusted_proxies = knobs.trusted_proxies.clone();
    let options =
        Options { sole: knobs.embedded, trusted_proxies, limits: knobs.limits, silence: limits::LINK_SILENCE };
    Relay::new(settings, access, options, Metrics::new())
}

/// Cuts what is written into lines of JSON.
struct Lines {
    begun: Vec<u8>,
    lines: mpsc::Sender<serde_json::Value>,
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        while let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            let event = serde_json::from_slice(&line).expect("every line is JSON");
            // The tunnel may be gone already.
            let _gone = self.lines.send(event);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
