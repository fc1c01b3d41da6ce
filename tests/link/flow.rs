//! Flow control and framing: nobody sends more than was granted, and no frame is larger than a platform takes.

use crate::exchange::{head, linked, part};
use crate::support::relay::Setup;
use crate::support::socket::{Incoming, PING};
use crate::support::stranger::{forwarder, owner};
use crate::support::wire::{BOTH, Encoding, body};
use crate::support::{http::Visit, noise, within};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

const KIB: usize = 1024;

#[tokio::test]
async fn an_upload_goes_on_only_as_far_as_it_is_granted() {
    for encoding in BOTH {
        let relay = crate::support::relay::TestRelay::start().await;
        let (mut link, welcome) = forwarder(relay.address, encoding, "shop", &owner('a')).await;
        let window = welcome["window"].as_u64().expect("a relay has flow control") as usize;
        let sent = noise(1, window + 300 * KIB);
        let request = format!("POST / HTTP/1.1\r\nHost: shop.tunnel.test\r\nContent-Length: {}\r\n\r\n", sent.len());
        let mut visit = Visit::begin(relay.address, request.as_bytes()).await;
        let (mut reader, mut writer) = visit.stream.split();
        let upload = sent.clone();
        let upload = async {
            writer.write_all(&upload).await.expect("the relay takes it all, when it is granted");
            let mut byte = [0; 1];
            drop(tokio::io::AsyncReadExt::read(&mut reader, &mut byte).await);
        };
        let forward = async {
            let open = link.expect("open").await;
            let mut got = body(&open);
            let mut n = 0;
            let mut granted = window;
            while got.len() < sent.len() {
                // Without a grant there is only silence, once all that was granted is here.
                let next = tokio::time::timeout(Duration::from_millis(300), link.receive()).await;
                match next {
                    Ok(message) => {
                        assert_eq!(message["kind"], "part", "{message}");
                        n += 1;
                        assert_eq!(message["n"], n);
                        got.extend(body(&message));
                        assert!(got.len() <= granted, "{} bytes, {granted} were granted", got.len());
                    }
                    Err(_) => {
                        assert!(got.len() + 128 * KIB > granted, "the sender waits too early: {}", got.len());
                        link.send(json!({"kind": "credit", "id": open["id"], "credit": 100 * KIB})).await;
                        granted += 100 * KIB;
                    }
                }
            }
            assert!(got == sent, "the body is the visitor's");
            link.answer(&open, "thanks").await;
        };
        within("the upload", async { tokio::join!(upload, forward) }).await;
    }
}

#[tokio::test]
async fn an_answer_is_granted_more_only_as_its_visitor_reads() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let mut visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        link.send(head(&open)).await;
        let piece = noise(2, 32 * KIB);
        for n in 1..=8 {
            link.send(part(&open, n, &piece, false)).await; // Together the window that the exchange opens with.
        }
        visit.head().await;
        visit.some(8 * piece.len()).await;
        let mut granted = 0;
        while granted < 128 * KIB {
            let credit = link.receive().await;
            assert_eq!((&credit["kind"], &credit["id"]), (&json!("credit"), &open["id"]));
            granted += credit["credit"].as_u64().expect("bytes") as usize;
        }
        link.send(part(&open, 9, &piece, true)).await;
        assert_eq!(visit.some(piece.len()).await, piece);
    }
}

#[tokio::test]
async fn more_than_was_granted_closes_the_link_and_no_other() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let (mut other, _) = forwarder(relay.address, encoding, "other", &owner('b')).await;
        // A visitor who does not read.
        let _visit = relay.visit("shop", "/").await;
        let open = link.expect("open").await;
        link.send(head(&open)).await;
        let piece = noise(3, 64 * KIB);
        for n in 1..400 {
            if link.try_send(part(&open, n, &piece, false)).await.is_err() {
                break;
            }
        }
        let (code, reason) = link.closed().await;
        // Bytes still under way when a socket closes may take the close frame with them.
        assert!(code == 1002 || code == 1006, "{code} {reason}");
        assert!(code == 1006 || reason.contains("more body bytes than were granted"), "{reason}");
        let visit = relay.visit("other", "/").await;
        let open = other.expect("open").await;
        other.answer(&open, "alive").await;
        assert_eq!(visit.finish().await.text(), "alive");
    }
}

#[tokio::test]
async fn a_visitor_who_does_not_read_holds_up_only_its_own_exchange() {
    for encoding in BOTH {
        let (relay, mut link) = linked(encoding).await;
        let _slow = relay.visit("shop", "/slow").await;
        let open = link.expect("open").await;
        link.send(head(&open)).await;
        for n in 1..=4 {
            link.send(part(&open, n, &noise(4, 64 * KIB), false)).await;
        }
        for _ in 0..5 {
            let visit = relay.visit("shop", "/quick").await;
            let open = link.expect("open").await;
            link.answer(&open, "quick").await;
            assert_eq!(visit.finish().await.text(), "quick");
        }
    }
}

#[tokio::test]
async fn text_messages_over_32_kb_travel_in_several_frames_and_none_is_larger() {
    let (relay, mut link) = linked(Encoding::Text).await;
    let sent = noise(5, 200 * KIB);
    let mut request =
        format!("POST / HTTP/1.1\r\nHost: shop.tunnel.test\r\nContent-Length: {}\r\n\r\n", sent.len()).into_bytes();
    request.extend(&sent);
    let visit = Visit::begin(relay.address, &request).await;
    let open = link.expect("open").await;
    let mut got = body(&open);
    let mut most_frames = 0;
    while got.len() < sent.len() {
        let part = link.expect("part").await;
        most_frames = most_frames.max(link.frames.len());
        let message: usize = link.frames.iter().sum();
        assert!(message <= 128 * KIB, "a message of {message} bytes");
        assert!(link.frames.iter().all(|frame| *frame <= 32 * KIB), "{:?}", link.frames);
        got.extend(body(&part));
        link.send(json!({"kind": "credit", "id": open["id"], "credit": 64 * KIB})).await;
    }
    assert!(got == sent, "the body is the visitor's");
    assert!(most_frames > 1, "no message was larger than a frame");
    // And the reverse: an answer in frames, cut inside a character and inside the JSON.
    let text = "ä".repeat(20_000);
    let answer = json!({"kind": "answer", "id": open["id"], "status": 200, "headers": [], "text": text, "end": true});
    let answer = answer.to_string().into_bytes();
    let cuts: Vec<&[u8]> = answer.chunks(9_999).collect();
    for (i, cut) in cuts.iter().enumerate() {
        let opcode = if i == 0 { 1 } else { 0 };
        link.socket.send_frame(i + 1 == cuts.len(), opcode, cut).await.expect("the relay reads");
    }
    assert_eq!(visit.finish().await.text(), text);
}

#[tokio::test]
async fn the_largest_head_with_a_body_fits_the_limits_of_the_text_encoding() {
    let (relay, mut link) = linked(Encoding::Text).await;
    // Quotes and backslashes double in JSON, so this is the worst that a head can be.
    let cookie = "\"\\".repeat(30 * KIB);
    let mut request =
        format!("POST / HTTP/1.1\r\nHost: shop.tunnel.test\r\nX-Large: {cookie}\r\nContent-Length: 16000\r\n\r\n")
            .into_bytes();
    request.extend(noise(6, 16_000));
    let visit = Visit::begin(relay.address, &request).await;
    let answered = visit.finish();
    let received = async {
        let open = link.receive().await;
        let size: usize = link.frames.iter().sum();
        assert!(size <= 128 * KIB, "a message of {size} bytes");
        let mut got = body(&open).len();
        while got < 16_000 {
            got += body(&link.expect("part").await).len();
            let size: usize = link.frames.iter().sum();
            assert!(size <= 128 * KIB, "a message of {size} bytes");
        }
        link.answer(&open, "fits").await;
        std::future::pending().await
    };
    let answer = tokio::select! {
        answer = answered => answer,
        () = received => unreachable!("it waits for ever"),
    };
    // Either it fits, or the visitor is told that the head is too large; never a link that breaks.
    assert!(answer.text() == "fits" || answer.fault() == Some("request-too-large"), "{answer:?}");
}

#[tokio::test]
async fn keep_alives_are_answered_in_either_form() {
    for encoding in BOTH {
        let (_relay, mut link) = linked(encoding).await;
        link.socket.send_frame(true, PING, b"are you there").await.expect("the relay reads");
        assert_eq!(within("a pong", link.socket.next()).await, Incoming::Pong(b"are you there".to_vec()));
        link.send(json!({"kind": "ping"})).await;
        let Incoming::Message { bytes, .. } = within("a pong", link.socket.next()).await else { panic!("no message") };
        match encoding {
            Encoding::Text => assert_eq!(bytes, br#"{"kind":"pong"}"#),
            Encoding::Binary => assert_eq!(bytes, [3]),
        }
    }
}

#[tokio::test]
async fn a_silent_link_is_noticed_and_one_that_only_pings_is_not_silent() {
    let silence = Duration::from_millis(1500);
    let relay = Setup { silence, ..Setup::default() }.start().await;
    let (mut silent, _) = forwarder(relay.address, Encoding::Binary, "silent", &owner('a')).await;
    let (mut pinging, _) = forwarder(relay.address, Encoding::Text, "pinging", &owner('b')).await;
    let began = Instant::now();
    let pings = async {
        loop {
            pinging.send(json!({"kind": "ping"})).await;
            tokio::time::sleep(silence / 5).await;
        }
    };
    let closed = tokio::select! {
        closed = silent.closed() => closed,
        () = pings => unreachable!("it goes on for ever"),
    };
    assert_eq!(closed.0, 1001);
    assert!(closed.1.contains("no message"), "{}", closed.1);
    assert!(began.elapsed() >= silence - Duration::from_millis(50), "{:?}", began.elapsed());
    assert_eq!(relay.get("silent", "/").await.fault(), Some("forwarder-offline"));
    let visit = relay.visit("pinging", "/").await;
    let open = pinging.expect("open").await;
    pinging.answer(&open, "alive").await;
    assert_eq!(visit.finish().await.text(), "alive");
}

#[tokio::test]
async fn a_forwarder_that_never_reads_costs_its_own_visitors_only() {
    let silence = Duration::from_secs(2);
    let relay = Setup { silence, ..Setup::default() }.start().await;
    let (unread, _) = forwarder(relay.address, Encoding::Binary, "unread", &owner('a')).await;
    let (mut other, _) = forwarder(relay.address, Encoding::Binary, "other", &owner('b')).await;
    let body = noise(7, 200 * KIB);
    let mut request =
        format!("POST / HTTP/1.1\r\nHost: unread.tunnel.test\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend(&body);
    let mut visitors = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let (address, request) = (relay.address, request.clone());
        visitors.spawn(async move {
            let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else { return 0 };
            let (mut reader, mut writer) = stream.split();
            let mut answer = Vec::new();
            let write = async { drop(writer.write_all(&request).await) };
            let read = async { drop(tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer).await) };
            tokio::select! { () = async { tokio::join!(write, read); } => {}, () = tokio::time::sleep(Duration::from_secs(30)) => {} }
            String::from_utf8_lossy(answer.get(9..12).unwrap_or(b"0")).parse().unwrap_or(0)
        });
    }
    for _ in 0..10 {
        let visit = relay.visit("other", "/").await;
        let open = other.expect("open").await;
        other.answer(&open, "alive").await;
        assert_eq!(visit.finish().await.text(), "alive");
        tokio::time::sleep(silence / 5).await;
    }
    drop(unread);
    while let Some(status) = within("each visitor has an answer", visitors.join_next()).await {
        assert_eq!(status.expect("the visitor ran"), 503);
    }
}
