//! The client towards the service: hyper's, with its pool; nothing added to requests, nothing followed, nothing decoded.
//!
//! Full duplex, since a service may answer, and refuse, while a body is still on its way.

use super::request::Upload;
use crate::forwarder::service::Service;
use crate::limits;
use http::Uri;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The pooled client.
pub(super) type Client = legacy::Client<Connector, Upload>;

/// A client for `service`.
pub(super) fn client(service: Arc<Service>) -> Client {
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(limits::SERVICE_IDLE)
        .set_host(false)
        .http1_max_headers(limits::HEADER_LINES)
        .http1_max_buf_size(limits::HEAD)
        .build(Connector(service))
}

/// Connects to the service, wherever the URL points.
#[derive(Clone, Debug)]
pub(super) struct Connector(Arc<Service>);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Socket>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Socket>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move {
            let stream = service.connect().await?;
            Ok(TokioIo::new(Socket { stream, used: Used::default() }))
        })
    }
}

/// Whether a connection has carried a request before.
#[derive(Clone, Debug, Default)]
pub(super) struct Used(Arc<AtomicBool>);

impl Used {
    /// Notes a request; says whether there was one before.
    pub(super) fn again(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

/// A connection to the service.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    used: Used,
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.used.clone())
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
