//! Whoever tells the inspector something goes on at once: what does not fit the queue is dropped, and marked as dropped.
//!
//! Heads and small bodies are copied at once: a clone would keep the link's and the client's buffers from being used again,
//! which costs an exchange far more. The queue is lock-free. Its reader is not woken for each event, which would cost a system call per exchange, but sleeps
//! between batches; only the first event after a quiet time wakes it.

use super::message::Message;
use super::record::{Answer, Body, Lines, Request};
use crate::fault::{Code, Fault};
use crate::head::{RequestHead, ResponseHead};
use crate::limits;
use crate::link::locked;
use crate::wire::{self, Chunk, Flow};
use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Notify, mpsc};

/// Pieces of a body up to this size are copied.
const COPIED: usize = 8 * limits::KIB;

/// What an event costs besides its bytes, roughly.
const ENVELOPE: usize = 256;

/// Something that an exchange did.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) what: What,
}

/// See [`Event`].
#[derive(Debug)]
pub(super) enum What {
    Begun { at: SystemTime, request: Box<Request> },
    RequestBody { bytes: Bytes, end: bool },
    Answered { after: Duration, asked: Option<Duration>, answer: Answer, body: Bytes },
    AnswerBody(Bytes),
    Message(Message),
    Fault(Code, String),
    Timed(wire::Timing),
    Ended(Ended),
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) after: Duration,
    pub(super) asked: Option<Duration>,
    pub(super) status: u16,
    pub(super) cut: bool,
    /// Body bytes that went through, kept or not.
    pub(super) up: u64,
    pub(super) down: u64,
    /// Something was dropped on the way here.
    pub(super) lost: bool,
}

/// What exchanges tell about themselves goes here. Clones share it; the default is off.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    tap: Option<Arc<Tap>>,
    tunnel: Option<Arc<str>>,
}

#[derive(Debug)]
struct Tap {
    events: mpsc::UnboundedSender<Event>,
    rate: DefaultDirectRateLimiter,
    queued: AtomicUsize,
    asleep: AtomicBool,
    wake: Notify,
    last: AtomicU64,
    missed: AtomicU64,
}

/// The queue's other end.
#[derive(Debug)]
pub(super) struct Inlet {
    tap: Arc<Tap>,
    events: Mutex<mpsc::UnboundedReceiver<Event>>,
}

/// A queue of events.
pub(super) fn channel() -> (Recorder, Inlet) {
    let (sender, events) = mpsc::unbounded_channel();
    let rate = Quota::per_second(limits::INSPECT_RATE).allow_burst(limits::INSPECT_BURST);
    let tap = Arc::new(Tap {
        events: sender,
        rate: RateLimiter::direct(rate),
        queued: AtomicUsize::new(0),
        asleep: AtomicBool::new(false),
        wake: Notify::new(),
        last: AtomicU64::new(0),
        missed: AtomicU64::new(0),
    });
    (Recorder { tap: Some(tap.clone()), tunnel: None }, Inlet { tap, events: Mutex::new(events) })
}

impl Tap {
    /// Takes an event if there is room; an exchange's end always fits, there is one for each that was begun.
    fn push(&self, id: u64, what: What) -> bool {
        let (must, size) = (matches!(what, What::Ended(_)), what.size());
        // SeqCst: either the reader sees what is queued before it sleeps, or it is seen asleep below.
        let before = self.queued.fetch_add(size + ENVELOPE, Ordering::SeqCst);
        if (before + size > limits::INSPECT_QUEUE && !must) || self.events.send(Event { id, what }).is_err() {
            self.queued.fetch_sub(size + ENVELOPE, Ordering::SeqCst);
            return false;
        }
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
        true
    }
}

impl Recorder {
    /// The same for exchanges of this one of several tunnels.
    pub(super) fn of(&self, tunnel: Option<Arc<str>>) -> Self {
        Self { tap: self.tap.clone(), tunnel }
    }

    /// A number for an exchange that is not told event by event.
    pub(super) fn number(&self) -> u64 {
        self.tap.as_ref().map_or(0, |tap| tap.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Exchanges that were not captured at all.
    pub(super) fn missed(&self) -> u64 {
        self.tap.as_ref().map_or(0, |tap| tap.missed.load(Ordering::Relaxed))
    }

    /// An exchange begins; `body` is what came with its head.
    pub fn begin(&self, head: &RequestHead, body: &Chunk) -> Recording {
        let Some(tap) = &self.tap else { return Recording(None) };
        if tap.rate.check().is_err() {
            tap.missed.fetch_add(1, Ordering::Relaxed);
            return Recording(None);
        }
        let id = tap.last.fetch_add(1, Ordering::Relaxed) + 1;
        let begun = Begun {
            tap: tap.clone(),
            id,
            started: Instant::now(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            lost: AtomicBool::new(false),
        };
        // The rest of a streamed body is told as it is read, its beginning with it.
        let bytes = if body.end { body.bytes.to_vec() } else { Vec::new() };
        let size = bytes.len() as u64;
        begun.up.store(size, Ordering::Relaxed);
        let request = Request {
            method: head.method.clone(),
            target: head.target.as_str().into(),
            headers: Lines::from(&head.headers),
            body: Body { bytes, size, whole: body.end },
            from: head.from,
            websocket: head.websocket,
            tunnel: self.tunnel.clone(),
        };
        let what = What::Begun { at: SystemTime::now(), request: Box::new(request) };
        if tap.push(id, what) {
            return Recording(Some(begun));
        }
        tap.missed.fetch_add(1, Ordering::Relaxed);
        Recording(None)
    }
}

/// One exchange's way to the inspector.
#[derive(Debug)]
pub struct Recording(Option<Begun>);

#[derive(Debug)]
struct Begun {
    tap: Arc<Tap>,
    id: u64,
    started: Instant,
    up: AtomicU64,
    down: AtomicU64,
    lost: AtomicBool,
}

impl Begun {
    fn push(&self, what: What) {
        if !self.tap.push(self.id, what) {
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    /// What of `bytes` is kept, after all that `counted` has seen.
    fn kept(counted: &AtomicU64, bytes: &Bytes) -> Bytes {
        let before = counted.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let room = (limits::INSPECT_BODY as u64).saturating_sub(before) as usize;
        let kept = bytes.len().min(room);
        if kept <= COPIED { Bytes::copy_from_slice(&bytes[..kept]) } else { bytes.slice(..kept) }
    }
}

impl Recording {
    /// The inspector's number of the exchange.
    pub fn number(&self) -> Option<u64> {
        self.0.as_ref().map(|begun| begun.id)
    }

    /// More of the request's body goes to the service.
    pub fn request(&self, chunk: &Chunk) {
        let Some(begun) = &self.0 else { return };
        let bytes = Begun::kept(&begun.up, &chunk.bytes);
        if chunk.end || !bytes.is_empty() {
            begun.push(What::RequestBody { bytes, end: chunk.end });
        }
    }

    /// The answer's head, what of its body goes with it, and when the service was asked.
    pub fn answer(&self, head: &ResponseHead, body: &Bytes, asked: Option<Duration>) {
        let Some(begun) = &self.0 else { return };
        let body = Begun::kept(&begun.down, body);
        let after = begun.started.elapsed();
        let answer = Answer { status: head.status.as_u16(), headers: Lines::from(&head.headers) };
        begun.push(What::Answered { after, asked, answer, body });
    }

    /// More of the answer's body goes to the visitor.
    pub fn answer_part(&self, bytes: &Bytes) {
        let Some(begun) = &self.0 else { return };
        let bytes = Begun::kept(&begun.down, bytes);
        if !bytes.is_empty() {
            begun.push(What::AnswerBody(bytes));
        }
    }

    /// A piece of a WebSocket message, or a close.
    pub fn message(&self, to_service: bool, flow: &Flow) {
        let Some(begun) = &self.0 else { return };
        if let Some(message) = Message::of(to_service, flow) {
            let counted = if to_service { &begun.up } else { &begun.down };
            counted.fetch_add(message.size, Ordering::Relaxed);
            begun.push(What::Message(message));
        }
    }

    /// The tunnel's own error.
    pub fn fault(&self, fault: &Fault) {
        let Some(begun) = &self.0 else { return };
        begun.push(What::Fault(fault.code, fault.detail.clone()));
    }

    /// What the gate says of the time that the exchange took.
    pub fn timed(&self, timing: wire::Timing) {
        if let Some(begun) = &self.0 {
            begun.push(What::Timed(timing));
        }
    }

    /// The exchange is over; `cut`: before it was complete.
    pub fn end(&self, status: u16, cut: bool, asked: Option<Duration>) {
        let Some(begun) = &self.0 else { return };
        let ended = Ended {
            after: begun.started.elapsed(),
            asked,
            status,
            cut,
            up: begun.up.load(Ordering::Relaxed),
            down: begun.down.load(Ordering::Relaxed),
            lost: begun.lost.load(Ordering::Relaxed),
        };
        begun.push(What::Ended(ended));
    }
}

impl Inlet {
    /// Waits until there is something to take, and until more has come with it.
    pub(super) async fn filled(&self) {
        self.tap.asleep.store(true, Ordering::SeqCst);
        if self.tap.queued.load(Ordering::SeqCst) == 0 {
            self.tap.wake.notified().await;
        }
        self.tap.asleep.store(false, Ordering::SeqCst);
        tokio::time::sleep(limits::INSPECT_BATCH).await;
    }

    /// Takes what is there.
    pub(super) fn take(&self) -> Vec<Event> {
        let mut queue = locked(&self.events);
        let events: Vec<_> = std::iter::from_fn(|| queue.try_recv().ok()).collect();
        let size: usize = events.iter().map(|event| event.what.size() + ENVELOPE).sum();
        self.tap.queued.fetch_sub(size, Ordering::SeqCst);
        events
    }
}

impl What {
    /// Bytes in the queue, roughly for heads; always the same for one event.
    fn size(&self) -> usize {
        match self {
            Self::Begun { request, .. } => request.headers.bytes().len() + request.body.bytes.len(),
            Self::Answered { answer, body, .. } => answer.headers.bytes().len() + body.len(),
            Self::RequestBody { bytes, .. } | Self::AnswerBody(bytes) => bytes.len(),
            Self::Message(message) => message.bytes.len(),
            Self::Fault(_, detail) => detail.len(),
            Self::Timed(_) | Self::Ended(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_faster_than_anybody_can_look_is_counted_and_not_captured() {
        let (recorder, inlet) = channel();
        let head = RequestHead {
            method: http::Method::GET,
            target: http::uri::PathAndQuery::from_static("/"),
            headers: http::HeaderMap::new(),
            from: None,
            websocket: false,
        };
        let all = 4 * u64::from(limits::INSPECT_BURST.get());
        let begun = Instant::now();
        let captured =
            (0..all).filter(|_| recorder.begin(&head, &Chunk::whole(Bytes::new())).0.is_some()).count() as u64;
        let most = f64::from(limits::INSPECT_BURST.get())
            + f64::from(limits::INSPECT_RATE.get()) * begun.elapsed().as_secs_f64();
        assert_eq!(captured + recorder.missed(), all);
        assert!(captured as f64 <= most + 1.0, "{captured} of {all}, {most} at most");
        assert_eq!(inlet.take().len() as u64, captured);
    }
}
