//! Who is linked and where an answer waits, behind one trait with two implementations: in memory, and on AWS.
//!
//! The rules of ownership stand here, as functions of a record and the time, so that both implementations apply the
//! same ones.

use crate::fault::Fault;
use crate::head::{RequestHead, ResponseHead};
use crate::id::{OwnerSecret, TunnelName};
use crate::wire::{Chunk, Flow, Timing, ToGate};
use aws_lc_rs::digest;
use std::fmt;

/// SHA-256 of a forwarder's ownership secret; all that is stored of it.
pub type OwnerHash = [u8; 32];

/// What a forwarder claims when it opens a link.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The name it asks for; `None`: any.
    pub name: Option<TunnelName>,
    /// Hash of its ownership secret.
    pub owner: OwnerHash,
    /// Whose token it presented, for limits by token.
    pub subject: String,
}

impl Claim {
    /// Names to try, in order: the one asked for, or readable ones derived from the owner, so that the same forwarder
    /// finds its own name again.
    pub fn names(&self) -> impl Iterator<Item = TunnelName> + use<> {
        const ATTEMPTS: u32 = 32;
        let (asked, seed) = (self.name.clone(), self.owner);
        let attempts = if asked.is_some() { 1 } else { ATTEMPTS };
        (0..attempts).map(move |attempt| asked.clone().unwrap_or_else(|| TunnelName::from_seed(&seed, attempt)))
    }
}

/// Hash under which an ownership secret is remembered.
pub fn owner_hash(secret: &OwnerSecret) -> OwnerHash {
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// Why a claim is refused. The text reaches the forwarder's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another forwarder holds the name, or held it until a moment ago.
    NameTaken(TunnelName),
    /// The token may not have more tunnels; holds the limit.
    TooManyTunnels(usize),
    /// No free name was found.
    NoNameFree,
    /// The public end is at fault; the text says how.
    Internal(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken(name) => {
                write!(f, "the name {name} is held by another forwarder: choose another --name, or stop the other one")
            }
            Self::TooManyTunnels(most) => {
                write!(f, "this token already has its {most} tunnels: close one, or ask the operator for more")
            }
            Self::NoNameFree => f.write_str("no free name was found: ask for one with --name"),
            Self::Internal(why) => write!(f, "the public end failed: {why}"),
        }
    }
}

/// What is known of a name.
#[derive(Clone, Debug)]
pub enum Presence<L> {
    /// Nobody holds it.
    Unknown,
    /// It is held, its link is down.
    Offline,
    /// It is held through this link.
    Linked(L),
}

/// What comes back for an exchange.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// The answer's head and its body's beginning.
    Answer(ResponseHead, Chunk),
    /// There is no answer.
    Fail(Fault),
    /// More of the exchange.
    Flow(Flow),
}

/// Who is linked, and where answers wait.
pub trait Switchboard: Send + Sync + 'static {
    /// A forwarder's link.
    type Link: Clone + Send + Sync + 'static;
    /// The receiving half of one exchange.
    type Inbox: Inbox;
    /// The sending half of one exchange.
    type Outbox: Outbox;

    /// Gives a link a name that it may hold.
    fn connect(&self, claim: &Claim, link: &Self::Link) -> impl Future<Output = Result<TunnelName, Refusal>> + Send;

    /// Forgets a link; the name stays with its owner for the grace period, unless the owner `gives_up` the name.
    fn disconnect(&self, link: &Self::Link, gives_up: bool) -> impl Future<Output = ()> + Send;

    /// Looks a name up.
    fn find(&self, name: &TunnelName) -> impl Future<Output = Result<Presence<Self::Link>, Fault>> + Send;

    /// Opens an exchange on a link: its request goes out, its answer will wait in the inbox. Dropping the inbox before
    /// the exchange is complete cancels it.
    fn open(
        &self,
        link: &Self::Link,
        head: RequestHead,
        body: Chunk,
    ) -> impl Future<Output = Result<(Self::Outbox, Self::Inbox), Fault>> + Send;

    /// Hands over what a forwarder sent. Messages for exchanges that are not open on this link are dropped.
    ///
    /// # Errors
    /// The forwarder broke the protocol; the text says how and the link is to be closed.
    fn deliver(&self, link: &Self::Link, message: ToGate) -> impl Future<Output = Result<(), String>> + Send;
}

/// The receiving half of one exchange.
pub trait Inbox: Send + 'static {
    /// The next arrival, in no particular order. A [`Fault`]: nothing more will come, and why.
    fn next(&mut self) -> impl Future<Output = Result<Arrival, Fault>> + Send;

    /// Notes that the visitor has read `bytes` of the body, which may grant the forwarder more.
    fn read(&mut self, bytes: usize);

    /// Tells the forwarder what the exchange took so far, where that costs nothing.
    fn timed(&mut self, timing: Timing);

    /// Notes that the exchange is over: dropping the inbox cancels nothing any more.
    fn finish(&mut self);

    /// Bytes that may wait for a missing part.
    fn reorder_limit(&self) -> usize;
}

/// The sending half of one exchange.
pub trait Outbox: Send + 'static {
    /// Largest body part that fits a message of this link.
    fn part(&self) -> usize;

    /// Waits until the forwarder has asked for the body: a visitor who expects `100 Continue` waits for it too.
    ///
    /// # Errors
    /// It wants none of it: a visitor who is told to go on now would send a body to nobody.
    fn wait_for_demand(&mut self) -> impl Future<Output = Result<(), Ended>> + Send;

    /// Sends more of the exchange, waiting for credit where the link has flow control.
    ///
    /// # Errors
    /// The link is gone or the exchange was ended by the forwarder: nothing more need be sent.
    fn send(&mut self, flow: Flow) -> impl Future<Output = Result<(), Ended>> + Send;
}

/// The other side wants no more of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;
