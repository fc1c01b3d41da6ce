//! Headers that the user sets towards the service cannot damage the exchange.

use super::HostHeader;
use super::address::host_and_port;
use super::value::Value;
use crate::head::strip_hop_by_hop;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Reads what `Host` shall be.
pub(super) fn host(value: Option<&Value>) -> Result<HostHeader, String> {
    let Some(Value { text, source }) = value else { return Ok(HostHeader::Rewrite) };
    match text.as_str() {
        "rewrite" => Ok(HostHeader::Rewrite),
        "preserve" => Ok(HostHeader::Preserve),
        host => {
            host_and_port(host).map_err(|why| format!("{source} {host:?} is rewrite, preserve or a host: {why}"))?;
            let value = HeaderValue::from_str(host).map_err(|_| format!("{source} {host:?} is no host"))?;
            Ok(HostHeader::Value(value))
        }
    }
}

/// Reads a header to add. The value may be a secret, so an error names only the header.
pub(super) fn added(Value { text, source }: &Value) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| format!("{source} is 'Name: value', this one has no colon"))?;
    let name: HeaderName =
        name.parse().map_err(|_| format!("{source}: {name:?} is no header name; write 'Name: value'"))?;
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("{source} {name}: the value holds a control character"))?;
    value.set_sensitive(true);
    if name == header::HOST {
        return Err(format!("{source} cannot set Host; use {}", source.sibling("host-header")));
    }
    let mut line = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(""))]);
    strip_hop_by_hop(&mut line);
    let framing = [header::CONTENT_LENGTH, header::EXPECT, header::SEC_WEBSOCKET_KEY];
    if line.is_empty() || framing.contains(&name) {
        return Err(format!("{source} cannot set {name}: it belongs to one connection, which the forwarder manages"));
    }
    Ok((name, value))
}
