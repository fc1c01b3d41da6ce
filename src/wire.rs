//! One set of messages, two encodings, one file each; what cannot be decoded is an error, what is not known is skipped.
//!
//! `docs/protocol.md` is the specification of what stands here. [`Encoding::Text`] is what API Gateway can carry,
//! [`Encoding::Binary`] carries raw bodies for the relay.

mod binary;
mod text;

use crate::fault::Code;
use crate::head::{RequestHead, ResponseHead};
use crate::id::ExchangeId;
use crate::limits;
use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names of the handshake's header fields.
pub mod handshake {
    use http::HeaderName;

    /// The name that the forwarder asks for; absent when any will do.
    pub const NAME: HeaderName = HeaderName::from_static("x-tunnel-name");
    /// The ownership secret, see [`crate::id::OwnerSecret`].
    pub const OWNER: HeaderName = HeaderName::from_static("x-tunnel-owner");
    /// Program and version of the forwarder, for the operator's log.
    pub const AGENT: HeaderName = HeaderName::from_static("x-tunnel-agent");
}

/// Bytes around one header of a head, in either encoding: `["","",{"data":""}],` at most.
const HEADER_LINE: usize = 24;

/// Bytes that the fields around heads and bodies are counted as, in a link's queue.
const ENVELOPE: usize = 64;

/// How messages are written on one link; agreed by WebSocket subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// JSON in text messages: `tunnel.v1.json`.
    Text,
    /// Raw bytes in binary messages: `tunnel.v1.bin`.
    Binary,
}

impl Encoding {
    /// Every encoding, the preferred first.
    pub const ALL: [Self; 2] = [Self::Binary, Self::Text];

    /// The encoding's WebSocket subprotocol.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Text => "tunnel.v1.json",
            Self::Binary => "tunnel.v1.bin",
        }
    }

    /// The best encoding among those that a `Sec-WebSocket-Protocol` value offers.
    pub fn choose(offered: &str) -> Option<Self> {
        Self::choose_of(&Self::ALL, offered)
    }

    /// The first of the encodings in `spoken` that a `Sec-WebSocket-Protocol` value offers.
    pub fn choose_of(spoken: &[Self], offered: &str) -> Option<Self> {
        let offers = |encoding: &&Self| offered.split(',').any(|name| name.trim() == encoding.subprotocol());
        spoken.iter().find(offers).copied()
    }

    /// Largest body part that fits a message of this encoding.
    pub fn part(self) -> usize {
        match self {
            Self::Text => limits::TEXT_PART,
            Self::Binary => limits::BINARY_PART,
        }
    }

    /// Body bytes that surely fit into one message with a head of these `headers` and a request line of `line` bytes; what
    /// does not fit travels as parts.
    pub fn beside(self, headers: &HeaderMap, line: usize) -> usize {
        self.beside_within(self.message(), headers, line)
    }

    /// [`Encoding::beside`] in a message of at most `most` bytes.
    pub fn beside_within(self, most: usize, headers: &HeaderMap, line: usize) -> usize {
        let lines = headers.len() * HEADER_LINE;
        let head = crate::head::size(headers) + line;
        match self {
            // JSON escapes at most every byte that a head may hold, with one more.
            Self::Text => most.saturating_sub(limits::TEXT_ENVELOPE + 2 * head + lines) / 4 * 3,
            Self::Binary => most.saturating_sub(limits::TEXT_ENVELOPE + head + lines),
        }
        .min(self.part())
    }

    /// Largest whole message of this encoding.
    pub fn message(self) -> usize {
        match self {
            Self::Text => limits::TEXT_MESSAGE,
            Self::Binary => limits::BINARY_MESSAGE,
        }
    }
}

/// A message in its encoded form, ready for the WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// Goes out as text, in frames of at most [`limits::TEXT_FRAME`].
    Text(String),
    /// Goes out as one binary frame.
    Binary(Bytes),
}

impl Encoded {
    /// Bytes of the encoded message.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in it; no message is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the gate says once a link is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The tunnel's name.
    pub name: String,
    /// The tunnel's public URL, without a slash at the end.
    pub url: String,
    /// Where the same tunnel is found for answers that stream, where that is another address; without a slash at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stream_url: Option<String>,
    /// Credit that each direction of an exchange opens with; absent: no flow control on this link.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window: Option<u32>,
    /// Seconds between keep-alives that the gate wants.
    pub keep_alive: u32,
    /// Seconds after which the gate's platform cuts every link; the forwarder opens the next one before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lifetime: Option<u32>,
    /// Largest answer body in bytes that this gate can carry; absent: any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer_limit: Option<u64>,
}

/// The forwarder's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Program and version.
    pub agent: String,
}

/// Messages from the gate to a forwarder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToForwarder {
    /// The answer to [`ToGate::Hello`].
    Welcome(Welcome),
    /// The gate is about to close this link; the forwarder opens another one at once, and prints the reason.
    Bye(String),
    /// Keep-alive, to be answered by `Pong`.
    Ping,
    /// Answer to `Ping`.
    Pong,
    /// A new exchange: head, the body's beginning, and whether that is all of it.
    Open(ExchangeId, RequestHead, Chunk),
    /// More of an exchange.
    Flow(ExchangeId, Flow),
    /// What an exchange took at the gate and on the link; the forwarder's answer asked for it.
    Timing(ExchangeId, Timing),
}

/// What an exchange took up to its answer's head, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the visitor's request until it was on its way.
    pub gate: u32,
    /// All that neither end knows of: the network both ways, and what waited for it.
    pub link: u32,
}

/// Messages from a forwarder to the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToGate {
    /// The first message on a link.
    Hello(Hello),
    /// Keep-alive.
    Ping,
    /// Answer to `Ping`.
    Pong,
    /// The answer's head, its body's beginning, and whether that is all of it.
    Answer(ExchangeId, ResponseHead, Chunk),
    /// There is no answer, for this reason.
    Fail(ExchangeId, Code, String),
    /// More of an exchange.
    Flow(ExchangeId, Flow),
}

/// Body bytes, and whether the body ends with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes; may be empty.
    pub bytes: Bytes,
    /// Nothing follows.
    pub end: bool,
}

impl Chunk {
    /// A body that is complete with `bytes`.
    pub fn whole(bytes: Bytes) -> Self {
        Self { bytes, end: true }
    }
}

/// What either side may say within an exchange. Numbers count each direction from 1; number 0 is the `Open` or `Answer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Body part number `n`.
    Part(u32, Chunk),
    /// The body that this side sends is cut short and will not be completed.
    Abort(String),
    /// This side wants no more of the exchange: the visitor left, or the service needs no more of the request's body.
    Cancel,
    /// The other side may send this many more body bytes.
    Credit(u32),
    /// A piece of a visitor's WebSocket message.
    Message(u32, Piece),
    /// Number `n`: this side's WebSocket closed, with code and reason.
    Close(u32, u16, String),
}

impl Flow {
    fn size(&self) -> usize {
        match self {
            Self::Part(_, chunk) => chunk.bytes.len(),
            Self::Message(_, piece) => piece.bytes.len(),
            Self::Abort(text) | Self::Close(_, _, text) => text.len(),
            Self::Cancel | Self::Credit(_) => 0,
        }
    }
}

/// A WebSocket message or, when `more` follows, the next piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The message's type: binary, or text.
    pub binary: bool,
    /// The message continues in the next piece.
    pub more: bool,
    /// The bytes; a text may be cut anywhere.
    pub bytes: Bytes,
}

/// Why a message cannot be understood. The link is closed with this text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The message ends before it should.
    Truncated,
    /// The message is over the encoding's limit; holds its size.
    TooLarge(usize),
    /// A text message on a binary link, or the reverse.
    WrongType,
    /// Not the JSON that the kind asks for.
    Json(String),
    /// A field holds what it may not; names the field.
    Field(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("message ends too early"),
            Self::TooLarge(size) => write!(f, "message of {size} bytes is over the limit"),
            Self::WrongType => f.write_str("text and binary messages are not mixed on one link"),
            Self::Json(why) => write!(f, "malformed message: {why}"),
            Self::Field(name) => write!(f, "malformed field {name}"),
        }
    }
}

impl std::error::Error for WireError {}

/// A direction of the wire: what can be encoded for it and decoded from it.
pub trait Message: Sized {
    /// About how many bytes the message takes, in memory as on the wire.
    fn size(&self) -> usize;

    /// Writes the message.
    fn encode(&self, encoding: Encoding) -> Encoded;

    /// Reads a binary message; `None` for a kind that this version does not know.
    ///
    /// # Errors
    /// [`WireError`] says what is wrong with it.
    fn decode_binary(message: Bytes) -> Result<Option<Self>, WireError>;

    /// Reads a text message; `None` for a kind that this version does not know, or for one of the platform's own.
    ///
    /// # Errors
    /// [`WireError`] says what is wrong with it.
    fn decode_text(message: &str) -> Result<Option<Self>, WireError>;
}

impl Message for ToForwarder {
    fn size(&self) -> usize {
        match self {
            Self::Open(_, head, body) => {
                ENVELOPE + crate::head::size(&head.headers) + head.target.as_str().len() + body.bytes.len()
            }
            Self::Flow(_, flow) => ENVELOPE + flow.size(),
            Self::Welcome(_) | Self::Bye(_) | Self::Ping | Self::Pong | Self::Timing(..) => ENVELOPE,
        }
    }

    fn encode(&self, encoding: Encoding) -> Encoded {
        match encoding {
            Encoding::Text => Encoded::Text(text::Frame::from(self).to_json()),
            Encoding::Binary => Encoded::Binary(binary::encode_to_forwarder(self)),
        }
    }

    fn decode_binary(message: Bytes) -> Result<Option<Self>, WireError> {
        within(message.len(), Encoding::Binary)?;
        binary::decode_to_forwarder(message)
    }

    fn decode_text(message: &str) -> Result<Option<Self>, WireError> {
        within(message.len(), Encoding::Text)?;
        text::parse(message)?.map_or(Ok(None), text::Frame::into_forwarder)
    }
}

impl Message for ToGate {
    fn size(&self) -> usize {
        match self {
            Self::Answer(_, head, body) => ENVELOPE + crate::head::size(&head.headers) + body.bytes.len(),
            Self::Fail(_, _, detail) => ENVELOPE + detail.len(),
            Self::Flow(_, flow) => ENVELOPE + flow.size(),
            Self::Hello(_) | Self::Ping | Self::Pong => ENVELOPE,
        }
    }

    fn encode(&self, encoding: Encoding) -> Encoded {
        match encoding {
            Encoding::Text => Encoded::Text(text::Frame::from(self).to_json()),
            Encoding::Binary => Encoded::Binary(binary::encode_to_gate(self)),
        }
    }

    fn decode_binary(message: Bytes) -> Result<Option<Self>, WireError> {
        within(message.len(), Encoding::Binary)?;
        binary::decode_to_gate(message)
    }

    fn decode_text(message: &str) -> Result<Option<Self>, WireError> {
        within(message.len(), Encoding::Text)?;
        text::parse(message)?.map_or(Ok(None), text::Frame::into_gate)
    }
}

fn within(size: usize, encoding: Encoding) -> Result<(), WireError> {
    if size > encoding.message() { Err(WireError::TooLarge(size)) } else { Ok(()) }
}

/// The text of a platform's own error frame, such as API Gateway's `{"message":"Internal server error","connectionId":…,
/// "requestId":…}`: an object with a `message` and no `kind`.
pub fn platform_error(message: &str) -> Option<String> {
    text::parse_platform(message)
}

/// Cuts an encoded text into the payloads of its WebSocket frames: at most [`limits::TEXT_FRAME`] bytes each, never
/// inside a character.
pub fn frames(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let cut = rest.floor_char_boundary(limits::TEXT_FRAME);
        let (frame, left) = rest.split_at(cut);
        rest = left;
        (!frame.is_empty()).then_some(frame)
    })
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
