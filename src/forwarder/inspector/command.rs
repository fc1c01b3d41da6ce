//! `forwarder replay FILE.har --against SERVICE`: the requests of a file are sent in their order, one after the other.

use super::compare::{self, Scope};
use super::har::{self, Entry, Reply};
use super::record::{Body, Lines};
use super::signature::{Key, Scheme};
use super::unpack::Unpacker;
use crate::command::{self, Info};
use crate::forwarder::config::{self, Service};
use crate::forwarder::service;
use crate::head;
use crate::limits;
use crate::secret::Lookup;
use crate::usage::{self, Stop};
use anyhow::{Context as _, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use http::{HeaderName, Method, Request, Uri, header};
use std::io::Read as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use ureq::config::AutoHeaderValue;

/// Sends the requests of a HAR file to a service.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    name = "forwarder replay",
    description = "Sends the requests of a HAR file to a service, in their order, and prints what it answers.",
    example = "forwarder replay recorded.har --against localhost:8000 --diff --ignore data.createdAt",
    error_code(
        1,
        "a request failed, or with --diff a status, a chosen header or a JSON field differs from the file's"
    ),
    error_code(2, "the words make no sense")
)]
struct Arguments {
    /// the HAR file
    #[argh(positional, arg_name = "FILE.har")]
    file: String,

    /// the service: a port, host:port or http:// URL
    #[argh(option, arg_name = "SERVICE")]
    against: String,

    /// compare the answers with the file's
    #[argh(switch)]
    diff: bool,

    /// header that must be the same, too (repeatable; default Content-Type)
    #[argh(option, arg_name = "NAME")]
    header: Vec<String>,

    /// JSON field that may differ, as data.items.*.id (repeatable)
    #[argh(option, arg_name = "FIELD")]
    ignore: Vec<String>,

    /// sign requests afresh that were signed by this scheme, SCHEME:SECRET (repeatable); takes env: and file:
    #[argh(option, arg_name = "SCHEME:SECRET")]
    webhook_secret: Vec<String>,

    /// time for each answer (default 120)
    #[argh(option, arg_name = "SECONDS")]
    timeout: Option<u32>,
}

/// What the words ask for.
struct Plan {
    entries: Vec<Entry>,
    authority: String,
    scope: Option<Scope>,
    keys: Vec<Key>,
    timeout: Duration,
}

/// What the words behind `replay` may be.
pub fn replay_info() -> Info {
    Arguments::get_args_info()
}

/// Does what the words behind `replay` say and gives the exit code.
///
/// # Errors
/// Help was asked for, or the words make no sense.
pub fn replay(words: &[String], env: Lookup<'_>) -> Result<ExitCode, Stop> {
    Ok(match plan(words, env)?.and_then(|plan| run(&plan)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => usage::exit_code("forwarder replay", Err(error)),
    })
}

fn plan(words: &[String], env: Lookup<'_>) -> Result<anyhow::Result<Plan>, Stop> {
    let arguments: Arguments = command::read(&["forwarder", "replay"], words)?;
    let authority = authority(&arguments.against).map_err(Stop::Usage)?;
    let scope = arguments.diff.then(|| scope(&arguments)).transpose().map_err(Stop::Usage)?;
    let key = |text: &String| Scheme::with_secret(text, env).and_then(|(scheme, secret)| Key::new(scheme, &secret));
    let keys = arguments.webhook_secret.iter().map(key).collect::<Result<_, _>>();
    let keys = keys.map_err(|why| Stop::Usage(format!("--webhook-secret: {why}")))?;
    let timeout = arguments.timeout.map_or(limits::ANSWER, |seconds| Duration::from_secs(seconds.max(1).into()));
    Ok(entries(&arguments.file).map(|entries| Plan { entries, authority, scope, keys, timeout }))
}

fn scope(arguments: &Arguments) -> Result<Scope, String> {
    let name =
        |text: &String| HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("--header {text:?} is no name"));
    let mut headers = arguments.header.iter().map(name).collect::<Result<Vec<_>, _>>()?;
    if headers.is_empty() {
        headers.push(header::CONTENT_TYPE);
    }
    Ok(Scope { headers, ignored: arguments.ignore.clone() })
}

fn authority(text: &str) -> Result<String, String> {
    match config::service(text).map_err(|why| format!("--against {why}"))? {
        Service::Address { host, port } if host.contains(':') => Ok(format!("[{host}]:{port}")),
        Service::Address { host, port } => Ok(format!("{host}:{port}")),
        Service::Directory(_) => Err("--against is a running service, not a directory".to_owned()),
    }
}

fn entries(file: &str) -> anyhow::Result<Vec<Entry>> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {file:?}"))?;
    let har = serde_json::from_slice(&text).with_context(|| format!("{file:?} is no JSON"))?;
    let entries = har::read(har).map_err(|why| anyhow!("{file:?}: {why}"))?;
    if entries.is_empty() {
        bail!("{file:?} holds no requests");
    }
    Ok(entries)
}

/// Whether all went as it should.
fn run(plan: &Plan) -> anyhow::Result<bool> {
    let asking = service::asking(plan.timeout).allow_non_standard_methods(true).accept(AutoHeaderValue::None);
    let agent: ureq::Agent = asking.build().into();
    let (mut sent, mut bad) = (0, 0);
    for entry in plan.entries.iter().filter(|entry| !entry.websocket) {
        sent += 1;
        let (method, target) = (&entry.method, entry.target.as_str().escape_debug().to_string());
        let reply = match ask(&agent, plan, entry) {
            Ok(reply) => reply,
            Err(error) => {
                println!("{method} {target} failed: {error:#}");
                bad += 1;
                continue;
            }
        };
        println!("{method} {target} {}", reply.status.as_u16());
        let was = plan.scope.as_ref().zip(entry.reply.as_ref());
        let found = was.map_or(Vec::new(), |(scope, was)| compare::differences(was, &reply, scope));
        found.iter().for_each(|line| println!("  {line}"));
        bad += u32::from(!found.is_empty());
    }
    let what = if plan.scope.is_some() { "differ or failed" } else { "failed" };
    println!("{sent} requests, {bad} {what}");
    Ok(bad == 0)
}

fn ask(agent: &ureq::Agent, plan: &Plan, entry: &Entry) -> anyhow::Result<Reply> {
    let target = if entry.target.as_str() == "*" { "/" } else { entry.target.as_str() };
    let uri: Uri = format!("http://{}{target}", plan.authority).parse()?;
    let mut headers = entry.headers.clone();
    head::strip_hop_by_hop(&mut headers);
    for name in [header::HOST, header::CONTENT_LENGTH, header::EXPECT] {
        headers.remove(name);
    }
    let scheme = Scheme::of(&headers);
    if let Some(key) = plan.keys.iter().find(|key| scheme == Some(key.scheme())) {
        key.sign(&mut headers, &entry.body, SystemTime::now());
    }
    let mut request = Request::builder().method(&entry.method).uri(uri).body(entry.body.clone())?;
    *request.headers_mut() = headers;
    let response = send(agent, request)?;
    let (parts, body) = response.into_parts();
    let mut bytes = Vec::new();
    body.into_reader().take(limits::INSPECT_REQUEST as u64).read_to_end(&mut bytes).context("its body")?;
    let body = Body { size: bytes.len() as u64, bytes, whole: true };
    let body = Unpacker::default().unpack(&Lines::from(&parts.headers), &body).bytes.into_owned();
    Ok(Reply { status: parts.status, headers: parts.headers, body })
}

/// With a body, even an empty one, where the method has one; otherwise without.
fn send(agent: &ureq::Agent, request: Request<Vec<u8>>) -> Result<http::Response<ureq::Body>, ureq::Error> {
    let has_body =
        !request.body().is_empty() || matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if has_body { agent.run(request) } else { agent.run(request.map(drop)) }
}
