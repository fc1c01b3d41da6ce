//! What a doctor said, and ends to examine.

use crate::support::process::forwarder;
use crate::support::within;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a doctor printed, and how it ended.
pub(crate) struct Report {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the doctor to its end.
pub(crate) async fn doctor(words: &[&str], env: &[(&str, &str)]) -> Report {
    let mut command = forwarder();
    command.arg("doctor").args(words).envs(env.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().expect("the program runs"));
    let output = within("the doctor ends", output).await.expect("no panic");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    Report { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The same with `--json`.
pub(crate) async fn examined(words: &[&str], env: &[(&str, &str)]) -> Findings {
    let report = doctor(&[words, &["--json"]].concat(), env).await;
    let list: Vec<Value> = serde_json::from_str(&report.out).unwrap_or_else(|_| panic!("{}{}", report.out, report.err));
    Findings { code: report.code, list, out: report.out }
}

/// Findings as a program reads them.
pub(crate) struct Findings {
    pub(crate) code: Option<i32>,
    pub(crate) list: Vec<Value>,
    pub(crate) out: String,
}

impl Findings {
    /// Checks the status of one check and that detail and fix hold these words.
    pub(crate) fn has(&self, check: &str, status: &str, detail: &str, fix: &str) {
        let mut found = self.list.iter().filter(|finding| finding["check"] == check);
        let Some(finding) = found.next() else { panic!("no {check}: {}", self.out) };
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("status"), status, "{finding:#}");
        assert!(text("detail").contains(detail), "{finding:#}");
        assert!(text("fix").contains(fix), "{finding:#}");
        assert_eq!(finding["fix"].is_null(), matches!(status, "ok" | "skipped"), "{finding:#}");
        assert!(found.next().is_none(), "{check} stands there twice: {}", self.out);
    }
}

/// Answers every request with these bytes.
pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer: Arc<[u8]> = answer.into().into();
    serving("127.0.0.1:0", move |mut stream: TcpStream| {
        let answer = answer.clone();
        async move {
            let mut bytes = [0; 4096];
            if stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                // The doctor may have left.
                drop(stream.write_all(&answer).await);
            }
        }
    })
    .await
}

/// Hands every connection to `serve`.
pub(crate) async fn serving<F: Future<Output = ()> + Send + 'static>(
    address: &str,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(address).await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Speaks TLS with this certificate and answers every request.
pub(crate) async fn encrypted(certificate: CertificateDer<'static>, key: Vec<u8>) -> SocketAddr {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("the provider has them").with_no_client_auth();
    let key = PrivateKeyDer::try_from(key).expect("a key");
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).expect("they fit")));
    serving("127.0.0.1:0", move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut bytes = [0; 4096];
                if stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    drop(stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await);
                }
            }
        }
    })
    .await
}

/// A WebSocket URL.
pub(crate) fn ws(address: SocketAddr) -> String {
    format!("ws://{address}")
}
