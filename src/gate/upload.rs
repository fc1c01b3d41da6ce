//! A request's body travels while its answer may already be on the way; cut short, it is aborted, never ended.
//!
//! What nobody wants of it any more is read and dropped for a while: a visitor who is cut off while it sends may never
//! read the answer (RFC 9112 §9.6).

use super::switchboard::{Ended, Outbox};
use crate::body;
use crate::fault::{Code, Fault};
use crate::limits;
use crate::wire::{Chunk, Flow};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The rest of a body on its way; when it is dropped, no more of it is sent.
#[derive(Debug)]
pub(super) struct Upload {
    _enough: Option<DropGuard>,
    failure: Option<oneshot::Receiver<Fault>>,
}

/// What is left of a body when its sending is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Nothing, or what the visitor has not been asked for.
    Nothing,
    /// What the visitor may still send and nobody wants.
    Unwanted,
}

/// The part of the body that travels with the head: all of it where it is small and declared, else what is here. At
/// most `room` bytes of it; what has arrived beyond them comes back too, to be sent first.
///
/// # Errors
/// The body is over `most`, or the visitor broke it.
pub(super) async fn beginning<B>(
    body: &mut B,
    room: usize,
    most: Option<u64>,
    expects_continue: bool,
) -> Result<(Chunk, Bytes), Fault>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display + Send,
{
    if body.is_end_stream() {
        return Ok((Chunk::whole(Bytes::new()), Bytes::new()));
    }
    let declared = body.size_hint().exact();
    if let (Some(size), Some(most)) = (declared, most.filter(|most| declared > Some(*most))) {
        return Err(too_large(Some(size), most));
    }
    if expects_continue {
        return Ok((Chunk::default(), Bytes::new()));
    }
    let room = room.min(limits::WHOLE_BODY);
    let small = declared.is_some_and(|size| size <= room as u64);
    let deadline = tokio::time::Instant::now() + if small { limits::SMALL_BODY } else { Duration::ZERO };
    let (mut bytes, mut end) = (BytesMut::new(), false);
    while !end && (small || bytes.len() < room) {
        // Otherwise only what has arrived: the service may want the head before the visitor goes on.
        let frame = match body.frame().now_or_never() {
            None if small => match tokio::time::timeout_at(deadline, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => break,
            },
            None => break,
            Some(frame) => frame,
        };
        match frame {
            None => end = true,
            Some(frame) => bytes.extend(frame.map_err(|error| broken(&error))?.into_data().ok()),
        }
        end |= body.is_end_stream();
    }
    if let Some(most) = most.filter(|most| bytes.len() as u64 > *most) {
        return Err(too_large(None, most));
    }
    let mut bytes = bytes.freeze();
    let rest = bytes.split_off(room.min(bytes.len()));
    Ok((Chunk { bytes, end: end && rest.is_empty() }, rest))
}

fn broken(error: &impl std::fmt::Display) -> Fault {
    Fault::new(Code::BadRequest, format!("The request's body broke off: {error}."))
}

fn too_large(size: Option<u64>, most: u64) -> Fault {
    let size = size.map_or_else(|| "more".to_owned(), |size| format!("{size} bytes"));
    Fault::new(
        Code::RequestTooLarge,
        format!("The request's body has {size}, the limit of this public end is {most} bytes."),
    )
}

/// How large a body may be, and how much of it has gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// The operator's limit; `None`: any.
    pub(super) most: Option<u64>,
    /// Bytes sent so far.
    pub(super) sent: u64,
}

impl Upload {
    /// Nothing is left to send.
    pub(super) fn none() -> Self {
        Self { _enough: None, failure: None }
    }

    /// Sends `rest` and then `body` through `outbox`, part by part, as long as `bound` has room for `body`.
    pub(super) fn start<B, O>(outbox: O, rest: Bytes, body: B, waits_for_demand: bool, bound: Bound) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::fmt::Display + Send,
        O: Outbox,
    {
        let (failed, failure) = oneshot::channel();
        let enough = CancellationToken::new();
        let stop = enough.clone();
        tokio::spawn(async move {
            let (mut outbox, mut body) = (outbox, body);
            let sent = tokio::select! {
                sent = send_all(&mut outbox, rest, &mut body, waits_for_demand, bound) => sent,
                () = stop.cancelled() => Ok(Left::Unwanted),
            };
            let left = match sent {
                Ok(left) => left,
                Err(fault) => {
                    let abort = Flow::Abort(fault.detail.clone());
                    // Told before the forwarder is, whose word on it says less. Nobody listens any more where the answer
                    // has begun.
                    let _unheard = failed.send(fault);
                    let _ended = outbox.send(abort).await;
                    Left::Unwanted
                }
            };
            drop(outbox);
            if left == Left::Unwanted {
                let rest = async { while let Some(Ok(_)) = body.frame().await {} };
                let _longer = tokio::time::timeout(limits::LINGER, rest).await;
            }
        });
        Self { _enough: Some(enough.drop_guard()), failure: Some(failure) }
    }

    /// Completes only when the upload fails in a way that the visitor is to be told.
    pub(super) async fn failed(&mut self) -> Fault {
        if let Some(failure) = &mut self.failure {
            if let Ok(fault) = failure.await {
                return fault;
            }
            self.failure = None;
        }
        std::future::pending().await
    }
}

async fn send_all<B, O>(
    outbox: &mut O,
    rest: Bytes,
    body: &mut B,
    waits_for_demand: bool,
    mut bound: Bound,
) -> Result<Left, Fault>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: std::fmt::Display + Send,
    O: Outbox,
{
    if waits_for_demand && outbox.wait_for_demand().await == Err(Ended) {
        return Ok(Left::Nothing);
    }
    let mut n = 0;
    if send_parts(outbox, &mut n, rest, false).await == Err(Ended) {
        return Ok(Left::Unwanted);
    }
    loop {
        let fault = match body.frame().await {
            None => {
                n += 1;
                let _ended = outbox.send(Flow::Part(n, Chunk::whole(Bytes::new()))).await;
                return Ok(Left::Nothing);
            }
            Some(Err(error)) => broken(&error),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                bound.sent += data.len() as u64;
                if bound.most.is_none_or(|most| bound.sent <= most) {
                    let end = body.is_end_stream();
                    let sent = send_parts(outbox, &mut n, data, end).await;
                    match (sent, end) {
                        (_, true) => return Ok(Left::Nothing),
                        (Err(Ended), false) => return Ok(Left::Unwanted),
                        (Ok(()), false) => continue,
                    }
                }
                too_large(None, bound.most.unwrap_or_default())
            }
        };
        return Err(fault);
    }
}

async fn send_parts<O: Outbox>(outbox: &mut O, n: &mut u32, data: Bytes, end: bool) -> Result<(), Ended> {
    let mut parts = body::split(data, outbox.part()).peekable();
    while let Some(bytes) = parts.next() {
        *n += 1;
        outbox.send(Flow::Part(*n, Chunk { bytes, end: end && parts.peek().is_none() })).await?;
    }
    Ok(())
}
