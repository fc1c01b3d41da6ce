//! HTTP servers on ports of their own, gone with all their connections when dropped.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// The platform publishes no limit for the number of fields; the bytes of a head are limited by each door.
const MAX_HEADERS: usize = 1000;

/// Between two attempts to accept.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

pub type Body = BoxBody<Bytes, std::io::Error>;

/// A task that ends with its owner.
pub struct Owned(JoinHandle<()>);

impl Owned {
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub struct Server {
    pub address: SocketAddr,
    dropping: Arc<Notify>,
    _accepting: Owned,
}

impl Server {
    /// Serves HTTP/1.1 with `answer`.
    pub async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>, SocketAddr) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::on(bind().await, answer)
    }

    pub fn on<F, A>(listener: TcpListener, answer: F) -> Self
    where
        F: Fn(Request<Incoming>, SocketAddr) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let address = listener.local_addr().expect("it is bound");
        let dropping = Arc::new(Notify::new());
        let dropped = Arc::clone(&dropping);
        let accepting = Owned::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = dropped.notified() => {
                        connections.shutdown().await;
                        continue;
                    }
                };
                let Ok((stream, peer)) = accepted else {
                    // Out of descriptors, which others give back.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                while connections.try_join_next().is_some() {}
                let answer = answer.clone();
                let service = service_fn(move |request| {
                    let answering = answer(request, peer);
                    async move { Ok::<_, Infallible>(answering.await) }
                });
                connections.spawn(async move {
                    // Small answers must not wait for an acknowledgement. A peer that is gone ends its own connection only.
                    let _ = stream.set_nodelay(true);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .max_headers(MAX_HEADERS)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, dropping, _accepting: accepting }
    }

    /// Ends every connection, as happens to those of a frozen process. New ones are welcome.
    pub fn drop_connections(&self) {
        self.dropping.notify_one();
    }
}

pub async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A JSON answer, as the platform's own are.
pub fn json(status: u16, value: &serde_json::Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(full(value.to_string()))
        .expect("the parts are sound")
}
