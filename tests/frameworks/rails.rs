//! Rails: it looks at `X-Forwarded-Host` to decide whether it may be called so, and compares the `Origin` of forms with it.

use std::net::SocketAddr;

use anyhow::Result;

use crate::browser::Browser;
use crate::process::{Process, app, command};
use crate::stage::{HOST, ORIGIN, Stage, between};

struct Rails {
    address: SocketAddr,
    _process: Process,
}

impl Rails {
    async fn start(allowed_host: Option<&str>) -> Result<Self> {
        let mut puma = command("puma");
        puma.args(["--bind", "tcp://127.0.0.1:0"]).arg(app("rails/config.ru")).env("RAILS_ENV", "development");
        puma.envs(allowed_host.map(|host| ("ALLOWED_HOST", host)));
        let mut process = Process::start("rails", &mut puma)?;
        let address = process.address("http://127.0.0.1:").await?;
        Ok(Self { address, _process: process })
    }
}

/// Fills the form in and sends it.
async fn save(stage: &Stage, text: &str) -> Result<()> {
    let page = stage.call(&[], "/").await?;
    assert_eq!(page.status, 200, "{page:?}");
    let html = page.text();
    let token = between(&html, "name=\"authenticity_token\" value=\"", "\"")?;
    let cookie = page.header("set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
    let (cookie, token, text) =
        (format!("Cookie: {cookie}"), format!("authenticity_token={token}"), format!("text={text}"));
    let form = ["--header", &cookie, "--data-urlencode", &token, "--data", &text];
    let saved = stage.submit(&form, "/notes").await?;
    assert_eq!(saved.status, 302, "{saved:?}");
    let location = format!("{ORIGIN}/?saved=");
    assert!(saved.header("location").is_some_and(|to| to.starts_with(&location)), "{saved:?}");
    Ok(())
}

#[tokio::test]
async fn it_needs_the_public_host_among_its_hosts_and_then_takes_forms() -> Result<()> {
    let refusing = Rails::start(None).await?;
    let mut stage = Stage::of(refusing.address, &[]).await?;
    assert_eq!(stage.call(&[], "/").await?.status, 403);
    let tip = stage.tip().await?;
    assert!(tip.contains(&format!("config.hosts << \"{HOST}\" to config/environments/development.rb")), "{tip}");
    let doctor = stage.doctor(refusing.address, &[], "service-host").await?;
    assert_eq!(doctor["status"], "fail");
    assert!(
        doctor["fix"].as_str().is_some_and(|fix| fix.contains("config.hosts << \"other.tunnel.test\"")),
        "{doctor}"
    );
    drop((stage, refusing));

    let rails = Rails::start(Some(HOST)).await?;
    for words in [&[][..], &["--host-header", "preserve"]] {
        let stage = Stage::of(rails.address, words).await?;
        save(&stage, "hello").await?;
        assert_eq!(stage.tips().await?, [""; 0], "{words:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_form_that_comes_before_rails_is_recognised_is_refused_once() -> Result<()> {
    let rails = Rails::start(Some(HOST)).await?;
    let first = Stage::of(rails.address, &[]).await?;
    let early = first.submit(&["--data", "text=early"], "/notes").await?;
    assert_eq!(early.status, 422, "{early:?}");
    save(&first, "later").await
}

#[tokio::test]
async fn a_browser_sends_a_form() -> Result<()> {
    let rails = Rails::start(Some(HOST)).await?;
    let stage = Stage::plain(rails.address).await?;
    let browser = Browser::open(&stage.url()).await?;
    browser.run("document.querySelector('[name=text]').value = 'hello'", &[]).await?;
    browser.run("document.querySelector('[type=submit]').click()", &[]).await?;
    browser.until("return location.search === '?saved=hello'", &[]).await?;
    browser.close().await
}
