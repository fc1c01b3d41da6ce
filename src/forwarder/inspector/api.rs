//! The same data for scripts as for the page. Every answer but a body's bytes is JSON, an error `{"error": …}`.

use super::Tunnel;
use super::desk::Desk;
use super::filter::{Filter, pairs};
use super::record::{Body, Lines, Record};
use super::signature::{Key, Scheme};
use super::unpack::{Unpacked, Unpacker};
use super::view::{Detail, MessageView, Summary};
use super::{curl, har, replay};
use crate::limits;
use crate::link::locked;
use crate::secret::Secret;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

/// An answer's body.
pub(super) type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// What an answer cannot be given for: status and reason.
pub(super) type Problem = (StatusCode, String);

/// Answers a request that the guard has admitted.
pub(super) async fn answer(request: Request<Incoming>, desk: &Arc<Desk>) -> Response<Answer> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let outcome = match (request.method().clone(), &segments[..]) {
        (Method::GET, segments) => read(desk, segments, &query),
        (method, segments) => change(desk, &method, segments, request).await,
    };
    outcome.unwrap_or_else(|(status, why)| error(status, &why))
}

fn read(desk: &Desk, segments: &[&str], query: &str) -> Result<Response<Answer>, Problem> {
    match segments {
        ["api"] => Ok(json_answer(&about(desk))),
        ["api", "events"] => Ok(events(desk)),
        ["api", "secrets"] => {
            let tunnel = parameter(query, "tunnel");
            Ok(json_answer(&schemes(desk, tunnel.as_deref())?))
        }
        ["api", "har"] => har::export(desk, &filter(desk, query)?),
        ["api", "exchanges"] => list(desk, &filter(desk, query)?),
        ["api", "exchanges", id] => {
            let bodies = !pairs(query).any(|(name, value)| name == "bodies" && value == "false");
            desk.look(number(id)?, |record| json_answer(&Detail::of(record, bodies)))
        }
        ["api", "exchanges", id, "messages"] => {
            let since = pairs(query).find(|(name, _)| name == "since").map_or(Ok(0), |(_, value)| number(&value))?;
            desk.look(number(id)?, |record| {
                let messages: Vec<_> = record.messages.since(since).map(MessageView::of).collect();
                json_answer(&json!({ "dropped": record.messages.dropped, "messages": messages }))
            })
        }
        ["api", "exchanges", id, "curl"] => {
            let command = |record: &Record| curl::command(record, desk.tunnel_of(record).service.authority());
            desk.look(number(id)?, command)?.map(|text| plain(&text))
        }
        ["api", "exchanges", id, "har"] => {
            let id = number(id)?;
            desk.look(id, |record| har::answer(har::log([record]), &format!("exchange-{id}.har")))
        }
        ["api", "exchanges", id, side @ ("request" | "response"), "body"] => {
            desk.look(number(id)?, |record| body(record, side, query))?
        }
        _ => Err(unknown()),
    }
}

async fn change(
    desk: &Arc<Desk>,
    method: &Method,
    segments: &[&str],
    request: Request<Incoming>,
) -> Result<Response<Answer>, Problem> {
    let tunnel = request.uri().query().and_then(|query| parameter(query, "tunnel"));
    match (method, segments) {
        (&Method::POST, ["api", "exchanges", id, "replay"]) => {
            let order = order(request).await?;
            Ok(json_answer(&replay::answer(desk, number(id)?, order).await?))
        }
        (&Method::POST, ["api", "har"]) => {
            Ok(json_answer(&har::import(desk, order(request).await?, tunnel.as_deref())?))
        }
        (&Method::DELETE, ["api", "exchanges"]) => {
            locked(&desk.store).clear();
            desk.changes.reset();
            Ok(json_answer(&json!({})))
        }
        (&Method::PUT, ["api", "secrets", scheme]) => {
            let Some(Value::String(text)) = order::<Value>(request).await?.get_mut("secret").map(Value::take) else {
                return Err(bad("the body is {\"secret\": \"…\"}"));
            };
            let (scheme, secret) = (scheme.parse().map_err(|why: String| bad(&why))?, Secret::new(text.trim()));
            Key::new(scheme, &secret).map_err(|why| bad(&why))?;
            let of = desk.chosen(tunnel.as_deref())?;
            desk.secrets().extend(of.map(|tunnel| ((tunnel.label.clone(), scheme), secret.clone())));
            Ok(json_answer(&schemes(desk, tunnel.as_deref())?))
        }
        (&Method::DELETE, ["api", "secrets", scheme]) => {
            let scheme: Scheme = scheme.parse().map_err(|why: String| bad(&why))?;
            let mut secrets = desk.secrets();
            for tunnel in desk.chosen(tunnel.as_deref())? {
                secrets.remove(&(tunnel.label.clone(), scheme));
            }
            drop(secrets);
            Ok(json_answer(&schemes(desk, tunnel.as_deref())?))
        }
        _ => Err(unknown()),
    }
}

fn unknown() -> Problem {
    (StatusCode::NOT_FOUND, "there is no such path and method; docs/inspector.md lists them".to_owned())
}

/// A problem with what was asked.
pub(super) fn bad(why: &str) -> Problem {
    (StatusCode::BAD_REQUEST, why.to_owned())
}

fn number(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| bad(&format!("{text:?} is no number")))
}

/// The value of a parameter that is there and not empty.
fn parameter(query: &str, name: &str) -> Option<String> {
    pairs(query).find(|(theirs, value)| theirs == name && !value.is_empty()).map(|(_, value)| value)
}

fn filter(desk: &Desk, query: &str) -> Result<Filter, Problem> {
    desk.tunnel(parameter(query, "tunnel").as_deref())?;
    Filter::parse(query).map_err(|why| bad(&why))
}

/// Reads the JSON of an order.
async fn order<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Problem> {
    let limited = Limited::new(request.into_body(), limits::INSPECT_REQUEST);
    let body = limited.collect().await.map_err(|error| bad(&format!("the body cannot be read: {error}")))?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| bad(&format!("the body is not the JSON it should be: {error}")))
}

fn about(desk: &Desk) -> Value {
    let store = locked(&desk.store);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "service": service(desk.first()),
        "tunnels": desk.tunnels().map(|tunnel| json!({ "name": tunnel.label.as_deref(), "service": service(tunnel) })).collect::<Vec<_>>(),
        "exchanges": store.count(),
        "bytes": store.size(),
        "memory": desk.memory,
        "dropped": store.dropped(),
        "missed": desk.recorder.missed(),
    })
}

fn service(tunnel: &Tunnel) -> String {
    format!("http://{}", tunnel.service.authority())
}

/// The schemes whose secret is known, for one tunnel or any.
fn schemes(desk: &Desk, tunnel: Option<&str>) -> Result<Value, Problem> {
    let labels: BTreeSet<_> = desk.chosen(tunnel)?.map(|tunnel| tunnel.label.clone()).collect();
    let secrets = desk.secrets();
    let known = secrets.keys().filter(|(label, _)| labels.contains(label));
    let known: BTreeSet<_> = known.map(|(_, scheme)| scheme.as_str()).collect();
    Ok(json!({ "schemes": known }))
}

fn list(desk: &Desk, filter: &Filter) -> Result<Response<Answer>, Problem> {
    let store = locked(&desk.store);
    let limit = filter.limit.unwrap_or(limits::INSPECT_LIST);
    let mut unpacker = Unpacker::default();
    let mut found = store.newest().filter(|record| filter.admits(record, &mut unpacker));
    let exchanges: Vec<_> = found.by_ref().take(limit).map(Summary::of).collect();
    let more = found.next().is_some();
    Ok(json_answer(&json!({ "exchanges": exchanges, "more": more, "missed": desk.recorder.missed() })))
}

/// The bytes as they came, or unpacked as far as the browser cannot. Whatever they are, they are shown as nothing.
fn body(record: &Record, side: &str, query: &str) -> Result<Response<Answer>, Problem> {
    let none = (StatusCode::NOT_FOUND, "there is no answer".to_owned());
    let (headers, body): (&Lines, &Body) = match (side, &record.answer) {
        ("request", _) => (&record.request.headers, &record.request.body),
        (_, Some(answer)) => (&answer.headers, &record.answer_body),
        (_, None) => return Err(none),
    };
    let decoded = pairs(query).any(|(name, value)| name == "decoded" && value == "true");
    let none = Lines::default();
    let Unpacked { bytes, whole, packed } = Unpacker::default().unpack(if decoded { headers } else { &none }, body);
    let mut answer = full(StatusCode::OK, Bytes::from(bytes.into_owned()));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    let whole = HeaderValue::from_static(if whole { "true" } else { "false" });
    headers.insert(HeaderName::from_static("x-whole"), whole);
    if let Some(encoding) = packed.filter(|encoding| matches!(encoding.as_str(), "br" | "zstd"))
        && let Ok(encoding) = HeaderValue::from_str(&encoding)
    {
        headers.insert(header::CONTENT_ENCODING, encoding);
    }
    Ok(answer)
}

fn events(desk: &Desk) -> Response<Answer> {
    let frames = desk.changes.subscribe().map(|bytes| Ok(Frame::data(bytes)));
    let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer
}

/// An answer of these bytes.
pub(super) fn full(status: StatusCode, bytes: Bytes) -> Response<Answer> {
    let mut answer = Response::new(Full::new(bytes).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

fn plain(text: &str) -> Response<Answer> {
    let mut answer = full(StatusCode::OK, Bytes::copy_from_slice(text.as_bytes()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// An answer in JSON.
pub(super) fn json_answer(value: &impl serde::Serialize) -> Response<Answer> {
    let text = serde_json::to_vec(value).expect("texts and numbers are always JSON");
    let mut answer = full(StatusCode::OK, text.into());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An error that says why.
pub(super) fn error(status: StatusCode, why: &str) -> Response<Answer> {
    let mut answer = json_answer(&json!({ "error": why }));
    *answer.status_mut() = status;
    answer
}
