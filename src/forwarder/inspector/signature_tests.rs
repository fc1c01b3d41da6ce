//! The vendors' own published examples, and what must not pass.

use super::*;
use std::time::Duration;

fn key(scheme: Scheme, secret: &str) -> Key {
    Key::new(scheme, &Secret::new(secret)).expect("a key")
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().expect("a value"));
    pairs.iter().map(pair).collect()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// GitHub's documentation, "Testing the webhook payload validation".
#[test]
fn githubs_published_example_passes() {
    let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let key = key(Scheme::GitHub, "It's a Secret to Everybody");
    let given = headers(&[("x-hub-signature-256", right)]);
    assert_eq!(key.verify(&given, b"Hello, World!", at(0)), Ok(()));
    assert!(key.verify(&given, b"Hello, World?", at(0)).is_err());
    let mut signed = headers(&[("x-hub-signature", "sha1=0")]);
    key.sign(&mut signed, b"Hello, World!", at(0));
    assert_eq!(signed["x-hub-signature-256"], right);
    assert_eq!(signed["x-hub-signature"], "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59");
}

/// Slack's documentation, "Verifying requests from Slack".
#[test]
fn slacks_published_example_passes() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let right = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let key = key(Scheme::Slack, "8f742231b10e8888abcd99yyyzzz85a5");
    let given = headers(&[("x-slack-signature", right), ("x-slack-request-timestamp", "1531420618")]);
    assert_eq!(key.verify(&given, body.as_bytes(), at(1_531_420_618)), Ok(()));
    assert!(key.verify(&given, body.as_bytes(), at(1_531_420_618 + 301)).is_err_and(|why| why.0.contains("301 s")));
    let mut signed = HeaderMap::new();
    key.sign(&mut signed, body.as_bytes(), at(1_531_420_618));
    assert_eq!(signed, given);
}

/// The test vector of the Standard Webhooks libraries.
#[test]
fn the_published_standard_webhook_passes() {
    let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let key = key(Scheme::Standard, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let body = br#"{"test": 2432232314}"#;
    let pairs = [("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330")];
    for prefix in ["", "v1,AAAA ", "v2,zzzz "] {
        let mut given = headers(&pairs);
        given.insert("webhook-signature", format!("{prefix}{right}").parse().expect("a value"));
        assert_eq!(key.verify(&given, body, at(1_614_265_330)), Ok(()), "{prefix}");
    }
    let mut signed = headers(&pairs);
    key.sign(&mut signed, body, at(1_614_265_330));
    assert_eq!(signed["webhook-signature"], right);
    let mut svix =
        headers(&[("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("svix-timestamp", "0"), ("svix-signature", "")]);
    key.sign(&mut svix, body, at(1_614_265_330));
    assert_eq!(svix["svix-signature"], right);
    assert!(!svix.contains_key("webhook-id"));
}

#[test]
fn a_signature_made_here_passes_here_and_no_other_does() {
    for scheme in Scheme::ALL {
        let (ours, theirs) = (key(scheme, "whsec_c2VjcmV0"), key(scheme, "whsec_b3RoZXIx"));
        let mut signed = HeaderMap::new();
        ours.sign(&mut signed, b"body", at(1_000_000));
        assert_eq!(Scheme::of(&signed), Some(scheme));
        assert_eq!(ours.verify(&signed, b"body", at(1_000_299)), Ok(()), "{scheme:?}");
        assert!(ours.verify(&signed, b"bodY", at(1_000_000)).is_err(), "{scheme:?}");
        assert!(theirs.verify(&signed, b"body", at(1_000_000)).is_err(), "{scheme:?}");
        assert!(ours.verify(&HeaderMap::new(), b"body", at(1_000_000)).is_err(), "{scheme:?}");
        let stale = ours.verify(&signed, b"body", at(1_000_301));
        assert_eq!(stale.is_err(), scheme != Scheme::GitHub, "{scheme:?} has a timestamp");
        for (name, value) in &signed.clone() {
            let mut doubled = signed.clone();
            doubled.append(name, value.clone());
            assert!(ours.verify(&doubled, b"body", at(1_000_000)).is_err(), "{name} twice");
        }
    }
}

#[test]
fn malformed_signatures_are_refused() {
    let stripe = key(Scheme::Stripe, "whsec_x");
    for value in ["", "t=", "t=1", "v1=", "t=1,v1=zz", "t=1,v1=0", "t=-1,v1=00", "t=é,v1=é", ",,,===", "v1=éé"] {
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
        let mut given = HeaderMap::new();
        given.insert(STRIPE, value.clone());
        assert!(stripe.verify(&given, b"", at(1)).is_err(), "{value:?}");
    }
}

#[test]
fn a_secret_is_read_without_being_shown() {
    let env = |name: &str| (name == "S").then(|| "hush".to_owned());
    let read = |text: &str| Scheme::with_secret(text, &env);
    assert!(read("github:env:S").is_ok_and(|(scheme, secret)| scheme == Scheme::GitHub && secret.expose() == "hush"));
    for text in ["hunter2", "gitlab:hunter2", "standard:hunter2!"] {
        assert!(read(text).is_err_and(|why| !why.contains("hunter2")), "{text}");
    }
    assert!(!format!("{:?}", key(Scheme::Slack, "hunter2")).contains("hunter2"));
}
