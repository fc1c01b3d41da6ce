//! The relay with a certificate of its own: visitors by https in both versions of HTTP, forwarders by wss.

use crate::support::eventually;
use crate::support::process::{Process, forwarder, relay};
use crate::support::service::Service;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, KeyPair};
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const HOST: &str = "shop.tunnel.test";

/// Certificate and key in files, for the relay's names and for loopback, which forwarders call it by here.
pub(crate) struct Files {
    folder: TempDir,
    pub(crate) made: CertifiedKey<KeyPair>,
}

impl Files {
    pub(crate) fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().expect("a directory"), made: made() };
        this.write();
        this
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("text").to_owned()
    }

    fn write(&self) {
        std::fs::write(self.path("cert.pem"), self.made.cert.pem()).expect("it is written");
        std::fs::write(self.path("key.pem"), self.made.signing_key.serialize_pem()).expect("it is written");
    }

    fn renew(&mut self) {
        self.made = made();
        self.write();
    }
}

fn made() -> CertifiedKey<KeyPair> {
    let names = ["tunnel.test", "*.tunnel.test", "relay.example", "127.0.0.1", "localhost"].map(str::to_owned);
    rcgen::generate_simple_self_signed(names).expect("names of hosts")
}

pub(crate) async fn start_relay(files: &Files, words: &[&str]) -> (Process, SocketAddr) {
    let mut relay = Process::start(
        relay()
            .args(["--json", "--listen", "127.0.0.1:0", "--domain", "tunnel.test"])
            .args(["--tls-cert", &files.path("cert.pem"), "--tls-key", &files.path("key.pem")])
            .args(words),
    );
    let event = relay.event("listening").await;
    let address = event["address"].as_str().expect("an address").parse().expect("an address");
    (relay, address)
}

async fn encrypted(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    alpn: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a certificate");
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(HOST).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Asks over an encrypted connection; the text of the answer, and its version.
async fn ask(stream: TlsStream<TcpStream>, authority: &str, path: &str) -> (http::Version, String) {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let uri = if is_http2 { format!("https://{authority}{path}") } else { path.to_owned() };
    let request = http::Request::get(uri);
    let request = if is_http2 { request } else { request.header("host", authority) };
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let io = TokioIo::new(stream);
    let answer = if is_http2 {
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
        tokio::spawn(connection);
        client.send_request(request).await
    } else {
        let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        client.send_request(request).await
    };
    let answer = answer.expect("an answer");
    let version = answer.version();
    let body = answer.into_body().collect().await.expect("a whole body").to_bytes();
    (version, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn visitors_come_by_https_and_forwarders_by_wss() {
    let (files, service) = (Files::new(), Service::start());
    std::fs::write(files.path("tokens"), "sesame\n").expect("it is written");
    let (_relay, address) = start_relay(&files, &["--token-file", &files.path("tokens")]).await;
    let endpoint = format!("wss://127.0.0.1:{}", address.port());
    let words = [&service.port(), "--json", "--name", "shop", "--endpoint", &endpoint, "--token", "env:SESAME"];
    let mut command = forwarder();
    command.args(words).env("SESAME", "sesame");
    let mut forwarder = Process::start(command.env("SSL_CERT_FILE", files.path("cert.pem")));
    let online = forwarder.event("online").await;
    assert_eq!(online["url"], format!("https://{HOST}:{}", address.port()));
    let authority = format!("{HOST}:{}", address.port());
    for (alpn, version) in [("h2", http::Version::HTTP_2), ("http/1.1", http::Version::HTTP_11)] {
        let stream = encrypted(address, files.made.cert.der(), alpn).await.expect("TLS");
        assert_eq!(ask(stream, &authority, "/echo/hello").await, (version, "hello".to_owned()));
    }

    // Without trust in the certificate there is no link, and the text says what to do.
    let mut distrustful = Process::start(command.env("SSL_CERT_FILE", other_certificate(&files)));
    assert_eq!(distrustful.ended().await.code(), Some(1));
    assert!(distrustful.err().contains("SSL_CERT_FILE"), "{}", distrustful.err());
    // Plain HTTP on the TLS port harms nobody.
    let mut plain = TcpStream::connect(address).await.expect("it listens");
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
    let mut answer = Vec::new();
    drop(tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut answer).await);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
}

fn other_certificate(files: &Files) -> String {
    let path = files.path("other.pem");
    std::fs::write(&path, made().cert.pem()).expect("it is written");
    path
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let (mut files, service) = (Files::new(), Service::start());
    let (relay, address) = start_relay(&files, &[]).await;
    let mut command = forwarder();
    command.args([&service.port(), "--json", "--name", "shop"]);
    command.args(["--endpoint", &format!("wss://127.0.0.1:{}", address.port())]);
    let mut forwarder = Process::start(command.env("SSL_CERT_FILE", files.path("cert.pem")));
    forwarder.event("online").await;
    let before = files.made.cert.der().clone();
    assert!(encrypted(address, &before, "http/1.1").await.is_ok());

    std::fs::write(files.path("key.pem"), "this is no key").expect("it is written");
    relay.says("the old one stays in use").await;
    assert!(encrypted(address, &before, "http/1.1").await.is_ok());

    files.renew();
    let stream = eventually("the new certificate is in use", || async {
        encrypted(address, files.made.cert.der(), "http/1.1").await.ok()
    })
    .await;
    assert_eq!(ask(stream, HOST, "/echo/renewed").await.1, "renewed");
    assert!(encrypted(address, &before, "http/1.1").await.is_err());
}

#[tokio::test]
async fn a_relay_whose_certificate_cannot_be_read_does_not_start() {
    let files = Files::new();
    std::fs::write(files.path("cert.pem"), "this is no certificate").expect("it is written");
    let words = ["--listen", "127.0.0.1:0", "--tls-cert", &files.path("cert.pem"), "--tls-key", &files.path("key.pem")];
    let mut relay = Process::start(relay().args(words));
    assert_eq!(relay.ended().await.code(), Some(1));
    assert!(relay.err().contains("cert.pem") && relay.err().lines().count() == 1, "{}", relay.err());
}
