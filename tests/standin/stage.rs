//! What every check stands on: a stack around the small function, a visitor and a forwarder's link.

use crate::serverless::{Knobs, Program, Stack};
use crate::socket::{Incoming, Socket, TEXT};
use crate::visitor::{Answer, Visit};
use serde_json::Value;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("did not happen in time: {what}"))
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn function() -> PathBuf {
    root().join("tests/standin/function.py")
}

pub(crate) fn program(settings: &[(&str, &str)]) -> Program {
    Program::read(root(), "dev", settings).expect("the program is sound")
}

pub(crate) async fn stack(turn: impl FnOnce(&mut Knobs)) -> Stack {
    let mut knobs = Knobs::default();
    turn(&mut knobs);
    Stack::start(program(&[("token", "secret")]), &function(), knobs).await
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, "GET", path, &[], b"").await
}

pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head += &format!("Host: {address}\r\n");
    }
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "Connection: close\r\n\r\n";
    within(path, async {
        let mut visit = Visit::begin(address, &[head.as_bytes(), body].concat()).await;
        let answer = visit.head().await;
        visit.rest(answer).await
    })
    .await
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// A forwarder's end of a link.
pub(crate) struct Link(pub(crate) Socket);

/// Opens a WebSocket with these fields; the error is the refusal's status and text.
pub(crate) async fn link(stack: &Stack, fields: &[(&str, &str)]) -> Result<(Link, String), (u16, String)> {
    link_at(stack, "/live", fields).await
}

pub(crate) async fn link_at(
    stack: &Stack,
    path: &str,
    fields: &[(&str, &str)],
) -> Result<(Link, String), (u16, String)> {
    let address = stack.addresses().websocket;
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    within("the handshake", async {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all((head + "\r\n").as_bytes()).await.expect("it reads");
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(stream.read_buf(&mut bytes).await.expect("it answers"), 0, "it closed");
        };
        let mut rest = bytes.split_off(end);
        let head = String::from_utf8(bytes).expect("a head is text");
        match head[9..12].parse().expect("a status") {
            101 => {
                assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455 §1.3: {head}");
                Ok((Link(Socket::new(Box::new(stream), rest, true)), head))
            }
            status => {
                stream.read_to_end(&mut rest).await.expect("it ends its answer");
                Err((status, String::from_utf8(rest).expect("a refusal is text")))
            }
        }
    })
    .await
}

pub(crate) async fn linked(stack: &Stack) -> Link {
    link(stack, &[]).await.unwrap_or_else(|refusal| panic!("refused: {refusal:?}")).0
}

impl Link {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.send_frame(true, TEXT, text.as_bytes()).await.expect("it reads");
    }

    pub(crate) async fn hear(&mut self) -> Incoming {
        within("something comes", self.0.next()).await
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.hear().await {
            Incoming::Message { text: true, bytes, .. } => String::from_utf8(bytes).expect("a text"),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.hear().await {
            Incoming::Close(code, reason) => (code, reason),
            other => panic!("no close: {other:?}"),
        }
    }
}

/// Events that the function saw, of this type.
pub(crate) fn events(stack: &Stack, kind: &str) -> Vec<Value> {
    let lines = stack.log();
    let all =
        lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()).map(|mut line| line["event"].take());
    all.filter(|event| event["requestContext"]["eventType"] == kind).collect()
}

/// Waits for so many events of this type.
pub(crate) async fn seen(stack: &Stack, kind: &str, count: usize) -> Vec<Value> {
    until(kind, || Some(events(stack, kind)).filter(|events| events.len() >= count)).await
}

/// Asks until there is something.
pub(crate) async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = ask() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

/// The connection id of the only link.
pub(crate) fn only_connection(stack: &Stack) -> String {
    let all = stack.gateway().connections();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

/// Compares an event with a recorded one: the same keys everywhere, and values of the same types.
pub(crate) fn same_shape(path: &str, recorded: &Value, found: &Value) {
    match (recorded, found) {
        (Value::Object(recorded), Value::Object(found)) => {
            let keys =
                |of: &serde_json::Map<String, Value>| of.keys().cloned().collect::<std::collections::BTreeSet<_>>();
            assert_eq!(keys(recorded), keys(found), "keys at {path}");
            recorded.iter().for_each(|(key, value)| same_shape(&format!("{path}.{key}"), value, &found[key]));
        }
        (Value::Array(recorded), Value::Array(found)) => {
            recorded.iter().zip(found).for_each(|(recorded, found)| same_shape(path, recorded, found));
        }
        _ => assert_eq!(std::mem::discriminant(recorded), std::mem::discriminant(found), "{path}: {found}"),
    }
}

pub(crate) fn recorded(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("tests/events").join(name)).expect("the recorded event is there");
    serde_json::from_str(&text).expect("it is JSON")
}
