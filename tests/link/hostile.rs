//! What breaks the protocol closes its own link, with a code and a text, and nothing else.

use crate::exchange::{head, linked, part};
use crate::support::relay::TestRelay;
use crate::support::socket::{BINARY, TEXT};
use crate::support::stranger::{Link, forwarder, owner};
use crate::support::wire::{BOTH, Encoding, to_binary};
use serde_json::json;

/// The other link on the relay still carries exchanges.
async fn lives(relay: &TestRelay, other: &mut Link) {
    let visit = relay.visit("other", "/").await;
    let open = other.expect("open").await;
    other.answer(&open, "alive").await;
    assert_eq!(visit.finish().await.text(), "alive");
}

#[tokio::test]
async fn a_message_that_is_none_closes_the_link_with_a_text_and_no_other_link() {
    let id = "0000000000000001";
    let malformed: Vec<(&str, Encoding, u8, Vec<u8>)> = vec![
        ("no JSON", Encoding::Text, TEXT, b"hello".to_vec()),
        ("cut JSON", Encoding::Text, TEXT, br#"{"kind":"answer","id":"00"#.to_vec()),
        ("JSON that is no object", Encoding::Text, TEXT, b"[1,2]".to_vec()),
        ("a wrong type of field", Encoding::Text, TEXT, br#"{"kind":"part","n":"one"}"#.to_vec()),
        ("a number below zero", Encoding::Text, TEXT, format!(r#"{{"kind":"credit","id":"{id}","credit":-1}}"#).into()),
        ("no id", Encoding::Text, TEXT, br#"{"kind":"cancel"}"#.to_vec()),
        ("a bad id", Encoding::Text, TEXT, br#"{"kind":"cancel","id":"xyz"}"#.to_vec()),
        ("bad base64", Encoding::Text, TEXT, format!(r#"{{"kind":"part","id":"{id}","n":1,"data":"%%"}}"#).into()),
        (
            "a line break in a header",
            Encoding::Text,
            TEXT,
            format!(r#"{{"kind":"answer","id":"{id}","status":200,"headers":[["a","b\r\nc: d"]]}}"#).into(),
        ),
        (
            "a header's name that is none",
            Encoding::Text,
            TEXT,
            format!(r#"{{"kind":"answer","id":"{id}","status":200,"headers":[["a b","c"]]}}"#).into(),
        ),
        (
            "a status that is none",
            Encoding::Text,
            TEXT,
            format!(r#"{{"kind":"answer","id":"{id}","status":99,"headers":[]}}"#).into(),
        ),
        ("JSON as deep as a well", Encoding::Text, TEXT, "[".repeat(100_000).into()),
        ("a binary message on a text link", Encoding::Text, BINARY, vec![2]),
        ("a text message on a binary link", Encoding::Binary, TEXT, br#"{"kind":"ping"}"#.to_vec()),
        ("an empty message", Encoding::Binary, BINARY, vec![]),
        ("a cut id", Encoding::Binary, BINARY, vec![8, 0, 0]),
        ("a cut part", Encoding::Binary, BINARY, vec![6, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
        ("a head longer than its message", Encoding::Binary, BINARY, {
            let mut answer = to_binary(&json!({"kind": "answer", "id": id, "status": 200, "headers": []}));
            answer[10..14].copy_from_slice(&u32::MAX.to_be_bytes());
            answer
        }),
        ("more headers than there are", Encoding::Binary, BINARY, {
            let mut answer = to_binary(&json!({"kind": "answer", "id": id, "status": 200, "headers": []}));
            answer[16..18].copy_from_slice(&u16::MAX.to_be_bytes());
            answer
        }),
        ("a line break in a binary header", Encoding::Binary, BINARY, {
            to_binary(&json!({"kind": "answer", "id": id, "status": 200, "headers": [["a", "b\r\nc: d"]]}))
        }),
        ("text that is no UTF-8", Encoding::Binary, BINARY, vec![7, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xfe]),
    ];
    let relay = TestRelay::start().await;
    let (mut other, _) = forwarder(relay.address, Encoding::Binary, "other", &owner('b')).await;
    for (what, encoding, opcode, bytes) in malformed {
        let (mut link, _) = forwarder(relay.address, encoding, "shop", &owner('a')).await;
        // A visitor who waits meanwhile gets a clear answer.
        let visit = relay.visit("shop", "/").await;
        let _open = link.expect("open").await;
        link.socket.send_frame(true, opcode, &bytes).await.expect("the relay reads");
        let (code, reason) = link.closed().await;
        assert_eq!(code, 1002, "{what}: {reason}");
        assert!(!reason.is_empty(), "{what}");
        assert_eq!(visit.finish().await.fault(), Some("forwarder-offline"), "{what}");
        lives(&relay, &mut other).await;
    }
}

#[tokio::test]
async fn a_message_over_the_limit_closes_the_link_before_it_fills_memory() {
    let relay = TestRelay::start().await;
    let (mut other, _) = forwarder(relay.address, Encoding::Text, "other", &owner('b')).await;
    for encoding in BOTH {
        // As one frame whose header says so, and as many frames of one message.
        for frames in [1, 40] {
            let (mut link, _) = forwarder(relay.address, encoding, "shop", &owner('a')).await;
            let opcode = if encoding == Encoding::Text { TEXT } else { BINARY };
            let payload = vec![b'x'; 1_200_000 / frames];
            for i in 0..frames {
                let opcode = if i == 0 { opcode } else { 0 };
                if link.socket.send_frame(i + 1 == frames, opcode, &payload).await.is_err() {
                    break;
                }
            }
            let (code, reason) = link.closed().await;
            // Bytes still under way when a socket closes may take the close frame with them.
            assert!(matches!(code, 1002 | 1006 | 1009), "{code} {reason}");
            lives(&relay, &mut other).await;
        }
    }
    let (mut link, _) = forwarder(relay.address, Encoding::Text, "shop", &owner('a')).await;
    let long = json!({"kind": "abort", "id": "0000000000000001", "reason": "x".repeat(128 * 1024)}).to_string();
    link.socket.send_frame(true, TEXT, long.as_bytes()).await.expect("the relay reads");
    let (code, reason) = link.closed().await;
    assert!(code == 1002 || code == 1009, "{code}");
    assert!(reason.contains("limit"), "{reason}");
}

#[tokio::test]
async fn a_frame_that_breaks_rfc_6455_ends_the_link() {
    let relay = TestRelay::start().await;
    let (mut other, _) = forwarder(relay.address, Encoding::Text, "other", &owner('b')).await;
    let broken: [(&str, &[u8]); 5] = [
        ("not masked", &[0x81, 0x02, b'{', b'}']),
        ("a reserved opcode", &[0x83, 0x80, 0, 0, 0, 0]),
        ("a reserved bit", &[0xc1, 0x80, 0, 0, 0, 0]),
        ("a control frame in pieces", &[0x09, 0x80, 0, 0, 0, 0]),
        ("text that is no UTF-8", &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]),
    ];
    for (what, bytes) in broken {
        let (mut link, _) = forwarder(relay.address, Encoding::Text, "shop", &owner('a')).await;
        link.socket.send_raw(bytes).await.expect("the relay reads");
        let (code, reason) = link.closed().await;
        assert_ne!(code, 1000, "{what}: {reason}");
        lives(&relay, &mut other).await;
    }
}

#[tokio::test]
async fn parts_before_the_head_close_the_link() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        link.send(part(&open, 1, b"too early", true)).await;
        let (code, reason) = link.closed().await;
        assert_eq!(code, 1002);
        assert!(reason.contains("before the answer's head"), "{reason}");
        assert_eq!(visit.finish().await.fault(), Some("forwarder-offline"));
    }
}

#[tokio::test]
async fn a_part_behind_the_end_cuts_its_own_exchange_only() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        link.send(head(&open)).await;
        link.send(part(&open, 3, b"end", true)).await;
        link.send(part(&open, 4, b"behind", false)).await;
        assert!(!visit.finish().await.whole);
        let visit = relay.visit("shop", "/").await;
        let open = link.opened().await;
        link.answer(&open, "next").await;
        assert_eq!(visit.finish().await.text(), "next");
    }
}

#[tokio::test]
async fn a_flood_of_messages_about_nothing_is_survived() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        for n in 0..5_000_u64 {
            link.send(json!({"kind": "credit", "id": crate::support::wire::id(n), "credit": u32::MAX})).await;
        }
        let visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        for _ in 0..100 {
            link.send(json!({"kind": "credit", "id": open["id"], "credit": u32::MAX})).await;
        }
        link.answer(&open, "alive").await;
        assert_eq!(visit.finish().await.text(), "alive");
    }
}
