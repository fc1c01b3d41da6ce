//! The forwarder as a stranger's gate meets it: what it asks for, what it puts up with, and how it comes back.

use crate::support::gate::{Gate, open, welcome};
use crate::support::process::{Process, forwarder};
use crate::support::service::Service;
use crate::support::stranger::Link;
use crate::support::wire::{BOTH, Encoding, body, header, id};
use crate::support::{eventually, noise, within};
use serde_json::{Value, json};
use std::time::Duration;

const KIB: usize = 1024;

fn start(gate: &Gate, service: &Service) -> Process {
    Process::start(forwarder().args([&service.port(), "--json", "--endpoint", &gate.endpoint()]))
}

/// All of an answer: its head, its body, and whether it was ended.
async fn whole(link: &mut Link, exchange: u64) -> (Value, Vec<u8>, bool) {
    let mut answer = Value::Null;
    let mut bytes = Vec::new();
    loop {
        let message = link.receive().await;
        if message["id"] != id(exchange) {
            continue;
        }
        bytes.extend(body(&message));
        match message["kind"].as_str() {
            Some("answer") => answer = message.clone(),
            Some("part") => {}
            Some("credit") => continue,
            _ => return (message, bytes, false),
        }
        if message["end"] == true {
            return (answer, bytes, true);
        }
    }
}

#[tokio::test]
async fn the_handshake_offers_both_encodings_and_says_who_it_is() {
    let (gate, service) = (Gate::start().await, Service::start());
    let mut command = forwarder();
    command.args([&service.port(), "--json", "--endpoint", &gate.endpoint(), "--name", "shop"]);
    let _forwarder = Process::start(command.env("TUNNEL_TOKEN", "sesame"));
    let asking = gate.asked().await;
    let offered: Vec<_> = asking.field("sec-websocket-protocol").expect("offers").split(',').map(str::trim).collect();
    assert_eq!(offered, ["tunnel.v1.bin", "tunnel.v1.json"]);
    assert_eq!(asking.field("authorization"), Some("Bearer sesame"));
    assert_eq!(asking.field("x-tunnel-name"), Some("shop"));
    assert!(asking.field("x-tunnel-owner").is_some_and(|hex| hex.len() == 64), "{}", asking.head);
    assert!(asking.field("x-tunnel-agent").is_some_and(|agent| agent.starts_with("forwarder/")), "{}", asking.head);
    assert!(!asking.head.lines().next().expect("a request line").contains("sesame"), "{}", asking.head);
}

#[tokio::test]
async fn without_a_window_nothing_waits_for_credit_and_none_is_given() {
    for encoding in BOTH {
        let (gate, service) = (Gate::start().await, Service::start());
        let _forwarder = start(&gate, &service);
        let mut plain = welcome();
        plain.as_object_mut().expect("an object").remove("window");
        let mut link = gate.linked(encoding, plain).await;
        link.send(open(1, "/body/7/1500000")).await;
        let (answer, bytes, ended) = whole(&mut link, 1).await;
        assert_eq!((answer["status"].as_u64(), ended), (Some(200), true));
        assert!(bytes == noise(7, 1_500_000), "the body is the service's");
    }
}

#[tokio::test]
async fn with_a_window_the_answer_stops_where_the_credit_does_and_others_go_on() {
    for encoding in BOTH {
        let (gate, service) = (Gate::start().await, Service::start());
        let _forwarder = start(&gate, &service);
        let mut link = gate.linked(encoding, welcome()).await;
        link.send(open(1, "/body/7/1000000")).await;
        let mut got = Vec::new();
        while let Ok(message) = tokio::time::timeout(Duration::from_millis(700), link.receive()).await {
            got.extend(body(&message));
            assert!(got.len() <= 262_144, "{} bytes without credit", got.len());
        }
        assert!(got.len() > 100_000, "only {} bytes came", got.len());
        link.send(open(2, "/echo/meanwhile")).await;
        assert_eq!(whole(&mut link, 2).await.1, b"meanwhile");
        link.send(json!({"kind": "credit", "id": id(1), "credit": 1_000_000})).await;
        let (_, rest, ended) = whole(&mut link, 1).await;
        got.extend(rest);
        assert!(ended && got == noise(7, 1_000_000), "the body is the service's");
    }
}

#[tokio::test]
async fn no_text_message_is_over_128_kb_and_no_frame_over_32_kb_whatever_the_head() {
    let (gate, service) = (Gate::start().await, Service::start());
    let _forwarder = start(&gate, &service);
    let mut link = gate.linked(Encoding::Text, welcome()).await;
    let sizes = [0, 16 * KIB, 94 * KIB, 95 * KIB, 96 * KIB, 300 * KIB];
    for (n, (kib, size)) in [0, 1, 20, 50].into_iter().flat_map(|kib| sizes.map(|size| (kib, size))).enumerate() {
        let exchange = n as u64 + 1;
        link.send(open(exchange, &format!("/head/{kib}/{size}"))).await;
        link.send(json!({"kind": "credit", "id": id(exchange), "credit": 1_000_000})).await;
        let mut got = Vec::new();
        loop {
            let next = tokio::time::timeout(Duration::from_secs(15), link.receive()).await;
            let message = next.unwrap_or_else(|_| panic!("{kib} KiB of headers, {size} bytes of body: {}", got.len()));
            let total: usize = link.frames.iter().sum();
            assert!(total <= 128 * KIB, "a message of {total} bytes: {kib} KiB of headers, {size} bytes of body");
            assert!(link.frames.iter().all(|frame| *frame <= 32 * KIB), "{:?}", link.frames);
            assert!(matches!(message["kind"].as_str(), Some("answer" | "part")), "{kib} {size}: {message}");
            got.extend(body(&message));
            if message["end"] == true {
                break;
            }
        }
        assert!(got == noise(1, size), "{kib} KiB of headers, {size} bytes of body: {} came", got.len());
    }
}

#[tokio::test]
async fn a_head_up_to_the_limit_reaches_the_service_and_comes_back() {
    let (gate, service) = (Gate::start().await, Service::start());
    let _forwarder = start(&gate, &service);
    let mut link = gate.linked(Encoding::Binary, welcome()).await;
    for (n, size) in [1_000, 15_000, 17_000, 40_000, 60_000].into_iter().enumerate() {
        for method in ["GET", "POST", "DELETE"] {
            let exchange = n as u64 * 10 + method.len() as u64;
            let mut open = open(exchange, "/measure");
            open["method"] = json!(method);
            open["headers"] = json!([["host", "shop.gate.test"], ["cookie", "x".repeat(size)]]);
            link.send(open).await;
            let (answer, bytes, _) = whole(&mut link, exchange).await;
            assert_eq!(answer["kind"], "answer", "{method} with {size} bytes: {answer}");
            assert_eq!(answer["status"], 200, "{method} with {size} bytes: {answer}");
            let measured: usize = String::from_utf8(bytes).expect("text").parse().expect("a size");
            assert!(measured >= size, "{method}: {measured} of {size} bytes arrived");
        }
    }
    for (exchange, kib) in [(100, 10), (101, 30), (102, 60)] {
        link.send(open(exchange, &format!("/head/{kib}/10"))).await;
        let (answer, bytes, _) = whole(&mut link, exchange).await;
        assert_eq!(bytes, noise(1, 10), "{answer}");
        assert_eq!(answer["headers"].as_array().map(|lines| lines.len()), Some(kib + 1));
    }
}

#[tokio::test]
async fn a_cancelled_call_to_the_service_stops() {
    for encoding in BOTH {
        let (gate, service) = (Gate::start().await, Service::start());
        let _forwarder = start(&gate, &service);
        let mut link = gate.linked(encoding, welcome()).await;
        for (n, path) in [(1, "/hang"), (2, "/drip/1000")] {
            link.send(open(n, path)).await;
            eventually("the service is called", || async { (service.calls() == n as usize).then_some(()) }).await;
            link.send(json!({"kind": "cancel", "id": id(n)})).await;
            eventually("the call is gone", || async { (service.left() == n as usize).then_some(()) }).await;
        }
        link.send(open(3, "/echo/next")).await;
        assert_eq!(whole(&mut link, 3).await.1, b"next");
    }
}

#[tokio::test]
async fn what_it_does_not_know_or_knows_already_changes_nothing() {
    for encoding in BOTH {
        let (gate, service) = (Gate::start().await, Service::start());
        let _forwarder = start(&gate, &service);
        let mut link = gate.linked(encoding, welcome()).await;
        match encoding {
            Encoding::Text => {
                for text in [r#"{"kind":"weather"}"#, r#"{"message":"Forbidden","connectionId":"a="}"#] {
                    link.socket.send_frame(true, 1, text.as_bytes()).await.expect("the forwarder reads");
                }
            }
            Encoding::Binary => link.socket.send_frame(true, 2, &[250, 1]).await.expect("the forwarder reads"),
        }
        for kind in ["part", "message", "cancel", "credit", "abort", "close"] {
            let late = json!({"kind": kind, "id": id(99), "n": 1, "credit": 5, "code": 1000, "reason": ""});
            link.send(late).await;
        }
        link.send(welcome()).await;
        // Said twice, carried once.
        link.send(open(1, "/slow/200/once")).await;
        link.send(open(1, "/slow/200/once")).await;
        assert_eq!(whole(&mut link, 1).await.1, b"once");
        link.send(open(2, "/echo/next")).await;
        assert_eq!(whole(&mut link, 2).await.1, b"next");
        assert_eq!(service.calls(), 2);
    }
}

#[tokio::test]
async fn a_gate_that_breaks_the_protocol_is_left_and_asked_again() {
    let (gate, service) = (Gate::start().await, Service::start());
    let mut forwarder = start(&gate, &service);
    let mut link = gate.linked(Encoding::Text, welcome()).await;
    forwarder.event("online").await;
    link.socket.send_frame(true, 1, b"nonsense").await.expect("the forwarder reads");
    let reason = forwarder.event("offline").await["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("does not understand"), "{reason}");
    let mut link = gate.linked(Encoding::Binary, welcome()).await;
    forwarder.event("online").await;
    link.send(open(1, "/echo/again")).await;
    assert_eq!(whole(&mut link, 1).await.1, b"again");
}

#[tokio::test]
async fn a_gate_that_falls_silent_is_left() {
    let (gate, service) = (Gate::start().await, Service::start());
    let mut forwarder = start(&gate, &service);
    let mut eager = welcome();
    eager["keep_alive"] = json!(1);
    // It stands, and never says a word again: not even to keep-alives.
    let _silent = gate.linked(Encoding::Binary, eager).await;
    forwarder.event("online").await;
    let reason = forwarder.event("offline").await["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("no message"), "{reason}");
    let mut link = gate.linked(Encoding::Binary, welcome()).await;
    link.send(open(1, "/echo/again")).await;
    assert_eq!(whole(&mut link, 1).await.1, b"again");
}

#[tokio::test]
async fn keep_alives_go_out_as_often_as_the_gate_wants_them() {
    let (gate, service) = (Gate::start().await, Service::start());
    let _forwarder = start(&gate, &service);
    let mut eager = welcome();
    eager["keep_alive"] = json!(1);
    let mut link = gate.linked(Encoding::Text, eager).await;
    for _ in 0..3 {
        let next = within("a keep-alive", link.socket.next()).await;
        let crate::support::socket::Incoming::Message { bytes, .. } = next else { panic!("{next:?}") };
        assert_eq!(bytes, br#"{"kind":"ping"}"#);
        link.send(json!({"kind": "pong"})).await;
    }
    link.send(json!({"kind": "ping"})).await;
    let next = within("an answer", link.socket.next()).await;
    let crate::support::socket::Incoming::Message { bytes, .. } = next else { panic!("{next:?}") };
    assert!(bytes == br#"{"kind":"pong"}"# || bytes == br#"{"kind":"ping"}"#);
}

#[tokio::test]
async fn bye_opens_a_new_link_while_what_is_open_finishes_on_the_old_one() {
    for encoding in BOTH {
        let (gate, service) = (Gate::start().await, Service::start());
        let mut forwarder = start(&gate, &service);
        let mut old = gate.linked(encoding, welcome()).await;
        old.send(open(1, "/drip/15")).await;
        assert_eq!(old.receive().await["kind"], "answer");
        old.send(json!({"kind": "bye", "reason": "maintenance at noon"})).await;
        let asking = gate.asked().await;
        assert_eq!(asking.field("x-tunnel-name"), Some("shop"), "it wants the name that it had");
        let mut new = asking.accept(encoding, welcome()).await;
        new.send(open(1, "/echo/new")).await;
        assert_eq!(whole(&mut new, 1).await.1, b"new");
        let (_, bytes, ended) = whole(&mut old, 1).await;
        assert!(ended && bytes.ends_with(b"line014\n"), "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(old.closed().await.0, 1001, "the name is still wanted");
        let reason = forwarder.event("offline").await["reason"].as_str().expect("a reason").to_owned();
        assert!(reason.contains("maintenance at noon"), "{reason}");
    }
}

#[tokio::test]
async fn exchanges_that_come_before_the_welcome_are_served_too() {
    for encoding in BOTH {
        let (gate, service) = (Gate::start().await, Service::start());
        let _forwarder = start(&gate, &service);
        // What a gate says whose visitors were quicker than its welcome.
        let mut link = gate.linked(encoding, open(1, "/echo/early")).await;
        link.send(welcome()).await;
        assert_eq!(whole(&mut link, 1).await.1, b"early");
    }
}

/// A link that is due for its hand-over soon: after three quarters of the time that its platform lets it stand.
fn short_lived() -> Value {
    let mut welcome = welcome();
    welcome["lifetime"] = json!(2);
    welcome
}

#[tokio::test]
async fn before_the_platform_cuts_a_link_the_next_one_is_up_and_nothing_is_lost() {
    let (gate, service) = (Gate::start().await, Service::start());
    let mut forwarder = start(&gate, &service);
    let mut old = gate.linked(Encoding::Text, short_lived()).await;
    old.send(open(1, "/drip/90")).await;
    assert_eq!(old.receive().await["kind"], "answer");
    let asking = gate.asked().await;
    // The next link is asked for, not yet there: the old one still takes exchanges.
    old.send(open(2, "/echo/still-here")).await;
    let (answer, bytes, _) = whole(&mut old, 2).await;
    assert_eq!((answer["kind"].as_str(), bytes), (Some("answer"), b"still-here".to_vec()), "{answer}");
    let mut new = asking.accept(Encoding::Text, welcome()).await;
    new.send(open(1, "/echo/new")).await;
    assert_eq!(whole(&mut new, 1).await.1, b"new");
    // What began on the old link takes longer than a drain, and is not cut.
    let (answer, bytes, ended) = whole(&mut old, 1).await;
    assert!(ended && bytes.ends_with(b"line089\n"), "{answer}");
    assert_eq!(old.closed().await.0, 1001, "the name is still wanted");
    forwarder.event("online").await;
    forwarder.event("online").await;
    assert!(!forwarder.out().contains("offline"), "a planned hand-over is no trouble: {}", forwarder.out());
}

#[tokio::test]
async fn an_idle_link_is_not_closed_before_the_next_one_is_up() {
    let (gate, service) = (Gate::start().await, Service::start());
    let _forwarder = start(&gate, &service);
    let mut old = gate.linked(Encoding::Text, short_lived()).await;
    let asking = gate.asked().await;
    let early = tokio::time::timeout(Duration::from_millis(500), old.try_receive()).await;
    assert!(early.is_err(), "the old link said {early:?} before the next one was up");
    let _new = asking.accept(Encoding::Text, welcome()).await;
    assert_eq!(old.closed().await.0, 1001, "the name is still wanted");
}

#[tokio::test]
async fn a_refusal_at_the_first_start_ends_the_program_with_the_gates_own_text() {
    for (status, text) in [
        ("401 Unauthorized", "the token is not accepted: ask Ana"),
        ("409 Conflict", "the name shop is held by another forwarder"),
        ("426 Upgrade Required", "this gate speaks tunnel.v2.json: upgrade the forwarder"),
        ("429 Too Many Requests", "this token already has its 3 tunnels"),
    ] {
        let (gate, service) = (Gate::start().await, Service::start());
        let mut forwarder = start(&gate, &service);
        gate.asked().await.refuse(status, text).await;
        assert_eq!(forwarder.ended().await.code(), Some(1), "{status}");
        let err = forwarder.err();
        assert!(err.contains(text) && err.contains(&status[..3]), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
    let service = Service::start();
    let port = crate::support::process::free_port();
    let mut nobody =
        Process::start(forwarder().args([&service.port(), "--endpoint", &format!("ws://127.0.0.1:{port}")]));
    assert_eq!(nobody.ended().await.code(), Some(1));
    assert!(nobody.err().contains(&format!("127.0.0.1:{port}")), "{}", nobody.err());
}

#[tokio::test]
async fn a_refusal_later_is_told_and_tried_again_under_the_same_name_and_owner() {
    let (gate, service) = (Gate::start().await, Service::start());
    let mut forwarder = start(&gate, &service);
    let first = gate.asked().await;
    let owner = first.field("x-tunnel-owner").expect("an owner").to_owned();
    assert_eq!(first.field("x-tunnel-name"), None);
    let link = first.accept(Encoding::Binary, welcome()).await;
    forwarder.event("online").await;
    drop(link);
    for (status, text) in [("429 Too Many Requests", "slow down"), ("503 Service Unavailable", "out for lunch")] {
        let again = gate.asked().await;
        assert_eq!(again.field("x-tunnel-name"), Some("shop"));
        assert_eq!(again.field("x-tunnel-owner"), Some(owner.as_str()));
        again.refuse(status, text).await;
        forwarder.says(text).await;
    }
    let mut link = gate.linked(Encoding::Text, welcome()).await;
    forwarder.event("online").await;
    link.send(open(1, "/echo/back")).await;
    let (answer, bytes, _) = whole(&mut link, 1).await;
    assert_eq!(bytes, b"back");
    assert_eq!(header(&answer, "content-length"), Some("4"));
}
