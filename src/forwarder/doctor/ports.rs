//! Ports of this program's own: the public end inside it, and the inspector.

use super::Deadline;
use super::finding::Finding;
use crate::limits;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Whether the public end inside this program has its port, and which port it would have.
pub(super) fn embedded(listen: SocketAddr, chosen: bool) -> (Finding, u16) {
    let (finding, address) = examine("endpoint-port", listen, chosen, "--listen");
    (finding, address.port())
}

/// Whether the inspector has its port.
pub(super) fn inspector(listen: SocketAddr, chosen: bool) -> Finding {
    examine("inspector", listen, chosen, "--inspect").0
}

fn examine(check: &'static str, listen: SocketAddr, chosen: bool, flag: &str) -> (Finding, SocketAddr) {
    let held = match bind(listen) {
        Ok(address) => return (Finding::ok(check, format!("{address} is free")), address),
        Err(error) => error,
    };
    let last = listen.port().saturating_add(limits::PORTS);
    let next = (listen.port()..=last).filter(|_| !chosen && held.kind() == io::ErrorKind::AddrInUse).skip(1);
    let next = next.map(|port| SocketAddr::new(listen.ip(), port)).find(|address| bind(*address).is_ok());
    let who = format!("ss -ltnp 'sport = :{}' shows whose it is", listen.port());
    match next {
        Some(next) => {
            let detail = format!("{listen} is another program's; {next} would be taken");
            (Finding::warn(check, detail, format!("stop that program, or choose with {flag}; {who}")), next)
        }
        None => {
            let detail = format!("cannot listen on {listen}: {held}");
            (Finding::fail(check, detail, format!("choose another address with {flag}; {who}")), listen)
        }
    }
}

/// Listens for a moment.
fn bind(address: SocketAddr) -> io::Result<SocketAddr> {
    TcpListener::bind(address)?.local_addr()
}

/// Whether programs on this machine find `NAME.localhost`.
pub(super) async fn localhost(name: &str, deadline: Deadline) -> Finding {
    let check = "endpoint-localhost";
    let host = format!("{name}.localhost");
    let looked_up = tokio::net::lookup_host((host.as_str(), 80));
    let found = tokio::time::timeout(deadline.within(limits::DOCTOR_STEP), looked_up).await;
    let addresses: Vec<_> = found.ok().and_then(Result::ok).into_iter().flatten().map(|address| address.ip()).collect();
    if !addresses.is_empty() && addresses.iter().all(|address| address.is_loopback()) {
        return Finding::ok(check, format!("{host} is this machine"));
    }
    Finding::warn(
        check,
        format!("browsers find {host} on this machine, programs that ask the system do not"),
        format!(
            "for those, add \"127.0.0.1 {host}\" to /etc/hosts, or ask 127.0.0.1: the only tunnel answers there, too"
        ),
    )
}
