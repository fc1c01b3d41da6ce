//! A visitor's WebSocket is the service's: messages, subprotocol, close codes and refusals go through unchanged, on both
//! encodings of the wire.

mod common;

use common::service::next_record;
use common::{Conn, TestService, Tunnel, in_time, noise};
use futures_util::{SinkExt as _, StreamExt as _};
use http_tunnel::wire::Encoding;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

on_both_encodings![
    text_and_binary_messages_come_back,
    messages_of_a_megabyte_and_more_come_back,
    empty_messages_come_back,
    a_fragmented_message_arrives_whole,
    the_services_choice_of_subprotocol_reaches_the_visitor,
    path_headers_and_cookies_reach_the_service_as_sent,
    the_services_close_reaches_the_visitor_with_code_and_reason,
    the_visitors_close_reaches_the_service_with_code_and_reason,
    a_close_without_a_code_stays_without_one,
    a_service_that_vanishes_ends_the_visitors_socket,
    a_visitor_who_vanishes_ends_the_services_socket,
    a_refusal_reaches_the_visitor_with_status_and_body,
    pings_are_answered,
    both_directions_flow_at_once_without_a_deadlock,
    many_sockets_do_not_mix,
];

type Socket = WebSocketStream<TcpStream>;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn config() -> Option<WebSocketConfig> {
    Some(WebSocketConfig::default().max_message_size(None).max_frame_size(None))
}

/// A service that opens every WebSocket and gives it to `serve`.
async fn sockets<F>(serve: impl Fn(Socket) -> F + Clone + Send + 'static) -> TestService
where
    F: Future<Output = ()> + Send + 'static,
{
    TestService::scripted(move |mut conn| {
        let serve = serve.clone();
        async move {
            let record = next_record(&mut conn).await.expect("a handshake");
            conn.send(switching(&record.head.get("sec-websocket-key").expect("a key"), "")).await;
            let socket = WebSocketStream::from_raw_socket(conn.stream, Role::Server, config()).await;
            serve(socket).await;
        }
    })
    .await
}

fn switching(key: &str, more: &str) -> String {
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// A service that sends every message back, and closes when the visitor does.
async fn echo() -> TestService {
    sockets(|mut socket| async move {
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                return;
            }
        }
    })
    .await
}

async fn visit(tunnel: &Tunnel) -> Socket {
    let stream = TcpStream::connect(tunnel.address).await.expect("the port is open");
    let request = format!("ws://{}/socket", tunnel.host);
    let opened = in_time("the handshake", client_async_with_config(request, stream, config())).await;
    opened.expect("the handshake is answered").0
}

async fn next(socket: &mut Socket) -> Message {
    in_time("a message", socket.next()).await.expect("the socket is open").expect("the message is sound")
}

async fn text_and_binary_messages_come_back(wire: Encoding) {
    let service = echo().await;
    let tunnel = Tunnel::on(wire, &service).await;
    let mut socket = visit(&tunnel).await;
    for message in [Message::text("héllo ✓ \u{0}\"\\"), Message::binary(vec![0, 255, 128]), Message::text("x")] {
        socket.send(message.clone()).await.expect("the message is taken");
        assert_eq!(next(&mut socket).await, message);
    }
}

async fn messages_of_a_megabyte_and_more_come_back(wire: Encoding) {
    let service = echo().await;
    let tunnel = Tunnel::on(wire, &service).await;
    let mut socket = visit(&tunnel).await;
    for size in [65_536, 1 << 20, (1 << 20) + 1, 5 << 20] {
        let text: String =
            noise(size as u64, size / 3).iter().map(|&byte| if byte < 128 { '✓' } else { 'x' }).collect();
        for message in [Message::binary(noise(1, size)), Message::text(text)] {
            socket.send(message.clone()).await.expect("the message is taken");
            assert!(next(&mut socket).await == message, "a message of {size} bytes came back different");
        }
    }
}

async fn empty_messages_come_back(wire: Encoding) {
    let service = echo().await;
    let tunnel = Tunnel::on(wire, &service).await;
    let mut socket = visit(&tunnel).await;
    for message in [Message::text(""), Message::binary(Vec::new()), Message::text("end")] {
        socket.send(message.clone()).await.expect("the message is taken");
        assert_eq!(next(&mut socket).await, message);
    }
}

async fn a_fragmented_message_arrives_whole(wire: Encoding) {
    let service = echo().await;
    let tunnel = Tunnel::on(wire, &service).await;
    let mut socket = visit(&tunnel).await;
    // The second character is cut in two by the frames.
    let pieces: [(&[u8], Data); 3] = [(b"a\xc3", Data::Text), (b"\xa9", Data::Continue), (b"z", Data::Continue)];
    for (i, (piece, kind)) in pieces.into_iter().enumerate() {
        let frame = Frame::message(Bytes::from_static(piece), OpCode::Data(kind), i == 2);
        socket.send(Message::Frame(frame)).await.expect("the frame is taken");
        if i == 0 {
            socket.send(Message::Ping(Bytes::from_static(b"between"))).await.expect("a ping may come between");
        }
    }
    assert_eq!(next(&mut socket).await, Message::Pong(Bytes::from_static(b"between")));
    assert_eq!(next(&mut socket).await, Message::text("aéz"));
}

async fn the_services_choice_of_subprotocol_reaches_the_visitor(wire: Encoding) {
    let service = TestService::scripted(|mut conn| async move {
        let record = next_record(&mut conn).await.expect("a handshake");
        assert_eq!(record.head.get("sec-websocket-protocol").as_deref(), Some("chat, vite-hmr"));
        let more = "Sec-WebSocket-Protocol: vite-hmr\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Own: 1\r\n";
        conn.send(switching(&record.head.get("sec-websocket-key").expect("a key"), more)).await;
        conn.rest().await;
    })
    .await;
    let tunnel = Tunnel::on(wire, &service).await;
    let answer = tunnel.ask(handshake("/", "Sec-WebSocket-Protocol: chat, vite-hmr\r\n")).await;
    assert_eq!((answer.status(), answer.get("sec-websocket-protocol").as_deref()), (101, Some("vite-hmr")));
    assert_eq!(answer.get("sec-websocket-accept"), Some(derive_accept_key(KEY.as_bytes())));
    assert_eq!(answer.head.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.get("x-own").as_deref(), Some("1"));
    assert_eq!(answer.get("sec-websocket-extensions"), None);
}

fn handshake(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: HOST\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

async fn path_headers_and_cookies_reach_the_service_as_sent(wire: Encoding) {
    let service = TestService::saying("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    let tunnel = Tunnel::on(wire, &service).await;
    let more = "Cookie: a=b; c=d\r\nOrigin: http://me\r\nX-A: 1\r\nX-A: 2\r\nAuthorization: Bearer t\r\nUser-Agent: u\r\n\
                Sec-WebSocket-Extensions: permessage-deflate\r\n";
    tunnel.ask(handshake("//a%2Fb/..?x=%20&&", more)).await;
    let head = service.last().head;
    assert_eq!(head.asked(), ("GET", "//a%2Fb/..?x=%20&&"));
    for (name, value) in [
        ("cookie", "a=b; c=d"),
        ("origin", "http://me"),
        ("authorization", "Bearer t"),
        ("user-agent", "u"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("x-forwarded-for", "127.0.0.1"),
        ("host", &service.address.to_string()),
    ] {
        assert_eq!(head.get(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(head.all("x-a"), ["1", "2"]);
    assert_eq!(head.get("sec-websocket-extensions"), None, "what the tunnel does not speak is not offered");
}

fn close_frame(message: Message) -> Option<(u16, String)> {
    match message {
        Message::Close(frame) => frame.map(|frame| (frame.code.into(), frame.reason.to_string())),
        other => panic!("no close but {other:?}"),
    }
}

async fn the_services_close_reaches_the_visitor_with_code_and_reason(wire: Encoding) {
    for code in [1000, 1001, 1008, 1011, 3000, 4999] {
        let service = sockets(move |mut socket| async move {
            let frame = CloseFrame { code: CloseCode::from(code), reason: "tschüß".into() };
            socket.send(Message::text("last words")).await.expect("the message is taken");
            socket.close(Some(frame)).await.expect("the close is taken");
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        let tunnel = Tunnel::on(wire, &service).await;
        let mut socket = visit(&tunnel).await;
        assert_eq!(next(&mut socket).await, Message::text("last words"));
        assert_eq!(close_frame(next(&mut socket).await), Some((code, "tschüß".to_owned())));
    }
}

/// A service that tells how each of its sockets ended: a close frame, or none.
async fn ends() -> (TestService, tokio::sync::mpsc::UnboundedReceiver<Option<Option<(u16, String)>>>) {
    let (tell, ends) = tokio::sync::mpsc::unbounded_channel();
    let service = sockets(move |mut socket| {
        let tell = tell.clone();
        async move {
            let end = loop {
                match socket.next().await {
                    Some(Ok(Message::Close(frame))) => break Some(close_frame(Message::Close(frame))),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break None,
                }
            };
            // Reading on answers the close.
            while let Some(Ok(_)) = socket.next().await {}
            tell.send(end).expect("the test waits");
        }
    })
    .await;
    (service, ends)
}

async fn the_visitors_close_reaches_the_service_with_code_and_reason(wire: Encoding) {
    let (service, mut ends) = ends().await;
    let tunnel = Tunnel::on(wire, &service).await;
    for code in [1000, 1001, 4321] {
        let mut socket = visit(&tunnel).await;
        socket.send(Message::text("hi")).await.expect("the message is taken");
        let frame = CloseFrame { code: CloseCode::from(code), reason: "bye".into() };
        socket.close(Some(frame)).await.expect("the close is taken");
        assert_eq!(close_frame(next(&mut socket).await).map(|(code, _)| code), Some(code), "the close is answered");
        let end = in_time("the service's socket to end", ends.recv()).await;
        assert_eq!(end.flatten().flatten(), Some((code, "bye".to_owned())));
    }
}

async fn a_close_without_a_code_stays_without_one(wire: Encoding) {
    let (service, mut ends) = ends().await;
    let tunnel = Tunnel::on(wire, &service).await;
    let mut socket = visit(&tunnel).await;
    socket.close(None).await.expect("the close is taken");
    assert_eq!(in_time("the service's socket to end", ends.recv()).await, Some(Some(None)));
}

async fn a_service_that_vanishes_ends_the_visitors_socket(wire: Encoding) {
    let service = sockets(|mut socket| async move {
        socket.send(Message::text("here")).await.expect("the message is taken");
    })
    .await;
    let tunnel = Tunnel::on(wire, &service).await;
    let mut socket = visit(&tunnel).await;
    assert_eq!(next(&mut socket).await, Message::text("here"));
    let end = in_time("the socket to end", socket.next()).await;
    assert!(!matches!(end, Some(Ok(Message::Close(_)))), "nobody closed properly, yet the visitor saw {end:?}");
}

async fn a_visitor_who_vanishes_ends_the_services_socket(wire: Encoding) {
    let (service, mut ends) = ends().await;
    let tunnel = Tunnel::on(wire, &service).await;
    let mut socket = visit(&tunnel).await;
    socket.send(Message::text("hi")).await.expect("the message is taken");
    drop(socket);
    let end = in_time("the service's socket to end", ends.recv()).await;
    assert_eq!(end, Some(None), "nobody closed properly");
}

async fn a_refusal_reaches_the_visitor_with_status_and_body(wire: Encoding) {
    let large: &'static str = Box::leak("a long story. ".repeat(3000).into_boxed_str());
    for body in ["no entry\n", "", large] {
        for in_two in [false, true] {
            let service = TestService::scripted(move |mut conn| async move {
                next_record(&mut conn).await;
                let length = body.len();
                conn.send(format!("HTTP/1.1 403 Forbidden\r\nX-Why: w\r\nContent-Length: {length}\r\n\r\n")).await;
                if in_two {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                conn.send(body).await;
                conn.rest().await;
            })
            .await;
            let tunnel = Tunnel::on(wire, &service).await;
            let answer = tunnel.ask(handshake("/", "")).await;
            assert_eq!((answer.status(), answer.get("x-why").as_deref()), (403, Some("w")));
            assert!(answer.text() == body, "{} of {} bytes, in two: {in_two}", answer.body.len(), body.len());
            assert_eq!(answer.fault(), None);
        }
    }
}

async fn pings_are_answered(wire: Encoding) {
    let service = echo().await;
    let tunnel = Tunnel::on(wire, &service).await;
    let mut socket = visit(&tunnel).await;
    socket.send(Message::Ping(Bytes::from_static(b"p"))).await.expect("the ping is taken");
    assert_eq!(next(&mut socket).await, Message::Pong(Bytes::from_static(b"p")));

    // And a service that pings before it goes on is answered too.
    let service = sockets(|mut socket| async move {
        socket.send(Message::Ping(Bytes::from_static(b"s"))).await.expect("the ping is taken");
        while let Some(Ok(message)) = socket.next().await {
            if message.is_pong() {
                socket.send(Message::text("answered")).await.expect("the message is taken");
            }
        }
    })
    .await;
    let tunnel = Tunnel::on(wire, &service).await;
    let mut socket = visit(&tunnel).await;
    assert_eq!(next(&mut socket).await, Message::text("answered"));
}

async fn both_directions_flow_at_once_without_a_deadlock(wire: Encoding) {
    const MESSAGES: usize = 160;
    const SIZE: usize = 64 << 10;
    // Both ends write all they have while they read: nobody waits for an answer.
    async fn flood(socket: Socket, seed: u64) {
        let (mut writer, mut reader) = socket.split();
        let write = async {
            for i in 0..MESSAGES {
                writer.send(Message::binary(noise(seed + i as u64, SIZE))).await.expect("the message is taken");
            }
        };
        let read = async {
            for i in 0..MESSAGES {
                let message = reader.next().await.expect("the socket is open").expect("the message is sound");
                assert!(message.into_data() == noise(i as u64 + 1000 - seed, SIZE), "message {i} is another one");
            }
        };
        futures_util::future::join(write, read).await;
        // Closing right away could overtake what the other end still writes.
        let _closed = writer.close().await;
        while let Some(Ok(_)) = reader.next().await {}
    }
    let service = sockets(|socket| flood(socket, 1000)).await;
    let tunnel = Tunnel::on(wire, &service).await;
    let socket = visit(&tunnel).await;
    in_time("10 MB both ways", flood(socket, 0)).await;
}

async fn many_sockets_do_not_mix(wire: Encoding) {
    let service = echo().await;
    let tunnel = Tunnel::on(wire, &service).await;
    let visits = (0..60_u64).map(|i| {
        let tunnel = &tunnel;
        async move {
            let mut socket = visit(tunnel).await;
            for k in 0..10 {
                let message = Message::binary(noise(i * 100 + k, 3000));
                socket.send(message.clone()).await.expect("the message is taken");
                assert!(next(&mut socket).await == message, "socket {i} got another one's message");
            }
        }
    });
    futures_util::future::join_all(visits).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_none_is_an_ordinary_request() {
    let service = TestService::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let tunnel = Tunnel::to(&service).await;
    let no_key = "GET / HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(tunnel.ask(no_key).await.text(), "ok");
    let head = service.last().head;
    assert_eq!((head.get("upgrade"), head.get("connection")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_answers_a_handshake_like_any_request_is_handed_on() {
    let service = TestService::saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let tunnel = Tunnel::to(&service).await;
    let answer = tunnel.ask(handshake("/", "")).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_instead_of_frames_ends_only_that_socket() {
    let (service, mut ends) = ends().await;
    let tunnel = Tunnel::to(&service).await;
    let mut good = visit(&tunnel).await;
    let mut bad = Conn::open(tunnel.address).await;
    bad.send(handshake("/", "").replace("HOST", &tunnel.host)).await;
    assert_eq!(bad.head().await.status(), 101);
    bad.send([0xff; 64]).await;
    bad.rest().await;
    assert_eq!(in_time("the service's socket to end", ends.recv()).await, Some(None));
    good.close(None).await.expect("the close is taken");
    assert_eq!(in_time("the service's socket to end", ends.recv()).await, Some(Some(None)));
}
