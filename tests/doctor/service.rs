//! The first hop: the service's addresses, its HTTP, and how it takes to a tunnel's headers.

use crate::clinic::{answering, encrypted, examined, serving};
use crate::support::process::free_port;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn says(service: SocketAddr) -> crate::clinic::Findings {
    examined(&[&service.port().to_string()], &[]).await
}

#[tokio::test]
async fn a_port_where_nothing_listens_fails_and_hides_nothing() {
    let findings = examined(&[&free_port().to_string()], &[]).await;
    findings.has("service-address", "fail", "nothing accepts connections at 127.0.0.1:", "start the service");
    findings.has("clock", "skipped", "no other machine", "");
    assert!(findings.out.contains("endpoint-port") && findings.out.contains("inspector"), "{}", findings.out);
    assert_eq!(findings.code, Some(1));
}

#[tokio::test]
async fn a_service_on_one_address_family_is_well_and_it_is_told_on_which() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let service = serving("[::1]:0", move |mut stream| async move {
        let mut bytes = [0; 4096];
        if stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
            drop(stream.write_all(ok).await);
        }
    });
    let service = service.await;
    let port = service.port();
    let findings = says(service).await;
    let detail = format!("[::1]:{port} accepts connections; 127.0.0.1:{port} does not, one is enough");
    findings.has("service-address", "ok", &detail, "");
    findings.has("service-http", "ok", "GET / answers 200", "");
    findings.has("service-host", "ok", "answers 200 when called localhost:", "");
    findings.has("service-framework", "ok", "none of the dev servers", "");
    assert_eq!(findings.code, Some(0), "{}", findings.out);
}

#[tokio::test]
async fn a_service_that_speaks_tls_is_found_out() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let service = encrypted(made.cert.der().clone(), made.signing_key.serialize_der()).await;
    says(service).await.has("service-http", "fail", "speaks TLS", "without TLS");
    // Go and nginx answer plain HTTP with an HTTP error; what decides is that TLS is spoken, not that text.
    let plain = answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    says(plain).await.has("service-http", "ok", "GET / answers 400", "");
}

#[tokio::test]
async fn a_service_that_breaks_off_or_never_answers_fails() {
    let other = answering("220 mail.example ESMTP\r\n").await;
    says(other).await.has("service-http", "fail", "no HTTP answer", "check the port");
    let silent = serving("127.0.0.1:0", |mut stream| async move {
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes).await);
    });
    let silent = silent.await;
    let started = std::time::Instant::now();
    says(silent).await.has("service-http", "fail", "no answer to GET /", "the service's own log");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_service_that_fails_or_refuses_a_tunnels_headers_is_a_warning() {
    let failing = answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").await;
    says(failing).await.has("service-http", "warn", "answers 500", "the service's own log");
    let picky = serving("127.0.0.1:0", |mut stream| async move {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).await.unwrap_or_default();
        let tunnelled = String::from_utf8_lossy(&bytes[..read]).to_lowercase().contains("x-forwarded-host");
        let status = if tunnelled { "421 Misdirected Request" } else { "200 OK" };
        drop(stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await);
    });
    says(picky.await).await.has("service-host", "warn", "answers 421", "--host-header preserve");
}

#[tokio::test]
async fn a_directory_wants_an_index() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().to_str().expect("text").to_owned();
    examined(&[&path], &[]).await.has("service-directory", "warn", "no index.html", "add an index.html");
    std::fs::write(folder.path().join("index.html"), "hello").expect("it is written");
    examined(&[&path], &[]).await.has("service-directory", "ok", "has an index.html", "");
}

#[tokio::test]
async fn a_host_without_an_address_fails() {
    let findings = examined(&["nobody.invalid:3000"], &[]).await;
    findings.has("service-address", "fail", "\"nobody.invalid\" has no address", "check the host's name");
}
