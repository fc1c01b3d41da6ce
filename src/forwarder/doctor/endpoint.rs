//! The way to the endpoint, step by step: its name, a connection, TLS, and whether a gate is at the end of it.

use super::clock::date;
use super::finding::Finding;
use super::{Deadline, Patient, gate, proxy};
use crate::forwarder::dial::{self, Proxies, Stream, TlsRefused};
use crate::limits;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::rustls::CertificateError;

/// How far the public end was reached.
#[derive(Debug, Default)]
pub(super) struct Reached {
    pub(super) findings: Vec<Finding>,
    /// The tunnel's URL, or what it would most likely be.
    pub(super) url: Option<Uri>,
    /// It was asked what the time is.
    pub(super) asked: bool,
    /// The endpoint's time.
    pub(super) date: Option<SystemTime>,
}

/// Goes the way to the endpoint.
pub(super) async fn examine(patient: &Patient, uri: &Uri, proxies: &Proxies, deadline: Deadline) -> Reached {
    let mut reached = Reached { findings: vec![scheme(uri)], ..Reached::default() };
    let (proxy, proxied) = proxy::examine(uri, proxies, deadline).await;
    let blocked = if proxied {
        let there = "the proxy looks the name up and connects";
        reached.findings.extend(["endpoint-dns", "endpoint-tcp"].map(|check| Finding::skipped(check, there)));
        proxy.failed()
    } else {
        let (findings, connects) = connect(uri, deadline).await;
        reached.findings.extend(findings);
        !connects
    };
    if blocked {
        let checks = ["endpoint-tls", "endpoint-gate", "token"];
        let checks = checks.into_iter().skip(usize::from(uri.scheme_str() != Some("wss")));
        reached.findings.extend(checks.map(|check| Finding::skipped(check, "there is no connection")));
    } else {
        let stream = dial(&mut reached, (uri, proxies, proxied), deadline).await;
        if let Some(stream) = stream {
            reached.asked = true;
            reached.date = time(stream, uri, deadline).await;
            let link = gate::examine(patient, uri, proxies, deadline).await;
            reached.findings.extend(link.findings);
            reached.url = link.url;
        } else {
            let checks = ["endpoint-gate", "token"];
            reached.findings.extend(checks.map(|check| Finding::skipped(check, "there is no way to the endpoint")));
        }
    }
    reached.findings.extend(patient.token.as_ref().and_then(|token| super::jwt::examine(token, SystemTime::now())));
    reached.findings.push(proxy);
    reached.url = reached.url.or_else(|| likely(patient, uri));
    reached
}

fn scheme(uri: &Uri) -> Finding {
    let local =
        uri.host().is_some_and(|host| host.ends_with("localhost") || host.starts_with("127.") || host == "[::1]");
    if uri.scheme_str() == Some("wss") || local {
        return Finding::ok("endpoint-url", uri.to_string());
    }
    let fix = "write wss:// where the endpoint has a certificate";
    Finding::warn("endpoint-url", format!("{uri} is without TLS: token and requests can be read on the way"), fix)
}

/// A tunnel's URL at this endpoint, where the gate could not say it.
fn likely(patient: &Patient, uri: &Uri) -> Option<Uri> {
    let scheme = if uri.scheme_str() == Some("wss") { "https" } else { "http" };
    let (name, authority) = (patient.name.as_ref().map_or("web", |name| name.as_str()), uri.authority()?);
    let url = match address(uri) {
        Some(_) => format!("{scheme}://{authority}/{name}"),
        None => format!("{scheme}://{name}.{authority}"),
    };
    url.parse().ok()
}

/// The host, where it is an address and no name.
fn address(uri: &Uri) -> Option<IpAddr> {
    dial::bare(uri.host()?).parse().ok()
}

/// Looks the name up and connects to its addresses. The second value: whether one of them accepts.
async fn connect(uri: &Uri, deadline: Deadline) -> (Vec<Finding>, bool) {
    let host = dial::bare(uri.host().unwrap_or_default());
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
    let addresses = match addresses(host, port, deadline).await {
        Ok(addresses) => addresses,
        Err(why) => {
            let fix = "check the endpoint's name for typing errors, and that this machine is online";
            let dns = Finding::fail("endpoint-dns", format!("{host} has no address: {why}"), fix);
            return (vec![dns, Finding::skipped("endpoint-tcp", "there is no address")], false);
        }
    };
    let listed: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let known = if address(uri).is_some() { "an address itself".to_owned() } else { listed.join(", ") };
    let dns = Finding::ok("endpoint-dns", format!("{host} is {known}"));
    let limit = deadline.within(limits::DOCTOR_STEP);
    let tries = addresses.iter().map(|address| timeout(limit, TcpStream::connect(*address)));
    let tried = futures_util::future::join_all(tries).await;
    let (tcp, accepts) = accepting(&addresses, &tried, limit);
    (vec![dns, tcp], accepts)
}

async fn addresses(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, String> {
    if dial::is_localhost(host) {
        return Ok(vec![
            SocketAddr::from(([127, 0, 0, 1], port)),
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port)),
        ]);
    }
    let limit = deadline.within(limits::DOCTOR_STEP);
    match timeout(limit, lookup_host((host, port))).await {
        Ok(Ok(found)) => Ok(found.take(limits::DOCTOR_ADDRESSES).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the name server did not answer in {} s", limit.as_secs())),
    }
}

type Tried = Result<std::io::Result<TcpStream>, tokio::time::error::Elapsed>;

fn accepting(addresses: &[SocketAddr], tried: &[Tried], limit: Duration) -> (Finding, bool) {
    let check = "endpoint-tcp";
    let open = addresses.iter().zip(tried).find(|(_, tried)| matches!(tried, Ok(Ok(_))));
    if let Some((address, _)) = open {
        return (Finding::ok(check, format!("{address} accepts connections")), true);
    }
    let why = |(address, tried): (&SocketAddr, &Tried)| match tried {
        Ok(Err(error)) => format!("{address}: {error}"),
        _ => format!("{address}: no answer in {} s", limit.as_secs()),
    };
    let why: Vec<_> = addresses.iter().zip(tried).map(why).collect();
    let fix = if tried.iter().any(Result::is_err) {
        "a firewall may stand in the way: if this network asks for a proxy, name it in HTTPS_PROXY"
    } else {
        "check host and port, and that the relay runs"
    };
    (Finding::fail(check, format!("no connection: {}", why.join("; ")), fix), false)
}

/// Connects as a forwarder does, through the proxy and with TLS where there are such.
async fn dial(reached: &mut Reached, way: (&Uri, &Proxies, bool), deadline: Deadline) -> Option<Box<dyn Stream>> {
    let (uri, proxies, proxied) = way;
    let secure = uri.scheme_str() == Some("wss");
    let check = if proxied { "proxy-way" } else { "endpoint-tls" };
    let limit = deadline.within(limits::DOCTOR_STEP);
    let finding = match timeout(limit, dial::dial(uri, proxies)).await {
        Ok(Ok(stream)) => {
            let host = uri.host().unwrap_or_default();
            let good = Finding::ok("endpoint-tls", format!("the certificate is good for {host}"));
            reached.findings.extend(secure.then_some(good));
            return Some(stream);
        }
        Ok(Err(error)) => {
            let told = format!("{error:#}");
            // It ends with what to do.
            let (detail, fix) = told.rsplit_once("; ").unwrap_or((&told, "check the endpoint's URL"));
            match error.downcast_ref::<TlsRefused>() {
                Some(refused) => match refused.certificate() {
                    Some(why) => bad_certificate(uri, why, detail),
                    None => Finding::fail("endpoint-tls", detail, fix),
                },
                None => Finding::fail(check, detail, fix),
            }
        }
        Err(_) => {
            let proxy = "check the proxy, or put the endpoint's host into NO_PROXY if none is needed";
            let fix =
                if proxied { proxy } else { "check that the port speaks TLS; otherwise the URL is written ws://" };
            Finding::fail(check, format!("no answer in {} s", limit.as_secs()), fix)
        }
    };
    reached.findings.push(finding);
    None
}

/// Each reason has another fix.
fn bad_certificate(uri: &Uri, why: &CertificateError, detail: &str) -> Finding {
    let host = uri.host().unwrap_or_default();
    let now = crate::forwarder::report::timestamp(SystemTime::now());
    let (detail, fix) = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            format!("the certificate has expired; it is {now} by this machine's clock"),
            "renew the endpoint's certificate; if it was renewed, set this machine's clock: timedatectl set-ntp true"
                .into(),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            format!("the certificate is not valid yet; it is {now} by this machine's clock"),
            "set this machine's clock: timedatectl set-ntp true; if it is right, wait, or renew the certificate".into(),
        ),
        CertificateError::NotValidForName => (format!("the certificate is not for {host}"), other_name(&[])),
        CertificateError::NotValidForNameContext { presented, .. } => {
            (format!("the certificate is not for {host}"), other_name(presented))
        }
        CertificateError::UnknownIssuer => (
            "the certificate's issuer is not known to this machine".to_owned(),
            "name the authority's certificate in SSL_CERT_FILE; where the network looks into TLS, its authority's"
                .into(),
        ),
        _ => (
            detail.to_owned(),
            "renew the endpoint's certificate; a private authority's can be named in SSL_CERT_FILE".into(),
        ),
    };
    Finding::fail("endpoint-tls", detail, fix)
}

fn other_name(presented: &[String]) -> String {
    let bare = |name: &String| name.trim_start_matches("DnsName(\"").trim_end_matches("\")").to_owned();
    let names: Vec<_> = presented.iter().take(limits::DOCTOR_ADDRESSES).map(bare).collect();
    let more = if presented.len() > names.len() { " and others" } else { "" };
    let names = if names.is_empty() { String::new() } else { format!(", which is for {}{more}", names.join(", ")) };
    format!("call the endpoint by a name of its certificate{names}; or give it one for this name")
}

/// What the endpoint says that the time is. Any answer says it.
async fn time(stream: Box<dyn Stream>, uri: &Uri, deadline: Deadline) -> Option<SystemTime> {
    let asked = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        let request = Request::get("/").header(header::HOST, uri.authority()?.as_str());
        let request = request.body(Empty::<Bytes>::new()).ok()?;
        // It ends with the answer's connection, or with the doctor.
        tokio::spawn(connection);
        date(sender.send_request(request).await.ok()?.headers())
    };
    timeout(deadline.within(limits::DOCTOR_STEP), asked).await.ok().flatten()
}
