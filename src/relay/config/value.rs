//! A flag's value is understood or refused with what would be right; nothing is guessed.

use crate::limits;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an address is IP:PORT, such as 0.0.0.0:8443 or [::]:8443".to_owned())
}

pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into()));
    network.map_err(|_| "a network is an address or ADDRESS/BITS, such as 10.0.0.0/8".to_owned())
}

/// A host name of letters, digits and hyphens, in lower case; the tunnel's name goes in front of it.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let domain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        plain && !label.starts_with('-') && !label.ends_with('-') && (1..=63).contains(&label.len())
    };
    let is_name = domain.split('.').all(is_label) && domain.parse::<IpAddr>().is_err();
    // A name of 40 and a dot in front must not exceed the 253 that DNS allows.
    let fits = domain.len() + limits::NAME_LENGTH.end() < 253;
    (is_name && fits)
        .then_some(domain)
        .ok_or_else(|| "a domain is a bare host name, such as tunnel.example.com".to_owned())
}

pub(super) fn public_url(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let has_place = rest.is_some_and(|rest| rest.matches("{tunnel}").count() == 1);
    let wanted = "a public URL is http(s)://{tunnel}.DOMAIN or http(s)://HOST/{tunnel}";
    has_place.then(|| url.to_owned()).ok_or_else(|| wanted.to_owned())
}

pub(super) fn count(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "a whole number from 1 is wanted".to_owned())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: NonZeroU32 = text.parse().map_err(|_| "a whole number of seconds from 1 is wanted".to_owned())?;
    Ok(Duration::from_secs(seconds.get().into()))
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 1,
        "K" | "KIB" => 1 << 10,
        "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        _ => 0,
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| "a size is a number of bytes, or one with K, M or G, such as 500M".to_owned())
}

pub(super) fn head_size(text: &str) -> Result<usize, String> {
    let bytes = usize::try_from(size(text)?).unwrap_or(usize::MAX);
    let range = limits::HEAD_LEAST..=limits::HEAD;
    range.contains(&bytes).then_some(bytes).ok_or_else(|| "a head is limited to 8K at least and 64K at most".to_owned())
}
