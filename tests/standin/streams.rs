//! The Function URL: streamed answers, and what a visitor sees of one that is cut.

use crate::stage::{get, json, recorded, same_shape, send, stack, until, within};
use crate::visitor::Visit;
use serde_json::Value;

fn request(stack: &crate::serverless::Stack, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", stack.addresses().stream)
}

#[tokio::test]
async fn a_function_url_event_has_the_recorded_shape_and_the_path_as_written() {
    let stack = stack(|_| {}).await;
    let fields =
        [("User-Agent", "curl/8"), ("Accept", "*/*"), ("Cookie", "c1=1; c2=2"), ("Content-Type", "text/plain")];
    send(stack.addresses().stream, "GET", "/my%2Fpath?a=1&a=2", &fields, b"...").await;
    let event = until("the event is seen", || {
        let lines = stack.log();
        lines.iter().find_map(|line| Some(serde_json::from_str::<Value>(line).ok()?["event"].take()))
    })
    .await;
    same_shape("event", &recorded("function-url.json"), &event);
    let domain = event["requestContext"]["domainName"].as_str().expect("a name");
    assert!(domain.ends_with(".lambda-url.us-east-1.on.aws"), "{domain}");
    assert_eq!(
        (&event["rawPath"], &event["requestContext"]["http"]["path"]),
        (&"/my%2Fpath".into(), &"/my%2Fpath".into())
    );
}

#[tokio::test]
async fn an_answer_goes_out_as_it_comes() {
    let stack = stack(|_| {}).await;
    let mut visit = Visit::begin(stack.addresses().stream, request(&stack, "/stream/slow/1").as_bytes()).await;
    let head = within("the head", visit.head()).await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/plain")));
    assert_eq!(head.header("x-amzn-remapped-content-length"), Some("7"));
    assert_eq!(head.head.matches("set-cookie: ").count(), 2);
    assert_eq!(visit.some(4).await, b"one\n");
    assert!(stack.function.processes().iter().any(|process| process.busy.is_some()), "the function still writes");
    let rest = within("the rest", visit.rest(head)).await;
    assert_eq!((rest.whole, rest.text().as_str()), (true, "two\n"));
    assert_eq!(stack.meter.read().stream_requests, 1);
}

#[tokio::test]
async fn an_answer_without_a_prelude_is_handed_on_as_it_is() {
    let stack = stack(|_| {}).await;
    let answer = get(stack.addresses().stream, "/stream/plain").await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.text().as_str()),
        (200, Some("text/csv"), "1,2,3")
    );
    assert!(answer.whole);
}

#[tokio::test]
async fn an_answer_that_is_cut_has_no_clean_end() {
    let stack = stack(|_| {}).await;
    for end in ["trailer", "unfinished", "die"] {
        let answer = get(stack.addresses().stream, &format!("/stream/{end}")).await;
        assert_eq!((answer.status, answer.text().as_str(), answer.whole), (200, "beginning", false), "{end}");
    }
    let answer = get(stack.addresses().stream, "/stream/whole").await;
    assert_eq!((answer.text().as_str(), answer.whole), ("beginning", true));
}

#[tokio::test]
async fn a_function_that_takes_too_long_is_cut() {
    let stack = stack(|knobs| knobs.function_timeout = Some(std::time::Duration::from_secs(3))).await;
    let answer = get(stack.addresses().stream, "/stream/slow/60").await;
    assert_eq!((answer.status, answer.text().as_str(), answer.whole), (200, "one\n", false));
    assert_eq!(get(stack.addresses().stream, "/sleep/60").await.status, 502);
}

#[tokio::test]
async fn an_answer_may_have_more_than_6_mb_and_no_more_than_the_quota() {
    let stack = stack(|knobs| knobs.stream_bytes = 10 << 20).await;
    let answer = get(stack.addresses().stream, &format!("/stream/size/{}", 9 << 20)).await;
    assert_eq!((answer.body.len(), answer.whole), (9 << 20, true));
    assert_eq!(stack.meter.read().streamed_bytes, 3 << 20);
    assert!(!get(stack.addresses().stream, &format!("/stream/size/{}", 11 << 20)).await.whole);
}

#[tokio::test]
async fn a_visitor_that_leaves_does_not_stop_the_function() {
    let stack = stack(|_| {}).await;
    let mut visit = Visit::begin(stack.addresses().stream, request(&stack, "/stream/slow/0.3").as_bytes()).await;
    within("the head", visit.head()).await;
    drop(visit);
    until("the function ends its answer", || {
        stack.log().iter().any(|line| line.contains(r#""streamed": "slow""#)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_request_over_6_mb_is_413_and_another_host_is_403() {
    let stack = stack(|_| {}).await;
    let address = stack.addresses().stream;
    assert_eq!(send(address, "POST", "/stream/whole", &[], &vec![b'x'; (6 << 20) + 1]).await.status, 413);
    assert_eq!(send(address, "GET", "/stream/whole", &[("Host", "t1.example.com")], b"").await.status, 403);
}

#[tokio::test]
async fn a_buffered_answer_is_refused_here_and_a_streamed_one_at_the_buffered_door() {
    let stack = stack(|_| {}).await;
    assert_eq!(get(stack.addresses().stream, "/raw").await.status, 502);
    assert_eq!(get(stack.addresses().stream, "/fail").await.status, 502);
    // Whoever invokes without streaming gets prelude and NULs, which are no JSON.
    let answer = get(stack.addresses().http, "/stream/whole").await;
    assert_eq!((answer.status, json(&answer)["message"].as_str()), (500, Some("Internal Server Error")));
}
