//! Who may open a link, what a link may do, and what is left when it ends.

use crate::common::{Conn, in_time};
use crate::link::{Link, Refused, answer, owner};
use crate::platform::{DOMAIN, TOKEN, plain_stack, stack};
use crate::serverless::{Knobs, Stack};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::sync::Arc;

const SECRET: &str = "a-jwt-secret-that-is-long-enough-for-hs256";

/// What a visitor of the tunnel `name` gets through the HTTP API.
async fn visit(stack: &Stack, name: &str) -> crate::common::Answer {
    let mut visitor = Conn::open(stack.addresses().http).await;
    visitor.send(format!("GET /x HTTP/1.1\r\nHost: {name}.{DOMAIN}\r\n\r\n")).await;
    visitor.answer().await
}

fn refused(outcome: Result<Link, Refused>) -> (u16, String) {
    let refused = outcome.expect_err("the handshake is refused");
    (refused.status, refused.text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_speaks_text_and_is_welcomed_with_what_the_platform_allows() {
    let stack = plain_stack().await;
    let (link, welcome) = Link::welcomed(&stack, "web", &owner('1')).await;
    assert_eq!(link.subprotocol, "tunnel.v1.json");
    assert_eq!(welcome["url"], format!("https://web.{DOMAIN}"));
    assert_eq!(welcome["stream_url"], format!("{}/web", stack.stream_url()));
    assert_eq!((&welcome["lifetime"], &welcome["window"]), (&json!(7200), &Value::Null));
    assert!(welcome["keep_alive"].as_u64().is_some_and(|seconds| seconds < 600), "{welcome}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_is_not_admitted_is_refused_with_its_reason() {
    let stack = plain_stack().await;
    let bearer = format!("Bearer {TOKEN}");
    let good = [
        ("sec-websocket-protocol", "tunnel.v1.json"),
        ("authorization", bearer.as_str()),
        ("x-tunnel-name", "web"),
        ("x-tunnel-owner", &owner('1')),
    ];
    let with = |name: &str, value: &'static str| {
        good.map(|(field, known)| if field == name { (field, value) } else { (field, known) })
    };
    let cases = [
        (with("authorization", "Bearer wrong"), 401, "token"),
        (with("authorization", "Basic eDp5"), 401, "Bearer"),
        (with("x-tunnel-name", "No_Label"), 400, "tunnel name"),
        (with("x-tunnel-name", "a.b"), 400, "tunnel name"),
        (with("x-tunnel-name", "connect"), 400, "where forwarders join"),
        (with("x-tunnel-owner", "12"), 400, "64 hex"),
        (with("sec-websocket-protocol", "tunnel.v1.bin"), 426, "tunnel.v1.json"),
    ];
    for (fields, status, reason) in cases {
        let (got, text) = refused(Link::handshake(&stack, &fields).await);
        assert!(got == status && text.contains(reason), "{got} {text:?}");
        assert!(!text.contains(TOKEN) && !text.contains("wrong"), "{text:?}");
    }
    let (status, text) = refused(Link::handshake(&stack, &good[..1]).await);
    assert_eq!(status, 400, "{text}");
    assert_eq!(stack.tables.scan("connections").await.len(), 0);
}

fn token(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("claims can be signed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwt_admits_to_its_names_until_it_expires_and_only_with_its_own_algorithm() {
    let stack = stack(&[("token", ""), ("jwtSecret", SECRET)], Knobs::default()).await;
    let link = |token: String, name: &'static str| {
        let stack = stack.clone();
        async move {
            let bearer = format!("Bearer {token}");
            let owner = owner('2');
            let fields = [
                ("sec-websocket-protocol", "tunnel.v1.json"),
                ("authorization", bearer.as_str()),
                ("x-tunnel-name", name),
                ("x-tunnel-owner", owner.as_str()),
            ];
            Link::handshake(&stack, &fields).await
        }
    };
    let far = 4_000_000_000_u64;
    let claims = json!({ "exp": far, "names": ["ana-*"], "sub": "ana" });
    link(token(&claims, Algorithm::HS256, SECRET), "ana-web").await.expect("it is for this name");
    let unsigned = {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", encode(r#"{"alg":"none","typ":"JWT"}"#), encode(&claims.to_string()))
    };
    let cases = [
        (token(&claims, Algorithm::HS256, SECRET), "web", 403),
        (token(&json!({ "exp": 1_000_000_000, "names": ["*"] }), Algorithm::HS256, SECRET), "ana-web", 401),
        (token(&claims, Algorithm::HS512, SECRET), "ana-web", 401),
        (token(&claims, Algorithm::HS256, "another-secret-that-is-long-enough-too"), "ana-web", 401),
        (unsigned, "ana-web", 401),
    ];
    for (token, name, status) in cases {
        let (got, text) = refused(link(token.clone(), name).await);
        assert_eq!(got, status, "{text}");
        assert!(!text.contains(&token), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_held_is_refused_to_others_and_given_to_its_owner_at_once() {
    let stack = plain_stack().await;
    let (first, _) = Link::welcomed(&stack, "web", &owner('1')).await;
    let (status, text) = refused(Link::open(&stack, "web", &owner('2')).await);
    assert!(status == 409 && text.contains("web"), "{status} {text}");
    let (mut second, _) = Link::welcomed(&stack, "web", &owner('1')).await;
    let visit = visit(&stack, "web");
    let serve = async {
        let open = second.receive().await;
        second.send(&answer(&open, "the newer link")).await;
    };
    assert_eq!(tokio::join!(visit, serve).0.text(), "the newer link");
    drop(first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_ask_for_one_name_at_once_one_gets_it() {
    let stack = plain_stack().await;
    let owners: Vec<_> = "123456".chars().map(owner).collect();
    let asked = owners.iter().map(|owner| Link::open(&stack, "web", owner));
    let outcomes = futures_util::future::join_all(asked).await;
    let statuses: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().map_or_else(|r| r.status, |_| 101)).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 101).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [101, 409].contains(status)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_disconnect_of_an_older_link_does_not_touch_the_newer_one() {
    let stack = plain_stack().await;
    stack.turn(|knobs| knobs.hold_disconnects = true);
    let (first, _) = Link::welcomed(&stack, "web", &owner('1')).await;
    first.close(1000).await;
    let (mut second, _) = Link::welcomed(&stack, "web", &owner('1')).await;
    stack.turn(|knobs| knobs.hold_disconnects = false);
    let (meter, looked_up) = (stack.meter.clone(), stack.meter.read().operation("Query").calls);
    crate::common::until("the disconnect to be handled", move || meter.read().operation("Query").calls > looked_up)
        .await;
    let serve = async {
        let open = second.receive().await;
        second.send(&answer(&open, "still here")).await;
    };
    assert_eq!(tokio::join!(visit(&stack, "web"), serve).0.text(), "still here");
}

async fn after_close(code: u16) -> (Arc<Stack>, crate::common::Answer) {
    let stack = plain_stack().await;
    let (link, _) = Link::welcomed(&stack, "web", &owner('1')).await;
    link.close(code).await;
    let meter = stack.meter.clone();
    let handled = move || meter.read().operation("DeleteItem").calls + meter.read().operation("UpdateItem").calls == 1;
    crate::common::until("the disconnect to be handled", handled).await;
    let answer = visit(&stack, "web").await;
    (stack, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_given_up_is_free_at_once() {
    let (stack, answer) = after_close(1000).await;
    assert_eq!((answer.status(), answer.fault().as_deref()), (404, Some("tunnel-not-found")));
    Link::open(&stack, "web", &owner('2')).await.expect("the name is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_given_up_also_when_a_visitor_found_the_link_gone_first() {
    let stack = plain_stack().await;
    stack.turn(|knobs| knobs.hold_disconnects = true);
    let (link, _) = Link::welcomed(&stack, "web", &owner('1')).await;
    link.close(1000).await;
    assert_eq!(visit(&stack, "web").await.fault().as_deref(), Some("forwarder-offline"));
    stack.turn(|knobs| knobs.hold_disconnects = false);
    let meter = stack.meter.clone();
    crate::common::until("the disconnect to be handled", move || meter.read().operation("DeleteItem").calls == 1).await;
    Link::open(&stack, "web", &owner('2')).await.expect("the name is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_whose_link_is_lost_stays_with_its_owner() {
    let (stack, answer) = after_close(1001).await;
    assert_eq!((answer.status(), answer.fault().as_deref()), (503, Some("forwarder-offline")));
    assert!(answer.get("retry-after").is_some());
    assert_eq!(refused(Link::open(&stack, "web", &owner('2')).await).0, 409);
    Link::welcomed(&stack, "web", &owner('1')).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarder_answers_only_what_was_sent_to_its_own_link() {
    let stack = plain_stack().await;
    let (mut mine, _) = Link::welcomed(&stack, "mine", &owner('1')).await;
    let (mut foreign, _) = Link::welcomed(&stack, "foreign", &owner('2')).await;
    let serve = async {
        let open = mine.receive().await;
        foreign.send(&answer(&open, "an intruder's")).await;
        let meter = stack.meter.clone();
        let messages = meter.read().invoked("MESSAGE");
        crate::common::until("the intruder's message to be handled", || {
            let now = meter.read();
            now.invoked("MESSAGE") >= messages && now.operation("PutItem").calls >= 3
        })
        .await;
        mine.send(&answer(&open, "the right one")).await;
    };
    let (answer, ()) = tokio::join!(visit(&stack, "mine"), serve);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "the right one"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_understood_costs_its_sender_the_link_and_nobody_else_anything() {
    let stack = plain_stack().await;
    let (mut other, _) = Link::welcomed(&stack, "other", &owner('2')).await;
    for (i, text) in [r#"{"kind":"answer","id":"xyz"}"#, r#"{"kind":"part","#, r#"{"kind":"part","id":"00"}"#]
        .into_iter()
        .enumerate()
    {
        let (mut link, _) = Link::welcomed(&stack, &format!("web-{i}"), &owner('1')).await;
        link.send_text(text).await;
        link.closes().await;
    }
    let serve = async {
        let open = other.receive().await;
        other.send(&answer(&open, "ok")).await;
    };
    assert_eq!(tokio::join!(visit(&stack, "other"), serve).0.text(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_and_fields_that_are_not_known_are_skipped() {
    let stack = plain_stack().await;
    let (mut link, _) = Link::welcomed(&stack, "web", &owner('1')).await;
    link.send(&json!({ "kind": "novelty", "x": 1 })).await;
    link.send(&json!({ "x": 1 })).await;
    let serve = async {
        let open = link.receive().await;
        let mut message = answer(&open, "ok");
        message["novelty"] = json!([1, 2]);
        link.send(&message).await;
    };
    assert_eq!(tokio::join!(visit(&stack, "web"), serve).0.text(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keep_alive_invokes_nothing() {
    let stack = plain_stack().await;
    let (mut link, _) = Link::welcomed(&stack, "web", &owner('1')).await;
    let before = stack.meter.read();
    for _ in 0..5 {
        link.send(&json!({ "kind": "ping" })).await;
    }
    let serve = async {
        let open = link.receive().await;
        link.send(&answer(&open, "ok")).await;
    };
    assert_eq!(tokio::join!(visit(&stack, "web"), serve).0.status(), 200);
    assert_eq!(stack.meter.read().since(&before).invoked("MESSAGE"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarder_that_answers_too_early_or_too_late_disturbs_nobody() {
    let stack = plain_stack().await;
    let (mut link, _) = Link::welcomed(&stack, "web", &owner('1')).await;
    link.send(&answer(&json!({ "id": "00000000000000aa" }), "nobody asked")).await;
    for i in 0..3 {
        let serve = async {
            let open = link.receive().await;
            link.send(&answer(&open, &format!("answer {i}"))).await;
            link.send(&answer(&open, "said twice, otherwise")).await;
        };
        let (answer, ()) = in_time("the visit", async { tokio::join!(visit(&stack, "web"), serve) }).await;
        assert!(answer.text() == format!("answer {i}") || answer.text() == "said twice, otherwise", "{answer:?}");
    }
}
