//! A forwarder that runs keeps its link: whatever ends it, another one is opened, under the same name.
//!
//! [`run`] is the loop that never gives up, `session` one link's life, [`exchange`] one request and its answer.

pub mod config;
pub mod dial;
pub mod directory;
pub mod doctor;
pub mod exchange;
pub mod framework;
pub mod inspector;
mod platform;
pub mod report;
pub mod rules;
pub mod service;
mod session;
mod tui;

use crate::id::{OwnerSecret, TunnelName};
use crate::limits;
use crate::link::{ForwarderEnd, InProcess};
use crate::secret::Secret;
use crate::wire::Encoding;
use dial::{Proxies, Stream};
use exchange::Workshop;
use report::Event;
use session::{Failure, Session};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A link that stood for this long was a good one: the next reconnect is at once again.
const STABLE: Duration = Duration::from_secs(20);

/// First pause between two attempts to reconnect; it doubles up to [`limits::RECONNECT`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The way to the public end.
pub enum Way {
    /// A relay or gate elsewhere.
    Remote(http::Uri, Proxies),
    /// The relay in this process.
    InProcess(Box<dyn Fn() -> InProcess + Send + Sync>),
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(uri, _) => f.debug_tuple("Remote").field(uri).finish(),
            Self::InProcess(_) => f.write_str("InProcess"),
        }
    }
}

impl Way {
    /// A connection, and the shorter way for messages where the public end is in this process.
    async fn dial(&self) -> anyhow::Result<(Box<dyn Stream>, Option<ForwarderEnd>)> {
        match self {
            Self::Remote(uri, proxies) => Ok((dial::dial(uri, proxies).await?, None)),
            Self::InProcess(connect) => {
                let InProcess { stream, end } = connect();
                Ok((Box::new(stream), Some(end)))
            }
        }
    }

    fn uri(&self) -> http::Uri {
        match self {
            Self::Remote(uri, _) => uri.clone(),
            Self::InProcess(_) => http::Uri::from_static("ws://localhost/"),
        }
    }
}

/// Who this forwarder is to the public end.
#[derive(Debug)]
pub struct Identity {
    /// The name it asks for; after the first link, the name that it has.
    pub name: Option<TunnelName>,
    /// The operator's token.
    pub token: Option<Secret>,
    /// Proof that the name is its own.
    pub owner: OwnerSecret,
    /// The encodings it offers, of which the public end chooses the one that it likes best.
    pub encodings: &'static [Encoding],
}

/// What the banner says besides what the public end tells.
#[derive(Clone, Debug, Default)]
pub struct Banner {
    /// Addresses for phones on the LAN.
    pub lan: Vec<String>,
    /// What visitors reach.
    pub service: String,
    /// The port that was asked for and taken.
    pub port_taken: Option<u16>,
    /// Where the inspector is.
    pub inspector: Option<String>,
}

/// Links to the public end and serves exchanges until `shutdown`; then open ones get [`limits::DRAIN`] to finish.
///
/// # Errors
/// The very first link failed: the user is there and can mend it. Later failures are tried again for ever.
pub async fn run(
    way: &Way,
    mut identity: Identity,
    workshop: &Arc<Workshop>,
    banner: &Banner,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let mut retired = JoinSet::new();
    // Cancelled when the link is up that takes over from the one retired last.
    let mut successor = CancellationToken::new();
    let mut pause = Pause::default();
    let mut first = true;
    while !shutdown.is_cancelled() {
        let begun = Instant::now();
        let attempt = tokio::select! {
            attempt = session::open(way, &identity, workshop) => attempt,
            () = shutdown.cancelled() => break,
        };
        let reason = match attempt {
            Ok(session) => {
                first = false;
                std::mem::take(&mut successor).cancel();
                identity.name = session.name();
                workshop.watcher().online(&session.welcome().url);
                workshop.reporter().report(online(&session, banner));
                let (ended, session) = session.until_over_or_retired(shutdown).await;
                while retired.try_join_next().is_some() {}
                retired.extend(session.map(|session| session.hand_over(successor.clone())));
                ended
            }
            Err(failure) if first => return Err(failure.into_error()),
            Err(failure) => failure,
        };
        if shutdown.is_cancelled() {
            break;
        }
        if begun.elapsed() >= STABLE {
            pause = Pause::default();
        }
        let retry = pause.next();
        if !matches!(reason, Failure::Lifetime) {
            workshop.reporter().report(Event::Offline { reason: reason.to_string(), retry });
        }
        tokio::select! {
            () = tokio::time::sleep(retry) => {}
            () = shutdown.cancelled() => {}
        }
    }
    successor.cancel();
    let _drained = tokio::time::timeout(limits::DRAIN, async { while retired.join_next().await.is_some() {} }).await;
    Ok(())
}

fn online(session: &Session, banner: &Banner) -> Event {
    let welcome = session.welcome();
    Event::Online {
        name: welcome.name.clone(),
        url: welcome.url.clone(),
        stream_url: welcome.stream_url.clone(),
        lan: banner.lan.clone(),
        service: banner.service.clone(),
        port_taken: banner.port_taken,
        inspector: banner.inspector.clone(),
    }
}

/// Pauses between attempts: none, then doubling, each with jitter so that a thousand forwarders do not return at once.
#[derive(Debug, Default)]
struct Pause(Option<Duration>);

impl Pause {
    fn next(&mut self) -> Duration {
        let base = self.0;
        self.0 = Some(base.map_or(FIRST_PAUSE, |base| (base * 2).min(limits::RECONNECT)));
        base.map_or(Duration::ZERO, |base| base.mul_f64(0.5 + random_share() / 2.0))
    }
}

/// A random number from 0 to 1.
fn random_share() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        // Without randomness there is only the middle; the pause is no secret.
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reconnect_is_at_once_and_no_pause_is_over_the_longest() {
        let mut pause = Pause::default();
        assert_eq!(pause.next(), Duration::ZERO);
        let pauses: Vec<_> = (0..20).map(|_| pause.next()).collect();
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE);
        assert!(pauses.iter().all(|pause| *pause <= limits::RECONNECT));
        assert!(pauses[19] >= limits::RECONNECT / 2);
    }
}
