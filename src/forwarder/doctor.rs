//! `forwarder doctor`: every hop is asked by itself, so that one that fails does not hide the next; nothing is changed,
//! no check waits longer than its limit, and no secret is printed.

mod clock;
mod endpoint;
mod finding;
mod gate;
mod jwt;
mod page;
mod ports;
mod probe;
mod proxy;
mod service;

use super::config::{self, ColorChoice, Config, Endpoint, HostHeader, Service as Target};
use super::dial::Proxies;
use crate::command::Info;
use crate::id::TunnelName;
use crate::limits;
use crate::secret::{Lookup, Secret};
use crate::usage::{self, Stop};
use anyhow::Context as _;
use argh::{ErrorCodeInfo, Optionality, PositionalInfo};
use endpoint::Reached;
use finding::{Finding, Report};
use http::{HeaderName, HeaderValue, Uri};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ABOUT: &str = "Checks each hop from the service to the public end and says what is right, what is not, and how to put it right.

TARGET may also be a tunnel of the config files. Flags, files and environment are those of forwarder, with their meaning; --endpoint,
--token, --name, --listen, --host-header and --inspect make a difference. Each line begins with ok, warn (works, but not in
every case), FAIL (does not work) or - (could not be checked). With --json it is one array of {check, status, detail, fix}.";

const EXAMPLES: [&str; 2] = [
    "forwarder doctor 5173",
    "forwarder doctor 3000 --endpoint wss://tunnel.example.com --token file:token.txt --name web",
];

/// What is to be examined.
#[derive(Debug)]
struct Patient {
    service: Option<Target>,
    endpoint: Endpoint,
    name: Option<TunnelName>,
    token: Option<Secret>,
    host_header: HostHeader,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Where the inspector would be, and whether the user chose that.
    inspector: Option<(SocketAddr, bool)>,
    json: bool,
    color: ColorChoice,
}

/// The end of the time that all checks have together.
#[derive(Clone, Copy, Debug)]
struct Deadline(Instant);

impl Deadline {
    /// What a step that has this limit may take.
    fn within(self, limit: Duration) -> Duration {
        let left = self.0.saturating_duration_since(Instant::now());
        limit.min(left).max(limits::DOCTOR_LEAST)
    }
}

/// What may stand behind `doctor`: the flags of the forwarder.
pub fn info() -> Info {
    let target = &[PositionalInfo {
        name: "TARGET",
        description: "the service, or the name of a tunnel of the config files; without it, the way to the public end alone",
        optionality: Optionality::Optional,
        hidden: false,
    }];
    let codes = &[
        ErrorCodeInfo { code: 1, description: "something does not work" },
        ErrorCodeInfo { code: 2, description: "the words or files make no sense" },
    ];
    let (name, description, examples) = ("doctor", ABOUT, &EXAMPLES);
    Info { name, description, examples, positionals: target, error_codes: codes, ..config::info() }
}

/// Does what the words behind `doctor` say and gives the exit code.
///
/// # Errors
/// Help was asked for, or the words make no sense.
pub fn doctor(words: &[String], env: Lookup<'_>) -> Result<ExitCode, Stop> {
    let patient = patient(words, env).map_err(help)?;
    Ok(match examine(&patient, &Proxies::read(env)) {
        Ok(report) => report.print(patient.json, patient.color),
        Err(error) => usage::exit_code("forwarder doctor", Err(error)),
    })
}

fn help(stop: Stop) -> Stop {
    config::help_of("doctor [TARGET]", ABOUT, &EXAMPLES, stop)
}

/// Reads the words as `forwarder` does, but for a TARGET, which may be missing.
fn patient(words: &[String], env: Lookup<'_>) -> Result<Patient, Stop> {
    let (config, has_target) = config::examined(words, env)?;
    let Config { service, endpoint, name, token, host_header, headers, inspector, output, .. } = config;
    Ok(Patient {
        service: has_target.then_some(service),
        endpoint,
        name,
        token,
        host_header,
        headers,
        inspector: inspector.map(|settings| (settings.listen, settings.chosen)),
        json: output.json,
        color: output.color,
    })
}

/// The service's answers and the endpoint's are waited for at the same time; how the service likes to be called by the
/// tunnel's name is asked when that name is known.
fn examine(patient: &Patient, proxies: &Proxies) -> anyhow::Result<Report> {
    let deadline = Deadline(Instant::now() + limits::DOCTOR);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut service, reached) = std::thread::scope(|scope| {
        let service = scope.spawn(|| patient.service.as_ref().map(|target| service::reach(target, deadline)));
        let reached = runtime.block_on(reach(patient, proxies, deadline));
        service.join().map(|service| (service, reached)).map_err(|_| anyhow::anyhow!("a check failed"))
    })?;
    if let (Some(service), Some(public)) = (&mut service, &reached.url) {
        page::examine(service, patient, public, deadline, &runtime);
    }
    let mut report = Report::default();
    let date = service.as_ref().and_then(|service| service.date());
    let none = || vec![Finding::skipped("service-address", "no TARGET is given")];
    report.extend(service.map_or_else(none, |service| service.findings));
    report.extend(reached.findings);
    report.extend([clock::examine(&patient.endpoint, reached.asked, reached.date.or(date)), inspector(patient)]);
    // A name server that does not answer is not waited for.
    runtime.shutdown_background();
    Ok(report)
}

async fn reach(patient: &Patient, proxies: &Proxies, deadline: Deadline) -> Reached {
    match &patient.endpoint {
        Endpoint::Remote(uri) => endpoint::examine(patient, uri, proxies, deadline).await,
        Endpoint::Embedded { listen, listen_given } => {
            let name = patient.name.as_ref().map_or("web", TunnelName::as_str);
            let (taken, port) = ports::embedded(*listen, *listen_given);
            let resolves = ports::localhost(name, deadline).await;
            let url = format!("http://{name}.localhost:{port}").parse::<Uri>().context("a name is a host").ok();
            Reached { findings: vec![taken, resolves], url, ..Reached::default() }
        }
    }
}

fn inspector(patient: &Patient) -> Finding {
    match patient.inspector {
        Some((listen, chosen)) => ports::inspector(listen, chosen),
        None => Finding::ok("inspector", "off"),
    }
}
