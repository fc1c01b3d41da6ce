//! A forwarder's handshake becomes a claim, or is refused with a status and a text that its user can act on.
//!
//! Pure: the caller brings the headers and the time. Both public ends admit forwarders by these rules.

use super::access::{Access, Denied};
use super::switchboard::{Claim, Refusal, owner_hash};
use crate::id::{OwnerSecret, TunnelName};
use crate::wire::{Encoding, handshake};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};
use std::time::SystemTime;

/// Why a handshake is refused, for the forwarder's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status of the answer.
    pub status: StatusCode,
    /// The answer's body: one line without its end.
    pub text: String,
    /// What kind of refusal this is, for the operator.
    pub reason: Reason,
}

/// Kinds of refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The handshake itself is not as the protocol wants it.
    Malformed,
    /// The token does not admit the forwarder.
    Denied(Denied),
    /// The name cannot be had.
    Refused(Refusal),
}

impl Refused {
    /// A handshake that is not as the protocol wants it.
    pub fn malformed(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), reason: Reason::Malformed }
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self { status: denied.status(), text: denied.to_string(), reason: Reason::Denied(denied) }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::NameTaken(_) => StatusCode::CONFLICT,
            Refusal::TooManyTunnels(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::NoNameFree => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, text: refusal.to_string(), reason: Reason::Refused(refusal) }
    }
}

/// The best encoding that the forwarder offers among those that this `gate` (its name, for the text) speaks.
///
/// # Errors
/// There is none: 426, and the text names both sides'.
pub fn encoding(headers: &HeaderMap, spoken: &[Encoding], gate: &str) -> Result<Encoding, Refused> {
    let offered = text(headers, &header::SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
    Encoding::choose_of(spoken, offered).ok_or_else(|| {
        let ours: Vec<_> = spoken.iter().map(|encoding| encoding.subprotocol()).collect();
        let ours = ours.join(" and ");
        let text = format!("this {gate} speaks {ours}, the forwarder offers {offered}: upgrade the older of the two");
        Refused::malformed(StatusCode::UPGRADE_REQUIRED, text)
    })
}

/// What the forwarder claims, once its token has been accepted.
///
/// # Errors
/// A header is malformed, or the token does not admit the forwarder.
pub fn claim(access: &Access, headers: &HeaderMap, now: SystemTime) -> Result<Claim, Refused> {
    let malformed = |text: String| Refused::malformed(StatusCode::BAD_REQUEST, text);
    let name = text(headers, &handshake::NAME).map(str::parse::<TunnelName>).transpose();
    let name = name.map_err(|error| malformed(error.to_string()))?;
    let owner = text(headers, &handshake::OWNER).and_then(OwnerSecret::from_hex);
    let owner = owner.ok_or_else(|| malformed("the header x-tunnel-owner must hold 64 hex digits".to_owned()))?;
    let grant = access.admit(headers.get(header::AUTHORIZATION), name.as_ref(), now)?;
    Ok(Claim { name, owner: owner_hash(&owner), subject: grant.subject })
}

/// A header's text; `None` where it is missing or not text.
pub fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
