//! The same data for scripts as for the page. Every answer but a body's bytes is JSON, an error `{"error": …}`.

use super::Settings;
use super::capture::Recorder;
use super::changes::Changes;
use super::filter::{Filter, pairs};
use super::record::{Body, Lines, Record};
use super::signature::{Key, Scheme};
use super::store::Store;
use super::unpack::{Unpacked, Unpacker};
use super::view::{Detail, MessageView, Summary};
use super::{curl, har, replay};
use crate::forwarder::service::Service;
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
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// An answer's body.
pub(super) type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// What an answer cannot be given for: status and reason.
pub(super) type Problem = (StatusCode, String);

/// All that the inspector has on its desk. The locks are held for one look, never while waiting.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) address: SocketAddr,
    pub(super) store: Mutex<Store>,
    pub(super) changes: Changes,
    pub(super) recorder: Recorder,
    pub(super) service: Arc<Service>,
    pub(super) timeout: Duration,
    memory: usize,
    secrets: Mutex<BTreeMap<Scheme, Secret>>,
}

impl Desk {
    pub(super) fn new(address: SocketAddr, settings: Settings, service: Arc<Service>, recorder: Recorder) -> Self {
        Self {
            address,
            store: Mutex::new(Store::new(settings.memory)),
            changes: Changes::default(),
            recorder,
            service,
            timeout: settings.timeout,
            memory: settings.memory,
            secrets: Mutex::new(settings.secrets.into_iter().collect()),
        }
    }

    /// The secret that was given for `scheme`.
    pub(super) fn secret(&self, scheme: Scheme) -> Option<Secret> {
        locked(&self.secrets).get(&scheme).cloned()
    }

    /// Keeps a record and tells pages of it.
    pub(super) fn keep(&self, record: Record) {
        let id = record.id;
        let mut store = locked(&self.store);
        store.insert(record);
        self.changes.tell(&store, &[id].into());
    }

    /// Looks at one record.
    pub(super) fn look<T>(&self, id: u64, look: impl FnOnce(&Record) -> T) -> Result<T, Problem> {
        let gone = || (StatusCode::NOT_FOUND, format!("exchange {id} is not kept: it never was, or has made room"));
        locked(&self.store).get(id).map(look).ok_or_else(gone)
    }
}

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
        ["api", "secrets"] => Ok(json_answer(&schemes(desk))),
        ["api", "har"] => har::export(desk, &filter(query)?),
        ["api", "exchanges"] => list(desk, &filter(query)?),
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
            desk.look(number(id)?, |record| curl::command(record, desk.service.authority()))?.map(|text| plain(&text))
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
    match (method, segments) {
        (&Method::POST, ["api", "exchanges", id, "replay"]) => {
            let order = order(request).await?;
            Ok(json_answer(&replay::answer(desk, number(id)?, order).await?))
        }
        (&Method::POST, ["api", "har"]) => Ok(json_answer(&har::import(desk, order(request).await?)?)),
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
            locked(&desk.secrets).insert(scheme, secret);
            Ok(json_answer(&schemes(desk)))
        }
        (&Method::DELETE, ["api", "secrets", scheme]) => {
            locked(&desk.secrets).remove(&scheme.parse().map_err(|why: String| bad(&why))?);
            Ok(json_answer(&schemes(desk)))
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

fn filter(query: &str) -> Result<Filter, Problem> {
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
        "service": format!("http://{}", desk.service.authority()),
        "exchanges": store.count(),
        "bytes": store.size(),
        "memory": desk.memory,
        "dropped": store.dropped(),
        "missed": desk.recorder.missed(),
    })
}

fn schemes(desk: &Desk) -> Value {
    json!({ "schemes": locked(&desk.secrets).keys().map(|scheme| scheme.as_str()).collect::<Vec<_>>() })
}

fn list(desk: &Desk, filter: &Filter) -> Result<Response<Answer>, Problem> {
    let store = locked(&desk.store);
    let limit = filter.limit.unwrap_or(limits::INSPECT_LIST);
    let mut unpacker = Unpacker::default();
    let mut found = store.newest().filter(|record| filter.admits(record, &mut unpacker));
    let exchanges: Vec<_> = found.by_ref().take(limit).map(Summary::of).collect();
    let more = found.next().is_some();
    Ok(json_answer(&json!({ "exchanges": exchanges, "more": more })))
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
