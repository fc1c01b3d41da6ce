//! Only programs on this machine and pages of the inspector itself are served: a foreign page in the same browser neither
//! reads nor posts, under whatever name it reaches the port.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};
use std::net::SocketAddr;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreign(pub(super) StatusCode, pub(super) &'static str);

/// Decides on a request to `path` of the inspector at `address`.
///
/// # Errors
/// [`Foreign`]: it comes from another site, or from one that took this address under a name of its own.
pub(super) fn admit(address: SocketAddr, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Foreign> {
    let hosts = hosts(address);
    let own = |host: &str| hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
    if !one(headers, &header::HOST).is_some_and(own) {
        return Err(Foreign(StatusCode::MISDIRECTED_REQUEST, "the Host header is not the inspector's own address"));
    }
    let origin = headers.contains_key(header::ORIGIN);
    let own_origin = one(headers, &header::ORIGIN).and_then(|origin| origin.strip_prefix("http://")).is_some_and(own);
    if origin && !own_origin {
        return Err(Foreign(StatusCode::FORBIDDEN, "another site may not use the inspector"));
    }
    // Browsers send no Origin with pictures and scripts, but this.
    let opens_page = *method == Method::GET && path == "/" && one(headers, &FETCH_MODE) == Some("navigate");
    match one(headers, &FETCH_SITE) {
        None if headers.contains_key(&FETCH_SITE) => {
            Err(Foreign(StatusCode::FORBIDDEN, "two sites cannot be told apart"))
        }
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if opens_page => Ok(()),
        Some(_) => Err(Foreign(StatusCode::FORBIDDEN, "another site may not use the inspector")),
    }?;
    // A form of another site can send text, but not declare it to be JSON without being asked first.
    let json = || one(headers, &header::CONTENT_TYPE).is_some_and(is_json);
    if matches!(*method, Method::POST | Method::PUT) && !json() {
        return Err(Foreign(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body is JSON, with Content-Type: application/json",
        ));
    }
    Ok(())
}

fn is_json(value: &str) -> bool {
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// The hosts under which a page reaches the inspector.
fn hosts(address: SocketAddr) -> [String; 2] {
    [address.to_string(), format!("localhost:{}", address.port())]
}

/// The one value of `name`, where it is text.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(method: Method, path: &str, lines: &[(&'static str, &str)]) -> u16 {
        let address = SocketAddr::from(([127, 0, 0, 1], 4040));
        let pair =
            |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().expect("a value"));
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(pair) {
            headers.append(name, value);
        }
        admit(address, &method, path, &headers).map_or_else(|foreign| foreign.0.as_u16(), |()| 200)
    }

    #[test]
    fn only_the_own_host_is_answered() {
        for (host, status) in [
            ("127.0.0.1:4040", 200),
            ("localhost:4040", 200),
            ("LOCALHOST:4040", 200),
            ("127.0.0.1", 421),
            ("localhost:4041", 421),
            ("rebound.example:4040", 421),
            ("127.0.0.1:4040.example", 421),
            ("localhost.:4040", 421),
        ] {
            assert_eq!(decide(Method::GET, "/api", &[("host", host)]), status, "{host}");
        }
        assert_eq!(decide(Method::GET, "/", &[]), 421);
        assert_eq!(decide(Method::GET, "/", &[("host", "localhost:4040"), ("host", "localhost:4040")]), 421);
    }

    #[test]
    fn a_foreign_origin_is_turned_away() {
        let host = ("host", "127.0.0.1:4040");
        for (origin, status) in [
            ("http://127.0.0.1:4040", 200),
            ("http://localhost:4040", 200),
            ("https://127.0.0.1:4040", 403),
            ("http://localhost:8080", 403),
            ("http://evil.example", 403),
            ("null", 403),
        ] {
            assert_eq!(decide(Method::GET, "/api", &[host, ("origin", origin)]), status, "{origin}");
        }
        let doubled = [host, ("origin", "http://127.0.0.1:4040"), ("origin", "http://evil.example")];
        assert_eq!(decide(Method::GET, "/api", &doubled), 403);
    }

    #[test]
    fn a_foreign_page_opens_the_page_and_nothing_else() {
        let host = ("host", "127.0.0.1:4040");
        let navigates = |site| [host, ("sec-fetch-site", site), ("sec-fetch-mode", "navigate")];
        assert_eq!(decide(Method::GET, "/", &navigates("cross-site")), 200);
        assert_eq!(decide(Method::GET, "/api/har", &navigates("cross-site")), 403);
        assert_eq!(decide(Method::GET, "/api/har", &navigates("none")), 200);
        assert_eq!(decide(Method::GET, "/app.js", &[host, ("sec-fetch-site", "same-site")]), 403);
        assert_eq!(decide(Method::GET, "/app.js", &[host, ("sec-fetch-site", "same-origin")]), 200);
    }

    #[test]
    fn what_changes_something_is_json() {
        let host = ("host", "127.0.0.1:4040");
        for (kind, status) in [
            ("application/json", 200),
            ("Application/JSON; charset=utf-8", 200),
            ("text/plain", 415),
            ("text/plain;application/json", 415),
            ("application/x-www-form-urlencoded", 415),
        ] {
            assert_eq!(decide(Method::POST, "/api/har", &[host, ("content-type", kind)]), status, "{kind}");
        }
        assert_eq!(decide(Method::PUT, "/api/har", &[host]), 415);
    }
}
