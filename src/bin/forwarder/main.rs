//! Gives the web service on this machine a public URL. `forwarder --help` says how.

mod embedded;

use http_tunnel::forwarder::config::{self, Config, Endpoint, Service as Target};
use http_tunnel::forwarder::dial::Proxies;
use http_tunnel::forwarder::exchange::{Totals, Workshop};
use http_tunnel::forwarder::inspector::{self, Inspector};
use http_tunnel::forwarder::report::{Event, Reporter};
use http_tunnel::forwarder::service::Service;
use http_tunnel::forwarder::{self, Banner, Identity, Way, directory};
use http_tunnel::id::OwnerSecret;
use http_tunnel::usage;
use http_tunnel::wire::Encoding;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Exchanges allocate and free many small buffers; the C library's allocator takes a fifth of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<String> = match usage::arguments() {
        Ok(args) => args,
        Err(stop) => return stop.print("forwarder"),
    };
    if let Some(("replay", words)) = args.split_first().map(|(word, rest)| (word.as_str(), rest)) {
        return inspector::replay(words, &|name| std::env::var(name).ok());
    }
    let config = match config::parse(&args, &|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(stop) => return stop.print("forwarder"),
    };
    usage::start_log(config.output.verbose, false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.and_then(|runtime| Ok((runtime, Reporter::start(config.output, config.qr)?)));
    let outcome = outcome.map_err(anyhow::Error::from).and_then(|(runtime, reporter)| {
        let outcome = runtime.block_on(run(config, reporter.clone()));
        // What still runs is past its time to finish.
        runtime.shutdown_background();
        reporter.finish();
        outcome
    });
    usage::exit_code("forwarder", outcome)
}

async fn run(config: Config, reporter: Reporter) -> anyhow::Result<()> {
    let started = Instant::now();
    let shutdown = usage::stop_signal()?;
    let service = Arc::new(service(&config).await?);
    let inspector = config.inspector.map(|settings| inspect(settings, &service, &reporter)).transpose()?.flatten();
    let recorder = inspector.as_ref().map(Inspector::recorder).unwrap_or_default();
    let mut banner = Banner { service: format!("http://{}", service.authority()), ..Banner::default() };
    banner.inspector = inspector.as_ref().map(Inspector::url);
    let workshop = Workshop::new(service, config.rules, config.timeout, reporter.clone());
    let workshop = Arc::new(workshop.inspected(recorder, config.verifier));
    let mut identity =
        Identity { name: config.name, token: config.token, owner: OwnerSecret::random()?, encodings: &Encoding::ALL };
    match config.endpoint {
        Endpoint::Remote(uri) => {
            let way = Way::Remote(uri, Proxies::read(&|name| std::env::var(name).ok()));
            forwarder::run(&way, identity, &workshop, &banner, &shutdown).await?;
        }
        Endpoint::Embedded { listen, listen_given } => {
            let relay = embedded::start(listen, listen_given).await?;
            (banner.lan, banner.port_taken) = (relay.lan.clone(), relay.port_taken);
            identity.token = Some(relay.token.clone());
            let way = Way::InProcess(relay.connector());
            let linked = forwarder::run(&way, identity, &workshop, &banner, &shutdown).await;
            relay.stop().await;
            linked?;
        }
    }
    reporter.report(summary(workshop.totals(), started));
    Ok(())
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
    let service = found.map_err(|error| anyhow::anyhow!("cannot find the service's host {host:?}: {error}"))?;
    Ok(service.with_headers(config.headers.clone()).without_authorization(config.rules.removes_authorization()))
}

/// Starts the inspector. A tunnel without one is better than none, unless the user said where it shall be.
fn inspect(
    settings: inspector::Settings,
    service: &Arc<Service>,
    reporter: &Reporter,
) -> anyhow::Result<Option<Inspector>> {
    let chosen = settings.chosen;
    match Inspector::start(settings, service.clone()) {
        Err(error) if !chosen => {
            reporter.report(Event::Notice(format!("{error:#}")));
            Ok(None)
        }
        started => started.map(Some),
    }
}

fn summary(totals: &Totals, started: Instant) -> Event {
    Event::Summary {
        exchanges: totals.exchanges.load(Relaxed),
        failed: totals.failed.load(Relaxed),
        bytes_in: totals.bytes_in.load(Relaxed),
        bytes_out: totals.bytes_out.load(Relaxed),
        elapsed: started.elapsed(),
    }
}
