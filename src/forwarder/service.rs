//! The service is found where it listens: on 127.0.0.1 or ::1, whichever answers, and is asked as the user wants it.

use super::config::HostHeader;
use super::framework;
use crate::head::{RequestHead, forwarded};
use crate::limits;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use ureq::config::{AutoHeaderValue, ConfigBuilder};
use ureq::typestate::AgentScope;

/// Asks a service with what is given to it and nothing else: no redirect is followed, nothing decoded, no proxy stands in
/// between. Whoever asks adds what is its own.
pub(super) fn asking(timeout: Duration) -> ConfigBuilder<AgentScope> {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(AutoHeaderValue::None)
        .accept_encoding(AutoHeaderValue::None)
        .max_response_header_size(limits::HEAD)
        .timeout_global(Some(timeout))
}

/// The local service's address, and how requests to it are written.
#[derive(Debug)]
pub struct Service {
    addresses: Vec<SocketAddr>,
    /// Index of the address that answered last; the next connection begins there.
    good: AtomicUsize,
    authority: HeaderValue,
    host_header: HostHeader,
    headers: Vec<(HeaderName, HeaderValue)>,
    drops_authorization: bool,
    /// The service compares the `Origin` of forms with `X-Forwarded-Host`; it shows in its answers.
    believes_forwarded_host: AtomicBool,
}

impl Service {
    /// Looks `host` up.
    ///
    /// # Errors
    /// The name is not known, or makes no `Host` header.
    pub async fn find(host: &str, port: u16, host_header: HostHeader) -> io::Result<Self> {
        let addresses = if host == "localhost" {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            loopback.map(|address| SocketAddr::new(address, port)).to_vec()
        } else {
            tokio::net::lookup_host((host, port)).await?.collect()
        };
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")));
        }
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let authority = if port == 80 { bracketed } else { format!("{bracketed}:{port}") };
        let authority =
            HeaderValue::try_from(authority).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Self {
            addresses,
            good: AtomicUsize::new(0),
            authority,
            host_header,
            headers: Vec::new(),
            drops_authorization: false,
            believes_forwarded_host: AtomicBool::new(false),
        })
    }

    /// Headers that replace a visitor's of the same name.
    pub fn with_headers(mut self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        self.headers = headers;
        self
    }

    /// The visitor's `Authorization` was the tunnel's own and stays here.
    pub fn without_authorization(mut self, drops: bool) -> Self {
        self.drops_authorization = drops;
        self
    }

    /// Host and port as they stand in a `Host` header.
    pub fn authority(&self) -> &str {
        self.authority.to_str().unwrap_or("localhost")
    }

    /// The addresses, the one that answered last first.
    fn addresses(&self) -> impl Iterator<Item = (usize, SocketAddr)> + '_ {
        let first = self.good.load(Ordering::Relaxed);
        let count = self.addresses.len();
        (0..count).map(move |i| (first + i) % count).map(|i| (i, self.addresses[i]))
    }

    /// Connects.
    ///
    /// # Errors
    /// No address accepts a connection.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let mut last = None;
        for (i, address) in self.addresses() {
            match tokio::time::timeout(limits::SERVICE_CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    self.good.store(i, Ordering::Relaxed);
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(io::ErrorKind::TimedOut.into()),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    /// Makes a location on the service's own host, which it knows from the `Host` it was told, one from the root: there
    /// is nothing at that address for a visitor.
    pub fn relocate(&self, headers: &mut HeaderMap) {
        let Some(own) = self.own_host() else { return };
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let Some(path) = headers.get(&name).and_then(|value| path_on(own.as_bytes(), value.as_bytes())) else {
                continue;
            };
            let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
            if let Ok(value) = HeaderValue::from_bytes(&[slash, path].concat()) {
                headers.insert(name, value);
            }
        }
    }

    /// The `Host` that the service is told instead of the visitor's.
    fn own_host(&self) -> Option<&HeaderValue> {
        match &self.host_header {
            HostHeader::Rewrite => Some(&self.authority),
            HostHeader::Value(value) => Some(value),
            HostHeader::Preserve => None,
        }
    }

    /// The `Host` that the service is told where a visitor asks for `public`.
    pub fn host_told<'a>(&'a self, public: &'a str) -> &'a str {
        self.own_host().map_or(public, |own| own.to_str().unwrap_or(public))
    }

    /// From now on forms keep the tunnel's own `Origin`, which is the `X-Forwarded-Host` that the service compares it with.
    pub fn believe_forwarded_host(&self) {
        self.believes_forwarded_host.store(true, Ordering::Relaxed);
    }

    /// Whether forms keep the tunnel's own `Origin`.
    pub fn believes_forwarded_host(&self) -> bool {
        self.believes_forwarded_host.load(Ordering::Relaxed)
    }

    /// Whether a request keeps the `Origin` that it came with. Sockets and what only reads do not: those are compared with
    /// `Host` also by services that believe `X-Forwarded-Host`.
    fn keeps_origin(&self, head: &RequestHead) -> bool {
        !head.method.is_safe() && self.believes_forwarded_host() && !framework::is_internal(head.target.path())
    }

    /// Writes a visitor's request as the service is to see it.
    pub fn prepare(&self, head: &mut RequestHead) {
        let keeps_origin = self.keeps_origin(head);
        let headers = &mut head.headers;
        if self.drops_authorization {
            headers.remove(header::AUTHORIZATION);
        }
        match self.own_host() {
            Some(own) => {
                if !keeps_origin {
                    translate_origin(headers, own);
                }
                headers.insert(header::HOST, own.clone());
            }
            None => drop(headers.entry(header::HOST).or_insert_with(|| self.authority.clone())),
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
    }
}

/// Where a request names the tunnel's own public address, it names the service's instead, as `Host` does: a service that
/// compares the two (against cross-site requests, or WebDAV's `Destination`) finds what it would find without a tunnel.
/// Other addresses stay as they are.
fn translate_origin(headers: &mut HeaderMap, own: &HeaderValue) {
    const NAMING: [HeaderName; 3] = [header::ORIGIN, header::REFERER, HeaderName::from_static("destination")];
    if !headers.keys().any(|name| NAMING.contains(name)) {
        return;
    }
    let text =
        |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let public = format!("{}://{}", text(&forwarded::PROTO), text(&forwarded::HOST));
    let prefix = text(&forwarded::PREFIX);
    for name in NAMING {
        let Some(rest) = headers.get(&name).and_then(|value| behind(public.as_bytes(), value.as_bytes())) else {
            continue;
        };
        let path = rest.strip_prefix(prefix.as_bytes()).unwrap_or(rest);
        if let Ok(value) = HeaderValue::from_bytes(&[b"http://", own.as_bytes(), path].concat()) {
            headers.insert(name, value);
        }
    }
}

/// What stands behind the origin `own` in a URL on it.
fn behind<'a>(own: &[u8], url: &'a [u8]) -> Option<&'a [u8]> {
    let (origin, rest) = url.split_at_checked(own.len())?;
    let ends = rest.first().is_none_or(|byte| b"/?#".contains(byte));
    (ends && origin.eq_ignore_ascii_case(own)).then_some(rest)
}

/// What stands behind `own` in an http URL on it.
fn path_on<'a>(own: &[u8], url: &'a [u8]) -> Option<&'a [u8]> {
    let rest = [&b"http://"[..], b"https://"].iter().find_map(|scheme| url.strip_prefix(*scheme))?;
    // `//` at the front would be another host's again.
    behind(own, rest).filter(|path| !path.starts_with(b"//"))
}
