//! Which proxy stands in the way to the endpoint, and whether it can be reached.

use super::Deadline;
use super::finding::Finding;
use crate::forwarder::dial::{Proxies, Route};
use crate::limits;
use http::Uri;

const CHECK: &str = "proxy";

/// The finding, and whether the way leads through a proxy.
pub(super) async fn examine(uri: &Uri, proxies: &Proxies, deadline: Deadline) -> (Finding, bool) {
    match proxies.route(uri) {
        Ok(route) => (found(&route, deadline).await, route.through.is_some()),
        Err(error) => (Finding::fail(CHECK, format!("{error:#}"), "unset the variable, or mend it"), true),
    }
}

async fn found(route: &Route, deadline: Deadline) -> Finding {
    let set = match route.set.as_slice() {
        [] => return Finding::ok(CHECK, "none: no proxy variable is set for this endpoint"),
        [one] => format!("{one} is set"),
        several => format!("{} are set", several.join(" and ")),
    };
    let Some((variable, place)) = &route.through else {
        let why = if route.excepted { "NO_PROXY excludes the endpoint" } else { "none applies to this endpoint" };
        return Finding::ok(CHECK, format!("none: {set}, {why}"));
    };
    let limit = deadline.within(limits::DOCTOR_STEP);
    let why = match tokio::time::timeout(limit, tokio::net::TcpStream::connect(place.as_str())).await {
        Ok(Ok(_)) => return Finding::ok(CHECK, format!("{place} ({variable}) accepts connections")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer in {} s", limit.as_secs()),
    };
    Finding::fail(
        CHECK,
        format!("the proxy {place} ({variable}) cannot be reached: {why}"),
        format!("correct {variable}, or put the endpoint's host into NO_PROXY if no proxy is needed"),
    )
}
