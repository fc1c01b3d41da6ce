//! webpack-dev-server: its page looks for live reload at an address that is written into the script.

use std::fs;
use std::net::SocketAddr;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::process::Process;
use crate::stage::{HOST, Stage, between, copy, free_port};

struct Webpack {
    address: SocketAddr,
    _process: Process,
    folder: TempDir,
}

impl Webpack {
    /// With these settings of `devServer`.
    async fn start(mut settings: Value) -> Result<Self> {
        let folder = copy("webpack").await?;
        // With port 0 the page would be told to look at its own port.
        settings["port"] = json!(free_port()?);
        let mut webpack = crate::process::command("node");
        webpack.arg("serve.js").current_dir(folder.path()).env("NO_COLOR", "1").env("DEV_SERVER", settings.to_string());
        let mut process = Process::start("webpack", &mut webpack)?;
        let address = process.address("http://127.0.0.1:").await?;
        process.line(|line| line.contains("compiled successfully").then_some(())).await?;
        Ok(Self { address, _process: process, folder })
    }
}

/// Where the page's script looks for live reload.
async fn socket(stage: &Stage) -> Result<String> {
    let script = stage.call(&[], "/main.js").await?;
    assert_eq!(script.status, 200, "{script:?}");
    Ok(between(&script.text(), "webpack-dev-server/client/index.js?protocol=", "&logging")?.to_owned())
}

const FOLLOWS_THE_PAGE: &str = "auto%3A&username=&password=&hostname=0.0.0.0&port=0&pathname=%2Fws";

#[tokio::test]
async fn live_reload_needs_an_address_that_follows_the_page() -> Result<()> {
    let misleading = Webpack::start(json!({})).await?;
    let mut stage = Stage::of(misleading.address, &[]).await?;
    assert_eq!(stage.call(&[], "/").await?.status, 200);
    assert!(socket(&stage).await?.contains(&format!("port={}", misleading.address.port())));
    let tip = stage.tip().await?;
    assert!(tip.contains(&format!("looks for live reload at {}", misleading.address)), "{tip}");
    assert!(tip.contains("webSocketURL: \"auto://0.0.0.0:0/ws\""), "{tip}");
    let doctor = stage.doctor(misleading.address, &[], "service-framework").await?;
    assert_eq!(doctor["status"], "warn");
    assert!(doctor["fix"].as_str().is_some_and(|fix| fix.contains("auto://0.0.0.0:0/ws")), "{doctor}");
    drop((stage, misleading));

    let webpack = Webpack::start(json!({ "client": { "webSocketURL": "auto://0.0.0.0:0/ws" } })).await?;
    let stage = Stage::of(webpack.address, &[]).await?;
    assert_eq!(socket(&stage).await?, FOLLOWS_THE_PAGE);
    let message = stage.first_message("/ws", None).await?;
    assert!(message.contains("\"hot\""), "{message}");
    let doctor = stage.doctor(webpack.address, &[], "service-framework").await?;
    assert_eq!(doctor["detail"], "looks like webpack-dev-server, nothing to do");
    assert_eq!(stage.tips().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn told_the_public_host_it_needs_allowed_hosts() -> Result<()> {
    let (preserve, client) = (["--host-header", "preserve"], json!({ "webSocketURL": "auto://0.0.0.0:0/ws" }));
    let refusing = Webpack::start(json!({ "client": client })).await?;
    let mut stage = Stage::of(refusing.address, &preserve).await?;
    assert_eq!(stage.call(&[], "/").await?.status, 403);
    let tip = stage.tip().await?;
    assert!(tip.contains(&format!("devServer: {{ allowedHosts: [\"{HOST}\"] }} to webpack.config.js")), "{tip}");
    drop((stage, refusing));

    let webpack = Webpack::start(json!({ "client": client, "allowedHosts": [HOST] })).await?;
    let stage = Stage::of(webpack.address, &preserve).await?;
    assert_eq!(stage.call(&[], "/").await?.status, 200);
    assert_eq!(socket(&stage).await?, FOLLOWS_THE_PAGE);
    let message = stage.first_message("/ws", None).await?;
    assert!(message.contains("\"hot\""), "{message}");
    assert_eq!(stage.tips().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_browser_reloads_hot_once_the_address_follows_the_page() -> Result<()> {
    let webpack = Webpack::start(json!({ "client": { "webSocketURL": "auto://0.0.0.0:0/ws" } })).await?;
    let stage = Stage::plain(webpack.address).await?;
    let browser = Browser::open(&stage.url()).await?;
    let says = "return document.getElementById('greeting').textContent === arguments[0]";
    browser.until(says, &[json!("Hello")]).await?;
    browser.run("window.mark = 'not reloaded'", &[]).await?;
    let greeting = "export const greeting = 'Good evening';";
    fs::write(webpack.folder.path().join("src/greeting.js"), greeting)?;
    browser.until(says, &[json!("Good evening")]).await?;
    assert_eq!(browser.run("return window.mark", &[]).await?, "not reloaded");
    browser.close().await
}
