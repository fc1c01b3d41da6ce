//! One link's life: one select, one match; it ends when the link does, or retires when another one is to take over.
//!
//! A retired session carries on until the next link is up and then finishes what it began, so nothing in flight is lost.

use super::exchange::{self, Open, Workshop};
use super::platform::Platform;
use super::{Identity, Way};
use crate::id::TunnelName;
use crate::limits;
use crate::link::{self, ForwarderEnd, Goodbye, Received, Sender, Sent, Source};
use crate::wire::{Encoding, Hello, ToForwarder, ToGate, Welcome, handshake};
use crate::{fault::Code, forwarder::dial::Stream as Connection};
use anyhow::anyhow;
use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use http::header::{self, HeaderValue};
use http::{Request, StatusCode};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::CancellationToken;

/// What this program calls itself.
const AGENT: &str = concat!("forwarder/", env!("CARGO_PKG_VERSION"));

/// The next link is opened this long before the platform cuts this one.
const HAND_OVER: Duration = Duration::from_secs(5 * 60);

/// What the gate sent before it knew of the next link arrives within this.
const LINGER: Duration = Duration::from_secs(2);

/// Longer than any link stands.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why a link is over, or never was.
#[derive(Debug)]
pub(super) enum Failure {
    /// The public end could not be reached.
    Unreachable(anyhow::Error),
    /// The public end refused the handshake, with this status and text.
    Refused(StatusCode, String),
    /// The link broke or was closed, for this reason.
    Lost(String),
    /// The public end asked for another link, for this reason.
    Retired(String),
    /// The platform will cut this link soon; the next one takes over.
    Lifetime,
    /// The user stopped the program.
    Stopped,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "{error:#}"),
            Self::Refused(status, text) => write!(f, "the public end refused the link ({}): {text}", status.as_u16()),
            Self::Lost(why) => write!(f, "the link was lost: {why}"),
            Self::Retired(why) => write!(f, "the public end asked for a new link: {why}"),
            Self::Lifetime => f.write_str("the link's lifetime is almost over"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl Failure {
    /// The failure as an error for the user.
    pub(super) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Unreachable(error) => error,
            other => anyhow!("{other}"),
        }
    }
}

/// Where a link is in its life.
#[derive(Clone, Copy, Debug)]
enum Stage<'a> {
    /// It is the forwarder's link until it is asked to stop.
    Current(&'a CancellationToken),
    /// Another one is to take over; until the gate knows that one, exchanges begin here.
    Leaving,
    /// Nothing new is begun.
    Stopping,
}

impl Stage<'_> {
    async fn stopped(self) {
        match self {
            Self::Current(shutdown) => shutdown.cancelled().await,
            Self::Leaving | Self::Stopping => std::future::pending().await,
        }
    }
}

type Socket = WebSocketStream<Box<dyn Connection>>;

/// An open link, welcomed by the gate.
pub(super) struct Session {
    source: Messages,
    sender: Sender<ToGate>,
    /// `None` within one process: the other end reads what is sent.
    writer: Option<JoinHandle<()>>,
    welcome: Welcome,
    /// What came before the welcome; without it, the window that an exchange opens with is not known.
    early: Vec<ToForwarder>,
    workshop: Arc<Workshop>,
    open: Arc<Open>,
    platform: Platform,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sender.close();
        self.open.end_all();
    }
}

/// Opens a link.
pub(super) async fn open(way: &Way, identity: &Identity, workshop: &Arc<Workshop>) -> Result<Session, Failure> {
    let (stream, end) = way.dial().await.map_err(Failure::Unreachable)?;
    let request = request(way, identity).map_err(Failure::Unreachable)?;
    let handshake = client_async_with_config(request, stream, Some(link::socket_config()));
    let shaken = tokio::time::timeout(limits::HANDSHAKE, handshake).await;
    let shaken = shaken.map_err(|_| Failure::Lost("the public end does not answer the handshake".to_owned()))?;
    let (socket, response) = shaken.map_err(refused)?;
    let chosen = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let encoding = chosen.and_then(Encoding::choose);
    let encoding =
        encoding.ok_or_else(|| Failure::Lost("the public end chose no encoding that was offered".to_owned()))?;

    // Only platforms speak text; a relay that is made to does not lose anything, and never says so.
    let sent = (encoding == Encoding::Text).then(Arc::<Sent>::default);
    let (sender, source, writer) = match end.filter(|_| encoding == Encoding::Binary) {
        Some(ForwarderEnd { sender, queue }) => (sender, Source::Peer(queue), None),
        None => over_socket(socket, encoding, sent.clone()),
    };
    let welcome = Welcome {
        name: String::new(),
        url: String::new(),
        stream_url: None,
        window: None,
        keep_alive: 0,
        lifetime: None,
        answer_limit: None,
    };
    let mut session = Session {
        source,
        sender,
        writer,
        welcome,
        early: Vec::new(),
        workshop: workshop.clone(),
        open: Arc::default(),
        platform: Platform::new(sent),
    };
    session.greet().await?;
    Ok(session)
}

type Messages = Source<ToForwarder, SplitStream<Socket>>;

/// The way out, the way in, and the task that writes.
fn over_socket(
    socket: Socket,
    encoding: Encoding,
    sent: Option<Arc<Sent>>,
) -> (Sender<ToGate>, Messages, Option<JoinHandle<()>>) {
    let (sink, stream) = socket.split();
    let (sender, queue) = link::queue(encoding);
    let writer = tokio::spawn({
        let sender = sender.clone();
        async move {
            if let Err(error) = link::write(sink, queue, encoding, sent).await {
                tracing::debug!(%error, "link write failed");
            }
            sender.close();
        }
    });
    (sender, Source::Socket(stream, encoding), Some(writer))
}

fn request(way: &Way, identity: &Identity) -> anyhow::Result<Request<()>> {
    let uri = way.uri();
    let host = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let offered: Vec<_> = identity.encodings.iter().map(|encoding| encoding.subprotocol()).collect();
    let mut request = Request::builder()
        .uri(uri)
        .header(header::HOST, host)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(header::SEC_WEBSOCKET_PROTOCOL, offered.join(", "))
        .header(handshake::AGENT, AGENT)
        .header(handshake::OWNER, sensitive(&identity.owner.to_hex())?);
    if let Some(name) = &identity.name {
        request = request.header(handshake::NAME, name.as_str());
    }
    if let Some(token) = &identity.token {
        request = request.header(header::AUTHORIZATION, sensitive(&format!("Bearer {}", token.expose()))?);
    }
    Ok(request.body(())?)
}

fn sensitive(text: &str) -> anyhow::Result<HeaderValue> {
    // The value itself stays out of the error.
    let mut value =
        HeaderValue::from_str(text).map_err(|_| anyhow!("the token holds characters that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn refused(error: SocketError) -> Failure {
    match error {
        SocketError::Http(response) => {
            let text = response.body().as_deref().map(|body| String::from_utf8_lossy(body).trim().to_owned());
            let text = text.filter(|text| !text.is_empty()).unwrap_or_else(|| "no reason given".to_owned());
            Failure::Refused(response.status(), text)
        }
        other => Failure::Lost(format!("the handshake failed: {other}")),
    }
}

impl Session {
    pub(super) fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// The tunnel's name, as the gate gave it.
    pub(super) fn name(&self) -> Option<TunnelName> {
        self.welcome.name.parse().ok()
    }

    async fn greet(&mut self) -> Result<(), Failure> {
        self.sender.control(ToGate::Hello(Hello { agent: AGENT.to_owned() }));
        let (early, platform) = (&mut self.early, &mut self.platform);
        let welcome = async {
            loop {
                let received = tokio::select! {
                    received = self.source.read() => received,
                    () = platform.time_to_repeat() => {
                        platform.repeat();
                        continue;
                    }
                };
                match received {
                    Received::Platform(text) => platform.failed(&text),
                    Received::Message(ToForwarder::Welcome(welcome)) => return Ok(welcome),
                    // Visitors find the link as soon as the gate knows of it, which may be before it is welcomed.
                    Received::Message(message) if early.len() < limits::EXCHANGES => early.push(message),
                    Received::Message(_) => return Err(Failure::Lost("the gate does not welcome the link".to_owned())),
                    Received::Other => {}
                    received => return Err(lost(received)),
                }
            }
        };
        let late = |_| Failure::Lost("the public end does not welcome the link".to_owned());
        self.welcome = tokio::time::timeout(limits::HANDSHAKE, welcome).await.map_err(late)??;
        Ok(())
    }

    /// Serves exchanges until the link is over or another one is to take over; in the second case the session comes back.
    pub(super) async fn until_over_or_retired(mut self, shutdown: &CancellationToken) -> (Failure, Option<Self>) {
        let ended = self.serve(Stage::Current(shutdown)).await;
        match ended {
            Failure::Retired(_) | Failure::Lifetime => return (ended, Some(self)),
            Failure::Stopped => self.finish().await,
            _ => self.close(1001, "").await,
        }
        (ended, None)
    }

    /// Carries on until `successor` is up, then finishes what is open and closes.
    pub(super) async fn hand_over(mut self, successor: CancellationToken) {
        let open = self.open.clone();
        let over = async {
            successor.cancelled().await;
            tokio::time::sleep(LINGER).await;
            emptied(&open).await;
        };
        tokio::select! {
            _ = self.serve(Stage::Leaving) => {}
            _ = tokio::time::timeout(HAND_OVER, over) => {}
        }
        self.close(1001, "another link has taken over").await;
    }

    /// Finishes the open exchanges, for at most [`limits::DRAIN`], then closes.
    async fn finish(mut self) {
        let open = self.open.clone();
        tokio::select! {
            _ = self.serve(Stage::Stopping) => {}
            _ = tokio::time::timeout(limits::DRAIN, emptied(&open)) => {}
        }
        // With 1000 the gate knows that nobody will be back for the name.
        self.close(1000, "the forwarder has stopped").await;
    }

    /// Says goodbye; what is still on its way out gets a second.
    pub(super) async fn close(mut self, code: u16, reason: &str) {
        self.open.end_all();
        self.sender.close_with(Goodbye { code, reason: reason.to_owned() });
        let Some(writer) = &mut self.writer else { return };
        if tokio::time::timeout(Duration::from_secs(1), &mut *writer).await.is_err() {
            writer.abort();
        }
    }

    /// Serves until something ends it.
    async fn serve(&mut self, stage: Stage<'_>) -> Failure {
        let seconds = Duration::from_secs(u64::from(self.welcome.keep_alive.max(1)));
        let mut keep_alive = tokio::time::interval_at(tokio::time::Instant::now() + seconds, seconds);
        let silence = self.patience();
        // Begins anew with what is received, not with what is sent: keep-alives go out into a dead link as well.
        let mut deadline = tokio::time::Instant::now() + silence;
        let lifetime = self.welcome.lifetime.map(|seconds| {
            let lifetime = Duration::from_secs(seconds.into());
            lifetime.saturating_sub(HAND_OVER.min(lifetime / 4))
        });
        let mut retire = std::pin::pin!(async {
            match lifetime {
                Some(lifetime) if matches!(stage, Stage::Current(_)) => tokio::time::sleep(lifetime).await,
                _ => std::future::pending().await,
            }
        });
        for early in std::mem::take(&mut self.early) {
            match self.handle(early, stage).await {
                Ok(None) => {}
                Ok(Some(reason)) => return Failure::Retired(reason),
                Err(why) => return Failure::Lost(why),
            }
        }
        loop {
            let received = tokio::select! {
                biased;
                received = tokio::time::timeout_at(deadline, self.source.read()) => received,
                _ = keep_alive.tick() => {
                    self.sender.control(ToGate::Ping);
                    continue;
                }
                () = self.sender.closed() => return Failure::Lost("the socket failed".to_owned()),
                () = self.platform.time_to_repeat() => {
                    self.platform.repeat();
                    continue;
                }
                () = &mut retire => return Failure::Lifetime,
                () = stage.stopped() => return Failure::Stopped,
            };
            let Ok(received) = received else { return Failure::Lost("no message for too long".to_owned()) };
            deadline = tokio::time::Instant::now() + silence;
            match received {
                Received::Message(message) => match self.handle(message, stage).await {
                    Ok(None) => {}
                    Ok(Some(reason)) => return Failure::Retired(reason),
                    Err(why) => return Failure::Lost(why),
                },
                Received::Other => {}
                Received::Platform(text) => self.platform.failed(&text),
                received => return lost(received),
            }
        }
    }

    /// How long the gate may say nothing: two of the keep-alives that it wants may be lost.
    fn patience(&self) -> Duration {
        // Platforms that cut links by age do not answer keep-alives, so silence says nothing there.
        match self.welcome.lifetime {
            Some(_) => FOR_EVER,
            None => Duration::from_secs(self.welcome.keep_alive.max(1).into()) * 5 / 2,
        }
    }

    /// Handles a message; `Some` is the reason for which the gate wants another link.
    async fn handle(&self, message: ToForwarder, stage: Stage<'_>) -> Result<Option<String>, String> {
        match message {
            ToForwarder::Ping => self.sender.control(ToGate::Pong),
            ToForwarder::Pong | ToForwarder::Welcome(_) => {}
            ToForwarder::Bye(reason) if matches!(stage, Stage::Current(_)) => return Ok(Some(reason)),
            ToForwarder::Bye(_) => {}
            ToForwarder::Open(id, ..) if matches!(stage, Stage::Stopping) => {
                let why = "The forwarder is stopping.".to_owned();
                self.sender.control(ToGate::Fail(id, Code::ForwarderOffline, why));
            }
            ToForwarder::Open(id, head, body) => {
                exchange::begin(&self.workshop, &self.open, &self.sender, self.welcome.window, (id, head, body));
            }
            ToForwarder::Flow(id, flow) => {
                exchange::deliver(&self.workshop, &self.open, self.welcome.window, id, flow)?
            }
            ToForwarder::Timing(id, timing) => self.open.timed(id, timing),
        }
        Ok(None)
    }
}

/// Completes when no exchange is open. The last answer is out when its exchange is gone and the writer has had its turn:
/// closing flushes.
async fn emptied(open: &Open) {
    while open.count() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn lost(received: Received<ToForwarder>) -> Failure {
    Failure::Lost(match received {
        Received::Closed(Some(Goodbye { code: 1009, .. })) => {
            "the platform takes no message as large as one that was sent (1009)".to_owned()
        }
        Received::Closed(Some(Goodbye { code: 1001, reason })) if reason.is_empty() => {
            "the platform ended it, as it does with links that are old or quiet (1001)".to_owned()
        }
        Received::Closed(Some(Goodbye { code, reason })) if reason.is_empty() => {
            format!("the public end closed it with code {code}")
        }
        Received::Closed(Some(Goodbye { code, reason })) => {
            format!("the public end closed it with code {code}, {reason}")
        }
        Received::Closed(None) => "the public end is gone".to_owned(),
        Received::Malformed(error) => format!("the public end sent what this version does not understand: {error}"),
        Received::Failed(why) => why,
        Received::Message(_) | Received::Other | Received::Platform(_) => "unexpected message".to_owned(),
    })
}
