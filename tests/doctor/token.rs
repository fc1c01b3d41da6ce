//! The token: wanted, refused, for other names, expired; and never printed.

use crate::clinic::{Findings, doctor, examined, ws};
use crate::support::relay::{Setup, TestRelay};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http_tunnel::gate::access::AccessConfig;
use http_tunnel::secret::Secret;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const TOKEN: &str = "sesame-that-nobody-may-see";
const JWT_SECRET: &str = "jwt-secret-never-to-be-seen-32-bytes-long";

async fn gate() -> TestRelay {
    let access = AccessConfig {
        tokens: vec![Secret::new(TOKEN)],
        jwt_secret: Some(Secret::new(JWT_SECRET)),
        ..AccessConfig::default()
    };
    Setup { access, ..Setup::default() }.start().await
}

fn jwt(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(JWT_SECRET.as_bytes())).expect("a JWT")
}

fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    i64::try_from(now).expect("a date") + seconds
}

async fn with(token: &str, words: &[&str]) -> Findings {
    let relay = gate().await;
    let endpoint = ws(relay.address);
    let findings = examined(&[words, &["--endpoint", &endpoint]].concat(), &[("TUNNEL_TOKEN", token)]).await;
    assert!(token.is_empty() || !findings.out.contains(token), "a token is printed: {}", findings.out);
    findings
}

#[tokio::test]
async fn a_token_is_taken_refused_or_missing() {
    let taken = with(TOKEN, &[]).await;
    taken.has("token", "ok", "the gate takes it", "");
    assert_eq!(taken.code, Some(0), "{}", taken.out);
    let refused = with("open-barley", &[]).await;
    refused.has("endpoint-gate", "ok", "refuses the link (401)", "");
    refused.has("token", "fail", "refused (401", "the one that the operator gave");
    let missing = with("", &[]).await;
    missing.has("token", "fail", "none is given", "--token");
    assert_eq!((refused.code, missing.code), (Some(1), Some(1)));
}

#[tokio::test]
async fn a_jwt_says_its_names_and_its_end() {
    let claims = json!({"exp": in_seconds(3 * 86_400 + 60), "names": ["web", "ana-*"], "sub": "ana"});
    let fits = with(&jwt(&claims), &["--name", "ana-1"]).await;
    fits.has("token", "ok", "for the name ana-1", "");
    fits.has("token-claims", "ok", "a JWT (read, not verified): for the names web, ana-*, expires in 3 days", "");
    let other = with(&jwt(&claims), &["--name", "shop"]).await;
    other.has("token", "fail", "not for this name", "--name");
    let expired = with(&jwt(&json!({"exp": in_seconds(-7_300), "sub": "ana"})), &[]).await;
    expired.has("token", "fail", "refused (401", "not expired");
    expired.has("token-claims", "fail", "for any name, expired 2 h ago", "new token");
}

#[tokio::test]
async fn no_secret_is_printed_whatever_is_wrong() {
    let claims = BASE64_URL_SAFE_NO_PAD.encode("{\"exp\": 1}");
    let secrets = ["plain-secret-1".to_owned(), format!("eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl")];
    for token in &secrets {
        let env = [("HTTPS_PROXY", "http://user:proxy-secret@127.0.0.1:9"), ("MINE", token)];
        for words in [&["--json"][..], &[]] {
            let words = [words, &["--endpoint", "wss://relay.example", "--token", "env:MINE"]].concat();
            let header = ["--header", "X-Key: header-secret", "--basic-auth", "ana:basic-secret"];
            let report = doctor(&[&words[..], &header, &["9"]].concat(), &env).await;
            for secret in [token, "proxy-secret", "header-secret", "basic-secret"] {
                assert!(!report.out.contains(secret) && !report.err.contains(secret), "{}{}", report.out, report.err);
            }
        }
    }
}
