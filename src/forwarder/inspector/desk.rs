//! Each record belongs to one of the tunnels that the inspector knows, and so has a service that can be asked again.

use super::Tunnel;
use super::api::{Problem, bad};
use super::capture::{Inlet, Recorder};
use super::changes::Changes;
use super::record::Record;
use super::signature::Scheme;
use super::store::Store;
use crate::link::locked;
use crate::secret::Secret;
use http::StatusCode;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

/// Secrets by the tunnel's label and the scheme.
pub(super) type Secrets = BTreeMap<(Option<Arc<str>>, Scheme), Secret>;

/// All that the inspector has on its desk. The locks are held for one look, never while waiting.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) address: SocketAddr,
    pub(super) store: Mutex<Store>,
    pub(super) changes: Changes,
    pub(super) recorder: Recorder,
    pub(super) inlet: Inlet,
    first: Tunnel,
    others: Vec<Tunnel>,
    pub(super) memory: usize,
    secrets: Mutex<Secrets>,
}

impl Desk {
    pub(super) fn new(
        address: SocketAddr,
        memory: usize,
        (first, others): (Tunnel, Vec<Tunnel>),
        (recorder, inlet): (Recorder, Inlet),
    ) -> Self {
        let secrets = std::iter::once(&first).chain(&others).flat_map(|tunnel| {
            tunnel.secrets.iter().map(|(scheme, secret)| ((tunnel.label.clone(), *scheme), secret.clone()))
        });
        let secrets = Mutex::new(secrets.collect());
        let store = Mutex::new(Store::new(memory));
        Self { address, store, changes: Changes::default(), recorder, inlet, first, others, memory, secrets }
    }

    /// All tunnels.
    pub(super) fn tunnels(&self) -> impl Iterator<Item = &Tunnel> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(super) fn first(&self) -> &Tunnel {
        &self.first
    }

    /// The tunnel of this name, or else the first.
    pub(super) fn tunnel(&self, label: Option<&str>) -> Result<&Tunnel, Problem> {
        let Some(label) = label else { return Ok(&self.first) };
        let labels = || self.tunnels().filter_map(|tunnel| tunnel.label.as_deref());
        self.tunnels().find(|tunnel| tunnel.label.as_deref() == Some(label)).ok_or_else(|| {
            bad(&format!("there is no tunnel {label:?}; there are {}", labels().collect::<Vec<_>>().join(", ")))
        })
    }

    /// The tunnel that an exchange came through.
    pub(super) fn tunnel_of(&self, record: &Record) -> &Tunnel {
        let label = record.request.tunnel.as_deref();
        self.tunnels().find(|tunnel| tunnel.label.as_deref() == label).unwrap_or(&self.first)
    }

    /// The secret that was given for `scheme` and this tunnel.
    pub(super) fn secret(&self, tunnel: &Tunnel, scheme: Scheme) -> Option<Secret> {
        locked(&self.secrets).get(&(tunnel.label.clone(), scheme)).cloned()
    }

    /// Takes up what exchanges have told.
    pub(super) fn take_up(&self) {
        let mut store = locked(&self.store);
        // Under the store's lock, so that what came first is applied first.
        let changed = store.apply(self.inlet.take());
        self.changes.tell(&store, &changed);
    }

    /// Keeps a record and tells pages of it.
    pub(super) fn keep(&self, record: Record) {
        let id = record.id;
        let mut store = locked(&self.store);
        store.insert(record);
        self.changes.tell(&store, &[id].into());
    }

    /// Looks at one record.
    pub(super) fn look<T>(&self, id: u64, look: impl FnOnce(&Record) -> T) -> Result<T, Problem> {
        let gone = || (StatusCode::NOT_FOUND, format!("exchange {id} is not kept: it never was, or has made room"));
        locked(&self.store).get(id).map(look).ok_or_else(gone)
    }

    /// One tunnel, or all.
    pub(super) fn chosen(&self, label: Option<&str>) -> Result<impl Iterator<Item = &Tunnel>, Problem> {
        let only = label.map(|label| self.tunnel(Some(label))).transpose()?;
        Ok(self.tunnels().filter(move |tunnel| only.is_none_or(|only| only.label == tunnel.label)))
    }

    /// All secrets.
    pub(super) fn secrets(&self) -> MutexGuard<'_, Secrets> {
        locked(&self.secrets)
    }
}
