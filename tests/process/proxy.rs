//! The way to an endpoint through an outbound proxy: the proxy is asked for the endpoint's name, and sees only TLS.

use crate::support::process::{Process, forwarder};
use crate::support::service::Service;
use crate::tls::{Files, start_relay};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that knows one name: it leads to `relay`.
struct Proxy {
    address: SocketAddr,
    /// What it was asked, head by head.
    asked: Arc<Mutex<Vec<String>>>,
    /// What went through it towards the relay.
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    async fn start(name: &'static str, relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let this = Self { address, asked: Arc::default(), seen: Arc::default() };
        let (asked, seen) = (this.asked.clone(), this.seen.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, name, relay, asked.clone(), seen.clone()));
            }
        });
        this
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    name: &str,
    relay: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    seen: Arc<Mutex<Vec<u8>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("a head is text");
    let leads = head.starts_with(&format!("CONNECT {name}:443 HTTP/1.1\r\n"));
    let admitted = head.to_lowercase().contains("proxy-authorization: basic");
    asked.lock().expect("no panic").push(head);
    if !leads || !admitted {
        let status = if leads { "407 Proxy Authentication Required" } else { "403 Forbidden" };
        drop(stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await);
        return;
    }
    let mut there = TcpStream::connect(relay).await.expect("the relay listens");
    drop(stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await);
    let (mut from_here, mut to_here) = stream.split();
    let (mut from_there, mut to_there) = there.split();
    let upward = async {
        let mut buffer = [0; 4096];
        while let Ok(read) = from_here.read(&mut buffer).await {
            seen.lock().expect("no panic").extend(&buffer[..read]);
            if read == 0 || to_there.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = upward => {}
        _ = tokio::io::copy(&mut from_there, &mut to_here) => {}
    }
}

#[tokio::test]
async fn a_link_goes_through_the_proxy_that_the_environment_names() {
    let (files, service) = (Files::new(), Service::start());
    std::fs::write(files.path("tokens"), "sesame-of-the-relay\n").expect("it is written");
    let (_relay, relay) = start_relay(&files, &["--token-file", &files.path("tokens")]).await;
    let proxy = Proxy::start("relay.example", relay).await;
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let mut command = forwarder();
        command.args([&service.port(), "--json", "--verbose", "--endpoint", "wss://relay.example"]);
        command.env("TUNNEL_TOKEN", "sesame-of-the-relay").env("SSL_CERT_FILE", files.path("cert.pem"));
        command.env(variable, format!("http://ana:proxy-password@{}", proxy.address));
        let mut forwarder = Process::start(&mut command);
        let online = forwarder.event("online").await;
        let host = online["url"].as_str().expect("a URL").strip_prefix("https://").expect("a URL").to_owned();
        assert!(host.ends_with(&format!(".tunnel.test:{}", relay.port())), "{host}");
        let said = format!("{}{}", forwarder.out(), forwarder.err());
        assert!(!said.contains("proxy-password") && !said.contains("sesame"), "{said}");
    }
    let asked = proxy.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|head| !head.contains("sesame")), "{asked:?}");
    let seen = proxy.seen.lock().expect("no panic");
    assert!(!seen.windows(6).any(|six| six == b"sesame"), "the token is inside TLS only");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_and_its_password_is_not() {
    let (files, service) = (Files::new(), Service::start());
    let (_relay, relay) = start_relay(&files, &[]).await;
    let proxy = Proxy::start("relay.example", relay).await;
    let cases = [
        (format!("http://{}", proxy.address), "wss://relay.example", proxy.address.to_string()),
        (format!("http://ana:proxy-password@{}", proxy.address), "wss://elsewhere.example", proxy.address.to_string()),
        ("http://ana:proxy-password@127.0.0.1:1".to_owned(), "wss://relay.example", "127.0.0.1:1".to_owned()),
        ("nonsense://ana:proxy-password@x".to_owned(), "wss://relay.example", "HTTPS_PROXY".to_owned()),
    ];
    for (url, endpoint, says) in cases {
        let mut command = forwarder();
        command.args([&service.port(), "--endpoint", endpoint]).env("HTTPS_PROXY", &url);
        let mut forwarder = Process::start(command.env("SSL_CERT_FILE", files.path("cert.pem")));
        assert_eq!(forwarder.ended().await.code(), Some(1));
        let err = forwarder.err();
        assert!(err.contains(&says) && err.contains("HTTPS_PROXY"), "{err}");
        assert!(!err.contains("proxy-password") && err.lines().count() == 1, "{err}");
    }
}

#[tokio::test]
async fn no_proxy_stands_between_a_machine_and_itself() {
    let (files, service) = (Files::new(), Service::start());
    let (_relay, relay) = start_relay(&files, &[]).await;
    let mut command = forwarder();
    command.args([&service.port(), "--json", "--endpoint", &format!("wss://localhost:{}", relay.port())]);
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("SSL_CERT_FILE", files.path("cert.pem"));
    Process::start(&mut command).event("online").await;
}
