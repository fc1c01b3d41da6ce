//! HTTP goes through the tunnel undamaged, on both encodings of the wire and through both doors of the serverless end: what the service receives and what the visitor
//! receives is what the other one sent, but for what belongs to one connection only.

mod common;
#[path = "common/platform.rs"]
mod platform;
mod serverless;

use common::service::{next_record, ok};
use common::{Conn, Knobs, Record, TestService, Tunnel, in_time, noise};
use futures_util::future::join_all;
use http_tunnel::forwarder::config::HostHeader;
use http_tunnel::wire::Encoding;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Where visitors come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Through {
    Binary,
    Text,
    HttpApi,
    FunctionUrl,
}

impl Through {
    fn encoding(self) -> Encoding {
        if self == Self::Binary { Encoding::Binary } else { Encoding::Text }
    }

    /// How many visits show what one visit in many might not; each is a process where the platform runs it.
    fn visits(self) -> u64 {
        if self.is_platform() { 12 } else { 200 }
    }

    fn is_platform(self) -> bool {
        matches!(self, Self::HttpApi | Self::FunctionUrl)
    }

    async fn tunnel(self, service: &TestService) -> Tunnel {
        self.tunnel_with(Knobs::default(), service).await
    }

    async fn tunnel_with(self, knobs: Knobs, service: &TestService) -> Tunnel {
        let knobs = Knobs { encoding: self.encoding(), ..knobs };
        let door = match self {
            Self::Binary | Self::Text => return Tunnel::with(knobs, service).await,
            Self::HttpApi => platform::Door::HttpApi,
            Self::FunctionUrl => platform::Door::FunctionUrl,
        };
        platform::tunnel_with(knobs, &platform::plain_stack().await, door, service).await
    }
}

/// Makes a test of each function at each end where it is named.
macro_rules! at_every_end {
    ($($($module:ident: $end:ident),+ => $names:tt)*) => {
        $($(at_every_end!(@tests $module $end $names);)+)*
        /// Which tests there are at which end; the first has all of them.
        const SHOWN: &[(Through, &[&str])] = &[$($((Through::$end, at_every_end!(@names $names))),+),*];
    };
    (@tests $module:ident $end:ident [$($name:ident,)*]) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Through::$end).await })*
        }
    };
    (@names [$($name:ident,)*]) => { &[$(stringify!($name)),*] };
}

at_every_end![
    binary: Binary, text: Text => [
        any_method_reaches_the_service_with_and_without_a_body,
        a_get_may_have_a_body,
        path_and_query_arrive_byte_for_byte,
        a_long_target_arrives,
        options_asterisk_arrives_as_such,
        repeated_request_headers_keep_their_values_and_order,
        values_that_are_not_utf8_arrive_byte_for_byte,
        no_header_is_invented_and_none_is_lost,
        hop_by_hop_headers_of_a_request_stay_behind,
        hop_by_hop_headers_of_an_answer_stay_behind,
        every_set_cookie_arrives,
        repeated_answer_headers_keep_their_values_and_order,
        every_status_arrives,
        redirects_are_handed_on,
        answers_without_a_body_have_none_and_the_connection_goes_on,
        the_answer_to_head_keeps_its_length,
        informational_answers_do_not_take_the_answers_place,
        compressed_bodies_are_untouched,
        chunked_answers_arrive,
        chunked_requests_arrive,
        trailers_damage_nothing,
        bodies_that_end_with_the_connection_arrive,
        a_service_that_speaks_http_1_0_is_understood,
        a_visitor_who_speaks_http_1_0_is_served,
        a_visitor_keeps_its_connection,
        pipelined_requests_are_answered_in_order,
        event_streams_arrive_event_by_event,
        a_declared_answer_that_comes_in_drops_arrives_in_drops,
        the_services_consent_to_a_body_reaches_the_visitor,
        the_services_refusal_of_a_body_reaches_the_visitor,
        a_visitor_who_expects_consent_from_a_service_that_gives_none_gets_on,
        an_early_answer_reaches_a_visitor_who_is_still_sending,
        a_service_may_answer_while_it_reads,
        an_answer_cut_short_never_looks_whole,
        a_chunked_answer_cut_short_never_looks_whole,
        a_request_cut_short_never_looks_whole,
        a_chunked_request_cut_short_never_looks_whole,
        bodies_of_every_awkward_size_arrive,
        large_bodies_arrive,
        large_heads_go_with_large_bodies,
        answers_with_a_large_head_and_a_large_body_arrive,
        heads_that_no_message_holds_cost_only_their_own_exchange,
        empty_answers_arrive,
        bodies_of_many_visitors_do_not_mix,
        idle_connections_that_the_service_closes_cost_no_visitor_an_answer,
        each_hop_is_timed_where_that_is_asked_for,
    ]
    http_api: HttpApi => [
        any_method_reaches_the_service_with_and_without_a_body,
        a_get_may_have_a_body,
        hop_by_hop_headers_of_an_answer_stay_behind,
        every_set_cookie_arrives,
        every_status_arrives,
        redirects_are_handed_on,
        answers_without_a_body_have_none_and_the_connection_goes_on,
        informational_answers_do_not_take_the_answers_place,
        compressed_bodies_are_untouched,
        chunked_answers_arrive,
        chunked_requests_arrive,
        trailers_damage_nothing,
        bodies_that_end_with_the_connection_arrive,
        a_service_that_speaks_http_1_0_is_understood,
        a_visitor_who_speaks_http_1_0_is_served,
        a_visitor_keeps_its_connection,
        pipelined_requests_are_answered_in_order,
        a_visitor_who_expects_consent_from_a_service_that_gives_none_gets_on,
        an_answer_cut_short_never_looks_whole,
        a_chunked_answer_cut_short_never_looks_whole,
        a_request_cut_short_never_looks_whole,
        a_chunked_request_cut_short_never_looks_whole,
        bodies_of_every_awkward_size_arrive,
        answers_with_a_large_head_and_a_large_body_arrive,
        empty_answers_arrive,
        bodies_of_many_visitors_do_not_mix,
        idle_connections_that_the_service_closes_cost_no_visitor_an_answer,
        each_hop_is_timed_where_that_is_asked_for,
    ]
    function_url: FunctionUrl => [
        any_method_reaches_the_service_with_and_without_a_body,
        a_get_may_have_a_body,
        path_and_query_arrive_byte_for_byte,
        hop_by_hop_headers_of_an_answer_stay_behind,
        every_status_arrives,
        answers_without_a_body_have_none_and_the_connection_goes_on,
        informational_answers_do_not_take_the_answers_place,
        compressed_bodies_are_untouched,
        chunked_answers_arrive,
        chunked_requests_arrive,
        trailers_damage_nothing,
        bodies_that_end_with_the_connection_arrive,
        a_service_that_speaks_http_1_0_is_understood,
        a_visitor_who_speaks_http_1_0_is_served,
        a_visitor_keeps_its_connection,
        pipelined_requests_are_answered_in_order,
        event_streams_arrive_event_by_event,
        a_visitor_who_expects_consent_from_a_service_that_gives_none_gets_on,
        an_answer_cut_short_never_looks_whole,
        a_chunked_answer_cut_short_never_looks_whole,
        a_request_cut_short_never_looks_whole,
        a_chunked_request_cut_short_never_looks_whole,
        bodies_of_every_awkward_size_arrive,
        answers_with_a_large_head_and_a_large_body_arrive,
        empty_answers_arrive,
        bodies_of_many_visitors_do_not_mix,
        idle_connections_that_the_service_closes_cost_no_visitor_an_answer,
        each_hop_is_timed_where_that_is_asked_for,
    ]
];

/// What the platform cannot carry: the test, the door (both doors if none is named), and why.
const NOT_CARRIED: &[(&str, Option<Through>, &str)] = &[
    (
        "hop_by_hop_headers_of_a_request_stay_behind",
        None,
        "the platform takes `Connection` away, and with it which other headers are meant for one connection",
    ),
    (
        "path_and_query_arrive_byte_for_byte",
        Some(Through::HttpApi),
        "an HTTP API decodes the path before the function sees it",
    ),
    ("a_long_target_arrives", None, "request line and headers have 10,240 bytes together"),
    ("options_asterisk_arrives_as_such", None, "there is no path in `*` that an HTTP API could route"),
    ("repeated_request_headers_keep_their_values_and_order", None, "payload 2.0 joins repeated headers by commas"),
    ("values_that_are_not_utf8_arrive_byte_for_byte", None, "events are JSON, which is text"),
    ("no_header_is_invented_and_none_is_lost", None, "the platform puts headers of its own in"),
    (
        "every_set_cookie_arrives",
        Some(Through::FunctionUrl),
        "a Function URL has no subdomains, and cookie paths move with the prefix (see tests/handler)",
    ),
    ("repeated_answer_headers_keep_their_values_and_order", None, "payload 2.0 has one value a header"),
    (
        "redirects_are_handed_on",
        Some(Through::FunctionUrl),
        "a Function URL has no subdomains, and Location moves with the prefix (see tests/handler)",
    ),
    ("the_answer_to_head_keeps_its_length", None, "the platform counts the body that it has, which is none"),
    ("event_streams_arrive_event_by_event", Some(Through::HttpApi), "an HTTP API buffers answers"),
    ("a_declared_answer_that_comes_in_drops_arrives_in_drops", Some(Through::HttpApi), "an HTTP API buffers answers"),
    (
        "a_declared_answer_that_comes_in_drops_arrives_in_drops",
        Some(Through::FunctionUrl),
        "the platform takes Content-Length off streamed answers",
    ),
    (
        "the_services_consent_to_a_body_reaches_the_visitor",
        None,
        "the platform takes the whole body before it calls the function",
    ),
    (
        "the_services_refusal_of_a_body_reaches_the_visitor",
        None,
        "the platform takes the whole body before it calls the function",
    ),
    (
        "an_early_answer_reaches_a_visitor_who_is_still_sending",
        None,
        "the platform takes the whole body before it calls the function",
    ),
    ("a_service_may_answer_while_it_reads", None, "the platform takes the whole body before it calls the function"),
    ("large_bodies_arrive", None, "an event has 6 MB, base64 counted"),
    ("large_heads_go_with_large_bodies", None, "request line and headers have 10,240 bytes together"),
    (
        "heads_that_no_message_holds_cost_only_their_own_exchange",
        None,
        "request line and headers have 10,240 bytes together",
    ),
];

#[test]
fn what_is_not_shown_at_a_door_is_explained() {
    for (through, shown) in SHOWN {
        for name in SHOWN[0].1 {
            let is =
                |(test, end, _): &&(&str, Option<Through>, &str)| test == name && end.is_none_or(|end| end == *through);
            let explained = through.is_platform() && NOT_CARRIED.iter().any(|line| is(&line));
            assert_ne!(shown.contains(name), explained, "{name} at {through:?}");
        }
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn any_method_reaches_the_service_with_and_without_a_body(through: Through) {
    let service = TestService::echo().await;
    let tunnel = through.tunnel(&service).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "BREW", "get"] {
        let answer = tunnel.ask(format!("{method} /m HTTP/1.1\r\nHost: HOST\r\n\r\n")).await;
        assert_eq!(answer.status(), 200, "{method}: {}", answer.text());
        assert_eq!(service.last().head.asked(), (method, "/m"));
        assert_eq!(service.last().body, b"");
        let with_body = format!("{method} /b HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n\r\nbody");
        let answer = tunnel.ask(with_body).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "body"), "{method}");
        assert_eq!(service.last().head.asked(), (method, "/b"));
        assert_eq!(service.last().head.get("content-length").as_deref(), Some("4"));
    }
}

async fn a_get_may_have_a_body(through: Through) {
    let service = TestService::echo().await;
    let tunnel = through.tunnel(&service).await;
    let body = "q".repeat(100_000);
    let length = body.len();
    let answer = tunnel.ask(format!("GET / HTTP/1.1\r\nHost: HOST\r\nContent-Length: {length}\r\n\r\n{body}")).await;
    assert_eq!((answer.status(), answer.text() == body), (200, true));
    let chunked = "GET / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(tunnel.ask(chunked).await.text(), "abc");
}

async fn path_and_query_arrive_byte_for_byte(through: Through) {
    let service = TestService::saying(OK).await;
    let tunnel = through.tunnel(&service).await;
    let targets = [
        "/",
        "/?",
        "/a?",
        "/??",
        "/a%2Fb%2f%25%00",
        "//double//slash//",
        "/a/../b/./c/..",
        "/%2e%2e/",
        "/q?a=1&a=2&&=&b=%20+%2B",
        "/q?url=http://x/y?z#not",
        "/~user/;v=1,2/(x)*!$'@:",
        // No URI has these, but browsers send them as they are.
        "/[brackets]|pipe",
        "/a?[]{}|\\^`",
        "/%E2%9C%93?%ff",
    ];
    // Events have the query without its question mark, so an empty one cannot be told from none.
    for target in targets
        .into_iter()
        .filter(|target| !(through.is_platform() && target.ends_with("/?") | target.ends_with("/a?")))
    {
        let expected = target.split('#').next().unwrap_or_default();
        let answer = tunnel.get(target).await;
        assert_eq!(answer.status(), 200, "{target}: {}", answer.text());
        assert_eq!(service.last().head.asked().1, expected);
        let answer = tunnel.post(target, b"x").await;
        assert_eq!(answer.status(), 200, "{target}: {}", answer.text());
        assert_eq!(service.last().head.asked().1, expected);
    }
}

async fn a_long_target_arrives(through: Through) {
    let service = TestService::saying(OK).await;
    let tunnel = through.tunnel(&service).await;
    let long = format!("/{}?{}", "p".repeat(8000), "q".repeat(8000));
    assert_eq!(tunnel.get(&long).await.status(), 200);
    assert_eq!(service.last().head.asked().1, long);
}

async fn options_asterisk_arrives_as_such(through: Through) {
    let service = TestService::saying(OK).await;
    let tunnel = through.tunnel(&service).await;
    assert_eq!(tunnel.ask("OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n").await.status(), 200);
    assert_eq!(service.last().head.asked(), ("OPTIONS", "*"));
}

async fn repeated_request_headers_keep_their_values_and_order(through: Through) {
    let service = TestService::saying(OK).await;
    let tunnel = through.tunnel(&service).await;
    tunnel.ask("GET / HTTP/1.1\r\nHost: HOST\r\nX-A: 2\r\nX-B: b\r\nX-A: 1\r\nX-A:\r\nX-a: 1, 3\r\n\r\n").await;
    assert_eq!(service.last().head.all("x-a"), ["2", "1", "", "1, 3"]);
    assert_eq!(service.last().head.all("x-b"), ["b"]);
}

async fn values_that_are_not_utf8_arrive_byte_for_byte(through: Through) {
    let service = TestService::answering(|_| {
        b"HTTP/1.1 200 OK\r\nx-latin: \xe9t\xe9 \xff\tx\r\ncontent-length: 0\r\n\r\n".to_vec()
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    visitor.send(format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Latin: ", tunnel.host)).await;
    visitor.send(b"\xe9t\xe9 \xfe\t\x80\r\n\r\n").await;
    let answer = visitor.answer().await;
    let value_of = |lines: &[(String, Vec<u8>)]| lines.iter().find(|(name, _)| name == "x-latin").map(|l| l.1.clone());
    assert_eq!(value_of(&service.last().head.lines).as_deref(), Some(&b"\xe9t\xe9 \xfe\t\x80"[..]));
    assert_eq!(value_of(&answer.head.lines).as_deref(), Some(&b"\xe9t\xe9 \xff\tx"[..]));
}

/// Requests as clients send them, and what of them the service sees directly and through the tunnel.
async fn no_header_is_invented_and_none_is_lost(through: Through) {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n\r\nok";
    let service = TestService::saying(answer).await;
    let tunnel = through.tunnel(&service).await;
    let requests = [
        "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nUser-Agent: u\r\nAccept: */*\r\nAccept-Encoding: br\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\nContent-Type: a/b\r\n\r\nhi",
        "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "DELETE / HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer t\r\nCookie: a=b; c=d\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nRange: bytes=0-1\r\nIf-None-Match: \"x\"\r\nX-Tunnel-Name: mine\r\nDate: d\r\n\r\n",
    ];
    for request in requests {
        let mut direct = Conn::open(service.address).await;
        direct.send(request).await;
        let answer_direct = direct.answer().await;
        let seen_direct = service.last();
        let answer_through = tunnel.ask(request).await;
        let seen_through = service.last();
        assert_eq!(names_and_values(&seen_through), names_and_values(&seen_direct), "{request}");
        assert_eq!(seen_through.body, seen_direct.body);
        let mut lines = [answer_direct.head.lines, answer_through.head.lines];
        lines.iter_mut().for_each(|lines| lines.sort());
        assert_eq!(lines[0], lines[1], "{request}");
    }
}

/// Header lines but for those that may differ.
fn names_and_values(record: &Record) -> BTreeSet<(String, Vec<u8>)> {
    let differ = |name: &str| name == "host" || name.starts_with("x-forwarded-");
    record.head.lines.iter().filter(|(name, _)| !differ(name)).cloned().collect()
}

async fn hop_by_hop_headers_of_a_request_stay_behind(through: Through) {
    let service = TestService::saying(OK).await;
    let tunnel = through.tunnel(&service).await;
    tunnel
        .ask(
            "GET / HTTP/1.1\r\nHost: HOST\r\nConnection: keep-alive, X-Mine, host\r\nKeep-Alive: timeout=5\r\n\
             X-Mine: 1\r\nX-Other: 2\r\nTE: gzip\r\nTrailer: X-T\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\r\n",
        )
        .await;
    let seen: Vec<_> = service.last().head.lines.into_iter().map(|(name, _)| name).collect();
    for name in ["connection", "keep-alive", "x-mine", "te", "trailer", "proxy-connection", "upgrade"] {
        assert!(!seen.contains(&name.to_owned()), "{name} reached the service: {seen:?}");
    }
    assert!(seen.contains(&"x-other".to_owned()) && seen.contains(&"host".to_owned()), "{seen:?}");
}

async fn hop_by_hop_headers_of_an_answer_stay_behind(through: Through) {
    let service = TestService::saying(
        "HTTP/1.1 200 OK\r\nConnection: X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nX-Other: 2\r\n\
         Proxy-Connection: close\r\nX-Tunnel-Error: internal\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let tunnel = through.tunnel(&service).await;
    let answer = tunnel.get("/").await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    for name in ["keep-alive", "x-mine", "proxy-connection", "x-tunnel-error"] {
        assert_eq!(answer.get(name), None, "{name} reached the visitor");
    }
    assert_eq!(answer.get("x-other").as_deref(), Some("2"));
}

async fn every_set_cookie_arrives(through: Through) {
    let service = TestService::saying(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/x\r\nSet-Cookie: b=2, c; Expires=Wed, 01 Jan 2031 00:00:00 GMT\r\n\
         Set-Cookie: a=1; Path=/y\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let tunnel = through.tunnel(&service).await;
    let cookies = tunnel.get("/").await.head.all("set-cookie");
    assert_eq!(cookies, ["a=1; Path=/x", "b=2, c; Expires=Wed, 01 Jan 2031 00:00:00 GMT", "a=1; Path=/y"]);
}

async fn repeated_answer_headers_keep_their_values_and_order(through: Through) {
    let service = TestService::saying(
        "HTTP/1.1 200 OK\r\nLink: <b>\r\nVary: a\r\nLink: <a>\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let tunnel = through.tunnel(&service).await;
    let answer = tunnel.get("/").await;
    assert_eq!(answer.head.all("link"), ["<b>", "<a>"]);
    assert_eq!(answer.get("x-empty").as_deref(), Some(""));
}

async fn every_status_arrives(through: Through) {
    let service = TestService::answering(|record| {
        let status = &record.head.asked().1[1..];
        format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 4\r\n\r\nbody").into_bytes()
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    for status in [
        200, 201, 202, 203, 206, 207, 226, 400, 401, 403, 404, 407, 408, 418, 421, 426, 429, 451, 500, 502, 503, 504,
        511, 599, 799,
    ]
    .into_iter()
    // API Gateway takes a function for broken that answers with more.
    .filter(|status| !through.is_platform() || *status < 600)
    {
        let answer = tunnel.get(&format!("/{status}")).await;
        assert_eq!((answer.status(), answer.text().as_str()), (status, "body"));
        assert_eq!(answer.fault(), None);
        let answer = tunnel.post(&format!("/{status}"), &noise(1, 50_000)).await;
        assert_eq!((answer.status(), answer.text().as_str()), (status, "body"));
    }
}

async fn redirects_are_handed_on(through: Through) {
    let service = TestService::answering(|record| {
        let status = &record.head.asked().1[1..];
        format!("HTTP/1.1 {status} Moved\r\nLocation: /next?a=%20b\r\nContent-Length: 2\r\n\r\nok").into_bytes()
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    for status in [300, 301, 302, 303, 305, 307, 308] {
        for answer in [tunnel.get(&format!("/{status}")).await, tunnel.post(&format!("/{status}"), b"x").await] {
            assert_eq!(answer.status(), status);
            assert_eq!(answer.get("location").as_deref(), Some("/next?a=%20b"));
            assert_eq!(answer.text(), "ok");
        }
    }
    assert_eq!(service.count(), 14);
}

async fn answers_without_a_body_have_none_and_the_connection_goes_on(through: Through) {
    let service = TestService::answering(|record| {
        let answer = match record.head.asked().1 {
            "/204" => "HTTP/1.1 204 No Content\r\nETag: \"e\"\r\n\r\n",
            "/204-length" => "HTTP/1.1 204 No Content\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n",
            "/205" => "HTTP/1.1 205 Reset Content\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n",
            _ => "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 12345\r\n\r\n",
        };
        answer.as_bytes().to_vec()
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    for target in ["/204", "/204-length", "/205", "/304", "/304-length"] {
        visitor.send(format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
        let answer = visitor.answer().await;
        assert_eq!(answer.status().to_string(), target[1..4]);
        assert_eq!(answer.get("etag").as_deref(), Some("\"e\""), "{target}");
        assert_eq!(answer.text(), "", "{target}");
        // A Function URL frames what it streams itself, also where nothing comes.
        assert!(through == Through::FunctionUrl || answer.get("transfer-encoding").is_none(), "{target}");
    }
}

async fn the_answer_to_head_keeps_its_length(through: Through) {
    let service = TestService::answering(|record| {
        let answer = match record.head.asked().1 {
            "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 123456789\r\nETag: x\r\n\r\n",
            "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: x\r\n\r\n",
            "/404" => "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\nETag: x\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nETag: x\r\n\r\n",
        };
        answer.as_bytes().to_vec()
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    for (target, length) in [("/length", Some("123456789")), ("/chunked", None), ("/404", Some("7")), ("/none", None)] {
        visitor.send(format!("HEAD {target} HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
        let answer = visitor.answer_to("HEAD").await;
        assert_eq!(answer.get("content-length").as_deref(), length, "{target}");
        assert_eq!(answer.get("etag").as_deref(), Some("x"), "{target}");
    }
}

async fn informational_answers_do_not_take_the_answers_place(through: Through) {
    let service = TestService::saying(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Final: 1\r\n\r\nok",
    )
    .await;
    let tunnel = through.tunnel(&service).await;
    let large = noise(1, 100_000);
    for answer in [tunnel.get("/").await, tunnel.post("/", b"x").await, tunnel.post("/", &large).await] {
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{:?}", answer.head);
        assert_eq!(answer.get("x-final").as_deref(), Some("1"));
        assert_eq!(answer.get("link"), None);
    }
}

async fn compressed_bodies_are_untouched(through: Through) {
    // A gzip header with rubbish behind it: whoever tried to unpack it would fail.
    let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    body.extend(noise(7, 30_000));
    let copy = body.clone();
    let service = TestService::answering(move |record| {
        let coding = record.head.get("accept-encoding").unwrap_or_else(|| "none".to_owned());
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-Asked: {coding}\r\nContent-Length: {}\r\n\r\n",
            copy.len()
        )
        .into_bytes();
        answer.extend_from_slice(&copy);
        answer
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let answer = tunnel.ask("GET / HTTP/1.1\r\nHost: HOST\r\nAccept-Encoding: gzip, zstd\r\n\r\n").await;
    assert_eq!(answer.get("content-encoding").as_deref(), Some("gzip"));
    assert_eq!(answer.get("x-asked").as_deref(), Some("gzip, zstd"));
    assert_eq!(answer.body, body);
    assert_eq!(tunnel.get("/").await.get("x-asked").as_deref(), Some("none"));
}

async fn chunked_answers_arrive(through: Through) {
    let service = TestService::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n1\r\n \r\n0005\r\nworld\r\n0\r\n\r\n",
    )
    .await;
    let tunnel = through.tunnel(&service).await;
    for answer in [tunnel.get("/").await, tunnel.post("/", &noise(2, 40_000)).await] {
        assert_eq!((answer.text().as_str(), answer.whole), ("hello world", true));
    }
}

async fn chunked_requests_arrive(through: Through) {
    let service = TestService::echo().await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    visitor.send(format!("POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", tunnel.host)).await;
    let body = noise(3, 300_000);
    for chunk in body.chunks(7777) {
        visitor.send(format!("{:x}\r\n", chunk.len())).await;
        visitor.send(chunk).await;
        visitor.send("\r\n").await;
    }
    visitor.send("0\r\n\r\n").await;
    assert!(visitor.answer().await.body == body);
    let seen = service.last();
    assert!(seen.whole);
    // The platform has the whole body before it calls the function, and says how long it is.
    assert_eq!(seen.head.get("content-length").is_some(), through.is_platform());
}

async fn trailers_damage_nothing(through: Through) {
    let service = TestService::answering(|record| {
        assert_eq!(record.body, b"abc");
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
            .to_vec()
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    for _ in 0..2 {
        let head =
            format!("POST / HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n", tunnel.host);
        visitor.send(head + "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n").await;
        let answer = visitor.answer().await;
        assert_eq!((answer.text().as_str(), answer.whole), ("abc", true));
    }
}

async fn bodies_that_end_with_the_connection_arrive(through: Through) {
    let service = TestService::scripted(|mut conn| async move {
        next_record(&mut conn).await;
        conn.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil ").await;
        conn.send(noise(4, 200_000)).await;
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let large = noise(5, 50_000);
    for answer in [tunnel.get("/").await, tunnel.post("/", &large).await] {
        assert!(answer.whole && answer.body[..6] == *b"until " && answer.body[6..] == noise(4, 200_000));
    }
}

async fn a_service_that_speaks_http_1_0_is_understood(through: Through) {
    let service = TestService::scripted(|mut conn| async move {
        next_record(&mut conn).await;
        conn.send("HTTP/1.0 200 OK\r\nServer: SimpleHTTP\r\nContent-Type: text/plain\r\n\r\nold").await;
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    for _ in 0..3 {
        visitor.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
        let answer = visitor.answer().await;
        assert_eq!((answer.text().as_str(), answer.get("server").as_deref()), ("old", Some("SimpleHTTP")));
    }
    assert_eq!(tunnel.post("/", &noise(1, 40_000)).await.text(), "old");
}

async fn a_visitor_who_speaks_http_1_0_is_served(through: Through) {
    let service =
        TestService::saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await;
    let tunnel = through.tunnel(&service).await;
    let answer = tunnel.ask("GET / HTTP/1.0\r\nHost: HOST\r\n\r\n").await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.get("transfer-encoding"), None);
}

async fn a_visitor_keeps_its_connection(through: Through) {
    let service = TestService::echo().await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    for i in 0..50_usize {
        let body = noise(i as u64, i * 700);
        let (host, length) = (&tunnel.host, body.len());
        visitor.send(format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n")).await;
        visitor.send(&body).await;
        assert!(visitor.answer().await.body == body);
    }
    visitor.send(format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", tunnel.host)).await;
    assert_eq!(visitor.answer().await.status(), 200);
    assert!(visitor.closes().await);
}

async fn pipelined_requests_are_answered_in_order(through: Through) {
    let service = TestService::answering(|record| ok(record.head.asked().1.as_bytes())).await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    let host = &tunnel.host;
    for i in 0..20 {
        let request = match i % 2 {
            0 => format!("GET /{i} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            _ => format!("POST /{i} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc"),
        };
        visitor.send(request).await;
    }
    for i in 0..20 {
        assert_eq!(visitor.answer().await.text(), format!("/{i}"));
    }
}

/// A service that writes the next piece only when the test says that the visitor has the one before.
async fn piece_by_piece(head: &'static str) -> (TestService, mpsc::UnboundedSender<Vec<u8>>) {
    let (sender, pieces) = mpsc::unbounded_channel::<Vec<u8>>();
    let pieces = std::sync::Arc::new(tokio::sync::Mutex::new(pieces));
    let service = TestService::scripted(move |mut conn| {
        let pieces = pieces.clone();
        async move {
            next_record(&mut conn).await;
            conn.send(head).await;
            while let Some(piece) = pieces.lock().await.recv().await {
                if conn.try_send(piece).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (service, sender)
}

async fn event_streams_arrive_event_by_event(through: Through) {
    for request in
        ["GET / HTTP/1.1\r\nHost: HOST\r\n\r\n", "REPORT / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\nhi"]
    {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (service, pieces) = piece_by_piece(head).await;
        let tunnel = through.tunnel(&service).await;
        let mut visitor = tunnel.visitor().await;
        visitor.send(request.replace("HOST", &tunnel.host)).await;
        // The head is here before there is any event.
        assert_eq!(visitor.head().await.get("content-type").as_deref(), Some("text/event-stream"));
        for i in 0..30 {
            let event = format!("data: {i}\n\n");
            pieces.send(format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()).expect("the service is there");
            assert_eq!(visitor.chunk().await, Some(event.into_bytes()));
        }
        pieces.send(b"0\r\n\r\n".to_vec()).expect("the service is there");
        assert_eq!(visitor.chunk().await, Some(Vec::new()));
    }
}

async fn a_declared_answer_that_comes_in_drops_arrives_in_drops(through: Through) {
    let (service, pieces) = piece_by_piece("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n").await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    visitor.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
    assert_eq!(visitor.head().await.get("content-length").as_deref(), Some("30"));
    for i in 0..30_u8 {
        pieces.send(vec![i]).expect("the service is there");
        assert_eq!(visitor.bytes(1).await, [i]);
    }
}

const EXPECTING: &str = "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";

async fn the_services_consent_to_a_body_reaches_the_visitor(through: Through) {
    let service = TestService::scripted(|mut conn| async move {
        while let Some(head) = conn.try_head().await {
            assert_eq!(head.get("expect").as_deref(), Some("100-continue"));
            conn.send("HTTP/1.1 100 Continue\r\n\r\n").await;
            assert_eq!(conn.request_body(&head).await, (b"hello".to_vec(), true));
            conn.send(OK).await;
        }
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    for _ in 0..2 {
        visitor.send(format!("POST / HTTP/1.1\r\nHost: {}\r\n{EXPECTING}", tunnel.host)).await;
        assert_eq!(visitor.head().await.status(), 100);
        visitor.send("hello").await;
        assert_eq!(visitor.answer().await.text(), "ok");
    }
}

async fn the_services_refusal_of_a_body_reaches_the_visitor(through: Through) {
    for status in [417, 413, 401] {
        let service = TestService::scripted(move |mut conn| async move {
            conn.head().await;
            conn.send(format!("HTTP/1.1 {status} No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")).await;
            assert!(conn.closes().await, "no byte of the body was to come");
        })
        .await;
        let tunnel = through.tunnel(&service).await;
        let mut visitor = tunnel.visitor().await;
        visitor.send(format!("POST / HTTP/1.1\r\nHost: {}\r\n{EXPECTING}", tunnel.host)).await;
        let answer = visitor.answer().await;
        assert_eq!((answer.status(), answer.text().as_str()), (status, "no\n"));
        assert!(answer.informational.is_empty(), "the visitor was told to send a body that nobody wants");
    }
}

async fn a_visitor_who_expects_consent_from_a_service_that_gives_none_gets_on(through: Through) {
    let service = TestService::echo().await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    visitor.send(format!("POST / HTTP/1.1\r\nHost: {}\r\n{EXPECTING}", tunnel.host)).await;
    assert_eq!(visitor.head().await.status(), 100);
    visitor.send("hello").await;
    assert_eq!(visitor.answer().await.text(), "hello");
}

async fn an_early_answer_reaches_a_visitor_who_is_still_sending(through: Through) {
    let service = TestService::scripted(|mut conn| async move {
        conn.head().await;
        conn.bytes(1000).await;
        conn.send("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge").await;
        conn.rest().await;
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    for head in ["Content-Length: 1000000000", "Transfer-Encoding: chunked"] {
        let mut visitor = tunnel.visitor().await;
        visitor.send(format!("PUT / HTTP/1.1\r\nHost: {}\r\n{head}\r\n\r\n", tunnel.host)).await;
        // As chunks or as plain bytes, far less than was announced.
        visitor.send(format!("{:x}\r\n", 500_000)).await;
        visitor.send(noise(1, 20_000)).await;
        let answer = visitor.answer().await;
        assert_eq!((answer.status(), answer.text().as_str()), (413, "large"), "{head}");
    }
}

async fn a_service_may_answer_while_it_reads(through: Through) {
    const SIZE: usize = 8 << 20;
    let service = TestService::scripted(|mut conn| async move {
        conn.head().await;
        conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n")).await;
        let mut left = SIZE;
        while left > 0 {
            let bytes = conn.bytes(left.min(10_000)).await;
            assert!(!bytes.is_empty(), "the body was cut short");
            left -= bytes.len();
            conn.send(bytes).await;
        }
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    visitor.send(format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {SIZE}\r\n\r\n", tunnel.host)).await;
    // Without the first bytes of the answer the rest of the request is never sent.
    let body = noise(9, SIZE);
    visitor.send(&body[..10_000]).await;
    assert_eq!(visitor.head().await.status(), 200);
    assert!(visitor.bytes(10_000).await == body[..10_000]);
    let (mut reader, mut writer) = visitor.stream.split();
    let send = tokio::io::AsyncWriteExt::write_all(&mut writer, &body[10_000..]);
    let mut back = vec![0; SIZE - 10_000];
    let read = tokio::io::AsyncReadExt::read_exact(&mut reader, &mut back);
    let (sent, received) = in_time("the echo of a large body", futures_util::future::join(send, read)).await;
    sent.expect("the body is taken");
    received.expect("the echo is whole");
    assert!(back == body[10_000..]);
}

async fn cut_after(through: Through, answer: &'static str) {
    let service = TestService::scripted(move |mut conn| async move {
        next_record(&mut conn).await;
        conn.send(answer).await;
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    for answer in [tunnel.get("/").await, tunnel.post("/", &noise(1, 40_000)).await] {
        // Nothing of the answer was on its way, and the visitor is told so; or some of it was, and it is not whole.
        let told = answer.status() == 502 && answer.fault().as_deref() == Some("service-failed");
        assert!(told || (answer.status() == 200 && !answer.whole), "{answer:?}");
    }
}

async fn an_answer_cut_short_never_looks_whole(through: Through) {
    cut_after(through, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nonly this").await;
    cut_after(through, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nonly this").await;
    cut_after(through, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await;
}

async fn a_chunked_answer_cut_short_never_looks_whole(through: Through) {
    cut_after(through, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n").await;
    cut_after(through, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nonly").await;
    cut_after(through, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
}

async fn cut_request(through: Through, head: &str, body: &[u8]) {
    let (report, mut reports) = mpsc::unbounded_channel();
    let service = TestService::scripted(move |mut conn| {
        let report = report.clone();
        async move {
            if let Some(record) = next_record(&mut conn).await {
                report.send((record.whole, conn.closes().await)).expect("the test waits");
            }
        }
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    visitor.send(format!("POST / HTTP/1.1\r\nHost: {}\r\n{head}\r\n\r\n", tunnel.host)).await;
    visitor.send(body).await;
    drop(visitor);
    // A request that was never begun at the service is as good.
    let seen = tokio::time::timeout(Duration::from_secs(2), reports.recv()).await;
    assert!(matches!(seen, Err(_) | Ok(Some((false, true)))), "the service saw {seen:?}");
}

async fn a_request_cut_short_never_looks_whole(through: Through) {
    cut_request(through, "Content-Length: 1000", b"only this").await;
    cut_request(through, "Content-Length: 1000000", &noise(1, 300_000)).await;
}

async fn a_chunked_request_cut_short_never_looks_whole(through: Through) {
    cut_request(through, "Transfer-Encoding: chunked", b"4\r\nonly\r\n").await;
    cut_request(through, "Transfer-Encoding: chunked", b"4\r\non").await;
    cut_request(through, "Transfer-Encoding: chunked", b"4\r\nonly\r\n0\r\n").await;
}

async fn bodies_of_every_awkward_size_arrive(through: Through) {
    let service = TestService::echo().await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    const KIB: usize = 1024;
    let part = through.encoding().part();
    for middle in [1, 8 * KIB, 16 * KIB, 64 * KIB, part, 256 * KIB, 1024 * KIB] {
        for size in [middle - 1, middle, middle + 1] {
            let body = noise(size as u64, size);
            visitor
                .send(format!("POST /{size} HTTP/1.1\r\nHost: {}\r\nContent-Length: {size}\r\n\r\n", tunnel.host))
                .await;
            visitor.send(&body).await;
            let answer = visitor.answer().await;
            assert!(answer.body == body && answer.status() == 200, "{size} bytes, declared: {}", answer.status());
            let head = format!("POST /{size} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n", tunnel.host);
            visitor.send(head).await;
            if size > 0 {
                visitor.send(format!("{size:x}\r\n")).await;
                visitor.send(&body).await;
                visitor.send("\r\n").await;
            }
            visitor.send("0\r\n\r\n").await;
            assert!(visitor.answer().await.body == body, "{size} bytes, chunked");
        }
    }
}

async fn large_bodies_arrive(through: Through) {
    let body = noise(11, 24 << 20);
    let service = TestService::echo().await;
    let tunnel = through.tunnel(&service).await;
    assert!(tunnel.post("/", &body).await.body == body);
}

async fn large_heads_go_with_large_bodies(through: Through) {
    let lines: String = (0..50).map(|i| format!("X-{i}: {}\r\n", "v".repeat(1000))).collect();
    let copy = lines.clone();
    let service = TestService::answering(move |record| {
        let mut answer = format!("HTTP/1.1 200 OK\r\n{copy}Content-Length: {}\r\n\r\n", record.body.len()).into_bytes();
        answer.extend_from_slice(&record.body);
        answer
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    for size in [0, 10, 16_000, 60_000, 90_000, 200_000] {
        for declared in [true, false] {
            let body = noise(size, size as usize);
            let framing =
                if declared { format!("Content-Length: {size}") } else { "Transfer-Encoding: chunked".to_owned() };
            let mut visitor = tunnel.visitor().await;
            visitor.send(format!("POST / HTTP/1.1\r\nHost: {}\r\n{lines}{framing}\r\n\r\n", tunnel.host)).await;
            let chunk = format!("{size:x}\r\n");
            let parts: [&[u8]; 4] = [chunk.as_bytes(), &body, b"\r\n", b"0\r\n\r\n"];
            let parts = match (declared, size) {
                (true, _) => &parts[1..2],
                (false, 0) => &parts[3..],
                (false, _) => &parts[..],
            };
            for part in parts {
                visitor.send(part).await;
            }
            let answer = visitor.answer().await;
            assert!(answer.status() == 200 && answer.body == body, "{size} bytes: {}", answer.status());
            assert_eq!(answer.get("x-49").map(|value| value.len()), Some(1000));
            assert_eq!(service.last().head.get("x-49").map(|value| value.len()), Some(1000));
        }
    }
    assert_eq!(tunnel.events_named("offline"), 0, "the link was lost");
}

async fn heads_that_no_message_holds_cost_only_their_own_exchange(through: Through) {
    // JSON needs two bytes for each of these quotes.
    let quotes: String = (0..64).map(|i| format!("X-{i}: {}\r\n", "\"".repeat(1000))).collect();
    let copy = quotes.clone();
    let service = TestService::answering(move |record| match record.head.asked().1 {
        "/answer" => format!("HTTP/1.1 200 OK\r\n{copy}Content-Length: 2\r\n\r\nok").into_bytes(),
        _ => ok(b"ok"),
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let body = "b".repeat(16_000);
    let requests = [
        "GET /answer HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(),
        "POST /answer HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n".to_owned(),
        format!("GET /request HTTP/1.1\r\nHost: HOST\r\n{quotes}\r\n"),
        format!("POST /request HTTP/1.1\r\nHost: HOST\r\n{quotes}Content-Length: 16000\r\n\r\n{body}"),
    ];
    for request in requests {
        let answer = tunnel.ask(&request).await;
        let told = matches!(answer.fault().as_deref(), Some("request-too-large" | "response-too-large"));
        assert!(
            answer.text() == "ok" || (told && through.encoding() == Encoding::Text),
            "{:.20}: {}",
            request,
            answer.text()
        );
        assert_eq!(tunnel.get("/after").await.text(), "ok");
    }
    assert_eq!(tunnel.events_named("offline"), 0, "the link was lost");
}

async fn answers_with_a_large_head_and_a_large_body_arrive(through: Through) {
    let service = TestService::answering(|record| {
        let size: usize = record.head.asked().1[1..].parse().expect("a size");
        let lines: String = (0..50).map(|i| format!("X-{i}: {}\r\n", "v".repeat(1000))).collect();
        let head = format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: {size}\r\n\r\n").into_bytes();
        [head, noise(1, size)].concat()
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    for size in [0, 1000, 30_000, 60_000, 90_000, 97_000, 200_000] {
        let answer = tunnel.get(&format!("/{size}")).await;
        assert!(answer.status() == 200 && answer.body == noise(1, size), "{size} bytes: {:?}", answer.fault());
        assert_eq!(answer.get("x-49").map(|value| value.len()), Some(1000));
    }
    assert_eq!(tunnel.events_named("offline"), 0, "the link was lost");
}

async fn empty_answers_arrive(through: Through) {
    let service = TestService::scripted(|mut conn| async move {
        let target = next_record(&mut conn).await.map(|record| record.head.asked().1.to_owned());
        let answer = match target.as_deref() {
            Some("/length") => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            Some("/chunked") => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
            Some("/no-reason") => "HTTP/1.1 200\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\n\r\n",
        };
        conn.send(answer).await;
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    for target in ["/length", "/chunked", "/no-reason", "/close"] {
        for answer in [tunnel.get(target).await, tunnel.post(target, &noise(1, 40_000)).await] {
            assert_eq!((answer.status(), answer.text().as_str(), answer.whole), (200, "", true), "{target}");
        }
    }
}

async fn bodies_of_many_visitors_do_not_mix(through: Through) {
    let service = TestService::echo().await;
    let tunnel = through.tunnel(&service).await;
    let visits = (0..through.visits()).map(|i| {
        let tunnel = &tunnel;
        async move {
            let size = (noise(i, 8)[3] as usize) * 400;
            let body = noise(i, size);
            let answer = tunnel.post(&format!("/{i}"), &body).await;
            assert!(
                answer.status() == 200 && answer.body == body,
                "visitor {i} got another body, or {}",
                answer.status()
            );
        }
    });
    join_all(visits).await;
    assert_eq!(service.count() as u64, through.visits());
}

async fn idle_connections_that_the_service_closes_cost_no_visitor_an_answer(through: Through) {
    // It promises to keep the connection and closes it at once.
    let service = TestService::scripted(|mut conn| async move {
        if next_record(&mut conn).await.is_some() {
            conn.send(OK).await;
        }
    })
    .await;
    let tunnel = through.tunnel(&service).await;
    let mut visitor = tunnel.visitor().await;
    for i in 0..through.visits() {
        visitor.send(format!("GET /{i} HTTP/1.1\r\nHost: {}\r\n\r\n", tunnel.host)).await;
        let answer = visitor.answer().await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "visit {i}: {:?}", answer.head);
    }
}

async fn host_seen(host_header: HostHeader) -> (String, String, Tunnel) {
    let service = TestService::saying(OK).await;
    let knobs = Knobs { host_header, ..Knobs::default() };
    let tunnel = Tunnel::with(knobs, &service).await;
    tunnel.get("/").await;
    let seen = service.last().head.get("host").expect("a request has a host");
    tunnel.post("/", &noise(1, 40_000)).await;
    assert_eq!(service.last().head.get("host"), Some(seen.clone()));
    (seen, service.address.to_string(), tunnel)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_the_services_own_by_default() {
    let (seen, own, _tunnel) = host_seen(HostHeader::Rewrite).await;
    assert_eq!(seen, own);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_can_be_what_the_visitor_asked_for() {
    let (seen, _, tunnel) = host_seen(HostHeader::Preserve).await;
    assert_eq!(seen, tunnel.host);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_can_be_a_value_of_the_users() {
    let value = http::HeaderValue::from_static("app.example:99");
    assert_eq!(host_seen(HostHeader::Value(value)).await.0, "app.example:99");
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_headers_tell_the_truth_whatever_a_visitor_claims() {
    let service = TestService::saying(OK).await;
    let tunnel = Tunnel::to(&service).await;
    tunnel
        .ask(
            "GET / HTTP/1.1\r\nHost: HOST\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Prefix: /evil\r\nForwarded: for=6.6.6.6\r\n\r\n",
        )
        .await;
    let head = service.last().head;
    assert_eq!(head.get("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(head.get("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(head.get("x-forwarded-host"), Some(tunnel.host.clone()));
    assert_eq!((head.get("x-forwarded-prefix"), head.get("forwarded")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_headers_of_a_trusted_proxy_are_believed() {
    let service = TestService::saying(OK).await;
    let trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    let tunnel = Tunnel::with(Knobs { trusted_proxies, ..Knobs::default() }, &service).await;
    let said = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public.example";
    tunnel.ask(format!("GET / HTTP/1.1\r\nHost: HOST\r\n{said}\r\n\r\n")).await;
    let head = service.last().head;
    assert_eq!(head.get("x-forwarded-for").as_deref(), Some("6.6.6.6, 127.0.0.1"));
    assert_eq!(head.get("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(head.get("x-forwarded-host").as_deref(), Some("public.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_the_users_replaces_the_visitors() {
    let service = TestService::saying(OK).await;
    let headers = vec![(http::HeaderName::from_static("x-key"), http::HeaderValue::from_static("user"))];
    let tunnel = Tunnel::with(Knobs { headers, ..Knobs::default() }, &service).await;
    tunnel.ask("GET / HTTP/1.1\r\nHost: HOST\r\nX-Key: a\r\nX-Key: b\r\n\r\n").await;
    assert_eq!(service.last().head.all("x-key"), ["user"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_listens_on_ipv6_only_is_found() {
    let service = TestService::answering_at("[::1]:0", |record| ok(&record.body)).await;
    let place = Some(("localhost".to_owned(), service.port()));
    let tunnel = Tunnel::with(Knobs { service: place, ..Knobs::default() }, &service).await;
    assert_eq!(tunnel.get("/").await.status(), 200);
    assert_eq!(service.last().head.get("host"), Some(format!("localhost:{}", service.port())));
    let body = noise(1, 40_000);
    assert!(tunnel.post("/", &body).await.body == body);
}

async fn each_hop_is_timed_where_that_is_asked_for(through: Through) {
    let service = TestService::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let tunnel = through.tunnel_with(Knobs { timing: true, ..Knobs::default() }, &service).await;
    let begun = Instant::now();
    let answer = tunnel.get("/").await;
    let all = begun.elapsed().as_secs_f64() * 1e3;
    let timing = answer.get("server-timing").expect("the answer is timed");
    let hops = timing.split(", ").map(|hop| hop.split_once(";dur=").expect("a duration"));
    let (names, took): (Vec<&str>, Vec<f64>) =
        hops.map(|(hop, took)| (hop, took.parse::<f64>().expect("milliseconds"))).unzip();
    assert_eq!(names, ["gate", "link", "forwarder", "service"]);
    assert!(took.iter().all(|took| *took >= 0.0) && took[3] > 0.0, "{timing}");
    assert!(took.iter().sum::<f64>() <= all, "{timing} of {all} ms");
    assert_eq!(answer.get("x-tunnel-timing"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_own_timing_stays() {
    let service =
        TestService::saying("HTTP/1.1 200 OK\r\nserver-timing: db;dur=3\r\ncontent-length: 2\r\n\r\nok").await;
    for (timing, lines) in [(false, 1), (true, 2)] {
        let tunnel = Tunnel::with(Knobs { timing, ..Knobs::default() }, &service).await;
        let answer = tunnel.get("/").await;
        let told: Vec<_> = answer.head.lines.iter().filter(|(name, _)| name == "server-timing").collect();
        assert_eq!((told.len(), told[0].1.as_slice()), (lines, &b"db;dur=3"[..]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_relay_answers_any_host_with_its_tunnel() {
    let service = TestService::saying(OK).await;
    let tunnel = Tunnel::with(Knobs { embedded: true, ..Knobs::default() }, &service).await;
    for host in ["box.localhost", "BOX.LOCALHOST:1", "192.168.1.7:8080", "laptop", "[::1]:8080"] {
        let answer = tunnel.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{host}");
    }
    assert_eq!(tunnel.ask("GET / HTTP/1.0\r\n\r\n").await.status(), 200);
}
