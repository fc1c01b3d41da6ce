//! HAR 1.2 out and in: what other tools read, and what they write.
//!
//! Fields of our own begin with an underscore, as the format asks.

mod read;

use super::api::{Answer, Problem, bad, full};
use super::desk::Desk;
use super::filter::{Filter, pairs};
use super::message::{Kind, Message};
use super::record::{self, Origin, Record};
use super::unpack::{Unpacked, Unpacker};
use super::view;
use crate::forwarder::report::timestamp;
use crate::link::locked;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Response, StatusCode, header};
pub(super) use read::{Entry, Reply, read};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// What `filter` admits, as a file.
pub(super) fn export(desk: &Desk, filter: &Filter) -> Result<Response<Answer>, Problem> {
    let store = locked(&desk.store);
    let limit = filter.limit.unwrap_or(usize::MAX);
    let mut unpacker = Unpacker::default();
    let found = store.newest().filter(|record| filter.admits(record, &mut unpacker));
    let mut found: Vec<_> = found.take(limit).collect();
    found.reverse();
    Ok(answer(log(found), "exchanges.har"))
}

/// A HAR file as an answer that a browser saves as `name`.
pub(super) fn answer(log: Vec<u8>, name: &str) -> Response<Answer> {
    let mut answer = full(StatusCode::OK, log.into());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    answer
}

/// Takes the requests of a HAR file in, to be replayed.
pub(super) fn import(desk: &Desk, har: Value, tunnel: Option<&str>) -> Result<Value, Problem> {
    let tunnel = desk.tunnel(tunnel)?.label.clone();
    let entries = read(har).map_err(|why| bad(&why))?;
    let ids = desk.keep_all(entries.into_iter().map(|entry| record_of(entry, tunnel.clone())));
    Ok(json!({ "ids": ids }))
}

fn record_of(entry: Entry, tunnel: Option<Arc<str>>) -> Record {
    let request = record::Request {
        method: entry.method,
        target: entry.target.as_str().into(),
        headers: (&entry.headers).into(),
        body: record::Body::whole(entry.body),
        from: None,
        websocket: entry.websocket,
        tunnel,
    };
    let mut record = Record::new(0, Origin::Import, std::time::SystemTime::now(), request);
    record.timing.ended = Some(entry.time);
    if let Some(Reply { status, headers, body }) = entry.reply {
        record.status = Some(status.as_u16());
        record.answer = Some(record::Answer { status: status.as_u16(), headers: (&headers).into() });
        record.answer_body = record::Body::whole(body);
    }
    record
}

/// The whole log. Entry by entry, so that not all of them stand in memory twice.
pub(super) fn log<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<u8> {
    let creator = json!({ "name": "http-tunnel", "version": env!("CARGO_PKG_VERSION") });
    let mut log = format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":[").into_bytes();
    let mut unpacker = Unpacker::default();
    for (i, record) in records.into_iter().enumerate() {
        log.extend_from_slice(if i > 0 { b",\n" } else { b"\n" });
        serde_json::to_writer(&mut log, &entry(record, &mut unpacker)).expect("memory takes everything");
    }
    log.extend_from_slice(b"\n]}}\n");
    log
}

fn entry(record: &Record, unpacker: &mut Unpacker) -> Value {
    let timing = &record.timing;
    let between = |from: Option<_>, to: Option<std::time::Duration>| {
        from.zip(to).map(|(from, to)| view::ms(to.saturating_sub(from)))
    };
    let wait = between(timing.asked, timing.answered);
    let receive = between(timing.answered, timing.ended);
    let blocked = timing.asked.map(view::ms);
    let time = blocked.unwrap_or(0.0) + wait.unwrap_or(0.0) + receive.unwrap_or(0.0);
    let mut entry = json!({
        "startedDateTime": timestamp(record.started),
        "time": time,
        "request": request(record),
        "response": response(record, unpacker),
        "cache": {},
        "timings": {
            "blocked": blocked.unwrap_or(-1.0), "dns": -1, "connect": -1, "send": 0,
            "wait": wait.unwrap_or(0.0), "receive": receive.unwrap_or(0.0), "ssl": -1,
        },
        "_id": record.id,
        "_tunnel": record.request.tunnel.as_deref(),
        "_fault": record.fault.as_ref().map(|(code, _)| code),
        "_cut": record.cut || record.lost,
    });
    if record.request.websocket {
        let messages: Vec<_> = record.messages.since(0).filter_map(|(_, message)| socket_message(message)).collect();
        entry["_resourceType"] = json!("websocket");
        entry["_webSocketMessages"] = messages.into();
    }
    entry
}

fn socket_message(message: &Message) -> Option<Value> {
    let time = message.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let kind = if message.to_service { "send" } else { "receive" };
    let (opcode, data) = match message.kind {
        Kind::Text => (1, String::from_utf8_lossy(&message.bytes).into_owned()),
        Kind::Binary => (2, STANDARD.encode(&message.bytes)),
        Kind::Close(_) => return None,
    };
    Some(json!({ "type": kind, "time": time, "opcode": opcode, "data": data }))
}

fn url(request: &record::Request) -> String {
    let proto = request.headers.text("x-forwarded-proto").filter(|proto| matches!(*proto, "http" | "https"));
    let host = request.headers.text("x-forwarded-host").or_else(|| request.headers.text("host"));
    let path = if &*request.target == "*" { "/" } else { &*request.target };
    format!("{}://{}{path}", proto.unwrap_or("http"), host.unwrap_or("localhost"))
}

fn request(record: &Record) -> Value {
    let request = &record.request;
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let mut value = json!({
        "method": request.method.as_str(),
        "url": url(request),
        "httpVersion": "HTTP/1.1",
        "cookies": cookies(&request.headers, "cookie"),
        "headers": headers(&request.headers),
        "queryString": pairs(query).map(named).collect::<Vec<_>>(),
        "headersSize": -1,
        "bodySize": request.body.size,
    });
    if !request.body.bytes.is_empty() {
        let kind = request.headers.text("content-type").unwrap_or("application/octet-stream");
        let mut data = Map::from_iter([("mimeType".to_owned(), kind.into())]);
        match std::str::from_utf8(&request.body.bytes) {
            Ok(text) => data.extend([("text".to_owned(), text.into())]),
            // The format has no place for a binary request; this is what the answer's place is called.
            Err(_) => data.extend([
                ("text".to_owned(), STANDARD.encode(&request.body.bytes).into()),
                ("_encoding".to_owned(), "base64".into()),
            ]),
        }
        if !request.body.is_kept() {
            data.insert("comment".to_owned(), part_of(&request.body).into());
        }
        value["postData"] = data.into();
    }
    value
}

fn part_of(body: &record::Body) -> String {
    format!("only {} of {} bytes were kept", body.bytes.len(), body.size)
}

fn response(record: &Record, unpacker: &mut Unpacker) -> Value {
    let none = record::Lines::default();
    let lines = record.answer.as_ref().map_or(&none, |answer| &answer.headers);
    let status = record.answer.as_ref().map(|answer| answer.status).or(record.status).unwrap_or(0);
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    json!({
        "status": status,
        "statusText": reason.unwrap_or_default(),
        "httpVersion": "HTTP/1.1",
        "cookies": cookies(lines, "set-cookie"),
        "headers": headers(lines),
        "content": content(lines, &record.answer_body, unpacker),
        "redirectURL": lines.text("location").unwrap_or_default(),
        "headersSize": -1,
        "bodySize": record.answer_body.size,
    })
}

/// The body without its content coding, as the format wants it.
fn content(headers: &record::Lines, body: &record::Body, unpacker: &mut Unpacker) -> Value {
    let Unpacked { bytes, whole, packed } = unpacker.unpack(headers, body);
    let size = if matches!(bytes, Cow::Owned(_)) { bytes.len() as u64 } else { body.size };
    let mut content = json!({ "size": size, "mimeType": headers.text("content-type").unwrap_or_default() });
    match std::str::from_utf8(&bytes) {
        Ok(text) => content["text"] = text.into(),
        Err(_) => {
            content["text"] = STANDARD.encode(&bytes).into();
            content["encoding"] = json!("base64");
        }
    }
    match (packed, whole) {
        (Some(encoding), _) => {
            content["comment"] = format!("still compressed: {encoding}").into();
            content["_packed"] = encoding.into();
        }
        (None, false) => content["comment"] = part_of(body).into(),
        (None, true) => {}
    }
    content
}

fn headers(lines: &record::Lines) -> Vec<Value> {
    let pair = |(name, value): (&str, &[u8])| named((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
    lines.iter().map(pair).collect()
}

fn named((name, value): (String, String)) -> Value {
    json!({ "name": name, "value": value })
}

fn cookies(lines: &record::Lines, header: &str) -> Vec<Value> {
    view::cookies(lines, header).into_iter().map(cookie).collect()
}

/// A cookie's value ends where its attributes begin.
fn cookie((name, value): (String, String)) -> Value {
    let mut parts = value.split(';').map(str::trim);
    let mut cookie = json!({ "name": name, "value": parts.next().unwrap_or_default() });
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        match attribute.to_ascii_lowercase().as_str() {
            "path" => cookie["path"] = value.into(),
            "domain" => cookie["domain"] = value.into(),
            "httponly" => cookie["httpOnly"] = true.into(),
            "secure" => cookie["secure"] = true.into(),
            _ => {}
        }
    }
    cookie
}
