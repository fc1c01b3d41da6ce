//! One visitor's connection: HTTP/1.1 or HTTP/2, with a deadline on every wait that a visitor could drag out.

use super::{Origin, Relay};
use crate::limits;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How an HTTP/2 connection begins (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Interval of HTTP/2 pings, and how long their answer may take.
const HTTP2_PING: Duration = Duration::from_secs(20);

/// Serves a connection without TLS; its first bytes say which HTTP it speaks.
pub(super) async fn serve_plain(relay: &Arc<Relay>, stream: TcpStream, origin: Origin, shutdown: CancellationToken) {
    let begun = tokio::time::timeout(limits::VISITOR_HEAD, speaks_http2(&stream)).await;
    match begun {
        Ok(Ok(true)) => serve_http2(relay, stream, origin, shutdown).await,
        Ok(Ok(false)) => serve_http1(relay, stream, origin, shutdown).await,
        // Nothing was asked, so there is nothing to answer.
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Serves a connection over TLS; ALPN says which HTTP it speaks.
pub(super) async fn serve_tls(
    relay: &Arc<Relay>,
    stream: TcpStream,
    tls: &TlsAcceptor,
    origin: Origin,
    shutdown: CancellationToken,
) {
    match tokio::time::timeout(limits::HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            serve_http2(relay, stream, origin, shutdown).await;
        }
        Ok(Ok(stream)) => serve_http1(relay, stream, origin, shutdown).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn speaks_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut buffer = [0; HTTP2_PREFACE.len()];
    loop {
        let begun = stream.peek(&mut buffer).await?;
        if begun == 0 || !HTTP2_PREFACE.starts_with(&buffer[..begun]) {
            return Ok(false);
        }
        if begun == HTTP2_PREFACE.len() {
            return Ok(true);
        }
        // A peek returns at once while the preface is incomplete, so the rest of it is waited for by the clock.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Serves HTTP/1.1.
pub(super) async fn serve_http1<S>(relay: &Arc<Relay>, stream: S, origin: Origin, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (relay, origin) = (relay.clone(), origin.clone());
        async move { Ok::<_, Infallible>(relay.handle(request, origin).await) }
    });
    let head_bytes = relay.gate.settings().head_bytes;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::VISITOR_HEAD)
        .max_headers(limits::HEADER_LINES)
        .max_buf_size((head_bytes + limits::KIB).max(16 * limits::KIB))
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "visitor's connection ended early");
    }
}

async fn serve_http2<S>(relay: &Arc<Relay>, stream: S, origin: Origin, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let relay_ref = relay.clone();
    let service = service_fn(move |request| {
        let (relay, origin) = (relay_ref.clone(), origin.clone());
        async move { Ok::<_, Infallible>(relay.handle(request, origin).await) }
    });
    let head_bytes = u32::try_from(relay.gate.settings().head_bytes).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING)
        .keep_alive_timeout(HTTP2_PING)
        .max_header_list_size(head_bytes)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "visitor's connection ended early");
    }
}
