//! Tunnels of one process share the relay inside and end together: when one cannot be opened, or when they are asked to stop.

use super::embedded::{self, Embedded};
use anyhow::{Context as _, anyhow};
use http_tunnel::forwarder::config::{Config, Endpoint, Service as Target};
use http_tunnel::forwarder::dial::Proxies;
use http_tunnel::forwarder::exchange::Workshop;
use http_tunnel::forwarder::inspector::Recorder;
use http_tunnel::forwarder::report::Reporter;
use http_tunnel::forwarder::service::Service;
use http_tunnel::forwarder::{self, Banner, Identity, Way, directory};
use http_tunnel::id::OwnerSecret;
use http_tunnel::wire::Encoding;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A tunnel, ready to be opened.
pub(super) struct Tunnel {
    label: Option<String>,
    way: Way,
    identity: Identity,
    workshop: Arc<Workshop>,
    pub(super) banner: Banner,
}

impl Tunnel {
    pub(super) fn new(
        config: Config,
        service: Arc<Service>,
        (reporter, recorder): (Reporter, Recorder),
        relay: Option<&mut Embedded>,
    ) -> anyhow::Result<Self> {
        let mut banner = Banner { service: format!("http://{}", service.authority()), ..Banner::default() };
        let workshop = Workshop::new(service, config.rules, config.timeout, reporter);
        let workshop = Arc::new(workshop.inspected(recorder, config.verifier).timed(config.timing));
        let mut identity = Identity {
            name: config.name,
            token: config.token,
            owner: OwnerSecret::random()?,
            encodings: &Encoding::ALL,
        };
        let way = match (config.endpoint, relay) {
            (Endpoint::Remote(uri), _) => Way::Remote(uri, Proxies::read(&|name| std::env::var(name).ok())),
            (Endpoint::Embedded { .. }, Some(relay)) => {
                // A port is said to be taken once.
                (banner.lan, banner.port_taken) = (relay.lan.clone(), relay.port_taken.take());
                identity.token = Some(relay.token.clone());
                Way::InProcess(relay.connector())
            }
            (Endpoint::Embedded { .. }, None) => return Err(anyhow!("there is no relay in this process")),
        };
        Ok(Self { label: config.label, way, identity, workshop, banner })
    }

    /// Where its exchanges are done.
    pub(super) fn workshop(&self) -> Arc<Workshop> {
        self.workshop.clone()
    }

    async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { label, way, identity, workshop, banner } = self;
        named(forwarder::run(&way, identity, &workshop, &banner, &shutdown).await, label.as_deref())
    }
}

/// What tells a tunnel from the others, where there are `count` of them.
pub(super) fn label(config: &Config, count: usize) -> Option<Arc<str>> {
    config.label.as_deref().filter(|_| count > 1).map(Arc::from)
}

/// Says which of a file's tunnels an error is about.
fn named<T>(outcome: anyhow::Result<T>, label: Option<&str>) -> anyhow::Result<T> {
    match label {
        Some(label) => outcome.with_context(|| format!("the tunnel {label}")),
        None => outcome,
    }
}

/// The services of all tunnels, in their order.
pub(super) async fn services(configs: &[Config]) -> anyhow::Result<Vec<Arc<Service>>> {
    let mut services = Vec::with_capacity(configs.len());
    for config in configs {
        services.push(Arc::new(named(service(config).await, config.label.as_deref())?));
    }
    Ok(services)
}

async fn service(config: &Config) -> anyhow::Result<Service> {
    let (host, port) = match &config.service {
        Target::Address { host, port } => (host.clone(), *port),
        Target::Directory(path) => {
            let address = directory::serve(path).await?;
            (address.ip().to_string(), address.port())
        }
    };
    let found = Service::find(&host, port, config.host_header.clone()).await;
    let service = found.map_err(|error| anyhow!("cannot find the service's host {host:?}: {error}"))?;
    Ok(service.with_headers(config.headers.clone()).without_authorization(config.rules.removes_authorization()))
}

/// The relay of all tunnels that have no endpoint; `None`: each has one.
pub(super) async fn relay(configs: &[Config]) -> anyhow::Result<Option<Embedded>> {
    let inside: Vec<_> = configs
        .iter()
        .filter_map(|config| match config.endpoint {
            Endpoint::Embedded { listen, listen_given } => Some((listen, listen_given)),
            Endpoint::Remote(_) => None,
        })
        .collect();
    match inside.first() {
        Some(&(listen, chosen)) => embedded::start(listen, chosen, inside.len() == 1).await.map(Some),
        None => Ok(None),
    }
}

/// Runs the tunnels until `shutdown`, or until the first link of one of them fails: the others then drain.
pub(super) async fn run(tunnels: Vec<Tunnel>, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let mut running: JoinSet<_> = tunnels.into_iter().map(|tunnel| tunnel.run(shutdown.clone())).collect();
    let mut outcome = Ok(());
    while let Some(ended) = running.join_next().await {
        let ended = ended.unwrap_or_else(|panic| Err(panic.into()));
        if ended.is_err() {
            shutdown.cancel();
        }
        outcome = outcome.and(ended);
    }
    outcome
}
