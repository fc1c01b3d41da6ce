//! One link: what comes goes to the routes, what is posted goes out in order, and its end is told to the function.

use super::Gateway;
use super::event;
use super::frames::{Reader, Received, write_close, write_text};
use super::messages;
use super::routes::Integration;
use crate::serverless::meter::message_units;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a client may take to answer a close frame.
const FAREWELL: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub enum Order {
    Close(u16, String),
    /// The TCP connection ends, without a word.
    Cut,
}

enum Outgoing {
    Text(Instant, Vec<u8>),
    Close(u16, String),
}

pub struct Link {
    pub info: event::Link,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    orders: mpsc::UnboundedSender<Order>,
    /// Bytes that the client has not taken yet.
    waiting: AtomicUsize,
    active: Mutex<Instant>,
    /// What a reordered delivery holds back.
    pub backlog: Mutex<Vec<String>>,
}

pub struct Parts {
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    orders: mpsc::UnboundedReceiver<Order>,
}

impl Link {
    pub fn open(info: event::Link) -> (Arc<Self>, Parts) {
        let (outgoing, out) = mpsc::unbounded_channel();
        let (orders, ordered) = mpsc::unbounded_channel();
        let (waiting, active, backlog) = (AtomicUsize::new(0), Mutex::new(Instant::now()), Mutex::default());
        let parts = Parts { outgoing: out, orders: ordered };
        (Arc::new(Self { info, outgoing, orders, waiting, active, backlog }), parts)
    }

    /// Says whether the link was still there to obey.
    pub fn order(&self, order: Order) -> bool {
        self.orders.send(order).is_ok()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub fn last_active(&self) -> Instant {
        *self.active.lock().expect("no panic")
    }

    fn touch(&self) {
        *self.active.lock().expect("no panic") = Instant::now();
    }

    /// Puts a text into the client's queue.
    pub fn push(&self, text: Vec<u8>, delay: Duration) {
        self.waiting.fetch_add(text.len(), Ordering::Relaxed);
        self.touch();
        let _ = self.outgoing.send(Outgoing::Text(Instant::now() + delay, text));
    }

    /// The frame that the platform sends when a message came to nothing.
    pub fn failure(&self, text: &str, request_id: &str) -> String {
        json!({"message": text, "connectionId": self.info.connection_id, "requestId": request_id}).to_string()
    }
}

/// Why a link ends: what `$disconnect` is told, and whether the client is sent a close frame.
struct End {
    code: u16,
    reason: String,
    says_so: bool,
    waits: bool,
}

/// Serves a link from its first message to its `$disconnect`.
pub async fn live(gateway: Arc<Gateway>, link: Arc<Link>, parts: Parts, stream: TcpStream, read_ahead: Vec<u8>) {
    let knobs = gateway.panel.read();
    let (read, write) = stream.into_split();
    let mut reader = Reader::new(read, &read_ahead, knobs.frame_bytes, knobs.message_bytes);
    let Parts { outgoing, mut orders } = parts;
    // Ends with this link, however that ends.
    let mut writing = JoinSet::new();
    writing.spawn(write_out(Arc::clone(&gateway), Arc::clone(&link), write, outgoing));
    let end = receive(&gateway, &link, &mut reader, &mut orders).await;
    gateway.links.lock().expect("no panic").remove(&link.info.connection_id);
    if end.says_so {
        let _ = link.outgoing.send(Outgoing::Close(end.code, end.reason.clone()));
        // A client that takes nothing is left without its close frame.
        let _ = timeout(FAREWELL, writing.join_next()).await;
        if end.waits {
            let _ = timeout(FAREWELL, async { while !over(&reader.next().await) {} }).await;
        }
    }
    writing.shutdown().await;
    drop(reader);
    gateway.spawn(disconnect(Arc::clone(&gateway), link, end));
}

/// Nothing comes after this.
fn over(received: &Received) -> bool {
    !matches!(received, Received::Text(_) | Received::Control)
}

async fn receive<R: AsyncRead + Unpin>(
    gateway: &Arc<Gateway>,
    link: &Arc<Link>,
    reader: &mut Reader<R>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> End {
    let opened = Instant::now();
    let mut knobs = gateway.panel.watch();
    loop {
        let (idle, lifetime) = {
            let now = knobs.borrow_and_update();
            (now.idle, now.lifetime)
        };
        let ends = (opened + lifetime).min(link.last_active() + idle);
        tokio::select! {
            received = reader.next() => match received {
                Received::Text(text) => {
                    link.touch();
                    messages::arrived(gateway, link, text);
                }
                // No pong, and no use of the link either.
                Received::Control => {}
                Received::Close(code, reason) => {
                    let reason = if code == 1005 { "Client-side close frame status not set".to_owned() } else { reason };
                    return End { code, reason, says_so: true, waits: false };
                }
                Received::Broken(code, reason) => return End { code, reason: reason.to_owned(), says_so: true, waits: true },
                Received::Gone => {
                    return End { code: 1006, reason: "Connection closed abnormally".to_owned(), says_so: false, waits: false };
                }
            },
            () = sleep_until(ends) => {
                let now = Instant::now();
                if now >= opened + lifetime || now >= link.last_active() + idle {
                    return End { code: 1001, reason: "Going away".to_owned(), says_so: true, waits: true };
                }
            }
            _ = knobs.changed() => {}
            Some(order) = orders.recv() => return match order {
                Order::Close(code, reason) => End { code, reason, says_so: true, waits: true },
                Order::Cut => End { code: 1006, reason: "Connection closed abnormally".to_owned(), says_so: false, waits: false },
            },
        }
    }
}

async fn write_out(
    gateway: Arc<Gateway>,
    link: Arc<Link>,
    mut stream: OwnedWriteHalf,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
) {
    while let Some(next) = outgoing.recv().await {
        let written = match next {
            Outgoing::Text(due, text) => {
                sleep_until(due).await;
                let limit = gateway.panel.read().frame_bytes;
                let written = write_text(&mut stream, &text, limit).await;
                link.waiting.fetch_sub(text.len(), Ordering::Relaxed);
                gateway.meter.count(|tally| {
                    tally.messages_out += 1;
                    tally.units_out += message_units(text.len());
                });
                written
            }
            Outgoing::Close(code, reason) => {
                // The reader sees the end of a connection that takes no more.
                let _ = write_close(&mut stream, code, &reason).await;
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

async fn disconnect(gateway: Arc<Gateway>, link: Arc<Link>, end: End) {
    gateway.panel.until(|knobs| !knobs.hold_disconnects).await;
    if gateway.panel.read().drop_disconnects {
        return;
    }
    if let Some(Integration::Function(timeout)) = gateway.routes.get("$disconnect") {
        let event = link.info.disconnect(end.code, &end.reason);
        // Nobody is left to be told of a failure.
        let _ = gateway.invoke("DISCONNECT", &event, *timeout).await;
    }
}
