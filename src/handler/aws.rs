//! The switchboard on AWS: links are records in a table, answers wait as items in another one, and no one but the link
//! that an exchange was sent to can write into it, since the link's own connection id is part of every item's key.
//!
//! The only room that knows the SDK. Sending costs one post for every [`limits::POST`] bytes, waiting one read a look.

mod clients;
mod connections;
mod inbox;
mod items;
mod outbox;

use super::config::Config;
use super::event::ConnectionId;
use super::pace::Habits;
use crate::fault::{Code, Fault};
use crate::gate::switchboard::{Arrival, Claim, Presence, Refusal, Switchboard};
use crate::head::RequestHead;
use crate::id::{ExchangeId, TunnelName};
use crate::limits;
use crate::lock::locked;
use crate::wire::{Chunk, Encoded, Encoding, Flow, Message as _, ToForwarder, ToGate};
use clients::Clients;
use clients::PostError;
use connections::Connections;
use inbox::AwsInbox;
use outbox::AwsOutbox;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// What every invocation of one environment shares.
pub(super) struct Shared {
    clients: Clients,
    connections: Connections,
    pending_table: String,
    habits: Habits,
}

impl Shared {
    /// Clients for what `config` names; nothing is called yet.
    pub(super) fn new(config: &Config) -> Self {
        let clients = Clients::new(config);
        let connections = Connections::new(clients.dynamodb.clone(), config.connections_table.clone());
        Self { clients, connections, pending_table: config.pending_table.clone(), habits: Habits::default() }
    }

    /// Opens the connections to AWS, so that no visitor waits for two TLS handshakes.
    pub(super) async fn warm_up(&self) {
        let both = async { tokio::join!(self.connections.warm_up(), self.clients.warm_up()) };
        // The first visitor finds out and is told, if AWS cannot be reached.
        let _in_time = tokio::time::timeout(limits::AWS_WARM_UP, both).await;
    }
}

/// A forwarder's link: where to post, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// API Gateway's name for it.
    pub(super) connection: ConnectionId,
    /// The tunnel, where it is known.
    pub(super) name: Option<TunnelName>,
    /// When it was opened, where that is known.
    pub(super) since: Option<SystemTime>,
}

impl Link {
    /// The link that an event came from.
    pub(super) fn of(connection: ConnectionId) -> Self {
        Self { connection, name: None, since: None }
    }

    fn settles(&self) -> bool {
        let age = self.since.and_then(|since| SystemTime::now().duration_since(since).ok());
        age.is_some_and(|age| age < limits::CONNECTION_SETTLES)
    }
}

/// What one invocation did, for its log line.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// The tunnel that was found.
    pub(super) tunnel: Option<TunnelName>,
    /// Time between the request's post and the answer's head.
    pub(super) waited: Duration,
    /// Parts of answers that were read.
    pub(super) parts: u32,
    /// Looks for them.
    pub(super) looks: u32,
}

/// The switchboard for one invocation.
#[derive(Clone)]
pub(super) struct Aws {
    shared: Arc<Shared>,
    /// When waiting is of no use any more.
    until: Instant,
    tally: Arc<Mutex<Tally>>,
    cancels: Arc<Mutex<Vec<(Link, ExchangeId)>>>,
}

impl Aws {
    /// A switchboard that waits for answers until `until`.
    pub(super) fn new(shared: Arc<Shared>, until: Instant) -> Self {
        Self { shared, until, tally: Arc::default(), cancels: Arc::default() }
    }

    /// Whether the time to wait is up.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// What has been done so far.
    pub(super) fn tally(&self) -> Tally {
        locked(&self.tally).clone()
    }

    /// Tells forwarders of exchanges that nobody waits for any more. Before an invocation ends, since a frozen
    /// environment sends nothing.
    pub(super) async fn settle(&self) {
        let cancels = std::mem::take(&mut *locked(&self.cancels));
        for (link, id) in cancels {
            if let Err(error) = self.post(&link, &ToForwarder::Flow(id, Flow::Cancel)).await {
                tracing::debug!(?error, "the forwarder was not told that an exchange is over");
            }
        }
    }

    /// Posts a message to a forwarder. While the forwarder reads too slowly, or its link settles, the post is repeated.
    ///
    /// # Errors
    /// [`PostError`]: the link is gone, or the platform is at fault.
    pub(super) async fn post(&self, link: &Link, message: &ToForwarder) -> Result<(), PostError> {
        let text = match message.encode(Encoding::Text) {
            Encoded::Text(text) => text,
            Encoded::Binary(_) => return Err(PostError::Failed("a text message was expected".to_owned())),
        };
        let mut pause = limits::SETTLING_PAUSE;
        loop {
            let again = match self.shared.clients.post(&link.connection, &text).await {
                Err(PostError::Gone) if link.settles() => limits::SETTLING_PAUSE,
                Err(PostError::Busy) if Instant::now() + pause < self.until => pause,
                outcome => return outcome,
            };
            tokio::time::sleep(again).await;
            pause = (pause * 2).min(limits::POLL_MOST);
        }
    }

    /// The name of the tunnel that is linked through `connection`; an index may not show it at once.
    ///
    /// # Errors
    /// The table cannot be read, or shows no such link in time.
    pub(super) async fn name_of(&self, connection: &ConnectionId) -> Result<TunnelName, String> {
        let late = Instant::now() + limits::INDEX_FOLLOWS;
        let mut pause = limits::POLL_LEAST * 4;
        loop {
            match self.shared.connections.name_of(connection).await? {
                Some(name) => return Ok(name),
                None if Instant::now() + pause > late => return Err("the link's record was not found".to_owned()),
                None => tokio::time::sleep(pause).await,
            }
            pause *= 2;
        }
    }

    /// Closes a forwarder's link.
    pub(super) async fn close(&self, connection: &ConnectionId) {
        self.shared.clients.close(connection).await;
    }

    fn inbox(&self, link: &Link, id: ExchangeId) -> AwsInbox {
        AwsInbox::new(self.clone(), link.clone(), id)
    }

    /// Posts the request; a link that is gone is forgotten, and a newer one is tried once.
    async fn post_opening(&self, link: &Link, opening: &ToForwarder) -> Result<Link, Fault> {
        match self.post(link, opening).await {
            Ok(()) => return Ok(link.clone()),
            Err(PostError::Gone) => {}
            Err(error) => return Err(refused(&error)),
        }
        let Some(name) = &link.name else { return Err(offline()) };
        let connections = &self.shared.connections;
        connections.lost(name, &link.connection).await.map_err(|why| internal(&why))?;
        match connections.find(name).await.map_err(|why| internal(&why))? {
            Presence::Linked(newer) if newer.connection != link.connection => {
                self.post(&newer, opening).await.map_err(|error| refused(&error))?;
                Ok(newer)
            }
            _ => Err(offline()),
        }
    }
}

fn offline() -> Fault {
    Fault::new(Code::ForwarderOffline, "The tunnel is known, but its forwarder is not connected right now.")
}

/// What visitors are told when AWS itself refuses; the reason is in the log.
fn internal(why: &str) -> Fault {
    tracing::error!(why, "a call to AWS failed");
    Fault::new(Code::Internal, "A call to AWS failed; the log of the function says which.")
}

fn refused(error: &PostError) -> Fault {
    match error {
        PostError::Gone => offline(),
        PostError::Busy => {
            Fault::new(Code::TooManyRequests, "The forwarder's link is full: it reads more slowly than visitors ask.")
        }
        PostError::TooLarge => {
            Fault::new(Code::RequestTooLarge, "The request's head is larger than a message of API Gateway (128 KB).")
        }
        PostError::Failed(why) => internal(why),
    }
}

impl Switchboard for Aws {
    type Link = Link;
    type Inbox = AwsInbox;
    type Outbox = AwsOutbox;

    async fn connect(&self, claim: &Claim, link: &Link) -> Result<TunnelName, Refusal> {
        for name in claim.names() {
            match self.shared.connections.claim(&name, claim, &link.connection).await {
                Ok(true) => return Ok(name),
                Ok(false) if claim.name.is_none() => {}
                Ok(false) => return Err(Refusal::NameTaken(name)),
                Err(why) => {
                    tracing::error!(why, "a name cannot be recorded");
                    return Err(Refusal::Internal("the table of links cannot be written".to_owned()));
                }
            }
        }
        Err(Refusal::NoNameFree)
    }

    async fn disconnect(&self, link: &Link, gives_up: bool) {
        let connections = &self.shared.connections;
        let outcome = async {
            let Some(name) = connections.name_of(&link.connection).await? else { return Ok(()) };
            match gives_up {
                true => connections.given_up(&name, &link.connection).await,
                false => connections.lost(&name, &link.connection).await,
            }
        };
        if let Err(why) = outcome.await {
            // The record stays; the next post meets 410 and does what was to be done here.
            tracing::warn!(why, connection = %link.connection, "a link's end was not recorded");
        }
    }

    async fn find(&self, name: &TunnelName) -> Result<Presence<Link>, Fault> {
        let presence = self.shared.connections.find_cached(name).await.map_err(|why| internal(&why))?;
        if !matches!(presence, Presence::Unknown) {
            locked(&self.tally).tunnel = Some(name.clone());
        }
        Ok(presence)
    }

    async fn open(&self, link: &Link, head: RequestHead, body: Chunk) -> Result<(AwsOutbox, AwsInbox), Fault> {
        let id = random_id().map_err(|error| internal(&error.to_string()))?;
        let link = self.post_opening(link, &ToForwarder::Open(id, head, body)).await?;
        Ok((AwsOutbox::new(self.clone(), link.clone(), id), self.inbox(&link, id)))
    }

    /// Writes what a forwarder sent to where the exchange's visitor waits; an item for nobody goes away by itself.
    async fn deliver(&self, link: &Link, message: ToGate) -> Result<(), String> {
        let (id, arrival) = match message {
            ToGate::Hello(_) | ToGate::Ping | ToGate::Pong => return Ok(()),
            ToGate::Answer(id, head, body) => (id, Arrival::Answer(head, body)),
            ToGate::Fail(id, code, detail) => (id, Arrival::Fail(Fault::new(code, detail))),
            ToGate::Flow(id, flow) => (id, Arrival::Flow(flow)),
        };
        let Some(item) = items::write(&link.connection, id, arrival) else { return Ok(()) };
        self.shared.clients.put(&self.shared.pending_table, item).await
    }
}

/// Exchanges begin in many environments at once, so their ids are drawn, not counted.
fn random_id() -> Result<ExchangeId, getrandom::Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(ExchangeId(u64::from_be_bytes(bytes)))
}
