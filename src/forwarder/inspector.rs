//! What came in can be looked at and sent again; looking never delays an exchange and changes nothing in it.
//!
//! Exchanges tell a [`Recorder`] what they do, which hands it over a queue without ever waiting (`capture`). A thread of its
//! own takes it up, keeps it within a bound (`store`) and serves page and API on loopback (`server`). A recorder that is
//! off does nothing.

mod api;
mod capture;
mod changes;
mod command;
mod compare;
mod curl;
mod desk;
mod filter;
mod guard;
mod har;
mod message;
mod page;
mod record;
mod replay;
mod server;
pub mod signature;
mod store;
mod unpack;
mod verify;
mod view;

use super::service::Service;
use crate::limits;
use crate::secret::Secret;
use anyhow::{Context as _, anyhow};
pub use capture::{Recorder, Recording};
pub use command::{replay, replay_info};
use desk::Desk;
use signature::Scheme;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
pub use verify::Verifier;

/// How an inspector is set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A loopback address.
    pub listen: SocketAddr,
    /// The user chose the address; otherwise the next free port does as well.
    pub chosen: bool,
    /// Bytes that it keeps.
    pub memory: usize,
}

/// A tunnel whose exchanges are shown, and how to replay them.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// What it is called where there are several.
    pub label: Option<Arc<str>>,
    /// Who answers replays.
    pub service: Arc<Service>,
    /// Time that the service has to answer a replay.
    pub timeout: Duration,
    /// What its webhooks are signed with.
    pub secrets: Vec<(Scheme, Secret)>,
}

/// A running inspector. Dropping it ends it.
#[derive(Debug)]
pub struct Inspector {
    address: SocketAddr,
    recorder: Recorder,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Inspector {
    /// Starts the inspector of the exchanges of `first` and `others`.
    ///
    /// # Errors
    /// The address cannot be listened on, or the system has no thread to give.
    pub fn start(settings: Settings, first: Tunnel, others: Vec<Tunnel>) -> anyhow::Result<Self> {
        let listener = bind(&settings)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (recorder, inlet) = capture::channel();
        let shutdown = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let desk = Desk::new(address, settings.memory, (first, others), (recorder.clone(), inlet));
        let stop = shutdown.clone();
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    ended = server::run(listener, desk) => {
                        if let Err(error) = ended {
                            tracing::error!(%error, "the inspector failed");
                        }
                    }
                    () = stop.cancelled() => {}
                }
            });
        };
        let thread = Some(std::thread::Builder::new().name("inspector".to_owned()).spawn(run)?);
        Ok(Self { address, recorder, shutdown, thread })
    }

    /// Where the page is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What exchanges of this tunnel tell.
    pub fn recorder(&self, tunnel: Option<Arc<str>>) -> Recorder {
        self.recorder.of(tunnel)
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the inspector's thread ended badly");
        }
    }
}

fn bind(settings: &Settings) -> anyhow::Result<TcpListener> {
    let first = settings.listen;
    let last = if settings.chosen { first.port() } else { first.port().saturating_add(limits::PORTS) };
    for port in first.port()..=last {
        let address = SocketAddr::new(first.ip(), port);
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port < last => {}
            bound => {
                return bound.with_context(|| {
                    format!("the inspector cannot listen on {address}: choose another address with --inspect, or off")
                });
            }
        }
    }
    Err(anyhow!("no free port from {} to {last} for the inspector: choose one with --inspect", first.port()))
}
