//! `forwarder replay`: what a CI job runs.

use crate::process::{PATIENCE, command};
use crate::stage::Stage;
use anyhow::Result;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::time::timeout;

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn replay(har: &Value, words: &[&str]) -> Result<Ended> {
    let file = NamedTempFile::new()?;
    std::fs::write(file.path(), har.to_string())?;
    let mut replay = command(env!("CARGO_BIN_EXE_forwarder"));
    replay.arg("replay").arg(file.path()).args(words);
    let output = timeout(PATIENCE, replay.output()).await??;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) })
}

#[tokio::test]
async fn the_same_answers_pass_and_others_fail() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.visit("POST", "/said?a=b", &[("content-type", "text/plain"), ("x-a", "1")], "body").await?;
    stage.get("/packed").await?;
    stage.get("/status/500").await?;
    stage.get("/counted").await?;
    stage.exchange("/counted").await?;
    let har = stage.api("/api/har").await?;
    let against = stage.service.to_string();
    let ended = replay(&har, &["--against", &against]).await?;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("POST /said?a=b 200\n") && ended.out.contains("GET /status/500 500\n"), "{}", ended.out);
    let ended = replay(&har, &["--against", &against, "--diff", "--ignore", "headers"]).await?;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("  field n: 3 became "), "{}", ended.out);
    assert!(ended.out.ends_with("4 requests, 1 differ or failed\n"), "{}", ended.out);
    let ended = replay(&har, &["--against", &against, "--diff", "--ignore", "n", "--ignore", "headers"]).await?;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    Ok(())
}

#[tokio::test]
async fn status_headers_and_fields_are_told_apart() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.get("/counted").await?;
    stage.exchange("/counted").await?;
    let mut har = stage.api("/api/har").await?;
    let response = &mut har["log"]["entries"][0]["response"];
    response["status"] = json!(201);
    response["headers"] =
        json!([{ "name": "Content-Type", "value": "application/json" }, { "name": "X-Gone", "value": "1" }]);
    response["content"]["text"] = json!("{\"n\":null,\"name\":\"other\",\"list\":[1,2]}");
    let words = ["--against", &stage.service.to_string(), "--diff", "--header", "x-gone", "--ignore", "n"];
    let ended = replay(&har, &words).await?;
    assert_eq!(ended.code, Some(1));
    for line in [
        "  status: 201 became 200\n",
        "  header x-gone: [\"1\"] became []\n",
        "  field list: 2 items became 3\n",
        "  field name: \"other\" became \"same\"\n",
    ] {
        assert!(ended.out.contains(line), "{line}{}", ended.out);
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_done_is_said() -> Result<()> {
    let har = json!({ "log": { "entries": [{ "request": { "method": "GET", "url": "http://x/" } }] } });
    let empty = json!({ "log": { "entries": [] } });
    for (har, words, code, place) in [
        (&har, &["--against", "127.0.0.1:1"][..], 1, "failed"),
        (&empty, &["--against", "1"], 1, "no requests"),
        (&json!([]), &["--against", "1"], 1, "no HAR"),
        (&har, &[], 2, "--against"),
        (&har, &["--against", "https://x"], 2, "http"),
        (&har, &["--against", "1", "--webhook-secret", "other:hunter2"], 2, "github"),
        (&har, &["--against", "1", "--diff", "--header", "a b"], 2, "--header"),
        (&har, &["--colour"], 2, "--colour"),
    ] {
        let ended = replay(har, words).await?;
        let said = format!("{}{}", ended.out, ended.err);
        assert!(ended.code == Some(code) && said.contains(place), "{words:?}: {:?} {said}", ended.code);
        assert!(!said.contains("hunter2"), "{said}");
    }
    let missing =
        command(env!("CARGO_BIN_EXE_forwarder")).args(["replay", "/no/file.har", "--against", "1"]).output().await?;
    assert!(missing.status.code() == Some(1) && String::from_utf8_lossy(&missing.stderr).contains("/no/file.har"));
    Ok(())
}
