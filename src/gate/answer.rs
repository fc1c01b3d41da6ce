//! The answer to a visitor: complete with the service's own end, cut visibly without it.

use super::route::Candidate;
use super::switchboard::{Arrival, Inbox};
use super::upload::Upload;
use super::{content_length, is_bodiless, page};
use crate::body::Assembly;
use crate::fault::{Code, Fault};
use crate::head::ResponseHead;
use crate::wire::{Chunk, Flow};
use bytes::Bytes;
use futures_util::stream;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Either, Full, StreamBody};
use std::fmt;

/// Body of an answer: whole, or streaming.
pub type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Cut>>;

/// A body that is here as a whole.
pub fn whole(bytes: Bytes) -> Body {
    Either::Left(Full::new(bytes))
}

/// The body ends before its end; holds why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut(pub String);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer was cut short: {}", self.0)
    }
}

impl std::error::Error for Cut {}

/// Waits for the answer's head. What overtakes it is kept by number in the inbox's assembly.
///
/// # Errors
/// The fault to tell the visitor.
pub(super) async fn first<I: Inbox>(inbox: &mut I) -> Result<(ResponseHead, Chunk), Fault> {
    loop {
        match inbox.next().await? {
            Arrival::Answer(head, body) => {
                if body.end {
                    inbox.finish();
                }
                return Ok((head, body));
            }
            Arrival::Fail(fault) => {
                inbox.finish();
                return Err(fault);
            }
            Arrival::Flow(Flow::Abort(why)) => return Err(Fault::new(Code::ServiceFailed, why)),
            // Inboxes hold parts back until the head has come.
            Arrival::Flow(_) => {}
        }
    }
}

/// The response to a visitor from the answer's head, the beginning of its body, and the inbox that brings the rest.
pub(super) fn response<I: Inbox>(head: ResponseHead, body: Chunk, inbox: I, upload: Upload) -> Response<Body> {
    let declared = content_length(&head.headers);
    let body = match body {
        Chunk { bytes, end: true }
            if is_bodiless(head.status) || declared.is_none_or(|n| n == bytes.len() as u64 || bytes.is_empty()) =>
        {
            Either::Left(Full::new(bytes))
        }
        body => Either::Right(StreamBody::new(Box::pin(rest(body, inbox, upload))).boxed_unsync()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

/// State of a body on its way to the visitor.
struct Rest<I> {
    inbox: I,
    assembly: Assembly<Chunk>,
    beginning: Option<Chunk>,
    ended: bool,
    _upload: Upload,
}

fn rest<I: Inbox>(
    beginning: Chunk,
    inbox: I,
    upload: Upload,
) -> impl stream::Stream<Item = Result<Frame<Bytes>, Cut>> + Send {
    let ended = beginning.end;
    let assembly = Assembly::new(1, inbox.reorder_limit());
    let rest =
        Rest { inbox, assembly, beginning: Some(beginning).filter(|b| !b.bytes.is_empty()), ended, _upload: upload };
    stream::unfold(Some(rest), |state| async {
        let mut rest = state?;
        match rest.next().await {
            Ok(Some(bytes)) => Some((Ok(Frame::data(bytes)), Some(rest))),
            Ok(None) => None,
            Err(cut) => {
                // An error makes hyper drop what it has not written yet: it gets a turn for what came before.
                tokio::task::yield_now().await;
                Some((Err(cut), None))
            }
        }
    })
}

impl<I: Inbox> Rest<I> {
    async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        loop {
            let chunk = self.beginning.take().or_else(|| self.assembly.pop());
            if let Some(chunk) = chunk {
                self.ended |= chunk.end;
                if self.ended {
                    self.inbox.finish();
                }
                if !chunk.bytes.is_empty() {
                    self.inbox.read(chunk.bytes.len());
                    return Ok(Some(chunk.bytes));
                }
            } else if self.ended {
                return Ok(None);
            } else {
                self.receive().await?;
            }
        }
    }

    async fn receive(&mut self) -> Result<(), Cut> {
        match self.inbox.next().await.map_err(|fault| Cut(fault.detail))? {
            Arrival::Flow(Flow::Part(n, chunk)) => {
                let (end, size) = (chunk.end, chunk.bytes.len());
                self.assembly.push(n, end, size, chunk).map_err(|refused| Cut(refused.to_string()))
            }
            Arrival::Flow(Flow::Abort(why)) => Err(Cut(why)),
            Arrival::Fail(fault) => Err(Cut(fault.detail)),
            Arrival::Answer(..) | Arrival::Flow(_) => Ok(()),
        }
    }
}

/// The answer that tells of a fault.
pub(super) fn fault(fault: &Fault, accept: Option<&HeaderValue>) -> Response<Body> {
    page::respond(fault, accept, &page::Extra::default()).map(|bytes| Either::Left(Full::new(bytes)))
}

/// Path mode without the slash: relative links of the page would miss the tunnel.
pub(super) fn redirect_to_slash(candidate: &Candidate, query: Option<&str>) -> Response<Body> {
    let prefix = candidate.prefix.as_deref().unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::new(Either::Left(Full::new(Bytes::new())));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(&format!("{prefix}/{query}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The answer to HEAD has the headers of GET's and no body.
pub(super) fn without_body_for_head(response: Response<Body>, method: &Method) -> Response<Body> {
    if method == Method::HEAD { response.map(|_| Either::Left(Full::new(Bytes::new()))) } else { response }
}
