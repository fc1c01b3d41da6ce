//! An exchange on the wire: what a visitor sent arrives whole, what the forwarder says reaches the visitor, and an end is
//! told from an abort.

use crate::support::relay::{Setup, TestRelay};
use crate::support::stranger::{Link, forwarder, owner};
use crate::support::wire::{BOTH, Encoding, body, data, header};
use crate::support::{http::Visit, noise, within};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

pub(crate) async fn linked(encoding: Encoding) -> (TestRelay, Link) {
    let relay = TestRelay::start().await;
    let (link, _) = forwarder(relay.address, encoding, "shop", &owner('a')).await;
    (relay, link)
}

pub(crate) fn part(open: &Value, n: u32, bytes: &[u8], end: bool) -> Value {
    json!({"kind": "part", "id": open["id"], "n": n, "data": data(bytes), "end": end})
}

pub(crate) fn head(open: &Value) -> Value {
    json!({"kind": "answer", "id": open["id"], "status": 200, "headers": [["content-type", "text/plain"]]})
}

#[tokio::test]
async fn a_small_exchange_is_one_message_each_way() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let request = "POST /a%20b?x=%2F&y HTTP/1.1\r\nHost: shop.tunnel.test\r\nX-Twice: 1\r\nx-twice: 2\r\n\
                       Content-Length: 5\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\r\nhello";
        let visit = Visit::begin(relay.address, request.as_bytes()).await;
        let open = link.expect("open").await;
        assert_eq!(open["method"], "POST");
        assert_eq!(open["target"], "/a%20b?x=%2F&y");
        assert_eq!(open["from"], "127.0.0.1");
        assert_eq!((body(&open), open["end"].as_bool()), (b"hello".to_vec(), Some(true)));
        let twice: Vec<_> = open["headers"].as_array().expect("headers").iter().filter(|h| h[0] == "x-twice").collect();
        assert_eq!(twice, [&json!(["x-twice", "1"]), &json!(["x-twice", "2"])]);
        assert_eq!(header(&open, "x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(header(&open, "x-forwarded-proto"), Some("http"));
        assert_eq!(header(&open, "x-forwarded-host"), Some("shop.tunnel.test"));
        assert_eq!((header(&open, "x-hop"), header(&open, "connection")), (None, None));
        link.send(json!({
            "kind": "answer", "id": open["id"], "status": 201, "text": "made", "end": true,
            "headers": [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["location", "/x"]],
        }))
        .await;
        let answer = visit.finish().await;
        assert_eq!((answer.status, answer.text().as_str(), answer.whole), (201, "made", true));
        assert_eq!(answer.head.lines().filter(|line| line.starts_with("set-cookie")).count(), 2, "{}", answer.head);
    }
}

#[tokio::test]
async fn whatever_a_visitor_asks_for_is_a_target_that_the_wire_allows_or_refused() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let targets = [
            ("GET http://shop.tunnel.test?x=1", Some("/?x=1")),
            ("GET http://shop.tunnel.test", Some("/")),
            ("GET http://shop.tunnel.test/a?b", Some("/a?b")),
            ("GET //a//b", Some("//a//b")),
            ("OPTIONS *", Some("*")),
            ("GET ?x=1", None),
            ("GET a", None),
            ("GET *a", None),
            ("CONNECT shop.tunnel.test:443", None),
        ];
        for (line, expected) in targets {
            let request = format!("{line} HTTP/1.1\r\nHost: shop.tunnel.test\r\nConnection: close\r\n\r\n");
            let visit = Visit::begin(relay.address, request.as_bytes()).await;
            match expected {
                Some(target) => {
                    let open = link.expect("open").await;
                    assert_eq!(open["target"], target, "{line}");
                    link.answer(&open, "found").await;
                    assert_eq!(visit.finish().await.text(), "found", "{line}");
                }
                None => assert_eq!(visit.finish().await.status, 400, "{line}"),
            }
        }
    }
}

#[tokio::test]
async fn unknown_kinds_and_fields_are_ignored() {
    let (relay, mut link) = linked(Encoding::Text).await;
    let visit = relay.visit("shop", "/").await;
    let open = link.expect("open").await;
    for text in [
        r#"{"kind":"weather","temperature":21}"#.to_owned(),
        r#"{"message":"Internal server error","connectionId":"abc=","requestId":"def="}"#.to_owned(),
        format!(
            r#"{{"kind":"answer","id":{},"status":200,"headers":[],"text":"well","end":true,"mood":{{"a":[1]}},"_x":null}}"#,
            open["id"]
        ),
    ] {
        link.socket.send_frame(true, 1, text.as_bytes()).await.expect("the relay reads");
    }
    assert_eq!(visit.finish().await.text(), "well");

    let (relay, mut link) = linked(Encoding::Binary).await;
    let visit = relay.visit("shop", "/").await;
    let open = link.expect("open").await;
    let mut longer = crate::support::wire::to_binary(&head(&open));
    // A later version's field at the end of the head block.
    let length = u32::from_be_bytes(longer[10..14].try_into().expect("four bytes")) + 3;
    longer[10..14].copy_from_slice(&length.to_be_bytes());
    longer.extend(b"new");
    for message in [vec![200, 1, 2, 3], b"\x01{\"kind\":\"weather\"}".to_vec(), longer] {
        link.socket.send_frame(true, 2, &message).await.expect("the relay reads");
    }
    link.send(part(&open, 1, b"well", true)).await;
    assert_eq!(visit.finish().await.text(), "well");
}

#[tokio::test]
async fn parts_may_come_out_of_order_and_twice() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        link.send(head(&open)).await;
        for (n, text, end) in [(3, "three", true), (2, "two", false), (2, "TWO", false), (1, "one", false)] {
            link.send(part(&open, n, text.as_bytes(), end)).await;
        }
        link.send(part(&open, 3, b"late", true)).await;
        link.send(head(&open)).await;
        let answer = visit.finish().await;
        assert_eq!((answer.text().as_str(), answer.whole), ("onetwothree", true));
        // The link is as good as before.
        let visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        link.answer(&open, "next").await;
        assert_eq!(visit.finish().await.text(), "next");
    }
}

#[tokio::test]
async fn what_is_late_or_of_another_exchange_changes_nothing() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let (mut other, _) = forwarder(relay.address, encoding, "other", &owner('b')).await;
        let visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        // The same id, on a link that has no such exchange; and ids that nobody has.
        for id in [open["id"].clone(), json!("00000000000000ff"), json!("ffffffffffffffff")] {
            if id != open["id"] {
                link.send(json!({"kind": "answer", "id": id, "status": 500, "headers": [], "end": true})).await;
                link.send(json!({"kind": "credit", "id": id, "credit": 1000})).await;
                link.send(json!({"kind": "cancel", "id": id})).await;
                link.send(json!({"kind": "part", "id": id, "n": 1, "text": "foreign", "end": true})).await;
            }
            other.send(json!({"kind": "fail", "id": id, "code": "internal", "reason": "foreign"})).await;
            other.send(json!({"kind": "answer", "id": id, "status": 500, "headers": [], "end": true})).await;
        }
        link.answer(&open, "mine").await;
        assert_eq!(visit.finish().await.text(), "mine");
        // Late: the exchange is over.
        link.answer(&open, "again").await;
        link.send(part(&open, 1, b"more", true)).await;
        link.send(json!({"kind": "abort", "id": open["id"], "reason": "late"})).await;
        let visit = relay.visit("other", "/").await;
        let open = other.expect("open").await;
        other.answer(&open, "theirs").await;
        assert_eq!(visit.finish().await.text(), "theirs");
    }
}

#[tokio::test]
async fn an_abort_is_never_taken_for_an_end() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        for (ends_well, last) in [(true, "part"), (false, "abort"), (false, "fail")] {
            let mut visit = relay.visit("shop", "/").await;
            let open = link.opened().await;
            link.send(head(&open)).await;
            link.send(part(&open, 1, b"begun", false)).await;
            let begun = within("the head", visit.head()).await;
            link.send(match last {
                "part" => part(&open, 2, b"", true),
                "abort" => json!({"kind": "abort", "id": open["id"], "reason": "the service broke off"}),
                _ => json!({"kind": "fail", "id": open["id"], "code": "service-failed", "reason": "broke off"}),
            })
            .await;
            let answer = within("the end", visit.rest(begun)).await;
            assert_eq!(answer.whole, ends_well, "{last}");
        }
    }
}

#[tokio::test]
async fn a_declared_length_that_is_not_kept_never_looks_whole() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        for (whole_message, sent) in [(true, 5), (false, 5), (true, 15), (false, 15)] {
            let visit = relay.visit("shop", "/").await;
            let open = link.opened().await;
            let bytes = vec![b'x'; sent];
            let mut answer = head(&open);
            answer["headers"] = json!([["content-length", "10"]]);
            if whole_message {
                answer["data"] = data(&bytes);
                answer["end"] = json!(true);
                link.send(answer).await;
            } else {
                link.send(answer).await;
                link.send(part(&open, 1, &bytes, true)).await;
            }
            let answer = visit.finish().await;
            assert!(!answer.whole || answer.body.len() == 10, "{sent} of 10 bytes: {answer:?}");
            assert!(sent > 10 || !answer.whole || answer.fault().is_some(), "{sent} of 10 bytes: {answer:?}");
        }
    }
}

#[tokio::test]
async fn every_code_of_a_failure_is_rendered_and_an_unknown_one_is_internal() {
    let codes = [
        ("service-unreachable", 502),
        ("service-failed", 502),
        ("service-timeout", 504),
        ("response-too-large", 502),
        ("request-too-large", 413),
        ("unauthorized", 401),
        ("forbidden", 403),
        ("too-many-requests", 429),
        ("forwarder-offline", 503),
        ("bad-request", 400),
        ("internal", 500),
        ("from-the-future", 500),
    ];
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        for (code, status) in codes {
            let visit = relay.visit("shop", "/").await;
            let open = link.expect("open").await;
            let reason = format!("It was {code} <b>.");
            link.send(json!({"kind": "fail", "id": open["id"], "code": code, "reason": reason})).await;
            let answer = visit.finish().await;
            let known = if code == "from-the-future" { "internal" } else { code };
            assert_eq!((answer.status, answer.fault()), (status, Some(known)), "{}", answer.text());
            assert!(answer.text().contains(&format!("It was {code}")), "{}", answer.text());
            let retry = matches!(code, "too-many-requests" | "forwarder-offline");
            assert_eq!(answer.header("retry-after").is_some(), retry, "{code}: {}", answer.head);
        }
    }
}

#[tokio::test]
async fn a_service_cannot_pretend_to_be_the_tunnel() {
    let (relay, mut link) = linked(Encoding::Text).await;
    let visit = relay.visit("shop", "/").await;
    let open = link.expect("open").await;
    let mut answer = head(&open);
    answer["headers"] = json!([["x-tunnel-error", "internal"], ["connection", "x-hop"], ["x-hop", "1"]]);
    answer["end"] = json!(true);
    link.send(answer).await;
    let answer = visit.finish().await;
    assert_eq!((answer.status, answer.fault(), answer.header("x-hop")), (200, None, None));
}

#[tokio::test]
async fn a_visitor_who_leaves_is_told_as_cancel_before_and_after_the_answers_head() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        drop(visit);
        assert_eq!(link.expect("cancel").await["id"], open["id"]);

        let mut visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        link.send(head(&open)).await;
        link.send(part(&open, 1, b"begun", false)).await;
        assert_eq!(within("the head", visit.head()).await.status, 200);
        drop(visit);
        assert_eq!(link.expect("cancel").await["id"], open["id"]);
        // An answer that crossed with the cancellation hurts nobody.
        link.send(part(&open, 2, b"more", true)).await;
    }
}

#[tokio::test]
async fn an_upload_that_stops_half_way_is_aborted_or_cancelled_and_never_ended() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let request = "POST / HTTP/1.1\r\nHost: shop.tunnel.test\r\nContent-Length: 300000\r\n\r\n";
        let mut visit = Visit::begin(relay.address, request.as_bytes()).await;
        visit.stream.write_all(&noise(1, 50_000)).await.expect("the relay reads");
        let open = link.expect("open").await;
        assert_ne!(open["end"], true);
        let mut got = body(&open).len();
        while got < 50_000 {
            let part = link.expect("part").await;
            assert_ne!(part["end"], true);
            got += body(&part).len();
        }
        drop(visit);
        let last = link.receive().await;
        assert!(last["kind"] == "abort" || last["kind"] == "cancel", "{last}");
    }
}

#[tokio::test]
async fn a_link_that_drops_ends_its_exchanges_at_once_with_an_answer_or_a_visible_cut() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let waiting = relay.visit("shop", "/waiting").await;
        let _open = link.expect("open").await;
        let mut streaming = relay.visit("shop", "/streaming").await;
        let open = link.expect("open").await;
        link.send(head(&open)).await;
        link.send(part(&open, 1, b"begun", false)).await;
        let begun = within("the head", streaming.head()).await;
        drop(link);
        let waiting = waiting.finish().await;
        assert_eq!((waiting.status, waiting.fault()), (503, Some("forwarder-offline")));
        let streaming = within("the cut", streaming.rest(begun)).await;
        assert!(!streaming.whole);
    }
}

#[tokio::test]
async fn operator_limits_are_answers_that_name_the_limit() {
    let mut setup = Setup::default();
    setup.limits.exchanges_per_tunnel = 1.try_into().expect("one");
    setup.limits.body_bytes = Some(1000);
    let relay = setup.start().await;
    let (mut link, _) = forwarder(relay.address, Encoding::Binary, "shop", &owner('a')).await;
    let first = relay.visit("shop", "/").await;
    let open = link.expect("open").await;
    let second = relay.get("shop", "/").await;
    assert_eq!((second.status, second.fault()), (429, Some("too-many-requests")));
    assert!(second.text().contains('1') && second.header("retry-after").is_some());
    link.answer(&open, "done").await;
    assert_eq!(first.finish().await.text(), "done");
    let request = "POST / HTTP/1.1\r\nHost: shop.tunnel.test\r\nContent-Length: 1001\r\n\r\n";
    let large = Visit::begin(relay.address, request.as_bytes()).await.finish().await;
    assert_eq!((large.status, large.fault()), (413, Some("request-too-large")));
    assert!(large.text().contains("1000") || large.text().contains("1,000"), "{}", large.text());
}
