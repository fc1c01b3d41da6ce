//! The service by itself: which of its addresses accepts connections, and what it says to a plain question.

use super::Deadline;
use super::clock::date;
use super::finding::Finding;
use super::probe::{self, Reply};
use crate::forwarder::config::Service as Target;
use crate::limits;
use http::header::{self, HeaderMap, HeaderValue};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::SystemTime;

/// What the service was found to be.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) findings: Vec<Finding>,
    /// Where it answers, and what.
    pub(super) page: Option<(SocketAddr, Reply)>,
}

impl Service {
    /// What a service on another machine says the time is.
    pub(super) fn date(&self) -> Option<SystemTime> {
        let (address, reply) = self.page.as_ref()?;
        (!address.ip().is_loopback()).then(|| date(&reply.headers)).flatten()
    }
}

/// Looks for the service.
pub(super) fn reach(target: &Target, deadline: Deadline) -> Service {
    match target {
        Target::Directory(path) => Service { findings: vec![directory(path)], page: None },
        Target::Address { host, port } => address(host, *port, deadline),
    }
}

/// That it is readable was found when the words were read.
fn directory(path: &Path) -> Finding {
    let (check, shown) = ("service-directory", path.display());
    if path.join("index.html").is_file() {
        return Finding::ok(check, format!("{shown} is readable and has an index.html"));
    }
    let detail = format!("{shown} is readable and has no index.html, so visitors see a list of its files");
    Finding::warn(check, detail, "add an index.html, or name the directory that the site was built into, such as dist")
}

fn address(host: &str, port: u16, deadline: Deadline) -> Service {
    let mut service = Service::default();
    let addresses = match addresses(host, port, deadline) {
        Ok(addresses) => addresses,
        Err(error) => {
            let fix = "check the host's name; a service on this machine is named by its port alone";
            let detail = format!("{host:?} has no address: {error}");
            service.findings.push(Finding::fail("service-address", detail, fix));
            return service;
        }
    };
    let open = open(&addresses, deadline);
    service.findings.push(accepting(&open));
    let Some((address, _)) = open.iter().find(|(_, outcome)| outcome.is_ok()) else { return service };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let host = if port == 80 { host } else { format!("{host}:{port}") };
    http(&mut service, *address, &host, deadline);
    service
}

/// As `Service::find` has it: `localhost` is both loopback addresses. A resolver that does not answer is left behind.
fn addresses(host: &str, port: u16, deadline: Deadline) -> io::Result<Vec<SocketAddr>> {
    if host == "localhost" {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Ok(loopback.map(|address| SocketAddr::new(address, port)).to_vec());
    }
    let (found, finding) = mpsc::channel();
    let place = (host.to_owned(), port);
    std::thread::spawn(move || {
        let addresses = place.to_socket_addrs().map(|addresses| addresses.take(limits::DOCTOR_ADDRESSES).collect());
        // Nobody waits for it any more.
        let _late = found.send(addresses);
    });
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the name server does not answer");
    finding.recv_timeout(deadline.within(limits::DOCTOR_STEP)).map_err(late)?
}

type Tried = (SocketAddr, io::Result<()>);

/// Tries all addresses at the same time.
fn open(addresses: &[SocketAddr], deadline: Deadline) -> Vec<Tried> {
    let limit = deadline.within(limits::DOCTOR_STEP);
    std::thread::scope(|scope| {
        let tries = addresses
            .iter()
            .map(|address| (*address, scope.spawn(move || TcpStream::connect_timeout(address, limit).map(drop))));
        let tries: Vec<_> = tries.collect();
        let panicked = |_| Err(io::Error::other("the check failed"));
        tries.into_iter().map(|(address, tried)| (address, tried.join().unwrap_or_else(panicked))).collect()
    })
}

fn accepting(tried: &[Tried]) -> Finding {
    let check = "service-address";
    let listed = |accept: bool| {
        let addresses = tried.iter().filter(|(_, outcome)| outcome.is_ok() == accept);
        addresses.map(|(address, _)| address.to_string()).collect::<Vec<_>>()
    };
    let (open, closed) = (listed(true), listed(false));
    if open.is_empty() {
        let why = tried.iter().find_map(|(_, outcome)| outcome.as_ref().err());
        let why = why.map(|error| format!(" ({error})")).unwrap_or_default();
        let detail = format!("nothing accepts connections at {}{why}", closed.join(" or "));
        return Finding::fail(check, detail, "start the service, or give the port that it says it listens on");
    }
    let verb = if open.len() == 1 { "accepts" } else { "accept" };
    let also = match closed.as_slice() {
        [] => String::new(),
        closed => format!("; {} does not, one is enough", closed.join(", ")),
    };
    Finding::ok(check, format!("{} {verb} connections{also}", open.join(" and ")))
}

fn http(service: &mut Service, address: SocketAddr, host: &str, deadline: Deadline) {
    let headers = HeaderValue::from_str(host).map(|host| HeaderMap::from_iter([(header::HOST, host)]));
    let asked = probe::ask(address, "/", &headers.unwrap_or_default(), deadline);
    let suspicious = asked.as_ref().map_or(true, |reply| reply.status == http::StatusCode::BAD_REQUEST);
    let timed_out = matches!(asked, Err(ureq::Error::Timeout(_)));
    if suspicious && !timed_out && probe::speaks_tls(address, deadline) {
        let detail = format!("{address} speaks TLS (https), and a forwarder asks in plain HTTP");
        let fix = "start the service without TLS, visitors have https from the endpoint (Vite: leave server.https away; \
                   Next.js: no --experimental-https; Rails: bind tcp:// instead of ssl://)";
        return service.findings.push(Finding::fail("service-http", detail, fix));
    }
    service.findings.push(match &asked {
        Ok(reply) => spoken(reply),
        Err(error) if timed_out => Finding::fail(
            "service-http",
            format!("no answer to GET / ({error})"),
            "look at the service's own log: it accepts connections and does not answer",
        ),
        Err(error) => Finding::fail(
            "service-http",
            format!("no HTTP answer to GET /: {error}"),
            "check the port: what listens there is no HTTP server, or closes connections",
        ),
    });
    service.page = asked.ok().map(|reply| (address, reply));
}

fn spoken(reply: &Reply) -> Finding {
    let detail = format!("GET / answers {} in {} ms", reply.status.as_u16(), reply.took.as_millis());
    if reply.status.is_server_error() {
        return Finding::warn("service-http", detail, "look at the service's own log; visitors would see this, too");
    }
    Finding::ok("service-http", detail)
}
