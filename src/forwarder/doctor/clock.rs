//! Signatures and tokens are good for minutes: a clock that is off makes good ones bad.

use super::finding::Finding;
use crate::forwarder::config::Endpoint;
use crate::limits;
use http::header::{self, HeaderMap};
use std::time::SystemTime;

/// When an answer says that it was given.
pub(super) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()
}

/// Compares this machine's clock with what another one says that the time is.
pub(super) fn examine(endpoint: &Endpoint, asked: bool, there: Option<SystemTime>) -> Finding {
    let Some(there) = there else {
        return Finding::skipped(
            "clock",
            match endpoint {
                Endpoint::Embedded { .. } => "no other machine is asked",
                Endpoint::Remote(_) if !asked => "the endpoint was not reached",
                Endpoint::Remote(_) => "the endpoint does not say what the time is",
            },
        );
    };
    let now = SystemTime::now();
    let (off, side) = match now.duration_since(there) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if off <= limits::CLOCK_SKEW {
        return Finding::ok("clock", "agrees with the other machine's to the minute");
    }
    Finding::fail(
        "clock",
        format!("this machine's clock is {} s {side} the other machine's", off.as_secs()),
        "set it: timedatectl set-ntp true; tokens and webhook signatures are good for minutes only",
    )
}
