//! The inspector is on loopback or nowhere; secrets are read, and found to be usable, before anything starts.

use super::value::{Layer, Value};
use crate::forwarder::inspector::Settings;
use crate::forwarder::inspector::signature::Scheme;
use crate::limits;
use crate::secret::{Lookup, Secret};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the inspector listens unless told.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4040);

/// One megabyte of `--inspect-memory`.
const MEGABYTE: usize = 1024 * limits::KIB;

/// The inspector's settings; `None`: it is off.
pub(super) fn settings(layer: &Layer) -> Result<Option<Settings>, String> {
    let memory = layer.one("inspect-memory").map_or(Ok(limits::INSPECT_MEMORY), memory)?;
    let (listen, chosen) = match layer.one("inspect") {
        Some(value) if value.text == "off" => return Ok(None),
        Some(value) => (address(value)?, true),
        None => (DEFAULT, false),
    };
    Ok(Some(Settings { listen, chosen, memory }))
}

fn address(Value { text, source }: &Value) -> Result<SocketAddr, String> {
    let on_loopback = text.strip_prefix("localhost:").unwrap_or(text);
    let port = on_loopback.parse().map(|port| SocketAddr::new(DEFAULT.ip(), port));
    let address: SocketAddr = port
        .or_else(|_| text.parse())
        .map_err(|_| format!("{source} {text:?} is no address; write 127.0.0.1:4040, a port, or off"))?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!("{source} {text:?} is not on loopback; the inspector shows everything and asks for no login"))
}

fn memory(Value { text, source }: &Value) -> Result<usize, String> {
    let (least, most) = (limits::INSPECT_MEMORY_LEAST / MEGABYTE, 64 * 1024);
    let megabytes = text.parse().ok().filter(|megabytes| (least..=most).contains(megabytes));
    megabytes
        .map(|megabytes: usize| megabytes * MEGABYTE)
        .ok_or_else(|| format!("{source} {text:?} is no size; write megabytes from {least} to {most}"))
}

/// Reads `SCHEME:SECRET`.
pub(super) fn secret(value: &Value, env: Lookup<'_>) -> Result<(Scheme, Secret), String> {
    let text = match value.text.find(':') {
        Some(colon) => format!("{}{}", &value.text[..=colon], value.behind(colon + 1).located()?),
        None => value.text.clone(),
    };
    Scheme::with_secret(&text, env).map_err(|why| format!("{}: {why}", value.source))
}
