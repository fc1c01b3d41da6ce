//! The inspector is asked over its API, as any other program would: it is the one place that has headers and bodies.

use super::state::{Said, Tone};
use crate::limits;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use serde_json::Value;
use std::io::Read as _;
use std::time::Duration;

/// Time for what the inspector has at hand.
const AT_HAND: Duration = Duration::from_secs(10);

/// Headers, and the beginnings of the bodies.
pub(super) fn exchange(inspector: &str, id: u64) -> Result<Said, String> {
    let found = read(get(&format!("{inspector}/api/exchanges/{id}?bodies=false"), AT_HAND)?)?;
    let mut lines = vec![(Tone::Title, head(&found)), (Tone::Dim, times(&found))];
    for (side, title) in [("request", "Request"), ("response", "Answer")] {
        let Some(part) = found.get(side).filter(|part| !part.is_null()) else { continue };
        lines.extend([(Tone::Plain, String::new()), (Tone::Title, title.to_owned())]);
        let pairs = part["headers"].as_array().into_iter().flatten();
        lines.extend(pairs.map(|pair| (Tone::Plain, format!("{}: {}", text(&pair[0]), text(&pair[1])))));
        let size = part["body"]["size"].as_u64().unwrap_or_default();
        if size > 0 {
            let url = format!("{inspector}/api/exchanges/{id}/{side}/body?decoded=true");
            lines.push((Tone::Plain, String::new()));
            lines.extend(body(&url, size)?);
        }
    }
    Ok(Said::Exchange(lines))
}

/// Sends the request again.
pub(super) fn replay(inspector: &str, id: u64) -> Result<Said, String> {
    let url = format!("{inspector}/api/exchanges/{id}/replay");
    let order = Request::post(url).header(CONTENT_TYPE, "application/json").body(b"{}".to_vec());
    let answer = agent(limits::ANSWER_MAX).run(order.map_err(|error| error.to_string())?);
    let done = read(answer.map_err(|error| error.to_string())?)?;
    let replay = &done["replays"][0];
    let method_and_target = format!("{} {}", text(&replay["method"]), text(&replay["target"]));
    Ok(Said::Replayed(match replay["status"].as_u64() {
        Some(status) => format!("replayed {method_and_target}: {status} in {} ms", replay["ms"]),
        None => format!("replayed {method_and_target}: no answer, {}", text(&replay["fault"])),
    }))
}

fn head(found: &Value) -> String {
    let status = found["status"].as_u64().map_or_else(|| "open".to_owned(), |status| status.to_string());
    format!("{} {} {status}", text(&found["method"]), text(&found["target"]))
}

fn times(found: &Value) -> String {
    let part = |name: &str, key: &str| found["timing"][key].as_f64().map(|ms| format!("{name} {ms} ms"));
    let parts = [
        part("gate", "gate_ms"),
        part("link", "link_ms"),
        part("forwarder", "wait_ms"),
        part("service", "service_ms"),
        part("answer", "receive_ms"),
    ];
    let from = found["from"].as_str().map(|from| format!("from {from}"));
    let fault = found["fault_detail"].as_str().map(str::to_owned);
    let started = found["started"].as_str().map(str::to_owned);
    started.into_iter().chain(parts.into_iter().flatten()).chain(from).chain(fault).collect::<Vec<_>>().join(", ")
}

/// The beginning of a body as lines, where it is text.
fn body(url: &str, size: u64) -> Result<Vec<(Tone, String)>, String> {
    let answer = get(url, AT_HAND)?;
    let packed = answer.headers().contains_key("content-encoding");
    let mut bytes = bytes(answer, limits::VIEW_BODY + 1)?;
    let more = bytes.len() > limits::VIEW_BODY;
    bytes.truncate(limits::VIEW_BODY);
    let whole = std::str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), str::len);
    // A character that was cut at the end is no sign of anything but text.
    if packed || bytes.contains(&0) || whole + 3 < bytes.len() {
        let note = format!("{} of bytes; the inspector's page shows them", crate::forwarder::report::size(size));
        return Ok(vec![(Tone::Dim, note)]);
    }
    let shown = String::from_utf8_lossy(&bytes[..whole]);
    let mut lines: Vec<_> = shown.lines().map(|line| (Tone::Plain, line.replace('\t', "    "))).collect();
    if more {
        lines.push((Tone::Dim, "more is in the inspector's page".to_owned()));
    }
    Ok(lines)
}

fn agent(time: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0);
    config.timeout_global(Some(time)).build().into()
}

fn get(url: &str, time: Duration) -> Result<Response<ureq::Body>, String> {
    let question = Request::get(url).body(()).map_err(|error| error.to_string())?;
    agent(time).run(question).map_err(|error| error.to_string())
}

/// The body, at most so many bytes of it.
fn bytes(answer: Response<ureq::Body>, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = answer.into_body().into_reader().take(most as u64).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| error.to_string())
}

/// What an answer in JSON says, or the reason that it gives for having none.
fn read(answer: Response<ureq::Body>) -> Result<Value, String> {
    let sound = answer.status().is_success();
    let found: Value =
        serde_json::from_slice(&bytes(answer, limits::INSPECT_REQUEST)?).map_err(|error| error.to_string())?;
    if sound { Ok(found) } else { Err(text(&found["error"])) }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
