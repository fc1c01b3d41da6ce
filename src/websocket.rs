//! Carries a WebSocket over an exchange, at either end of the link: each direction waits only for its own reader, and a
//! close reaches the other end with its code and reason.
//!
//! A socket that vanishes without a close frame is told as code 1006 and vanishes at the other end too.

use crate::limits;
use crate::link::{Joiner, Unjoined, pieces, shortened};
use crate::wire::Flow;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::{WebSocketConfig, frame::coding::CloseCode};

/// "Abnormal closure", never sent in a frame (RFC 6455 §7.4.1).
const VANISHED: u16 = 1006;

/// No code in the close frame (RFC 6455 §7.4.1), never sent in a frame either.
const NO_CODE: u16 = 1005;

/// "Bad gateway": the way to the other end broke (IANA WebSocket close codes).
const BROKEN_WAY: u16 = 1014;

/// How long the peer may take to answer a close.
const CLOSING: Duration = Duration::from_secs(5);

/// The way to the other end of the exchange.
pub trait FlowSink: Send {
    /// Largest piece that fits a message of the link.
    fn part(&self) -> usize;

    /// Sends, waiting for credit. `false`: the other end is gone.
    fn send(&mut self, flow: Flow) -> impl Future<Output = bool> + Send;
}

/// The way from the other end of the exchange.
pub trait FlowSource: Send {
    /// What came next, in order; `None`: the other end is gone.
    fn next(&mut self) -> impl Future<Output = Option<Flow>> + Send;

    /// Notes that `bytes` were read on.
    fn read(&mut self, bytes: usize);

    /// Notes that the exchange is over and nothing need be cancelled.
    fn finish(&mut self);
}

/// WebSocket limits towards visitors and services.
pub fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(limits::WEBSOCKET_MESSAGE))
        .max_frame_size(Some(limits::WEBSOCKET_MESSAGE))
        .read_buffer_size(16 * limits::KIB)
        .write_buffer_size(0)
}

/// Carries messages between `socket` and the other end of the exchange until one of them closes.
pub async fn carry<S, O, I>(socket: WebSocketStream<S>, mut sink: O, mut source: I)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    O: FlowSink,
    I: FlowSource,
{
    let (mut writer, mut reader) = socket.split();
    let far_end_closed = {
        let outward = std::pin::pin!(outward(&mut reader, &mut sink));
        let inward = std::pin::pin!(inward(&mut writer, &mut source));
        tokio::select! {
            () = outward => false,
            () = inward => true,
        }
    };
    source.finish();
    if far_end_closed {
        // Our close is out; the peer's answer ends the connection properly.
        let answered = async { while let Some(Ok(_)) = reader.next().await {} };
        let _late = tokio::time::timeout(CLOSING, answered).await;
    }
}

async fn outward<S, O>(reader: &mut SplitStream<WebSocketStream<S>>, sink: &mut O)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    O: FlowSink,
{
    let mut n = 0;
    let mut closed = false;
    loop {
        let (binary, bytes) = match reader.next().await {
            Some(Ok(Message::Text(text))) => (false, Bytes::from(text)),
            Some(Ok(Message::Binary(bytes))) => (true, bytes),
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) = frame.map_or((NO_CODE, String::new()), |f| (f.code.into(), f.reason.to_string()));
                closed = true;
                if !sink.send(Flow::Close(n + 1, code, reason)).await {
                    return;
                }
                continue; // Reading on sends the answer to the close, which the library has queued.
            }
            Some(Ok(_)) => continue,
            Some(Err(_)) | None => {
                if !closed {
                    sink.send(Flow::Close(n + 1, VANISHED, String::new())).await;
                }
                return;
            }
        };
        for piece in pieces(binary, bytes, sink.part()) {
            n += 1;
            if !sink.send(Flow::Message(n, piece)).await {
                return std::future::pending().await; // The other direction knows why the exchange is over.
            }
        }
    }
}

async fn inward<S, I>(writer: &mut SplitSink<WebSocketStream<S>, Message>, source: &mut I)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    I: FlowSource,
{
    let mut joiner = Joiner::default();
    let close = loop {
        match source.next().await {
            Some(Flow::Message(_, piece)) => {
                let size = piece.bytes.len();
                let joined = joiner.push(piece);
                let sent = match joined {
                    Ok(None) => Ok(()),
                    Ok(Some(message)) => writer.send(message).await,
                    Err(Unjoined::TooLarge) => break Some((1009, "message too large for the tunnel".to_owned())),
                    Err(Unjoined::NotText) => break Some((1007, "a text message is not UTF-8".to_owned())),
                };
                source.read(size);
                if sent.is_err() {
                    return std::future::pending().await; // The reader meets the same failure and reports it.
                }
            }
            Some(Flow::Close(_, VANISHED, _)) => return,
            Some(Flow::Close(_, NO_CODE, _)) => break None,
            Some(Flow::Close(_, code, reason)) => break Some((code, reason)),
            Some(Flow::Abort(why)) => break Some((BROKEN_WAY, why)),
            None => break Some((BROKEN_WAY, "the tunnel's link was lost".to_owned())),
            Some(_) => {}
        }
    };
    let frame =
        close.map(|(code, reason)| CloseFrame { code: CloseCode::from(code), reason: shortened(&reason).into() });
    // A peer that is gone already needs no close.
    let _gone = writer.send(Message::Close(frame)).await;
}
