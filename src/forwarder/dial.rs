//! What stands in the way to an endpoint is said with host, port and what to do; a proxy's password never is.

mod proxy;

pub use proxy::Proxies;
pub(super) use proxy::Route;

use crate::limits;
use anyhow::Context;
use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls_native_certs::load_native_certs;
use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use tower_service::Service;

/// A connection, whatever it goes through.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to an endpoint (`ws` or `wss`), through a proxy if one stands for it. Every address of its name is tried.
///
/// # Errors
/// One text that says which step failed, to what, and what to do.
pub async fn dial(endpoint: &Uri, proxies: &Proxies) -> anyhow::Result<Box<dyn Stream>> {
    dial_trusting(endpoint, proxies, &trusted_by_this_machine).await
}

/// Where the certificates come from that a peer's must descend from.
type Trust<'a> = &'a (dyn Fn() -> anyhow::Result<RootCertStore> + Sync);

async fn dial_trusting(endpoint: &Uri, proxies: &Proxies, trust: Trust<'_>) -> anyhow::Result<Box<dyn Stream>> {
    let secure = endpoint.scheme_str() == Some("wss");
    let place = Place::of(endpoint, if secure { 443 } else { 80 })?;
    let stream = match proxies.on_the_way(&place, secure)? {
        Some(proxy) => proxy.open(&place, trust).await?,
        None => Box::new(connect(&place).await.with_context(|| format!("cannot reach {place}"))?),
    };
    if secure { encrypt(stream, &place, trust).await } else { Ok(stream) }
}

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// A name or an address, IPv6 without brackets.
    host: String,
    port: u16,
}

impl Place {
    fn of(uri: &Uri, default_port: u16) -> anyhow::Result<Self> {
        let host = uri.host().context("the URL has no host")?;
        let host = bare(host).to_ascii_lowercase();
        Ok(Self { host, port: uri.port_u16().unwrap_or(default_port) })
    }

    fn is_this_machine(&self) -> bool {
        is_localhost(&self.host) || self.host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
    }

    /// The place as a URL, which is what connectors take.
    fn uri(&self, scheme: Scheme) -> anyhow::Result<Uri> {
        let uri = Uri::builder().scheme(scheme).authority(self.to_string()).path_and_query("/").build();
        uri.with_context(|| format!("{self} is no host"))
    }
}

/// `localhost` and every name under it are this machine (RFC 6761 §6.3), whether the resolver knows that or not.
pub(super) fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// A URL's host, an IPv6 address without its brackets.
pub(super) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]:{}", self.port),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

async fn connect(place: &Place) -> anyhow::Result<tokio::net::TcpStream> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(limits::DIAL));
    match timeout(limits::DIAL, connect_any(connector, place)).await {
        Ok(connected) => connected,
        Err(_) => Err(no_answer()),
    }
}

/// A resolver may know only one of this machine's addresses, or none under `NAME.localhost`.
async fn connect_any(mut connector: HttpConnector, place: &Place) -> anyhow::Result<tokio::net::TcpStream> {
    let local = ["127.0.0.1", "::1"];
    let hosts = if is_localhost(&place.host) { &local[..] } else { &[place.host.as_str()] };
    let mut failed = None;
    for host in hosts {
        let target = Place { host: (*host).to_owned(), port: place.port }.uri(Scheme::HTTP)?;
        match connector.call(target).await {
            Ok(stream) => return Ok(stream.into_inner()),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.map_or_else(no_answer, |error| unreachable(&error)))
}

fn unreachable(error: &(dyn Error + 'static)) -> anyhow::Error {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => anyhow::anyhow!("{cause}; nothing listens there, check host and port"),
        Some(ErrorKind::TimedOut) => no_answer(),
        _ => anyhow::anyhow!("{cause}; check the host's name, and that this machine is online"),
    }
}

fn no_answer() -> anyhow::Error {
    let seconds = limits::DIAL.as_secs();
    anyhow::anyhow!("no answer in {seconds} s; if this network asks for a proxy, name it in HTTPS_PROXY")
}

async fn encrypt(stream: Box<dyn Stream>, place: &Place, trust: Trust<'_>) -> anyhow::Result<Box<dyn Stream>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS is not available")?;
    let mut config = builder.with_root_certificates(trust()?).with_no_client_auth();
    // A WebSocket and a CONNECT are HTTP/1.1; without this a server may choose HTTP/2.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(place.host.clone()).with_context(|| format!("{place} has no name for TLS"))?;
    match timeout(limits::DIAL, TlsConnector::from(Arc::new(config)).connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(TlsRefused { place: place.clone(), error }.into()),
        Err(_) => Err(no_answer().context(format!("no TLS with {place}"))),
    }
}

/// Why TLS did not come about.
#[derive(Debug)]
pub(super) struct TlsRefused {
    place: Place,
    error: std::io::Error,
}

impl TlsRefused {
    /// What is wrong with the certificate, if that is the reason.
    pub(super) fn certificate(&self) -> Option<&rustls::CertificateError> {
        match self.error.get_ref()?.downcast_ref()? {
            rustls::Error::InvalidCertificate(why) => Some(why),
            _ => None,
        }
    }
}

impl fmt::Display for TlsRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no TLS with {}: {}", self.place, refused_by_tls(&self.error))
    }
}

impl Error for TlsRefused {}

fn refused_by_tls(error: &std::io::Error) -> String {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => {
            format!("{error}; a private authority's certificate can be named in SSL_CERT_FILE")
        }
        Some(rustls::Error::InvalidMessage(_)) => format!("{error}; without TLS its URL is written ws://"),
        _ => format!("{error}; check that TLS is spoken there, otherwise its URL is written ws://"),
    }
}

/// Read at every dial: it takes milliseconds, and what was installed meanwhile counts.
fn trusted_by_this_machine() -> anyhow::Result<RootCertStore> {
    let found = load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    anyhow::bail!(
        "no certificates to trust were found ({}); install ca-certificates or name a file in SSL_CERT_FILE",
        if errors.is_empty() { "none installed".to_owned() } else { errors.join("; ") }
    )
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
