//! The inspector is on loopback or nowhere; secrets are read, and found to be usable, before anything starts.

use super::arguments::Arguments;
use crate::forwarder::inspector::Settings;
use crate::forwarder::inspector::signature::Scheme;
use crate::limits;
use crate::secret::{Lookup, Secret};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Where the inspector listens unless told.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4040);

/// One megabyte of `--inspect-memory`.
const MEGABYTE: usize = 1024 * limits::KIB;

/// The inspector's settings; `None`: it is off.
pub(super) fn settings(
    arguments: &Arguments,
    timeout: Duration,
    secrets: &[(Scheme, Secret)],
) -> Result<Option<Settings>, String> {
    let memory = arguments.inspect_memory.as_deref().map_or(Ok(limits::INSPECT_MEMORY), memory)?;
    let (listen, chosen) = match arguments.inspect.as_deref() {
        Some("off") => return Ok(None),
        Some(text) => (address(text)?, true),
        None => (DEFAULT, false),
    };
    Ok(Some(Settings { listen, chosen, memory, secrets: secrets.to_vec(), timeout }))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let on_loopback = text.strip_prefix("localhost:").unwrap_or(text);
    let port = on_loopback.parse().map(|port| SocketAddr::new(DEFAULT.ip(), port));
    let address: SocketAddr = port
        .or_else(|_| text.parse())
        .map_err(|_| format!("--inspect {text:?} is no address; write 127.0.0.1:4040, a port, or off"))?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!("--inspect {text:?} is not on loopback; the inspector shows everything and asks for no login"))
}

fn memory(text: &str) -> Result<usize, String> {
    let (least, most) = (limits::INSPECT_MEMORY_LEAST / MEGABYTE, 64 * 1024);
    let megabytes = text.parse().ok().filter(|megabytes| (least..=most).contains(megabytes));
    megabytes
        .map(|megabytes: usize| megabytes * MEGABYTE)
        .ok_or_else(|| format!("--inspect-memory {text:?} is no size; write megabytes from {least} to {most}"))
}

/// Reads `SCHEME:SECRET` of each; `flag` is where they stand.
pub(super) fn secrets(flag: &str, texts: &[String], env: Lookup<'_>) -> Result<Vec<(Scheme, Secret)>, String> {
    texts.iter().map(|text| Scheme::with_secret(text, env).map_err(|why| format!("{flag}: {why}"))).collect()
}
