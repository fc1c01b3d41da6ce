use super::*;
use rcgen::{CertifiedKey as Made, KeyPair, generate_simple_self_signed};
use std::cell::Cell;
use std::net::SocketAddr;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const OFTEN: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(10);

fn made() -> Made<KeyPair> {
    generate_simple_self_signed(["relay.test".to_owned()]).unwrap()
}

struct Files {
    files: TlsFiles,
    writes: Cell<u64>,
    _folder: TempDir,
}

impl Files {
    fn of(made: &Made<KeyPair>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        let this = Self { files, writes: Cell::new(0), _folder: folder };
        this.write(made);
        this
    }

    fn write(&self, made: &Made<KeyPair>) {
        fs::write(&self.files.cert, made.cert.pem()).unwrap();
        fs::write(&self.files.key, made.signing_key.serialize_pem()).unwrap();
        // The test may be quicker than the clock of the file system ticks, an operator is not.
        self.writes.set(self.writes.get() + 1);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.writes.get());
        for file in [&self.files.cert, &self.files.key] {
            fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        }
    }
}

/// A TLS server that says hello, and its watcher.
struct Server {
    address: SocketAddr,
    tasks: JoinSet<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    async fn start(files: &TlsFiles) -> Self {
        let tls = super::acceptor(files).unwrap();
        let acceptor = tls.acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(tls.watch_every(OFTEN, async {
            let _ = stopped.await;
        }));
        tasks.spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                if let Ok(mut stream) = acceptor.accept(socket).await {
                    // A client that has seen enough may be gone already.
                    let _ = stream.write_all(b"hello").await;
                    let _ = stream.shutdown().await;
                }
            }
        });
        Self { address, tasks, stop: Some(stop) }
    }

    /// Whether a client that trusts `made` alone gets its hello, and by which protocol.
    async fn greets(&self, made: &Made<KeyPair>, protocols: &[&str]) -> Option<String> {
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        let socket = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("relay.test").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        assert_eq!(text, "hello");
        Some(String::from_utf8(stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec()).unwrap())
    }

    async fn comes_to_greet(&self, made: &Made<KeyPair>) {
        let wait = async {
            while self.greets(made, &[]).await.is_none() {
                tokio::time::sleep(OFTEN).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the new certificate is taken up");
    }
}

#[tokio::test]
async fn http_2_is_preferred_and_http_1_offered() {
    let made = made();
    let files = Files::of(&made);
    let server = Server::start(&files.files).await;
    assert_eq!(server.greets(&made, &["http/1.1", "h2"]).await.as_deref(), Some("h2"));
    assert_eq!(server.greets(&made, &["http/1.1"]).await.as_deref(), Some("http/1.1"));
    assert_eq!(server.greets(&made, &[]).await.as_deref(), Some(""));
    assert_eq!(server.greets(&self::made(), &[]).await, None, "a stranger's certificate is not served");
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart() {
    let (old, new) = (made(), made());
    let files = Files::of(&old);
    let server = Server::start(&files.files).await;
    assert!(server.greets(&old, &[]).await.is_some());
    files.write(&new);
    server.comes_to_greet(&new).await;
    assert!(server.greets(&old, &[]).await.is_none());
}

#[tokio::test]
async fn a_broken_or_half_written_certificate_keeps_the_old_one() {
    let (old, new) = (made(), made());
    let files = Files::of(&old);
    let tls = super::acceptor(&files.files).unwrap();
    let serves = |tls: &Reloading| tls.served.key.read().unwrap().cert[0].clone();
    fs::write(&files.files.cert, "not a certificate").unwrap();
    let tls = tls.look();
    assert_eq!(&serves(&tls), old.cert.der());
    fs::write(&files.files.cert, new.cert.pem()).unwrap();
    let tls = tls.look();
    assert_eq!(&serves(&tls), old.cert.der(), "the new certificate's key is not there yet");
    fs::remove_file(&files.files.key).unwrap();
    let tls = tls.look();
    assert_eq!(&serves(&tls), old.cert.der());
    files.write(&new);
    assert_eq!(&serves(&tls.look()), new.cert.der());
}

#[tokio::test]
async fn the_watcher_ends_when_it_is_asked_to() {
    let files = Files::of(&made());
    let mut server = Server::start(&files.files).await;
    drop(server.stop.take());
    let ended = tokio::time::timeout(PATIENCE, server.tasks.join_next()).await;
    assert!(matches!(ended, Ok(Some(Ok(())))), "{ended:?}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (made, other) = (made(), made());
    let files = Files::of(&made);
    let says = |what: &str| {
        let error = super::acceptor(&files.files).err().map(|e| format!("{e:#}")).unwrap_or_default();
        assert!(error.contains(what), "{what}: {error}");
    };
    fs::write(&files.files.key, other.signing_key.serialize_pem()).unwrap();
    says("do not go together");
    fs::write(&files.files.key, made.cert.pem()).unwrap();
    says("no private key in");
    fs::write(&files.files.cert, "").unwrap();
    says("no certificate in");
    fs::remove_file(&files.files.cert).unwrap();
    says("cannot read the certificate");
}
