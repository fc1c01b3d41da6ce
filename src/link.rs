//! One end of a link: what is sent leaves in order, what waits is bounded in bytes, and nothing waits for a slow peer
//! but its own sender.
//!
//! [`Sender`] and [`write()`] are the way out, [`read`] the way in, [`Lane`] the flow control of one exchange. Bodies wait
//! for room in the queue; credit and cancellation do not, since the peer needs them to make room.

use crate::body::{Credit, Overrun, Window};
use crate::limits;
use crate::wire::{self, Encoded, Encoding, Message, Piece, WireError};
use bytes::{Bytes, BytesMut};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame, Utf8Bytes};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message as SocketMessage};
use tokio_util::sync::CancellationToken;

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

/// Sends messages into a link's queue, already encoded.
#[derive(Clone, Debug)]
pub struct Sender {
    encoding: Encoding,
    queue: mpsc::UnboundedSender<Queued>,
    room: Arc<Semaphore>,
    control: Arc<AtomicUsize>,
    closed: CancellationToken,
}

/// A message in the queue, with the room it takes there; control messages take none.
#[derive(Debug)]
struct Queued {
    message: Encoded,
    room: Option<OwnedSemaphorePermit>,
}

/// The queue between a link's senders and its socket.
#[derive(Debug)]
pub struct Queue {
    messages: mpsc::UnboundedReceiver<Queued>,
    control: Arc<AtomicUsize>,
    closed: CancellationToken,
}

/// The two ends of a new link's queue.
pub fn queue(encoding: Encoding) -> (Sender, Queue) {
    let (sender, messages) = mpsc::unbounded_channel();
    let control = Arc::new(AtomicUsize::new(0));
    let closed = CancellationToken::new();
    let room = Arc::new(Semaphore::new(limits::LINK_QUEUE));
    let queue = Queue { messages, control: control.clone(), closed: closed.clone() };
    (Sender { encoding, queue: sender, room, control, closed }, queue)
}

impl Sender {
    /// The link's encoding.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sends a message that carries a body, waiting for room in the queue: this is where a slow peer is felt.
    ///
    /// # Errors
    /// The link is closed.
    pub async fn send<M: Message>(&self, message: &M) -> Result<(), Closed> {
        let message = message.encode(self.encoding);
        let size = u32::try_from(message.len().min(limits::LINK_QUEUE)).unwrap_or(u32::MAX);
        self.wait_and_put(message, size).await
    }

    async fn wait_and_put(&self, message: Encoded, size: u32) -> Result<(), Closed> {
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(Closed),
            room = self.room.clone().acquire_many_owned(size) => self.put(message, room.ok()),
        }
    }

    /// [`Sender::send`] from a thread that may block.
    ///
    /// # Errors
    /// The link is closed.
    pub fn send_blocking<M: Message>(&self, message: &M, runtime: &tokio::runtime::Handle) -> Result<(), Closed> {
        let message = message.encode(self.encoding);
        let size = u32::try_from(message.len().min(limits::LINK_QUEUE)).unwrap_or(u32::MAX);
        match self.room.clone().try_acquire_many_owned(size) {
            Ok(room) => self.put(message, Some(room)),
            Err(_) => runtime.block_on(self.wait_and_put(message, size)),
        }
    }

    /// Sends a message that must not wait. A peer who lets too many of them pile up is not reading: the link is closed.
    pub fn control<M: Message>(&self, message: &M) {
        if self.control.fetch_add(1, Ordering::Relaxed) > limits::LINK_CONTROL {
            self.closed.cancel();
        }
        // A closed link needs no control messages.
        let _closed = self.put(message.encode(self.encoding), None);
    }

    fn put(&self, message: Encoded, room: Option<OwnedSemaphorePermit>) -> Result<(), Closed> {
        self.queue.send(Queued { message, room }).map_err(|_| Closed)
    }

    /// Closes the link: its writer stops after what is queued.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Completes when the link is closed, by whichever side.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Whether the link is closed.
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}

/// Writes a link's queue to its socket until the link is closed, then says goodbye with `code` and what `reason` holds.
///
/// # Errors
/// The socket failed.
pub async fn write<S>(mut socket: S, mut queue: Queue, goodbye: &Mutex<Option<Goodbye>>) -> Result<(), SocketError>
where
    S: Sink<SocketMessage, Error = SocketError> + Unpin,
{
    let mut batch = Vec::with_capacity(64);
    loop {
        let taken = tokio::select! {
            biased;
            taken = queue.messages.recv_many(&mut batch, 64) => taken,
            () = queue.closed.cancelled() => 0,
        };
        if taken == 0 {
            break;
        }
        for Queued { message, room } in batch.drain(..) {
            if room.is_none() {
                queue.control.fetch_sub(1, Ordering::Relaxed);
            }
            feed(&mut socket, message).await?;
        }
        socket.flush().await?;
    }
    let last = locked(goodbye).take();
    let close = last
        .map(|Goodbye { code, reason }| CloseFrame { code: CloseCode::from(code), reason: shortened(&reason).into() });
    socket.send(SocketMessage::Close(close)).await?;
    socket.close().await
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
    /// The peer closed, with code and reason where it gave them.
    Closed(Option<Goodbye>),
    /// The peer sent what cannot be understood.
    Malformed(WireError),
    /// The socket failed.
    Failed(String),
}

/// Reads the next frame of a link.
pub async fn read<M, S>(socket: &mut S, encoding: Encoding) -> Received<M>
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
        Some(Ok(SocketMessage::Text(text))) if encoding == Encoding::Text => M::decode_text(&text),
        Some(Ok(SocketMessage::Binary(_) | SocketMessage::Text(_))) => Err(WireError::WrongType),
        Some(Ok(_)) => Ok(None),
    };
    match decoded {
        Ok(Some(message)) => Received::Message(message),
        Ok(None) => Received::Other,
        Err(error) => Received::Malformed(error),
    }
}

/// By how much the windows of one end of a link have grown, all exchanges together; bounded by [`limits::LINK_BUFFER`].
pub type Growth = Arc<AtomicU64>;

/// Flow control of one exchange, both directions, at one end of the link.
#[derive(Debug)]
pub struct Lane {
    state: Mutex<LaneState>,
    changed: Notify,
    growth: Growth,
}

impl Drop for Lane {
    fn drop(&mut self) {
        let grown = self.state().grown;
        self.growth.fetch_sub(grown, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct LaneState {
    credit: Credit,
    demanded: bool,
    closed: bool,
    window: Option<Window>,
    grown: u64,
}

impl Lane {
    /// A lane that opens with `window` bytes of credit each way; `None`: no flow control on this link. What its window
    /// grows by counts in `growth`.
    pub fn new(window: Option<u32>, growth: &Growth) -> Self {
        let (credit, window) = (Credit::new(window), window.map(Window::new));
        let state = LaneState { credit, demanded: false, closed: false, window, grown: 0 };
        Self { state: Mutex::new(state), changed: Notify::new(), growth: growth.clone() }
    }

    fn state(&self) -> MutexGuard<'_, LaneState> {
        locked(&self.state)
    }

    /// The peer granted `bytes` more.
    pub fn grant(&self, bytes: u32) {
        let mut state = self.state();
        state.credit.add(bytes);
        state.demanded = true;
        drop(state);
        self.changed.notify_waiters();
    }

    /// The peer wants no more of what this side sends.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_waiters();
    }

    /// Whether the peer wants no more.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Spends credit for `bytes`, waiting for it: this is where a slow reader at the far end is felt.
    ///
    /// # Errors
    /// The peer wants no more.
    pub async fn spend(&self, bytes: usize) -> Result<(), Closed> {
        self.when(|state| state.credit.spend(bytes)).await
    }

    /// Spends credit for `bytes` if there is as much right now.
    pub fn try_spend(&self, bytes: usize) -> bool {
        let mut state = self.state();
        !state.closed && state.credit.spend(bytes)
    }

    /// Waits until the peer has asked for more at least once.
    ///
    /// # Errors
    /// The peer wants nothing.
    pub async fn demanded(&self) -> Result<(), Closed> {
        self.when(|state| state.demanded).await
    }

    async fn when(&self, mut condition: impl FnMut(&mut LaneState) -> bool) -> Result<(), Closed> {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Listening starts before looking, so that no change falls between the two.
            changed.as_mut().enable();
            {
                let mut state = self.state();
                if state.closed {
                    return Err(Closed);
                }
                if condition(&mut state) {
                    return Ok(());
                }
            }
            changed.await;
        }
    }

    /// Notes that `bytes` arrived.
    ///
    /// # Errors
    /// [`Overrun`]: the peer was not granted as much.
    pub fn receive(&self, bytes: usize) -> Result<(), Overrun> {
        let mut state = self.state();
        state.window.as_mut().map_or(Ok(()), |window| window.receive(bytes))
    }

    /// Notes that `bytes` were read on; returns the credit to grant, if any.
    pub fn consume(&self, bytes: usize) -> Option<u32> {
        let may_grow = self.growth.load(Ordering::Relaxed) < limits::LINK_BUFFER;
        let mut state = self.state();
        let window = state.window.as_mut()?;
        let before = window.size();
        let grant = window.consume(bytes, may_grow);
        let grown = u64::from(window.size() - before);
        state.grown += grown;
        self.growth.fetch_add(grown, Ordering::Relaxed);
        grant
    }
}

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

/// Locks a mutex that is never held across a panic worth keeping: no code under these locks can fail half-way.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
