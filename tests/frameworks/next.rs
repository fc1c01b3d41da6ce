//! Next.js in development: pages, live reload and server actions, which compare `Origin` with `X-Forwarded-Host`.

use std::fs;
use std::net::SocketAddr;

use anyhow::Result;
use serde_json::json;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::process::Process;
use crate::stage::{HOST, Stage, between, copy, node};

struct Next {
    address: SocketAddr,
    _process: Process,
    folder: TempDir,
}

impl Next {
    async fn start(allowed_origin: &str) -> Result<Self> {
        let folder = copy("next").await?;
        let mut next = node("next", "next/dist/bin/next", folder.path())?;
        next.args(["dev", "--port", "0", "--hostname", "127.0.0.1"]).env("ALLOWED_ORIGIN", allowed_origin);
        let mut process = Process::start("next", &mut next)?;
        let address = process.address("http://127.0.0.1:").await?;
        Ok(Self { address, _process: process, folder })
    }
}

/// What the page says.
async fn greeted(stage: &Stage) -> Result<String> {
    let page = stage.call(&[], "/").await?;
    assert_eq!(page.status, 200, "{page:?}");
    Ok(between(&page.text(), "id=\"greeted\">", "<")?.to_owned())
}

#[tokio::test]
async fn server_actions_and_live_reload_work_with_nothing_to_do() -> Result<()> {
    let next = Next::start("").await?;
    let stage = Stage::of(next.address, &[]).await?;
    let page = stage.call(&[], "/").await?.text();
    let action = between(&page, "$ACTION_ID_", "\"")?;

    // A form without scripts, then the call that React makes of it.
    let (field, name) = (format!("$ACTION_ID_{action}="), "Next-Action: ".to_owned() + action);
    let sent = stage.submit(&["--form", &field, "--form", "name=Bea"], "/").await?;
    assert_eq!(sent.status, 200, "{sent:?}");
    assert_eq!(greeted(&stage).await?, "Bea");
    let called = ["--header", &name, "--header", "Accept: text/x-component"];
    let called =
        stage.submit(&[&called[..], &["--form", "1_name=Cleo", "--form", "0=[\"$K1\"]"]].concat(), "/").await?;
    assert_eq!(called.status, 200, "{called:?}");

    stage.first_message("/_next/hmr", None).await?;
    let doctor = stage.doctor(next.address, &[], "service-framework").await?;
    assert_eq!(
        (doctor["status"].as_str(), doctor["detail"].as_str()),
        (Some("ok"), Some("looks like Next.js, nothing to do"))
    );
    assert_eq!(stage.tips().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn told_the_public_host_it_needs_allowed_dev_origins() -> Result<()> {
    let preserve = ["--host-header", "preserve"];
    let refusing = Next::start("").await?;
    let mut stage = Stage::of(refusing.address, &preserve).await?;
    assert_eq!(greeted(&stage).await?, "nobody");
    assert!(stage.first_message("/_next/hmr", None).await.is_err(), "no advice is needed");
    let setting = format!("allowedDevOrigins: [\"{HOST}\"] to next.config.js");
    let tip = stage.tip().await?;
    assert!(tip.contains(&setting), "{tip}");
    let doctor = stage.doctor(refusing.address, &preserve, "service-framework").await?;
    assert_eq!(doctor["status"], "warn");
    assert!(
        doctor["fix"].as_str().is_some_and(|fix| fix.contains("allowedDevOrigins: [\"other.tunnel.test\"]")),
        "{doctor}"
    );
    drop((stage, refusing));

    let next = Next::start(HOST).await?;
    let stage = Stage::of(next.address, &preserve).await?;
    assert_eq!(greeted(&stage).await?, "nobody");
    stage.first_message("/_next/hmr", None).await?;
    assert_eq!(stage.tips().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_browser_sends_server_actions_and_reloads_hot() -> Result<()> {
    let next = Next::start("").await?;
    let stage = Stage::plain(next.address).await?;
    let browser = Browser::open(&stage.url()).await?;
    let says = "return document.getElementById(arguments[0]).textContent === arguments[1]";
    browser.until(says, &[json!("greeting"), json!("Hello")]).await?;
    browser.run("window.mark = 'not reloaded'", &[]).await?;
    browser.run("document.getElementById('greet').click()", &[]).await?;
    browser.until(says, &[json!("greeted"), json!("Ana")]).await?;

    let component = next.folder.path().join("app/greeting.js");
    let edited = fs::read_to_string(&component)?.replace("Hello", "Good evening");
    fs::write(component, edited)?;
    browser.until(says, &[json!("greeting"), json!("Good evening")]).await?;
    assert_eq!(browser.run("return window.mark", &[]).await?, "not reloaded");
    browser.close().await
}
