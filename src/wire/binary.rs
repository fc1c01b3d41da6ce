//! The binary encoding: one kind byte, fixed fields in network byte order, then raw bytes. No length is trusted.
//!
//! A head is a block with its own length, so that a later version can add fields at its end. Rare messages carry
//! their text form behind the kind byte [`TEXT`].

use super::{Chunk, Flow, Piece, ToForwarder, ToGate, WireError, text};
use crate::head::{RequestHead, ResponseHead};
use crate::id::ExchangeId;
use crate::limits;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

const TEXT: u8 = 1;
const PING: u8 = 2;
const PONG: u8 = 3;
const OPEN: u8 = 4;
const ANSWER: u8 = 5;
const PART: u8 = 6;
const ABORT: u8 = 7;
const CANCEL: u8 = 8;
const CREDIT: u8 = 9;
const MESSAGE: u8 = 10;
const CLOSE: u8 = 11;

const END: u8 = 1;
const BINARY: u8 = 1;
const MORE: u8 = 2;
const WEBSOCKET: u8 = 1;

pub(super) fn encode_to_forwarder(message: &ToForwarder) -> Bytes {
    match message {
        ToForwarder::Welcome(_) | ToForwarder::Bye(_) | ToForwarder::Timing(..) => as_text(&text::Frame::from(message)),
        ToForwarder::Ping => Bytes::from_static(&[PING]),
        ToForwarder::Pong => Bytes::from_static(&[PONG]),
        ToForwarder::Open(id, head, body) => with_head(OPEN, *id, body, |out| put_request_head(out, head)),
        ToForwarder::Flow(id, flow) => encode_flow(*id, flow),
    }
}

pub(super) fn encode_to_gate(message: &ToGate) -> Bytes {
    match message {
        ToGate::Hello(_) | ToGate::Fail(..) => as_text(&text::Frame::from(message)),
        ToGate::Ping => Bytes::from_static(&[PING]),
        ToGate::Pong => Bytes::from_static(&[PONG]),
        ToGate::Answer(id, head, body) => with_head(ANSWER, *id, body, |out| {
            out.put_u16(head.status.as_u16());
            put_headers(out, &head.headers);
        }),
        ToGate::Flow(id, flow) => encode_flow(*id, flow),
    }
}

fn as_text(frame: &text::Frame<'_>) -> Bytes {
    let json = frame.to_json();
    let mut out = BytesMut::with_capacity(1 + json.len());
    out.put_u8(TEXT);
    out.put_slice(json.as_bytes());
    out.freeze()
}

fn with_head(kind: u8, id: ExchangeId, body: &Chunk, put_head: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::with_capacity(1024 + body.bytes.len());
    out.put_u8(kind);
    out.put_u64(id.0);
    out.put_u8(if body.end { END } else { 0 });
    let length_at = out.len();
    out.put_u32(0);
    put_head(&mut out);
    let length = u32::try_from(out.len() - length_at - 4).unwrap_or(u32::MAX);
    out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    out.put_slice(&body.bytes);
    out.freeze()
}

fn put_request_head(out: &mut BytesMut, head: &RequestHead) {
    put_short(out, head.method.as_str().as_bytes());
    put_long(out, head.target.as_str().as_bytes());
    let mut from = String::new();
    if let Some(address) = head.from {
        crate::head::push_address(&mut from, address);
    }
    put_short(out, from.as_bytes());
    out.put_u8(if head.websocket { WEBSOCKET } else { 0 });
    put_headers(out, &head.headers);
}

fn put_headers(out: &mut BytesMut, headers: &HeaderMap) {
    out.put_u16(u16::try_from(headers.len()).unwrap_or(u16::MAX));
    for (name, value) in headers {
        put_short(out, name.as_str().as_bytes());
        put_long(out, value.as_bytes());
    }
}

fn put_short(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.put_slice(bytes);
}

fn put_long(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn encode_flow(id: ExchangeId, flow: &Flow) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    let mut start = |kind: u8, room: usize| {
        out.reserve(room);
        out.put_u8(kind);
        out.put_u64(id.0);
    };
    match flow {
        Flow::Part(n, body) => {
            start(PART, body.bytes.len() + 16);
            out.put_u32(*n);
            out.put_u8(if body.end { END } else { 0 });
            out.put_slice(&body.bytes);
        }
        Flow::Abort(reason) => {
            start(ABORT, reason.len() + 16);
            out.put_slice(reason.as_bytes());
        }
        Flow::Cancel => start(CANCEL, 16),
        Flow::Credit(bytes) => {
            start(CREDIT, 16);
            out.put_u32(*bytes);
        }
        Flow::Message(n, piece) => {
            start(MESSAGE, piece.bytes.len() + 16);
            out.put_u32(*n);
            out.put_u8(if piece.binary { BINARY } else { 0 } | if piece.more { MORE } else { 0 });
            out.put_slice(&piece.bytes);
        }
        Flow::Close(n, code, reason) => {
            start(CLOSE, reason.len() + 16);
            out.put_u32(*n);
            out.put_u16(*code);
            out.put_slice(reason.as_bytes());
        }
    }
    out.freeze()
}

pub(super) fn decode_to_forwarder(mut message: Bytes) -> Result<Option<ToForwarder>, WireError> {
    Ok(Some(match take_u8(&mut message)? {
        TEXT => return text::parse(utf8(&message)?)?.map_or(Ok(None), text::Frame::into_forwarder),
        PING => ToForwarder::Ping,
        PONG => ToForwarder::Pong,
        OPEN => {
            let (id, end, mut head) = take_head(&mut message)?;
            ToForwarder::Open(id, take_request_head(&mut head)?, Chunk { bytes: message, end })
        }
        kind => return Ok(decode_flow(kind, message)?.map(|(id, flow)| ToForwarder::Flow(id, flow))),
    }))
}

pub(super) fn decode_to_gate(mut message: Bytes) -> Result<Option<ToGate>, WireError> {
    Ok(Some(match take_u8(&mut message)? {
        TEXT => return text::parse(utf8(&message)?)?.map_or(Ok(None), text::Frame::into_gate),
        PING => ToGate::Ping,
        PONG => ToGate::Pong,
        ANSWER => {
            let (id, end, mut head) = take_head(&mut message)?;
            let status = StatusCode::from_u16(take_u16(&mut head)?).map_err(|_| WireError::Field("status"))?;
            let head = ResponseHead { status, headers: take_headers(&mut head)? };
            ToGate::Answer(id, head, Chunk { bytes: message, end })
        }
        kind => return Ok(decode_flow(kind, message)?.map(|(id, flow)| ToGate::Flow(id, flow))),
    }))
}

fn decode_flow(kind: u8, mut message: Bytes) -> Result<Option<(ExchangeId, Flow)>, WireError> {
    if !(PART..=CLOSE).contains(&kind) {
        return Ok(None);
    }
    let id = ExchangeId(take_u64(&mut message)?);
    let flow = match kind {
        PART => {
            let n = take_u32(&mut message)?;
            let end = take_u8(&mut message)? & END != 0;
            Flow::Part(n, Chunk { bytes: message, end })
        }
        ABORT => Flow::Abort(utf8(&message)?.to_owned()),
        CANCEL => Flow::Cancel,
        CREDIT => Flow::Credit(take_u32(&mut message)?),
        MESSAGE => {
            let n = take_u32(&mut message)?;
            let flags = take_u8(&mut message)?;
            Flow::Message(n, Piece { binary: flags & BINARY != 0, more: flags & MORE != 0, bytes: message })
        }
        _ => {
            let n = take_u32(&mut message)?;
            let code = take_u16(&mut message)?;
            Flow::Close(n, code, utf8(&message)?.to_owned())
        }
    };
    Ok(Some((id, flow)))
}

fn take_head(message: &mut Bytes) -> Result<(ExchangeId, bool, Bytes), WireError> {
    let id = ExchangeId(take_u64(message)?);
    let end = take_u8(message)? & END != 0;
    let length = take_u32(message)? as usize;
    Ok((id, end, take(message, length)?))
}

fn take_request_head(head: &mut Bytes) -> Result<RequestHead, WireError> {
    let method = Method::from_bytes(&take_short(head)?).map_err(|_| WireError::Field("method"))?;
    let target = target(&take_long(head)?)?;
    let from = take_short(head)?;
    let from = (!from.is_empty()).then(|| utf8(&from)?.parse().map_err(|_| WireError::Field("from"))).transpose()?;
    let websocket = take_u8(head)? & WEBSOCKET != 0;
    Ok(RequestHead { method, target, headers: take_headers(head)?, from, websocket })
}

/// Reads a request target: `*`, or a path with an optional query.
pub(super) fn target(bytes: &[u8]) -> Result<PathAndQuery, WireError> {
    let well_formed = bytes == b"*" || (bytes.first() == Some(&b'/') && !bytes.contains(&b'#'));
    let target = well_formed.then(|| PathAndQuery::try_from(bytes).ok()).flatten();
    target.ok_or(WireError::Field("target"))
}

fn take_headers(head: &mut Bytes) -> Result<HeaderMap, WireError> {
    let count = usize::from(take_u16(head)?);
    let mut headers = HeaderMap::with_capacity(count.min(limits::HEADER_LINES));
    for _ in 0..count {
        let name = HeaderName::from_bytes(short(head)?).map_err(|_| WireError::Field("headers"))?;
        head.advance(name.as_str().len());
        let value = HeaderValue::from_maybe_shared(take_long(head)?).map_err(|_| WireError::Field("headers"))?;
        headers.try_append(name, value).map_err(|_| WireError::Field("headers"))?;
    }
    Ok(headers)
}

fn take(from: &mut Bytes, length: usize) -> Result<Bytes, WireError> {
    if from.len() < length { Err(WireError::Truncated) } else { Ok(from.split_to(length)) }
}

/// A short field that stands at the front, where it stays.
fn short(from: &mut Bytes) -> Result<&[u8], WireError> {
    let length = usize::from(take_u16(from)?);
    from.get(..length).ok_or(WireError::Truncated)
}

fn take_short(from: &mut Bytes) -> Result<Bytes, WireError> {
    let length = usize::from(take_u16(from)?);
    take(from, length)
}

fn take_long(from: &mut Bytes) -> Result<Bytes, WireError> {
    let length = take_u32(from)? as usize;
    take(from, length)
}

fn take_u8(from: &mut Bytes) -> Result<u8, WireError> {
    from.try_get_u8().map_err(|_| WireError::Truncated)
}

fn take_u16(from: &mut Bytes) -> Result<u16, WireError> {
    from.try_get_u16().map_err(|_| WireError::Truncated)
}

fn take_u32(from: &mut Bytes) -> Result<u32, WireError> {
    from.try_get_u32().map_err(|_| WireError::Truncated)
}

fn take_u64(from: &mut Bytes) -> Result<u64, WireError> {
    from.try_get_u64().map_err(|_| WireError::Truncated)
}

fn utf8(bytes: &Bytes) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|_| WireError::Field("text"))
}
