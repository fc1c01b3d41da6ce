//! HAR files: valid by the format's schema, read by parsers that are not ours, and taken back in.

use crate::process::{app, command, python, run, tools};
use crate::stage::Stage;
use anyhow::{Context as _, Result};
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::NamedTempFile;

async fn validate(file: &Path) -> Result<usize> {
    let packages = tools().join("har/package.json");
    let count = run(command("node").arg(app("har/validate.js")).arg(file).arg(packages)).await?;
    Ok(String::from_utf8(count)?.trim().parse()?)
}

/// A stage to which everything has come that a file can hold.
async fn busy() -> Result<Stage> {
    let stage = Stage::start(&[]).await?;
    stage.visit("POST", "/form?a=b&c", &[("content-type", "application/x-www-form-urlencoded")], "x=1&y=%26").await?;
    stage.visit("PUT", "/binary", &[("cookie", "k=v")], &b"\x00\xff"[..]).await?;
    for target in ["/cookies", "/packed", "/bomb", "/evil", "/invalid", "/huge", "/status/500", "/pixel"] {
        stage.get(target).await?;
    }
    stage.exchange("/pixel").await?;
    Ok(stage)
}

fn written(har: &Value) -> Result<NamedTempFile> {
    let file = NamedTempFile::new()?;
    std::fs::write(file.path(), har.to_string())?;
    Ok(file)
}

#[tokio::test]
async fn a_file_is_valid_and_other_parsers_read_it() -> Result<()> {
    let stage = busy().await?;
    let har = stage.api("/api/har").await?;
    let file = written(&har)?;
    assert_eq!(validate(file.path()).await?, 10);
    let read: Value = serde_json::from_slice(&run(python("inspector/har.py").arg(file.path())).await?)?;
    assert_eq!(read["creator"], "http-tunnel");
    let entries = read["entries"].as_array().context("entries")?;
    assert_eq!(entries.len(), 10);
    let find = |path: &str| entries.iter().find(|entry| entry["url"].as_str().is_some_and(|url| url.ends_with(path)));
    assert_eq!(find("/packed").context("it is there")?["text"], "{\"hidden\":\"in gzip\"}", "the content is unpacked");
    assert_eq!(find("/status/500").context("it is there")?["status"], 500);
    let one = stage.api(&format!("/api/exchanges/{}/har", stage.id("/evil").await?)).await?;
    assert_eq!(validate(written(&one)?.path()).await?, 1);
    let filtered = stage.api("/api/har?method=PUT").await?;
    assert_eq!(validate(written(&filtered)?.path()).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_file_comes_back_and_its_requests_are_replayed() -> Result<()> {
    let stage = busy().await?;
    let har = stage.api("/api/har").await?;
    let other = Stage::start(&[]).await?;
    let ids = other.order(Method::POST, "/api/har", &har).await?.json();
    assert_eq!(ids["ids"].as_array().map(Vec::len), Some(10));
    let again = other.exchange("/form?a=b&c").await?;
    assert_eq!((&again["origin"], &again["request"]["body"]["text"]), (&json!("import"), &json!("x=1&y=%26")));
    let again = other.exchange("/binary").await?;
    assert_eq!(again["request"]["body"]["base64"], "AP8=");
    assert_eq!(other.exchange("/packed").await?["response"]["body"]["text"], "{\"hidden\":\"in gzip\"}");
    let path = format!("/api/exchanges/{}/replay", again["id"]);
    let replays = other.order(Method::POST, &path, &json!({})).await?.json();
    assert_eq!(replays["replays"][0]["status"], 200);
    // What was exported, imported and exported again says the same.
    let twice = other.api("/api/har?method=POST").await?;
    assert_eq!(twice["log"]["entries"][0]["request"]["postData"], har["log"]["entries"][0]["request"]["postData"]);
    assert_eq!(validate(written(&twice)?.path()).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_with_the_reason() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let no_url = json!({ "log": { "entries": [{ "request": { "method": "GET" } }] } });
    for (har, word) in [(json!({}), "log"), (no_url, "entry 1")] {
        let answer = stage.order(Method::POST, "/api/har", &har).await?;
        assert_eq!(answer.status, 400);
        assert!(answer.json()["error"].as_str().is_some_and(|why| why.contains(word)), "{:?}", answer.body);
    }
    Ok(())
}
