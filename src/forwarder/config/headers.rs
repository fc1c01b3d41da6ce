//! Headers that the user sets towards the service cannot damage the exchange.

use super::HostHeader;
use super::address::host_and_port;
use crate::head::strip_hop_by_hop;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Reads what `Host` shall be.
pub(super) fn host(text: Option<&str>) -> Result<HostHeader, String> {
    match text {
        None | Some("rewrite") => Ok(HostHeader::Rewrite),
        Some("preserve") => Ok(HostHeader::Preserve),
        Some(host) => {
            host_and_port(host)
                .map_err(|why| format!("--host-header {host:?} is rewrite, preserve or a host: {why}"))?;
            let value = HeaderValue::from_str(host).map_err(|_| format!("--host-header {host:?} is no host"))?;
            Ok(HostHeader::Value(value))
        }
    }
}

/// Reads a header to add. The value may be a secret, so an error names only the header.
pub(super) fn added(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line.split_once(':').ok_or("--header is 'Name: value', this one has no colon")?;
    let name: HeaderName =
        name.parse().map_err(|_| format!("--header: {name:?} is no header name; write 'Name: value'"))?;
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("--header {name}: the value holds a control character"))?;
    value.set_sensitive(true);
    if name == header::HOST {
        return Err("--header cannot set Host; use --host-header".to_owned());
    }
    let mut line = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(""))]);
    strip_hop_by_hop(&mut line);
    let framing = [header::CONTENT_LENGTH, header::EXPECT, header::SEC_WEBSOCKET_KEY];
    if line.is_empty() || framing.contains(&name) {
        return Err(format!("--header cannot set {name}: it belongs to one connection, which the forwarder manages"));
    }
    Ok((name, value))
}
