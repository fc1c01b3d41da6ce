//! A gate as a stranger would write it: it takes a forwarder's handshake, refuses or welcomes it, and speaks the wire.

use super::socket::Socket;
use super::stranger::Link;
use super::wire::Encoding;
use super::within;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub struct Gate {
    listener: TcpListener,
    pub address: SocketAddr,
}

/// A forwarder that asks to be linked.
pub struct Asking {
    stream: TcpStream,
    pub head: String,
    rest: Vec<u8>,
}

impl Gate {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, address }
    }

    pub fn endpoint(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The next forwarder that asks.
    pub async fn asked(&self) -> Asking {
        within("a forwarder asks to be linked", async {
            let (mut stream, _) = self.listener.accept().await.expect("it listens");
            let mut bytes = Vec::new();
            let end = loop {
                if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                assert_ne!(stream.read_buf(&mut bytes).await.expect("the handshake"), 0, "the forwarder left");
            };
            let rest = bytes.split_off(end);
            Asking { stream, head: String::from_utf8(bytes).expect("a head is text"), rest }
        })
        .await
    }

    /// Links the next forwarder.
    pub async fn linked(&self, encoding: Encoding, welcome: Value) -> Link {
        self.asked().await.accept(encoding, welcome).await
    }
}

/// A welcome with flow control.
pub fn welcome() -> Value {
    json!({"kind": "welcome", "name": "shop", "url": "http://shop.gate.test", "window": 262_144, "keep_alive": 10})
}

impl Asking {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub async fn refuse(mut self, status: &str, text: &str) {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        self.stream.write_all(answer.as_bytes()).await.expect("the forwarder reads");
        // Closing before the other end has read everything could take the answer with it.
        let mut rest = Vec::new();
        drop(self.stream.shutdown().await);
        drop(self.stream.read_to_end(&mut rest).await);
    }

    pub async fn accept(mut self, encoding: Encoding, welcome: Value) -> Link {
        let key = derive_accept_key(self.field("sec-websocket-key").expect("a key").as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {key}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
            encoding.subprotocol()
        );
        self.stream.write_all(answer.as_bytes()).await.expect("the forwarder reads");
        let mut link =
            Link { socket: Socket::new(Box::new(self.stream), self.rest, false), encoding, frames: Vec::new() };
        let hello = link.receive().await;
        assert_eq!(hello["kind"], "hello", "a forwarder's first message");
        assert!(hello["agent"].as_str().is_some_and(|agent| agent.starts_with("forwarder/")), "{hello}");
        link.send(welcome).await;
        link
    }
}

/// A new exchange, whole.
pub fn open(id: u64, path: &str) -> Value {
    json!({
        "kind": "open", "id": super::wire::id(id), "method": "GET", "target": path, "from": "203.0.113.9",
        "headers": [["host", "shop.gate.test"]], "end": true,
    })
}
