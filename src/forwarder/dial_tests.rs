use super::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::net::SocketAddr;
use std::sync::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A task that ends with its test.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Sends back what it gets, in TLS if it has a certificate.
async fn echo(tls: Option<TlsAcceptor>) -> (SocketAddr, Running) {
    let (listener, address) = listen().await;
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let mut stream: Box<dyn Stream> = match tls {
                    Some(tls) => match tls.accept(socket).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => return,
                    },
                    None => Box::new(socket),
                };
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {
                    drop(stream.flush().await);
                }
            });
        }
    });
    (address, Running(task))
}

/// A certificate for the names, and what it takes to trust it.
fn certificate(names: &[&str]) -> (TlsAcceptor, RootCertStore) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("names of hosts");
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key in PKCS 8");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("key and certificate match");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    (TlsAcceptor::from(Arc::new(config)), roots)
}

/// A CONNECT proxy on which every name is this machine. It keeps the heads that it was sent.
struct ConnectProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _running: Running,
}

async fn connect_proxy(answer: &'static str) -> ConnectProxy {
    let (listener, address) = listen().await;
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(connect_for(socket, answer, Arc::clone(&kept)));
        }
    });
    ConnectProxy { address, heads, _running: Running(task) }
}

async fn connect_for(socket: TcpStream, answer: &str, heads: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let target = head.split([' ', ':']).nth(2).and_then(|port| port.parse().ok()).unwrap_or(0_u16);
    heads.lock().expect("no test panics with it").push(head);
    socket.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await?;
    if answer.starts_with("200") {
        let mut target = TcpStream::connect(("127.0.0.1", target)).await?;
        copy_bidirectional(&mut socket, &mut target).await?;
    }
    Ok(())
}

fn environment(variables: &[(&str, &str)]) -> Proxies {
    Proxies::read(&|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

fn nobody() -> anyhow::Result<RootCertStore> {
    anyhow::bail!("nobody is to be trusted here")
}

async fn echoes(mut stream: Box<dyn Stream>) -> bool {
    stream.write_all(b"ping").await.expect("the connection is open");
    stream.flush().await.expect("the connection is open");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.expect("an answer");
    &answer == b"ping"
}

async fn failure(uri: &str, proxies: &Proxies, trust: Trust<'_>) -> String {
    let uri = uri.parse().expect("a URL");
    match dial_trusting(&uri, proxies, trust).await {
        Ok(_) => panic!("{uri} should not be reached"),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test]
async fn an_endpoint_on_this_machine_is_reached_by_any_of_its_names() {
    let (address, _running) = echo(None).await;
    for host in ["127.0.0.1", "localhost", "brave-otter.localhost"] {
        let uri = format!("ws://{host}:{}/", address.port()).parse().expect("a URL");
        let stream = dial(&uri, &Proxies::default()).await.expect(host);
        assert!(echoes(stream).await, "{host}");
    }
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    let listener = TcpListener::bind("[::1]:0").await.expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    for host in ["[::1]", "localhost"] {
        let uri = format!("ws://{host}:{port}/").parse().expect("a URL");
        assert!(dial(&uri, &Proxies::default()).await.is_ok(), "{host}");
    }
}

#[tokio::test]
async fn a_secure_endpoint_is_reached_when_its_certificate_is_trusted() {
    let (tls, roots) = certificate(&["localhost", "127.0.0.1"]);
    let (address, _running) = echo(Some(tls)).await;
    for host in ["localhost", "127.0.0.1"] {
        let uri = format!("wss://{host}:{}/", address.port()).parse().expect("a URL");
        let stream = dial_trusting(&uri, &Proxies::default(), &|| Ok(roots.clone())).await.expect(host);
        assert!(echoes(stream).await, "{host}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_for_another_name_is_refused_with_a_hint() {
    let (tls, roots) = certificate(&["elsewhere.example"]);
    let (address, _running) = echo(Some(tls)).await;
    let (_, others) = certificate(&["localhost"]);
    let uri = format!("wss://localhost:{}/", address.port());
    for roots in [roots, others] {
        let error = failure(&uri, &Proxies::default(), &|| Ok(roots.clone())).await;
        assert!(error.contains(&format!("localhost:{}", address.port())), "{error}");
        assert!(error.contains("certificate") && error.contains("SSL_CERT_FILE"), "{error}");
    }
}

#[tokio::test]
async fn tls_where_none_is_spoken_says_how_to_write_the_url() {
    let (listener, address) = listen().await;
    let _running = Running(tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            drop(socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    }));
    let (_, roots) = certificate(&["localhost"]);
    let uri = format!("wss://{address}/");
    let error = failure(&uri, &Proxies::default(), &|| Ok(roots.clone())).await;
    assert!(error.contains(&address.to_string()) && error.contains("ws://"), "{error}");
}

#[tokio::test]
async fn a_port_where_nothing_listens_and_a_name_that_does_not_exist_are_told_apart() {
    let (listener, address) = listen().await;
    drop(listener);
    let error = failure(&format!("ws://{address}/"), &Proxies::default(), &nobody).await;
    assert!(error.contains(&address.to_string()) && error.contains("check host and port"), "{error}");
    let error = failure("ws://no-such-host.invalid/", &Proxies::default(), &nobody).await;
    assert!(error.contains("no-such-host.invalid:80") && error.contains("check the host's name"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_asked_to_connect_and_told_its_password() {
    let (tls, roots) = certificate(&["relay.example"]);
    let (plain, _plain) = echo(None).await;
    let (secure, _secure) = echo(Some(tls)).await;
    let proxy = connect_proxy("200 Connection established").await;
    let url = format!("http://ana:p%40ss@{}", proxy.address);
    let names = [
        ("HTTP_PROXY", format!("ws://relay.example:{}/", plain.port())),
        ("all_proxy", format!("ws://relay.example:{}/", plain.port())),
        ("HTTPS_PROXY", format!("wss://relay.example:{}/", secure.port())),
        ("https_proxy", format!("wss://relay.example:{}/", secure.port())),
    ];
    for (variable, uri) in names {
        let uri: Uri = uri.parse().expect("a URL");
        let proxies = environment(&[(variable, &url)]);
        let stream = dial_trusting(&uri, &proxies, &|| Ok(roots.clone())).await.expect(variable);
        assert!(echoes(stream).await, "{variable}");
        let head = proxy.heads.lock().expect("no test panics with it").pop().expect("the proxy was asked");
        let authority = uri.authority().expect("it has one");
        assert!(head.starts_with(&format!("CONNECT {authority} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains(&BASE64_STANDARD.encode("ana:p@ss")), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_itself_may_be_spoken_to_in_tls() {
    let (relay, _relay) = echo(None).await;
    let proxy = connect_proxy("200 OK").await;
    let (tls, roots) = certificate(&["localhost"]);
    let (listener, address) = listen().await;
    let to = proxy.address;
    let _running = Running(tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (Ok(mut inner), Ok(mut outer)) = (tls.accept(socket).await, TcpStream::connect(to).await) else {
                continue;
            };
            tokio::spawn(async move { copy_bidirectional(&mut inner, &mut outer).await });
        }
    }));
    let proxies = environment(&[("ALL_PROXY", &format!("https://localhost:{}", address.port()))]);
    let uri = format!("ws://relay.example:{}/", relay.port()).parse().expect("a URL");
    let stream = dial_trusting(&uri, &proxies, &|| Ok(roots.clone())).await.expect("both connections stand");
    assert!(echoes(stream).await);
}

#[tokio::test]
async fn a_socks_proxy_is_given_the_name_to_resolve() {
    let (relay, _relay) = echo(None).await;
    let (listener, address) = listen().await;
    let _running = Running(tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("one connection");
        let mut greeting = [0; 3];
        socket.read_exact(&mut greeting).await.expect("a greeting");
        socket.write_all(&[5, 0]).await.expect("it reads");
        let mut request = [0; 5 + 13 + 2];
        socket.read_exact(&mut request).await.expect("a request");
        assert_eq!(&request[5..18], b"relay.example");
        socket.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.expect("it reads");
        let mut target = TcpStream::connect(relay).await.expect("the relay listens");
        drop(copy_bidirectional(&mut socket, &mut target).await);
    }));
    let proxies = environment(&[("ALL_PROXY", &format!("socks5h://{address}"))]);
    let uri = format!("ws://relay.example:{}/", relay.port()).parse().expect("a URL");
    let stream = dial_trusting(&uri, &proxies, &nobody).await.expect("the proxy lets it through");
    assert!(echoes(stream).await);
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_not_there_is_named_without_its_password() {
    let (listener, gone) = listen().await;
    drop(listener);
    let refusing = connect_proxy("407 Proxy Authentication Required").await;
    let forbidding = connect_proxy("403 Forbidden").await;
    for (proxy, expected) in [
        (refusing.address, "relay.example:443"),
        (forbidding.address, "relay.example:443"),
        (gone, "cannot reach the proxy"),
    ] {
        let proxies = environment(&[("HTTPS_PROXY", &format!("http://ana:hunter2@{proxy}"))]);
        let error = failure("wss://relay.example/", &proxies, &nobody).await;
        for part in [expected, &proxy.to_string(), "HTTPS_PROXY"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains("hunter2") && !format!("{proxies:?}").contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_proxy_url_is_not_passed_by_in_silence() {
    for bad in ["ftp://ana:hunter2@proxy:1", "http://ana:hunter2@:1", "socks4://proxy:1"] {
        let proxies = environment(&[("ALL_PROXY", bad)]);
        let place = Place { host: "relay.example".to_owned(), port: 443 };
        let Err(error) = proxies.on_the_way(&place, true) else { panic!("{bad} was passed by") };
        let error = format!("{error:#}");
        assert!(error.contains("ALL_PROXY") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn no_proxy_stands_before_this_machine_nor_before_what_is_excepted() {
    let proxies = environment(&[("ALL_PROXY", "proxy:3128"), ("NO_PROXY", "internal.example, 10.0.0.0/8")]);
    let cases = [
        ("relay.example", true),
        ("192.0.2.1", true),
        ("internal.example", false),
        ("relay.internal.example", false),
        ("10.1.2.3", false),
        ("localhost", false),
        ("web.localhost", false),
        ("127.0.0.2", false),
        ("::1", false),
        ("::ffff:127.0.0.1", false),
    ];
    for (host, expected) in cases {
        let place = Place { host: host.to_owned(), port: 443 };
        for secure in [false, true] {
            let proxy = proxies.on_the_way(&place, secure).expect("a proxy's URL");
            assert_eq!(proxy.is_some(), expected, "{host}");
        }
    }
    assert!(
        environment(&[])
            .on_the_way(&Place { host: "relay.example".to_owned(), port: 1 }, true)
            .is_ok_and(|p| p.is_none())
    );
}

#[test]
fn this_machines_own_certificates_are_read() {
    match trusted_by_this_machine() {
        Ok(roots) => assert!(!roots.is_empty()),
        Err(error) => assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}"),
    }
}
