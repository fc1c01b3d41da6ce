//! One JSON object per line, whatever is in it.

use super::clock::timestamp;
use super::{Entry, Event, Page};
use serde::Serialize;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What every line begins with, behind its kind.
#[derive(Serialize)]
struct Stamp<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnel: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line<'a> {
    Online {
        #[serde(flatten)]
        stamp: Stamp<'a>,
        url: &'a str,
        urls: Vec<&'a str>,
        name: &'a str,
        service: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        port_taken: Option<u16>,
        #[serde(skip_serializing_if = "Option::is_none")]
        inspector: Option<&'a str>,
    },
    Offline {
        #[serde(flatten)]
        stamp: Stamp<'a>,
        reason: &'a str,
        retry_seconds: f64,
    },
    Request {
        #[serde(flatten)]
        stamp: Stamp<'a>,
        method: &'a str,
        path: &'a str,
        status: u16,
        bytes: u64,
        ms: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<IpAddr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
        #[serde(skip_serializing_if = "is_false")]
        websocket: bool,
        #[serde(skip_serializing_if = "is_false")]
        cut: bool,
    },
    Notice {
        #[serde(flatten)]
        stamp: Stamp<'a>,
        text: &'a str,
    },
    Dropped {
        #[serde(flatten)]
        stamp: Stamp<'a>,
        requests: u64,
    },
    Summary {
        #[serde(flatten)]
        stamp: Stamp<'a>,
        exchanges: u64,
        failed: u64,
        bytes_in: u64,
        bytes_out: u64,
        seconds: f64,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Milliseconds, or seconds, to three places: more is noise.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn seconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64())
}

/// Adds the event's line; with `quiet` only when it is about the URL or trouble.
pub(super) fn render(entry: &Entry, quiet: bool, page: &mut Page) {
    let stamp = Stamp { time: timestamp(entry.at), tunnel: entry.tunnel.as_deref() };
    let line = match &entry.event {
        Event::Online { name, url, stream_url, lan, service, port_taken, inspector } => {
            let urls = std::iter::once(url).chain(stream_url).chain(lan).map(String::as_str).collect();
            let inspector = inspector.as_deref();
            Line::Online { stamp, url, urls, name, service, port_taken: *port_taken, inspector }
        }
        Event::Offline { reason, retry } => Line::Offline { stamp, reason, retry_seconds: seconds(*retry) },
        _ if quiet => return,
        Event::Request { method, target, status, bytes, elapsed, from, fault, websocket, cut, .. } => Line::Request {
            stamp,
            method: method.as_str(),
            path: target,
            status: *status,
            bytes: *bytes,
            ms: rounded(elapsed.as_secs_f64() * 1000.0),
            from: *from,
            error: fault.map(|code| code.as_str()),
            websocket: *websocket,
            cut: *cut,
        },
        Event::Notice(text) => Line::Notice { stamp, text },
        &Event::Summary { exchanges, failed, bytes_in, bytes_out, elapsed } => {
            Line::Summary { stamp, exchanges, failed, bytes_in, bytes_out, seconds: seconds(elapsed) }
        }
    };
    push(&line, page);
}

/// Adds the line that says how many requests have none.
pub(super) fn render_dropped(requests: u64, at: SystemTime, page: &mut Page) {
    push(&Line::Dropped { stamp: Stamp { time: timestamp(at), tunnel: None }, requests }, page);
}

fn push(line: &Line<'_>, page: &mut Page) {
    page.out.push_str(&serde_json::to_string(line).expect("texts and numbers are always JSON"));
    page.out.push('\n');
}
