use super::*;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;

fn rules(allow: &[&str], deny: &[&str]) -> Rules {
    let networks = |texts: &[&str]| texts.iter().map(|text| network(text).expect(text)).collect();
    Rules { basic_auth: None, allow: networks(allow), deny: networks(deny) }
}

fn decision(rules: &Rules, from: Option<&str>, headers: &HeaderMap) -> Option<Code> {
    let from = from.map(|text| text.parse().expect(text));
    rules.check(from, headers).err().map(|fault| fault.code)
}

#[test]
fn a_visitor_is_admitted_by_address() {
    let forbidden = Some(Code::Forbidden);
    type Networks = &'static [&'static str];
    let cases: [(Networks, Networks, Option<&str>, Option<Code>); 16] = [
        (&[], &[], Some("192.0.2.1"), None),
        (&[], &[], None, None),
        (&["192.0.2.0/24"], &[], Some("192.0.2.1"), None),
        (&["192.0.2.0/24"], &[], Some("192.0.3.1"), forbidden),
        (&["192.0.2.0/24"], &[], None, forbidden),
        (&["192.0.2.7"], &[], Some("192.0.2.7"), None),
        (&["192.0.2.7"], &[], Some("192.0.2.8"), forbidden),
        (&[], &["192.0.2.0/24"], Some("192.0.2.1"), forbidden),
        (&[], &["192.0.2.0/24"], Some("192.0.3.1"), None),
        (&[], &["192.0.2.0/24"], None, forbidden),
        (&["192.0.2.0/24"], &["192.0.2.7/32"], Some("192.0.2.7"), forbidden),
        (&["192.0.2.7/32"], &["192.0.2.0/24"], Some("192.0.2.7"), forbidden),
        (&["192.0.2.0/24"], &[], Some("::ffff:192.0.2.1"), None),
        (&[], &["::ffff:192.0.2.0/120"], Some("192.0.2.1"), forbidden),
        (&["2001:db8::/32"], &[], Some("2001:db8::1"), None),
        (&["::/0"], &[], Some("::ffff:192.0.2.1"), forbidden),
    ];
    for (allow, deny, from, expected) in cases {
        let rules = rules(allow, deny);
        assert_eq!(decision(&rules, from, &HeaderMap::new()), expected, "{allow:?} {deny:?} {from:?}");
    }
}

#[test]
fn text_that_is_no_network_is_not_read_as_one() {
    for bad in ["", "192.0.2.0/33", "192.0.2", "example.com", "2001:db8::/129", "192.0.2.0/24 "] {
        assert_eq!(network(bad), None, "{bad}");
    }
}

fn with_password() -> Rules {
    Rules { basic_auth: Some(BasicAuth::new("ana", "pass:wörd")), ..Rules::default() }
}

fn authorization(values: &[&str]) -> HeaderMap {
    values.iter().map(|text| (header::AUTHORIZATION, HeaderValue::from_str(text).expect(text))).collect()
}

#[test]
fn only_the_right_user_and_password_are_admitted() {
    let unauthorized = Some(Code::Unauthorized);
    let cases = [
        ("ana:pass:wörd", None),
        ("ana:pass:word", unauthorized),
        ("Ana:pass:wörd", unauthorized),
        ("ana:pass", unauthorized),
        ("ana:", unauthorized),
        (":pass:wörd", unauthorized),
        ("ana", unauthorized),
        ("", unauthorized),
    ];
    for (login, expected) in cases {
        let encoded = BASE64_STANDARD.encode(login);
        for value in [format!("Basic {encoded}"), format!("basic {}", encoded.trim_end_matches('='))] {
            assert_eq!(decision(&with_password(), None, &authorization(&[&value])), expected, "{login}: {value}");
        }
    }
}

#[test]
fn a_malformed_or_doubled_authorization_is_no_password() {
    let right = format!("Basic {}", BASE64_STANDARD.encode("ana:pass:wörd"));
    assert_eq!(decision(&with_password(), None, &authorization(&[&right])), None);
    let bearer = right.replace("Basic", "Bearer");
    let unspaced = right.replace(' ', "");
    let cases: [&[&str]; 7] =
        [&[], &["Basic"], &["Basic *"], &[&bearer], &[&unspaced], &[&right, &right], &[&right, "x"]];
    for values in cases {
        assert_eq!(decision(&with_password(), None, &authorization(values)), Some(Code::Unauthorized), "{values:?}");
    }
    let mut bytes = HeaderMap::new();
    bytes.insert(header::AUTHORIZATION, HeaderValue::from_bytes(b"Basic \xff").expect("legal bytes"));
    assert_eq!(decision(&with_password(), None, &bytes), Some(Code::Unauthorized));
}

#[test]
fn an_address_is_refused_before_a_password_is_asked_for() {
    let rules = Rules { deny: vec![network("192.0.2.0/24").expect("a network")], ..with_password() };
    assert_eq!(decision(&rules, Some("192.0.2.1"), &HeaderMap::new()), Some(Code::Forbidden));
    assert_eq!(decision(&rules, Some("192.0.3.1"), &HeaderMap::new()), Some(Code::Unauthorized));
}

#[test]
fn only_a_password_of_the_tunnel_is_kept_from_the_service() {
    assert!(with_password().removes_authorization());
    assert!(!rules(&["192.0.2.0/24"], &[]).removes_authorization());
}

#[test]
fn a_password_is_not_printed() {
    let printed = format!("{:?}", with_password());
    assert!(!printed.contains("ana") && !printed.contains("wörd"), "{printed}");
}
