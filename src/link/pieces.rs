//! A WebSocket message of any size goes over the link in pieces and is whole again behind it.

use crate::limits;
use crate::wire::Piece;
use bytes::{Bytes, BytesMut};
use tokio_tungstenite::tungstenite::Message as SocketMessage;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;

/// Cuts a WebSocket message into pieces that fit the link; an empty message is one empty piece.
pub fn pieces(binary: bool, mut bytes: Bytes, most: usize) -> impl Iterator<Item = Piece> {
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let piece = bytes.split_to(most.min(bytes.len()));
        done = bytes.is_empty();
        Some(Piece { binary, more: !done, bytes: piece })
    })
}

/// Joins pieces to whole WebSocket messages again.
#[derive(Debug, Default)]
pub struct Joiner {
    begun: BytesMut,
}

/// Why pieces do not make a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unjoined {
    /// A message over [`limits::WEBSOCKET_MESSAGE`].
    TooLarge,
    /// A text that is not UTF-8.
    NotText,
}

impl Joiner {
    /// Takes the next piece; returns a message when it is complete.
    ///
    /// # Errors
    /// The message is too large or no text.
    pub fn push(&mut self, piece: Piece) -> Result<Option<SocketMessage>, Unjoined> {
        if self.begun.len() + piece.bytes.len() > limits::WEBSOCKET_MESSAGE {
            return Err(Unjoined::TooLarge);
        }
        if piece.more {
            self.begun.extend_from_slice(&piece.bytes);
            return Ok(None);
        }
        let whole = if self.begun.is_empty() {
            piece.bytes
        } else {
            self.begun.extend_from_slice(&piece.bytes);
            self.begun.split().freeze()
        };
        if piece.binary {
            return Ok(Some(SocketMessage::Binary(whole)));
        }
        Utf8Bytes::try_from(whole).map(|text| Some(SocketMessage::Text(text))).map_err(|_| Unjoined::NotText)
    }
}
