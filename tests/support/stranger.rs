//! One end of a link as a stranger would write it: a forwarder towards the relay, and the same speech for a gate.

use super::socket::{self, Incoming, Socket};
use super::wire::{self, Encoding};
use super::within;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An ownership secret: 64 hex digits.
pub fn owner(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// The answer to a handshake that was not accepted.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub text: String,
}

/// Opens a WebSocket with these header fields.
pub async fn handshake(address: SocketAddr, fields: &[(&str, &str)]) -> Result<(Socket, String), Refused> {
    let mut stream = TcpStream::connect(address).await.expect("the relay listens");
    let mut request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    for (name, value) in fields {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all((request + "\r\n").as_bytes()).await.expect("the relay reads");
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.expect("the relay answers"), 0, "the relay closed");
    };
    let rest = bytes.split_off(head_end);
    let head = String::from_utf8(bytes).expect("a head is text").to_lowercase();
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned()).unwrap_or_default()
    };
    let status = head[9..12].parse().expect("a status line");
    if status == 101 {
        assert_eq!(field("sec-websocket-accept:"), "s3pplmbitxaq9kygzzhzrbk+xoo=", "RFC 6455 §1.3, in lower case");
        return Ok((Socket::new(Box::new(stream), rest, true), field("sec-websocket-protocol:")));
    }
    let mut text = rest;
    let length = field("content-length:").parse().expect("a refusal has a length");
    while text.len() < length {
        assert_ne!(stream.read_buf(&mut text).await.expect("the refusal is whole"), 0, "the relay closed");
    }
    Err(Refused { status, text: String::from_utf8(text).expect("a refusal is text") })
}

/// One end of an open link.
pub struct Link {
    pub socket: Socket,
    pub encoding: Encoding,
    /// Sizes of the frames of the message that was received last.
    pub frames: Vec<usize>,
}

impl Link {
    pub async fn send(&mut self, message: Value) {
        self.try_send(message).await.expect("the other end reads");
    }

    pub async fn try_send(&mut self, message: Value) -> std::io::Result<()> {
        match self.encoding {
            Encoding::Binary => self.socket.send_frame(true, socket::BINARY, &wire::to_binary(&message)).await,
            Encoding::Text => self.socket.send_frame(true, socket::TEXT, message.to_string().as_bytes()).await,
        }
    }

    /// What comes next; an answer to a keep-alive is nothing. The error is a close.
    pub async fn try_receive(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match self.socket.next().await {
                Incoming::Message { text, bytes, frames } => {
                    assert_eq!(text, self.encoding == Encoding::Text, "the encoding's own type of message");
                    self.frames = frames;
                    let message = match self.encoding {
                        Encoding::Binary => wire::from_binary(&bytes),
                        Encoding::Text => serde_json::from_slice(&bytes).expect("a text message is JSON"),
                    };
                    match message["kind"].as_str() {
                        Some("ping") => drop(self.try_send(json!({"kind": "pong"})).await),
                        Some("pong") => {}
                        _ => return Ok(message),
                    }
                }
                Incoming::Pong(_) => {}
                Incoming::Close(code, reason) => return Err((code, reason)),
                Incoming::Gone => return Err((1006, String::new())),
            }
        }
    }

    pub async fn receive(&mut self) -> Value {
        within("a message on the link", self.try_receive())
            .await
            .unwrap_or_else(|close| panic!("the link was closed: {close:?}"))
    }

    /// The next message of this kind; it must be the next one but for credit.
    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let message = self.receive().await;
            match message["kind"].as_str() {
                Some(found) if found == kind => return message,
                Some("credit") => {}
                _ => panic!("{kind} was expected, not {message}"),
            }
        }
    }

    /// The next exchange; that an earlier one was given up is no matter.
    pub async fn opened(&mut self) -> Value {
        loop {
            let message = self.receive().await;
            match message["kind"].as_str() {
                Some("open") => return message,
                Some("credit" | "cancel") => {}
                _ => panic!("an exchange was expected, not {message}"),
            }
        }
    }

    /// The code and text with which the other end closes; what it says before is skipped.
    pub async fn closed(&mut self) -> (u16, String) {
        within("the link is closed", async {
            loop {
                if let Err(close) = self.try_receive().await {
                    return close;
                }
            }
        })
        .await
    }

    /// Answers an `open` in one message.
    pub async fn answer(&mut self, open: &Value, text: &str) {
        self.send(json!({"kind": "answer", "id": open["id"], "status": 200, "headers": [], "text": text, "end": true}))
            .await;
    }
}

/// A stranger's forwarder, linked and welcomed.
pub async fn forwarder(address: SocketAddr, encoding: Encoding, name: &str, owner: &str) -> (Link, Value) {
    let fields =
        [("Sec-WebSocket-Protocol", encoding.subprotocol()), ("x-tunnel-name", name), ("x-tunnel-owner", owner)];
    let (socket, chosen) = handshake(address, &fields).await.expect("the link is accepted");
    assert_eq!(chosen, encoding.subprotocol());
    let mut link = Link { socket, encoding, frames: Vec::new() };
    link.send(json!({"kind": "hello", "agent": "stranger/1"})).await;
    let welcome = link.receive().await;
    assert_eq!(welcome["kind"], "welcome");
    (link, welcome)
}
