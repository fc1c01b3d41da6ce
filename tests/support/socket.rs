//! A WebSocket by RFC 6455 §5, frame by frame, so that a test sees and sends each frame as it is.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

pub struct Socket {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// Clients mask, servers do not.
    masks: bool,
    message: Vec<u8>,
    opcode: u8,
    frames: Vec<usize>,
}

#[derive(Debug, PartialEq)]
pub struct Frame {
    pub end: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// A message, with the sizes of the frames that it came in.
    Message {
        text: bool,
        bytes: Vec<u8>,
        frames: Vec<usize>,
    },
    Pong(Vec<u8>),
    Close(u16, String),
    /// The connection ended without a close frame.
    Gone,
}

impl Socket {
    pub fn new(stream: Box<dyn Stream>, read_ahead: Vec<u8>, masks: bool) -> Self {
        Self { stream, buffer: read_ahead, masks, message: Vec::new(), opcode: TEXT, frames: Vec::new() }
    }

    pub async fn send_frame(&mut self, end: bool, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mask_bit = if self.masks { 0x80 } else { 0 };
        let mut bytes = vec![opcode | if end { 0x80 } else { 0 }];
        match payload.len() {
            n @ 0..=125 => bytes.push(mask_bit | n as u8),
            n @ 126..=0xffff => {
                bytes.push(mask_bit | 126);
                bytes.extend((n as u16).to_be_bytes());
            }
            n => {
                bytes.push(mask_bit | 127);
                bytes.extend((n as u64).to_be_bytes());
            }
        }
        if self.masks {
            let mask = [0x37, 0xfa, 0x21, 0x3d];
            bytes.extend(mask);
            bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend(payload);
        }
        self.send_raw(&bytes).await
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next frame; `None` when the connection is over. May be dropped while it waits, nothing is lost.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.parse() {
                return Some(frame);
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    fn parse(&mut self) -> Option<Frame> {
        let (first, second) = (*self.buffer.first()?, *self.buffer.get(1)?);
        assert_eq!(first & 0x70, 0, "no extension was agreed");
        assert_eq!(second & 0x80 != 0, !self.masks, "clients mask, servers do not");
        let (length, mut at) = match second & 0x7f {
            126 => (u16::from_be_bytes(self.buffer.get(2..4)?.try_into().ok()?) as usize, 4),
            127 => (u64::from_be_bytes(self.buffer.get(2..10)?.try_into().ok()?) as usize, 10),
            n => (n as usize, 2),
        };
        let mask = (second & 0x80 != 0).then_some(at);
        at += if mask.is_some() { 4 } else { 0 };
        let mut payload = self.buffer.get(at..at + length)?.to_vec();
        if let Some(mask_at) = mask {
            let mask = self.buffer[mask_at..mask_at + 4].to_vec();
            payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        }
        self.buffer.drain(..at + length);
        Some(Frame { end: first & 0x80 != 0, opcode: first & 0x0f, payload })
    }

    /// The next whole message or control frame; pings are answered on the way.
    pub async fn next(&mut self) -> Incoming {
        loop {
            let Some(frame) = self.frame().await else { return Incoming::Gone };
            match frame.opcode {
                PING => drop(self.send_frame(true, PONG, &frame.payload).await),
                PONG => return Incoming::Pong(frame.payload),
                CLOSE => {
                    // The answer to a close; the other end may be gone already.
                    let _gone = self.send_frame(true, CLOSE, frame.payload.get(..2).unwrap_or_default()).await;
                    let code = frame.payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
                    let reason = frame.payload.get(2..).unwrap_or_default();
                    return Incoming::Close(code, String::from_utf8(reason.to_vec()).expect("a reason is text"));
                }
                opcode => {
                    if opcode != CONTINUATION {
                        assert!(self.frames.is_empty(), "a message began inside another");
                        self.opcode = opcode;
                    }
                    self.frames.push(frame.payload.len());
                    self.message.extend(frame.payload);
                    if frame.end {
                        let (bytes, frames) = (std::mem::take(&mut self.message), std::mem::take(&mut self.frames));
                        return Incoming::Message { text: self.opcode == TEXT, bytes, frames };
                    }
                }
            }
        }
    }
}
