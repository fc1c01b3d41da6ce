//! One end of a link: what is sent leaves in order, what waits is bounded in bytes, and nothing waits for a slow peer
//! but its own sender.
//!
//! [`Sender`] and [`write()`] are the way out, [`Source`] the way in, [`Lane`] the flow control of one exchange. Bodies wait
//! for room in the queue; credit and cancellation do not, since the peer needs them to make room. Within one process
//! a link has no socket: the queue that one end fills is what the other end reads ([`pair`]).

mod lane;
mod mailbox;
mod pieces;
mod queue;
mod sent;

use crate::limits;
pub use crate::lock::locked;
use crate::wire::{self, Encoded, Encoding, Message, WireError};
use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
pub use lane::{Growth, Lane};
pub use mailbox::Mailbox;
pub use pieces::{Joiner, Unjoined, pieces};
pub use queue::{End, ForwarderEnd, GateEnd, InProcess, Queue, Sender, pair, queue};
pub use sent::Sent;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message as SocketMessage};

/// The link or the exchange is over; nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// WebSocket limits for a link that speaks `encoding`.
pub fn socket_config() -> WebSocketConfig {
    let most = limits::BINARY_MESSAGE.max(limits::TEXT_MESSAGE);
    WebSocketConfig::default()
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
        .write_buffer_size(limits::LINK_WRITE)
        .read_buffer_size(32 * limits::KIB)
}

/// Writes a link's queue to its socket until the link is closed, then says goodbye. What goes out is noted in `sent`, for a
/// platform that may lose it, and goes out again when that asks for it.
///
/// # Errors
/// The socket failed.
pub async fn write<M, S>(
    mut socket: S,
    mut queue: Queue<M>,
    encoding: Encoding,
    sent: Option<Arc<Sent>>,
) -> Result<(), SocketError>
where
    M: Message,
    S: Sink<SocketMessage, Error = SocketError> + Unpin,
{
    let mut batch = Vec::with_capacity(64);
    loop {
        let more = tokio::select! {
            biased;
            more = queue.fill(&mut batch, 64) => more,
            () = asked_again(sent.as_deref()) => true,
        };
        if !more {
            break;
        }
        for (message, times) in sent.iter().flat_map(|sent| sent.again()) {
            noted(&mut socket, message, times, sent.as_deref()).await?;
        }
        for queued in batch.drain(..) {
            // Its room in the queue is free again when the socket has it.
            let (message, _room) = queue.opened(queued);
            noted(&mut socket, message.encode(encoding), 0, sent.as_deref()).await?;
        }
        socket.flush().await?;
    }
    let last = queue.goodbye();
    let close = last
        .map(|Goodbye { code, reason }| CloseFrame { code: CloseCode::from(code), reason: shortened(&reason).into() });
    socket.send(SocketMessage::Close(close)).await?;
    socket.close().await
}

async fn asked_again(sent: Option<&Sent>) {
    match sent {
        Some(sent) => sent.asked().await,
        None => std::future::pending().await,
    }
}

/// Sends a message that has been sent `times` before, when the platform is ready for it.
async fn noted<S>(socket: &mut S, message: Encoded, times: u32, sent: Option<&Sent>) -> Result<(), SocketError>
where
    S: Sink<SocketMessage, Error = SocketError> + Unpin,
{
    if let Some(sent) = sent {
        if let Some(until) = sent.calm_until() {
            socket.flush().await?;
            tokio::time::sleep_until(until).await;
        }
        sent.keep(&message, times + 1);
    }
    feed(socket, message).await
}

/// What a close frame will say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// WebSocket close code.
    pub code: u16,
    /// Why, for the peer's user.
    pub reason: String,
}

/// A close frame's reason has at most 123 bytes (RFC 6455 §5.5).
pub fn shortened(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(123)]
}

/// Sends a message past any queue, for an end that has nothing queued in its writer's hands yet.
///
/// # Errors
/// The socket failed.
pub async fn say<M, S>(socket: &mut S, message: &M, encoding: Encoding) -> Result<(), SocketError>
where
    M: Message,
    S: Sink<SocketMessage, Error = SocketError> + Unpin,
{
    feed(socket, message.encode(encoding)).await?;
    socket.flush().await
}

async fn feed<S>(socket: &mut S, message: Encoded) -> Result<(), SocketError>
where
    S: Sink<SocketMessage, Error = SocketError> + Unpin,
{
    match message {
        Encoded::Binary(bytes) => socket.feed(SocketMessage::Binary(bytes)).await,
        Encoded::Text(text) if text.len() <= limits::TEXT_FRAME => socket.feed(SocketMessage::text(text)).await,
        Encoded::Text(text) => {
            let mut frames = wire::frames(&text).enumerate().peekable();
            while let Some((i, payload)) = frames.next() {
                let opcode = OpCode::Data(if i == 0 { Data::Text } else { Data::Continue });
                let frame = Frame::message(Bytes::copy_from_slice(payload.as_bytes()), opcode, frames.peek().is_none());
                socket.feed(SocketMessage::Frame(frame)).await?;
            }
            Ok(())
        }
    }
}

/// What came in on a link.
#[derive(Debug)]
pub enum Received<M> {
    /// A message.
    Message(M),
    /// A frame that says nothing to us, but that the peer lives: a ping, or a kind of message that is not known.
    Other,
    /// The platform between us and the peer says that it could not hand a message over; holds its text.
    Platform(String),
    /// The peer closed, with code and reason where it gave them.
    Closed(Option<Goodbye>),
    /// The peer sent what cannot be understood.
    Malformed(WireError),
    /// The socket failed.
    Failed(String),
}

/// Where a link's messages come from.
#[derive(Debug)]
pub enum Source<M, S> {
    /// A socket, in this encoding.
    Socket(S, Encoding),
    /// The other end, in this process.
    Peer(Queue<M>),
}

impl<M, S> Source<M, S>
where
    M: Message,
    S: Stream<Item = Result<SocketMessage, SocketError>> + Unpin,
{
    /// Reads the next message or frame of the link.
    pub async fn read(&mut self) -> Received<M> {
        match self {
            Self::Socket(socket, encoding) => read(socket, *encoding).await,
            Self::Peer(queue) => queue.next().await.map_or_else(Received::Closed, Received::Message),
        }
    }
}

async fn read<M, S>(socket: &mut S, encoding: Encoding) -> Received<M>
where
    M: Message,
    S: Stream<Item = Result<SocketMessage, SocketError>> + Unpin,
{
    let decoded = match socket.next().await {
        None => return Received::Closed(None),
        Some(Err(SocketError::Capacity(_))) => Err(WireError::TooLarge(encoding.message() + 1)),
        Some(Err(error)) => return Received::Failed(error.to_string()),
        Some(Ok(SocketMessage::Close(frame))) => {
            return Received::Closed(
                frame.map(|frame| Goodbye { code: frame.code.into(), reason: frame.reason.to_string() }),
            );
        }
        Some(Ok(SocketMessage::Binary(bytes))) if encoding == Encoding::Binary => M::decode_binary(bytes),
        Some(Ok(SocketMessage::Text(text))) if encoding == Encoding::Text => match M::decode_text(&text) {
            Ok(None) => return wire::platform_error(&text).map_or(Received::Other, Received::Platform),
            decoded => decoded,
        },
        Some(Ok(SocketMessage::Binary(_) | SocketMessage::Text(_))) => Err(WireError::WrongType),
        Some(Ok(_)) => Ok(None),
    };
    match decoded {
        Ok(Some(message)) => Received::Message(message),
        Ok(None) => Received::Other,
        Err(error) => Received::Malformed(error),
    }
}
