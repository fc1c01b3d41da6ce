//! A WebSocket's latest messages; older ones make room, and how many did is known.

use crate::limits;
use crate::wire::Flow;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::SystemTime;

/// What a message costs besides its bytes.
const ENVELOPE: usize = 96;

/// A message, a piece of one, or a close.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) at: SystemTime,
    pub(super) to_service: bool,
    pub(super) kind: Kind,
    /// As much of it as is kept.
    pub(super) bytes: Bytes,
    /// Bytes that it has.
    pub(super) size: u64,
    /// The rest is in the next piece of the same direction.
    pub(super) more: bool,
}

/// See [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
    Close(u16),
}

impl Message {
    /// What a message of the link says; `None` where it is no WebSocket's.
    pub(super) fn of(to_service: bool, flow: &Flow) -> Option<Self> {
        let (kind, bytes, more) = match flow {
            Flow::Message(_, piece) => {
                (if piece.binary { Kind::Binary } else { Kind::Text }, piece.bytes.clone(), piece.more)
            }
            Flow::Close(_, code, reason) => (Kind::Close(*code), Bytes::copy_from_slice(reason.as_bytes()), false),
            _ => return None,
        };
        Some(Self { at: SystemTime::now(), to_service, kind, size: bytes.len() as u64, bytes, more })
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Messages {
    kept: VecDeque<Message>,
    bytes: usize,
    /// Messages that made room.
    pub(super) dropped: u64,
}

impl Messages {
    /// Takes a piece; it continues the message before it where that had more to come.
    pub(super) fn push(&mut self, piece: Message) {
        // What is kept is copied: a slice would keep the link's whole buffer with it.
        let open = self.kept.iter_mut().rev().find(|message| message.to_service == piece.to_service && message.more);
        let added = match open {
            Some(message) => {
                let room = limits::INSPECT_BODY.saturating_sub(message.bytes.len()).min(piece.bytes.len());
                message.bytes = [&message.bytes[..], &piece.bytes[..room]].concat().into();
                message.size += piece.size;
                message.more = piece.more;
                room
            }
            None => {
                let bytes = Bytes::copy_from_slice(&piece.bytes);
                let added = bytes.len() + ENVELOPE;
                self.kept.push_back(Message { bytes, ..piece });
                added
            }
        };
        self.bytes += added;
        while self.bytes > limits::INSPECT_BODY && self.kept.len() > 1 {
            self.bytes -= self.kept.pop_front().map_or(0, |message| message.bytes.len() + ENVELOPE);
            self.dropped += 1;
        }
    }

    /// The messages from number `from` on, each with its number, counted from 0 over all that there were.
    pub(super) fn since(&self, from: u64) -> impl Iterator<Item = (u64, &Message)> {
        let first = self.dropped;
        let skip = from.saturating_sub(first) as usize;
        self.kept.iter().enumerate().skip(skip).map(move |(i, message)| (first + i as u64, message))
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.dropped + self.kept.len() as u64
    }

    /// Bytes that they take.
    pub(super) fn size(&self) -> usize {
        self.bytes
    }
}
