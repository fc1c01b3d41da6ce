//! The WebSocket API's door: a handshake stays pending until `$connect` has answered.

use super::Gateway;
use super::event::{self, epoch_ms};
use super::link::{self, Link};
use super::routes::Integration;
use crate::serverless::lambda::Failure;
use crate::serverless::listen::ACCEPT_PAUSE;
use crate::serverless::unique;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Quota of a WebSocket API's URL.
const URL_BYTES: usize = 4096;
const HEAD_BYTES: usize = 10_240;

struct Handshake {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    read_ahead: Vec<u8>,
}

/// A handshake that ends with an ordinary answer.
struct Refusal(u16, String);

pub async fn accept(gateway: Arc<Gateway>, listener: TcpListener) {
    let mut links = JoinSet::new();
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        while links.try_join_next().is_some() {}
        let gateway = Arc::clone(&gateway);
        links.spawn(async move {
            // A client that leaves during its handshake ends its own connection only.
            let _ = serve(gateway, stream, peer).await;
        });
    }
}

async fn serve(gateway: Arc<Gateway>, mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(handshake) = read(&mut stream).await? else {
        return refuse(&mut stream, &Refusal(431, message("Request Header Fields Too Large"))).await;
    };
    let info = info(&gateway, &handshake, peer);
    let protocol = match connect(&gateway, &handshake, &info).await {
        Ok(protocol) => protocol,
        Err(refusal) => return refuse(&mut stream, &refusal).await,
    };
    let key = handshake.header("sec-websocket-key").unwrap_or_default();
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n",
        derive_accept_key(key.as_bytes())
    );
    if let Some(protocol) = protocol {
        head += &format!("Sec-WebSocket-Protocol: {protocol}\r\n");
    }
    tokio::time::sleep(gateway.panel.read().latency.socket).await;
    // Registered first: whoever has seen the 101 may be posted to.
    let (link, parts) = Link::open(info);
    gateway.links.lock().expect("no panic").insert(link.info.connection_id.clone(), Arc::clone(&link));
    stream.write_all((head + "\r\n").as_bytes()).await?;
    link::live(gateway, link, parts, stream, handshake.read_ahead).await;
    Ok(())
}

async fn read(stream: &mut TcpStream) -> io::Result<Option<Handshake>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if bytes.len() > HEAD_BYTES {
            return Ok(None);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let read_ahead = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let fields = lines.filter_map(|line| line.split_once(':'));
    let headers = fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Ok(Some(Handshake { method, target, headers, read_ahead }))
}

impl Handshake {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn is_websocket(&self) -> bool {
        self.method == "GET"
            && self.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
            && self.header("sec-websocket-version") == Some("13")
            && self.header("sec-websocket-key").is_some()
    }
}

fn info(gateway: &Gateway, handshake: &Handshake, peer: SocketAddr) -> event::Link {
    let host = handshake.header("host").unwrap_or_default();
    event::Link {
        connection_id: format!("{}=", unique()),
        connected_at: epoch_ms(),
        api_id: gateway.names.websocket_api.clone(),
        stage: gateway.names.stage.clone(),
        domain: host.split(':').next().unwrap_or_default().to_owned(),
        source: peer.ip().to_string(),
        agent: handshake.header("user-agent").map(str::to_owned),
    }
}

/// Asks the function; the answer is the subprotocol that it chose.
async fn connect(gateway: &Gateway, handshake: &Handshake, info: &event::Link) -> Result<Option<String>, Refusal> {
    let (path, query) = handshake.target.split_once('?').unwrap_or((&handshake.target, ""));
    if path.trim_matches('/') != gateway.names.stage || handshake.target.len() > URL_BYTES {
        return Err(Refusal(403, message("Forbidden")));
    }
    if !handshake.is_websocket() {
        return Err(Refusal(426, message("Upgrade Required")));
    }
    if gateway.panel.read().throttle_handshakes {
        return Err(Refusal(429, message("Too Many Requests")));
    }
    let Some(Integration::Function(timeout)) = gateway.routes.get("$connect") else { return Ok(None) };
    // The platform shows the function all but the connection's own fields.
    let own = |name: &str| ["connection", "upgrade"].iter().any(|own| name.eq_ignore_ascii_case(own));
    let headers: Vec<_> = handshake.headers.iter().filter(|(name, _)| !own(name)).cloned().collect();
    let answered = gateway.invoke("CONNECT", &info.connect(&headers, query), *timeout).await;
    let answer: Value = match answered {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(Failure::TimedOut) => return Err(Refusal(504, message("Endpoint request timed out"))),
        Err(_) => return Err(Refusal(502, message("Internal server error"))),
    };
    let text = answer["body"].as_str().unwrap_or_default();
    match answer["statusCode"].as_u64() {
        Some(200..=299) => Ok(field(&answer["headers"], "sec-websocket-protocol")),
        Some(status @ 300..=599) => Err(Refusal(status as u16, text.to_owned())),
        _ => Err(Refusal(502, message("Internal server error"))),
    }
}

fn field(headers: &Value, name: &str) -> Option<String> {
    let fields = headers.as_object()?;
    let (_, value) = fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    value.as_str().map(str::to_owned)
}

fn message(text: &str) -> String {
    json!({"message": text}).to_string()
}

async fn refuse(stream: &mut TcpStream, Refusal(status, text): &Refusal) -> io::Result<()> {
    let reason =
        http::StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Refused");
    let head = format!("HTTP/1.1 {status} {reason}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    stream.write_all((head + text).as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with unread bytes could take the answer along.
    tokio::io::copy(stream, &mut tokio::io::sink()).await?;
    Ok(())
}
