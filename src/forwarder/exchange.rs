//! One exchange at the forwarder's end: the service is asked at most once, its answer goes out part by part, and what
//! ends it at either side ends it at the other.
//!
//! The service is asked over connections that are kept, full duplex: an early refusal of an upload is handed on, and a
//! service that answers as it reads does not lock up.
//!
//! How exchanges are bounded: [`limits::EXCHANGES`] run at once, each a task. Up to [`limits::EXCHANGES_WAITING`] more
//! wait, at most [`limits::QUEUE_PATIENCE`], for one to end; beyond that visitors get `too-many-requests`. Neither the
//! link nor exchanges that run wait for those that queue.

mod client;
mod open;
mod request;
mod socket;

use super::inspector::{Recorder, Recording, Verifier};
use super::report::{Event, Reporter};
use super::rules::Rules;
use super::service::Service;
use crate::body;
use crate::fault::{Code, Fault};
use crate::head::{self, RequestHead, ResponseHead};
use crate::id::ExchangeId;
use crate::limits;
use crate::link::{Closed, Lane, Mailbox, Sender};
use crate::wire::{Chunk, Encoding, Flow, Message as _, ToGate};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
pub use open::Open;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that [`head::TIMING`] takes in a message at most: its name, two numbers, and what is around them.
const TIMING_LINE: usize = 80;

/// What all exchanges of a forwarder share.
#[derive(Debug)]
pub struct Workshop {
    service: Arc<Service>,
    client: client::Client,
    rules: Rules,
    timeout: Duration,
    reporter: Reporter,
    recorder: Recorder,
    verifier: Verifier,
    timing: bool,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    totals: Totals,
}

/// What the summary counts.
#[derive(Debug, Default)]
pub struct Totals {
    /// Exchanges that were begun.
    pub exchanges: AtomicU64,
    /// Exchanges that ended in a fault or were cut short.
    pub failed: AtomicU64,
    /// Body bytes from visitors.
    pub bytes_in: AtomicU64,
    /// Body bytes to visitors.
    pub bytes_out: AtomicU64,
}

impl Workshop {
    /// A workshop for `service`, which has `timeout` to begin an answer.
    pub fn new(service: Arc<Service>, rules: Rules, timeout: Duration, reporter: Reporter) -> Self {
        let client = client::Client::new(service.clone());
        let slots = Arc::new(Semaphore::new(limits::EXCHANGES));
        Self {
            service,
            client,
            rules,
            timeout,
            reporter,
            recorder: Recorder::default(),
            verifier: Verifier::default(),
            timing: false,
            slots,
            waiting: AtomicUsize::new(0),
            totals: Totals::default(),
        }
    }

    /// The same, telling `recorder` what exchanges do and asking for signatures as `verifier` says.
    pub fn inspected(self, recorder: Recorder, verifier: Verifier) -> Self {
        Self { recorder, verifier, ..self }
    }

    /// The same, telling visitors what each hop took if `timing` is set.
    pub fn timed(self, timing: bool) -> Self {
        Self { timing, ..self }
    }

    /// The counts so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Where events go.
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Ok(slot);
        }
        let busy = || {
            Fault::new(
                Code::TooManyRequests,
                format!("The forwarder already has {} open exchanges.", limits::EXCHANGES),
            )
        };
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= limits::EXCHANGES_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(busy());
        }
        let slot = tokio::time::timeout(limits::QUEUE_PATIENCE, self.slots.clone().acquire_owned()).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        slot.ok().and_then(Result::ok).ok_or_else(busy)
    }
}

/// One open exchange.
#[derive(Debug)]
pub(super) struct Exchange {
    id: ExchangeId,
    sender: Sender<ToGate>,
    lane: Lane,
    flow_control: bool,
    flows: Mailbox<Flow>,
    recording: Recording,
    started: Instant,
    /// When the service was asked, counted from the beginning.
    asked: OnceLock<Duration>,
}

impl Exchange {
    /// Ends the exchange from outside: the call to the service stops, nothing more is sent.
    fn end(&self) {
        self.lane.close();
    }

    /// Notes that the service is asked now. The first time counts; a request that is asked again was waiting for the
    /// service already.
    fn ask(&self) {
        self.asked.get_or_init(|| self.started.elapsed());
    }

    /// What it took until the service was asked, and until it answers now: [`head::TIMING`].
    fn timing(&self) -> HeaderValue {
        let forwarder = self.asked.get().copied().unwrap_or_default();
        let service = self.started.elapsed().saturating_sub(forwarder);
        HeaderValue::try_from(format!("{} {}", forwarder.as_micros(), service.as_micros()))
            .expect("digits and a space are a header's")
    }

    /// Notes that `bytes` from the visitor were read on, which may grant it more.
    fn read(&self, bytes: usize) {
        if let Some(credit) = self.lane.consume(bytes) {
            self.tell(Flow::Credit(credit));
        }
    }

    /// Tells the gate about credit, which a link without flow control has no use for.
    fn tell(&self, flow: Flow) {
        if self.flow_control {
            self.sender.control(ToGate::Flow(self.id, flow));
        }
    }
}

/// Begins an exchange; it runs on its own from here.
pub fn begin(
    workshop: &Arc<Workshop>,
    open: &Arc<Open>,
    sender: &Sender<ToGate>,
    window: Option<u32>,
    (id, head, body): (ExchangeId, RequestHead, Chunk),
) {
    let exchange = Arc::new(Exchange {
        id,
        sender: sender.clone(),
        lane: Lane::new(window, &open.growth),
        flow_control: window.is_some(),
        flows: Mailbox::default(),
        recording: workshop.recorder.begin(&head, &body),
        started: Instant::now(),
        asked: OnceLock::new(),
    });
    let Some(early) = open.insert(&exchange) else { return }; // Said twice.
    workshop.totals.exchanges.fetch_add(1, Ordering::Relaxed);
    let answering = Answering::new(workshop.clone(), open.clone(), exchange, &head);
    // What arrives with the head was granted by the window that the exchange opens with.
    let _granted = answering.exchange.lane.receive(body.bytes.len());
    workshop.totals.bytes_in.fetch_add(body.bytes.len() as u64, Ordering::Relaxed);
    for flow in early {
        // It is within bounds: on a link that hands things over early there is no window to overrun.
        let _within = accept(workshop, &answering.exchange, flow);
    }
    let workshop = workshop.clone();
    // On the heap before it is spawned, which moves a task several times.
    tokio::spawn(Box::pin(async move { serve(workshop, answering, head, body).await }));
}

/// Hands over what the gate sent for an open exchange; for one that is over there is nothing to do. On a platform that
/// hands messages over in any order (no `window`), it may be for one that is still to come.
///
/// # Errors
/// The gate broke the protocol; says how.
pub fn deliver(
    workshop: &Workshop,
    open: &Open,
    window: Option<u32>,
    id: ExchangeId,
    flow: Flow,
) -> Result<(), String> {
    match (open.get(id), window) {
        (Some(exchange), _) => accept(workshop, &exchange, flow),
        (None, Some(_)) => Ok(()),
        (None, None) => {
            open.keep_early(id, flow);
            Ok(())
        }
    }
}

fn accept(workshop: &Workshop, exchange: &Exchange, flow: Flow) -> Result<(), String> {
    let size = match &flow {
        Flow::Credit(bytes) => {
            exchange.lane.grant(*bytes);
            return Ok(());
        }
        Flow::Cancel => {
            exchange.end();
            return Ok(());
        }
        Flow::Part(_, chunk) => chunk.bytes.len(),
        Flow::Message(_, piece) => piece.bytes.len(),
        Flow::Abort(_) | Flow::Close(..) => 0,
    };
    exchange.lane.receive(size).map_err(|overrun| overrun.to_string())?;
    workshop.totals.bytes_in.fetch_add(size as u64, Ordering::Relaxed);
    exchange.flows.put(flow);
    Ok(())
}

async fn serve(workshop: Arc<Workshop>, answering: Answering, mut head: RequestHead, mut body: Chunk) {
    if let Err(fault) = workshop.rules.check(head.from, &head.headers) {
        return answering.fail(fault).await;
    }
    let slot = match workshop.slot().await {
        Ok(slot) => slot,
        Err(fault) => return answering.fail(fault).await,
    };
    if workshop.verifier.is_on() {
        body = match request::verified(&workshop, &answering, &mut head, body).await {
            Ok(body) => body,
            Err(Some(fault)) => return answering.fail(fault).await,
            Err(None) => return,
        };
    }
    workshop.service.prepare(&mut head);
    answering.exchange.ask();
    if head.websocket {
        socket::serve(&workshop, answering, head).await;
    } else {
        request::serve(&workshop, answering, head, body).await;
    }
    drop(slot);
}

/// The answer's way out. Dropping it ends the exchange at this end.
#[derive(Debug)]
struct Answering {
    workshop: Arc<Workshop>,
    open: Arc<Open>,
    exchange: Arc<Exchange>,
    request: Described,
    n: u32,
    state: State,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NoHead,
    Begun(StatusCode),
    Ended(StatusCode),
    Failed(Code),
}

/// What the report says about a request.
#[derive(Debug)]
struct Described {
    method: Method,
    target: String,
    from: Option<IpAddr>,
    websocket: bool,
}

impl Answering {
    fn new(workshop: Arc<Workshop>, open: Arc<Open>, exchange: Arc<Exchange>, head: &RequestHead) -> Self {
        let request = Described {
            method: head.method.clone(),
            target: head.target.as_str().to_owned(),
            from: head.from,
            websocket: head.websocket,
        };
        Self { workshop, open, exchange, request, n: 0, state: State::NoHead, bytes: 0 }
    }

    fn encoding(&self) -> Encoding {
        self.exchange.sender.encoding()
    }

    /// Sends the answer's head with the beginning of its body, or all of it, as far as it fits one message.
    async fn answer(&mut self, mut head: ResponseHead, mut body: Chunk) -> Result<(), Closed> {
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
    async fn parts(&mut self, bytes: Bytes, end: bool) -> Result<(), Closed> {
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
    async fn fail(mut self, fault: Fault) {
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
        });
    }
}

/// What a failure to reach the service is, for the visitor.
fn unreachable(service: &Service, error: &dyn std::fmt::Display) -> Fault {
    let text = format!("Nothing answers at {} on the forwarder's machine: {error}.", service.authority());
    Fault::new(Code::ServiceUnreachable, text)
}

fn broken(error: &dyn std::fmt::Display) -> Fault {
    Fault::new(Code::ServiceFailed, format!("The service broke its answer off: {error}."))
}

fn too_slow(timeout: Duration) -> Fault {
    Fault::new(Code::ServiceTimeout, format!("The service did not begin an answer within {} s.", timeout.as_secs()))
}

/// Whether a request says how long its body is.
fn declares_body(head: &RequestHead) -> bool {
    head.headers.contains_key(header::CONTENT_LENGTH)
}
