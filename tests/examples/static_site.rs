//! examples/static-site, in a browser.

use crate::browser::Browser;
use crate::http::curl;
use crate::process::Process;
use crate::readme::Readme;
use anyhow::Result;
use serde_json::json;

/// The page, its style, its picture, its script and its other page are there.
async fn is_whole(browser: &Browser, url: &str) -> Result<()> {
    let page = "
        const image = document.querySelector('main img, body img');
        return document.readyState === 'complete' && document.title === 'A static site'
            && getComputedStyle(document.querySelector('h1')).color === 'rgb(0, 105, 120)'
            && image.complete && image.naturalWidth > 0
            && document.getElementById('where').textContent === arguments[0]";
    browser.until(page, &[json!(url)]).await?;
    browser.run("document.querySelector('a').click()", &[]).await?;
    let other = "
        return document.readyState === 'complete' && document.title === 'Its links'
            && location.href === arguments[0] + 'about/'
            && getComputedStyle(document.querySelector('h1')).color === 'rgb(0, 105, 120)'";
    browser.until(other, &[json!(url)]).await?;
    browser.run("document.querySelector('a').click()", &[]).await?;
    browser.until(page, &[json!(url)]).await
}

#[tokio::test]
async fn the_folder_is_a_site_at_the_top_of_a_host_and_under_a_path() -> Result<()> {
    let mut readme = Readme::of("static-site")?;
    let mut forwarder = readme.forward().await?;
    forwarder.line(|line| line.contains('█').then_some(())).await?;
    let browser = Browser::open(&forwarder.url).await?;
    is_whole(&browser, &format!("{}/", forwarder.url)).await?;
    let missing = curl(&[], &format!("{}/missing.html", forwarder.url)).await?;
    assert_eq!((missing.status, missing.header("x-tunnel-error")), (404, None), "the folder's answer");

    readme.replace("8081", "0");
    let mut relay = Process::start("relay", &mut readme.command("relay --listen")?)?;
    let address = relay.address("listening on 127.0.0.1:").await?;
    readme.replace("8081", &address.port().to_string());
    let forwarder = readme.forward_with(&[]).await?;
    assert_eq!(forwarder.url.trim_end_matches('/'), format!("http://{address}/site"));
    browser.visit(&forwarder.url).await?;
    is_whole(&browser, &format!("http://{address}/site/")).await?;
    browser.close().await?;
    readme.end();
    Ok(())
}
