use super::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a test's own value")))
        .collect()
}

fn visitor(address: &str) -> Visitor {
    Visitor { address: address.parse().ok(), secure: false, trusted_proxy: false }
}

#[test]
fn hop_by_hop_headers_stay_behind_and_all_others_travel() {
    let mut map = headers(&[
        ("connection", "keep-alive, X-Mine"),
        ("keep-alive", "timeout=5"),
        ("x-mine", "1"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-connection", "keep-alive"),
        ("x-other", "2"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]);
    strip_hop_by_hop(&mut map);
    assert_eq!(map, headers(&[("x-other", "2"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]));
}

#[test]
fn a_connection_header_cannot_remove_what_every_exchange_needs() {
    let mut map = headers(&[
        ("connection", "close, Host, Content-Length, Cookie, X-Forwarded-For"),
        ("host", "a"),
        ("content-length", "3"),
    ]);
    strip_hop_by_hop(&mut map);
    assert_eq!(map, headers(&[("host", "a"), ("content-length", "3")]));
}

#[test]
fn a_visitors_own_claims_about_its_address_are_replaced() {
    let mut map = headers(&[
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-prefix", "/x"),
        ("forwarded", "for=6.6.6.6"),
    ]);
    let from = set_forwarded(&mut map, &visitor("192.0.2.7"), "web.example.com", None);
    assert_eq!(from, "192.0.2.7".parse().ok());
    assert_eq!(
        map,
        headers(&[
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "web.example.com")
        ])
    );
}

#[test]
fn a_trusted_proxys_chain_is_kept_and_its_last_entry_is_the_visitor() {
    let mut map = headers(&[
        ("x-forwarded-for", "6.6.6.6, 192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    ]);
    let proxy = Visitor { trusted_proxy: true, ..visitor("10.0.0.1") };
    let from = set_forwarded(&mut map, &proxy, "internal", Some("/web"));
    assert_eq!(from, "192.0.2.7".parse().ok());
    assert_eq!(
        map,
        headers(&[
            ("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-prefix", "/web")
        ])
    );
}

#[test]
fn only_a_get_with_all_handshake_fields_asks_for_a_websocket() {
    let full = headers(&[("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade"), ("sec-websocket-key", "x")]);
    assert!(asks_for_websocket(&Method::GET, &full));
    assert!(!asks_for_websocket(&Method::POST, &full));
    for missing in ["upgrade", "connection", "sec-websocket-key"] {
        let mut map = full.clone();
        map.remove(missing);
        assert!(!asks_for_websocket(&Method::GET, &map), "{missing}");
    }
}

#[test]
fn the_size_of_a_head_is_what_its_lines_take() {
    assert_eq!(size(&headers(&[("a", "bc"), ("d", "")])), "a: bc\r\nd: \r\n".len());
}

#[test]
fn an_address_is_written_as_its_display_writes_it() {
    for address in ["0.0.0.0", "1.20.255.100", "127.0.0.1", "10.9.99.200", "::1", "2001:db8::7", "::ffff:1.2.3.4"] {
        let mut text = String::from("before, ");
        push_address(&mut text, address.parse().expect("an address"));
        assert_eq!(text, format!("before, {address}"));
    }
}
