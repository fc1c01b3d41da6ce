//! A request and its answer: the answer may begin, and end, before the request's body does, and what has arrived of it
//! is never held back to fill a part.

use super::client::{Answer, Failed};
use super::{Answering, Exchange, Workshop, broken, declares_body, too_slow, unreachable};
use crate::body::Assembly;
use crate::fault::{Code, Fault};
use crate::head::{RequestHead, ResponseHead};
use crate::limits;
use crate::wire::{Chunk, Flow};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A client that sent `Expect: 100-continue` does not wait longer than this before it sends the body anyway; curl's
/// default.
const CONTINUE: Duration = Duration::from_secs(1);

/// A small body whose length is known is waited for this long, so that a small exchange is one message: services often
/// write head and body apart.
const SMALL_BODY: Duration = Duration::from_millis(20);

/// Bytes of a visitor's body that may wait for a missing part.
const REORDER: usize = limits::WINDOW_MAX as usize;

/// A request's body, on its way to the service.
pub(super) type Upload = Either<Full<Bytes>, StreamBody<BoxStream<'static, Result<Frame<Bytes>, CutShort>>>>;

/// The visitor's body was cut short: the service must not take it for whole.
#[derive(Debug)]
pub(super) struct CutShort(String);

impl std::fmt::Display for CutShort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the request's body was cut short: {}", self.0)
    }
}

impl std::error::Error for CutShort {}

/// Asks the service and sends its answer.
pub(super) async fn serve(workshop: &Arc<Workshop>, mut answering: Answering, head: RequestHead, body: Chunk) {
    let exchange = answering.exchange.clone();
    let outcome = tokio::select! {
        biased;
        outcome = serve_exchange(workshop, &mut answering, head, body) => outcome,
        () = exchange.lane.closed() => return,
    };
    if let Err(fault) = outcome {
        answering.fail(fault).await;
    }
}

async fn serve_exchange(
    workshop: &Workshop,
    answering: &mut Answering,
    head: RequestHead,
    body: Chunk,
) -> Result<(), Fault> {
    let response = if body.end {
        ask_whole(workshop, answering, &head, &body).await?
    } else {
        ask_streaming(workshop, answering, head, body).await?
    };
    relay(answering, response).await
}

/// Asks with a body that is here. Where the service closed an idle connection just as the request went out, what is safe
/// to repeat is asked again.
async fn ask_whole(
    workshop: &Workshop,
    answering: &Answering,
    head: &RequestHead,
    body: &Chunk,
) -> Result<Response<Answer>, Fault> {
    loop {
        let request = request(head.clone(), Either::Left(Full::new(body.bytes.clone())));
        let answer = tokio::time::timeout(workshop.timeout, workshop.client.ask(request)).await;
        match answer.map_err(|_| too_slow(workshop.timeout))? {
            Ok(response) => {
                answering.exchange.read(body.bytes.len());
                return Ok(response);
            }
            Err(Failed::Broken { reused: true, .. }) if head.method.is_idempotent() => {}
            Err(failed) => return Err(explain(workshop, &failed)),
        }
    }
}

/// What a failed call is, for the visitor.
pub(super) fn explain(workshop: &Workshop, failed: &Failed) -> Fault {
    let error = match failed {
        Failed::Unreachable(error) => return unreachable(&workshop.service, error),
        Failed::Broken { error, .. } => error,
    };
    if error.is_parse_too_large() {
        let text =
            format!("The answer's head is over the limit of {} bytes or {} lines.", limits::HEAD, limits::HEADER_LINES);
        return Fault::new(Code::ResponseTooLarge, text);
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    broken(&cause)
}

/// The request as the service is to see it.
pub(super) fn request(mut head: RequestHead, body: Upload) -> Request<Upload> {
    if !body.is_end_stream() && !declares_body(&head) {
        // Said outright: the visitor framed it so, and hyper sends a GET without a body of unknown length.
        head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = head.target.into();
    *request.headers_mut() = head.headers;
    request
}

/// Asks with a body that is still on its way.
async fn ask_streaming(
    workshop: &Workshop,
    answering: &Answering,
    head: RequestHead,
    body: Chunk,
) -> Result<Response<Answer>, Fault> {
    let (go, may_go) = oneshot::channel();
    let expects_continue = head.headers.contains_key(header::EXPECT);
    let (done, sent) = oneshot::channel();
    let source = Source {
        exchange: answering.exchange.clone(),
        assembly: Assembly::new(1, REORDER),
        beginning: Some(body),
        may_go: expects_continue.then_some(may_go),
        _done: done,
    };
    let mut request = request(head, Either::Right(source.into_body()));
    if expects_continue {
        let go = std::sync::Mutex::new(Some(go));
        hyper::ext::on_informational(&mut request, move |response| {
            if let (StatusCode::CONTINUE, Some(go)) = (response.status(), crate::link::locked(&go).take()) {
                let _already_gone_on = go.send(());
            }
        });
    }
    let late = async {
        // The time that the visitor takes for the body is not the service's.
        let _sent = sent.await;
        tokio::time::sleep(workshop.timeout).await;
    };
    tokio::select! {
        response = workshop.client.ask_streaming(request) => response.map_err(|failed| explain(workshop, &failed)),
        () = late => Err(too_slow(workshop.timeout)),
    }
}

/// Waits for all of the request's body, since a signature is over all of it, and checks it. `None`: the visitor left.
pub(super) async fn verified(
    workshop: &Workshop,
    answering: &Answering,
    head: &mut RequestHead,
    body: Chunk,
) -> Result<Chunk, Option<Fault>> {
    let body = if body.end || head.websocket {
        body
    } else {
        // Nobody is asked whether the body may come: it has to, all of it.
        if head.headers.remove(header::EXPECT).is_some() {
            answering.exchange.tell(Flow::Credit(0));
        }
        let whole = tokio::select! {
            whole = whole(workshop, &answering.exchange, body) => whole?,
            () = answering.exchange.lane.closed() => return Err(None),
        };
        Chunk::whole(whole)
    };
    workshop.verifier.check(&head.headers, &body.bytes)?;
    Ok(body)
}

async fn whole(workshop: &Workshop, exchange: &Arc<Exchange>, body: Chunk) -> Result<Bytes, Fault> {
    let (done, _sent) = oneshot::channel();
    let (exchange, beginning) = (exchange.clone(), Some(body));
    let assembly = Assembly::new(1, REORDER);
    let mut source = Source { exchange, assembly, beginning, may_go: None, _done: done };
    let (mut whole, mut held) = (BytesMut::new(), workshop.verifier.hold());
    loop {
        let cut = |cut: CutShort| Fault::new(Code::BadRequest, format!("{cut}."));
        let Chunk { bytes, end } = source.next().await.map_err(cut)?;
        held.add(bytes.len())?;
        whole.extend_from_slice(&bytes);
        if end {
            return Ok(whole.freeze());
        }
    }
}

/// The visitor's body, as the service asks for it.
struct Source {
    exchange: Arc<Exchange>,
    assembly: Assembly<Chunk>,
    beginning: Option<Chunk>,
    may_go: Option<oneshot::Receiver<()>>,
    /// Dropped when the body has been sent or is no longer wanted.
    _done: oneshot::Sender<()>,
}

impl Source {
    fn into_body(self) -> StreamBody<BoxStream<'static, Result<Frame<Bytes>, CutShort>>> {
        let body = stream::unfold(Some(self), |state| async {
            let mut source = state?;
            match source.next().await {
                Ok(Chunk { bytes, end: true }) if bytes.is_empty() => None,
                Ok(Chunk { bytes, end }) => Some((Ok(Frame::data(bytes)), (!end).then_some(source))),
                Err(cut) => Some((Err(cut), None)),
            }
        });
        StreamBody::new(body.boxed())
    }

    async fn next(&mut self) -> Result<Chunk, CutShort> {
        if let Some(may_go) = self.may_go.take() {
            if let Ok(Err(_)) = tokio::time::timeout(CONTINUE, may_go).await {
                // The service has answered without asking for the body: nobody wants it.
                return std::future::pending().await;
            }
            self.exchange.tell(Flow::Credit(0));
        }
        loop {
            let beginning = self.beginning.take().filter(|chunk| chunk.end || !chunk.bytes.is_empty());
            if let Some(chunk) = beginning.or_else(|| self.assembly.pop()) {
                self.exchange.read(chunk.bytes.len());
                self.exchange.recording.request(&chunk);
                return Ok(chunk);
            }
            let flow = tokio::select! {
                biased;
                flow = self.exchange.flows.take() => flow,
                () = self.exchange.lane.closed() => return Err(CutShort("the exchange is over".to_owned())),
            };
            match flow {
                Flow::Part(n, chunk) => {
                    let (end, size) = (chunk.end, chunk.bytes.len());
                    self.assembly.push(n, end, size, chunk).map_err(|refused| CutShort(refused.to_string()))?;
                }
                Flow::Abort(why) => return Err(CutShort(why)),
                _ => {}
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // The service has all it wants of the body: what the visitor still sends would go nowhere. The exchange itself
        // goes on, so this is not the cancellation that the gate sends.
        self.exchange.tell(Flow::Cancel);
    }
}

/// Sends the service's answer on, part by part.
pub(super) async fn relay<B>(answering: &mut Answering, response: Response<B>) -> Result<(), Fault>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    let (parts, mut body) = response.into_parts();
    let head = ResponseHead { status: parts.status, headers: parts.headers };
    let most = answering.encoding().part();
    let patience = (!answering.exchange.flow_control).then_some(limits::GATHER);
    let small = body.size_hint().exact().is_some_and(|size| size <= most as u64);
    let (bytes, end) = gathered(&mut body, most, small.then_some(SMALL_BODY).or(patience)).await?;
    if answering.answer(head, Chunk { bytes, end }).await.is_err() || end {
        return Ok(());
    }
    loop {
        let frame = body.frame().await.transpose().map_err(|error| broken(&error))?;
        let ended = frame.is_none();
        let mut bytes = frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
        let mut end = ended || body.is_end_stream();
        if let (Some(patience), false) = (patience, end) {
            let (more, ends) = gathered(&mut body, most.saturating_sub(bytes.len()), Some(patience)).await?;
            (bytes, end) = ([bytes, more].concat().into(), ends);
        }
        // Where the link is closed, the gate has told the visitor.
        if answering.parts(bytes, end).await.is_err() || end {
            return Ok(());
        }
    }
}

/// What is here of a body, up to `most` bytes, and whether that is all of it; more is waited for as long as `patience` says.
async fn gathered<B>(body: &mut B, most: usize, patience: Option<Duration>) -> Result<(Bytes, bool), Fault>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    let mut bytes = BytesMut::new();
    let deadline = patience.map(|patience| tokio::time::Instant::now() + patience);
    while !body.is_end_stream() && bytes.len() < most {
        let frame = match (body.frame().now_or_never(), deadline) {
            (Some(frame), _) => frame,
            (None, None) => return Ok((bytes.freeze(), false)),
            (None, Some(deadline)) => match tokio::time::timeout_at(deadline, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => return Ok((bytes.freeze(), false)),
            },
        };
        let Some(frame) = frame else { return Ok((bytes.freeze(), true)) };
        bytes.extend(frame.map_err(|error| broken(&error))?.into_data().ok());
    }
    Ok((bytes.freeze(), body.is_end_stream()))
}
