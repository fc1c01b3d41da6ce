//! Links over the WebSocket API: handshake, routes, quotas, ends.

use crate::serverless::program::yaml;
use crate::serverless::{Delivery, Knobs, Program, Stack};
use crate::socket::{BINARY, CONTINUATION, Incoming, PING, TEXT};
use crate::stage::{
    Link, events, function, link, link_at, linked, only_connection, recorded, root, same_shape, seen, stack, until,
    within,
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_connect_event_has_the_recorded_shape() {
    let stack = stack(|_| {}).await;
    let fields = [
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Protocol", "tunnel.v1.json, other"),
        ("User-Agent", "agent/1"),
    ];
    let (_link, head) = link_at(&stack, "/live?token=t", &fields).await.expect("it is accepted");
    assert!(head.contains("Sec-WebSocket-Protocol: tunnel.v1.json\r\n"), "{head}");
    let event = &seen(&stack, "CONNECT", 1).await[0];
    same_shape("event", &recorded("connect.json"), event);
    assert_eq!(event["requestContext"]["connectionId"], only_connection(&stack));
    assert_eq!(event["queryStringParameters"], json!({"token": "t"}));
}

#[tokio::test]
async fn a_refusal_reaches_the_client_with_status_and_text() {
    let stack = stack(|_| {}).await;
    let refused = link(&stack, &[("X-Refuse", "409 the name is taken")]).await.err().expect("it is refused");
    assert_eq!(refused, (409, "the name is taken".to_owned()));
    let failed = link(&stack, &[("X-Path", "fail")]).await.err().expect("it is refused");
    assert_eq!(failed.0, 502);
    assert_eq!(link_at(&stack, "/other", &[]).await.err().expect("no such stage").0, 403);
    stack.turn(|knobs| knobs.throttle_handshakes = true);
    assert_eq!(link(&stack, &[]).await.err().expect("it is throttled").0, 429);
    assert_eq!(stack.gateway().connections(), Vec::<String>::new());
}

#[tokio::test]
async fn a_message_event_has_the_recorded_shape_and_its_kind_names_the_route() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    link.say(r#"{"k":1}"#).await;
    let event = &seen(&stack, "MESSAGE", 1).await[0];
    same_shape("event", &recorded("message.json"), event);
    assert_eq!((&event["body"], &event["requestContext"]["routeKey"]), (&json!(r#"{"k":1}"#), &json!("$default")));
    link.say(r#"{"kind":"ping"}"#).await;
    link.say(r#"{"kind":"$connect"}"#).await;
    link.say("no json").await;
    let all = seen(&stack, "MESSAGE", 3).await;
    assert!(all.iter().all(|event| event["requestContext"]["routeKey"] == "$default"), "{all:?}");
    until("the ping is counted", || (stack.meter.read().mocked == 1).then_some(())).await;
    let tally = stack.meter.read();
    assert_eq!((tally.messages_in, tally.units_in, tally.invoked("MESSAGE")), (4, 4, 3), "the ping invokes nothing");
}

#[tokio::test]
async fn a_message_that_no_route_takes_is_forbidden() {
    let text = std::fs::read_to_string(root().join("Pulumi.yaml")).expect("the program is there");
    let mut program = yaml(&text).expect("it is YAML");
    program["resources"]["wsDefault"]["properties"]["routeKey"] = json!("known");
    let program = Program::parse(program, &json!({"config": {}}), &[("token", "secret")]).expect("it is sound");
    let stack = Stack::start(program, &function(), Knobs::default()).await;
    let mut link = linked(&stack).await;
    link.say(r#"{"kind":"unknown"}"#).await;
    let told: Value = serde_json::from_str(&link.text().await).expect("it is JSON");
    assert_eq!(told["message"], "Forbidden");
    link.say(r#"{"kind":"known"}"#).await;
    assert_eq!(seen(&stack, "MESSAGE", 1).await[0]["requestContext"]["routeKey"], "known");
}

#[tokio::test]
async fn a_disconnect_event_has_the_recorded_shape() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    link.0.send_frame(true, 8, &[]).await.expect("it reads");
    assert_eq!(link.closed().await.0, 1005);
    let event = &seen(&stack, "DISCONNECT", 1).await[0];
    same_shape("event", &recorded("disconnect.json"), event);
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1005);

    let mut link = linked(&stack).await;
    link.0.send_frame(true, 8, b"\x03\xe8done").await.expect("it reads");
    assert_eq!(link.closed().await.0, 1000);
    seen(&stack, "DISCONNECT", 2).await;
    drop(linked(&stack).await);
    let all = seen(&stack, "DISCONNECT", 3).await;
    let codes: Vec<u64> =
        all.iter().filter_map(|event| event["requestContext"]["disconnectStatusCode"].as_u64()).collect();
    assert_eq!(codes, [1005, 1000, 1006]);
    assert_eq!(all[1]["requestContext"]["disconnectReason"], "done");
}

#[tokio::test]
async fn a_frame_over_32_kb_closes_with_1009() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    // Two bytes of header, two of length and four of mask count too.
    let largest = "x".repeat(32 * 1024 - 8);
    link.say(&largest).await;
    assert_eq!(seen(&stack, "MESSAGE", 1).await[0]["body"].as_str().map(str::len), Some(largest.len()));
    link.say(&(largest + "x")).await;
    assert_eq!(link.closed().await.0, 1009);
}

#[tokio::test]
async fn a_message_of_128_kb_in_frames_is_whole_and_a_longer_one_closes_with_1009() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    let quarter = vec![b'x'; 16 * 1024];
    for n in 0..8 {
        let opcode = if n == 0 { TEXT } else { CONTINUATION };
        link.0.send_frame(n == 7, opcode, &quarter).await.expect("it reads");
    }
    assert_eq!(seen(&stack, "MESSAGE", 1).await[0]["body"].as_str().map(str::len), Some(128 * 1024));
    assert_eq!(stack.meter.read().units_in, 4);
    link.0.send_frame(false, TEXT, b"x").await.expect("it reads");
    for n in 0..8 {
        // The other end may close before the last one.
        let _ = link.0.send_frame(n == 7, CONTINUATION, &quarter).await;
    }
    assert_eq!(link.closed().await.0, 1009);
}

#[tokio::test]
async fn a_binary_frame_closes_with_1003_and_a_broken_text_with_1007() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    link.0.send_frame(true, BINARY, b"x").await.expect("it reads");
    assert_eq!(link.closed().await.0, 1003);
    let mut link = linked(&stack).await;
    link.0.send_frame(true, TEXT, b"\xff").await.expect("it reads");
    assert_eq!(link.closed().await.0, 1007);
}

#[tokio::test]
async fn a_ping_has_no_pong_and_is_no_use_of_the_link() {
    let stack = stack(|knobs| knobs.idle = Duration::from_millis(400)).await;
    let mut link = linked(&stack).await;
    let ended = within("the end of a link that is only pinged", async {
        loop {
            let Ok(came) = tokio::time::timeout(Duration::from_millis(50), link.0.next()).await else {
                // The last one may meet a link that has just ended.
                let _ = link.0.send_frame(true, PING, b"are you there").await;
                continue;
            };
            return came;
        }
    })
    .await;
    assert_eq!(ended, Incoming::Close(1001, "Going away".to_owned()));
}

#[tokio::test]
async fn a_link_ends_at_its_lifetime_even_if_it_is_used() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    link.say("{}").await;
    seen(&stack, "MESSAGE", 1).await;
    stack.turn(|knobs| knobs.lifetime = Duration::ZERO);
    assert_eq!(link.closed().await, (1001, "Going away".to_owned()));
    let event = &seen(&stack, "DISCONNECT", 1).await[0];
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
}

#[tokio::test]
async fn one_link_can_be_closed_or_cut_and_others_stay() {
    let stack = stack(|_| {}).await;
    let (mut first, mut second, mut third) = (linked(&stack).await, linked(&stack).await, linked(&stack).await);
    let ids: Vec<_> =
        seen(&stack, "CONNECT", 3).await.iter().map(|it| it["requestContext"]["connectionId"].clone()).collect();
    let id = |n: usize| ids[n].as_str().expect("an id");
    assert!(stack.gateway().close(id(0), 1001, "Going away") && stack.gateway().cut(id(1)));
    assert_eq!(first.closed().await.0, 1001);
    assert_eq!(second.hear().await, Incoming::Gone);
    until("they are forgotten", || (stack.gateway().connections() == [id(2)]).then_some(())).await;
    assert!(!stack.gateway().cut(id(1)));
    stack.gateway().inject("still there");
    assert_eq!(third.text().await, "still there");
}

async fn say_all(link: &mut Link, texts: &[&str]) {
    for text in texts {
        link.say(text).await;
    }
}

fn bodies(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["body"].as_str()).collect()
}

#[tokio::test]
async fn messages_of_one_link_overlap() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    say_all(&mut link, &[r#"{"do":"sleep/60"}"#, r#"{"do":"sleep/60"}"#, "{}"]).await;
    seen(&stack, "MESSAGE", 3).await;
    let busy = stack.function.processes().iter().filter(|process| process.busy.is_some()).count();
    assert!(busy >= 2, "{:?}", stack.function.processes());
}

#[tokio::test]
async fn messages_can_be_reversed_and_doubled() {
    let stack = stack(|knobs| knobs.delivery = Delivery::Reversed(Duration::from_secs(1))).await;
    let mut link = linked(&stack).await;
    say_all(&mut link, &["1", "2", "3"]).await;
    assert_eq!(bodies(&seen(&stack, "MESSAGE", 3).await), ["3", "2", "1"]);
    stack.turn(|knobs| knobs.duplicate = true);
    link.say("4").await;
    assert_eq!(bodies(&seen(&stack, "MESSAGE", 5).await[3..]), ["4", "4"]);
}

#[tokio::test]
async fn messages_can_be_held_back() {
    let stack = stack(|knobs| knobs.hold_messages = true).await;
    let mut link = linked(&stack).await;
    link.say("1").await;
    until("it arrives", || (stack.meter.read().messages_in == 1).then_some(())).await;
    stack.function.warm(2).await.expect("processes start");
    assert!(events(&stack, "MESSAGE").is_empty());
    stack.turn(|knobs| knobs.hold_messages = false);
    seen(&stack, "MESSAGE", 1).await;
}

#[tokio::test]
async fn a_failed_integration_is_told_to_the_client() {
    let stack = stack(|_| {}).await;
    let mut link = linked(&stack).await;
    let told = |text: String, message: &str| {
        let frame: Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(frame["message"], message);
        assert_eq!(frame["connectionId"], only_connection(&stack));
        assert!(frame["requestId"].is_string());
    };
    for action in ["fail", "exit"] {
        link.say(&json!({"do": action}).to_string()).await;
        told(link.text().await, "Internal server error");
    }
    stack.turn(|knobs| knobs.integration_timeout = Some(Duration::from_millis(200)));
    link.say(r#"{"do":"sleep/1"}"#).await;
    told(link.text().await, "Internal server error");
    stack.turn(|knobs| {
        knobs.integration_timeout = None;
        knobs.message_failures_percent = 100;
    });
    let before = stack.meter.read().invoked("MESSAGE");
    link.say("{}").await;
    told(link.text().await, "Internal server error");
    assert_eq!(stack.meter.read().invoked("MESSAGE"), before, "the function never sees it");
    stack.turn(|knobs| knobs.throttle_messages = true);
    link.say("{}").await;
    told(link.text().await, "Too Many Requests");
    stack.gateway().inject_failure();
    told(link.text().await, "Internal server error");
}

#[tokio::test]
async fn a_link_can_be_cut_without_a_word_to_either_side() {
    let stack = stack(|knobs| knobs.drop_disconnects = true).await;
    let mut link = linked(&stack).await;
    stack.gateway().cut_all();
    assert_eq!(link.hear().await, Incoming::Gone);
    until("the link is forgotten", || stack.gateway().connections().is_empty().then_some(())).await;
    stack.turn(|knobs| {
        knobs.drop_disconnects = false;
        knobs.hold_disconnects = true;
    });
    let mut link = linked(&stack).await;
    stack.gateway().cut_all();
    assert_eq!(link.hear().await, Incoming::Gone);
    until("the link is forgotten", || stack.gateway().connections().is_empty().then_some(())).await;
    assert!(events(&stack, "DISCONNECT").is_empty());
    stack.turn(|knobs| knobs.hold_disconnects = false);
    assert_eq!(seen(&stack, "DISCONNECT", 1).await[0]["requestContext"]["disconnectStatusCode"], 1006);
}
