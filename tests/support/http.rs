//! A visitor that speaks HTTP/1.1 by hand.

use super::within;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug, Default, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// The body ended as its framing says.
    pub whole: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub fn fault(&self) -> Option<&str> {
        self.header("x-tunnel-error")
    }
}

/// A request under way.
pub struct Visit {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Visit {
    /// Sends `request` as it stands.
    pub async fn begin(address: SocketAddr, request: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.write_all(request).await.expect("the request is taken");
        Self { stream, buffer: Vec::new() }
    }

    pub async fn get(address: SocketAddr, host: &str, path: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Self::begin(address, request.as_bytes()).await
    }

    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffer).await.is_ok_and(|read| read > 0)
    }

    /// Reads the head.
    pub async fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                return Answer::default();
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).expect("a head is text");
        Answer { status: head[9..12].parse().expect("a status line"), head, ..Answer::default() }
    }

    /// Reads the body of the answer that begins with `head`, to its end or to where it is cut.
    pub async fn rest(&mut self, mut answer: Answer) -> Answer {
        let bodiless = matches!(answer.status, 0 | 204 | 304);
        if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            answer.whole = self.chunks(&mut answer.body).await;
        } else if let Some(length) = answer.header("content-length").map(|n| n.parse().expect("a length")) {
            while self.buffer.len() < length && self.more().await {}
            answer.whole = self.buffer.len() >= length;
            answer.body = self.buffer.drain(..length.min(self.buffer.len())).collect();
        } else if !bodiless {
            while self.more().await {}
            answer.body = std::mem::take(&mut self.buffer);
        }
        answer.whole |= bodiless && answer.status != 0;
        answer
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(line_end) = self.buffer.windows(2).position(|two| two == b"\r\n") else {
                if self.more().await {
                    continue;
                }
                return false;
            };
            let line = String::from_utf8(self.buffer[..line_end].to_vec()).expect("a chunk's size is text");
            let size = usize::from_str_radix(&line, 16).expect("a chunk's size is hex");
            while self.buffer.len() < line_end + 2 + size + 2 {
                if !self.more().await {
                    body.extend(self.buffer.get(line_end + 2..).unwrap_or_default());
                    return false;
                }
            }
            body.extend(&self.buffer[line_end + 2..line_end + 2 + size]);
            self.buffer.drain(..line_end + 2 + size + 2);
            if size == 0 {
                return true;
            }
        }
    }

    /// Reads body bytes, decoded from chunks, until `size` of them are there; the answer must be chunked.
    pub async fn some(&mut self, size: usize) -> Vec<u8> {
        let mut body = Vec::new();
        while body.len() < size {
            let line_end = loop {
                if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                    break at;
                }
                assert!(within("the body goes on", self.more()).await, "the body ended");
            };
            let line = String::from_utf8(self.buffer[..line_end].to_vec()).expect("a chunk's size is text");
            let chunk = usize::from_str_radix(&line, 16).expect("a chunk's size is hex");
            assert_ne!(chunk, 0, "the body ended after {} bytes", body.len());
            while self.buffer.len() < line_end + 2 + chunk + 2 {
                assert!(within("the body goes on", self.more()).await, "the body ended");
            }
            body.extend(&self.buffer[line_end + 2..line_end + 2 + chunk]);
            self.buffer.drain(..line_end + 2 + chunk + 2);
        }
        body
    }

    pub async fn finish(mut self) -> Answer {
        let head = within("the answer's head", self.head()).await;
        within("the answer's body", self.rest(head)).await
    }
}

pub async fn get(address: SocketAddr, host: &str, path: &str) -> Answer {
    Visit::get(address, host, path).await.finish().await
}

/// A visitor who may find nobody listening: then the answer has status 0.
pub async fn try_get(address: SocketAddr, host: &str, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let Ok(mut stream) = TcpStream::connect(address).await else { return Answer::default() };
    if stream.write_all(request.as_bytes()).await.is_err() {
        return Answer::default();
    }
    Visit { stream, buffer: Vec::new() }.finish().await
}
