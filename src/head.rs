//! A head keeps what the two ends said to each other and drops what was meant for one connection only.
//!
//! Header names and values are validated when a head is built ([`http::HeaderMap`] holds nothing else), so no line
//! break can travel inside one.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use std::net::IpAddr;

/// Names of the headers that tell a service about the visitor.
pub mod forwarded {
    use http::HeaderName;

    /// The visitor's address, behind those of the proxies in front.
    pub const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    /// `http` or `https`, as the visitor spoke it.
    pub const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    /// The host that the visitor asked for.
    pub const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
    /// What path mode cut off the front of the path.
    pub const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
}

/// The header in which the gate names its own faults; a service's answer never carries it.
pub const FAULT: HeaderName = HeaderName::from_static("x-tunnel-error");

/// The header in which a forwarder that wants each hop timed says with its answer what it and the service took, in
/// microseconds; the gate makes `Server-Timing` of it.
pub const TIMING: HeaderName = HeaderName::from_static("x-tunnel-timing");

/// The head of a visitor's request, as it travels to the forwarder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Any method.
    pub method: Method,
    /// Path and query, byte for byte as the visitor sent them (`*` for `OPTIONS *`).
    pub target: PathAndQuery,
    /// End-to-end headers, and the `x-forwarded-*` that the gate adds.
    pub headers: HeaderMap,
    /// The visitor's address, for the forwarder's own rules.
    pub from: Option<IpAddr>,
    /// The visitor asks for a WebSocket; `headers` has no handshake fields but the subprotocols.
    pub websocket: bool,
}

/// The head of the service's answer, as it travels to the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The service's status; 101 says that a WebSocket is open.
    pub status: StatusCode,
    /// End-to-end headers.
    pub headers: HeaderMap,
}

/// Hop-by-hop by definition (RFC 9110 §7.6.1), whether `Connection` names them or not.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Removes what belongs to one connection: the fields above and those that `Connection` names. A `Connection` that names
/// a field every exchange needs (`Host`, `Content-Length`, …) does not get rid of it.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        for name in connection_options(headers) {
            headers.remove(name);
        }
    }
    // Most heads have none of them, and looking at all names costs less than looking each field up.
    if headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        for name in &HOP_BY_HOP {
            headers.remove(name);
        }
    }
}

fn connection_options(headers: &HeaderMap) -> Vec<HeaderName> {
    let end_to_end =
        [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::AUTHORIZATION, header::COOKIE];
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|option| HeaderName::from_bytes(option.trim().as_bytes()).ok())
        .filter(|name| !end_to_end.contains(name) && !name.as_str().starts_with("x-forwarded-"))
        .collect()
}

/// Joins cookies that HTTP/2 lets a client send apart: in HTTP/1.1 they are one line (RFC 9113 §8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(line) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, line);
    }
}

/// Whether the request asks for a WebSocket (RFC 6455 §4.2.1): a GET with `Upgrade: websocket` and a key.
pub fn asks_for_websocket(method: &Method, headers: &HeaderMap) -> bool {
    let has_token = |name: HeaderName, token: &str| {
        let values = headers.get_all(name);
        values
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .any(|t| t.trim().eq_ignore_ascii_case(token))
    };
    method == Method::GET
        && has_token(header::UPGRADE, "websocket")
        && has_token(header::CONNECTION, "upgrade")
        && headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Removes the fields of a WebSocket handshake that concern one connection; the subprotocols stay.
pub fn strip_websocket_handshake(headers: &mut HeaderMap) {
    for name in [
        header::SEC_WEBSOCKET_KEY,
        header::SEC_WEBSOCKET_VERSION,
        header::SEC_WEBSOCKET_EXTENSIONS,
        header::SEC_WEBSOCKET_ACCEPT,
    ] {
        headers.remove(name);
    }
}

/// What the gate knows of a visitor's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Address of the connection.
    pub address: Option<IpAddr>,
    /// The connection is TLS.
    pub secure: bool,
    /// The connection comes from a proxy of the operator's, whose `x-forwarded-*` are believed.
    pub trusted_proxy: bool,
}

/// Makes `x-forwarded-*` tell the truth and returns the visitor's address. What an untrusted visitor wrote there
/// is replaced; what a trusted proxy wrote is kept and the proxy's own address appended.
pub fn set_forwarded(headers: &mut HeaderMap, visitor: &Visitor, host: &str, prefix: Option<&str>) -> Option<IpAddr> {
    let mut from = visitor.address;
    let mut chain = String::new();
    if visitor.trusted_proxy {
        chain = listed(headers, &forwarded::FOR);
        from = chain.rsplit(',').next().and_then(|last| last.trim().parse().ok()).or(from);
    } else {
        headers.remove(header::FORWARDED);
    }
    if let Some(address) = visitor.address {
        chain.push_str(if chain.is_empty() { "" } else { ", " });
        push_address(&mut chain, address);
    }
    let proto = HeaderValue::from_static(if visitor.secure { "https" } else { "http" });
    put(headers, forwarded::FOR, HeaderValue::try_from(chain).ok().filter(|chain| !chain.is_empty()), true);
    put(headers, forwarded::PROTO, Some(proto), !visitor.trusted_proxy);
    put(headers, forwarded::HOST, HeaderValue::from_str(host).ok().filter(|h| !h.is_empty()), !visitor.trusted_proxy);
    put(headers, forwarded::PREFIX, prefix.and_then(|prefix| HeaderValue::from_str(prefix).ok()), true);
    from
}

fn listed(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<_> = headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
    values.join(", ")
}

/// Writes an address as its `Display` does, which takes ten times as long for IPv4: every request has one.
pub(crate) fn push_address(text: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        text.push_str(&address.to_string());
        return;
    };
    let mut separator = "";
    for octet in address.octets() {
        let digits = [octet / 100, octet / 10 % 10, octet % 10].map(|digit| char::from(b'0' + digit));
        text.push_str(separator);
        text.extend(&digits[usize::from(octet < 100) + usize::from(octet < 10)..]);
        separator = ".";
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>, replace: bool) {
    if !replace && headers.contains_key(&name) {
        return;
    }
    match value {
        Some(value) => drop(headers.insert(name, value)),
        None => drop(headers.remove(name)),
    }
}

/// Bytes that a head takes in its HTTP/1.1 form, without the request or status line.
pub fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
