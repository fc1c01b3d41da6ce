//! Who is let in: every refusal has a status and a text that the forwarder's user can act on.

use crate::support::relay::{Setup, TestRelay};
use crate::support::stranger::{Link, Refused, forwarder, handshake, owner};
use crate::support::wire::{BOTH, Encoding};
use crate::support::{eventually, within};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_tunnel::gate::access::AccessConfig;
use http_tunnel::relay::config::OperatorLimits;
use http_tunnel::secret::Secret;
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

const TOKEN: &str = "a-shared-token";
const JWT_SECRET: &str = "0123456789abcdef0123456789abcdef";

fn guarded() -> Setup {
    let access = AccessConfig {
        tokens: vec![Secret::new(TOKEN)],
        jwt_secret: Some(Secret::new(JWT_SECRET)),
        ..AccessConfig::default()
    };
    Setup { access, ..Setup::default() }
}

fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, JWT_SECRET.as_bytes());
    let signature = aws_lc_rs::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn in_seconds(offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    now.as_secs() as i64 + offset
}

async fn refused(relay: &TestRelay, fields: &[(&str, &str)]) -> Refused {
    match handshake(relay.address, fields).await {
        Err(refused) => refused,
        Ok(_) => panic!("the handshake was accepted: {fields:?}"),
    }
}

#[tokio::test]
async fn without_a_good_token_for_the_name_nobody_gets_in() {
    let relay = guarded().start().await;
    let expired = jwt(&json!({"exp": in_seconds(-3600), "sub": "ana"}));
    let others = jwt(&json!({"exp": in_seconds(3600), "names": ["ana-*", "blog"], "sub": "ana"}));
    let forged = format!("{}x", jwt(&json!({"exp": in_seconds(3600)})));
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let cases = [
        ("no token", None, 401, "--token"),
        ("another token", bearer("guess"), 401, "not accepted"),
        ("another scheme", Some("Basic YTpi".to_owned()), 401, "Bearer TOKEN"),
        ("an expired JWT", bearer(&expired), 401, "expired"),
        ("a forged JWT", bearer(&forged), 401, "not accepted"),
        ("a JWT for other names", bearer(&others), 403, "--name one of ana-*, blog"),
    ];
    let secret = owner('a');
    for (what, authorization, status, says) in cases {
        let mut fields = vec![
            ("Sec-WebSocket-Protocol", "tunnel.v1.bin, tunnel.v1.json"),
            ("x-tunnel-name", "shop"),
            ("x-tunnel-owner", secret.as_str()),
        ];
        fields.extend(authorization.as_deref().map(|value| ("Authorization", value)));
        let refused = refused(&relay, &fields).await;
        assert_eq!(refused.status, status, "{what}: {}", refused.text);
        assert!(refused.text.contains(says), "{what}: {}", refused.text);
        assert_eq!(refused.text.trim().lines().count(), 1, "{what}: {}", refused.text);
        for secret in ["guess", expired.as_str(), others.as_str(), TOKEN] {
            assert!(!refused.text.contains(secret), "{what} repeats the token");
        }
    }
    for good in [TOKEN.to_owned(), jwt(&json!({"exp": in_seconds(3600), "names": ["shop"], "sub": "ana"}))] {
        let authorization = format!("Bearer {good}");
        let fields = [
            ("Sec-WebSocket-Protocol", "tunnel.v1.json"),
            ("x-tunnel-name", "shop"),
            ("x-tunnel-owner", secret.as_str()),
            ("Authorization", authorization.as_str()),
        ];
        assert!(handshake(relay.address, &fields).await.is_ok());
    }
}

#[tokio::test]
async fn a_handshake_that_says_too_little_is_told_what_is_missing() {
    let relay = TestRelay::start().await;
    let secret = owner('a');
    let cases = [
        ("Shop", Some(secret.as_str()), "a-z, 0-9 and -"),
        ("ab", Some(secret.as_str()), "3 to 40"),
        ("-shop", Some(secret.as_str()), "neither starts nor ends"),
        ("shop", None, "x-tunnel-owner"),
        ("shop", Some("1234"), "64 hex digits"),
    ];
    for (name, owner, says) in cases {
        let mut fields = vec![("Sec-WebSocket-Protocol", "tunnel.v1.bin"), ("x-tunnel-name", name)];
        fields.extend(owner.map(|owner| ("x-tunnel-owner", owner)));
        let refused = refused(&relay, &fields).await;
        assert_eq!(refused.status, 400, "{name}: {}", refused.text);
        assert!(refused.text.contains(says), "{name}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_version_that_is_not_spoken_is_told_what_to_upgrade() {
    let relay = TestRelay::start().await;
    let secret = owner('a');
    for offered in ["tunnel.v2.json", "tunnel.v9.bin, tunnel.v9.json"] {
        let fields = [("Sec-WebSocket-Protocol", offered), ("x-tunnel-name", "shop"), ("x-tunnel-owner", &secret)];
        let refused = refused(&relay, &fields).await;
        assert_eq!(refused.status, 426, "{}", refused.text);
        for part in ["tunnel.v1.bin", "tunnel.v1.json", offered, "upgrade"] {
            assert!(refused.text.contains(part), "{part}: {}", refused.text);
        }
    }
}

#[tokio::test]
async fn the_gate_picks_the_binary_encoding_when_both_are_offered() {
    let relay = TestRelay::start().await;
    let secret = owner('a');
    for (offered, chosen) in [
        ("tunnel.v1.json, tunnel.v1.bin", "tunnel.v1.bin"),
        ("tunnel.v2.bin, tunnel.v1.json", "tunnel.v1.json"),
        ("tunnel.v1.json", "tunnel.v1.json"),
    ] {
        let fields = [("Sec-WebSocket-Protocol", offered), ("x-tunnel-name", "shop"), ("x-tunnel-owner", &secret)];
        let (_, protocol) = handshake(relay.address, &fields).await.expect("accepted");
        assert_eq!(protocol, chosen, "{offered}");
    }
}

#[tokio::test]
async fn a_forwarder_without_a_name_gets_a_readable_one_and_the_same_one_again() {
    let relay = TestRelay::start().await;
    let secret = owner('b');
    let mut names = Vec::new();
    for _ in 0..2 {
        let fields = [("Sec-WebSocket-Protocol", "tunnel.v1.json"), ("x-tunnel-owner", secret.as_str())];
        let (socket, _) = handshake(relay.address, &fields).await.expect("accepted");
        let mut link = Link { socket, encoding: Encoding::Text, frames: Vec::new() };
        link.send(json!({"kind": "hello", "agent": "stranger/1"})).await;
        let welcome = link.receive().await;
        let name = welcome["name"].as_str().expect("a name").to_owned();
        assert_eq!(welcome["url"], format!("http://{name}.tunnel.test"));
        names.push(name);
    }
    assert_eq!(names[0], names[1]);
}

#[tokio::test]
async fn a_name_that_is_held_is_refused_to_others_and_given_to_its_owner_at_once() {
    for encoding in BOTH {
        let relay = TestRelay::start().await;
        let (mine, other) = (owner('a'), owner('b'));
        // Never read again, never closed: for the relay it stands, in truth it is dead.
        let (_dead, _) = forwarder(relay.address, encoding, "shop", &mine).await;
        let fields = [
            ("Sec-WebSocket-Protocol", encoding.subprotocol()),
            ("x-tunnel-name", "shop"),
            ("x-tunnel-owner", other.as_str()),
        ];
        let refused = refused(&relay, &fields).await;
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert!(refused.text.contains("shop") && refused.text.contains("--name"), "{}", refused.text);

        let (mut again, welcome) = forwarder(relay.address, encoding, "shop", &mine).await;
        assert_eq!(welcome["name"], "shop");
        let visit = relay.visit("shop", "/").await;
        let open = again.expect("open").await;
        again.answer(&open, "from the new link").await;
        assert_eq!(visit.finish().await.text(), "from the new link");
    }
}

#[tokio::test]
async fn a_dropped_name_stays_with_its_owner_for_the_grace_period_and_is_free_afterwards() {
    let grace = Duration::from_secs(2);
    let limits = OperatorLimits { name_grace: grace, ..OperatorLimits::default() };
    let relay = Setup { limits, ..Setup::default() }.start().await;
    let other = owner('b');
    let (link, _) = forwarder(relay.address, Encoding::Binary, "shop", &owner('a')).await;
    drop(link);
    let answer = eventually("the relay notices", || async {
        let answer = relay.get("shop", "/").await;
        (answer.fault() == Some("forwarder-offline")).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{}", answer.head);
    let fields =
        [("Sec-WebSocket-Protocol", "tunnel.v1.bin"), ("x-tunnel-name", "shop"), ("x-tunnel-owner", other.as_str())];
    assert_eq!(refused(&relay, &fields).await.status, 409);
    eventually("the grace period is over", || async { handshake(relay.address, &fields).await.ok() }).await;
}

#[tokio::test]
async fn a_token_holds_no_more_tunnels_than_the_operator_allows() {
    let mut setup = guarded();
    setup.limits.tunnels_per_token = NonZeroU32::new(1);
    let relay = setup.start().await;
    let (secret, authorization) = (owner('a'), format!("Bearer {TOKEN}"));
    let fields = |name| {
        [
            ("Sec-WebSocket-Protocol", "tunnel.v1.bin"),
            ("x-tunnel-name", name),
            ("x-tunnel-owner", secret.as_str()),
            ("Authorization", authorization.as_str()),
        ]
    };
    let _first = handshake(relay.address, &fields("first")).await.expect("the first one is allowed");
    let refused = refused(&relay, &fields("second")).await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert!(refused.text.contains("1 tunnels"), "{}", refused.text);
}

#[tokio::test]
async fn the_welcome_comes_before_every_exchange_and_to_no_one_without_a_hello() {
    let relay = TestRelay::start().await;
    let secret = owner('a');
    for encoding in BOTH {
        let fields = [
            ("Sec-WebSocket-Protocol", encoding.subprotocol()),
            ("x-tunnel-name", "shop"),
            ("x-tunnel-owner", secret.as_str()),
        ];
        let (socket, _) = handshake(relay.address, &fields).await.expect("accepted");
        let mut link = Link { socket, encoding, frames: Vec::new() };
        let visit = relay.visit("shop", "/").await;
        let early = tokio::time::timeout(Duration::from_millis(300), link.try_receive()).await;
        assert!(early.is_err(), "{early:?} came before the hello");
        link.send(json!({"kind": "hello", "agent": "stranger/1"})).await;
        assert_eq!(link.receive().await["kind"], "welcome");
        let open = link.receive().await;
        link.answer(&open, "patient").await;
        assert_eq!(visit.finish().await.text(), "patient");
    }
    let fields =
        [("Sec-WebSocket-Protocol", "tunnel.v1.bin"), ("x-tunnel-name", "mute"), ("x-tunnel-owner", secret.as_str())];
    let (socket, _) = handshake(relay.address, &fields).await.expect("accepted");
    let mut link = Link { socket, encoding: Encoding::Binary, frames: Vec::new() };
    let visit = relay.visit("mute", "/").await;
    let (code, reason) = link.closed().await;
    assert!(code == 1008 && reason.contains("hello"), "{code} {reason}");
    assert_eq!(visit.finish().await.fault(), Some("forwarder-offline"));
}

#[tokio::test]
async fn an_unknown_name_is_not_found_and_says_so() {
    let relay = TestRelay::start().await;
    let answer = within("an answer", relay.get("nobody", "/")).await;
    assert_eq!((answer.status, answer.fault()), (404, Some("tunnel-not-found")));
}
