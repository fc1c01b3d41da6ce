//! The public end's rules, once: from a visitor's request to its answer, knowing links only through a [`Switchboard`].
//!
//! The relay and the Lambda both call [`Gate::serve`]; neither has a rule of its own about names, heads, bodies or faults.

pub mod access;
mod answer;
pub mod handshake;
pub mod page;
pub mod route;
pub mod switchboard;
mod timing;
mod upload;

use crate::fault::{Code, Fault};
use crate::head::{self, RequestHead, ResponseHead, Visitor};
use crate::id::{ExchangeId, TunnelName};
use crate::wire::{Chunk, Encoding, Message as _, ToForwarder};
pub use answer::{Body, Cut, whole};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use route::{Candidate, PublicUrl};
use std::time::Instant;
use switchboard::{Inbox as _, Presence, Switchboard};
use timing::Watch;
use upload::{Bound, Upload};

/// What an operator decides about the gate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where tunnels are found.
    pub public_url: PublicUrl,
    /// Largest head of a request, bytes.
    pub head_bytes: usize,
    /// Largest body of a request, bytes; `None`: any.
    pub body_bytes: Option<u64>,
    /// Largest message that an exchange opens with, bytes; more of the body follows in parts.
    pub opening_bytes: usize,
}

/// The public end of many tunnels.
#[derive(Debug)]
pub struct Gate<S> {
    /// Who is linked.
    pub switchboard: S,
    settings: Settings,
}

/// A request that has found its tunnel, ready for the wire.
struct Routed<L> {
    link: L,
    candidate: Candidate,
    head: RequestHead,
    host: String,
    is_page_load: bool,
    begun: Instant,
}

/// An exchange whose answer has begun.
#[derive(Debug)]
pub struct Begun<S: Switchboard> {
    /// The answer's head, as the visitor will see it.
    pub head: ResponseHead,
    /// The beginning of the answer's body.
    pub body: Chunk,
    /// What the forwarder still sends.
    pub inbox: S::Inbox,
    /// What the visitor still sends; `None` when that is already on its way.
    pub outbox: Option<S::Outbox>,
    upload: Upload,
}

impl<S: Switchboard> Gate<S> {
    /// A gate over `switchboard`.
    pub fn new(switchboard: S, settings: Settings) -> Self {
        Self { switchboard, settings }
    }

    /// The gate's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Answers a visitor's request. Faults become answers too; a body that is cut short ends in an error, never whole.
    pub async fn serve<B>(&self, request: Request<B>, visitor: &Visitor, sole: Option<TunnelName>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send,
    {
        let method = request.method().clone();
        let accept = request.headers().get(header::ACCEPT).cloned();
        let outcome = async {
            let (mut parts, body) = request.into_parts();
            let headers = std::mem::take(&mut parts.headers);
            let routed = self.route(&parts, headers, visitor, sole).await?;
            if routed.candidate.lacks_slash {
                return Ok(answer::redirect_to_slash(&routed.candidate, parts.uri.query()));
            }
            self.begin(routed, body).await.map(Begun::into_response)
        };
        let answer = outcome.await.unwrap_or_else(|fault| answer::fault(&fault, accept.as_ref()));
        answer::without_body_for_head(answer, &method)
    }

    /// Opens a visitor's WebSocket: the service's answer is 101, or something else to be handed on.
    ///
    /// # Errors
    /// The fault to answer with.
    pub async fn open_websocket(
        &self,
        parts: &http::request::Parts,
        visitor: &Visitor,
        sole: Option<TunnelName>,
    ) -> Result<Begun<S>, Fault> {
        let mut routed = self.route(parts, parts.headers.clone(), visitor, sole).await?;
        routed.head.websocket = true;
        head::strip_websocket_handshake(&mut routed.head.headers);
        self.begin(routed, http_body_util::Empty::new()).await
    }

    /// Routes the request of `parts`, whose `headers` it is to have.
    async fn route(
        &self,
        parts: &http::request::Parts,
        mut headers: HeaderMap,
        visitor: &Visitor,
        sole: Option<TunnelName>,
    ) -> Result<Routed<S::Link>, Fault> {
        let begun = Instant::now();
        let host = host_of(parts, &headers)?;
        let target = target_of(parts)?;
        let size = head::size(&headers) + target.as_str().len();
        if size > self.settings.head_bytes {
            let most = self.settings.head_bytes;
            return Err(Fault::new(
                Code::RequestTooLarge,
                format!("The request's head takes {size} bytes, the limit is {most}."),
            ));
        }
        let candidates = self.settings.public_url.candidates(&host, &target, &headers, sole)?;
        let (link, candidate) = self.first_linked(candidates).await?;
        let is_page_load =
            headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
        head::strip_hop_by_hop(&mut headers);
        if parts.version >= http::Version::HTTP_2 {
            head::join_cookies(&mut headers);
        }
        if candidate.prefix.is_some() {
            route::strip_cookie(&mut headers);
        }
        if headers.get(header::HOST).is_none_or(|named| named != host.as_str()) {
            let host = HeaderValue::from_str(&host).map_err(|_| bad_request("The Host header is malformed."))?;
            headers.insert(header::HOST, host);
        }
        let from = head::set_forwarded(&mut headers, visitor, &host, candidate.prefix.as_deref());
        let head = RequestHead {
            method: parts.method.clone(),
            target: candidate.target.clone(),
            headers,
            from,
            websocket: false,
        };
        Ok(Routed { link, candidate, head, host, is_page_load, begun })
    }

    async fn first_linked(&self, candidates: Vec<Candidate>) -> Result<(S::Link, Candidate), Fault> {
        let likeliest = candidates[0].name.clone();
        for candidate in candidates {
            match self.switchboard.find(&candidate.name).await? {
                Presence::Linked(link) => return Ok((link, candidate)),
                Presence::Offline => {
                    let name = &candidate.name;
                    return Err(Fault::new(
                        Code::ForwarderOffline,
                        format!("The tunnel {name} is known, but its forwarder is not connected right now."),
                    ));
                }
                Presence::Unknown => {}
            }
        }
        Err(Fault::new(Code::TunnelNotFound, format!("There is no tunnel named {likeliest}.")))
    }

    async fn begin<B>(&self, routed: Routed<S::Link>, mut body: B) -> Result<Begun<S>, Fault>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send,
    {
        let Routed { link, candidate, head, host, is_page_load, begun } = routed;
        let most = self.settings.body_bytes;
        let expects_continue = head.headers.contains_key(header::EXPECT);
        // Room in the narrower of the encodings: whichever the link speaks, the message fits.
        let opening = self.settings.opening_bytes.min(Encoding::Text.message());
        let room = Encoding::Text.beside_within(opening, &head.headers, head.target.as_str().len());
        if room == 0 {
            check_head_fits(&head)?;
        }
        let (beginning, rest) = upload::beginning(&mut body, room, most, expects_continue).await?;
        let (complete, sent) = (beginning.end, (beginning.bytes.len() + rest.len()) as u64);
        let (outbox, mut inbox) = self.switchboard.open(&link, head, beginning).await?;
        let watch = Watch { begun, opened: Instant::now() };
        let (mut upload, outbox) = if complete {
            (Upload::none(), Some(outbox))
        } else {
            (Upload::start(outbox, rest, body, expects_continue, Bound { most, sent }), None)
        };
        let (mut head, body) = tokio::select! {
            biased;
            // Before the forwarder's word on it, which only repeats that the body was cut short.
            fault = upload.failed() => return Err(fault),
            answer = answer::first(&mut inbox) => answer?,
        };
        head::strip_hop_by_hop(&mut head.headers);
        head.headers.remove(head::FAULT);
        let own = candidate.name.as_str();
        let hosts = [host.as_str(), "localhost", "127.0.0.1", own];
        route::rewrite_answer(&mut head.headers, &candidate, &hosts, is_page_load);
        if let Some(timing) = watch.read(&mut head.headers) {
            inbox.timed(timing);
        }
        Ok(Begun { head, body, inbox, outbox, upload })
    }
}

impl<S: Switchboard> Begun<S> {
    /// The answer as a response whose body streams.
    pub fn into_response(self) -> Response<Body> {
        answer::response(self.head, self.body, self.inbox, self.upload)
    }
}

/// A head that JSON's escapes blow up over what a message may be, is refused before it costs its forwarder the link.
fn check_head_fits(head: &RequestHead) -> Result<(), Fault> {
    let (encoding, id) = (Encoding::Text, ExchangeId(u64::MAX));
    let size = ToForwarder::Open(id, head.clone(), Chunk::default()).encode(encoding).len();
    if size <= encoding.message() {
        return Ok(());
    }
    let most = encoding.message();
    let text = format!("The request's head takes {size} bytes on the link, a message holds {most}.");
    Err(Fault::new(Code::RequestTooLarge, text))
}

fn bad_request(detail: &str) -> Fault {
    Fault::new(Code::BadRequest, detail)
}

/// The host that the visitor asked for: the target's authority where it has one (RFC 9112 §3.2.2), which must then
/// agree with `Host`, since a cache or a service that believes the other one could be fooled.
fn host_of(parts: &http::request::Parts, headers: &HeaderMap) -> Result<String, Fault> {
    let mut lines = headers.get_all(header::HOST).iter();
    let named = lines.next().map(HeaderValue::to_str).transpose();
    let named = named.map_err(|_| bad_request("The Host header is malformed."))?;
    if lines.next().is_some() {
        return Err(bad_request("The request has more than one Host header."));
    }
    let authority = parts.uri.authority();
    if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad_request("The request's address carries credentials."));
    }
    match (authority.map(http::uri::Authority::as_str), named) {
        (Some(target), Some(host)) if !target.eq_ignore_ascii_case(host) => {
            Err(bad_request("The request line and the Host header name different hosts."))
        }
        (Some(host), _) | (None, Some(host)) => Ok(host.to_owned()),
        (None, None) if parts.version < http::Version::HTTP_11 => Ok(String::new()),
        (None, None) => Err(bad_request("The request has no Host header.")),
    }
}

fn target_of(parts: &http::request::Parts) -> Result<http::uri::PathAndQuery, Fault> {
    if parts.method == Method::CONNECT {
        return Err(bad_request("This is not a forward proxy: CONNECT is not served."));
    }
    let no_path = || bad_request("The request's target is no path.");
    let target = parts.uri.path_and_query().ok_or_else(no_path)?;
    match target.as_str() {
        // The asterisk stands for the whole server, which only OPTIONS can ask (RFC 9112 §3.2.4).
        "*" if parts.method == Method::OPTIONS => Ok(target.clone()),
        path if path.starts_with('/') => Ok(target.clone()),
        // `http://host?query`: an empty path is `/` (RFC 9110 §4.2.3).
        query if query.starts_with('?') => format!("/{query}").parse().map_err(|_| no_path()),
        _ => Err(no_path()),
    }
}

/// A status that has no body, whatever its headers say (RFC 9110 §6.4.1).
fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// The `Content-Length` of a head, if it has a well-formed one.
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The fault that an answer's head names, if it tells of one: a service's answer never does.
pub fn fault_code(headers: &HeaderMap) -> Option<Code> {
    headers.get(head::FAULT)?.to_str().ok()?.parse().ok()
}
