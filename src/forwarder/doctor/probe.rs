//! One question to the service over HTTP: nothing is followed, nothing decoded, and no proxy stands in between.

use super::Deadline;
use crate::forwarder::framework::Answer;
use crate::forwarder::service;
use crate::limits;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore};

/// An answer, as far as it came in time.
#[derive(Debug)]
pub(super) struct Reply {
    target: String,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Until the head was there.
    pub(super) took: Duration,
}

impl Reply {
    pub(super) fn answer(&self) -> Answer<'_> {
        Answer { target: &self.target, status: self.status, headers: &self.headers, body: &self.body }
    }
}

/// Asks the service for `target`, with these headers.
pub(super) fn ask(
    address: SocketAddr,
    target: &str,
    headers: &HeaderMap,
    deadline: Deadline,
) -> Result<Reply, ureq::Error> {
    let limit = deadline.within(limits::DOCTOR_ANSWER);
    let agent: ureq::Agent = service::asking(limit).build().into();
    let mut request = Request::get(format!("http://{address}{target}")).body(())?;
    *request.headers_mut() = headers.clone();
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    let started = Instant::now();
    let (head, body) = agent.run(request)?.into_parts();
    let took = started.elapsed();
    let mut bytes = Vec::new();
    // Of an answer without an end, an event stream perhaps, what came is enough.
    let _cut = body.into_reader().take(limits::DOCTOR_BODY as u64).read_to_end(&mut bytes);
    Ok(Reply { target: target.to_owned(), status: head.status, headers: head.headers, body: bytes, took })
}

/// Whether TLS is spoken there. The certificate does not matter.
pub(super) fn speaks_tls(address: SocketAddr, deadline: Deadline) -> bool {
    let limit = deadline.within(limits::DOCTOR_STEP);
    match shake_hands(address, limit) {
        Ok(()) => true,
        Err(error) => {
            let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            matches!(cause, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)))
        }
    }
}

fn shake_hands(address: SocketAddr, limit: Duration) -> io::Result<()> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut client = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    while client.is_handshaking() {
        client.complete_io(&mut stream)?;
    }
    Ok(())
}
