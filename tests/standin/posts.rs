//! The management API: posts, descriptions and ends of links.

use crate::serverless::program::yaml;
use crate::serverless::{Knobs, Program, Stack};
use crate::socket::Incoming;
use crate::stage::{function, link, linked, only_connection, root, seen, send, stack, until, within};
use crate::visitor::Answer;
use serde_json::json;
use std::time::{Duration, Instant};

const SIGNED: (&str, &str) = (
    "Authorization",
    "AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature=0",
);

async fn call(stack: &Stack, method: &str, id: &str, body: &[u8]) -> Answer {
    let path = format!("/live/@connections/{}", id.replace('=', "%3D"));
    send(stack.addresses().management, method, &path, &[SIGNED], body).await
}

#[tokio::test]
async fn a_post_reaches_the_client_as_text() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    assert_eq!(call(&stack, "POST", &only_connection(&stack), b"hello").await.status, 200);
    assert_eq!(link.text().await, "hello");
    let tally = stack.meter.read();
    assert_eq!((tally.posts, tally.messages_out, tally.units_out), (1, 1, 1));
}

#[tokio::test]
async fn a_post_over_32_kb_comes_in_several_frames_and_one_over_128_kb_is_413() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    let id = only_connection(&stack);
    assert_eq!(call(&stack, "POST", &id, &vec![b'x'; 128 * 1024]).await.status, 200);
    let Incoming::Message { text: true, bytes, frames } = link.hear().await else { panic!("no text") };
    assert_eq!(bytes.len(), 128 * 1024);
    assert!(frames.len() >= 4 && frames.iter().all(|frame| *frame < 32 * 1024), "{frames:?}");
    until("it is counted", || (stack.meter.read().units_out == 4).then_some(())).await;
    let refused = call(&stack, "POST", &id, &vec![b'x'; 128 * 1024 + 1]).await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (413, Some("PayloadTooLargeException")));
}

#[tokio::test]
async fn an_unknown_a_closed_and_a_pending_link_are_410() {
    let stack = stack(|_| {}).await;
    let gone = call(&stack, "POST", "nobody=", b"x").await;
    assert_eq!((gone.status, gone.header("x-amzn-errortype")), (410, Some("GoneException")));
    let slow = tokio::spawn({
        let address = stack.addresses().websocket;
        async move {
            let head = format!(
                "GET /live HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Path: sleep/60\r\n\r\n"
            );
            crate::visitor::Visit::begin(address, head.as_bytes()).await
        }
    });
    let pending = seen(&stack, "CONNECT", 1).await[0]["requestContext"]["connectionId"].clone();
    assert_eq!(call(&stack, "POST", pending.as_str().expect("an id"), b"x").await.status, 410);
    drop(slow.await);
    let link = linked(&stack).await;
    let id = only_connection(&stack);
    drop(link);
    until("the link is forgotten", || stack.gateway().connections().is_empty().then_some(())).await;
    assert_eq!(call(&stack, "POST", &id, b"x").await.status, 410);
    assert_eq!(call(&stack, "GET", &id, b"").await.status, 410);
    assert_eq!(call(&stack, "DELETE", &id, b"").await.status, 410);
}

#[tokio::test]
async fn a_call_without_a_signature_or_to_another_stage_is_403() {
    let stack = stack(|_| {}).await;
    let _link = linked(&stack).await;
    let address = stack.addresses().management;
    let id = only_connection(&stack);
    let encoded = id.replace('=', "%3D");
    let unsigned = send(address, "POST", &format!("/live/@connections/{encoded}"), &[], b"x").await;
    assert_eq!((unsigned.status, unsigned.header("x-amzn-errortype")), (403, Some("ForbiddenException")));
    let other = (SIGNED.0, &*SIGNED.1.replace("execute-api", "dynamodb"));
    assert_eq!(send(address, "POST", &format!("/live/@connections/{encoded}"), &[other], b"x").await.status, 403);
    assert_eq!(send(address, "POST", &format!("/@connections/{encoded}"), &[SIGNED], b"x").await.status, 403);
    assert_eq!(send(address, "POST", &format!("/live/@connections/{id}"), &[SIGNED], b"x").await.status, 403);
}

#[tokio::test]
async fn a_call_that_the_role_does_not_allow_is_403() {
    let text = std::fs::read_to_string(root().join("Pulumi.yaml")).expect("the program is there");
    let mut program = yaml(&text).expect("it is YAML");
    let statements = &mut program["resources"]["policy"]["properties"]["policy"]["fn::toJSON"]["Statement"];
    statements
        .as_array_mut()
        .expect("a list")
        .retain(|statement| statement["Action"] != "execute-api:ManageConnections");
    let program = Program::parse(program, &json!({"config": {}}), &[("token", "secret")]).expect("it is sound");
    let stack = Stack::start(program, &function(), Knobs::default()).await;
    let _link = linked(&stack).await;
    let refused = call(&stack, "POST", &only_connection(&stack), b"x").await;
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (403, Some("ForbiddenException")));
}

#[tokio::test]
async fn a_link_can_be_described_and_ended() {
    let stack = stack(|_| {}).await;
    let (mut link, _) = link(&stack, &[("User-Agent", "agent/1")]).await.expect("it is accepted");
    let id = only_connection(&stack);
    let described = crate::stage::json(&call(&stack, "GET", &id, b"").await);
    assert_eq!(described["identity"]["userAgent"], "agent/1");
    assert!(described["connectedAt"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')));
    assert_eq!(call(&stack, "DELETE", &id, b"").await.status, 204);
    assert_eq!(link.closed().await, (1000, "Connection Closed Normally".to_owned()));
    let event = &seen(&stack, "DISCONNECT", 1).await[0];
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1000);
}

#[tokio::test]
async fn a_share_of_the_posts_can_be_throttled() {
    let stack = stack(|knobs| knobs.post_throttle_percent = 20).await;
    let mut link = linked(&stack).await;
    let id = only_connection(&stack);
    let mut refused = 0;
    for _ in 0..100 {
        let answer = call(&stack, "POST", &id, b"x").await;
        refused += usize::from(answer.status == 429);
        if answer.status == 200 {
            link.text().await;
        }
    }
    assert_eq!(refused, 20);
    assert_eq!(stack.meter.read().posts_refused, 20);
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_posts_429() {
    let stack = stack(|knobs| knobs.client_buffer_bytes = 256 * 1024).await;
    let _link = linked(&stack).await;
    let id = only_connection(&stack);
    let text = vec![b'x'; 128 * 1024];
    // The kernel's buffers take some megabytes before the stand-in's own count.
    within("a post is refused", async { while call(&stack, "POST", &id, &text).await.status != 429 {} }).await;
}

#[tokio::test]
async fn posts_and_sockets_take_the_time_that_a_test_gives_them() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    let id = only_connection(&stack);
    stack.turn(|knobs| {
        knobs.latency.post = Duration::from_millis(150);
        knobs.latency.socket = Duration::from_millis(100);
    });
    let started = Instant::now();
    assert_eq!(call(&stack, "POST", &id, b"x").await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(150));
    link.text().await;
    assert!(started.elapsed() >= Duration::from_millis(250));
}

#[tokio::test]
async fn posts_can_be_held_back() {
    let stack = stack(|knobs| knobs.hold_posts = true).await;
    let mut link = linked(&stack).await;
    let id = only_connection(&stack);
    let released = async {
        until("the post arrives", || (stack.meter.read().posts == 1).then_some(())).await;
        assert_eq!(stack.meter.read().messages_out, 0);
        stack.turn(|knobs| knobs.hold_posts = false);
    };
    let (answer, ()) = tokio::join!(call(&stack, "POST", &id, b"x"), released);
    assert_eq!(answer.status, 200);
    assert_eq!(link.text().await, "x");
}
