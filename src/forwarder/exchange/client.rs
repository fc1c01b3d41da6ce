//! Connections to the service: each serves one exchange at a time and is polled by the task that waits for the answer, so
//! that an answer needs no second task to arrive.
//!
//! Nothing is added to requests, nothing followed, nothing decoded. Full duplex, since a service may answer, and refuse,
//! while a body is still on its way: a connection that carries such a body has a task of its own.

use super::request::Upload;
use crate::forwarder::service::Service;
use crate::limits;
use crate::link::locked;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::net::TcpStream;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing accepts a connection.
    Unreachable(io::Error),
    /// The connection broke, one that had served before or a new one.
    Broken { error: hyper::Error, reused: bool },
}

/// Asks the service; keeps connections that can serve again for [`limits::SERVICE_IDLE`].
#[derive(Debug)]
pub(super) struct Client {
    service: Arc<Service>,
    idle: Arc<Idle>,
}

impl Client {
    /// A client for `service`.
    pub(super) fn new(service: Arc<Service>) -> Self {
        Self { service, idle: Arc::default() }
    }

    /// Asks with a body that is all here.
    pub(super) async fn ask(&self, mut request: Request<Upload>) -> Result<Response<Answer>, Failed> {
        loop {
            let (mut connection, reused) = self.connection().await?;
            let response = connection.sender.try_send_request(request);
            let answered = connection.drive_until(response).await;
            match answered {
                Ok(response) => {
                    let kept = Some((connection, self.idle.clone()));
                    return Ok(response.map(|body| Answer { body, ended: false, kept }));
                }
                Err(error) => request = unsent(error, reused)?,
            }
        }
    }

    /// Asks with a body that is still on its way, which is sent also while nobody waits for the answer.
    pub(super) async fn ask_streaming(&self, mut request: Request<Upload>) -> Result<Response<Answer>, Failed> {
        loop {
            let (mut connection, reused) = self.connection().await?;
            let response = connection.sender.try_send_request(request);
            let idle = self.idle.clone();
            tokio::spawn(async move {
                if connection.ready().await {
                    idle.put(connection);
                }
            });
            match response.await {
                Ok(response) => return Ok(response.map(|body| Answer { body, ended: false, kept: None })),
                Err(error) => request = unsent(error, reused)?,
            }
        }
    }

    /// Asks for another protocol, on a connection that will be that protocol's.
    pub(super) async fn ask_upgrade(&self, request: Request<Upload>) -> Result<Response<Incoming>, Failed> {
        let (mut sender, connection) = self.connect().await?;
        // What breaks the connection is told to whoever waits for its answer.
        tokio::spawn(async move { connection.with_upgrades().await.ok() });
        sender.send_request(request).await.map_err(|error| Failed::Broken { error, reused: false })
    }

    /// A connection that can serve now, and whether it has served before.
    async fn connection(&self) -> Result<(Connection, bool), Failed> {
        while let Some(mut connection) = self.idle.take() {
            if connection.ready().await {
                return Ok((connection, true));
            }
        }
        let (sender, driver) = self.connect().await?;
        let mut connection = Connection { sender, driver: Some(Box::new(driver)) };
        connection.ready().await;
        Ok((connection, false))
    }

    async fn connect(&self) -> Result<(SendRequest<Upload>, Driver), Failed> {
        let stream = self.service.connect().await.map_err(Failed::Unreachable)?;
        let mut builder = http1::Builder::new();
        builder.max_headers(limits::HEADER_LINES).max_buf_size(limits::HEAD);
        let shaken = builder.handshake(TokioIo::new(stream)).await;
        shaken.map_err(|error| Failed::Broken { error, reused: false })
    }
}

/// The request, where a connection that had served before was closed before any of it went out.
fn unsent(mut error: TrySendError<Request<Upload>>, reused: bool) -> Result<Request<Upload>, Failed> {
    match error.take_message() {
        Some(request) if reused => Ok(request),
        _ => Err(Failed::Broken { error: error.into_error(), reused }),
    }
}

type Driver = http1::Connection<TokioIo<TcpStream>, Upload>;

/// A connection to the service.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Upload>,
    /// `None` once the connection is over.
    driver: Option<Box<Driver>>,
}

impl Connection {
    /// Reads and writes what can be.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let over = self.driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(cx).is_ready());
        if over {
            // With it goes what would still wait for it; those are told why.
            self.driver = None;
        }
    }

    async fn drive_until<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            self.drive(cx);
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Waits until it can take a request; false if it is over instead.
    async fn ready(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            if self.driver.is_none() {
                return Poll::Ready(false);
            }
            self.sender.poll_ready(cx).map(|ready| ready.is_ok())
        })
        .await
    }
}

/// Connections that wait for their next request.
#[derive(Debug, Default)]
struct Idle(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// The one that served last at the end.
    connections: Vec<(Connection, Instant)>,
    /// A task looks after those that wait too long.
    swept: bool,
}

impl Idle {
    fn take(&self) -> Option<Connection> {
        let mut waiting = locked(&self.0);
        let (connection, since) = waiting.connections.pop()?;
        if since.elapsed() < limits::SERVICE_IDLE {
            return Some(connection);
        }
        // All others have waited even longer.
        waiting.connections.clear();
        None
    }

    fn put(self: &Arc<Self>, connection: Connection) {
        let mut waiting = locked(&self.0);
        waiting.connections.push((connection, Instant::now()));
        if !std::mem::replace(&mut waiting.swept, true) {
            tokio::spawn(self.clone().sweep());
        }
    }

    /// Closes connections that have waited for too long, until none waits.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(limits::SERVICE_IDLE / 2).await;
            let mut waiting = locked(&self.0);
            waiting.connections.retain(|(_, since)| since.elapsed() < limits::SERVICE_IDLE);
            if waiting.connections.is_empty() {
                waiting.swept = false;
                return;
            }
        }
    }
}

/// An answer's body. When it has been read to its end, its connection can serve again.
#[derive(Debug)]
pub(super) struct Answer {
    body: Incoming,
    ended: bool,
    /// `None` where the connection has a task of its own.
    kept: Option<(Connection, Arc<Idle>)>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Pending, Some((connection, _))) = (&polled, &mut self.kept) {
            connection.drive(cx);
            polled = Pin::new(&mut self.body).poll_frame(cx);
        }
        self.ended |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let ended = self.is_end_stream();
        if let Some((connection, idle)) = self.kept.take()
            && ended
            && connection.driver.is_some()
            && connection.sender.is_ready()
        {
            idle.put(connection);
        }
    }
}
