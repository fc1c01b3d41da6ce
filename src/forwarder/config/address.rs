//! Text that names a place becomes a type, or one line that says how to write it.

use super::Service;
use super::value::{Origin, Value};
use http::Uri;
use http::uri::Authority;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the embedded relay listens unless told.
pub(super) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// What an endpoint is called that is the public end inside this program.
pub(super) const EMBEDDED: &str = "embedded";

/// Reads a target, wherever it stands.
pub(super) fn target(value: &Value) -> Result<Service, String> {
    let origin = value.source.origin();
    service(&value.text, origin.map(|origin| &**origin)).map_err(|why| match origin {
        Some(_) => format!("{}: {why}", value.source),
        None => why,
    })
}

/// Reads `TARGET`, in a file if there is an `origin`. A name made of digits is a port; a directory of that name is
/// written `./8000`.
pub(super) fn service(text: &str, origin: Option<&Origin>) -> Result<Service, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Service::Address { host: "localhost".to_owned(), port: port(text)? });
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return url(text, scheme, rest);
    }
    if text.is_empty() {
        return Err(nothing(text));
    }
    let path = origin.map_or_else(|| PathBuf::from(text), |origin| origin.path(text));
    if !path.exists() && text.rsplit_once(':').is_some_and(|(host, _)| !host.contains('/')) {
        let (host, port) = host_and_port(text).map_err(|why| format!("{text:?} is no host:port: {why}"))?;
        let port = port.ok_or_else(|| format!("{text:?} has no port; write host:port"))?;
        return Ok(Service::Address { host, port });
    }
    let path = directory(text, &path)?;
    origin.map_or(Ok(()), |origin| origin.admits(text, &path))?;
    Ok(Service::Directory(path))
}

fn url(text: &str, scheme: &str, rest: &str) -> Result<Service, String> {
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(format!(
            "{text:?} is no http:// URL; the service is spoken to in plain HTTP, as http://localhost:8000"
        ));
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(format!("{text:?} has a path; the whole service becomes public, so write only http://host:port"));
    }
    let (host, port) = host_and_port(authority).map_err(|why| format!("{text:?} is no URL: {why}"))?;
    Ok(Service::Address { host, port: port.unwrap_or(80) })
}

fn nothing(text: &str) -> String {
    format!(
        "{text:?} is neither a port, host:port, an http:// URL nor a directory that exists; for example: forwarder 8000"
    )
}

/// The absolute path of the readable directory at `path`, which `text` names.
fn directory(text: &str, path: &Path) -> Result<PathBuf, String> {
    let path = path.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => nothing(text),
        _ => format!("cannot read the directory {text:?}: {error}"),
    })?;
    if !path.is_dir() {
        return Err(format!("{text:?} is a file; give the directory that it is in"));
    }
    std::fs::read_dir(&path).map_err(|error| format!("cannot read the directory {text:?}: {error}"))?;
    Ok(path)
}

/// Reads an endpoint's URL. `http` and `https` mean `ws` and `wss`.
pub(super) fn endpoint(Value { text, source }: &Value) -> Result<Uri, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("{source} has no scheme; write wss://HOST, ws://HOST without TLS, or {EMBEDDED}"));
    };
    let token = source.sibling("token");
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if authority.contains('@') {
        return Err(format!("{source} holds a login, which URLs do not keep secret; use {token}"));
    }
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => {
            return Err(format!("{source} {text:?} has an unknown scheme; write wss://HOST, or ws://HOST without TLS"));
        }
    };
    host_and_port(authority).map_err(|why| format!("{source} {text:?} is no URL: {why}"))?;
    if rest.contains(['?', '#']) {
        return Err(format!("{source} has a query or fragment, which no endpoint has; use {token} for a token"));
    }
    format!("{scheme}://{rest}").parse().map_err(|error| format!("{source} {text:?} is no URL: {error}"))
}

/// Reads the address to listen on: `ADDR:PORT`, or a port alone, which is on loopback.
pub(super) fn listen(Value { text, source }: &Value) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let on_loopback = text.strip_prefix("localhost:").unwrap_or(text);
    match on_loopback.parse() {
        Ok(port) => Ok(SocketAddr::new(DEFAULT_LISTEN.ip(), port)),
        Err(_) => Err(format!("{source} {text:?} is no address; write 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080")),
    }
}

/// Splits `host[:port]`; an IPv6 address loses its brackets.
pub(super) fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("an IPv6 address stands in brackets: [{text}]"));
    }
    let authority: Authority = text.parse().map_err(|_| "a host is letters, digits, dots and hyphens".to_owned())?;
    let host = authority.host();
    if text.contains('@') || host.is_empty() {
        return Err("a host is missing, or a login stands before it".to_owned());
    }
    let port = match &text[host.len()..] {
        "" => None,
        rest => Some(port(rest.trim_start_matches(':'))?),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(address) if address.parse::<Ipv6Addr>().is_err() => Err(format!("{host} is no IPv6 address")),
        _ => Ok((bare.unwrap_or(host).to_owned(), port)),
    }
}

fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("{text:?} is no port; a port is a number from 1 to 65535")),
        Ok(port) => Ok(port),
    }
}
