//! One end of a connection that speaks HTTP/1.1 by hand, so that every byte counts.

use super::in_time;
use bytes::{Buf as _, BytesMut};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection with what was read ahead.
#[derive(Debug)]
pub struct Conn {
    pub stream: TcpStream,
    buffer: BytesMut,
    /// Put in front of the path of every request that is sent.
    prefix: String,
}

/// A head, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Request line or status line.
    pub start: String,
    /// Names in lower case, values as they are.
    pub lines: Vec<(String, Vec<u8>)>,
}

/// An answer and what came before it.
#[derive(Clone, Debug)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
    /// The body came to its declared end.
    pub whole: bool,
    /// 1xx heads in front.
    pub informational: Vec<Head>,
}

impl Head {
    fn parse(text: &[u8]) -> Self {
        let mut lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let start = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let lines = lines.filter(|line| !line.is_empty()).map(|line| {
            let colon = line.iter().position(|&byte| byte == b':').expect("a header line has a colon");
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            (String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec())
        });
        Self { start, lines: lines.collect() }
    }

    /// Every value of `name`, in order.
    pub fn all(&self, name: &str) -> Vec<String> {
        let of_name = self.lines.iter().filter(|(theirs, _)| theirs == name);
        of_name.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The one value of `name`.
    pub fn get(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        assert!(all.len() < 2, "{name} is there more than once: {self:?}");
        all.pop()
    }

    /// The status, of an answer's head.
    pub fn status(&self) -> u16 {
        let word = self.start.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {:?}", self.start));
        word.parse().unwrap_or_else(|_| panic!("no status in {:?}", self.start))
    }

    /// Method and target, of a request's head.
    pub fn asked(&self) -> (&str, &str) {
        let (method, rest) = self.start.split_once(' ').expect("a request line has a method");
        (method, rest.rsplit_once(' ').expect("a request line has a version").0)
    }

    fn is_chunked(&self) -> bool {
        self.all("transfer-encoding").iter().any(|value| value.ends_with("chunked"))
    }

    fn length(&self) -> Option<usize> {
        self.get("content-length").map(|value| value.parse().expect("a length is a number"))
    }
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    pub fn get(&self, name: &str) -> Option<String> {
        self.head.get(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The tunnel's own error.
    pub fn fault(&self) -> Option<String> {
        self.head.get("x-tunnel-error")
    }
}

impl Conn {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a connected socket takes options");
        Self { stream, buffer: BytesMut::new(), prefix: String::new() }
    }

    /// From here on `prefix` stands in front of the path of every request whose line begins what is sent.
    pub fn beneath(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    pub async fn open(address: SocketAddr) -> Self {
        let stream = in_time("a connection", TcpStream::connect(address)).await.expect("the port is open");
        Self::new(stream)
    }

    /// Keeps the system from holding many megabytes on this connection's behalf: what a peer can send or receive ahead
    /// is then what the tunnel holds.
    pub fn with_small_buffers(self) -> Self {
        const SMALL: usize = 64 << 10;
        rustix::net::sockopt::set_socket_recv_buffer_size(&self.stream, SMALL).expect("a socket takes a size");
        rustix::net::sockopt::set_socket_send_buffer_size(&self.stream, SMALL).expect("a socket takes a size");
        self
    }

    /// Sends all of `bytes`.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the peer takes what is sent");
    }

    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let bytes = beneath(&self.prefix, bytes.as_ref());
        in_time("the peer to read", self.stream.write_all(&bytes)).await
    }

    async fn fill(&mut self) -> io::Result<usize> {
        in_time("the peer to write", self.stream.read_buf(&mut self.buffer)).await
    }

    /// The next head; `None` when the peer closes instead.
    pub async fn try_head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.buffer.split_to(end);
                self.buffer.advance(4);
                return Some(Head::parse(&head));
            }
            if self.fill().await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub async fn head(&mut self) -> Head {
        self.try_head().await.expect("the peer sends a head")
    }

    /// The next `length` bytes; fewer when the peer closes before.
    pub async fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.fill().await.unwrap_or(0) > 0 {}
        let length = length.min(self.buffer.len());
        self.buffer.split_to(length).to_vec()
    }

    /// Everything up to where the peer closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await.unwrap_or(0) > 0 {}
        self.buffer.split().to_vec()
    }

    /// Whether the peer closes, with nothing more to read.
    pub async fn closes(&mut self) -> bool {
        self.rest().await.is_empty()
    }

    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.buffer.split_to(end).to_vec();
                self.buffer.advance(2);
                return Some(line);
            }
            if self.fill().await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next chunk, empty at the end; `None` when the body is cut short.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line().await?;
        let size = String::from_utf8_lossy(&line);
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("{size:?} is no chunk size"));
        if size == 0 {
            while !self.line().await?.is_empty() {}
            return Some(Vec::new());
        }
        let bytes = self.bytes(size).await;
        (bytes.len() == size && self.line().await?.is_empty()).then_some(bytes)
    }

    async fn chunks(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            match self.chunk().await {
                None => return (body, false),
                Some(chunk) if chunk.is_empty() => return (body, true),
                Some(chunk) => body.extend(chunk),
            }
        }
    }

    /// The body of a request with `head`, and whether it came to its end.
    pub async fn request_body(&mut self, head: &Head) -> (Vec<u8>, bool) {
        if head.is_chunked() {
            return self.chunks().await;
        }
        let length = head.length().unwrap_or(0);
        let body = self.bytes(length).await;
        let whole = body.len() == length;
        (body, whole)
    }

    /// The next answer, to a request of `method`.
    pub async fn answer_to(&mut self, method: &str) -> Answer {
        let mut informational = Vec::new();
        let head = loop {
            let head = self.head().await;
            if head.status() >= 200 || head.status() == 101 {
                break head;
            }
            informational.push(head);
        };
        let (body, whole) = match head.status() {
            101 | 204 | 304 => (Vec::new(), true),
            _ if method == "HEAD" => (Vec::new(), true),
            _ if head.is_chunked() => self.chunks().await,
            _ => match head.length() {
                Some(length) => {
                    let body = self.bytes(length).await;
                    let whole = body.len() == length;
                    (body, whole)
                }
                None => (self.rest().await, true),
            },
        };
        Answer { head, body, whole, informational }
    }

    /// The next answer, to any request but HEAD.
    pub async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }
}

/// `bytes` with `prefix` in front of the path, where they begin with a request line.
fn beneath<'a>(prefix: &str, bytes: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let path = line.iter().position(|&byte| byte == b' ').map(|space| space + 1);
    match path {
        Some(at) if !prefix.is_empty() && line.get(at) == Some(&b'/') && line.windows(6).any(|w| w == b" HTTP/") => {
            [&bytes[..at], prefix.as_bytes(), &bytes[at..]].concat().into()
        }
        _ => bytes.into(),
    }
}
