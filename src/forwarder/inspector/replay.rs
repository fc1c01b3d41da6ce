//! A replay asks the service as the visitor did, or as the user edited it; its answer is a record like any other.

use super::Tunnel;
use super::api::{Problem, bad};
use super::desk::Desk;
use super::record::{Answer, Body, Lines, Origin, Record, Request};
use super::signature::{Key, Scheme};
use super::view::Summary;
use crate::fault::Code;
use crate::head::{self, RequestHead};
use crate::limits;
use crate::link::locked;
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// What to send again: what is absent is as it was.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    times: Option<usize>,
    method: Option<String>,
    target: Option<String>,
    headers: Option<Vec<(String, String)>>,
    text: Option<String>,
    base64: Option<String>,
    /// The scheme to sign afresh by.
    sign: Option<Scheme>,
    /// For this order only; otherwise the secret that was given before.
    secret: Option<String>,
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A request that can be sent.
#[derive(Clone, Debug)]
struct Ready {
    head: RequestHead,
    body: Bytes,
    key: Option<Arc<Key>>,
    tunnel: Tunnel,
}

/// Sends exchange `id` again and tells of the answers.
pub(super) async fn answer(desk: &Desk, id: u64, order: Order) -> Result<Value, Problem> {
    let times = order.times.unwrap_or(1);
    if !(1..=limits::REPLAYS).contains(&times) {
        return Err(bad(&format!("times is 1 to {}", limits::REPLAYS)));
    }
    let ready = desk.look(id, |record| order.ready(record, desk))??;
    let mut replays = Vec::with_capacity(times);
    for _ in 0..times {
        let number = desk.recorder.number();
        let record = send(ready.clone(), Origin::Replay(id), number).await;
        replays.push(serde_json::to_value(Summary::of(&record)).expect("texts and numbers are always JSON"));
        desk.keep(record);
    }
    Ok(json!({ "replays": replays }))
}

impl Order {
    fn ready(self, record: &Record, desk: &Desk) -> Result<Ready, Problem> {
        if record.request.websocket {
            return Err((StatusCode::CONFLICT, "a WebSocket cannot be replayed".to_owned()));
        }
        let tunnel = desk.tunnel_of(record).clone();
        let key = self.key(desk, &tunnel)?.map(Into::into);
        let was = &record.request;
        let method = self.method.as_deref().unwrap_or(was.method.as_str());
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| bad("method is no HTTP method"))?;
        let target = target(self.target.as_deref().unwrap_or(&was.target))?;
        let headers = self.headers.as_ref().map_or_else(|| Ok(was.headers.to_map()), |pairs| headers(pairs))?;
        let body = self.body(&was.body)?;
        Ok(Ready { head: RequestHead { method, target, headers, from: None, websocket: false }, body, key, tunnel })
    }

    fn key(&self, desk: &Desk, tunnel: &Tunnel) -> Result<Option<Key>, Problem> {
        let Some(scheme) = self.sign else { return Ok(None) };
        let given = self.secret.as_ref().filter(|text| !text.is_empty()).map(|text| Secret::new(text));
        let missing =
            || bad(&format!("there is no secret for {}: send one, or start with --webhook-secret", scheme.as_str()));
        let secret = given.or_else(|| desk.secret(tunnel, scheme)).ok_or_else(missing)?;
        Key::new(scheme, &secret).map(Some).map_err(|why| bad(&why))
    }

    fn body(self, was: &Body) -> Result<Bytes, Problem> {
        match (self.text, self.base64) {
            (Some(_), Some(_)) => Err(bad("a body is text or base64, not both")),
            (Some(text), None) => Ok(text.into()),
            (None, Some(text)) => STANDARD.decode(text).map(Bytes::from).map_err(|_| bad("base64 is no base64")),
            (None, None) if was.is_kept() && was.whole => Ok(Bytes::copy_from_slice(&was.bytes)),
            (None, None) => {
                let why =
                    format!("only {} of the body's {} bytes were kept; send another body", was.bytes.len(), was.size);
                Err((StatusCode::CONFLICT, why))
            }
        }
    }
}

/// A path and query as it can be sent.
pub(super) fn target(text: &str) -> Result<PathAndQuery, Problem> {
    let wrong = || bad("target is a path and query, beginning with /");
    let path: PathAndQuery = text.parse().map_err(|_| wrong())?;
    if path.as_str() == text && (text.starts_with('/') || text == "*") { Ok(path) } else { Err(wrong()) }
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, Problem> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let wrong = || bad(&format!("{name:?} is no header, or its value none"));
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    Ok(headers)
}

/// Asks the service; whatever comes of it is a record.
async fn send(mut ready: Ready, origin: Origin, id: u64) -> Record {
    let (headers, body) = (&mut ready.head.headers, &ready.body);
    if let Some(key) = &ready.key {
        key.sign(headers, body, SystemTime::now());
    }
    let request = Request {
        method: ready.head.method.clone(),
        target: ready.head.target.as_str().into(),
        headers: Lines::from(&*headers),
        body: Body::whole(body.to_vec()),
        from: None,
        websocket: false,
        tunnel: ready.tunnel.label.clone(),
    };
    let timeout = ready.tunnel.timeout;
    let mut record = Record::new(id, origin, SystemTime::now(), request);
    let started = Instant::now();
    record.timing.asked = Some(Duration::ZERO);
    match tokio::time::timeout(timeout, ask(ready)).await {
        Ok(Ok(response)) => {
            record.timing.answered = Some(started.elapsed());
            receive(&mut record, response).await;
        }
        Ok(Err((code, why))) => fail(&mut record, code, why),
        Err(_) => {
            let why = format!("The service did not begin an answer within {} s.", timeout.as_secs());
            fail(&mut record, Code::ServiceTimeout, why);
        }
    }
    record.timing.ended = Some(started.elapsed());
    record
}

fn fail(record: &mut Record, code: Code, why: String) {
    record.status = Some(code.status().as_u16());
    record.fault = Some((code.as_str(), why));
}

async fn ask(ready: Ready) -> Result<Response<Incoming>, (Code, String)> {
    let failed = |error: hyper::Error| (Code::ServiceFailed, format!("The service broke its answer off: {error}."));
    let service = ready.tunnel.service.clone();
    let stream = service.connect().await.map_err(|error| {
        let place = service.authority();
        (Code::ServiceUnreachable, format!("Nothing answers at {place} on this machine: {error}."))
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(limits::HEADER_LINES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    tokio::spawn(async move {
        // What goes wrong here the sender or the answer's body says.
        let _told_there = connection.await;
    });
    sender.send_request(request(ready)).await.map_err(failed)
}

/// The request as the service is to see it.
fn request(mut ready: Ready) -> http::Request<Full<Bytes>> {
    let head = &mut ready.head;
    head::strip_hop_by_hop(&mut head.headers);
    head::strip_websocket_handshake(&mut head.headers);
    head.headers.remove(header::EXPECT);
    // A length that was declared is replaced where it stands, so that the headers keep their order.
    if head.headers.contains_key(header::CONTENT_LENGTH) || !ready.body.is_empty() {
        head.headers.insert(header::CONTENT_LENGTH, ready.body.len().into());
    }
    ready.tunnel.service.prepare(head);
    let mut request = http::Request::new(Full::new(ready.body));
    *request.method_mut() = ready.head.method;
    *request.uri_mut() = Uri::from(ready.head.target);
    *request.headers_mut() = ready.head.headers;
    request
}

async fn receive(record: &mut Record, response: Response<Incoming>) {
    let (parts, mut incoming) = response.into_parts();
    record.status = Some(parts.status.as_u16());
    record.answer = Some(Answer { status: parts.status.as_u16(), headers: Lines::from(&parts.headers) });
    let body = &mut record.answer_body;
    let all = async {
        while let Some(frame) = incoming.frame().await {
            let Ok(frame) = frame else { return false };
            body.push(&frame.into_data().unwrap_or_default());
        }
        true
    };
    body.whole = tokio::time::timeout(limits::REPLAY_BODY, all).await.unwrap_or(false);
    record.cut = !body.whole;
}

impl Desk {
    /// Keeps what a file holds, each with a number of its own, and returns the numbers.
    pub(super) fn keep_all(&self, records: impl IntoIterator<Item = Record>) -> Vec<u64> {
        let mut store = locked(&self.store);
        let mut ids = Vec::new();
        for mut record in records {
            record.id = self.recorder.number();
            ids.push(record.id);
            store.insert(record);
        }
        self.changes.reset();
        ids
    }
}
