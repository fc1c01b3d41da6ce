//! What the inspector takes is bounded, where it listens is loopback, and exchanges do not wait for it.

use crate::process::{PATIENCE, command, run};
use crate::stage::Stage;
use anyhow::{Context as _, Result};
use http_body_util::Full;
use hyper::Request;
use serde_json::json;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn memory_is_bounded_and_the_oldest_go_first() -> Result<()> {
    let stage = Stage::start(&["--inspect-memory", "8"]).await?;
    let body = vec![b'x'; 900_000];
    for n in 1..=20 {
        stage.visit("POST", &format!("/status/500?{n}"), &[], body.clone()).await?;
    }
    stage.exchange("/status/500?20").await?;
    let about = stage.api("/api").await?;
    assert!(about["bytes"].as_u64().is_some_and(|bytes| bytes <= 8 << 20), "{about}");
    assert_eq!(about["memory"], 8 << 20);
    assert!(about["dropped"].as_u64().is_some_and(|dropped| (11..=13).contains(&dropped)), "{about}");
    let gone = stage.send(Request::get(stage.url("/api/exchanges/1")).body(Full::default())?).await?;
    assert_eq!(gone.status, 404);
    assert!(gone.json()["error"].as_str().is_some_and(|why| why.contains("made room")));
    Ok(())
}

#[tokio::test]
async fn a_large_body_passes_whole_and_is_kept_in_part() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let body = vec![b'y'; 3 << 20];
    let answer = stage.visit("POST", "/large", &[], body.clone()).await?;
    assert!(answer.body.len() > 4 << 20, "the service got all of it");
    let exchange = stage.exchange("/large").await?;
    for (side, size) in [("request", body.len()), ("response", answer.body.len())] {
        let kept = &exchange[side]["body"];
        assert_eq!(
            (&kept["size"], &kept["kept"], &kept["whole"]),
            (&json!(size), &json!(1 << 20), &json!(true)),
            "{side}"
        );
    }
    let id = &exchange["id"];
    let replay = stage.order(hyper::Method::POST, &format!("/api/exchanges/{id}/replay"), &json!({})).await?;
    assert_eq!(replay.status, 409, "half a body is no replay");
    let curl = stage.send(Request::get(stage.url(&format!("/api/exchanges/{id}/curl"))).body(Full::default())?).await?;
    assert_eq!(curl.status, 409);
    let har = stage.api(&format!("/api/exchanges/{id}/har")).await?;
    assert!(
        har["log"]["entries"][0]["request"]["postData"]["comment"]
            .as_str()
            .is_some_and(|text| text.contains("3145728"))
    );
    Ok(())
}

/// Many at once, and everything that was taken in is right: nothing mixes, and what is missing says so.
#[tokio::test]
async fn a_storm_is_captured_or_marked() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let visits = (0..500).map(|n| {
        let stage = &stage;
        async move { stage.visit("POST", &format!("/storm/{n}"), &[], format!("body {n}")).await }
    });
    futures_util::future::try_join_all(visits).await?;
    let settled = async {
        loop {
            let list = stage.api("/api/exchanges?text=/storm/&limit=1000").await?;
            let list = list["exchanges"].as_array().context("a list")?.clone();
            if list.iter().all(|one| one["open"] == false) {
                return anyhow::Ok(list);
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let list = timeout(PATIENCE, settled).await??;
    let missed = stage.api("/api").await?["missed"].as_u64().context("a number")?;
    assert_eq!(list.len() as u64 + missed, 500);
    for one in list.iter().step_by(50).filter(|one| one["incomplete"] == false) {
        let exchange = stage.api(&format!("/api/exchanges/{}", one["id"])).await?;
        let n = one["target"].as_str().and_then(|target| target.rsplit('/').next()).context("a number")?;
        assert_eq!(exchange["request"]["body"]["text"], format!("body {n}"));
    }
    Ok(())
}

#[tokio::test]
async fn a_taken_port_is_no_obstacle_unless_it_was_chosen() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0").await?;
    let address = taken.local_addr()?.to_string();
    let mut forwarder = command(env!("CARGO_BIN_EXE_forwarder"));
    let output = forwarder.args(["1", "--listen", "127.0.0.1:0", "--inspect", &address]).output();
    let output = timeout(PATIENCE, output).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains(&address) && said.contains("--inspect"), "{said}");
    // Without a choice it is the default port or one behind it, whatever else runs here.
    let (first, second) = (Stage::start_plain().await?, Stage::start_plain().await?);
    assert_ne!(first.inspector, second.inspector);
    assert!(first.inspector.starts_with("http://127.0.0.1:4") && second.api("/api").await?["exchanges"] == 0);
    Ok(())
}

#[tokio::test]
async fn it_is_on_loopback_or_off() -> Result<()> {
    let stage = Stage::start(&["--inspect", "off"]).await?;
    assert_eq!((stage.get("/x").await?.status, stage.inspector.as_str()), (200, ""));
    for (words, place) in [
        (["--inspect", "0.0.0.0:4040"], "loopback"),
        (["--inspect", "192.0.2.1:4040"], "loopback"),
        (["--inspect", "yes"], "off"),
        (["--inspect-memory", "1"], "from 8"),
        (["--verify", "github"], "SCHEME:SECRET"),
        (["--verify", "standard:not base64"], "base64"),
        (["--webhook-secret", "github:env:NOT_SET_HERE"], "NOT_SET_HERE"),
    ] {
        let output = command(env!("CARGO_BIN_EXE_forwarder")).arg("1").args(words).output().await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(2) && said.contains(place) && said.contains(words[0]),
            "{words:?}: {said}"
        );
    }
    let help = run(command(env!("CARGO_BIN_EXE_forwarder")).arg("--help")).await?;
    assert!(String::from_utf8_lossy(&help).contains("forwarder replay"));
    Ok(())
}
