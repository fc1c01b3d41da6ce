//! A visitor's request is answered through the door that it came in by: whole, or as it comes; what a door cannot carry
//! is refused before it is begun, and what breaks off is never made to look whole.

use super::aws::{Aws, Tally};
use super::event::{self, Answer, Call, Door, EventError, Prelude};
use super::report::Exchange;
use super::{Handler, Invocation, Outcome, buffered};
use crate::fault::{Code, Fault};
use crate::gate::{self, Body, Gate, Settings, page};
use crate::limits;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use http::header::{self, HeaderValue};
use http::{Method, Response};
use http_body_util::BodyExt as _;
use lambda_runtime::{Error, FunctionResponse, MetadataPrelude, StreamResponse};
use std::pin::Pin;

/// The body of a streamed answer.
pub type Streamed = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// What is needed once the answer's head is out.
struct Visit {
    aws: Aws,
    invocation: Invocation,
}

pub(super) async fn serve(handler: &Handler, call: Call, invocation: &Invocation) -> Outcome {
    let Call { door, domain, request, visitor } = call;
    let until = match door {
        Door::FunctionUrl => invocation.deadline,
        Door::HttpApi | Door::RestApi => invocation.deadline.min(invocation.begun + handler.config.answer),
    };
    let aws = Aws::new(handler.shared.clone(), until);
    let settings = Settings {
        public_url: handler.public_url(door, &domain),
        head_bytes: limits::HEAD,
        body_bytes: None,
        opening_bytes: limits::POST,
    };
    let (method, accept) = (request.method().clone(), request.headers().get(header::ACCEPT).cloned());
    let response = Gate::new(aws.clone(), settings).serve(request, &visitor, None).await;
    let visit = Visit { aws, invocation: invocation.clone() };
    match door {
        Door::FunctionUrl => visit.stream(response, accept.as_ref()).await,
        Door::HttpApi | Door::RestApi => {
            let elsewhere = elsewhere(handler, &visit.aws.tally());
            let answer = visit.buffer(response, &method, accept.as_ref(), door == Door::RestApi, &elsewhere).await;
            buffered(answer)
        }
    }
}

/// The answer to an event whose body is not what it says.
pub(super) fn refuse(error: &EventError) -> Outcome {
    let fault = Fault::new(Code::BadRequest, format!("The request's body cannot be read: {error}."));
    buffered(page_of(&fault, None, false))
}

/// Where an answer that this door cannot carry can be had.
fn elsewhere(handler: &Handler, tally: &Tally) -> String {
    match (&handler.config.stream_url, &tally.tunnel) {
        (Some(url), Some(name)) => format!("; larger, slower and streamed ones come through {}/", url.of(name)),
        _ => String::new(),
    }
}

fn page_of(fault: &Fault, accept: Option<&HeaderValue>, multi_value: bool) -> Answer {
    let (parts, body) = page::respond(fault, accept, &page::Extra::default()).into_parts();
    event::whole(parts.status, &parts.headers, &body, multi_value, "")
        .unwrap_or_else(|_| Answer::plain(parts.status, &fault.detail))
}

impl Visit {
    fn report(&self, status: u16, code: Option<Code>, cut: Option<String>) {
        let (request_id, tally) = (self.invocation.id.clone(), self.aws.tally());
        Exchange { request_id, tally, status, code, cut, took: self.invocation.begun.elapsed() }.print();
    }

    /// The whole answer; one that breaks off or is too large becomes a fault.
    async fn buffer(
        &self,
        response: Response<Body>,
        method: &Method,
        accept: Option<&HeaderValue>,
        multi_value: bool,
        elsewhere: &str,
    ) -> Answer {
        let mut code = gate::fault_code(response.headers());
        let (parts, body) = response.into_parts();
        let declared = gate::content_length(&parts.headers).filter(|_| method != Method::HEAD);
        let whole = async {
            event::fits(declared.unwrap_or_default(), limits::LAMBDA_PAYLOAD as u64, elsewhere)?;
            let body = self.collect(body, elsewhere).await?;
            event::whole(parts.status, &parts.headers, &body, multi_value, elsewhere)
        };
        let answer = whole.await.unwrap_or_else(|fault| {
            code = Some(fault.code);
            page_of(&fault, accept, multi_value)
        });
        self.aws.settle().await;
        self.report(answer.status_code, code, None);
        answer
    }

    async fn collect(&self, mut body: Body, elsewhere: &str) -> Result<Bytes, Fault> {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|cut| self.incomplete(&cut, elsewhere))?;
            whole.extend(frame.into_data().ok());
            event::fits(whole.len() as u64, limits::LAMBDA_PAYLOAD as u64, elsewhere)?;
        }
        Ok(whole.freeze())
    }

    /// The fault of an answer that broke off and of which nothing has gone out.
    fn incomplete(&self, cut: &dyn std::fmt::Display, elsewhere: &str) -> Fault {
        match self.aws.is_late() {
            true => Fault::new(Code::ServiceTimeout, format!("In the time that this address has, {cut}{elsewhere}")),
            false => Fault::new(Code::ServiceFailed, format!("The service began to answer, then {cut}")),
        }
    }

    /// The answer as it comes.
    async fn stream(self, response: Response<Body>, accept: Option<&HeaderValue>) -> Outcome {
        let declared = gate::content_length(response.headers());
        let response = match event::fits(declared.unwrap_or_default(), limits::LAMBDA_STREAM, "") {
            Ok(()) => response,
            Err(fault) => page::respond(&fault, accept, &page::Extra::default()).map(gate::whole),
        };
        let code = gate::fault_code(response.headers());
        let (parts, body) = response.into_parts();
        let Prelude { status, headers, cookies } = Prelude::new(parts.status, &parts.headers);
        let metadata_prelude = MetadataPrelude { status_code: status, headers, cookies };
        let state = (self, body, 0_u64);
        let stream: Streamed = Box::pin(stream::unfold(Some(state), move |state| async move {
            let (visit, mut body, sent) = state?;
            match next(&mut body, sent).await {
                Ok(Some(bytes)) => {
                    let sent = sent + bytes.len() as u64;
                    Some((Ok(bytes), Some((visit, body, sent))))
                }
                Ok(None) => {
                    drop(body);
                    visit.aws.settle().await;
                    visit.report(status.as_u16(), code, None);
                    None
                }
                Err(why) => {
                    drop(body);
                    visit.cut(status.as_u16(), code, why).await
                }
            }
        }));
        FunctionResponse::StreamingResponse(StreamResponse { metadata_prelude, stream })
    }

    /// Ends an answer that broke off. The runtime's client can only end a stream as if it were whole, so the process
    /// ends instead: the platform then cuts the visitor's connection, and the next request finds a new process.
    async fn cut(self, status: u16, code: Option<Code>, why: String) -> ! {
        self.aws.settle().await;
        self.report(status, code, Some(why));
        // What came before the cut is on its way in another task: it gets its turn.
        tokio::time::sleep(limits::LAST_WRITE).await;
        std::process::exit(1);
    }
}

async fn next(body: &mut Body, sent: u64) -> Result<Option<Bytes>, String> {
    loop {
        let Some(frame) = body.frame().await else { return Ok(None) };
        let bytes = frame.map_err(|cut| cut.to_string())?.into_data().unwrap_or_default();
        if sent + bytes.len() as u64 > limits::LAMBDA_STREAM {
            return Err("the platform carries 200 MB of an answer".to_owned());
        }
        if !bytes.is_empty() {
            return Ok(Some(bytes));
        }
    }
}
