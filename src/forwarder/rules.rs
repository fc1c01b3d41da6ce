//! A visitor whom the rules do not admit never reaches the service.

use crate::fault::{Code, Fault};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{self, HeaderMap};
use ipnet::{IpNet, Ipv4Net};
use std::fmt;
use std::net::IpAddr;

/// Who may visit.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// User and password that visitors are asked for.
    pub basic_auth: Option<BasicAuth>,
    /// When not empty, only visitors from these networks are admitted.
    pub allow: Vec<IpNet>,
    /// Visitors from these networks are refused, whatever `allow` says.
    pub deny: Vec<IpNet>,
}

/// User and password, kept as digests: digests are equally long, so comparing them tells nothing of the originals.
#[derive(Clone)]
pub struct BasicAuth {
    user: Digest,
    password: Digest,
}

impl BasicAuth {
    /// Keeps the digests of both.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: digest(&SHA256, user.as_bytes()), password: digest(&SHA256, password.as_bytes()) }
    }

    /// Whether the credentials of an `Authorization: Basic` are these.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(login) = credentials(headers) else { return false };
        let Some(colon) = login.iter().position(|&byte| byte == b':') else { return false };
        let same = |expected: &Digest, given: &[u8]| {
            verify_slices_are_equal(expected.as_ref(), digest(&SHA256, given).as_ref()).is_ok()
        };
        // No short cut: a wrong user takes as long as a wrong password.
        same(&self.user, &login[..colon]) & same(&self.password, &login[colon + 1..])
    }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BasicAuth(***)")
    }
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The decoded `user:password`; `None` when there is none, more than one, or it is malformed.
fn credentials(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(encoded.trim()).ok())?
}

impl Rules {
    /// Decides on a visitor by the address that the gate saw and the request's headers.
    ///
    /// # Errors
    /// [`Code::Forbidden`] by address, which goes first; [`Code::Unauthorized`] by password.
    pub fn check(&self, from: Option<IpAddr>, headers: &HeaderMap) -> Result<(), Fault> {
        if !self.admits_address(from) {
            return Err(Fault::new(Code::Forbidden, "this tunnel is not open to your address"));
        }
        match &self.basic_auth {
            Some(login) if !login.admits(headers) => {
                Err(Fault::new(Code::Unauthorized, "this tunnel asks for a user and a password"))
            }
            _ => Ok(()),
        }
    }

    /// Whether `Authorization` is the tunnel's own, which is not passed on to the service.
    pub fn removes_authorization(&self) -> bool {
        self.basic_auth.is_some()
    }

    fn admits_address(&self, from: Option<IpAddr>) -> bool {
        if self.allow.is_empty() && self.deny.is_empty() {
            return true;
        }
        // An address that nobody knows is not known to be admitted.
        let Some(from) = from.map(|address| address.to_canonical()) else { return false };
        let among = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&from));
        !among(&self.deny) && (self.allow.is_empty() || among(&self.allow))
    }
}

/// Reads a network or a single address. What is written as IPv4 inside IPv6 counts as the IPv4 that it is, like a
/// visitor's address does.
pub fn network(text: &str) -> Option<IpNet> {
    let network: IpNet = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => Ipv4Net::new(v4, v6.prefix_len() - 96).ok().map(IpNet::V4),
            None => Some(network),
        },
        _ => Some(network),
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
