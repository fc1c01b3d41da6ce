use super::*;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;

fn decode<M: Message>(encoded: &Encoded) -> Result<Option<M>, WireError> {
    match encoded {
        Encoded::Text(text) => M::decode_text(text),
        Encoded::Binary(bytes) => M::decode_binary(bytes.clone()),
    }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from), ".{0,200}".prop_map(Bytes::from),]
}

fn chunk() -> impl Strategy<Value = Chunk> {
    (bytes(), any::<bool>()).prop_map(|(bytes, end)| Chunk { bytes, end })
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let value = proptest::collection::vec(prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8], 0..40);
    proptest::collection::vec(("[a-z][a-z0-9-]{0,12}", value), 0..8).prop_map(|lines| {
        let line = |(name, value): (String, Vec<u8>)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("made of letters");
            (name, HeaderValue::from_bytes(&value).expect("made of legal bytes"))
        };
        lines.into_iter().map(line).collect()
    })
}

fn request_head() -> impl Strategy<Value = RequestHead> {
    let from = proptest::option::of(any::<std::net::IpAddr>());
    ("[A-Z]{1,12}", "/[!-\"$-;=?-Z_a-z|~]{0,60}", headers(), from, any::<bool>()).prop_filter_map(
        "a target that http accepts",
        |(method, target, headers, from, websocket)| {
            let target = binary::target(target.as_bytes()).ok()?;
            Some(RequestHead { method: method.parse().ok()?, target, headers, from, websocket })
        },
    )
}

fn flow() -> impl Strategy<Value = Flow> {
    prop_oneof![
        (any::<u32>(), chunk()).prop_map(|(n, chunk)| Flow::Part(n, chunk)),
        ".{0,50}".prop_map(Flow::Abort),
        Just(Flow::Cancel),
        any::<u32>().prop_map(Flow::Credit),
        (any::<u32>(), any::<bool>(), any::<bool>(), bytes())
            .prop_map(|(n, binary, more, bytes)| Flow::Message(n, Piece { binary, more, bytes })),
        (any::<u32>(), any::<u16>(), ".{0,50}").prop_map(|(n, code, reason)| Flow::Close(n, code, reason)),
    ]
}

fn to_forwarder() -> impl Strategy<Value = ToForwarder> {
    let id = || any::<u64>().prop_map(ExchangeId);
    let welcome =
        (".{0,20}", ".{0,20}", proptest::option::of(any::<u32>()), any::<u32>(), proptest::option::of(any::<u64>()));
    prop_oneof![
        welcome.prop_map(|(name, url, window, keep_alive, answer_limit)| {
            ToForwarder::Welcome(Welcome {
                name,
                stream_url: answer_limit.map(|_| url.clone()),
                url,
                window,
                keep_alive,
                lifetime: window,
                answer_limit,
            })
        }),
        ".{0,50}".prop_map(ToForwarder::Bye),
        Just(ToForwarder::Ping),
        Just(ToForwarder::Pong),
        (id(), request_head(), chunk()).prop_map(|(id, head, chunk)| ToForwarder::Open(id, head, chunk)),
        (id(), flow()).prop_map(|(id, flow)| ToForwarder::Flow(id, flow)),
    ]
}

fn to_gate() -> impl Strategy<Value = ToGate> {
    let id = || any::<u64>().prop_map(ExchangeId);
    let status = (100_u16..1000).prop_map(|status| StatusCode::from_u16(status).expect("in range"));
    prop_oneof![
        ".{0,50}".prop_map(|agent| ToGate::Hello(Hello { agent })),
        Just(ToGate::Ping),
        Just(ToGate::Pong),
        (id(), status, headers(), chunk()).prop_map(|(id, status, headers, chunk)| ToGate::Answer(
            id,
            ResponseHead { status, headers },
            chunk
        )),
        (id(), proptest::sample::select(Code::ALL.to_vec()), ".{0,50}")
            .prop_map(|(id, code, why)| ToGate::Fail(id, code, why)),
        (id(), flow()).prop_map(|(id, flow)| ToGate::Flow(id, flow)),
    ]
}

proptest! {
    #[test]
    fn every_message_to_a_forwarder_survives_both_encodings(message in to_forwarder()) {
        for encoding in Encoding::ALL {
            prop_assert_eq!(decode(&message.encode(encoding)), Ok(Some(message.clone())));
        }
    }

    #[test]
    fn every_message_to_the_gate_survives_both_encodings(message in to_gate()) {
        for encoding in Encoding::ALL {
            prop_assert_eq!(decode(&message.encode(encoding)), Ok(Some(message.clone())));
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_an_error_or_another_message_but_never_a_panic(message in to_gate(), at in any::<prop::sample::Index>()) {
        let Encoded::Binary(whole) = message.encode(Encoding::Binary) else { unreachable!("asked for binary") };
        let _either = ToGate::decode_binary(whole.slice(..at.index(whole.len())));
        let _either = ToForwarder::decode_binary(whole.slice(..at.index(whole.len())));
    }

    #[test]
    fn frames_of_a_text_are_within_the_limit_and_join_to_it(text in ".{0,40}", times in 1_usize..4000) {
        let text = text.repeat(times);
        let cut: Vec<&str> = frames(&text).collect();
        prop_assert!(cut.iter().all(|frame| frame.len() <= limits::TEXT_FRAME));
        prop_assert_eq!(cut.concat(), text);
    }
}

#[test]
fn the_largest_part_of_any_bytes_fits_a_text_message() {
    for byte in [0_u8, b'"', b'a', 0x1f, 0xff] {
        let body = Bytes::from(vec![byte; limits::TEXT_PART]);
        let message = ToGate::Flow(ExchangeId(u64::MAX), Flow::Part(u32::MAX, Chunk { bytes: body, end: true }));
        let size = message.encode(Encoding::Text).len();
        assert!(size <= limits::TEXT_MESSAGE, "{size} bytes for {byte:#x}");
    }
}

#[test]
fn a_body_that_is_text_travels_as_text_and_other_bytes_as_base64() {
    let text = |bytes: &'static [u8]| match ToGate::Flow(
        ExchangeId(1),
        Flow::Part(1, Chunk::whole(Bytes::from_static(bytes))),
    )
    .encode(Encoding::Text)
    {
        Encoded::Text(text) => text,
        Encoded::Binary(_) => unreachable!("asked for text"),
    };
    assert_eq!(text(b"{}"), r#"{"kind":"part","id":"0000000000000001","n":1,"text":"{}","end":true}"#);
    assert_eq!(text(b"\xff\xfe"), r#"{"kind":"part","id":"0000000000000001","n":1,"data":"//4=","end":true}"#);
    assert!(text(b"\0\0\0\0\0\0").contains(r#""data""#), "where escapes would be longer than base64");
}

#[test]
fn kinds_and_fields_of_a_later_version_are_skipped() {
    assert_eq!(ToForwarder::decode_text(r#"{"kind":"sparkle","id":7}"#.replace('7', "\"7\"").as_str()), Ok(None));
    assert_eq!(
        ToForwarder::decode_text(r#"{"kind":"ping","colour":"blue","deep":{"a":[1]}}"#),
        Ok(Some(ToForwarder::Ping))
    );
    assert_eq!(ToGate::decode_binary(Bytes::from_static(&[200, 1, 2, 3])), Ok(None));
}

#[test]
fn the_platforms_own_error_frame_is_not_a_message_of_ours() {
    let frame = r#"{"message":"Internal server error","connectionId":"TWegAcC4EowCHnA=","requestId":"AbC="}"#;
    assert_eq!(ToForwarder::decode_text(frame), Ok(None));
}

#[test]
fn a_head_with_fields_behind_those_known_is_read() {
    let head = RequestHead {
        method: Method::GET,
        target: "/".parse().expect("a path"),
        headers: HeaderMap::new(),
        from: None,
        websocket: false,
    };
    let message = ToForwarder::Open(ExchangeId(1), head, Chunk::whole(Bytes::from_static(b"body")));
    let Encoded::Binary(bytes) = message.encode(Encoding::Binary) else { unreachable!("asked for binary") };
    let length = u32::from_be_bytes(bytes[10..14].try_into().expect("four bytes"));
    let mut longer = bytes.to_vec();
    longer.splice(10..14, (length + 3).to_be_bytes());
    let head_end = 14 + length as usize;
    longer.splice(head_end..head_end, *b"new");
    assert_eq!(ToForwarder::decode_binary(longer.into()), Ok(Some(message)));
}

#[test]
fn no_line_break_travels_inside_a_header_or_a_target() {
    let open = |header: &str, target: &str| {
        let json = serde_json::json!({"kind":"open","id":"0000000000000001","method":"GET","target":target,"headers":[["a",header]],"end":true});
        ToForwarder::decode_text(&json.to_string())
    };
    assert!(open("b", "/").is_ok());
    assert_eq!(open("b\r\nx: y", "/"), Err(WireError::Field("headers")));
    assert_eq!(open("b", "/ HTTP/1.1\r\nx: y"), Err(WireError::Field("target")));
    assert_eq!(open("b", "http://elsewhere/"), Err(WireError::Field("target")));
    assert_eq!(open("b", "/#fragment"), Err(WireError::Field("target")));
}

#[test]
fn malformed_messages_name_what_is_wrong() {
    let cases = [
        ("", "malformed message"),
        ("[]", "malformed message"),
        (r#"{"kind":"part","id":"0000000000000001","data":"x"}"#, "field n"),
        (r#"{"kind":"part","id":"0000000000000001","n":1,"data":"*"}"#, "field data"),
        (r#"{"kind":"part","id":"0000000000000001","n":1,"data":"","text":""}"#, "field data"),
        (r#"{"kind":"part","id":"1","n":1}"#, "field id"),
        (r#"{"kind":"answer","id":"0000000000000001","status":99}"#, "field status"),
        (r#"{"kind":"close","id":"0000000000000001","n":1}"#, "field code"),
    ];
    for (json, expected) in cases {
        let error = ToGate::decode_text(json).expect_err(json).to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_is_read() {
    let text = " ".repeat(limits::TEXT_MESSAGE + 1);
    assert_eq!(ToGate::decode_text(&text), Err(WireError::TooLarge(text.len())));
    let binary = Bytes::from(vec![0; limits::BINARY_MESSAGE + 1]);
    assert_eq!(ToGate::decode_binary(binary), Err(WireError::TooLarge(limits::BINARY_MESSAGE + 1)));
}

#[test]
fn the_gate_prefers_the_binary_encoding_among_those_offered() {
    assert_eq!(Encoding::choose("tunnel.v1.json, tunnel.v1.bin"), Some(Encoding::Binary));
    assert_eq!(Encoding::choose("chat,tunnel.v1.json"), Some(Encoding::Text));
    assert_eq!(Encoding::choose("tunnel.v2.json"), None);
}
