//! How records look to scripts and to the page; `docs/openapi.json` describes it, and a test holds the two together.

use super::filter::pairs;
use super::message::{Kind, Message};
use super::record::{Body, Lines, Origin, Record};
use super::signature::Scheme;
use super::unpack;
use crate::forwarder::report::timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;

/// One line of the list.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    pub(super) id: u64,
    tunnel: Option<&'a str>,
    origin: &'static str,
    replay_of: Option<u64>,
    started: String,
    method: &'a str,
    target: &'a str,
    host: Option<&'a str>,
    pub(super) status: Option<u16>,
    open: bool,
    cut: bool,
    incomplete: bool,
    fault: Option<&'a str>,
    ms: Option<f64>,
    request_bytes: u64,
    response_bytes: u64,
    from: Option<IpAddr>,
    websocket: bool,
    messages: u64,
    content_type: Option<&'a str>,
}

/// Everything about one exchange.
#[derive(Debug, Serialize)]
pub(super) struct Detail<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    query: Vec<(String, String)>,
    fault_detail: Option<&'a str>,
    signature: Option<&'static str>,
    timing: TimingView,
    request: Side<'a>,
    response: Option<Side<'a>>,
}

#[derive(Debug, Serialize)]
struct TimingView {
    gate_ms: Option<f64>,
    link_ms: Option<f64>,
    wait_ms: Option<f64>,
    service_ms: Option<f64>,
    receive_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Side<'a> {
    headers: Vec<(&'a str, String)>,
    cookies: Vec<(String, String)>,
    body: BodyView<'a>,
}

/// A body that is text is `text`, another is `base64`; compressed ones are as they came.
#[derive(Debug, Serialize)]
struct BodyView<'a> {
    size: u64,
    kept: usize,
    whole: bool,
    encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// A WebSocket's message.
#[derive(Debug, Serialize)]
pub(super) struct MessageView<'a> {
    n: u64,
    time: String,
    from: &'static str,
    kind: &'static str,
    size: u64,
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Milliseconds to three places.
pub(super) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl<'a> Summary<'a> {
    pub(super) fn of(record: &'a Record) -> Self {
        let (origin, replay_of) = match record.origin {
            Origin::Visitor => ("visitor", None),
            Origin::Replay(of) => ("replay", Some(of)),
            Origin::Import => ("import", None),
        };
        Self {
            id: record.id,
            tunnel: record.request.tunnel.as_deref(),
            origin,
            replay_of,
            started: timestamp(record.started),
            method: record.request.method.as_str(),
            target: &record.request.target,
            host: record.request.headers.text("host"),
            status: record.status,
            open: record.is_open(),
            cut: record.cut,
            incomplete: record.lost,
            fault: record.fault.as_ref().map(|(code, _)| *code),
            ms: record.timing.ended.map(ms),
            request_bytes: record.request.body.size,
            response_bytes: record.answer_body.size,
            from: record.request.from,
            websocket: record.request.websocket,
            messages: record.messages.count(),
            content_type: record.answer.as_ref().and_then(|answer| answer.headers.text("content-type")),
        }
    }
}

impl<'a> Detail<'a> {
    /// With `bodies`, or only what is to be known of them.
    pub(super) fn of(record: &'a Record, bodies: bool) -> Self {
        let timing = &record.timing;
        let between = |from: Option<Duration>, to: Option<Duration>| Some(ms(to?.saturating_sub(from?)));
        let request = &record.request;
        Self {
            summary: Summary::of(record),
            query: request.target.split_once('?').map_or(Vec::new(), |(_, query)| pairs(query).collect()),
            fault_detail: record.fault.as_ref().map(|(_, detail)| detail.as_str()),
            signature: Scheme::of(&request.headers.to_map()).map(Scheme::as_str),
            timing: TimingView {
                gate_ms: timing.public.map(|public| ms(Duration::from_micros(public.gate.into()))),
                link_ms: timing.public.map(|public| ms(Duration::from_micros(public.link.into()))),
                wait_ms: timing.asked.map(ms),
                service_ms: between(timing.asked, timing.answered),
                receive_ms: between(timing.answered, timing.ended),
            },
            request: Side::of(&request.headers, &request.body, "cookie", bodies),
            response: record
                .answer
                .as_ref()
                .map(|answer| Side::of(&answer.headers, &record.answer_body, "set-cookie", bodies)),
        }
    }
}

impl<'a> Side<'a> {
    fn of(headers: &'a Lines, body: &'a Body, cookies: &str, bodies: bool) -> Self {
        let lossy = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Self {
            headers: headers.iter().map(|(name, value)| (name, lossy(value))).collect(),
            cookies: self::cookies(headers, cookies),
            body: BodyView::of(headers, body, bodies),
        }
    }
}

/// Names and values of the cookies in `name`, a request's or an answer's; attributes stay with the value.
pub(super) fn cookies(headers: &Lines, name: &str) -> Vec<(String, String)> {
    let values = headers.iter().filter(|(theirs, _)| *theirs == name);
    let values = values.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let crumbs = values.flat_map(|value| match name {
        "cookie" => value.split(';').map(str::to_owned).collect(),
        _ => vec![value],
    });
    let pair = |crumb: String| {
        let (name, value) = crumb.split_once('=').unwrap_or((&crumb, ""));
        (name.trim().to_owned(), value.trim().to_owned())
    };
    crumbs.filter(|crumb| !crumb.trim().is_empty()).map(pair).collect()
}

impl<'a> BodyView<'a> {
    fn of(headers: &Lines, body: &'a Body, bodies: bool) -> Self {
        let encoding = unpack::encoding(headers);
        let (text, base64) = if bodies { readable(&body.bytes) } else { (None, None) };
        Self { size: body.size, kept: body.bytes.len(), whole: body.whole, encoding, text, base64 }
    }
}

/// Bytes as text, or else in base64.
fn readable(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

impl<'a> MessageView<'a> {
    pub(super) fn of((n, message): (u64, &'a Message)) -> Self {
        let (kind, code) = match message.kind {
            Kind::Text => ("text", None),
            Kind::Binary => ("binary", None),
            Kind::Close(code) => ("close", Some(code)),
        };
        let (text, base64) = match message.kind {
            Kind::Binary => (None, Some(STANDARD.encode(&message.bytes))),
            _ => readable(&message.bytes),
        };
        let from = if message.to_service { "visitor" } else { "service" };
        Self { n, time: timestamp(message.at), from, kind, size: message.size, code, text, base64 }
    }
}
