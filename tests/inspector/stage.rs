//! A forwarder with its inspector, a service behind it that answers whatever a test wants to see, and ways to ask all three.

use crate::process::{PATIENCE, Process, command};
use crate::service::{Body, Service, streamed, whole};
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// See the module.
pub(crate) struct Stage {
    /// The inspector, without a slash at the end.
    pub(crate) inspector: String,
    /// The tunnel's public end, on loopback.
    pub(crate) public: SocketAddr,
    pub(crate) service: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    _forwarder: Process,
    _service: Service,
}

/// An answer to a test.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

impl Stage {
    /// A forwarder with these further words, its inspector on a port of its own unless they say something else.
    pub(crate) async fn start(words: &[&str]) -> Result<Self> {
        let inspect = if words.contains(&"--inspect") { &[][..] } else { &["--inspect", "127.0.0.1:0"] };
        Self::with(&[words, inspect].concat()).await
    }

    /// A forwarder that nobody told where its inspector is.
    pub(crate) async fn start_plain() -> Result<Self> {
        Self::with(&[]).await
    }

    async fn with(words: &[&str]) -> Result<Self> {
        let counter = Arc::new(AtomicU64::new(0));
        let service = Service::start(move |request| answer(request, counter.clone())).await?;
        let target = service.address.to_string();
        Self::of(service, &[&[target.as_str()], words].concat()).await
    }

    /// Tunnels of these names in one process, which lead to the same service.
    pub(crate) async fn of_tunnels(names: &[&str]) -> Result<Self> {
        let counter = Arc::new(AtomicU64::new(0));
        let service = Service::start(move |request| answer(request, counter.clone())).await?;
        let file = tempfile::NamedTempFile::new()?;
        let table = |name| format!("[tunnels.{name}]\ntarget = \"{}\"\n", service.address);
        std::fs::write(file.path(), names.iter().map(table).collect::<String>())?;
        let path = file.path().to_str().context("a path that is text")?;
        Self::of(service, &["start", "--config", path, "--inspect", "127.0.0.1:0"]).await
    }

    async fn of(service: Service, words: &[&str]) -> Result<Self> {
        let mut start = command(env!("CARGO_BIN_EXE_forwarder"));
        start.args(words).args(["--listen", "127.0.0.1:0", "--json"]);
        let mut forwarder = Process::start("forwarder", &mut start)?;
        let online = forwarder.line(online).await?;
        let inspector = online["inspector"].as_str().unwrap_or_default().to_owned();
        let (_, port) = online["url"].as_str().and_then(|url| url.rsplit_once(':')).context("a URL with a port")?;
        Ok(Self {
            inspector,
            public: SocketAddr::from(([127, 0, 0, 1], port.parse()?)),
            service: service.address,
            client: Client::builder(TokioExecutor::new()).build_http(),
            _forwarder: forwarder,
            _service: service,
        })
    }

    /// Sends any request anywhere.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let answer = timeout(PATIENCE, self.client.request(request)).await??;
        let (parts, body) = answer.into_parts();
        let body = timeout(PATIENCE, body.collect()).await??.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// A visitor's request.
    pub(crate) async fn visit(
        &self,
        method: &str,
        target: &str,
        lines: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        let url = format!("http://{}{target}", self.public);
        let builder = Request::builder().method(method).uri(url);
        let request = lines.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        self.send(request.body(Full::new(body.into()))?).await
    }

    pub(crate) async fn get(&self, target: &str) -> Result<Answer> {
        self.visit("GET", target, &[], "").await
    }

    /// Asks the inspector's API for JSON.
    pub(crate) async fn api(&self, path: &str) -> Result<Value> {
        let answer = self.send(Request::get(self.url(path)).body(Full::default())?).await?;
        ensure!(answer.status == 200, "{path}: {} {:?}", answer.status, answer.body);
        Ok(answer.json())
    }

    /// Sends JSON to the inspector's API.
    pub(crate) async fn order(&self, method: Method, path: &str, body: &Value) -> Result<Answer> {
        let request =
            Request::builder().method(method).uri(self.url(path)).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Full::from(body.to_string()))?).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.inspector)
    }

    /// The exchange to this target, once the inspector has all of it.
    pub(crate) async fn exchange(&self, target: &str) -> Result<Value> {
        let found = async {
            loop {
                let list = self.api("/api/exchanges").await?;
                let exchanges = list["exchanges"].as_array().context("a list")?;
                let found = exchanges.iter().find(|one| one["target"] == target && one["open"] == false);
                if let Some(found) = found {
                    return self.api(&format!("/api/exchanges/{}", found["id"])).await;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, found).await.with_context(|| format!("{target} is not captured"))?
    }

    /// The same, its number.
    pub(crate) async fn id(&self, target: &str) -> Result<u64> {
        self.exchange(target).await?["id"].as_u64().context("a number")
    }
}

fn online(line: &str) -> Option<Value> {
    let event: Value = serde_json::from_str(line).ok()?;
    (event["event"] == "online").then_some(event)
}

/// A picture of one pixel.
pub(crate) const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// What a hostile visitor would like the page to run.
pub(crate) const EVIL: &str =
    "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\"></pre></textarea>&lt;{{7*7}}";

async fn answer(request: Request<Incoming>, counter: Arc<AtomicU64>) -> Response<Body> {
    let n = counter.fetch_add(1, Ordering::Relaxed);
    match request.uri().path() {
        "/counted" => with("application/json", json!({ "n": n, "name": "same", "list": [1, 2, 3] }).to_string()),
        "/pixel" => with("image/png", STANDARD.decode(PIXEL).expect("it is base64")),
        "/evil" => with("text/html", EVIL),
        "/evil-json" => with(
            "application/json",
            json!({ EVIL: [EVIL, 1.5e300], "big": 1 }).to_string().replace("\"big\":1", "\"big\":12345678901234567890"),
        ),
        "/invalid" => with("text/plain; charset=utf-8", &b"before \xff\xfe\x00 after"[..]),
        "/binary" => with("application/octet-stream", (0..=255).collect::<Vec<u8>>()),
        "/huge" => with("application/json", format!("[{}1]", "{\"key\":\"value\"},".repeat(200_000))),
        "/packed" => packed(b"{\"hidden\":\"in gzip\"}"),
        "/bomb" => packed(&vec![b' '; 64 << 20]),
        "/form" => with("text/plain", "thanks"),
        "/cookies" => cookies(),
        "/events" => events(),
        "/slow" => slow(),
        "/socket" => socket(request),
        "/status/500" => {
            let _read = request.into_body().collect().await;
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }
        _ => echo(request).await,
    }
}

fn with(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(whole(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = with("text/plain", "broken");
    *response.status_mut() = status;
    response
}

fn packed(bytes: &[u8]) -> Response<Body> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("memory takes everything");
    let mut response = with("application/json", packer.finish().expect("memory takes everything"));
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

fn cookies() -> Response<Body> {
    let mut response = with("text/plain", "");
    for cookie in ["a=1; Path=/; HttpOnly", "b=2; Domain=example.com; Secure"] {
        response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
    response
}

/// Three events, and then it stays open.
fn events() -> Response<Body> {
    let (mut sender, body) = streamed();
    tokio::spawn(async move {
        for n in 1..=3 {
            let event = format!("event: tick\nid: {n}\ndata: number {n}\ndata: <b>{n}</b>\n\n");
            if sender.send_data(event.into()).await.is_err() {
                return;
            }
        }
        sleep(PATIENCE).await;
        drop(sender);
    });
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// A head, and a body that never comes.
fn slow() -> Response<Body> {
    let (sender, body) = streamed();
    tokio::spawn(async move {
        sleep(PATIENCE).await;
        drop(sender);
    });
    Response::new(body)
}

/// Says the request as JSON: method, target, headers in their order, body in base64.
async fn echo(request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let line =
        |(name, value): (&header::HeaderName, &HeaderValue)| json!([name.as_str(), STANDARD.encode(value.as_bytes())]);
    let headers: Vec<_> = parts.headers.iter().map(line).collect();
    let target = parts.uri.path_and_query().map(|target| target.as_str().to_owned());
    let said = json!({ "method": parts.method.as_str(), "target": target, "headers": headers, "body": STANDARD.encode(&body) });
    with("application/json", said.to_string())
}

/// A WebSocket that says every message back.
fn socket(mut request: Request<Incoming>) -> Response<Body> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() || socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut response = Response::new(whole(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Some(accept) = key.and_then(|key| HeaderValue::try_from(key).ok()) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}
