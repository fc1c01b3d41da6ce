//! The public end as a server of its own. `relay --help` says how.

use anyhow::Context as _;
use http_tunnel::command::{self, Command, Program, SHELLS};
use http_tunnel::gate::Settings;
use http_tunnel::gate::access::Access;
use http_tunnel::gate::route::PublicUrl;
use http_tunnel::limits;
use http_tunnel::relay::config::{self, Config};
use http_tunnel::relay::metrics::Metrics;
use http_tunnel::relay::{self, Options, Relay, admin, tls};
use http_tunnel::secret::Lookup;
use http_tunnel::usage::{self, Stop};
use serde_json::json;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::{io, thread};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// Exchanges allocate and free many small buffers; the C library's allocator takes a fifth of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static PROGRAM: Program = Program {
    name: "relay",
    main: Command { name: "", info: config::info, run: serve },
    commands: &[
        Command { name: "completions", info: command::completions_info, run: |words, _| PROGRAM.completions(words) },
        Command { name: "man", info: command::manual_info, run: |words, _| PROGRAM.manual(words) },
    ],
    values: &[("SHELL", &SHELLS)],
};

fn main() -> ExitCode {
    match usage::arguments() {
        Ok(args) => PROGRAM.run(&args, &|name| std::env::var(name).ok()),
        Err(stop) => stop.print("relay"),
    }
}

/// Serves until it is told to stop.
fn serve(words: &[String], env: Lookup<'_>) -> Result<ExitCode, Stop> {
    let config = config::parse(words, env)?;
    let access = Access::new(config.access.clone()).map_err(|error| Stop::Usage(error.to_string()))?;
    usage::start_log(config.verbose, config.json);
    let runtime = runtime().context("cannot start the runtime");
    Ok(usage::exit_code("relay", runtime.and_then(|runtime| runtime.block_on(run(config, access)))))
}

/// A runtime for this machine: a second worker on two cores or fewer costs more in wake-ups than it carries (17.0 to 14.0
/// thousand requests a second on two cores).
fn runtime() -> io::Result<Runtime> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut builder = match cores {
        0..=2 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.enable_all().build()
}

async fn run(config: Config, access: Access) -> anyhow::Result<()> {
    let shutdown = usage::stop_signal()?;
    let listener = bind(config.listen).await?;
    let address = listener.local_addr()?;
    let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
    let acceptor = tls.as_ref().map(tls::Reloading::acceptor);
    if let Some(tls) = tls {
        tokio::spawn(tls.watch(shutdown.clone().cancelled_owned()));
    }
    let metrics = Metrics::new();
    let admin = start_admin(config.admin, &metrics, &shutdown).await?;
    let settings = Settings {
        public_url: public_url(&config, address)?,
        head_bytes: config.limits.head_bytes,
        body_bytes: config.limits.body_bytes,
        opening_bytes: limits::TEXT_MESSAGE,
    };
    announce(&config, address, admin, &settings.public_url);
    let (trusted_proxies, silence) = (config.trusted_proxies, limits::LINK_SILENCE);
    let options = Options { sole: false, trusted_proxies, limits: config.limits, silence };
    let relay = Relay::new(settings, access, options, metrics);
    match acceptor {
        Some(tls) => relay::serve_tls(relay, listener, tls, shutdown).await,
        None => relay::serve(relay, listener, shutdown).await,
    }
    Ok(())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

async fn start_admin(
    address: Option<SocketAddr>,
    metrics: &Metrics,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(address) = address else { return Ok(None) };
    let listener = bind(address).await?;
    let address = listener.local_addr()?;
    // It goes on answering while the relay drains: that is when its operator looks.
    tokio::spawn(admin::serve(listener, metrics.clone(), shutdown.clone(), std::future::pending()));
    Ok(Some(address))
}

/// Where tunnels are found: as the operator says, else by host label below the domain, else by path.
fn public_url(config: &Config, address: SocketAddr) -> anyhow::Result<PublicUrl> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let usual = if config.tls.is_some() { 443 } else { 80 };
    let port = if address.port() == usual { String::new() } else { format!(":{}", address.port()) };
    let template = match (&config.public_url, &config.domain) {
        (Some(template), _) => template.clone(),
        (None, Some(domain)) => format!("{scheme}://{{tunnel}}.{domain}{port}"),
        (None, None) => format!("{scheme}://{address}/{{tunnel}}"),
    };
    template.parse().with_context(|| format!("--public-url or --domain gives {template}"))
}

fn announce(config: &Config, address: SocketAddr, admin: Option<SocketAddr>, public_url: &PublicUrl) {
    if config.json {
        println!(
            "{}",
            json!({"event": "listening", "address": address, "admin": admin, "url": public_url.to_string()})
        );
    } else {
        eprintln!("relay: listening on {address}, tunnels are at {public_url}");
        if let Some(admin) = admin {
            eprintln!("relay: /metrics and /healthz are on {admin}");
        }
    }
}
