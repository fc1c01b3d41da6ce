//! The inspector's own HTTP: what comes in is checked before it is looked at, and whatever goes out cannot run as a script.

use super::api::{self, Answer};
use super::desk::Desk;
use super::guard::{self, Foreign};
use super::page;
use crate::limits;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// On every answer. Trusted types: a page that tried to make HTML of a body would fail instead.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Takes up what exchanges tell and serves page and API, until it is dropped.
///
/// # Errors
/// The listener cannot be used.
pub(super) async fn run(listener: std::net::TcpListener, desk: Desk) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let desk = Arc::new(desk);
    tokio::select! {
        () = accept(listener, &desk) => {}
        () = take_up(&desk) => {}
    }
    Ok(())
}

async fn take_up(desk: &Desk) {
    loop {
        desk.inlet.filled().await;
        desk.take_up();
    }
}

async fn accept(listener: TcpListener, desk: &Arc<Desk>) {
    let free = Arc::new(Semaphore::new(limits::INSPECT_CONNECTIONS));
    // A connection beyond the last free place waits in the system's queue. The semaphore is never closed.
    while let Ok(place) = free.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((socket, _)) => {
                let desk = desk.clone();
                tokio::spawn(async move {
                    converse(socket, desk).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(limits::ACCEPT_PAUSE).await,
        }
    }
}

async fn converse(socket: TcpStream, desk: Arc<Desk>) {
    let _slower_without = socket.set_nodelay(true);
    let service = service_fn(|request| answer(request, desk.clone()));
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
    // A browser closes connections as it likes.
    let _ended = connection.await;
}

async fn answer(request: Request<Incoming>, desk: Arc<Desk>) -> Result<Response<Answer>, Infallible> {
    let path = request.uri().path();
    let mut answer = match guard::admit(desk.address, request.method(), path, request.headers()) {
        Err(Foreign(status, why)) => api::error(status, why),
        Ok(()) => match page::file(path).filter(|_| matches!(*request.method(), Method::GET | Method::HEAD)) {
            Some(file) => file,
            None => {
                // A script that looks at once after its visit finds it.
                desk.take_up();
                api::answer(request, &desk).await
            }
        },
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(answer)
}
