//! A directory becomes a service on loopback; nothing outside it, nothing hidden and nothing but files is ever opened.
//!
//! tower-http answers for files (types, ranges, conditions, `index.html`). What it opens goes through `Inside`, which
//! resolves symbolic links first: one that leads out of the directory is answered as if it were not there. Names that
//! start with a dot are hidden, except `.well-known`. A directory without `index.html` is answered with a listing.

mod inside;
mod listing;

use crate::limits;
use anyhow::Context;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use inside::Inside;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::net::{TcpListener, TcpStream};
use tower_http::services::ServeDir;

type Body = UnsyncBoxBody<Bytes, io::Error>;
type Files = ServeDir<tower_http::services::fs::DefaultServeDirFallback, Inside>;

/// Serves `directory` on a free port of 127.0.0.1 for as long as the process runs, and returns the address.
///
/// # Errors
/// The directory cannot be read, or there is no port.
pub async fn serve(directory: &Path) -> anyhow::Result<SocketAddr> {
    let shown = directory.display();
    let inside = Inside::new(directory).with_context(|| format!("cannot read the directory {shown}"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port to serve the directory on")?;
    let address = listener.local_addr().context("no port to serve the directory on")?;
    tokio::spawn(accept(listener, inside));
    Ok(address)
}

async fn accept(listener: TcpListener, inside: Inside) {
    let files = ServeDir::with_backend(inside.root(), inside.clone()).ignore_multi_range_requests(true);
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // Head and file are two writes; the second would wait for the client's delayed acknowledgement, 40 ms.
                let _slower_without = socket.set_nodelay(true);
                tokio::spawn(converse(socket, files.clone(), inside.clone()));
            }
            // Out of file descriptors: some exchange has to end first.
            Err(_) => tokio::time::sleep(limits::ACCEPT_PAUSE).await,
        }
    }
}

async fn converse(socket: TcpStream, files: Files, inside: Inside) {
    let service = service_fn(|request| answer(request, files.clone(), inside.clone()));
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
    // The forwarder is the client: it notices what breaks, and tells the visitor.
    let _ended = connection.await;
}

async fn answer(request: Request<Incoming>, mut files: Files, inside: Inside) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    // An empty segment could make the redirect to `/…/` one to another host.
    if path.contains("//") || !path.starts_with('/') {
        return Ok(plain(StatusCode::NOT_FOUND));
    }
    let answer = match files.try_call(request).await {
        Ok(answer) => answer.map(|body| body.map_err(io::Error::other).boxed_unsync()),
        Err(error) => plain(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
                StatusCode::NOT_FOUND
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }),
    };
    if answer.status() == StatusCode::NOT_FOUND {
        let listing = if reads && path.ends_with('/') { list(path, inside).await } else { None };
        return Ok(listing.unwrap_or_else(|| plain(StatusCode::NOT_FOUND)));
    }
    Ok(answer)
}

async fn list(path: String, inside: Inside) -> Option<Response<Body>> {
    let html = tokio::task::spawn_blocking(move || listing::page(&path, &inside)).await.ok()??;
    let mut answer = text(StatusCode::OK, html, "text/html; charset=utf-8");
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    Some(answer)
}

fn plain(status: StatusCode) -> Response<Body> {
    let reason = status.canonical_reason().unwrap_or_default();
    text(status, format!("{} {reason}\n", status.as_u16()), "text/plain; charset=utf-8")
}

fn text(status: StatusCode, text: String, content_type: &'static str) -> Response<Body> {
    let body = Full::from(text).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
