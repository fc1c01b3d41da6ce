//! A configuration that exists can be run: words and environment are read once, here, and every contradiction or
//! unusable value stops with one line that says what would be right.

mod address;
mod arguments;
mod headers;
mod inspection;

use super::inspector::{self, Verifier};
use super::rules::{BasicAuth, Rules, network};
use crate::id::TunnelName;
use crate::limits;
use crate::secret::{Lookup, Secret};
use crate::usage::Stop;
use arguments::Arguments;
use http::header::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What a forwarder runs with.
#[derive(Debug)]
pub struct Config {
    /// What visitors reach.
    pub service: Service,
    /// The public end.
    pub endpoint: Endpoint,
    /// The name to ask for; `None`: any.
    pub name: Option<TunnelName>,
    /// The token for a remote endpoint.
    pub token: Option<Secret>,
    /// Who may visit.
    pub rules: Rules,
    /// The `Host` that the service is told.
    pub host_header: HostHeader,
    /// Headers that every request to the service carries; they replace a visitor's of the same name.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Time that the service has to begin its answer.
    pub timeout: Duration,
    /// The inspector; `None`: there is none.
    pub inspector: Option<inspector::Settings>,
    /// What requests must be signed with.
    pub verifier: Verifier,
    /// Show the URL as a QR code.
    pub qr: bool,
    /// How to report.
    pub output: Output,
}

/// The local side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// An HTTP server. The host is a name or an address (IPv6 without brackets); `localhost` is both loopback addresses.
    Address {
        /// Name or address.
        host: String,
        /// Port, not 0.
        port: u16,
    },
    /// A readable directory to serve, as an absolute path.
    Directory(PathBuf),
}

/// The public end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A relay inside this process.
    Embedded {
        /// Where it listens.
        listen: SocketAddr,
        /// The user chose the address; otherwise it is the default.
        listen_given: bool,
    },
    /// A relay or serverless gate elsewhere: `ws` or `wss`, with a host.
    Remote(http::Uri),
}

/// The `Host` that the service is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The service's own address.
    Rewrite,
    /// What the visitor asked for.
    Preserve,
    /// Always this.
    Value(HeaderValue),
}

/// How to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// One JSON object per line on stdout.
    pub json: bool,
    /// Only the URL and errors.
    pub quiet: bool,
    /// More detail.
    pub verbose: bool,
    /// Colours on stdout.
    pub color: ColorChoice,
}

/// When lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

/// Reads the words behind the program's name, and what of the environment stands for flags.
///
/// # Errors
/// [`Stop`]: help or version was asked for, or the words make no configuration.
pub fn parse(args: &[String], env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Stop> {
    let arguments = Arguments::read(args)?;
    if arguments.version {
        return Err(Stop::Version(format!("forwarder {}", env!("CARGO_PKG_VERSION"))));
    }
    build(&arguments, &Environment::read(env), env).map_err(Stop::Usage)
}

/// Reads what names a service, as `TARGET` does.
///
/// # Errors
/// Says how to write it.
pub(super) fn service(text: &str) -> Result<Service, String> {
    address::service(text)
}

/// The variables that stand for flags. An empty one counts as not set, so that `TUNNEL_ENDPOINT= forwarder …` works.
struct Environment {
    endpoint: Option<String>,
    token: Option<String>,
    name: Option<String>,
    no_color: bool,
}

impl Environment {
    fn read(env: Lookup<'_>) -> Self {
        let set = |name| env(name).filter(|value| !value.is_empty());
        Self {
            endpoint: set("TUNNEL_ENDPOINT"),
            token: set("TUNNEL_TOKEN"),
            name: set("TUNNEL_NAME"),
            no_color: set("NO_COLOR").is_some() || set("TERM").as_deref() == Some("dumb"),
        }
    }
}

fn build(arguments: &Arguments, environment: &Environment, env: Lookup<'_>) -> Result<Config, String> {
    let target = arguments.target.as_deref().ok_or(
        "what shall be public? Give a port, host:port, an http:// URL or a directory, for example: forwarder 8000",
    )?;
    let output = output(arguments, environment)?;
    let endpoint = endpoint(arguments, environment)?;
    let timeout = arguments.timeout.as_deref().map_or(Ok(limits::ANSWER), timeout)?;
    let verified = inspection::secrets("--verify", &arguments.verify, env)?;
    let secrets = [&verified[..], &inspection::secrets("--webhook-secret", &arguments.webhook_secret, env)?].concat();
    Ok(Config {
        service: address::service(target)?,
        name: name(arguments, environment)?,
        token: token(arguments, environment, &endpoint, env)?,
        rules: Rules {
            basic_auth: arguments.basic_auth.as_deref().map(|text| basic_auth(text, env)).transpose()?,
            allow: networks("--allow", &arguments.allow)?,
            deny: networks("--deny", &arguments.deny)?,
        },
        host_header: headers::host(arguments.host_header.as_deref())?,
        headers: arguments.header.iter().map(|line| headers::added(line)).collect::<Result<_, _>>()?,
        timeout,
        inspector: inspection::settings(arguments, timeout, &secrets)?,
        verifier: Verifier::new(&verified)?,
        qr: arguments.qr,
        endpoint,
        output,
    })
}

fn output(arguments: &Arguments, environment: &Environment) -> Result<Output, String> {
    let color = match arguments.color.as_deref() {
        None if environment.no_color => ColorChoice::Never,
        None | Some("auto") => ColorChoice::Auto,
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        Some(other) => return Err(format!("--color is auto, always or never, not {other:?}")),
    };
    if arguments.quiet && arguments.verbose {
        return Err("--quiet and --verbose contradict each other; choose one".to_owned());
    }
    if arguments.json && arguments.qr {
        return Err("--qr draws on a terminal and --json is for programs; choose one".to_owned());
    }
    Ok(Output { json: arguments.json, quiet: arguments.quiet, verbose: arguments.verbose, color })
}

fn endpoint(arguments: &Arguments, environment: &Environment) -> Result<Endpoint, String> {
    let remote = match (&arguments.endpoint, &environment.endpoint) {
        (Some(url), _) => Some(("--endpoint", url)),
        (None, Some(url)) => Some(("TUNNEL_ENDPOINT", url)),
        (None, None) => None,
    };
    match (remote, &arguments.listen) {
        (Some(("--endpoint", _)), Some(_)) => Err(
            "--listen is the address of the public end inside this program, --endpoint names another one; choose one"
                .to_owned(),
        ),
        (Some((source, _)), Some(_)) => {
            Err(format!("--listen needs the public end inside this program, but {source} names another one; unset it"))
        }
        (Some((source, url)), None) => address::endpoint(url, source).map(Endpoint::Remote),
        (None, Some(text)) => Ok(Endpoint::Embedded { listen: address::listen(text)?, listen_given: true }),
        (None, None) => Ok(Endpoint::Embedded { listen: address::DEFAULT_LISTEN, listen_given: false }),
    }
}

fn name(arguments: &Arguments, environment: &Environment) -> Result<Option<TunnelName>, String> {
    let given = match (&arguments.name, &environment.name) {
        (Some(text), _) => Some(("--name", text)),
        (None, text) => text.as_ref().map(|text| ("TUNNEL_NAME", text)),
    };
    given.map(|(source, text)| text.parse().map_err(|error| format!("{source} {text:?}: {error}"))).transpose()
}

fn token(
    arguments: &Arguments,
    environment: &Environment,
    endpoint: &Endpoint,
    env: Lookup<'_>,
) -> Result<Option<Secret>, String> {
    if matches!(endpoint, Endpoint::Embedded { .. }) {
        return match arguments.token {
            None => Ok(None),
            Some(_) => Err("--token is for an --endpoint; to ask visitors for a password use --basic-auth".to_owned()),
        };
    }
    let given = match (&arguments.token, &environment.token) {
        (Some(text), _) => Some(("--token", text)),
        (None, text) => text.as_ref().map(|text| ("TUNNEL_TOKEN", text)),
    };
    let Some((source, text)) = given else { return Ok(None) };
    let token = Secret::resolve(text, env).map_err(|error| format!("{source}: {error}"))?;
    if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{source} holds a space, line break or other character that no token has"));
    }
    Ok(Some(token))
}

fn basic_auth(text: &str, env: Lookup<'_>) -> Result<BasicAuth, String> {
    let login = Secret::resolve(text, env).map_err(|error| format!("--basic-auth: {error}"))?;
    match login.expose().split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(BasicAuth::new(user, password)),
        _ => Err("--basic-auth is USER:PASS, or env:NAME or file:PATH where that stands".to_owned()),
    }
}

fn networks(flag: &str, texts: &[String]) -> Result<Vec<ipnet::IpNet>, String> {
    let one = |text: &String| {
        network(text)
            .ok_or_else(|| format!("{flag} {text:?} is no network; write 203.0.113.0/24, 2001:db8::/32 or one address"))
    };
    texts.iter().map(one).collect()
}

fn timeout(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero() && *time <= limits::ANSWER_MAX).ok_or_else(|| {
        format!("--timeout {text:?} is no time; write seconds from 0.001 to {}", limits::ANSWER_MAX.as_secs())
    })
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
