//! What one end of a link sends leaves in the order in which it was sent; what waits is bounded, in bytes where it carries
//! a body and in number where it may not wait.

use super::{Closed, Goodbye, locked};
use crate::limits;
use crate::wire::{Encoding, Message, ToForwarder, ToGate};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::DuplexStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Sends messages into a link's queue.
#[derive(Clone, Debug)]
pub struct Sender<M> {
    encoding: Encoding,
    queue: mpsc::UnboundedSender<Queued<M>>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
}

/// A message in the queue, with the room it takes there; control messages take none.
#[derive(Debug)]
pub(super) struct Queued<M> {
    message: M,
    room: Option<OwnedSemaphorePermit>,
}

/// What both ends of a queue know.
#[derive(Debug, Default)]
struct Shared {
    /// Control messages that wait.
    control: AtomicUsize,
    closed: CancellationToken,
    goodbye: Mutex<Option<Goodbye>>,
}

/// What a link's senders have sent, on its way to the socket or to the other end.
#[derive(Debug)]
pub struct Queue<M> {
    messages: mpsc::UnboundedReceiver<Queued<M>>,
    shared: Arc<Shared>,
}

/// The two ends of a new link's queue.
pub fn queue<M>(encoding: Encoding) -> (Sender<M>, Queue<M>) {
    let (sender, messages) = mpsc::unbounded_channel();
    let shared = Arc::<Shared>::default();
    let room = Arc::new(Semaphore::new(limits::LINK_QUEUE));
    (Sender { encoding, queue: sender, room, shared: shared.clone() }, Queue { messages, shared })
}

/// One end of a link within this process.
#[derive(Debug)]
pub struct End<Out, In> {
    /// The way out.
    pub sender: Sender<Out>,
    /// The way in.
    pub queue: Queue<In>,
}

/// The gate's end.
pub type GateEnd = End<ToForwarder, ToGate>;

/// The forwarder's end.
pub type ForwarderEnd = End<ToGate, ToForwarder>;

/// A connection within this process: the handshake goes over `stream` like any other, and what follows it, if the two ends
/// agree on [`Encoding::Binary`], over `end`, as it is.
#[derive(Debug)]
pub struct InProcess {
    /// For the handshake.
    pub stream: DuplexStream,
    /// For the messages.
    pub end: ForwarderEnd,
}

/// The two ends of a link within this process.
pub fn pair() -> (GateEnd, ForwarderEnd) {
    let (to_forwarder, from_gate) = queue(Encoding::Binary);
    let (to_gate, from_forwarder) = queue(Encoding::Binary);
    (End { sender: to_forwarder, queue: from_forwarder }, End { sender: to_gate, queue: from_gate })
}

impl<M: Message> Sender<M> {
    /// The link's encoding.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sends a message that carries a body, waiting for room in the queue: this is where a slow peer is felt.
    ///
    /// # Errors
    /// The link is closed.
    pub async fn send(&self, message: M) -> Result<(), Closed> {
        let size = u32::try_from(message.size().min(limits::LINK_QUEUE)).unwrap_or(u32::MAX);
        match self.room.clone().try_acquire_many_owned(size) {
            Ok(room) if !self.is_closed() => self.put(message, Some(room)),
            _ => self.wait_and_put(message, size).await,
        }
    }

    async fn wait_and_put(&self, message: M, size: u32) -> Result<(), Closed> {
        tokio::select! {
            biased;
            () = self.closed() => Err(Closed),
            room = self.room.clone().acquire_many_owned(size) => self.put(message, room.ok()),
        }
    }

    /// Sends a message that must not wait. A peer who lets too many of them pile up is not reading: the link is closed.
    pub fn control(&self, message: M) {
        if self.shared.control.fetch_add(1, Ordering::Relaxed) > limits::LINK_CONTROL {
            self.close();
        }
        // A closed link needs no control messages.
        let _closed = self.put(message, None);
    }

    fn put(&self, message: M, room: Option<OwnedSemaphorePermit>) -> Result<(), Closed> {
        self.queue.send(Queued { message, room }).map_err(|_| Closed)
    }

    /// Closes the link: what is queued still goes out.
    pub fn close(&self) {
        self.shared.closed.cancel();
    }

    /// Closes the link and says why to the other end.
    pub fn close_with(&self, goodbye: Goodbye) {
        *locked(&self.shared.goodbye) = Some(goodbye);
        self.close();
    }

    /// Completes when the link is closed, by whichever side.
    pub async fn closed(&self) {
        self.shared.closed.cancelled().await;
    }

    /// Whether the link is closed.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
    }
}

impl<M> Queue<M> {
    /// Takes up to `most` messages into `batch`; false when the link is closed and nothing is left.
    pub(super) async fn fill(&mut self, batch: &mut Vec<Queued<M>>, most: usize) -> bool {
        tokio::select! {
            biased;
            taken = self.messages.recv_many(batch, most) => taken > 0,
            () = self.shared.closed.cancelled() => false,
        }
    }

    /// A message out of the queue, and the room that it had there.
    pub(super) fn opened(&self, queued: Queued<M>) -> (M, Option<OwnedSemaphorePermit>) {
        if queued.room.is_none() {
            self.shared.control.fetch_sub(1, Ordering::Relaxed);
        }
        (queued.message, queued.room)
    }

    /// What is to be said last.
    pub(super) fn goodbye(&self) -> Option<Goodbye> {
        locked(&self.shared.goodbye).take()
    }

    /// The next message; when the link is closed and nothing is left, why.
    pub(super) async fn next(&mut self) -> Result<M, Option<Goodbye>> {
        let queued = tokio::select! {
            biased;
            queued = self.messages.recv() => queued,
            () = self.shared.closed.cancelled() => None,
        };
        queued.map(|queued| self.opened(queued).0).ok_or_else(|| self.goodbye())
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
