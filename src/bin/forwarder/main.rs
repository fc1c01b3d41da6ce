//! Gives the web service on this machine a public URL. `forwarder --help` says how.

mod commands;
mod embedded;
mod tunnels;

use http_tunnel::forwarder::config::{self, Config};
use http_tunnel::forwarder::exchange::{Totals, Workshop};
use http_tunnel::forwarder::inspector::{self, Inspector};
use http_tunnel::forwarder::report::{Event, Reporter};
use http_tunnel::forwarder::service::Service;
use http_tunnel::secret::Lookup;
use http_tunnel::usage::{self, Stop};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tunnels::Tunnel;

/// Exchanges allocate and free many small buffers; the C library's allocator takes a fifth of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match usage::arguments() {
        Ok(args) => commands::PROGRAM.run(&args, &|name| std::env::var(name).ok()),
        Err(stop) => stop.print("forwarder"),
    }
}

/// Makes a service public until it is told to stop.
fn serve(words: &[String], env: Lookup<'_>) -> Result<ExitCode, Stop> {
    config::parse(words, env).map(|config| run_to_end(vec![config]))
}

/// The same for tunnels of a file.
fn start(words: &[String], env: Lookup<'_>) -> Result<ExitCode, Stop> {
    config::start(words, env).map(run_to_end)
}

fn run_to_end(configs: Vec<Config>) -> ExitCode {
    let Some(&Config { output, qr, .. }) = configs.first() else { return ExitCode::SUCCESS };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.and_then(|runtime| Ok((runtime, Reporter::start(output, qr)?)));
    let outcome = outcome.map_err(anyhow::Error::from).and_then(|(runtime, reporter)| {
        match output.tui {
            // It would be drawn over.
            true => usage::start_log_in(reporter.notices(), output.verbose, false),
            false => usage::start_log(output.verbose, false),
        }
        let outcome = runtime.block_on(run(configs, reporter.clone()));
        // What still runs is past its time to finish.
        runtime.shutdown_background();
        reporter.finish();
        outcome
    });
    usage::exit_code("forwarder", outcome)
}

async fn run(configs: Vec<Config>, reporter: Reporter) -> anyhow::Result<()> {
    let started = Instant::now();
    let shutdown = usage::stop_signal()?;
    reporter.stops(&shutdown);
    for notice in configs.iter().flat_map(|config| &config.notices) {
        reporter.report(Event::Notice(notice.clone()));
    }
    let services = tunnels::services(&configs).await?;
    let inspector = inspect(&configs, &services, &reporter)?;
    let mut relay = tunnels::relay(&configs).await?;
    let count = configs.len();
    let mut tunnels = Vec::with_capacity(count);
    for (config, service) in configs.into_iter().zip(services) {
        let label = tunnels::label(&config, count);
        let reporter = label.as_ref().map_or_else(|| reporter.clone(), |label| reporter.labelled(label));
        let recorder = inspector.as_ref().map(|inspector| inspector.recorder(label)).unwrap_or_default();
        let mut tunnel = Tunnel::new(config, service, (reporter, recorder), relay.as_mut())?;
        tunnel.banner.inspector = inspector.as_ref().map(Inspector::url);
        tunnels.push(tunnel);
    }
    let workshops: Vec<_> = tunnels.iter().map(Tunnel::workshop).collect();
    let outcome = tunnels::run(tunnels, &shutdown).await;
    if let Some(relay) = relay {
        relay.stop().await;
    }
    outcome?;
    reporter.report(summary(&workshops, started));
    Ok(())
}

/// Starts the inspector. A tunnel without one is better than none, unless the user said where it shall be.
fn inspect(configs: &[Config], services: &[Arc<Service>], reporter: &Reporter) -> anyhow::Result<Option<Inspector>> {
    let mut tunnels = configs.iter().zip(services).map(|(config, service)| inspector::Tunnel {
        label: tunnels::label(config, configs.len()),
        service: service.clone(),
        timeout: config.timeout,
        secrets: config.secrets.clone(),
    });
    let settings = configs.first().and_then(|config| config.inspector);
    let (Some(settings), Some(first)) = (settings, tunnels.next()) else { return Ok(None) };
    match Inspector::start(settings, first, tunnels.collect()) {
        Err(error) if !settings.chosen => {
            reporter.report(Event::Notice(format!("{error:#}")));
            Ok(None)
        }
        started => started.map(Some),
    }
}

fn summary(workshops: &[Arc<Workshop>], started: Instant) -> Event {
    let sum = |count: fn(&Totals) -> &AtomicU64| -> u64 {
        workshops.iter().map(|workshop| count(workshop.totals()).load(Relaxed)).sum()
    };
    Event::Summary {
        exchanges: sum(|totals| &totals.exchanges),
        failed: sum(|totals| &totals.failed),
        bytes_in: sum(|totals| &totals.bytes_in),
        bytes_out: sum(|totals| &totals.bytes_out),
        elapsed: started.elapsed(),
    }
}
