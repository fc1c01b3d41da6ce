//! The proxy: which variable applies, whom it excludes, and whether anybody is there.

use crate::clinic::{examined, serving};
use crate::support::process::free_port;
use tokio::io::AsyncReadExt;

const ENDPOINT: [&str; 2] = ["--endpoint", "wss://relay.invalid"];

#[tokio::test]
async fn a_proxy_that_is_not_there_fails_and_its_password_is_not_told() {
    let port = free_port();
    let proxy = format!("http://ana:secret@127.0.0.1:{port}");
    let findings = examined(&ENDPOINT, &[("HTTPS_PROXY", &proxy)]).await;
    let detail = format!("the proxy 127.0.0.1:{port} (HTTPS_PROXY) cannot be reached");
    findings.has("proxy", "fail", &detail, "NO_PROXY");
    findings.has("endpoint-dns", "skipped", "the proxy looks the name up", "");
    findings.has("endpoint-tls", "skipped", "no connection", "");
    assert!(!findings.out.contains("secret"), "{}", findings.out);
    assert_eq!(findings.code, Some(1));
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_not_waited_for() {
    let silent = serving("127.0.0.1:0", |mut stream| async move {
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes).await);
    });
    let proxy = format!("http://{}", silent.await);
    let started = std::time::Instant::now();
    let findings = examined(&ENDPOINT, &[("ALL_PROXY", &proxy)]).await;
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    findings.has("proxy", "ok", "(ALL_PROXY) accepts connections", "");
    findings.has("proxy-way", "fail", "no answer", "NO_PROXY");
}

#[tokio::test]
async fn variables_that_do_not_apply_are_told_as_such() {
    let proxy = format!("http://127.0.0.1:{}", free_port());
    let excluded = examined(&ENDPOINT, &[("HTTPS_PROXY", &proxy), ("NO_PROXY", "relay.invalid")]).await;
    excluded.has("proxy", "ok", "HTTPS_PROXY is set, NO_PROXY excludes the endpoint", "");
    excluded.has("endpoint-dns", "fail", "no address", "");
    let other = examined(&ENDPOINT, &[("HTTP_PROXY", &proxy)]).await;
    other.has("proxy", "ok", "HTTP_PROXY is set, none applies", "");
    let broken = examined(&ENDPOINT, &[("HTTPS_PROXY", "ftp://files.example")]).await;
    broken.has("proxy", "fail", "HTTPS_PROXY is no proxy's URL", "unset");
}
