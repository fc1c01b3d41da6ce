//! What visitors get through the HTTP API, the Function URL and a REST API, and what they are told where a door is too
//! small for it.

use crate::common::service::{next_record, ok};
use crate::common::{Conn, TestService, noise};
use crate::platform::{Door, plain_stack, stack, tunnel};
use crate::serverless::Knobs;
use std::time::{Duration, Instant};

const BOTH: [Door; 2] = [Door::HttpApi, Door::FunctionUrl];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_reaches_the_service_and_its_answer_the_visitor_through_either_door() {
    let service = TestService::echo().await;
    for door in BOTH {
        let stack = plain_stack().await;
        let tunnel = tunnel(&stack, door, &service).await;
        let answer = tunnel.post("/a?b=c", b"hello").await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"), "{door:?} {:?}", stack.log());
        assert_eq!(service.last().head.asked(), ("POST", "/a?b=c"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rest_api_is_a_door_too() {
    let service = TestService::saying(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    let mut visitor = Conn::open(stack.addresses().rest).await;
    visitor.send(format!("GET /live/a%2Fb?x=1 HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
    let answer = visitor.answer().await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{:?}", stack.log());
    assert_eq!(answer.head.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(service.last().head.asked().1, "/a%2Fb?x=1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_exchange_is_one_post_one_message_and_one_write() {
    let service = TestService::echo().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    tunnel.post("/", b"first").await;
    let before = stack.meter.read();
    assert_eq!(tunnel.post("/", &noise(1, 10_000)).await.status(), 200);
    let spent = stack.meter.read().since(&before);
    assert_eq!((spent.posts, spent.messages_in), (1, 1), "{spent:?}");
    assert_eq!(spent.operation("PutItem").calls, 1, "{spent:?}");
    assert_eq!((spent.operation("DeleteItem").calls, spent.operation("UpdateItem").calls), (0, 0), "{spent:?}");
    assert_eq!((spent.invoked("HTTP"), spent.invoked("MESSAGE")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_24_mb_streams_through_the_function_url() {
    let service = TestService::answering(|_| ok(&noise(7, 24 << 20))).await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::FunctionUrl, &service).await;
    let answer = tunnel.get("/").await;
    assert!(answer.status() == 200 && answer.body == noise(7, 24 << 20), "{} {}", answer.status(), answer.body.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_the_http_api_cannot_carry_is_refused_with_the_limit_and_the_other_address() {
    for framing in ["Content-Length: 7000000", "Connection: close"] {
        let service = TestService::scripted(move |mut conn| async move {
            next_record(&mut conn).await;
            conn.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")).await;
            // The forwarder stops reading once the visitor has been told.
            let _stopped = conn.try_send(noise(1, 7_000_000)).await;
        })
        .await;
        let stack = plain_stack().await;
        let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
        let answer = tunnel.get("/").await;
        assert_eq!((answer.status(), answer.fault().as_deref()), (502, Some("response-too-large")), "{framing}");
        assert!(answer.text().contains("6225920") && answer.text().contains(&stack.stream_url()), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_slower_than_the_door_is_a_time_out_of_ours_and_its_call_is_stopped() {
    let (gone, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let service = TestService::scripted(move |mut conn| {
        let gone = gone.clone();
        async move {
            next_record(&mut conn).await;
            gone.send(conn.closes().await).expect("the test waits");
        }
    })
    .await;
    let stack = stack(&[("answerSeconds", "2")], Knobs::default()).await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    let begun = Instant::now();
    let answer = tunnel.get("/").await;
    assert_eq!((answer.status(), answer.fault().as_deref()), (504, Some("service-timeout")), "{}", answer.text());
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(crate::common::in_time("the call to be stopped", seen.recv()).await, Some(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_longer_than_the_http_apis_time_comes_through_the_function_url() {
    let service = TestService::scripted(|mut conn| async move {
        next_record(&mut conn).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        conn.send(ok(b"at last")).await;
    })
    .await;
    let stack = stack(&[("answerSeconds", "1")], Knobs::default()).await;
    let tunnel = tunnel(&stack, Door::FunctionUrl, &service).await;
    assert_eq!(tunnel.get("/").await.text(), "at last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_outlives_the_function_is_cut_visibly() {
    let service = TestService::scripted(|mut conn| async move {
        next_record(&mut conn).await;
        conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await;
        conn.closes().await;
    })
    .await;
    let knobs = Knobs { function_timeout: Some(Duration::from_secs(4)), ..Knobs::default() };
    let stack = stack(&[], knobs).await;
    let tunnel = tunnel(&stack, Door::FunctionUrl, &service).await;
    let answer = tunnel.get("/").await;
    assert_eq!((answer.status(), answer.text().as_str(), answer.whole), (200, "data: 1\n\n", false));
    let log = stack.log().join("\n");
    assert!(log.contains("\"Code\":\"cut\""), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_path_mode_location_and_cookie_paths_get_the_prefix() {
    let service = TestService::saying(
        "HTTP/1.1 302 Found\r\nLocation: /next?a=%20b\r\nSet-Cookie: a=1; Path=/x\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::FunctionUrl, &service).await;
    let answer = tunnel.get("/").await;
    assert_eq!(answer.get("location").as_deref(), Some("/box/next?a=%20b"));
    assert_eq!(answer.head.all("set-cookie"), ["a=1; Path=/box/x"]);
    assert_eq!(service.last().head.get("x-forwarded-prefix").as_deref(), Some("/box"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_domain_a_tunnel_is_found_by_path_and_its_links_by_referer() {
    let service = TestService::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let stack = stack(&[("publicUrl", "")], Knobs::default()).await;
    let _tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    let (address, host) = (stack.addresses().http, stack.addresses().http);
    for (target, referer, seen) in [
        ("/box/a%20b", String::new(), "/a%20b"),
        ("/app.js", format!("Referer: http://{host}/box/page\r\n"), "/app.js"),
    ] {
        let mut visitor = Conn::open(address).await;
        visitor.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{referer}\r\n")).await;
        assert_eq!(visitor.answer().await.status(), 200, "{target} {:?}", stack.log());
        assert_eq!(service.last().head.asked().1, seen);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_nobody_holds_is_not_found_and_nothing_is_sent() {
    let service = TestService::echo().await;
    let stack = plain_stack().await;
    let _tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    let before = stack.meter.read();
    for host in ["other.tunnel.example.com", "a_b.tunnel.example.com", "tunnel.example.com"] {
        let mut visitor = Conn::open(stack.addresses().http).await;
        visitor.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let answer = visitor.answer().await;
        assert_eq!((answer.status(), answer.fault().as_deref()), (404, Some("tunnel-not-found")), "{host}");
    }
    assert_eq!(stack.meter.read().since(&before).posts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_has_one_line_an_exchange_and_no_secret_in_any() {
    let service = TestService::echo().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    let request = "POST /private-path HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer visitors-own\r\n\
                   Content-Length: 12\r\n\r\nprivate-body";
    assert_eq!(tunnel.ask(request).await.text(), "private-body");
    let log = stack.log();
    let lines: Vec<serde_json::Value> =
        log.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    let exchanges: Vec<_> = lines.iter().filter(|line| line["message"] == "exchange").collect();
    assert_eq!(exchanges.len(), 1, "{log:?}");
    assert_eq!((&exchanges[0]["tunnel"], &exchanges[0]["status"]), (&"box".into(), &200.into()));
    for secret in [crate::platform::TOKEN, "visitors-own", "private-body", "private-path", "wJalrXUtnFEMI"] {
        assert!(!log.iter().any(|line| line.contains(secret)), "{secret} is in the log");
    }
}
