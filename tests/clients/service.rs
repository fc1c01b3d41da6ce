//! A service written for one test: a handler on a socket of its own, HTTP/1.1 and HTTP/2, gone when dropped.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Result;
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Listens until it is dropped.
pub(crate) struct Service {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Service {
    /// Answers every request with `handler`.
    pub(crate) async fn start<H, F>(handler: H) -> Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::of_connections(move |stream| serve(stream, handler.clone())).await
    }

    /// Hands every connection to `connection`: for what an HTTP library would not send.
    pub(crate) async fn of_connections<C, F>(connection: C) -> Result<Self>
    where
        C: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            // The set ends the open connections together with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let work = connection(stream);
                connections.spawn(async move {
                    if let Err(error) = work.await {
                        eprintln!("service: {error:#}");
                    }
                });
            }
        });
        Ok(Self { address, accepting })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve<H, F>(stream: TcpStream, handler: H) -> Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let answer = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), answer)
        .await
        .map_err(anyhow::Error::from_boxed)
}

/// A body that is known in full.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body that is sent bit by bit; the sender waits while nobody reads.
pub(crate) fn streamed() -> (Sender<Bytes, Infallible>, Body) {
    let (sender, body) = Channel::new(4);
    (sender, body.boxed_unsync())
}
