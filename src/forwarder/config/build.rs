//! Values become a configuration; all that is wrong with them is found, not only the first.

use super::value::{Layer, Owner, Source, Value};
use super::{ColorChoice, Config, Endpoint, Output, address, headers, inspection};
use crate::forwarder::inspector::Verifier;
use crate::forwarder::rules::{BasicAuth, Rules, network};
use crate::id::TunnelName;
use crate::limits;
use crate::secret::{Lookup, Secret};
use std::time::Duration;

/// What was found to be wrong.
struct Mistakes(Vec<String>);

impl Mistakes {
    fn note<T>(&mut self, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|why| self.0.push(why)).ok()
    }

    /// Reads each value of a list.
    fn each<T>(&mut self, values: &[Value], read: impl Fn(&Value) -> Result<T, String>) -> Vec<T> {
        values.iter().filter_map(|value| self.note(read(value))).collect()
    }
}

/// Makes a configuration of `layer`, for the tunnel of a file that is called `label`.
///
/// # Errors
/// Every mistake, in a line each.
pub(super) fn config(layer: &Layer, label: Option<&str>, env: Lookup<'_>) -> Result<Config, Vec<String>> {
    let (mut mistakes, mut notices) = (Mistakes(Vec::new()), Vec::new());
    let service = mistakes.note(target(layer));
    let output = mistakes.note(output(layer));
    let endpoint = mistakes.note(endpoint(layer));
    let name = mistakes.note(layer.one("name").map(name).transpose());
    let token = mistakes.note(token(layer, env, &mut notices));
    let rules = Rules {
        basic_auth: layer.one("basic-auth").and_then(|value| mistakes.note(basic_auth(value, env))),
        allow: mistakes.each(layer.all("allow"), one_network),
        deny: mistakes.each(layer.all("deny"), one_network),
    };
    let host_header = mistakes.note(headers::host(layer.one("host-header")));
    let headers = mistakes.each(layer.all("header"), headers::added);
    let timeout = mistakes.note(layer.one("timeout").map_or(Ok(limits::ANSWER), timeout)).unwrap_or_default();
    let verified = mistakes.each(layer.all("verify"), |value| inspection::secret(value, env));
    let signed = mistakes.each(layer.all("webhook-secret"), |value| inspection::secret(value, env));
    let inspector = mistakes.note(inspection::settings(layer));
    let verifier = mistakes.note(Verifier::new(&verified));
    let parts = (service, output, endpoint, name, token, host_header, inspector, verifier);
    let (Some(service), Some((output, qr)), Some(endpoint), Some(name), Some(token), ..) = parts else {
        return Err(mistakes.0);
    };
    let (.., Some(host_header), Some(inspector), Some(verifier)) = parts else { return Err(mistakes.0) };
    if !mistakes.0.is_empty() {
        return Err(mistakes.0);
    }
    Ok(Config {
        label: label.map(str::to_owned),
        service,
        endpoint,
        name,
        token,
        rules,
        host_header,
        headers,
        timeout,
        inspector,
        secrets: [&verified[..], &signed].concat(),
        verifier,
        timing: layer.is_on("timing"),
        qr,
        output,
        notices,
    })
}

fn target(layer: &Layer) -> Result<super::Service, String> {
    let given = layer.one("target").ok_or(
        "what shall be public? Give a port, host:port, an http:// URL or a directory, for example: forwarder 8000",
    )?;
    address::target(given)
}

/// How to report, and whether to draw the URL.
fn output(layer: &Layer) -> Result<(Output, bool), String> {
    let color = match layer.one("color").map(|value| (value.text.as_str(), &value.source)) {
        None | Some(("auto", _)) => ColorChoice::Auto,
        Some(("always", _)) => ColorChoice::Always,
        Some(("never", _)) => ColorChoice::Never,
        Some((other, source)) => return Err(format!("{source} is auto, always or never, not {other:?}")),
    };
    let (quiet, verbose) = layer
        .rivals("quiet", "verbose")
        .map_err(|(quiet, verbose)| format!("{quiet} and {verbose} contradict each other; choose one"))?;
    let (qr, json) = layer
        .rivals("qr", "json")
        .map_err(|(qr, json)| format!("{qr} draws on a terminal and {json} is for programs; choose one"))?;
    let mut tui = layer.is_on("tui");
    for other in ["json", "quiet", "qr"] {
        let rivals = layer.rivals("tui", other);
        let (view, _) = rivals.map_err(|(view, other)| {
            format!("{view} fills the terminal and {other} asks for other output; choose one")
        })?;
        tui &= view;
    }
    Ok((Output { json: json && !tui, quiet: quiet && !tui, verbose, tui, color }, qr && !tui))
}

/// Where the public end is elsewhere: what says so.
pub(super) fn remote(layer: &Layer) -> Option<&Value> {
    layer.one("endpoint").filter(|value| value.text != address::EMBEDDED)
}

fn endpoint(layer: &Layer) -> Result<Endpoint, String> {
    let listen = layer.one("listen").map(address::listen).transpose()?;
    match (remote(layer), listen) {
        (Some(url), _) => address::endpoint(url).map(Endpoint::Remote),
        (None, Some(listen)) => Ok(Endpoint::Embedded { listen, listen_given: true }),
        (None, None) => Ok(Endpoint::Embedded { listen: address::DEFAULT_LISTEN, listen_given: false }),
    }
}

/// Whether one of the tunnels has a use for the flags.
///
/// # Errors
/// Says what a flag is for that none has a use for.
pub(super) fn useful(flags: &Layer, tunnels: &[Layer]) -> Result<(), String> {
    let remote: Vec<_> = tunnels.iter().filter_map(remote).collect();
    if flags.one("token").is_some() && remote.is_empty() {
        return Err("--token is for an --endpoint; to ask visitors for a password use --basic-auth".to_owned());
    }
    let Some(url) = remote.first().filter(|_| flags.one("listen").is_some() && remote.len() == tunnels.len()) else {
        return Ok(());
    };
    let remedy = match &url.source {
        Source::Flag(_) => "choose one",
        Source::Variable(_) => "unset it",
        Source::File(..) => "add --endpoint embedded",
    };
    let other = &url.source;
    Err(format!("--listen is the address of the public end inside this program, {other} names another one; {remedy}"))
}

fn name(value: &Value) -> Result<TunnelName, String> {
    value.text.parse().map_err(|error| {
        let hint = if value.source.is_table() { "; give it another one with name = \"web-shop\"" } else { "" };
        format!("{} {:?}: {error}{hint}", value.source, value.text)
    })
}

fn token(layer: &Layer, env: Lookup<'_>, notices: &mut Vec<String>) -> Result<Option<Secret>, String> {
    let Some(value) = layer.one("token") else { return Ok(None) };
    let source = &value.source;
    let Some(url) = remote(layer) else {
        return match source.is_in_tunnel() {
            false => Ok(None),
            true => Err(format!("{source} is for an endpoint; to ask visitors for a password use basic-auth")),
        };
    };
    if url.source.is_of(Owner::Project) && source.is_of(Owner::User) {
        let from = &url.source;
        notices.push(format!(
            "{source} is not sent to the endpoint of {from}, which may be a stranger's; to send it, give --endpoint"
        ));
        return Ok(None);
    }
    // What a stranger's file may send to its endpoint is not whatever the environment holds.
    let foreign = |text: &str| text.strip_prefix("env:").is_some_and(|name| !name.starts_with("TUNNEL_"));
    if source.is_of(Owner::Project) && foreign(&value.text) {
        return Err(format!(
            "{source} names a variable that does not begin with TUNNEL_; in a file that may be a stranger's it has to, or \
             name the file by --config"
        ));
    }
    let token = value.secret(env)?;
    if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{source} holds a space, line break or other character that no token has"));
    }
    Ok(Some(token))
}

fn basic_auth(value: &Value, env: Lookup<'_>) -> Result<BasicAuth, String> {
    let login = value.secret(env)?;
    match login.expose().split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(BasicAuth::new(user, password)),
        _ => Err(format!("{} is USER:PASS, or env:NAME or file:PATH where that stands", value.source)),
    }
}

fn one_network(Value { text, source }: &Value) -> Result<ipnet::IpNet, String> {
    network(text)
        .ok_or_else(|| format!("{source} {text:?} is no network; write 203.0.113.0/24, 2001:db8::/32 or one address"))
}

fn timeout(Value { text, source }: &Value) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero() && *time <= limits::ANSWER_MAX).ok_or_else(|| {
        format!("{source} {text:?} is no time; write seconds from 0.001 to {}", limits::ANSWER_MAX.as_secs())
    })
}
