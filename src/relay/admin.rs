//! The operator's own address answers `/healthz` and `/metrics`, and nothing that visitors or forwarders send gets here.

use crate::limits;
use crate::relay::metrics::Metrics;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The media type of what `prometheus-client` writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A pause after a failed accept: out of file descriptors, the next attempt would fail as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers on `listener` until `shutdown`. From `draining` on, `/healthz` says 503, so that no new visitors are sent.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    draining: CancellationToken,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS));
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let accept = async {
            // A place is taken before a connection is: those beyond the limit wait in the kernel's queue.
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        tokio::select! {
            (accepted, place) = accept => match accepted {
                Ok((socket, _)) => {
                    let (metrics, draining) = (metrics.clone(), draining.clone());
                    connections.spawn(async move {
                        connection(socket, &metrics, &draining).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection accepted on the admin address");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = &mut shutdown => return,
        }
    }
}

async fn connection(socket: TcpStream, metrics: &Metrics, draining: &CancellationToken) {
    let answer = |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), metrics, draining);
        async { Ok::<_, Infallible>(response) }
    };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::VISITOR_HEAD)
        .serve_connection(TokioIo::new(socket), service_fn(answer))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

fn answer(method: &Method, path: &str, metrics: &Metrics, draining: &CancellationToken) -> Response<Full<Bytes>> {
    let (status, kind, body) = match path {
        "/metrics" | "/healthz" if !matches!(*method, Method::GET | Method::HEAD) => {
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is answered here\n".to_owned())
        }
        "/metrics" => (StatusCode::OK, OPEN_METRICS, metrics.text()),
        "/healthz" if draining.is_cancelled() => (StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n".to_owned()),
        "/healthz" => (StatusCode::OK, TEXT, "ok\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, TEXT, "there are /healthz and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Admin {
        address: SocketAddr,
        metrics: Metrics,
        draining: CancellationToken,
        shutdown: CancellationToken,
        task: JoinSet<()>,
    }

    impl Admin {
        async fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (metrics, draining, shutdown) = (Metrics::new(), CancellationToken::new(), CancellationToken::new());
            let mut task = JoinSet::new();
            task.spawn(serve(listener, metrics.clone(), draining.clone(), shutdown.clone().cancelled_owned()));
            Self { address, metrics, draining, shutdown, task }
        }

        async fn ask(&self, request_line: &str) -> String {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            let request = format!("{request_line} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            tokio::time::timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
            answer
        }
    }

    #[tokio::test]
    async fn metrics_are_told_as_they_are_at_the_moment() {
        let admin = Admin::start().await;
        let _link = admin.metrics.link_opened();
        let answer = admin.ask("GET /metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("content-type: application/openmetrics-text"), "{answer}");
        assert!(answer.contains("\nhttp_tunnel_links 1\n") && answer.ends_with("# EOF\n"), "{answer}");
    }

    #[tokio::test]
    async fn health_is_ok_until_the_relay_drains() {
        let admin = Admin::start().await;
        let answer = admin.ask("GET /healthz").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
        assert!(admin.ask("HEAD /healthz").await.ends_with("\r\n\r\n"));
        admin.draining.cancel();
        assert!(admin.ask("GET /healthz").await.starts_with("HTTP/1.1 503"));
    }

    #[tokio::test]
    async fn nothing_else_is_answered() {
        let admin = Admin::start().await;
        assert!(admin.ask("GET /").await.starts_with("HTTP/1.1 404"));
        let refused = admin.ask("DELETE /metrics").await;
        assert!(refused.starts_with("HTTP/1.1 405") && refused.contains("allow: GET, HEAD"), "{refused}");
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_and_come_to_be_served() {
        let admin = Admin::start().await;
        let mut idle = Vec::new();
        for _ in 0..limits::ADMIN_CONNECTIONS {
            idle.push(TcpStream::connect(admin.address).await.unwrap());
        }
        let mut asked = std::pin::pin!(admin.ask("GET /healthz"));
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut asked).await.is_err(), "it waits");
        drop(idle);
        assert!(asked.await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn shutdown_ends_the_server_and_its_connections() {
        let mut admin = Admin::start().await;
        let mut idle = TcpStream::connect(admin.address).await.unwrap();
        assert!(admin.ask("GET /healthz").await.starts_with("HTTP/1.1 200"));
        admin.shutdown.cancel();
        assert!(tokio::time::timeout(PATIENCE, admin.task.join_next()).await.is_ok());
        let ended = tokio::time::timeout(PATIENCE, idle.read(&mut [0; 1])).await.expect("the connection ends");
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }
}
