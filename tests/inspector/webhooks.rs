//! Signatures: the vendors' own libraries make what is verified here, and verify what is made here.

use crate::process::{PATIENCE, python};
use crate::stage::Stage;
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use serde_json::{Map, Value, json};
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

const BODY: &str = r#"{"id":"evt_1","object":"event","text":"zwölf"}"#;

/// A secret of each scheme, in its own form.
const SECRETS: [(&str, &str); 4] = [
    ("github", "It's a Secret to Everybody"),
    ("stripe", "whsec_test_secret"),
    ("slack", "8f742231b10e8888abcd99yyyzzz85a5"),
    ("standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
];

/// Asks the vendor's library.
async fn library(action: &str, scheme: &str, secret: &str, headers: &Value, body: &str) -> Result<Value> {
    let mut child = python("inspector/webhooks.py")
        .args([action, scheme, secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run tests/setup")?;
    let request = json!({ "headers": headers, "body": STANDARD.encode(body) }).to_string();
    let mut stdin = child.stdin.take().context("it is piped")?;
    stdin.write_all(request.as_bytes()).await?;
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output()).await??;
    ensure!(output.status.success(), "{scheme}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}

fn lines(headers: &Value) -> Vec<(&str, &str)> {
    let pairs = headers.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())).collect()
}

#[tokio::test]
async fn a_request_that_its_sender_signed_passes_and_no_other() -> Result<()> {
    for (scheme, secret) in SECRETS {
        let stage = Stage::start(&["--verify", &format!("{scheme}:{secret}")]).await?;
        let signed = library("sign", scheme, secret, &json!({}), BODY).await?;
        let passed = stage.visit("POST", "/signed", &lines(&signed), BODY).await?;
        ensure!(passed.status == 200, "{scheme}: {:?}", passed.body);
        assert_eq!(passed.json()["body"], STANDARD.encode(BODY), "the service gets the body");
        let tampered = stage.visit("POST", "/tampered", &lines(&signed), BODY.replace("evt_1", "evt_2")).await?;
        let unsigned = stage.visit("POST", "/unsigned", &[], BODY).await?;
        for answer in [&tampered, &unsigned] {
            assert_eq!(answer.status, 401, "{scheme}");
            assert_eq!(answer.headers["x-tunnel-error"], "signature-invalid", "{scheme}");
            assert!(
                !answer.headers["www-authenticate"].as_bytes().starts_with(b"Basic"),
                "nobody is asked for a password"
            );
        }
        let shown = stage.exchange("/tampered").await?;
        assert_eq!((&shown["fault"], &shown["status"]), (&json!("signature-invalid"), &json!(401)));
        assert!(shown["fault_detail"].as_str().is_some_and(|why| why.contains(scheme)), "{shown}");
        assert_eq!(shown["timing"]["service_ms"], Value::Null, "the service was not asked");
    }
    Ok(())
}

#[tokio::test]
async fn a_large_signed_upload_passes_whole() -> Result<()> {
    let (scheme, secret) = SECRETS[0];
    let stage = Stage::start(&["--verify", &format!("{scheme}:{secret}")]).await?;
    let body = format!("{{\"x\":\"{}\"}}", "y".repeat(1_500_000));
    let signed = library("sign", scheme, secret, &json!({}), &body).await?;
    let mut lines = lines(&signed);
    lines.push(("expect", "100-continue"));
    let passed = stage.visit("POST", "/large", &lines, body.clone()).await?;
    assert_eq!(passed.json()["body"], STANDARD.encode(&body));
    let half = stage.visit("POST", "/half", &lines, body[..1_000_000].to_owned()).await?;
    assert_eq!(half.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_replay_signed_afresh_passes_the_vendors_own_check() -> Result<()> {
    let stage = Stage::start(&["--webhook-secret", "github:It's a Secret to Everybody"]).await?;
    for (scheme, secret) in SECRETS {
        let mut stale = library("sign", scheme, secret, &json!({}), BODY).await?;
        for (name, value) in stale.as_object_mut().context("headers")? {
            if name.contains("signature") {
                *value = json!("t=1,v1=00");
            }
        }
        let target = format!("/{scheme}");
        stage.visit("POST", &target, &lines(&stale), BODY).await?;
        let exchange = stage.exchange(&target).await?;
        assert_eq!(exchange["signature"], scheme);
        if scheme != "github" {
            let path = format!("/api/secrets/{scheme}");
            assert_eq!(stage.order(Method::PUT, &path, &json!({ "secret": secret })).await?.status, 200);
        }
        let path = format!("/api/exchanges/{}/replay", exchange["id"]);
        let answer = stage.order(Method::POST, &path, &json!({ "sign": scheme })).await?.json();
        let again = stage.api(&format!("/api/exchanges/{}", answer["replays"][0]["id"])).await?;
        let said: Value = serde_json::from_str(again["response"]["body"]["text"].as_str().context("text")?)?;
        let mut headers = Map::new();
        for line in said["headers"].as_array().context("headers")? {
            let value = STANDARD.decode(line[1].as_str().context("base64")?)?;
            headers.insert(line[0].as_str().context("a name")?.to_owned(), String::from_utf8(value)?.into());
        }
        library("verify", scheme, secret, &Value::Object(headers), BODY).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_is_nowhere_to_be_read() -> Result<()> {
    let stage = Stage::start(&["--webhook-secret", "github:hunter2hunter2"]).await?;
    stage.order(Method::PUT, "/api/secrets/slack", &json!({ "secret": "hunter2hunter3" })).await?;
    stage.get("/x").await?;
    let id = stage.id("/x").await?;
    for path in ["/api", "/api/secrets", "/api/har", "/api/exchanges", &format!("/api/exchanges/{id}")] {
        let text = stage.api(path).await?.to_string();
        assert!(!text.contains("hunter2"), "{path}");
    }
    assert_eq!(stage.api("/api/secrets").await?["schemes"], json!(["github", "slack"]));
    Ok(())
}
