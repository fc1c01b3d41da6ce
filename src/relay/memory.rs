//! The switchboard in memory: a name belongs to whoever proved it first, until the grace period after its link is over.
//!
//! Locks are short, never held across an await, and taken in the order tunnels, then one link's exchanges.

use super::config::OperatorLimits;
use super::link::{Exchange, Link, LinkInbox, LinkOutbox};
use super::metrics::{self, Metrics};
use crate::fault::{Code, Fault};
use crate::gate::switchboard::{Arrival, Claim, OwnerHash, Presence, Refusal, Switchboard};
use crate::head::RequestHead;
use crate::id::TunnelName;
use crate::link::locked;
use crate::wire::{Chunk, Flow, ToForwarder, ToGate};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

struct Tunnel {
    owner: OwnerHash,
    subject: String,
    holder: Holder,
    _counted: metrics::Open,
    pace: Option<Arc<DefaultDirectRateLimiter>>,
}

#[derive(Debug)]
enum Holder {
    Linked(Arc<Link>),
    OfflineSince(Instant),
}

/// Who is linked, in this process.
pub struct Memory {
    tunnels: Mutex<HashMap<TunnelName, Tunnel>>,
    bounds: OperatorLimits,
    metrics: Metrics,
}

impl Memory {
    /// No tunnels yet.
    pub fn new(bounds: OperatorLimits, metrics: Metrics) -> Self {
        Self { tunnels: Mutex::default(), bounds, metrics }
    }

    /// The one tunnel there is, if there is just one.
    pub fn sole(&self) -> Option<TunnelName> {
        let tunnels = locked(&self.tunnels);
        let mut names = tunnels.keys();
        let sole = names.next()?;
        names.next().is_none().then(|| sole.clone())
    }

    /// Tells every linked forwarder that this relay goes away.
    pub fn say_goodbye(&self, reason: &str) {
        for tunnel in locked(&self.tunnels).values() {
            if let Holder::Linked(link) = &tunnel.holder {
                link.sender().control(ToForwarder::Bye(reason.to_owned()));
            }
        }
    }

    /// Forgets names whose grace period is over.
    pub fn sweep(&self, now: Instant) {
        locked(&self.tunnels).retain(|_, tunnel| !self.is_over(tunnel, now));
    }

    fn is_over(&self, tunnel: &Tunnel, now: Instant) -> bool {
        match tunnel.holder {
            Holder::Linked(_) => false,
            Holder::OfflineSince(since) => now.saturating_duration_since(since) >= self.bounds.name_grace,
        }
    }

    fn claim(&self, claim: &Claim, name: &TunnelName, link: &Arc<Link>, now: Instant) -> Result<(), Refusal> {
        let mut tunnels = locked(&self.tunnels);
        let held = tunnels.get(name).filter(|tunnel| !self.is_over(tunnel, now));
        let mut pace = None;
        match held {
            Some(tunnel) if tunnel.owner != claim.owner => return Err(Refusal::NameTaken(name.clone())),
            Some(tunnel) => pace = tunnel.pace.clone(),
            None => {
                let most = self.bounds.tunnels_per_token.map_or(usize::MAX, |most| most.get() as usize);
                let theirs = tunnels.values().filter(|t| t.subject == claim.subject && !self.is_over(t, now)).count();
                if theirs >= most {
                    return Err(Refusal::TooManyTunnels(most));
                }
            }
        }
        let pace = pace.or_else(|| {
            self.bounds.requests_per_second.map(|rate| Arc::new(RateLimiter::direct(Quota::per_second(rate))))
        });
        let (holder, subject) = (Holder::Linked(link.clone()), claim.subject.clone());
        let tunnel = Tunnel { owner: claim.owner, subject, holder, _counted: self.metrics.tunnel_taken(), pace };
        tunnels.insert(name.clone(), tunnel);
        Ok(())
    }

    fn pace_of(&self, link: &Link) -> Option<Arc<DefaultDirectRateLimiter>> {
        let name = link.name()?;
        locked(&self.tunnels).get(name).and_then(|tunnel| tunnel.pace.clone())
    }

    fn check_limits(&self, link: &Link) -> Result<(), Fault> {
        let most = self.bounds.exchanges_per_tunnel.get() as usize;
        if link.open_exchanges() >= most {
            return Err(Fault::new(
                Code::TooManyRequests,
                format!("This tunnel already has {most} open exchanges, the operator's limit."),
            ));
        }
        if let (Some(rate), Some(pace)) = (self.bounds.requests_per_second, self.pace_of(link)) {
            pace.check().map_err(|_| {
                Fault::new(
                    Code::TooManyRequests,
                    format!("This tunnel takes {rate} requests per second, the operator's limit."),
                )
            })?;
        }
        Ok(())
    }
}

impl Switchboard for Memory {
    type Link = Arc<Link>;
    type Inbox = LinkInbox;
    type Outbox = LinkOutbox;

    async fn connect(&self, claim: &Claim, link: &Arc<Link>) -> Result<TunnelName, Refusal> {
        let now = Instant::now();
        self.sweep(now);
        for name in claim.names() {
            match self.claim(claim, &name, link, now) {
                Ok(()) => {
                    link.set_name(name.clone());
                    return Ok(name);
                }
                Err(Refusal::NameTaken(_)) if claim.name.is_none() => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Err(Refusal::NoNameFree)
    }

    async fn disconnect(&self, link: &Arc<Link>, gives_up: bool) {
        let Some(name) = link.name() else { return };
        let mut tunnels = locked(&self.tunnels);
        // Only if the record still holds this very link: a newer one of the same owner stays.
        let held = tunnels
            .get_mut(name)
            .filter(|tunnel| matches!(&tunnel.holder, Holder::Linked(held) if Arc::ptr_eq(held, link)));
        match held {
            Some(_) if gives_up => drop(tunnels.remove(name)),
            Some(tunnel) => tunnel.holder = Holder::OfflineSince(Instant::now()),
            None => {}
        }
    }

    async fn find(&self, name: &TunnelName) -> Result<Presence<Arc<Link>>, Fault> {
        let tunnels = locked(&self.tunnels);
        let tunnel = tunnels.get(name).filter(|tunnel| !self.is_over(tunnel, Instant::now()));
        Ok(match tunnel.map(|tunnel| &tunnel.holder) {
            None => Presence::Unknown,
            Some(Holder::OfflineSince(_)) => Presence::Offline,
            Some(Holder::Linked(link)) if link.sender().is_closed() => Presence::Offline,
            Some(Holder::Linked(link)) => Presence::Linked(link.clone()),
        })
    }

    async fn open(&self, link: &Arc<Link>, head: RequestHead, body: Chunk) -> Result<(LinkOutbox, LinkInbox), Fault> {
        self.check_limits(link)?;
        let (id, outbox, inbox) = link.open();
        // The first part needs no consent: it is never larger than the window that every exchange opens with.
        outbox.spend_opening(body.bytes.len());
        let sent = link.sender().send(ToForwarder::Open(id, head, body)).await;
        sent.map_err(|_| Link::lost())?;
        Ok((outbox, inbox))
    }

    async fn deliver(&self, link: &Arc<Link>, message: ToGate) -> Result<(), String> {
        let (id, arrival) = match message {
            ToGate::Hello(_) | ToGate::Pong => return Ok(()),
            ToGate::Ping => {
                link.sender().control(ToForwarder::Pong);
                return Ok(());
            }
            ToGate::Answer(id, head, body) => (id, Arrival::Answer(head, body)),
            ToGate::Fail(id, code, detail) => (id, Arrival::Fail(Fault::new(code, detail))),
            ToGate::Flow(id, flow) => (id, Arrival::Flow(flow)),
        };
        // An exchange that is over, or never was on this link: late or foreign, and nobody waits for it.
        let Some(exchange) = link.exchange(id) else { return Ok(()) };
        deliver_to(&exchange, arrival)
    }
}

fn deliver_to(exchange: &Exchange, arrival: Arrival) -> Result<(), String> {
    let size = match &arrival {
        Arrival::Answer(_, body) => {
            if !exchange.begin_answer() {
                return Ok(());
            }
            body.bytes.len()
        }
        Arrival::Flow(Flow::Credit(bytes)) => {
            exchange.lane().grant(*bytes);
            return Ok(());
        }
        Arrival::Flow(Flow::Cancel) => {
            exchange.lane().close();
            return Ok(());
        }
        Arrival::Flow(Flow::Part(..) | Flow::Message(..) | Flow::Close(..)) if !exchange.is_answered() => {
            return Err("a body part came before the answer's head".to_owned());
        }
        Arrival::Flow(Flow::Part(_, body)) => body.bytes.len(),
        Arrival::Flow(Flow::Message(_, piece)) => piece.bytes.len(),
        Arrival::Flow(Flow::Close(..) | Flow::Abort(_)) | Arrival::Fail(_) => 0,
    };
    exchange.lane().receive(size).map_err(|overrun| overrun.to_string())?;
    exchange.arrive(arrival);
    Ok(())
}
