//! What a JWT says of itself. It is read, not verified: only the gate has the key.

use super::finding::Finding;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    names: Option<Vec<String>>,
}

/// `None`: the token is no JWT.
pub(super) fn examine(token: &Secret, now: SystemTime) -> Option<Finding> {
    let mut parts = token.expose().split('.');
    let (_head, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let names = claims.names.map_or("any name".to_owned(), |names| format!("the names {}", names.join(", ")));
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let read = "a JWT (read, not verified)";
    Some(match claims.exp.map(|at| Duration::try_from_secs_f64(at).unwrap_or_default()) {
        None => Finding::ok("token-claims", format!("{read}: for {names}, without an end")),
        Some(end) if end > now => {
            Finding::ok("token-claims", format!("{read}: for {names}, expires in {}", span(end - now)))
        }
        Some(end) => Finding::fail(
            "token-claims",
            format!("{read}: for {names}, expired {} ago by this machine's clock", span(now - end)),
            "ask the operator for a new token; if it is new, set this machine's clock",
        ),
    })
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
