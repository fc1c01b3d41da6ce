//! WebSocket frames (RFC 6455) as API Gateway takes them: masked text, each frame and each message within its quota.

use bytes::{Buf as _, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

#[derive(Debug, PartialEq)]
pub enum Received {
    Text(String),
    /// A ping or a pong, which the platform leaves alone.
    Control,
    /// The client's close code (1005: it gave none) and reason.
    Close(u16, String),
    /// The client broke a rule, and the link ends with this code.
    Broken(u16, &'static str),
    /// The connection ended without a close frame.
    Gone,
}

pub struct Reader<R> {
    stream: R,
    buffer: BytesMut,
    message: Vec<u8>,
    open: bool,
    frame_limit: usize,
    message_limit: usize,
}

struct Frame {
    end: bool,
    opcode: u8,
    payload: Bytes,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub fn new(stream: R, read_ahead: &[u8], frame_limit: usize, message_limit: usize) -> Self {
        Self { stream, buffer: read_ahead.into(), message: Vec::new(), open: false, frame_limit, message_limit }
    }

    /// The next message or control frame. Nothing is lost when it is dropped while it waits.
    pub async fn next(&mut self) -> Received {
        loop {
            match self.frame() {
                Err((code, reason)) => return Received::Broken(code, reason),
                Ok(Some(frame)) => {
                    if let Some(received) = self.take(frame) {
                        return received;
                    }
                }
                Ok(None) => match self.stream.read_buf(&mut self.buffer).await {
                    Ok(read) if read > 0 => {}
                    _ => return Received::Gone,
                },
            }
        }
    }

    /// A frame if the buffer holds a whole one. Header and payload count together against the quota.
    fn frame(&mut self) -> Result<Option<Frame>, (u16, &'static str)> {
        let [first, second, ..] = self.buffer[..] else { return Ok(None) };
        let length_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let header = 2 + length_bytes + 4;
        if first & 0x70 != 0 {
            return Err((1002, "reserved bits are set"));
        }
        if second & 0x80 == 0 {
            return Err((1002, "a client's frame is masked"));
        }
        if self.buffer.len() < header {
            return Ok(None);
        }
        let extended = self.buffer[2..2 + length_bytes].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let length = if length_bytes == 0 { u64::from(second & 0x7f) } else { extended };
        if first & 0x0f == BINARY {
            return Err((1003, "binary is not supported"));
        }
        if length.saturating_add(header as u64) > self.frame_limit as u64 {
            return Err((1009, "the frame is too large"));
        }
        let length = length as usize;
        if self.buffer.len() < header + length {
            return Ok(None);
        }
        let mask: [u8; 4] = self.buffer[header - 4..header].try_into().expect("four bytes");
        self.buffer.advance(header);
        let mut payload = self.buffer.split_to(length);
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        Ok(Some(Frame { end: first & 0x80 != 0, opcode: first & 0x0f, payload: payload.freeze() }))
    }

    fn take(&mut self, frame: Frame) -> Option<Received> {
        match frame.opcode {
            TEXT | CONTINUATION => {
                if (frame.opcode == TEXT) == self.open {
                    return Some(Received::Broken(1002, "fragments are out of order"));
                }
                self.message.extend_from_slice(&frame.payload);
                self.open = !frame.end;
                if self.message.len() > self.message_limit {
                    return Some(Received::Broken(1009, "the message is too large"));
                }
                if self.open {
                    return None;
                }
                let text = String::from_utf8(std::mem::take(&mut self.message));
                Some(text.map_or(Received::Broken(1007, "the text is not UTF-8"), Received::Text))
            }
            CLOSE if frame.payload.len() >= 2 => {
                let code = u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
                Some(Received::Close(code, String::from_utf8_lossy(&frame.payload[2..]).into_owned()))
            }
            CLOSE => Some(Received::Close(1005, String::new())),
            9 | 10 => Some(Received::Control),
            _ => Some(Received::Broken(1002, "the opcode is unknown")),
        }
    }
}

/// Writes a text, in several frames when it is longer than `limit`.
pub async fn write_text(stream: &mut (impl AsyncWrite + Unpin), text: &[u8], limit: usize) -> io::Result<()> {
    let mut rest = text;
    let mut opcode = TEXT;
    loop {
        // Ten bytes are the largest header of a server's frame.
        let (part, after) = rest.split_at(rest.len().min(limit - 10));
        write_frame(stream, after.is_empty(), opcode, part).await?;
        if after.is_empty() {
            return stream.flush().await;
        }
        (rest, opcode) = (after, CONTINUATION);
    }
}

pub async fn write_close(stream: &mut (impl AsyncWrite + Unpin), code: u16, reason: &str) -> io::Result<()> {
    // 1005 and 1006 say that there was none, and stand in no frame.
    let payload =
        if (1005..=1006).contains(&code) { Vec::new() } else { [&code.to_be_bytes(), reason.as_bytes()].concat() };
    write_frame(stream, true, CLOSE, &payload).await?;
    stream.flush().await
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), end: bool, opcode: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![opcode | if end { 0x80 } else { 0 }];
    match payload.len() {
        length @ 0..=125 => frame.push(length as u8),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await
}
