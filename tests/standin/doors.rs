//! The buffered doors: the HTTP API and the REST API.

use crate::stage::{get, json, recorded, same_shape, send, stack, until, within};
use crate::visitor::Visit;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

#[tokio::test]
async fn an_http_event_has_the_recorded_shape() {
    let stack = stack(|_| {}).await;
    let fields = [
        ("Host", "t1.example.com"),
        ("User-Agent", "curl/8"),
        ("Accept", "*/*"),
        ("Cookie", "c1=1; c2=2"),
        ("Content-Type", "text/plain"),
    ];
    let answer = send(stack.addresses().http, "GET", "/my/path?a=1&a=2", &fields, b"...").await;
    let event = json(&answer);
    same_shape("event", &recorded("http-api.json"), &event);
    assert_eq!(event["rawQueryString"], "a=1&a=2");
    assert_eq!(event["queryStringParameters"], json!({"a": "1,2"}));
    assert_eq!(event["cookies"], json!(["c1=1", "c2=2"]));
    assert_eq!(event["requestContext"]["domainName"], "t1.example.com");
    assert_eq!(event["requestContext"]["domainPrefix"], "t1");
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("..."), &json!(false)));
    assert_eq!(stack.meter.read().http_requests, 1);
    assert_eq!(stack.meter.read().invoked("HTTP"), 1);
}

#[tokio::test]
async fn an_http_api_decodes_the_path_and_a_decoded_question_mark_cuts_it() {
    let stack = stack(|_| {}).await;
    let address = stack.addresses().http;
    assert_eq!(json(&get(address, "/a%2Fb%20c%25?x=%2F").await)["rawPath"], "/a/b c%");
    assert_eq!(json(&get(address, "/a%2Fb?x=%2F").await)["rawQueryString"], "x=%2F");
    assert_eq!(json(&get(address, "/a%3Fb/c").await)["rawPath"], "/a");
    assert_eq!(
        json(&get(stack.addresses().stream, "/a%2Fb%3F").await)["message"],
        "Internal Server Error",
        "a buffered answer"
    );
}

#[tokio::test]
async fn repeated_fields_are_joined_and_names_are_in_lower_case() {
    let stack = stack(|_| {}).await;
    let fields = [
        ("X-A", "1"),
        ("x-a", "2"),
        ("X-Forwarded-For", "192.0.2.9"),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "claimed.example"),
        ("TE", "trailers"),
    ];
    let event = json(&send(stack.addresses().http, "GET", "/", &fields, b"").await);
    assert_eq!(event["headers"]["x-a"], "1,2");
    assert_eq!(event["headers"]["x-forwarded-for"], "192.0.2.9, 127.0.0.1");
    assert_eq!(
        (&event["headers"]["x-forwarded-proto"], &event["headers"]["x-forwarded-port"]),
        (&json!("https"), &json!("443"))
    );
    assert_eq!(event["headers"]["x-forwarded-host"], "claimed.example");
    assert!(event["headers"].get("te").is_none() && event["headers"].get("connection").is_none());
    assert!(event.get("body").is_none());
}

#[tokio::test]
async fn the_content_type_decides_what_travels_as_base64() {
    let stack = stack(|_| {}).await;
    let cases: [(&str, &str, &[u8], bool); 5] = [
        ("application/json", "identity", b"{}", false),
        ("image/svg+xml; charset=utf-8", "identity", b"<svg/>", false),
        ("application/octet-stream", "identity", b"text", true),
        ("text/plain", "gzip", b"\x1f\x8b", true),
        ("text/plain", "identity", b"\xff", true),
    ];
    for (kind, coding, body, encoded) in cases {
        let fields = [("Content-Type", kind), ("Content-Encoding", coding)];
        let event = json(&send(stack.addresses().http, "POST", "/", &fields, body).await);
        assert_eq!(event["isBase64Encoded"], encoded, "{kind} {coding}");
        let expected = if encoded { STANDARD.encode(body) } else { String::from_utf8(body.to_vec()).expect("a text") };
        assert_eq!(event["body"], expected, "{kind} {coding}");
    }
}

#[tokio::test]
async fn an_answer_is_decoded_as_format_2_says() {
    let stack = stack(|_| {}).await;
    let answer = get(stack.addresses().http, "/fields").await;
    assert_eq!((answer.status, answer.header("x-one")), (201, Some("1")));
    assert_eq!(answer.body, (0..=255).collect::<Vec<u8>>());
    assert_eq!(answer.header("content-length"), Some("256"), "the function's own is dropped");
    assert_eq!(answer.head.matches("set-cookie: ").count(), 2);
    assert_eq!(answer.header("x-many"), None, "multiValueHeaders are ignored");
    let answer = get(stack.addresses().http, "/raw").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(json(&answer), json!({"raw": true}));
    assert_eq!(get(stack.addresses().http, "/invalid").await.status, 500);
    assert_eq!(get(stack.addresses().http, "/fail").await.status, 500);
}

#[tokio::test]
async fn a_body_over_the_quota_is_413_and_a_head_over_the_quota_is_431() {
    let stack = stack(|knobs| knobs.http_body_bytes = 100_000).await;
    let address = stack.addresses().http;
    assert_eq!(send(address, "POST", "/", &[], &vec![b'x'; 100_000]).await.status, 200);
    assert_eq!(send(address, "POST", "/", &[], &vec![b'x'; 100_001]).await.status, 413);
    let long = "x".repeat(10_100);
    assert_eq!(send(address, "GET", "/", &[("X-Long", &long)], b"").await.status, 200);
    let long = "x".repeat(10_240);
    assert_eq!(send(address, "GET", "/", &[("X-Long", &long)], b"").await.status, 431);
}

#[tokio::test]
async fn an_event_and_an_answer_over_6_mb_are_errors() {
    let stack = stack(|_| {}).await;
    let address = stack.addresses().http;
    // 5 MB in base64 are more than 6 MB.
    let kind = [("Content-Type", "application/octet-stream")];
    assert_eq!(send(address, "POST", "/", &kind, &vec![0; 5 << 20]).await.status, 413);
    assert_eq!(send(address, "POST", "/raw", &kind, &vec![0; 4 << 20]).await.status, 200);
    assert_eq!(get(address, "/size/6000000").await.body.len(), 6_000_000);
    assert_eq!(get(address, &format!("/size/{}", 6 << 20)).await.status, 500);
    until("the runtime is told", || stack.log().iter().any(|line| line.contains(r#""refused": 413"#)).then_some(()))
        .await;
}

#[tokio::test]
async fn a_function_that_takes_longer_than_the_integration_waits_is_503() {
    let stack = stack(|knobs| knobs.integration_timeout = Some(Duration::from_millis(300))).await;
    assert_eq!(get(stack.addresses().http, "/sleep/2").await.status, 503);
    assert_eq!(get(stack.addresses().rest, "/live/sleep/2").await.status, 504);
}

#[tokio::test]
async fn a_throttled_account_is_429() {
    let stack = stack(|knobs| knobs.throttle_visitors = true).await;
    assert_eq!(get(stack.addresses().http, "/").await.status, 429);
    stack.turn(|knobs| knobs.throttle_visitors = false);
    assert_eq!(get(stack.addresses().http, "/").await.status, 200);
}

#[tokio::test]
async fn a_rest_event_has_the_recorded_shape_and_the_path_as_written() {
    let stack = stack(|_| {}).await;
    let fields = [("X-A", "1"), ("X-A", "2"), ("User-Agent", "curl/8")];
    let answer = send(stack.addresses().rest, "POST", "/live/a%2Fb?q=1&q=%202", &fields, b"hi").await;
    let event = json(&answer);
    same_shape("event", &recorded("rest-api.json"), &event);
    assert_eq!((&event["path"], &event["requestContext"]["path"]), (&json!("/a%2Fb"), &json!("/live/a%2Fb")));
    assert_eq!(event["multiValueHeaders"]["x-a"], json!(["1", "2"]));
    assert_eq!(event["multiValueQueryStringParameters"], json!({"q": ["1", " 2"]}));
    assert_eq!(event["body"], STANDARD.encode("hi"));
    let answer = get(stack.addresses().rest, "/live/fields").await;
    assert_eq!(answer.head.matches("x-many: ").count(), 2);
    assert_eq!(answer.header("x-amzn-remapped-content-length"), Some("3"));
    assert_eq!(get(stack.addresses().rest, "/other/").await.status, 403);
}

#[tokio::test]
async fn a_head_is_answered_without_a_body() {
    let stack = stack(|_| {}).await;
    let request = format!("HEAD /size/10 HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", stack.addresses().http);
    let mut visit = Visit::begin(stack.addresses().http, request.as_bytes()).await;
    let head = within("the head", visit.head()).await;
    assert_eq!(head.status, 200);
    let mut rest = Vec::new();
    within("the end", visit.stream.read_to_end(&mut rest)).await.expect("it ends");
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn a_visitor_may_keep_its_connection() {
    let stack = stack(|_| {}).await;
    let request = format!("GET /raw HTTP/1.1\r\nHost: {}\r\n\r\n", stack.addresses().http);
    let mut visit = Visit::begin(stack.addresses().http, request.repeat(2).as_bytes()).await;
    for _ in 0..2 {
        let head = visit.head().await;
        assert_eq!(json(&visit.rest(head).await), json!({"raw": true}));
    }
}
