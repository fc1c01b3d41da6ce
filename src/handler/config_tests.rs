use super::*;
use std::collections::HashMap;

const GOOD: [(&str, &str); 10] = [
    ("TUNNEL_CONNECTIONS_TABLE", "links"),
    ("TUNNEL_PENDING_TABLE", "pending"),
    ("TUNNEL_CALLBACK_URL", "https://a1b2.execute-api.eu-central-1.amazonaws.com/live"),
    ("TUNNEL_HTTP_URL", "https://c3d4.execute-api.eu-central-1.amazonaws.com/{tunnel}"),
    ("TUNNEL_PUBLIC_URL", "https://{tunnel}.tunnel.example.com"),
    ("TUNNEL_STREAM_URL", "https://abc.lambda-url.eu-central-1.on.aws/{tunnel}"),
    ("TUNNEL_TOKEN", "0123456789abcdef"),
    ("AWS_REGION", "eu-central-1"),
    ("AWS_ACCESS_KEY_ID", "AKIA"),
    ("AWS_SECRET_ACCESS_KEY", "hidden"),
];

fn read(change: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut names: HashMap<_, _> = GOOD.into_iter().collect();
    names.extend(change.iter().copied());
    Config::read(&|name| names.get(name).map(|text| (*text).to_owned()))
}

fn error(change: &[(&str, &str)]) -> String {
    read(change).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn a_whole_environment_is_read() {
    let config = read(&[("TUNNEL_ANSWER_SECONDS", "20")]).expect("it is complete");
    assert_eq!(config.answer, Duration::from_secs(20));
    assert_eq!(config.public_url.to_string(), "https://{tunnel}.tunnel.example.com");
    assert_eq!(config.stream_url.map(|url| url.to_string()).as_deref(), Some(GOOD[5].1));
}

#[test]
fn without_a_domain_tunnels_are_at_the_http_apis_own_address() {
    let config = read(&[("TUNNEL_PUBLIC_URL", ""), ("TUNNEL_STREAM_URL", "")]).expect("both are optional");
    assert_eq!(config.public_url, config.http_url);
    assert_eq!(config.stream_url, None);
    assert_eq!((config.answer, config.link), (limits::BUFFERED_ANSWER, limits::PLATFORM_LIFETIME));
}

#[test]
fn a_missing_name_is_named() {
    for name in
        ["TUNNEL_CONNECTIONS_TABLE", "TUNNEL_PENDING_TABLE", "TUNNEL_CALLBACK_URL", "TUNNEL_HTTP_URL", "AWS_REGION"]
    {
        let error = error(&[(name, "")]);
        assert!(error.contains(name) && error.contains("not set"), "{error}");
    }
}

#[test]
fn a_broken_value_is_named_with_what_would_be_right() {
    let cases = [
        ("TUNNEL_PUBLIC_URL", "tunnel.example.com", "{tunnel}"),
        ("TUNNEL_STREAM_URL", "https://abc.on.aws/", "{tunnel}"),
        ("TUNNEL_HTTP_URL", "ftp://x/{tunnel}", "http(s)"),
        ("TUNNEL_CALLBACK_URL", "a1b2", "execute-api"),
        ("TUNNEL_ANSWER_SECONDS", "30", "1 to 29"),
        ("TUNNEL_ANSWER_SECONDS", "soon", "1 to 29"),
        ("TUNNEL_LINK_SECONDS", "7201", "1 to 7200"),
        ("RUST_LOG", "http_tunnel=loud", "info"),
    ];
    for (name, value, right) in cases {
        let error = error(&[(name, value)]);
        assert!(error.contains(name) && error.contains(right), "{error}");
    }
}

#[test]
fn without_a_key_nobody_is_admitted_and_the_function_does_not_start() {
    assert!(error(&[("TUNNEL_TOKEN", "")]).contains("TUNNEL_TOKEN"));
}

#[test]
fn a_broken_key_is_refused_even_beside_a_good_one_and_is_not_printed() {
    for (name, value) in [("TUNNEL_JWKS", "{\"keys\": secret}"), ("TUNNEL_JWT_SECRET", "secret")] {
        let error = error(&[(name, value)]);
        assert!(error.contains("admit nobody") && !error.contains("secret\""), "{error}");
    }
}
