use super::*;
use crate::fault::Code;
use crate::limits;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

fn visit(event: Value) -> Call {
    match Event::parse(event) {
        Ok(Event::Visit(call)) => *call,
        other => panic!("no visit: {other:?}"),
    }
}

/// An HTTP API's event, with `change` laid over it.
fn http_api(change: &Value) -> Value {
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/web/a", "rawQueryString": "",
        "headers": { "host": "abc.execute-api.eu-central-1.amazonaws.com", "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443", "x-forwarded-proto": "https", "x-amzn-trace-id": "Root=1-2-3" },
        "requestContext": { "accountId": "123456789012", "domainName": "abc.execute-api.eu-central-1.amazonaws.com",
            "http": { "method": "GET", "path": "/web/a", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" } },
        "isBase64Encoded": false,
    });
    merge(&mut event, change);
    event
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

fn body(call: Call) -> Bytes {
    let collected = futures_util::FutureExt::now_or_never(call.request.into_body().collect());
    collected.expect("a whole body is here at once").expect("it cannot fail").to_bytes()
}

#[test]
fn a_websocket_event_is_told_by_its_type() {
    let event = |kind: &str| {
        json!({ "requestContext": { "eventType": kind, "connectionId": "Tw=", "disconnectStatusCode": 1001 },
            "headers": { "Sec-WebSocket-Protocol": "tunnel.v1.json" }, "body": "{}", "isBase64Encoded": false })
    };
    assert!(matches!(Event::parse(event("CONNECT")), Ok(Event::Connect(id, headers))
        if id.as_str() == "Tw=" && headers["sec-websocket-protocol"] == "tunnel.v1.json"));
    assert!(matches!(Event::parse(event("DISCONNECT")), Ok(Event::Disconnect(_, Some(1001)))));
    assert!(matches!(Event::parse(event("MESSAGE")), Ok(Event::Message(_, text)) if text == "{}"));
    assert!(matches!(Event::parse(event("SURPRISE")), Err(EventError::WebSocketType(kind)) if kind == "SURPRISE"));
}

#[test]
fn an_event_of_no_known_shape_says_what_this_function_is_for() {
    for event in [json!({}), json!({ "Records": [] }), json!("text"), json!({ "requestContext": {} })] {
        let error = Event::parse(event).expect_err("it is none of ours").to_string();
        assert!(error.contains("API Gateway"), "{error}");
    }
}

#[test]
fn a_decoded_path_of_an_http_api_is_encoded_again() {
    let call = visit(http_api(&json!({ "rawPath": "/web/ü b%/c#d?e", "rawQueryString": "a=1&a=%2F&b" })));
    assert_eq!(call.door, Door::HttpApi);
    assert_eq!(call.request.uri().to_string(), "/web/%C3%BC%20b%25/c%23d%3Fe?a=1&a=%2F&b");
}

#[test]
fn a_path_of_a_function_url_stays_as_it_came() {
    let domain = "abc.lambda-url.eu-central-1.on.aws";
    let call = visit(http_api(&json!({ "rawPath": "/web/a%2Fb%20c", "requestContext": { "domainName": domain } })));
    assert_eq!((call.door, call.request.uri().path()), (Door::FunctionUrl, "/web/a%2Fb%20c"));
}

#[test]
fn what_the_platform_adds_is_taken_back_and_what_the_visitor_sent_stays() {
    let call = visit(http_api(&json!({
        "headers": { "content-length": "0", "expect": "100-continue", "x-own": "1" }, "cookies": ["a=1", "b=2"],
    })));
    let headers = call.request.headers();
    for gone in ["x-amzn-trace-id", "x-forwarded-port", "content-length", "expect"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert_eq!(
        (&headers["x-own"], &headers["cookie"]),
        (&"1".parse().expect("a value"), &"a=1; b=2".parse().expect("a value"))
    );
    assert!(call.visitor.secure && !call.visitor.trusted_proxy);
    assert_eq!(call.visitor.address, "192.0.2.1".parse().ok());
}

#[test]
fn an_empty_post_keeps_its_length() {
    let change = json!({ "headers": { "content-length": "0" }, "requestContext": { "http": { "method": "POST" } } });
    assert_eq!(visit(http_api(&change)).request.headers()["content-length"], "0");
}

#[test]
fn a_body_is_what_the_flag_says() {
    let text = visit(http_api(&json!({ "body": "aGk=" })));
    assert_eq!(body(text), "aGk=");
    let bytes = visit(http_api(&json!({ "body": "aGk=", "isBase64Encoded": true })));
    assert_eq!(body(bytes), "hi");
    let broken = Event::parse(http_api(&json!({ "body": "?", "isBase64Encoded": true })));
    assert!(matches!(broken, Err(EventError::Base64)));
}

#[test]
fn a_header_that_could_break_a_line_is_refused() {
    let broken = Event::parse(http_api(&json!({ "headers": { "x-a": "b\r\nx-c: d" } })));
    assert!(matches!(broken, Err(EventError::Field("headers"))));
}

#[test]
fn a_rest_event_has_every_value_of_a_header_and_a_query_put_together_again() {
    let call = visit(json!({
        "httpMethod": "PUT", "path": "/web/a%2Fb", "multiValueHeaders": { "Accept": ["a", "b"], "Host": ["h"] },
        "multiValueQueryStringParameters": { "q": ["1 2", "&"] },
        "requestContext": { "identity": { "sourceIp": "192.0.2.7" }, "domainName": "h" }, "body": null, "isBase64Encoded": false,
    }));
    assert_eq!((call.door, call.request.method()), (Door::RestApi, &Method::PUT));
    assert_eq!(call.request.uri().to_string(), "/web/a%2Fb?q=1%202&q=%26");
    assert_eq!(call.request.headers().get_all("accept").iter().count(), 2);
}

fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &[u8])| {
        (http::HeaderName::from_static(name), http::HeaderValue::from_bytes(value).expect("a value"))
    };
    lines.iter().map(line).collect()
}

#[test]
fn an_answer_joins_repeated_headers_and_keeps_every_cookie_apart() {
    let headers = headers(&[
        ("vary", b"accept"),
        ("vary", b"cookie"),
        ("set-cookie", b"a=1"),
        ("set-cookie", b"b=2"),
        ("content-length", b"2"),
        ("x-latin", b"\xe9"),
    ]);
    let answer = whole(StatusCode::OK, &headers, &Bytes::from("hi"), false, "").expect("it is small");
    assert_eq!(answer.headers["vary"], "accept, cookie");
    assert_eq!(answer.headers["x-latin"], "é");
    assert_eq!(answer.cookies, ["a=1", "b=2"]);
    assert!(!answer.headers.contains_key("content-length") && !answer.headers.contains_key("set-cookie"));
    let rest = whole(StatusCode::OK, &headers, &Bytes::from("hi"), true, "").expect("it is small");
    assert_eq!(rest.multi_value_headers["set-cookie"], ["a=1", "b=2"]);
    assert!(rest.headers.is_empty() && rest.cookies.is_empty());
}

#[test]
fn a_body_goes_as_text_where_that_is_shorter_and_else_in_base64() {
    let carry = |body: &'static [u8]| {
        let answer =
            whole(StatusCode::OK, &HeaderMap::new(), &Bytes::from_static(body), false, "").expect("it is small");
        (answer.body, answer.is_base64_encoded)
    };
    assert_eq!(carry("grüße".as_bytes()), ("grüße".to_owned(), false));
    assert_eq!(carry(b"\xff\x00"), ("/wA=".to_owned(), true));
    assert_eq!(carry(&[0x01; 12]), ("AQEBAQEBAQEBAQEB".to_owned(), true));
}

#[test]
fn an_answer_over_the_platforms_payload_is_refused_with_both_sizes() {
    let body = Bytes::from(vec![0xff; limits::LAMBDA_PAYLOAD / 4 * 3 + 3]);
    let fault = whole(StatusCode::OK, &HeaderMap::new(), &body, false, "; elsewhere").expect_err("it is too large");
    assert_eq!(fault.code, Code::ResponseTooLarge);
    assert!(
        fault.detail.contains(&limits::LAMBDA_PAYLOAD.to_string()) && fault.detail.contains("elsewhere"),
        "{fault}"
    );
    let text = Bytes::from(vec![b'a'; limits::LAMBDA_PAYLOAD / 4 * 3 + 3]);
    assert!(whole(StatusCode::OK, &HeaderMap::new(), &text, false, "").is_ok(), "text needs no base64");
}

#[test]
fn a_streamed_head_has_one_value_a_name_and_its_cookies_apart() {
    let headers = headers(&[("vary", b"a"), ("vary", b"b"), ("set-cookie", b"a=1"), ("content-length", b"9")]);
    let prelude = Prelude::new(StatusCode::OK, &headers);
    assert_eq!(prelude.headers["vary"], "a, b");
    assert_eq!(prelude.cookies, ["a=1"]);
    assert!(!prelude.headers.contains_key("content-length"));
}
