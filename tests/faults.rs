//! What a visitor sees when something is wrong, and what path mode does to an answer: status, `x-tunnel-error`, a body
//! by `Accept`, and the service's own errors as they are.

mod common;

use common::service::{next_record, ok};
use common::{Answer, Knobs, TestService, Tunnel, in_time, noise};
use http_tunnel::forwarder::rules::{BasicAuth, Rules};
use http_tunnel::limits;
use http_tunnel::relay::config::OperatorLimits;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::net::TcpListener;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Checks that `answer` is the tunnel's own fault `code`, told in full.
fn assert_fault(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status(), answer.fault().as_deref()), (status, Some(code)), "{}", answer.text());
    let kind = answer.get("content-type").expect("a fault has a body");
    if kind.starts_with("text/html") {
        assert!(answer.text().contains(code), "{}", answer.text());
    } else {
        assert_eq!(kind, "application/problem+json");
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).expect("a problem is JSON");
        assert_eq!(problem["status"], status);
        assert!(problem.to_string().contains(code), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
    let waits = matches!(status, 429 | 503);
    let retry = answer.get("retry-after").map(|seconds| seconds.parse::<u32>().expect("seconds"));
    assert_eq!(retry.is_some_and(|seconds| seconds > 0), waits, "Retry-After is {retry:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_holds_is_not_found() {
    let service = TestService::saying(OK).await;
    let tunnel = Tunnel::to(&service).await;
    for host in ["other.localhost", "localhost", "example.com", "a.box.localhost", "-box.localhost", "127.0.0.1"] {
        let answer = tunnel.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_fault(&answer, 404, "tunnel-not-found");
    }
    assert_eq!(service.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_name_without_a_link_is_offline() {
    let service = TestService::saying(OK).await;
    let tunnel = Tunnel::to(&service).await;
    tunnel.lose_forwarder();
    let answer = in_time("the link to be over", async {
        loop {
            let answer = tunnel.get("/").await;
            if answer.status() != 200 {
                return answer;
            }
        }
    })
    .await;
    assert_fault(&answer, 503, "forwarder-offline");
}

/// A port of this machine on which nobody listens.
async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_listen_is_unreachable() {
    let service = TestService::saying(OK).await;
    let knobs = Knobs { service: Some(("127.0.0.1".to_owned(), closed_port().await)), ..Knobs::default() };
    let tunnel = Tunnel::with(knobs, &service).await;
    assert_fault(&tunnel.get("/").await, 502, "service-unreachable");
    assert_fault(&tunnel.post("/", b"small").await, 502, "service-unreachable");
    assert_fault(&tunnel.post("/", &noise(1, 100_000)).await, 502, "service-unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_breaks_its_head_off_has_failed() {
    for begun in
        ["", "HTTP/1.1 200 OK\r\nContent-Le", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP/1.1 200 OK\r\nbad line\r\n\r\n"]
    {
        let service = TestService::scripted(move |mut conn| async move {
            next_record(&mut conn).await;
            conn.send(begun).await;
        })
        .await;
        let tunnel = Tunnel::to(&service).await;
        assert_fault(&tunnel.get("/").await, 502, "service-failed");
        assert_fault(&tunnel.post("/", &noise(1, 40_000)).await, 502, "service-failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_smuggles_an_answer_has_failed_or_is_cut_down_to_one() {
    for head in [
        "Content-Length: 2\r\nContent-Length: 40",
        "Content-Length: 2, 40",
        "Content-Length: +2",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        let service = TestService::scripted(move |mut conn| async move {
            next_record(&mut conn).await;
            conn.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nX-Second: 1\r\n\r\n"))
                .await;
        })
        .await;
        let tunnel = Tunnel::to(&service).await;
        for large in [false, true] {
            let mut visitor = tunnel.visitor().await;
            let length = if large { 40_000 } else { 0 };
            visitor.send(format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n", tunnel.host)).await;
            visitor.send(noise(1, length)).await;
            let answer = visitor.answer().await;
            assert_eq!(answer.get("x-second"), None);
            assert!(answer.head.all("content-length").len() + answer.head.all("transfer-encoding").len() < 2);
            if answer.status() != 200 {
                assert_fault(&answer, 502, "service-failed");
            }
            assert!(!answer.text().contains("X-Second"), "{head}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_silent_for_too_long_is_given_up() {
    let service = TestService::scripted(|mut conn| async move {
        next_record(&mut conn).await;
        conn.rest().await;
    })
    .await;
    let tunnel = Tunnel::with(Knobs { timeout: Duration::from_millis(200), ..Knobs::default() }, &service).await;
    assert_fault(&tunnel.get("/").await, 504, "service-timeout");
    assert_fault(&tunnel.post("/", &noise(1, 100_000)).await, 504, "service-timeout");
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let answer = tunnel.ask(format!("GET / HTTP/1.1\r\nHost: HOST\r\n{upgrade}\r\n\r\n")).await;
    assert_fault(&answer, 504, "service-timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_begun_may_take_its_time() {
    let service = TestService::scripted(|mut conn| async move {
        next_record(&mut conn).await;
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab").await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        conn.send("cd").await;
    })
    .await;
    let tunnel = Tunnel::with(Knobs { timeout: Duration::from_millis(200), ..Knobs::default() }, &service).await;
    assert_eq!(tunnel.get("/").await.text(), "abcd");
    assert_eq!(tunnel.post("/", &noise(1, 40_000)).await.text(), "abcd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_the_operators_limit_is_too_large() {
    let service = TestService::echo().await;
    let limits = OperatorLimits { body_bytes: Some(20_000), ..OperatorLimits::default() };
    let tunnel = Tunnel::with(Knobs { limits, ..Knobs::default() }, &service).await;
    assert!(tunnel.post("/", &noise(1, 20_000)).await.body == noise(1, 20_000));
    let answer = tunnel.post("/", &noise(1, 20_001)).await;
    assert_fault(&answer, 413, "request-too-large");
    assert!(answer.text().contains("20000"), "the limit is named: {}", answer.text());
    let chunked = format!("4e21\r\n{}\r\n0\r\n\r\n", "x".repeat(20_001));
    let answer =
        tunnel.ask(format!("POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}")).await;
    assert_fault(&answer, 413, "request-too-large");
    assert!(answer.text().contains("20000"), "the limit is named: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_over_the_limit_is_too_large() {
    let service = TestService::saying(OK).await;
    let limits = OperatorLimits { head_bytes: limits::HEAD_LEAST, ..OperatorLimits::default() };
    let tunnel = Tunnel::with(Knobs { limits, ..Knobs::default() }, &service).await;
    let with = |size| format!("GET / HTTP/1.1\r\nHost: HOST\r\nX-Big: {}\r\n\r\n", "x".repeat(size));
    assert_eq!(tunnel.ask(with(7_000)).await.status(), 200);
    let answer = tunnel.ask(with(9_000)).await;
    assert_fault(&answer, 413, "request-too-large");
    assert!(answer.text().contains("8192"), "the limit is named: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answers_head_over_the_limit_is_too_large() {
    let service = TestService::answering(|_| {
        format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(limits::HEAD * 3)).into_bytes()
    })
    .await;
    let tunnel = Tunnel::to(&service).await;
    assert_fault(&tunnel.get("/").await, 502, "response-too-large");
    assert_fault(&tunnel.post("/", &noise(1, 40_000)).await, 502, "response-too-large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_without_the_password_never_reaches_the_service() {
    let service = TestService::saying(OK).await;
    let rules = Rules { basic_auth: Some(BasicAuth::new("ana", "s3cret")), ..Rules::default() };
    let tunnel = Tunnel::with(Knobs { rules, ..Knobs::default() }, &service).await;
    for login in ["", "Authorization: Basic YW5hOndyb25n\r\n", "Authorization: Bearer YW5hOnMzY3JldA==\r\n"] {
        let answer = tunnel.ask(format!("GET / HTTP/1.1\r\nHost: HOST\r\n{login}\r\n")).await;
        assert_fault(&answer, 401, "unauthorized");
        assert!(answer.get("www-authenticate").is_some_and(|challenge| challenge.starts_with("Basic ")));
    }
    assert_fault(&tunnel.post("/", &noise(1, 100_000)).await, 401, "unauthorized");
    assert_eq!(service.connections(), 0);

    let answer = tunnel.ask("GET / HTTP/1.1\r\nHost: HOST\r\nAuthorization: Basic YW5hOnMzY3JldA==\r\n\r\n").await;
    assert_eq!(answer.text(), "ok");
    assert_eq!(service.last().head.get("authorization"), None, "the tunnel's password is not the service's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_from_a_denied_network_never_reaches_the_service() {
    let loopback = || vec!["127.0.0.0/8".parse().expect("a network")];
    let elsewhere = || vec!["203.0.113.0/24".parse().expect("a network")];
    let cases = [
        (Rules { deny: loopback(), ..Rules::default() }, false),
        (Rules { allow: elsewhere(), ..Rules::default() }, false),
        (Rules { allow: loopback(), deny: loopback(), ..Rules::default() }, false),
        (Rules { allow: loopback(), ..Rules::default() }, true),
        (Rules { deny: elsewhere(), ..Rules::default() }, true),
    ];
    for (rules, admitted) in cases {
        let service = TestService::saying(OK).await;
        let tunnel = Tunnel::with(Knobs { rules, ..Knobs::default() }, &service).await;
        // What a visitor claims about its address counts for nothing.
        let answer = tunnel.ask("GET / HTTP/1.1\r\nHost: HOST\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n").await;
        if admitted {
            assert_eq!(answer.text(), "ok");
        } else {
            assert_fault(&answer, 403, "forbidden");
            assert_eq!(service.connections(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_the_operator_allows_are_too_many() {
    let service = TestService::saying(OK).await;
    let limits = OperatorLimits { requests_per_second: NonZeroU32::new(2), ..OperatorLimits::default() };
    let tunnel = Tunnel::with(Knobs { limits, ..Knobs::default() }, &service).await;
    let mut refused = None;
    for _ in 0..20 {
        let answer = tunnel.get("/").await;
        if answer.status() != 200 {
            refused = Some(answer);
        }
    }
    assert_fault(&refused.expect("20 requests take no 10 s"), 429, "too-many-requests");
    assert!(service.count() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_open_exchanges_than_the_operator_allows_are_too_many() {
    let service = TestService::scripted(|mut conn| async move {
        next_record(&mut conn).await;
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        conn.rest().await;
    })
    .await;
    let limits = OperatorLimits { exchanges_per_tunnel: NonZeroU32::MIN, ..OperatorLimits::default() };
    let tunnel = Tunnel::with(Knobs { limits, ..Knobs::default() }, &service).await;
    let mut first = tunnel.visitor().await;
    first.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
    assert_eq!(first.head().await.status(), 200);
    assert_fault(&tunnel.get("/").await, 429, "too-many-requests");
    drop(first);
    // Its place is free again; the next visitor waits for an answer's end, so only the head is read.
    in_time("a place to be free", async {
        loop {
            let mut next = tunnel.visitor().await;
            next.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
            if next.head().await.status() == 200 {
                return;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_told_as_the_visitor_likes_it() {
    let service = TestService::saying(OK).await;
    let tunnel = Tunnel::to(&service).await;
    let html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let cases = [
        (Some(html), "text/html; charset=utf-8"),
        (Some("text/html"), "text/html; charset=utf-8"),
        (Some("application/json"), "application/problem+json"),
        (Some("*/*"), "application/problem+json"),
        (None, "application/problem+json"),
    ];
    for (accept, kind) in cases {
        let line = accept.map(|accept| format!("Accept: {accept}\r\n")).unwrap_or_default();
        let answer = tunnel.ask(format!("GET / HTTP/1.1\r\nHost: nobody.localhost\r\n{line}\r\n")).await;
        assert_eq!(answer.get("content-type").as_deref(), Some(kind), "{accept:?}");
        assert_fault(&answer, 404, "tunnel-not-found");
        assert_eq!(answer.get("cache-control").as_deref(), Some("no-store"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_on_head_has_the_headers_of_get_and_no_body() {
    let service = TestService::saying(OK).await;
    let tunnel = Tunnel::to(&service).await;
    let mut visitor = tunnel.visitor().await;
    let mut heads = Vec::new();
    for method in ["HEAD", "GET", "HEAD"] {
        visitor.send(format!("{method} / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n")).await;
        let answer = visitor.answer_to(method).await;
        assert_eq!((answer.status(), answer.fault().as_deref()), (404, Some("tunnel-not-found")));
        let mut lines = answer.head.lines;
        lines.retain(|(name, _)| name != "content-length");
        heads.push(lines);
    }
    assert_eq!(heads[0], heads[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_from_the_visitor_cannot_write_html_into_the_page() {
    let service = TestService::saying(OK).await;
    let tunnel = Tunnel::to(&service).await;
    let answer = tunnel
        .ask("GET /<script>alert(1)</script> HTTP/1.1\r\nHost: nobody.localhost\r\nAccept: text/html\r\n\r\n")
        .await;
    assert!(answer.status() >= 400 && !answer.text().contains("<script>"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_cannot_pass_its_errors_off_as_the_tunnels() {
    let service = TestService::answering(|record| {
        let status = &record.head.asked().1[1..];
        format!("HTTP/1.1 {status} Mine\r\nX-Tunnel-Error: internal\r\nContent-Length: 4\r\nRetry-After: 9\r\n\r\nmine")
            .into_bytes()
    })
    .await;
    let tunnel = Tunnel::to(&service).await;
    for status in [400, 401, 404, 413, 429, 500, 502, 503, 504] {
        let answer = tunnel.get(&format!("/{status}")).await;
        assert_eq!((answer.status(), answer.text().as_str(), answer.fault()), (status, "mine", None));
        assert_eq!(answer.get("retry-after").as_deref(), Some("9"));
    }
}

async fn by_path(service: &TestService) -> Tunnel {
    Tunnel::with(Knobs { by_path: true, ..Knobs::default() }, service).await
}

#[tokio::test(flavor = "multi_thread")]
async fn by_path_the_prefix_is_cut_off_and_told() {
    let service = TestService::saying(OK).await;
    let tunnel = by_path(&service).await;
    let cases =
        [("/box/", "/"), ("/box/a/b?c", "/a/b?c"), ("/box//x", "//x"), ("/box/box/", "/box/"), ("/box/%2F?", "/%2F?")];
    for (asked, seen) in cases {
        assert_eq!(tunnel.get(asked).await.status(), 200, "{asked}");
        let head = service.last().head;
        assert_eq!(head.asked().1, seen);
        assert_eq!(head.get("x-forwarded-prefix").as_deref(), Some("/box"));
        assert_eq!(head.get("x-forwarded-host"), Some(tunnel.host.clone()));
    }
    for asked in ["/other/x", "/", "/BOX!/x", "/boxes"] {
        assert_fault(&tunnel.get(asked).await, 404, "tunnel-not-found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_path_the_bare_prefix_is_redirected_to_its_slash() {
    let service = TestService::saying(OK).await;
    let tunnel = by_path(&service).await;
    for (asked, location) in [("/box", "/box/"), ("/box?a=b", "/box/?a=b"), ("/box?", "/box/?")] {
        let answer = tunnel.get(asked).await;
        assert_eq!((answer.status(), answer.get("location").as_deref()), (308, Some(location)));
    }
    assert_eq!(service.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_path_a_location_of_the_services_own_gets_the_prefix() {
    let service = TestService::answering(|record| {
        let host = record.head.get("host").expect("a host");
        let location = match record.head.asked().1 {
            "/root" => "/login?next=/a".to_owned(),
            "/own" => format!("http://{host}/login"),
            "/own-bare" => format!("http://{host}"),
            "/forwarded" => format!("http://{}/login", record.head.get("x-forwarded-host").expect("told")),
            "/prefixed" => "/box/login".to_owned(),
            "/relative" => "login".to_owned(),
            "/foreign" => "https://example.com/login".to_owned(),
            _ => "//example.com/login".to_owned(),
        };
        format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    })
    .await;
    let tunnel = by_path(&service).await;
    let cases = [
        ("/root", "/box/login?next=/a"),
        ("/forwarded", "/box/login"),
        ("/prefixed", "/box/login"),
        ("/relative", "login"),
        ("/foreign", "https://example.com/login"),
        ("/scheme", "//example.com/login"),
        ("/own", "/box/login"),
        ("/own-bare", "/box/"),
    ];
    for (asked, location) in cases {
        let answer = tunnel.get(&format!("/box{asked}")).await;
        assert_eq!((answer.status(), answer.get("location").as_deref()), (302, Some(location)), "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_path_cookies_are_kept_to_the_tunnel() {
    let service = TestService::saying(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; path=/app; HttpOnly\r\nSet-Cookie: c=/; Secure\r\n\
         Content-Length: 0\r\n\r\n",
    )
    .await;
    let tunnel = by_path(&service).await;
    let cookies = tunnel.get("/box/").await.head.all("set-cookie");
    assert_eq!(cookies, ["a=1; Path=/box/", "b=2; Path=/box/app; HttpOnly", "c=/; Secure"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_path_a_page_finds_what_it_links_from_the_root() {
    let page = "<script src=/app.js></script>";
    let service = TestService::answering(move |record| match record.head.asked().1 {
        "/" => format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}", page.len())
            .into_bytes(),
        _ => ok(b"script"),
    })
    .await;
    let tunnel = by_path(&service).await;
    let answer = tunnel.ask("GET /box/ HTTP/1.1\r\nHost: HOST\r\nAccept: text/html,*/*\r\n\r\n").await;
    assert_eq!(answer.text(), page, "bodies are never rewritten");
    let mark = answer.get("set-cookie").expect("a page is marked");
    let mark = mark.split(';').next().expect("a cookie has a value");

    let referer = format!("GET /app.js?v=1 HTTP/1.1\r\nHost: HOST\r\nReferer: http://{}/box/\r\n\r\n", tunnel.host);
    assert_eq!(tunnel.ask(referer).await.text(), "script");
    assert_eq!(service.last().head.asked().1, "/app.js?v=1");
    let cookie = format!("GET /app.js HTTP/1.1\r\nHost: HOST\r\nCookie: x=1; {mark}; y=2\r\n\r\n");
    assert_eq!(tunnel.ask(cookie).await.text(), "script");
    assert_eq!(service.last().head.get("cookie").as_deref(), Some("x=1; y=2"), "the mark is the gate's own");
    let foreign = "GET /app.js HTTP/1.1\r\nHost: HOST\r\nReferer: http://elsewhere/box/\r\n\r\n";
    assert_fault(&tunnel.ask(foreign).await, 404, "tunnel-not-found");
    assert_fault(&tunnel.get("/app.js").await, 404, "tunnel-not-found");
}
