//! An exchange is answered once: by the service's head and body, by a fault, or, dropped half-way, by an abort; and whichever it was,
//! it is reported.

use super::{Exchange, Open, Workshop};
use crate::body;
use crate::fault::{Code, Fault};
use crate::forwarder::report::Event;
use crate::head::{self, RequestHead, ResponseHead};
use crate::link::Closed;
use crate::wire::{Chunk, Encoding, Flow, Message as _, ToGate};
use bytes::Bytes;
use http::{Method, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes that [`head::TIMING`] takes in a message at most: its name, two numbers, and what is around them.
const TIMING_LINE: usize = 80;

/// The answer's way out. Dropping it ends the exchange at this end.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) workshop: Arc<Workshop>,
    open: Arc<Open>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) request: Described,
    n: u32,
    state: State,
    /// Body bytes that went to the visitor.
    pub(super) bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    NoHead,
    Begun(StatusCode),
    Ended(StatusCode),
    Failed(Code),
}

/// What the report says about a request.
#[derive(Debug)]
pub(super) struct Described {
    method: Method,
    pub(super) target: String,
    from: Option<IpAddr>,
    websocket: bool,
}

impl Answering {
    pub(super) fn new(workshop: Arc<Workshop>, open: Arc<Open>, exchange: Arc<Exchange>, head: &RequestHead) -> Self {
        let request = Described {
            method: head.method.clone(),
            target: head.target.as_str().to_owned(),
            from: head.from,
            websocket: head.websocket,
        };
        Self { workshop, open, exchange, request, n: 0, state: State::NoHead, bytes: 0 }
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.exchange.sender.encoding()
    }

    /// Sends the answer's head with the beginning of its body, or all of it, as far as it fits one message.
    pub(super) async fn answer(&mut self, mut head: ResponseHead, mut body: Chunk) -> Result<(), Closed> {
        self.workshop.watcher.see(&self.request.target, &head, &body.bytes);
        head::strip_hop_by_hop(&mut head.headers);
        self.workshop.service.relocate(&mut head.headers);
        let timing = self.workshop.timing.then(|| self.exchange.timing());
        let room = self.encoding().beside(&head.headers, timing.as_ref().map_or(0, |_| TIMING_LINE));
        let rest = body.bytes.split_off(room.min(body.bytes.len()));
        let end = body.end;
        body.end &= rest.is_empty();
        self.state = if body.end { State::Ended(head.status) } else { State::Begun(head.status) };
        let size = body.bytes.len();
        self.exchange.recording.answer(&head, &body.bytes, self.exchange.asked.get().copied());
        if let Some(timing) = timing {
            head.headers.insert(head::TIMING, timing);
            self.open.await_timing(&self.exchange);
        }
        let message = ToGate::Answer(self.exchange.id, head, body);
        if room == 0 && message.encode(self.encoding()).len() > self.encoding().message() {
            return self.refuse_head().await;
        }
        self.bytes += size as u64;
        self.exchange.lane.spend(size).await?;
        self.exchange.sender.send(message).await?;
        if rest.is_empty() { Ok(()) } else { self.parts(rest, end).await }
    }

    /// Tells the gate that the answer's head is more than a message holds; nothing more is to be sent.
    async fn refuse_head(&mut self) -> Result<(), Closed> {
        self.state = State::Failed(Code::ResponseTooLarge);
        let text = format!("The answer's head is too large for a message of {} bytes.", self.encoding().message());
        self.exchange.sender.send(ToGate::Fail(self.exchange.id, Code::ResponseTooLarge, text)).await?;
        Err(Closed)
    }

    /// Sends body bytes, in as many parts as they need.
    pub(super) async fn parts(&mut self, bytes: Bytes, end: bool) -> Result<(), Closed> {
        let empty_end = bytes.is_empty() && end;
        let mut parts = body::split(bytes, self.encoding().part()).chain(empty_end.then(Bytes::new)).peekable();
        while let Some(bytes) = parts.next() {
            let end = end && parts.peek().is_none();
            self.bytes += bytes.len() as u64;
            self.exchange.recording.answer_part(&bytes);
            self.exchange.lane.spend(bytes.len()).await?;
            self.n += 1;
            let part = Flow::Part(self.n, Chunk { bytes, end });
            self.exchange.sender.send(ToGate::Flow(self.exchange.id, part)).await?;
        }
        if let (true, State::Begun(status)) = (end, self.state) {
            self.state = State::Ended(status);
        }
        Ok(())
    }

    /// A panic in one exchange is that visitor's error; without a word the visitor would wait for ever.
    fn tell_of_panic(&self) {
        let (id, why) = (self.exchange.id, "The forwarder failed.".to_owned());
        self.exchange.sender.control(match self.state {
            State::NoHead => ToGate::Fail(id, Code::Internal, why),
            _ => ToGate::Flow(id, Flow::Abort(why)),
        });
    }

    /// There will be no answer, or no more of it.
    pub(super) async fn fail(mut self, fault: Fault) {
        self.exchange.recording.fault(&fault);
        let id = self.exchange.id;
        let message = match self.state {
            State::NoHead => {
                self.state = State::Failed(fault.code);
                ToGate::Fail(id, fault.code, fault.detail)
            }
            State::Begun(_) => ToGate::Flow(id, Flow::Abort(fault.detail)),
            State::Ended(_) | State::Failed(_) => return,
        };
        // Where the link is closed, the gate has told the visitor.
        let _closed = self.exchange.sender.send(message).await;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.open.remove(&self.exchange);
        // A service that answered before it had the whole request waits for the rest of it, which will not come.
        self.exchange.lane.close();
        let (status, fault, cut) = match self.state {
            State::NoHead => (StatusCode::from_u16(499).unwrap_or_default(), None, true),
            State::Begun(status) => (status, None, !self.request.websocket),
            State::Ended(status) => (status, None, false),
            State::Failed(code) => (code.status(), Some(code), false),
        };
        if cut && std::thread::panicking() {
            self.tell_of_panic();
        }
        self.exchange.recording.end(status.as_u16(), cut, self.exchange.asked.get().copied());
        let totals = &self.workshop.totals;
        totals.bytes_out.fetch_add(self.bytes, Ordering::Relaxed);
        totals.failed.fetch_add(u64::from(cut || fault.is_some()), Ordering::Relaxed);
        self.workshop.reporter.report(Event::Request {
            method: std::mem::take(&mut self.request.method),
            target: std::mem::take(&mut self.request.target),
            status: status.as_u16(),
            bytes: self.bytes,
            elapsed: self.exchange.started.elapsed(),
            from: self.request.from,
            fault,
            websocket: self.request.websocket,
            cut,
            inspected: self.exchange.recording.number(),
        });
    }
}
