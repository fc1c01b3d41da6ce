//! The service under test, in a process of its own, so that its processor time is not the tunnel's.

use std::{
    convert::Infallible,
    env,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    pin::Pin,
    process::{Command, Stdio},
    task::{Context as TaskContext, Poll, ready},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::Interval};

use crate::process::Running;

/// Set in the environment of the process that is the service.
pub(crate) const ROLE: &str = "RELAY_BENCH_SERVICE";

/// A typical small answer.
static SMALL: [u8; 128] = [b'x'; 128];

/// Part of the big answer that is handed to hyper at once.
static PART: [u8; 64 << 10] = [b'x'; 64 << 10];

/// The star is what a reader counts: one byte, so it cannot be split, and in no head that the service sends.
static EVENT: &[u8] = b"data: *\n\n";

/// The service, from its user's side.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    _running: Running,
}

impl Service {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut running = Running::spawn(command.env(ROLE, "1").stdout(Stdio::piped()), folder)?;
        let output = running.child.stdout.take().context("the service has no output to read")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().parse().context("the service did not say where it listens")?;
        Ok(Self { address, _running: running })
    }
}

/// The whole life of the service's process.
pub(crate) fn run() -> Result<()> {
    // The other end of standard input closes with the benchmark, however that ends.
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A visitor that leaves is no fault of the service.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    let (status, kind, body) = match request.uri().path() {
        "/small" => (StatusCode::OK, "text/plain", Answer::Whole(Some(Bytes::from_static(&SMALL)))),
        "/big" => (StatusCode::OK, "application/octet-stream", Answer::Big { left: wanted_bytes(&request) }),
        "/events" => {
            (StatusCode::OK, "text/event-stream", Answer::Events(tokio::time::interval(Duration::from_secs(1))))
        }
        "/sink" => (StatusCode::OK, "text/plain", Answer::text(count(request.into_body()).await?.to_string())),
        _ => (StatusCode::NOT_FOUND, "text/plain", Answer::text("not found\n".into())),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    Ok(response)
}

fn wanted_bytes(request: &Request<Incoming>) -> u64 {
    request.uri().query().and_then(|query| query.parse().ok()).unwrap_or(1 << 30)
}

async fn count(mut body: Incoming) -> Result<u64, hyper::Error> {
    let mut total = 0;
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        total += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(total)
}

/// A body of the service.
enum Answer {
    Whole(Option<Bytes>),
    Big { left: u64 },
    Events(Interval),
}

impl Answer {
    fn text(text: String) -> Self {
        Self::Whole(Some(text.into()))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Whole(bytes) => bytes.take(),
            Self::Big { left: 0 } => None,
            Self::Big { left } => {
                let part = (*left).min(PART.len() as u64);
                *left -= part;
                Some(Bytes::from_static(&PART[..part as usize]))
            }
            Self::Events(interval) => {
                ready!(interval.poll_tick(context));
                Some(Bytes::from_static(EVENT))
            }
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Big { left } => SizeHint::with_exact(*left),
            Self::Events(_) => SizeHint::default(),
        }
    }
}
