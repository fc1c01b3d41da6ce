//! Visitors who mean harm, or who are merely slow, harm nobody but themselves: what is ambiguous is refused, what is
//! slow waits alone, and who leaves is not worked for.

mod common;

use bytes::Bytes;
use common::service::{next_record, ok};
use common::{Conn, Knobs, TestService, Tunnel, in_time, noise, until};
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Empty, Full};
use http_tunnel::limits;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

/// Sends `request` and returns everything that comes back until the relay closes. The service's answers are marked.
async fn raw(tunnel: &Tunnel, request: &[u8]) -> String {
    let mut visitor = tunnel.visitor().await;
    // It may be refused, and the connection closed, before all of it is sent.
    let _refused = visitor.try_send(request).await;
    let _half = tokio::io::AsyncWriteExt::shutdown(&mut visitor.stream).await;
    String::from_utf8_lossy(&visitor.rest().await).into_owned()
}

/// A tunnel to a service that says which paths it was asked for.
async fn watched() -> (TestService, Tunnel) {
    let service = TestService::answering(|record| ok(record.head.asked().1.as_bytes())).await;
    let tunnel = Tunnel::to(&service).await;
    (service, tunnel)
}

fn paths(service: &TestService) -> Vec<String> {
    let records = service.records.lock().expect("no test panics with the lock");
    records.iter().map(|record| record.head.asked().1.to_owned()).collect()
}

/// None of these may reach the service: no two readers agree on what they mean.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_can_be_read_in_two_ways_are_refused() {
    let (service, tunnel) = watched().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let heads = [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding : chunked",
        "Content-Length : 5",
        "X-Bad Name: 1",
        "X-Nul: a\0b",
        "X-Cr: a\rb",
        " X-Folded: 1",
        "X-A: 1\r\n folded: 2",
        "X-A: 1\r\n\tfolded",
        ": empty",
        "No-Colon",
        "X\u{e9}: 1",
    ];
    for head in heads {
        let request = format!("POST /outer HTTP/1.1\r\nHost: HOST\r\n{head}\r\n\r\n0\r\n\r\n{smuggled}");
        let said = raw(&tunnel, request.replace("HOST", &tunnel.host).as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 4"), "{head:?}: {said:?}");
        assert_eq!(paths(&service), [""; 0], "{head:?} reached the service");
    }
}

/// A length and chunks: RFC 9112 §6.3 lets the chunks win, as long as the length does not travel on and nothing behind
/// this request is read as another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_length_beside_chunks_is_refused_or_never_travels() {
    let (service, tunnel) = watched().await;
    for head in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
    ] {
        let smuggled = "5c\r\nGET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n0\r\n\r\n";
        let request = format!("POST /outer HTTP/1.1\r\nHost: HOST\r\n{head}\r\n\r\n0\r\n\r\n{smuggled}");
        let said = raw(&tunnel, request.replace("HOST", &tunnel.host).as_bytes()).await;
        assert!(!paths(&service).contains(&"/smuggled".to_owned()), "{head:?}: {said:?}");
        if !said.starts_with("HTTP/1.1 4") {
            let seen = service.last().head;
            let framings = seen.all("content-length").len() + seen.all("transfer-encoding").len();
            assert!(framings <= 1 && service.last().body.is_empty(), "{head:?}: {seen:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_are_none_never_make_a_whole_request() {
    let service = TestService::scripted(|mut conn| async move {
        if let Some(record) = next_record(&mut conn).await {
            assert!(!record.whole, "the service got a whole request: {record:?}");
        }
    })
    .await;
    let tunnel = Tunnel::to(&service).await;
    for chunks in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5hello\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", tunnel.host);
        let said = raw(&tunnel, (head + chunks).as_bytes()).await;
        assert!(!said.starts_with("HTTP/1.1 2"), "{chunks:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunk_extensions_stay_behind_and_are_bounded() {
    let service = TestService::echo().await;
    let tunnel = Tunnel::to(&service).await;
    let head = "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(tunnel.ask(format!("{head}5;a=b;c=\"d\"\r\nhello\r\n0;last\r\n\r\n")).await.text(), "hello");
    let endless = format!("{head}5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(200_000)).replace("HOST", &tunnel.host);
    assert!(!raw(&tunnel, endless.as_bytes()).await.starts_with("HTTP/1.1 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_end_without_a_carriage_return_smuggle_nothing() {
    let (service, tunnel) = watched().await;
    for request in [
        "GET /outer HTTP/1.1\nHost: HOST\n\nGET /next HTTP/1.1\nHost: HOST\n\n",
        "GET /outer HTTP/1.1\r\nHost: HOST\nX-A: 1\r\n\r\n",
        "POST /outer HTTP/1.1\r\nHost: HOST\r\nX: a\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        raw(&tunnel, request.replace("HOST", &tunnel.host).as_bytes()).await;
    }
    // A bare line feed may end a line (RFC 9112 §2.2); then it does so here and at the service alike.
    for record in service.records.lock().expect("no test panics with the lock").iter() {
        let framings = record.head.all("content-length").len() + record.head.all("transfer-encoding").len();
        assert!(framings <= 1, "{record:?}");
        // The last one's "abc" is no chunk: whether the service saw its head or not, it never had a whole body.
        assert!(record.whole || record.body.is_empty(), "{record:?}");
        assert!(record.head.lines.iter().all(|(_, value)| !value.contains(&b'\n')), "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encoded_line_breaks_stay_encoded() {
    let (service, tunnel) = watched().await;
    let target = "/a%0d%0aX-Injected:%201%0d%0a%0d%0aGET%20/smuggled?b=%0d%0a";
    assert_eq!(tunnel.get(target).await.text(), target);
    assert_eq!(paths(&service), [target]);
    assert_eq!(service.last().head.get("x-injected"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answers_header_cannot_be_split() {
    let service = TestService::answering(|record| match record.head.asked().1 {
        "/cr" => b"HTTP/1.1 200 OK\r\nX-A: 1\rX-Injected: 1\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nX-A: 1\0\r\nContent-Length: 0\r\n\r\n".to_vec(),
    })
    .await;
    let tunnel = Tunnel::to(&service).await;
    for target in ["/cr", "/nul"] {
        for answer in [tunnel.get(target).await, tunnel.post(target, &noise(1, 40_000)).await] {
            assert_eq!((answer.status(), answer.fault().as_deref()), (502, Some("service-failed")), "{target}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_counts_is_the_one_that_is_passed_on() {
    let (service, tunnel) = watched().await;
    let own = &tunnel.host;
    let refused = [
        format!("GET http://{own}/a HTTP/1.1\r\nHost: other.localhost\r\n\r\n"),
        format!("GET http://other.localhost/a HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET http://user@{own}/a HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET http://{own}@evil/a HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: {own}\r\nHost: {own}\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: {own}\r\nHost: other\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: user@{own}\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: {own}, other\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: {own}/path\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: {own}\u{e9}\r\n\r\n"),
        "GET /a HTTP/1.1\r\nHost:\r\n\r\n".to_owned(),
        "GET /a HTTP/1.1\r\n\r\n".to_owned(),
        format!("CONNECT {own} HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("CONNECT / HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET * HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET a HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET  /a HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET /a b HTTP/1.1\r\nHost: {own}\r\n\r\n"),
        format!("GET /a HTTP/1.1 \r\nHost: {own}\r\n\r\n"),
        format!("GET /a HTTP/3.0\r\nHost: {own}\r\n\r\n"),
        format!("GET /a\r\nHost: {own}\r\n\r\n"),
    ];
    for request in refused {
        let said = raw(&tunnel, request.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 4") || said.is_empty(), "{request:?}: {said:?}");
        assert_eq!(paths(&service), [""; 0], "{request:?} reached the service");
    }
    // One that agrees with itself is served, in the form that services know.
    let answer = tunnel.ask(format!("GET http://{own}/a?b HTTP/1.1\r\nHost: {own}\r\n\r\n")).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "/a?b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_heads_are_refused() {
    let (service, tunnel) = watched().await;
    let many: String = (0..1000).map(|i| format!("X-{i}: {i}\r\n")).collect();
    let long = "x".repeat(limits::HEAD * 2);
    for request in [
        format!("GET / HTTP/1.1\r\nHost: HOST\r\n{many}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: HOST\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: HOST\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: HOST\r\n{}: 1\r\n\r\n", "n".repeat(limits::HEAD * 2)),
        format!("{} / HTTP/1.1\r\nHost: HOST\r\n\r\n", "M".repeat(limits::HEAD * 2)),
    ] {
        let said = raw(&tunnel, request.replace("HOST", &tunnel.host).as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 4"), "{:?}…: {said:?}", &request[..30]);
    }
    assert_eq!(paths(&service), [""; 0]);
    assert_eq!(tunnel.get("/after").await.text(), "/after");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_up_to_the_limit_arrive_in_both_directions() {
    let big = "b".repeat(40_000);
    let copy = big.clone();
    let service = TestService::answering(move |record| {
        assert_eq!(record.head.get("x-big"), Some(copy.clone()));
        let lines: String = (0..60).map(|i| format!("X-{i}: {}\r\n", "v".repeat(900))).collect();
        format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok").into_bytes()
    })
    .await;
    let tunnel = Tunnel::to(&service).await;
    for framing in ["", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n"] {
        let body = if framing.starts_with('T') { "1\r\nx\r\n0\r\n\r\n" } else { "" };
        let answer = tunnel.ask(format!("PUT / HTTP/1.1\r\nHost: HOST\r\nX-Big: {big}\r\n{framing}\r\n{body}")).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{framing}");
        assert_eq!(answer.get("x-59").map(|value| value.len()), Some(900));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_while_a_hundred_visitors_dawdle() {
    let service = TestService::echo().await;
    let tunnel = Tunnel::to(&service).await;
    let mut dawdlers = Vec::new();
    for i in 0..100 {
        let mut visitor = tunnel.visitor().await;
        let head = format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 100000\r\n\r\nbegin", tunnel.host);
        let most = if i % 2 == 0 { 20 } else { head.len() };
        visitor.send(&head[..most]).await;
        dawdlers.push(visitor);
    }
    for i in 0..20 {
        assert!(tunnel.post("/", &noise(i, 30_000)).await.body == noise(i, 30_000));
        for dawdler in &mut dawdlers {
            dawdler.send("x").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_given_up() {
    let (_service, tunnel) = watched().await;
    let mut visitor = tunnel.visitor().await;
    visitor.send(format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: ", tunnel.host)).await;
    let patience = limits::VISITOR_HEAD + Duration::from_secs(10);
    let ended = tokio::time::timeout(patience, async {
        let mut rest = Vec::new();
        let mut tick = tokio::time::interval(Duration::from_millis(500));
        loop {
            tokio::select! {
                read = tokio::io::AsyncReadExt::read_buf(&mut visitor.stream, &mut rest) => {
                    if read.unwrap_or(0) == 0 { return rest; }
                }
                // A drop now and then does not buy more time.
                _ = tick.tick() => drop(tokio::io::AsyncWriteExt::write_all(&mut visitor.stream, b"x").await),
            }
        }
    })
    .await
    .expect("the visitor's time is over");
    assert!(ended.is_empty() || ended.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&ended));
}

/// A service that writes without end, as far as it can.
async fn fountain() -> (TestService, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let (written, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, flag) = (written.clone(), stopped.clone());
    let service = TestService::scripted(move |conn| {
        let (count, flag) = (count.clone(), flag.clone());
        async move {
            let mut conn = conn.with_small_buffers();
            let Some(record) = next_record(&mut conn).await else { return };
            if record.head.asked().1 != "/fountain" {
                conn.send(ok(b"ok")).await;
                return;
            }
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let chunk = [b"4000\r\n".to_vec(), noise(1, 0x4000), b"\r\n".to_vec()].concat();
            while tokio::io::AsyncWriteExt::write_all(&mut conn.stream, &chunk).await.is_ok() {
                count.fetch_add(0x4000, Ordering::Relaxed);
            }
            flag.store(true, Ordering::Relaxed);
        }
    })
    .await;
    (service, written, stopped)
}

/// The count, once it has not grown for a while.
async fn at_rest(count: &AtomicUsize) -> usize {
    in_time("the writer to stand still", async {
        loop {
            let before = count.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(400)).await;
            if before > 0 && count.load(Ordering::Relaxed) == before {
                return before;
            }
        }
    })
    .await
}

/// What the relay's and the forwarder's sockets of one exchange may hold: a send buffer and a receive buffer, as large as
/// this system lets them grow.
fn sockets() -> usize {
    let most = |name: &str| {
        let sizes = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
        // Least, default, most; where it is not Linux, what Linux has as a rule.
        sizes.split_whitespace().nth(2).and_then(|most| most.parse().ok()).unwrap_or(6 << 20)
    };
    most("tcp_wmem") + most("tcp_rmem")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_does_not_read_stops_the_service_and_nobody_else() {
    let (service, written, stopped) = fountain().await;
    let tunnel = Tunnel::to(&service).await;
    let mut visitor = tunnel.visitor().await.with_small_buffers();
    visitor.send(format!("GET /fountain HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
    assert_eq!(visitor.head().await.status(), 200);
    let ahead = at_rest(&written).await;
    assert!(ahead < limits::WINDOW_MAX as usize + sockets(), "the service could write {ahead} bytes ahead");
    for _ in 0..20 {
        assert_eq!(tunnel.get("/other").await.text(), "ok");
    }
    // It reads on: so does the service.
    for _ in 0..ahead / 0x4000 {
        assert!(visitor.chunk().await.is_some_and(|chunk| !chunk.is_empty()));
    }
    until("the service to write on", || written.load(Ordering::Relaxed) > ahead).await;
    assert!(!stopped.load(Ordering::Relaxed));
    drop(visitor);
    until("the service to be told that the visitor is gone", || stopped.load(Ordering::Relaxed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_visitors_who_do_not_read_take_bounded_memory() {
    let (service, written, _) = fountain().await;
    let tunnel = Tunnel::to(&service).await;
    let mut visitors = Vec::new();
    for _ in 0..40 {
        let mut visitor = tunnel.visitor().await.with_small_buffers();
        visitor.send(format!("GET /fountain HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
        assert_eq!(visitor.head().await.status(), 200);
        visitors.push(visitor);
    }
    let ahead = at_rest(&written).await;
    // What the tunnel holds for all of them together, and what the sockets of each hold besides.
    let most = usize::try_from(limits::LINK_BUFFER).expect("fits") + 40 * (limits::WINDOW as usize + sockets());
    assert!(ahead < most, "40 visitors who read nothing let the service write {ahead} bytes ahead");
    assert_eq!(tunnel.get("/other").await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_leaves_before_the_answer_ends_the_call() {
    let left = Arc::new(AtomicUsize::new(0));
    let count = left.clone();
    let service = TestService::scripted(move |mut conn| {
        let count = count.clone();
        async move {
            next_record(&mut conn).await;
            conn.rest().await;
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
    .await;
    let tunnel = Tunnel::to(&service).await;
    for (i, length) in [0, 5, 100_000].into_iter().enumerate() {
        let mut visitor = tunnel.visitor().await;
        visitor.send(format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n", tunnel.host)).await;
        visitor.send(noise(1, length)).await;
        until("the service to be asked", || service.connections() == i + 1).await;
        drop(visitor);
        until("the call to end", || left.load(Ordering::Relaxed) == i + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_read_holds_back_only_that_upload() {
    let service = TestService::scripted(|conn| async move {
        let mut conn = conn.with_small_buffers();
        while let Some(head) = conn.try_head().await {
            if head.asked().1 == "/stuck" {
                std::future::pending::<()>().await;
            }
            let (body, _) = conn.request_body(&head).await;
            conn.send(ok(&body)).await;
        }
    })
    .await;
    let tunnel = Tunnel::to(&service).await;
    let mut stuck = tunnel.visitor().await.with_small_buffers();
    stuck.send(format!("PUT /stuck HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000000000\r\n\r\n", tunnel.host)).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let sending = tokio::spawn(async move {
        let piece = noise(1, 0x4000);
        while tokio::io::AsyncWriteExt::write_all(&mut stuck.stream, &piece).await.is_ok() {
            count.fetch_add(0x4000, Ordering::Relaxed);
        }
    });
    let ahead = at_rest(&sent).await;
    assert!(ahead < limits::WINDOW_MAX as usize + sockets(), "the visitor could send {ahead} bytes ahead");
    for i in 0..10 {
        assert!(tunnel.post("/", &noise(i, 500_000)).await.body == noise(i, 500_000));
    }
    sending.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_visitors_at_once_are_all_served() {
    let service = TestService::echo().await;
    let tunnel = Tunnel::to(&service).await;
    let visits = (0..500_u64).map(|i| {
        let tunnel = &tunnel;
        async move {
            let answer = tunnel.post("/", &noise(i, 2000)).await;
            assert!(answer.status() == 200 && answer.body == noise(i, 2000), "visitor {i}: {}", answer.status());
        }
    });
    join_all(visits).await;
}

type H2<B> = hyper::client::conn::http2::SendRequest<B>;

async fn http2<B>(tunnel: &Tunnel) -> H2<B>
where
    B: hyper::body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(tunnel.address).await.expect("the port is open");
    let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("the relay speaks HTTP/2");
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_may_speak_http_2() {
    let service = TestService::echo().await;
    let tunnel = Tunnel::to(&service).await;
    let client = http2::<Full<Bytes>>(&tunnel).await;
    let visits = (0..100_u64).map(|i| {
        let (mut client, host) = (client.clone(), tunnel.host.clone());
        async move {
            let body = noise(i, (i as usize) * 3000);
            let request = http::Request::post(format!("http://{host}/a%2Fb?{i}"));
            let request = request.body(Full::new(Bytes::from(body.clone()))).expect("a request");
            let response = in_time("an answer", client.send_request(request)).await.expect("an answer");
            assert_eq!(response.status(), 200);
            assert!(response.into_body().collect().await.expect("a whole body").to_bytes() == body, "stream {i}");
        }
    });
    join_all(visits).await;
    assert!(service.last().head.asked().1.starts_with("/a%2Fb?"));
    assert_eq!(service.last().head.get("host"), Some(service.address.to_string()));
}

/// HTTP/2 lets clients send cookies in crumbs; HTTP/1.1 services expect one line (RFC 9113 §8.2.3).
#[tokio::test(flavor = "multi_thread")]
async fn cookies_that_http_2_splits_are_one_line_again() {
    let service = TestService::echo().await;
    let tunnel = Tunnel::to(&service).await;
    let mut client = http2::<Empty<Bytes>>(&tunnel).await;
    let request =
        http::Request::get(format!("http://{}/", tunnel.host)).header("cookie", "a=1").header("cookie", "b=2");
    let request = request.body(Empty::new()).expect("a request");
    assert_eq!(client.send_request(request).await.expect("an answer").status(), 200);
    assert_eq!(service.last().head.all("cookie"), ["a=1; b=2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_2_visitor_whose_answer_is_cut_short_is_told() {
    let service = TestService::scripted(|mut conn| async move {
        next_record(&mut conn).await;
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n").await;
    })
    .await;
    let tunnel = Tunnel::to(&service).await;
    let mut client = http2::<Empty<Bytes>>(&tunnel).await;
    let request = http::Request::get(format!("http://{}/", tunnel.host)).body(Empty::new()).expect("a request");
    if let Ok(response) = client.send_request(request).await {
        let whole = response.status() == 200 && response.into_body().collect().await.is_ok();
        assert!(!whole, "an answer that was cut short looks whole");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_that_is_none_harms_nobody() {
    let (service, tunnel) = watched().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let floods: [Vec<u8>; 4] = [
        [&preface[..], &[0xff; 100]].concat(),
        // A frame larger than any that was allowed.
        [&preface[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat(),
        // Headers on stream 0, and a stream that is opened twice.
        [&preface[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0, 0, 1, 1, 5, 0, 0, 0, 0, 0x82]].concat(),
        [&preface[..20], b"xx"].concat(),
    ];
    for flood in floods {
        let mut visitor = Conn::open(tunnel.address).await;
        let _refused = visitor.try_send(&flood).await;
        visitor.rest().await;
        assert_eq!(tunnel.get("/after").await.text(), "/after");
    }
    assert_eq!(service.count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_cannot_become_a_forwarder_or_choose_what_it_is_told() {
    let service = TestService::echo().await;
    let tunnel = Tunnel::with(Knobs::default(), &service).await;
    // The wire's own headers and subprotocol mean nothing on a tunnel's host.
    let answer = tunnel
        .ask(
            "GET / HTTP/1.1\r\nHost: HOST\r\nX-Tunnel-Owner: 00\r\nX-Tunnel-Name: box\r\n\
             Sec-WebSocket-Protocol: tunnel.v1.bin\r\n\r\n",
        )
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(service.last().head.get("sec-websocket-protocol").as_deref(), Some("tunnel.v1.bin"));
}
