//! examples/webhooks, against the vendors' own libraries.

use crate::browser::Browser;
use crate::http::curl;
use crate::process::{Process, python, run};
use crate::readme::{Forwarder, Readme, ends_with};
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::process::Stdio;
use tempfile::tempdir;

/// As the README has them.
const SECRETS: [(&str, &str); 2] = [("github", "just-between-us"), ("stripe", "whsec_just_between_us")];

/// The receiver and the forwarder in front of it.
struct Stage {
    readme: Readme,
    forwarder: Forwarder,
    receiver: Process,
}

impl Stage {
    async fn start() -> Result<Self> {
        let mut readme = Readme::of("webhooks")?;
        readme.set("export ")?;
        let (receiver, _) = readme.serve("receiver.py").await?;
        let forwarder = readme.forward().await?;
        readme.set("URL=")?;
        Ok(Self { readme, forwarder, receiver })
    }

    /// Runs the next command, which sends an event.
    async fn send(&mut self, event: &str) -> Result<String> {
        let sent = run(&mut self.readme.command(event)?).await?;
        Ok(String::from_utf8(sent)?.trim_end().to_owned())
    }

    /// Runs the next command, which orders a replay, and says the service's answer to it.
    async fn replay(&mut self) -> Result<Value> {
        let ordered = run(&mut self.readme.command("/replay ")?).await?;
        let ordered: Value = serde_json::from_slice(&ordered)?;
        self.forwarder.exchange(ordered["replays"][0]["id"].as_u64().context("a replay")?).await
    }
}

/// Asks the vendor's library.
async fn library(action: &str, scheme: &str, secret: &str, request: &Value) -> Result<Value> {
    let folder = tempdir()?;
    let file = folder.path().join("request.json");
    std::fs::write(&file, request.to_string())?;
    let mut ask = python("inspector/webhooks.py");
    ask.args([action, scheme, secret]).stdin(Stdio::from(File::open(&file)?));
    Ok(serde_json::from_slice(&run(&mut ask).await?).unwrap_or_default())
}

/// Replays the latest exchange by keys.
async fn replay_in_the_page(forwarder: &Forwarder) -> Result<()> {
    let browser = Browser::open(&format!("http://{}/", forwarder.inspector)).await?;
    browser.until("return document.querySelectorAll('#rows tr').length === 4", &[]).await?;
    let press =
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: arguments[0], bubbles: true }))";
    browser.run(press, &[json!("j")]).await?;
    browser.until("return document.querySelector('#details .target')?.textContent === '/stripe'", &[]).await?;
    browser.run(press, &[json!("r")]).await?;
    browser.until("return document.querySelector('#outcome .replays') !== null", &[]).await?;
    browser.close().await
}

#[tokio::test]
async fn the_readmes_events_are_taken_and_a_stale_one_only_when_it_is_signed_afresh() -> Result<()> {
    let mut stage = Stage::start().await?;
    for (event, answer) in [
        ("github ping", "200 took ping: 'Keep it logically awesome.'"),
        ("github push", "200 took push of 2 commits to 'refs/heads/main' by 'octocat'"),
        ("stripe ", "200 took payment_intent.succeeded 'pi_3SXhK2CZ6qsJgndJ1Xq9mYvR': 24.90 eur"),
    ] {
        assert_eq!(stage.send(event).await?, answer);
    }
    let stale = ends_with(1, &mut stage.readme.command("--age 600")?).await?;
    assert_eq!(stale, "400 refused: Stripe-Signature is more than 300 s away from this clock\n");
    assert_eq!(stage.forwarder.exchange(4).await?["signature"], "stripe");
    replay_in_the_page(&stage.forwarder).await?;
    let replayed = stage.forwarder.exchange(5).await?;
    assert_eq!((&replayed["replay_of"], &replayed["status"]), (&json!(4), &json!(200)), "in the page");
    let replayed = stage.replay().await?;
    assert_eq!((&replayed["replay_of"], &replayed["status"]), (&json!(4), &json!(400)), "as it was");
    let replayed = stage.replay().await?;
    assert_eq!((&replayed["replay_of"], &replayed["status"]), (&json!(4), &json!(200)), "signed afresh");

    let Stage { mut readme, forwarder, mut receiver } = stage;
    drop(forwarder);
    let forwarder = readme.forward().await?;
    let taken = run(&mut readme.command("github push")?).await?;
    assert!(taken.starts_with(b"200 took push"), "{taken:?}");
    let refused = ends_with(1, &mut readme.command("guessed")?).await?;
    assert!(refused.starts_with("401 ") && refused.contains("signature-invalid"), "{refused}");
    let shown = forwarder.exchange(2).await?;
    assert_eq!((&shown["fault"], &shown["timing"]["service_ms"]), (&json!("signature-invalid"), &Value::Null));
    receiver.line(|line| line.starts_with("stripe 400").then_some(())).await?;
    readme.end();
    Ok(())
}

#[tokio::test]
async fn what_is_sent_passes_the_vendors_own_checks() -> Result<()> {
    let mut stage = Stage::start().await?;
    for event in ["github ping", "github push", "stripe "] {
        stage.send(event).await?;
    }
    for (id, (scheme, secret)) in [(2, SECRETS[0]), (3, SECRETS[1])] {
        let request = stage.forwarder.exchange(id).await?["request"].take();
        let mut headers = Map::new();
        for line in request["headers"].as_array().context("headers")? {
            headers.insert(line[0].as_str().context("a name")?.to_lowercase(), line[1].clone());
        }
        let body = STANDARD.encode(request["body"]["text"].as_str().context("a body that is text")?);
        library("verify", scheme, secret, &json!({ "headers": headers, "body": body })).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_the_vendors_libraries_sign_is_taken_and_nothing_else() -> Result<()> {
    let stage = Stage::start().await?;
    let bodies = [r#"{"zen":"Grüße","hook_id":1}"#, r#"{"type":"charge.refunded","data":{"object":{}}}"#];
    for ((scheme, secret), body) in SECRETS.into_iter().zip(bodies) {
        let url = format!("{}/{scheme}", stage.forwarder.url);
        let sign = async |secret: &str| -> Result<Vec<String>> {
            let signed = library("sign", scheme, secret, &json!({ "body": STANDARD.encode(body) })).await?;
            let lines = signed.as_object().context("headers")?.iter();
            Ok(lines.map(|(name, value)| format!("{name}: {}", value.as_str().unwrap_or_default())).collect())
        };
        let post = async |lines: &[String], body: &str| -> Result<u16> {
            let mut options = vec!["--data-binary", body, "--header", "x-github-event: ping"];
            options.extend(lines.iter().flat_map(|line| ["--header", line.as_str()]));
            Ok(curl(&options, &url).await?.status)
        };
        let signed = sign(secret).await?;
        assert_eq!(post(&signed, body).await?, 200, "{scheme}");
        assert_eq!(post(&signed, &body.replace(':', ": ")).await?, 400, "{scheme}: another body");
        assert_eq!(post(&sign("guessed").await?, body).await?, 400, "{scheme}: another secret");
        assert_eq!(post(&[], body).await?, 400, "{scheme}: no signature");
    }
    Ok(())
}
