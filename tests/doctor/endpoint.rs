//! The way to the endpoint: its name, a connection, TLS, a gate at its end, and its clock.

use crate::clinic::{Findings, answering, doctor, encrypted, examined, ws};
use crate::support::process::{Process, forwarder, free_port};
use crate::support::relay::TestRelay;
use crate::support::service::Service;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn a_gate_is_recognised_and_the_name_is_free_again() {
    let (relay, service) = (TestRelay::start().await, Service::start());
    let endpoint = ws(relay.address);
    for _twice in 0..2 {
        let findings = examined(&[&service.port(), "--endpoint", &endpoint, "--name", "shop"], &[]).await;
        findings.has("endpoint-dns", "ok", "127.0.0.1", "");
        findings.has("endpoint-tcp", "ok", "accepts connections", "");
        findings.has("endpoint-gate", "ok", "a tunnel gate: http://shop.tunnel.test", "");
        findings.has("token", "ok", "asks for none", "");
        findings.has("clock", "ok", "agrees", "");
        assert_eq!(findings.code, Some(0), "{}", findings.out);
    }
    let words = [&service.port(), "--json", "--inspect", "off", "--name", "shop", "--endpoint", &endpoint];
    let mut forwarder = Process::start(forwarder().args(words));
    forwarder.event("online").await;
    let findings = examined(&["--endpoint", &endpoint, "--name", "shop"], &[]).await;
    findings.has("endpoint-gate", "ok", "refuses the link (409)", "");
    findings.has("name", "fail", "another forwarder has it", "another --name");
    assert_eq!(relay.get("shop", "/echo/hello").await.text(), "hello", "the forwarder keeps its tunnel");
}

#[tokio::test]
async fn an_unknown_name_and_a_closed_port_fail_and_hide_nothing() {
    let unknown = examined(&["--endpoint", "wss://nobody.invalid"], &[]).await;
    unknown.has("endpoint-dns", "fail", "nobody.invalid has no address", "typing errors");
    unknown.has("endpoint-tls", "skipped", "not checked", "");
    unknown.has("proxy", "ok", "none", "");
    assert!(unknown.out.contains("inspector"), "{}", unknown.out);
    let closed = examined(&["--endpoint", &format!("ws://127.0.0.1:{}", free_port())], &[]).await;
    closed.has("endpoint-tcp", "fail", "refused", "the relay runs");
    closed.has("endpoint-gate", "skipped", "no connection", "");
    assert_eq!((unknown.code, closed.code), (Some(1), Some(1)));
}

#[tokio::test]
async fn what_is_no_gate_is_said_to_be_none() {
    let site = answering("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi").await;
    let findings = examined(&["--endpoint", &ws(site)], &[]).await;
    findings.has("endpoint-gate", "fail", "no tunnel gate: it answers 200", "the relay's own address");
    findings.has("token", "skipped", "no gate", "");
    let login = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 13\r\n\r\n<html></html>";
    examined(&["--endpoint", &ws(answering(login).await)], &[]).await.has("endpoint-gate", "fail", "401", "");
    let mail = answering("220 mail.example ESMTP\r\n").await;
    examined(&["--endpoint", &ws(mail)], &[]).await.has(
        "endpoint-gate",
        "fail",
        "no tunnel gate",
        "host, port and path",
    );
}

/// Asks `url` while only this certificate's bearer is trusted.
async fn trusting(pem: &str, url: &str) -> Findings {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, pem).expect("it is written");
    examined(&["--endpoint", url], &[("SSL_CERT_FILE", file.to_str().expect("text"))]).await
}

fn somebody_else() -> String {
    let made = rcgen::generate_simple_self_signed(["other.example".to_owned()]);
    made.expect("a certificate").cert.pem()
}

/// A certificate of a private authority, for these names and this time, at `localhost`.
async fn with_certificate(names: &[&str], from: i32, until: i32, trusted: bool) -> Findings {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "The authority of this test");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names of hosts");
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let endpoint = encrypted(certificate.der().clone(), key.serialize_der()).await;
    let pem = if trusted { authority.pem() } else { somebody_else() };
    trusting(&pem, &format!("wss://localhost:{}", endpoint.port())).await
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_own_fix() {
    let good = with_certificate(&["localhost"], 2020, 2100, true).await;
    good.has("endpoint-tls", "ok", "good for localhost", "");
    good.has("endpoint-gate", "fail", "404", "");
    let check = "endpoint-tls";
    with_certificate(&["localhost"], 2020, 2021, true).await.has(check, "fail", "has expired; it is 20", "renew");
    with_certificate(&["localhost"], 2099, 2100, true).await.has(check, "fail", "not valid yet; it is 20", "clock");
    with_certificate(&["other.example"], 2020, 2100, true).await.has(
        check,
        "fail",
        "not for localhost",
        "other.example",
    );
    let unknown = with_certificate(&["localhost"], 2020, 2100, false).await;
    unknown.has(check, "fail", "issuer is not known", "SSL_CERT_FILE");
    unknown.has("endpoint-gate", "skipped", "no way", "");
}

#[tokio::test]
async fn a_port_without_tls_is_told_apart_from_a_bad_certificate() {
    let plain = answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let url = format!("wss://localhost:{}", plain.port());
    trusting(&somebody_else(), &url).await.has("endpoint-tls", "fail", "no TLS", "ws://");
}

#[tokio::test]
async fn a_clock_that_is_off_fails() {
    for (seconds, side) in [(3600, "behind"), (-3600_i64, "ahead of")] {
        let shift = Duration::from_secs(seconds.unsigned_abs());
        let now = SystemTime::now();
        let date = httpdate::fmt_http_date(if seconds > 0 { now + shift } else { now - shift });
        let answer = format!("HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n");
        let findings = examined(&["--endpoint", &ws(answering(answer).await)], &[]).await;
        findings.has("clock", "fail", &format!("s {side} the other machine's"), "timedatectl set-ntp true");
    }
    let timeless = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    examined(&["--endpoint", &ws(timeless)], &[]).await.has("clock", "skipped", "does not say", "");
}

#[tokio::test]
async fn an_endpoint_without_tls_elsewhere_is_a_warning() {
    let report = doctor(&["--endpoint", "ws://nobody.invalid"], &[]).await;
    assert!(report.out.contains("warn  endpoint-url"), "{}", report.out);
}
