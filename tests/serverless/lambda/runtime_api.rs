//! The Lambda Runtime API, one listener for each process: a process is given one invocation at a time and answers it
//! once.

use super::{Answer, Failure, Invocation, Part};
use crate::serverless::knobs::Panel;
use crate::serverless::listen::{self, Body, Server, full};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

/// What a process says of itself.
#[derive(Debug)]
pub enum Said {
    /// It asks for the next invocation.
    Next,
    /// It could not start.
    InitError(String),
}

/// Where the answer of the invocation under way goes.
struct Current {
    id: String,
    streams: bool,
    answer: oneshot::Sender<Result<Answer, Failure>>,
}

pub struct Desk {
    inbox: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    said: mpsc::UnboundedSender<Said>,
    current: Mutex<Option<Current>>,
    panel: Panel,
}

impl Desk {
    pub fn new(inbox: mpsc::Receiver<Invocation>, said: mpsc::UnboundedSender<Said>, panel: Panel) -> Arc<Self> {
        Arc::new(Self { inbox: tokio::sync::Mutex::new(inbox), said, current: Mutex::default(), panel })
    }

    pub async fn serve(self: &Arc<Self>) -> Server {
        let desk = Arc::clone(self);
        Server::start(move |request, _| Arc::clone(&desk).answer(request)).await
    }

    /// Ends the invocation under way, if it has no answer yet.
    pub fn fail(&self, failure: Failure) {
        if let Some(current) = self.take_current() {
            // The invoker may have left; nobody else wants to know.
            let _ = current.answer.send(Err(failure));
        }
    }

    fn take_current(&self) -> Option<Current> {
        self.current.lock().expect("no panic").take()
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else { return refuse(404, "UnknownPath") };
        match (request.method().clone(), path.split('/').collect::<Vec<_>>().as_slice()) {
            (Method::GET, ["invocation", "next"]) => self.next().await,
            (Method::POST, ["invocation", id, "response"]) => self.response(id, request).await,
            (Method::POST, ["invocation", id, "error"]) => self.error(id, request).await,
            (Method::POST, ["init", "error"]) => {
                let text = collect(request.into_body(), usize::MAX).await.unwrap_or_default();
                let _ = self.said.send(Said::InitError(String::from_utf8_lossy(&text).into_owned()));
                accepted()
            }
            _ => refuse(404, "UnknownPath"),
        }
    }

    async fn next(&self) -> Response<Body> {
        let _ = self.said.send(Said::Next);
        let Some(invocation) = self.inbox.lock().await.recv().await else { return refuse(503, "Gone") };
        let Invocation { id, event, deadline_ms, arn, trace, streams, answer } = invocation;
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("Lambda-Runtime-Aws-Request-Id", &id)
            .header("Lambda-Runtime-Deadline-Ms", deadline_ms)
            .header("Lambda-Runtime-Invoked-Function-Arn", arn)
            .header("Lambda-Runtime-Trace-Id", trace)
            .body(full(event))
            .expect("the parts are sound");
        *self.current.lock().expect("no panic") = Some(Current { id, streams, answer });
        response
    }

    /// The invocation under way if it is this one; nothing else can be answered.
    fn claim(&self, id: &str) -> Option<Current> {
        let mut current = self.current.lock().expect("no panic");
        if current.as_ref().is_some_and(|current| current.id == id) { current.take() } else { None }
    }

    async fn response(&self, id: &str, request: Request<Incoming>) -> Response<Body> {
        let Some(current) = self.claim(id) else { return refuse(400, "InvalidRequestID") };
        let streamed = header(request.headers(), "lambda-runtime-function-response-mode") == Some("streaming");
        let knobs = self.panel.read();
        if streamed && current.streams {
            let content_type =
                header(request.headers(), "content-type").unwrap_or("application/octet-stream").to_owned();
            return forward(current, content_type, request.into_body(), knobs.stream_bytes).await;
        }
        // Whoever invoked without streaming gets a streamed answer whole: prelude, NULs and all.
        let outcome = match collect(request.into_body(), knobs.response_bytes).await {
            Ok(bytes) => Ok(Answer::Buffered(bytes)),
            Err(failure) => Err(failure),
        };
        let reply = match &outcome {
            Err(Failure::ResponseTooLarge) => refuse(413, "RequestEntityTooLarge"),
            _ => accepted(),
        };
        let _ = current.answer.send(outcome);
        reply
    }

    async fn error(&self, id: &str, request: Request<Incoming>) -> Response<Body> {
        let Some(current) = self.claim(id) else { return refuse(400, "InvalidRequestID") };
        let text = collect(request.into_body(), usize::MAX).await.unwrap_or_default();
        let _ = current.answer.send(Err(Failure::Function(String::from_utf8_lossy(&text).into_owned())));
        accepted()
    }
}

/// Hands a streamed body on as it comes. It is whole only if its framing ended and no trailer names an error.
async fn forward(current: Current, content_type: String, mut body: Incoming, limit: usize) -> Response<Body> {
    // Eight parts may wait for a slow visitor; then the function waits. A visitor that left does not stop it.
    let (parts, receiver) = mpsc::channel(8);
    let _ = current.answer.send(Ok(Answer::Streamed { content_type, parts: receiver }));
    let mut size = 0;
    let cut = loop {
        match body.frame().await {
            None => {
                let _ = parts.send(Part::End).await;
                return accepted();
            }
            Some(Err(error)) => break format!("the process ended its answer early: {error}"),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => {
                    size += bytes.len();
                    if size > limit {
                        break format!("the answer is over {limit} bytes");
                    }
                    let _ = parts.send(Part::Data(bytes)).await;
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    if let Some(kind) = header(&trailers, "lambda-runtime-function-error-type") {
                        break format!("the function failed: {kind}");
                    }
                }
            },
        }
    };
    let _ = parts.send(Part::Cut(cut)).await;
    refuse(if size > limit { 413 } else { 202 }, "Truncated")
}

async fn collect(body: Incoming, limit: usize) -> Result<Bytes, Failure> {
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Failure::ResponseTooLarge),
        Err(error) => Err(Failure::Exited(format!("the answer was cut: {error}"))),
    }
}

pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn accepted() -> Response<Body> {
    listen::json(202, &json!({"status": "OK"}))
}

fn refuse(status: u16, kind: &str) -> Response<Body> {
    listen::json(status, &json!({"errorType": kind, "errorMessage": kind}))
}
