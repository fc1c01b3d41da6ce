//! The text encoding: every message is one flat JSON object with a `kind`; fields and kinds not known are skipped.
//!
//! Bytes travel as `text` when they are UTF-8 and that is shorter, else as `data` in base64.

use super::{Chunk, Flow, Hello, Piece, Timing, ToForwarder, ToGate, Welcome, WireError};
use crate::fault::Code;
use crate::head::{RequestHead, ResponseHead};
use crate::id::ExchangeId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The flat JSON object. Which fields a kind needs is checked when it becomes a message.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Frame<'a> {
    kind: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<(Cow<'a, str>, Value<'a>)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "is_false")]
    websocket: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "is_false")]
    end: bool,
    #[serde(skip_serializing_if = "is_false")]
    more: bool,
    #[serde(skip_serializing_if = "is_false")]
    binary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Number<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<u32>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    welcome: Option<Welcome>,
}

/// A header value: a string, or base64 under `data` where the bytes are not UTF-8.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Data { data: Cow<'a, str> },
}

/// `code` is a fault's name on `fail` and a number on `close`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Close(u16),
    Fault(Cow<'a, str>),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Reads the object; `None` when it has no kind, as the platform's own error frames have not.
pub(super) fn parse(message: &str) -> Result<Option<Frame<'_>>, WireError> {
    let frame: Frame = serde_json::from_str(message).map_err(|error| WireError::Json(error.to_string()))?;
    Ok(Some(frame).filter(|frame| !frame.kind.is_empty()))
}

/// The `message` of an object that is none of ours.
pub(super) fn parse_platform(message: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Platform {
        kind: Option<String>,
        message: Option<String>,
    }
    let frame: Platform = serde_json::from_str(message).ok()?;
    frame.message.filter(|_| frame.kind.is_none())
}

impl Frame<'_> {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of strings and numbers always serialises")
    }

    pub(super) fn into_forwarder(self) -> Result<Option<ToForwarder>, WireError> {
        Ok(Some(match &*self.kind {
            "welcome" => ToForwarder::Welcome(self.welcome.ok_or(WireError::Field("welcome"))?),
            "bye" => ToForwarder::Bye(self.reason.unwrap_or_default().into_owned()),
            "ping" => ToForwarder::Ping,
            "pong" => ToForwarder::Pong,
            "open" => ToForwarder::Open(self.id()?, self.request_head()?, self.chunk()?),
            "timing" => {
                let gate = self.gate.ok_or(WireError::Field("gate"))?;
                ToForwarder::Timing(self.id()?, Timing { gate, link: self.link.ok_or(WireError::Field("link"))? })
            }
            _ => return Ok(self.flow()?.map(|(id, flow)| ToForwarder::Flow(id, flow))),
        }))
    }

    pub(super) fn into_gate(self) -> Result<Option<ToGate>, WireError> {
        Ok(Some(match &*self.kind {
            "hello" => ToGate::Hello(Hello { agent: self.agent.unwrap_or_default().into_owned() }),
            "ping" => ToGate::Ping,
            "pong" => ToGate::Pong,
            "answer" => ToGate::Answer(self.id()?, self.response_head()?, self.chunk()?),
            "fail" => {
                let Some(Number::Fault(code)) = &self.code else { return Err(WireError::Field("code")) };
                let code = code.parse().unwrap_or(Code::Internal);
                ToGate::Fail(self.id()?, code, self.reason.unwrap_or_default().into_owned())
            }
            _ => return Ok(self.flow()?.map(|(id, flow)| ToGate::Flow(id, flow))),
        }))
    }

    fn flow(self) -> Result<Option<(ExchangeId, Flow)>, WireError> {
        let n = || self.n.ok_or(WireError::Field("n"));
        let flow = match &*self.kind {
            "part" => Flow::Part(n()?, self.chunk()?),
            "abort" => Flow::Abort(self.reason.as_deref().unwrap_or_default().to_owned()),
            "cancel" => Flow::Cancel,
            "credit" => Flow::Credit(self.credit.ok_or(WireError::Field("credit"))?),
            "message" => Flow::Message(n()?, Piece { binary: self.binary, more: self.more, bytes: self.bytes()? }),
            "close" => {
                let Some(Number::Close(code)) = self.code else { return Err(WireError::Field("code")) };
                Flow::Close(n()?, code, self.reason.as_deref().unwrap_or_default().to_owned())
            }
            _ => return Ok(None),
        };
        Ok(Some((self.id()?, flow)))
    }

    fn id(&self) -> Result<ExchangeId, WireError> {
        let id = self.id.as_deref().ok_or(WireError::Field("id"))?;
        id.parse().map_err(|_| WireError::Field("id"))
    }

    fn bytes(&self) -> Result<Bytes, WireError> {
        match (&self.text, &self.data) {
            (Some(_), Some(_)) => Err(WireError::Field("data")),
            (Some(text), None) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            (None, Some(data)) => {
                STANDARD.decode(data.as_bytes()).map(Bytes::from).map_err(|_| WireError::Field("data"))
            }
            (None, None) => Ok(Bytes::new()),
        }
    }

    fn chunk(&self) -> Result<Chunk, WireError> {
        Ok(Chunk { bytes: self.bytes()?, end: self.end })
    }

    fn request_head(&self) -> Result<RequestHead, WireError> {
        let method = self.method.as_deref().ok_or(WireError::Field("method"))?;
        let target = self.target.as_deref().ok_or(WireError::Field("target"))?;
        let from = self.from.as_deref().map(str::parse).transpose();
        Ok(RequestHead {
            method: method.parse().map_err(|_| WireError::Field("method"))?,
            target: super::binary::target(target.as_bytes())?,
            headers: self.header_map()?,
            from: from.map_err(|_| WireError::Field("from"))?,
            websocket: self.websocket,
        })
    }

    fn response_head(&self) -> Result<ResponseHead, WireError> {
        let status = self.status.ok_or(WireError::Field("status"))?;
        Ok(ResponseHead {
            status: http::StatusCode::from_u16(status).map_err(|_| WireError::Field("status"))?,
            headers: self.header_map()?,
        })
    }

    fn header_map(&self) -> Result<HeaderMap, WireError> {
        let mut map = HeaderMap::new();
        for (name, value) in self.headers.iter().flatten() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| WireError::Field("headers"))?;
            let value = match value {
                Value::Text(text) => HeaderValue::from_bytes(text.as_bytes()),
                Value::Data { data } => HeaderValue::from_maybe_shared(
                    STANDARD.decode(data.as_bytes()).map_err(|_| WireError::Field("headers"))?,
                ),
            };
            map.append(name, value.map_err(|_| WireError::Field("headers"))?);
        }
        Ok(map)
    }

    fn of_kind(kind: &'static str) -> Self {
        Frame { kind: Cow::Borrowed(kind), ..Frame::default() }
    }

    fn of_exchange(kind: &'static str, id: ExchangeId) -> Self {
        Frame { id: Some(id.to_string().into()), ..Self::of_kind(kind) }
    }
}

impl<'a> Frame<'a> {
    fn with_bytes(mut self, bytes: &'a [u8]) -> Self {
        let base64_length = bytes.len().div_ceil(3) * 4;
        match std::str::from_utf8(bytes) {
            Ok("") => {}
            Ok(text) if escaped_length(text) <= base64_length => self.text = Some(text.into()),
            _ => self.data = Some(STANDARD.encode(bytes).into()),
        }
        self
    }

    fn with_headers(mut self, headers: &'a HeaderMap) -> Self {
        let lines = headers.iter().map(|(name, value)| {
            let value = match std::str::from_utf8(value.as_bytes()) {
                Ok(text) => Value::Text(text.into()),
                Err(_) => Value::Data { data: STANDARD.encode(value).into() },
            };
            (Cow::Borrowed(name.as_str()), value)
        });
        self.headers = Some(lines.collect());
        self
    }
}

/// Bytes that `text` takes inside a JSON string, quotes not counted.
fn escaped_length(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

impl<'a> From<&'a ToForwarder> for Frame<'a> {
    fn from(message: &'a ToForwarder) -> Self {
        match message {
            ToForwarder::Welcome(welcome) => Frame { welcome: Some(welcome.clone()), ..Frame::of_kind("welcome") },
            ToForwarder::Bye(reason) => Frame { reason: Some(reason.into()), ..Frame::of_kind("bye") },
            ToForwarder::Ping => Frame::of_kind("ping"),
            ToForwarder::Pong => Frame::of_kind("pong"),
            ToForwarder::Open(id, head, body) => Frame {
                method: Some(head.method.as_str().into()),
                target: Some(head.target.as_str().into()),
                from: head.from.map(|from| from.to_string().into()),
                websocket: head.websocket,
                end: body.end,
                ..Frame::of_exchange("open", *id)
            }
            .with_headers(&head.headers)
            .with_bytes(&body.bytes),
            ToForwarder::Flow(id, flow) => Frame::from((*id, flow)),
            ToForwarder::Timing(id, timing) => {
                Frame { gate: Some(timing.gate), link: Some(timing.link), ..Frame::of_exchange("timing", *id) }
            }
        }
    }
}

impl<'a> From<&'a ToGate> for Frame<'a> {
    fn from(message: &'a ToGate) -> Self {
        match message {
            ToGate::Hello(hello) => Frame { agent: Some(hello.agent.as_str().into()), ..Frame::of_kind("hello") },
            ToGate::Ping => Frame::of_kind("ping"),
            ToGate::Pong => Frame::of_kind("pong"),
            ToGate::Answer(id, head, body) => {
                Frame { status: Some(head.status.as_u16()), end: body.end, ..Frame::of_exchange("answer", *id) }
                    .with_headers(&head.headers)
                    .with_bytes(&body.bytes)
            }
            ToGate::Fail(id, code, reason) => Frame {
                code: Some(Number::Fault(code.as_str().into())),
                reason: Some(reason.into()),
                ..Frame::of_exchange("fail", *id)
            },
            ToGate::Flow(id, flow) => Frame::from((*id, flow)),
        }
    }
}

impl<'a> From<(ExchangeId, &'a Flow)> for Frame<'a> {
    fn from((id, flow): (ExchangeId, &'a Flow)) -> Self {
        match flow {
            Flow::Part(n, body) => {
                Frame { n: Some(*n), end: body.end, ..Frame::of_exchange("part", id) }.with_bytes(&body.bytes)
            }
            Flow::Abort(reason) => Frame { reason: Some(reason.into()), ..Frame::of_exchange("abort", id) },
            Flow::Cancel => Frame::of_exchange("cancel", id),
            Flow::Credit(bytes) => Frame { credit: Some(*bytes), ..Frame::of_exchange("credit", id) },
            Flow::Message(n, piece) => {
                Frame { n: Some(*n), binary: piece.binary, more: piece.more, ..Frame::of_exchange("message", id) }
                    .with_bytes(&piece.bytes)
            }
            Flow::Close(n, code, reason) => Frame {
                n: Some(*n),
                code: Some(Number::Close(*code)),
                reason: Some(reason.into()),
                ..Frame::of_exchange("close", id)
            },
        }
    }
}
