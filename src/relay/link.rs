//! The relay's end of one forwarder's link: an exchange lives here from its request until the visitor has its answer
//! or is gone, and whichever side leaves first, the other is told.

use super::Relay;
use crate::fault::{Code, Fault};
use crate::gate::switchboard::{Arrival, Ended, Inbox, Outbox, Switchboard as _};
use crate::id::{ExchangeId, TunnelName};
use crate::limits;
use crate::link::{self, Goodbye, Growth, Lane, Mailbox, Queue, Received, Sender, Source, locked};
use crate::wire::{Encoding, Flow, Timing, ToForwarder, ToGate, Welcome};
use futures_util::StreamExt as _;
use futures_util::stream::{SplitSink, SplitStream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as SocketMessage;

/// One forwarder's link.
#[derive(Debug)]
pub struct Link {
    sender: Sender<ToForwarder>,
    name: OnceLock<TunnelName>,
    exchanges: Mutex<BTreeMap<ExchangeId, Arc<Exchange>>>,
    next_id: AtomicU64,
    growth: Growth,
    /// An exchange over which nothing goes for this long is ended.
    idle: Duration,
}

/// One exchange, as the link sees it.
#[derive(Debug)]
pub(super) struct Exchange {
    lane: Lane,
    answered: AtomicBool,
    /// The visitor has sent something since this was last looked at.
    sent: AtomicBool,
    arrivals: Mailbox<Arrival>,
}

impl Exchange {
    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Notes the answer's head; false when it had come before.
    pub(super) fn begin_answer(&self) -> bool {
        !self.answered.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Puts an arrival into the inbox; what it holds in bytes was granted before, so the queue is bounded.
    pub(super) fn arrive(&self, arrival: Arrival) {
        self.arrivals.put(arrival);
    }
}

impl Link {
    /// A link that sends through `sender` and has no name yet; its exchanges end after `idle` without a word.
    pub(super) fn new(sender: Sender<ToForwarder>, idle: Duration) -> Self {
        let (name, exchanges) = (OnceLock::new(), Mutex::default());
        Self { sender, name, exchanges, next_id: AtomicU64::new(1), growth: Growth::default(), idle }
    }

    /// The way to the forwarder.
    pub fn sender(&self) -> &Sender<ToForwarder> {
        &self.sender
    }

    /// The tunnel's name, once it has one.
    pub fn name(&self) -> Option<&TunnelName> {
        self.name.get()
    }

    pub(super) fn set_name(&self, name: TunnelName) {
        // A link is connected once.
        let _already = self.name.set(name);
    }

    /// How many exchanges are open.
    pub fn open_exchanges(&self) -> usize {
        locked(&self.exchanges).len()
    }

    pub(super) fn exchange(&self, id: ExchangeId) -> Option<Arc<Exchange>> {
        locked(&self.exchanges).get(&id).cloned()
    }

    pub(super) fn open(self: &Arc<Self>) -> (ExchangeId, LinkOutbox, LinkInbox) {
        let id = ExchangeId(self.next_id.fetch_add(1, Ordering::Relaxed));
        let lane = Lane::new(Some(limits::WINDOW), &self.growth);
        let (answered, sent) = (AtomicBool::new(false), AtomicBool::new(false));
        let exchange = Arc::new(Exchange { lane, answered, sent, arrivals: Mailbox::default() });
        locked(&self.exchanges).insert(id, exchange.clone());
        let outbox = LinkOutbox { link: self.clone(), id, exchange: exchange.clone() };
        (id, outbox, LinkInbox { link: self.clone(), id, exchange, finished: false })
    }

    /// What visitors are told whose exchange was on a link that dropped.
    pub(super) fn lost() -> Fault {
        Fault::new(Code::ForwarderOffline, "The forwarder's connection was lost during this exchange.")
    }

    fn end_all(&self) {
        for exchange in std::mem::take(&mut *locked(&self.exchanges)).into_values() {
            exchange.lane.close();
            exchange.arrive(Arrival::Fail(Self::lost()));
        }
    }
}

/// The visitor's end of an exchange: what the forwarder sends.
#[derive(Debug)]
pub struct LinkInbox {
    link: Arc<Link>,
    id: ExchangeId,
    exchange: Arc<Exchange>,
    finished: bool,
}

impl Inbox for LinkInbox {
    async fn next(&mut self) -> Result<Arrival, Fault> {
        loop {
            match tokio::time::timeout(self.link.idle, self.exchange.arrivals.take()).await {
                Ok(arrival) => return Ok(arrival),
                // What the visitor sends keeps the exchange alive as well.
                Err(_) if self.exchange.sent.swap(false, Ordering::Relaxed) => {}
                Err(_) => {
                    let text = format!("Nothing was said for {} s, the operator's limit.", self.link.idle.as_secs());
                    return Err(Fault::new(Code::ServiceTimeout, text));
                }
            }
        }
    }

    fn read(&mut self, bytes: usize) {
        if let Some(grant) = self.exchange.lane.consume(bytes) {
            self.link.sender.control(ToForwarder::Flow(self.id, Flow::Credit(grant)));
        }
    }

    fn timed(&mut self, timing: Timing) {
        self.link.sender.control(ToForwarder::Timing(self.id, timing));
    }

    fn finish(&mut self) {
        self.finished = true;
    }

    fn reorder_limit(&self) -> usize {
        limits::WINDOW_MAX as usize
    }
}

impl Drop for LinkInbox {
    fn drop(&mut self) {
        locked(&self.link.exchanges).remove(&self.id);
        self.exchange.lane.close();
        if !self.finished {
            self.link.sender.control(ToForwarder::Flow(self.id, Flow::Cancel));
        }
    }
}

/// The visitor's end of an exchange: what the visitor sends.
#[derive(Debug)]
pub struct LinkOutbox {
    link: Arc<Link>,
    id: ExchangeId,
    exchange: Arc<Exchange>,
}

impl LinkOutbox {
    pub(super) fn spend_opening(&self, bytes: usize) {
        // Always granted, see `Memory::open`.
        let _granted = self.exchange.lane.try_spend(bytes);
    }
}

impl Outbox for LinkOutbox {
    fn part(&self) -> usize {
        self.link.sender.encoding().part()
    }

    async fn wait_for_demand(&mut self) -> Result<(), Ended> {
        self.exchange.lane.demanded().await.map_err(|_| Ended)
    }

    async fn send(&mut self, flow: Flow) -> Result<(), Ended> {
        let size = match &flow {
            Flow::Part(_, chunk) => chunk.bytes.len(),
            Flow::Message(_, piece) => piece.bytes.len(),
            _ => 0,
        };
        self.exchange.lane.spend(size).await.map_err(|_| Ended)?;
        self.exchange.sent.store(true, Ordering::Relaxed);
        self.link.sender.send(ToForwarder::Flow(self.id, flow)).await.map_err(|_| Ended)
    }
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;
type Messages = Source<ToGate, SplitStream<Socket>>;

/// How a link's messages go once its handshake is done.
pub(super) enum Way {
    /// Over the socket, from this queue.
    Socket(Queue<ToForwarder>),
    /// To the other end in this process; what that end sends is in this queue.
    InProcess(Queue<ToGate>),
}

/// Serves one forwarder's link until it ends. Its claim has been admitted and its socket is open.
pub(super) async fn serve(relay: &Arc<Relay>, socket: Socket, encoding: Encoding, link: Arc<Link>, way: Way) {
    let (sink, stream) = socket.split();
    let (mut source, mut out) = match way {
        Way::Socket(queue) => (Source::Socket(stream, encoding), Some((sink, queue))),
        Way::InProcess(queue) => (Source::Peer(queue), None),
    };
    let greeting = greet(relay, &link, &mut source, out.as_mut().map(|(sink, _)| sink));
    let greeted = tokio::time::timeout(limits::HANDSHAKE, greeting).await;
    let writer = out.map(|(sink, queue)| {
        let link = link.clone();
        tokio::spawn(async move {
            if let Err(error) = link::write(sink, queue, encoding, None).await {
                tracing::debug!(%error, "link write failed");
            }
            link.sender.close();
        })
    });
    let ended = match greeted {
        Ok(Ok(())) => receive(relay, &link, &mut source).await,
        Ok(Err(ended)) => ended,
        Err(_) => Goodbye { code: 1008, reason: "the forwarder did not say hello".to_owned() },
    };
    tracing::info!(tunnel = link.name().map(TunnelName::as_str), reason = %ended.reason, "link ended");
    // A forwarder that closes as one does who is done needs its name no more; any other one will be back.
    relay.gate.switchboard.disconnect(&link, ended.code == 1000).await;
    // Closed first: an exchange that opens from here on fails to send, all others are ended now.
    link.sender.close_with(ended);
    link.end_all();
    let Some(mut writer) = writer else { return };
    // A peer that does not read must not keep the writer.
    if tokio::time::timeout(limits::DRAIN, &mut writer).await.is_err() {
        writer.abort();
    }
}

/// Answers the forwarder's hello. Visitors find the link already: what they begin waits in the queue until the forwarder
/// has been welcomed over its socket, since before that it does not know what it may send.
async fn greet(
    relay: &Arc<Relay>,
    link: &Arc<Link>,
    source: &mut Messages,
    sink: Option<&mut SplitSink<Socket, SocketMessage>>,
) -> Result<(), Goodbye> {
    loop {
        match source.read().await {
            Received::Message(ToGate::Hello(hello)) => {
                tracing::info!(tunnel = link.name().map(TunnelName::as_str), agent = %hello.agent, "link open");
                break;
            }
            Received::Message(_) | Received::Other | Received::Platform(_) => {}
            received => return Err(ended(received)),
        }
    }
    let welcome = ToForwarder::Welcome(relay.welcome(link));
    let Some(sink) = sink else {
        link.sender.control(welcome);
        return Ok(());
    };
    let said = link::say(sink, &welcome, link.sender.encoding()).await;
    said.map_err(|error| Goodbye { code: 1011, reason: error.to_string() })
}

async fn receive(relay: &Arc<Relay>, link: &Arc<Link>, source: &mut Messages) -> Goodbye {
    let goodbye = |code, reason: &str| Goodbye { code, reason: reason.to_owned() };
    loop {
        let received = tokio::select! {
            biased;
            received = tokio::time::timeout(relay.options.silence, source.read()) => received,
            () = link.sender.closed() => return goodbye(1008, "the forwarder does not read its link"),
        };
        let outcome = match received {
            Err(_) => return goodbye(1001, "no message for too long"),
            Ok(Received::Message(message)) => relay.gate.switchboard.deliver(link, message).await,
            Ok(Received::Other | Received::Platform(_)) => Ok(()),
            Ok(received) => return ended(received),
        };
        if let Err(why) = outcome {
            tracing::warn!(tunnel = link.name().map(TunnelName::as_str), why, "the forwarder broke the protocol");
            return goodbye(1002, &why);
        }
    }
}

/// What is said in return to what ends a link.
fn ended(received: Received<ToGate>) -> Goodbye {
    let (code, reason) = match received {
        Received::Malformed(error) => {
            tracing::warn!(%error, "a forwarder sent what cannot be understood");
            (1002, error.to_string())
        }
        Received::Closed(Some(theirs)) => return theirs,
        Received::Closed(None) => (1001, "closed".to_owned()),
        Received::Failed(why) => (1011, why),
        Received::Message(_) | Received::Other | Received::Platform(_) => (1002, "unexpected message".to_owned()),
    };
    Goodbye { code, reason }
}

impl Relay {
    fn welcome(&self, link: &Link) -> Welcome {
        let name = link.name();
        Welcome {
            name: name.map(ToString::to_string).unwrap_or_default(),
            url: name.map(|name| self.gate.settings().public_url.of(name)).unwrap_or_default(),
            stream_url: None,
            window: Some(limits::WINDOW),
            keep_alive: u32::try_from(limits::KEEP_ALIVE.as_secs()).unwrap_or(u32::MAX),
            lifetime: None,
            answer_limit: None,
        }
    }
}
