//! What is kept of one exchange holds nothing of the link's buffers: heads and bodies are copied, and their size is known.

use super::capture::{Ended, What};
use super::message::Messages;
use crate::head;
use crate::limits;
use crate::wire;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What a record takes besides heads, bodies and messages: itself, its place in the store, and what the allocator adds to
/// each of its half a dozen pieces.
const ENVELOPE: usize = size_of::<Record>() + 256;

/// Header lines in their order, as `name: value\r\n` each: one allocation for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines(Box<[u8]>);

impl Lines {
    /// Names and values. Neither holds a line break, and no name a colon: they were headers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.split_inclusive(|&byte| byte == b'\n').filter_map(|line| {
            let line = line.strip_suffix(b"\r\n")?;
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((std::str::from_utf8(&line[..colon]).ok()?, line[colon + 1..].strip_prefix(b" ")?))
        })
    }

    /// The first value of `name`, which is in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(theirs, _)| *theirs == name).map(|(_, value)| value)
    }

    /// The same, where it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// As headers that can be sent.
    pub(super) fn to_map(&self) -> HeaderMap {
        let pairs = self.iter().filter_map(|(name, value)| {
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?))
        });
        pairs.collect()
    }

    /// All bytes, for a search.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&HeaderMap> for Lines {
    fn from(headers: &HeaderMap) -> Self {
        let mut lines = Vec::with_capacity(head::size(headers));
        for (name, value) in headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                lines.extend_from_slice(part);
            }
        }
        Self(lines.into())
    }
}

/// A body, or its beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Bytes that it has; more than are kept, for a large one.
    pub(super) size: u64,
    /// It came to its end.
    pub(super) whole: bool,
}

impl Body {
    /// A body that is all there; what is over the limit is cut.
    pub(super) fn whole(mut bytes: Vec<u8>) -> Self {
        let size = bytes.len() as u64;
        bytes.truncate(limits::INSPECT_BODY);
        bytes.shrink_to_fit();
        Self { bytes, size, whole: true }
    }

    /// Whether all that it has is kept.
    pub(super) fn is_kept(&self) -> bool {
        self.bytes.len() as u64 == self.size
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = limits::INSPECT_BODY.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.size += bytes.len() as u64;
    }
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Visitor,
    /// A repetition of this exchange.
    Replay(u64),
    /// A HAR file.
    Import,
}

/// The request's side.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: Box<str>,
    pub(super) headers: Lines,
    pub(super) body: Body,
    pub(super) from: Option<IpAddr>,
    pub(super) websocket: bool,
    /// Which of several tunnels it came through.
    pub(super) tunnel: Option<Arc<str>>,
}

/// The answer's side, once there is a head.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Lines,
}

/// When things happened, counted from the exchange's beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timing {
    pub(super) asked: Option<Duration>,
    pub(super) answered: Option<Duration>,
    pub(super) ended: Option<Duration>,
    /// What the gate said of its own time and the link's, counted apart from the others.
    pub(super) public: Option<wire::Timing>,
}

/// One exchange, as far as it has come.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) origin: Origin,
    pub(super) started: SystemTime,
    pub(super) request: Request,
    pub(super) answer: Option<Answer>,
    pub(super) answer_body: Body,
    pub(super) messages: Messages,
    pub(super) timing: Timing,
    /// What the visitor got, also where that was the tunnel's own error.
    pub(super) status: Option<u16>,
    /// The tunnel's own error: its code and its text.
    pub(super) fault: Option<(&'static str, String)>,
    /// It ended before it was complete.
    pub(super) cut: bool,
    /// Something of it was not captured.
    pub(super) lost: bool,
}

impl Record {
    /// A request of which nothing more is known.
    pub(super) fn new(id: u64, origin: Origin, started: SystemTime, request: Request) -> Self {
        Self {
            id,
            origin,
            started,
            request,
            answer: None,
            answer_body: Body::default(),
            messages: Messages::default(),
            timing: Timing::default(),
            status: None,
            fault: None,
            cut: false,
            lost: false,
        }
    }

    /// Takes what the exchange did.
    pub(super) fn apply(&mut self, what: What) {
        match what {
            What::Begun { .. } => {}
            What::RequestBody { bytes, end } => {
                self.request.body.push(&bytes);
                self.request.body.whole |= end;
            }
            What::Answered { after, asked, answer, body } => {
                self.timing = Timing { asked, answered: Some(after), ..self.timing };
                self.status = Some(answer.status);
                self.answer = Some(answer);
                self.answer_body.push(&body);
            }
            What::AnswerBody(bytes) => self.answer_body.push(&bytes),
            What::Message(message) => self.messages.push(message),
            What::Fault(code, detail) => self.fault = Some((code.as_str(), detail)),
            What::Timed(timing) => self.timing.public = Some(timing),
            What::Ended(ended) => self.end(&ended),
        }
    }

    fn end(&mut self, ended: &Ended) {
        self.timing.asked = ended.asked;
        self.timing.ended = Some(ended.after);
        self.status = Some(ended.status);
        self.cut = ended.cut;
        self.lost |= ended.lost;
        if !self.request.websocket {
            self.request.body.size = ended.up;
            self.answer_body.size = ended.down;
        }
        self.answer_body.whole = !ended.cut && self.answer.is_some();
        self.request.body.bytes.shrink_to_fit();
        self.answer_body.bytes.shrink_to_fit();
    }

    /// Whether it goes on.
    pub(super) fn is_open(&self) -> bool {
        self.timing.ended.is_none()
    }

    /// Memory that it takes.
    pub(super) fn size(&self) -> usize {
        let answer = self.answer.as_ref().map_or(0, |answer| answer.headers.0.len());
        let bodies = self.request.body.bytes.capacity() + self.answer_body.bytes.capacity();
        ENVELOPE + self.request.target.len() + self.request.headers.0.len() + answer + bodies + self.messages.size()
    }
}
