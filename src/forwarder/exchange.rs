//! One exchange at the forwarder's end: the service is asked at most once, its answer goes out part by part, and what
//! ends it at either side ends it at the other.
//!
//! The service is asked over connections that are kept, full duplex: an early refusal of an upload is handed on, and a
//! service that answers as it reads does not lock up.

mod answering;
mod client;
mod open;
mod request;
mod socket;
mod workshop;

use super::inspector::Recording;
use super::service::Service;
use crate::fault::{Code, Fault};
use crate::head::RequestHead;
use crate::id::ExchangeId;
use crate::link::{Lane, Mailbox, Sender};
use crate::wire::{Chunk, Flow, ToGate};
use answering::Answering;
use http::{HeaderValue, header};
pub use open::Open;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
pub use workshop::{Totals, Workshop};

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
