//! A relay that starts has been told who may open tunnels, and everything else that it needs to know.

mod value;

use crate::command::{self, Info};
use crate::gate::access::AccessConfig;
use crate::limits;
use crate::relay::tls::TlsFiles;
use crate::secret::Secret;
use crate::usage::Stop;
use argh::{ArgsInfo, FromArgs};
use ipnet::IpNet;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that the relay is told when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where visitors and forwarders connect.
    pub listen: SocketAddr,
    /// Tunnels are at `NAME.domain`; without one at `/NAME/`.
    pub domain: Option<String>,
    /// Who may open tunnels.
    pub access: AccessConfig,
    /// TLS of the relay's own; without it a proxy does TLS, or nobody.
    pub tls: Option<TlsFiles>,
    /// Where `/metrics` and `/healthz` are answered.
    pub admin: Option<SocketAddr>,
    /// How visitors reach the relay from outside, with `{tunnel}` where the name goes.
    pub public_url: Option<String>,
    /// Proxies whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What nobody may exceed.
    pub limits: OperatorLimits,
    /// Events go to stdout as JSON, one object a line.
    pub json: bool,
    /// Log more.
    pub verbose: bool,
}

/// Limits that the operator sets; `None` is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorLimits {
    /// Tunnels that one token may hold at a time.
    pub tunnels_per_token: Option<NonZeroU32>,
    /// Exchanges that may be open on one tunnel.
    pub exchanges_per_tunnel: NonZeroU32,
    /// Requests that one tunnel takes a second.
    pub requests_per_second: Option<NonZeroU32>,
    /// Largest head of a request.
    pub head_bytes: usize,
    /// Largest body, either way.
    pub body_bytes: Option<u64>,
    /// An exchange without a byte for this long is ended.
    pub idle: Duration,
    /// A name stays reserved for its owner for this long after the link dropped.
    pub name_grace: Duration,
}

impl Default for OperatorLimits {
    fn default() -> Self {
        Self {
            tunnels_per_token: None,
            exchanges_per_tunnel: default_exchanges(),
            requests_per_second: None,
            head_bytes: limits::HEAD,
            body_bytes: None,
            idle: limits::IDLE,
            name_grace: limits::NAME_GRACE,
        }
    }
}

fn default_exchanges() -> NonZeroU32 {
    const { NonZeroU32::new(limits::EXCHANGES as u32).expect("a forwarder carries some exchanges") }
}

/// Public URLs for services behind forwarders: the public end as a server of its own.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    name = "relay",
    help_triggers("-h", "--help"),
    usage = "[--listen <address>] [--domain <domain>] [--token-file <file>] [option...]",
    example = "Behind a proxy that does TLS, for https://NAME.tunnel.example.com:\n\
               {command_name} --domain tunnel.example.com --token-file tokens \
               --public-url https://{{tunnel}}.tunnel.example.com --trusted-proxy 127.0.0.1",
    example = "With a certificate of its own, for NAME.tunnel.example.com and an address for Prometheus:\n\
               {command_name} --listen 0.0.0.0:443 --domain tunnel.example.com --token-file tokens \
               --tls-cert fullchain.pem --tls-key privkey.pem --admin 127.0.0.1:9090",
    example = "On this machine only, without a token, for http://127.0.0.1:8080/NAME/:\n{command_name}",
    note = "Environment: TUNNEL_TOKEN is one more token that may open tunnels; RUST_LOG says what is logged.",
    error_code(1, "it cannot run as asked, or failed later"),
    error_code(2, "the words or files make no sense")
)]
struct Arguments {
    /// address and port for visitors and forwarders (default 127.0.0.1:8080; port 0: any)
    #[argh(option, arg_name = "address", from_str_fn(value::address), default = "default_listen()")]
    listen: SocketAddr,
    /// tunnels are at NAME.DOMAIN; without this at /NAME/
    #[argh(option, from_str_fn(value::domain))]
    domain: Option<String>,
    /// how visitors reach a relay behind a proxy, such as https://{tunnel}.example.com
    #[argh(option, arg_name = "url", from_str_fn(value::public_url))]
    public_url: Option<String>,
    /// address or network (10.0.0.0/8) of a proxy whose X-Forwarded headers are believed; may be repeated
    #[argh(option, arg_name = "cidr", from_str_fn(value::network))]
    trusted_proxy: Vec<IpNet>,
    /// file of tokens that may open tunnels, one a line, # for comments
    #[argh(option, arg_name = "file")]
    token_file: Option<PathBuf>,
    /// file of the secret of HS256 JWTs that may open tunnels
    #[argh(option, arg_name = "file")]
    jwt_secret_file: Option<PathBuf>,
    /// file of the JWK set of RS256, ES256 or EdDSA JWTs that may open tunnels
    #[argh(option, arg_name = "file")]
    jwks: Option<PathBuf>,
    /// audience (aud) that JWTs must name
    #[argh(option)]
    jwt_audience: Option<String>,
    /// issuer (iss) that JWTs must name
    #[argh(option)]
    jwt_issuer: Option<String>,
    /// let anyone open tunnels
    #[argh(switch)]
    open: bool,
    /// certificate chain as PEM; read again when it changes
    #[argh(option, arg_name = "file")]
    tls_cert: Option<PathBuf>,
    /// private key of the certificate as PEM
    #[argh(option, arg_name = "file")]
    tls_key: Option<PathBuf>,
    /// address and port for GET /metrics and /healthz
    #[argh(option, arg_name = "address", from_str_fn(value::address))]
    admin: Option<SocketAddr>,
    /// most tunnels that one token holds at a time
    #[argh(option, arg_name = "n", from_str_fn(value::count))]
    tunnels_per_token: Option<NonZeroU32>,
    /// most open exchanges of one tunnel (default 4096)
    #[argh(option, arg_name = "n", from_str_fn(value::count), default = "default_exchanges()")]
    exchanges_per_tunnel: NonZeroU32,
    /// most requests a second to one tunnel
    #[argh(option, arg_name = "n", from_str_fn(value::count))]
    requests_per_second: Option<NonZeroU32>,
    /// largest request head, 8K to 64K (default 64K)
    #[argh(option, arg_name = "bytes", from_str_fn(value::head_size), default = "limits::HEAD")]
    head_bytes: usize,
    /// largest body either way, such as 500M
    #[argh(option, arg_name = "bytes", from_str_fn(value::size))]
    body_bytes: Option<u64>,
    /// end an exchange without a byte for this long (default 3600)
    #[argh(option, arg_name = "seconds", from_str_fn(value::seconds), default = "limits::IDLE")]
    idle: Duration,
    /// keep a name for its owner for this long after the link dropped (default 600)
    #[argh(option, arg_name = "seconds", from_str_fn(value::seconds), default = "limits::NAME_GRACE")]
    name_grace: Duration,
    /// print events on stdout as JSON, one object a line
    #[argh(switch)]
    json: bool,
    /// log more
    #[argh(switch)]
    verbose: bool,
    /// print the version
    #[argh(switch)]
    version: bool,
}

/// What the words may be.
pub fn info() -> Info {
    Arguments::get_args_info()
}

/// Reads the command line `args`, without the program's name, and the environment through `env`.
///
/// # Errors
/// [`Stop`]: the user asked for help or the version, or made a mistake.
pub fn parse(args: &[impl AsRef<str>], env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Stop> {
    let args = command::split_assignments(args);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let arguments = Arguments::from_args(&["relay"], &args).map_err(|exit| match exit.status {
        Ok(()) => Stop::Help(exit.output),
        Err(()) => Stop::Usage(one_line(&exit.output)),
    })?;
    if arguments.version {
        return Err(Stop::Version(concat!("relay ", env!("CARGO_PKG_VERSION")).to_owned()));
    }
    arguments.into_config(env).map_err(Stop::Usage)
}

impl Arguments {
    fn into_config(self, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, String> {
        Ok(Config {
            access: self.access(env)?,
            tls: self.tls()?,
            limits: self.limits(),
            listen: self.listen,
            domain: self.domain,
            admin: self.admin,
            public_url: self.public_url,
            trusted_proxies: self.trusted_proxy,
            json: self.json,
            verbose: self.verbose,
        })
    }

    fn access(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<AccessConfig, String> {
        let mut tokens = self.token_file.as_deref().map(token_file).transpose()?.unwrap_or_default();
        if let Some(token) = env("TUNNEL_TOKEN").filter(|token| !token.is_empty()) {
            tokens.push(Secret::resolve(&token, env).map_err(|error| format!("TUNNEL_TOKEN: {error}"))?);
        }
        let secret = self.jwt_secret_file.as_deref().map(text_of).transpose()?;
        let mut access = AccessConfig {
            open: self.open,
            tokens,
            jwt_secret: secret.map(|text| Secret::new(text.trim())),
            jwks: self.jwks.as_deref().map(text_of).transpose()?,
            audience: self.jwt_audience.clone(),
            issuer: self.jwt_issuer.clone(),
        };
        match (access.has_no_key(), self.open) {
            (false, true) => return Err("--open lets in anyone: leave out the tokens and keys, or --open".to_owned()),
            (true, false) if self.is_public() => return Err(NO_ACCESS.to_owned()),
            (true, false) => access.open = true,
            _ => {}
        }
        Ok(access)
    }

    /// Whether others than this machine's users can reach the relay: directly, or through the proxy that was named.
    fn is_public(&self) -> bool {
        !self.listen.ip().to_canonical().is_loopback() || self.public_url.is_some() || !self.trusted_proxy.is_empty()
    }

    fn tls(&self) -> Result<Option<TlsFiles>, String> {
        match (self.tls_cert.clone(), self.tls_key.clone()) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err("--tls-cert needs --tls-key, the certificate's private key".to_owned()),
            (None, Some(_)) => Err("--tls-key needs --tls-cert, the key's certificate".to_owned()),
        }
    }

    fn limits(&self) -> OperatorLimits {
        OperatorLimits {
            tunnels_per_token: self.tunnels_per_token,
            exchanges_per_tunnel: self.exchanges_per_tunnel,
            requests_per_second: self.requests_per_second,
            head_bytes: self.head_bytes,
            body_bytes: self.body_bytes,
            idle: self.idle,
            name_grace: self.name_grace,
        }
    }
}

const NO_ACCESS: &str = "others can reach this relay: say who may open tunnels with --token-file, --jwt-secret-file or --jwks, or --open for anyone";

fn text_of(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// One token a line. The tokens are the operator's secrets: a complaint names the line, not what stands there.
fn token_file(path: &Path) -> Result<Vec<Secret>, String> {
    let mut tokens = Vec::new();
    for (i, line) in text_of(path)?.lines().enumerate() {
        let token = line.trim();
        if token.is_empty() || token.starts_with('#') {
            continue;
        }
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            let line = i + 1;
            return Err(format!("{} line {line}: a token has no spaces and only ASCII characters", path.display()));
        }
        tokens.push(Secret::new(token));
    }
    if tokens.is_empty() {
        return Err(format!("{} holds no token: write one a line, made with: openssl rand -hex 32", path.display()));
    }
    Ok(tokens)
}

fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    format!("{} (relay --help lists what there is)", words.join(" ").trim_end_matches('.'))
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
