//! examples/chat, between two browsers.

use crate::browser::Browser;
use crate::http::curl;
use crate::readme::{Readme, serve, stop};
use anyhow::{Context as _, Result};
use serde_json::json;

const SAY: &str = "
    const { name, text } = document.forms[0].elements;
    [name.value, text.value] = arguments;
    document.forms[0].requestSubmit()";
const HEARD: &str =
    "return [...document.querySelectorAll('#messages li')].some((line) => line.textContent === arguments[0])";
const STATUS: &str = "return document.getElementById('status').textContent === arguments[0]";
const HOSTILE: &str = "<img src=x onerror=\"document.title='pwned'\">";

/// One says something, and both see it.
async fn say(speaker: &Browser, listener: &Browser, name: &str, text: &str) -> Result<()> {
    speaker.run(SAY, &[json!(name), json!(text)]).await?;
    for browser in [speaker, listener] {
        browser.until(HEARD, &[json!(format!("{name}: {text}"))]).await?;
    }
    Ok(())
}

async fn both(browsers: [&Browser; 2], status: &str) -> Result<()> {
    for browser in browsers {
        browser.until(STATUS, &[json!(status)]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn two_browsers_talk_and_are_back_when_the_service_is() -> Result<()> {
    let mut readme = Readme::of("chat")?;
    let (server, address) = readme.serve("server.py").await?;
    let forwarder = readme.forward().await?;
    readme.end();
    let (ana, ben) = (Browser::open(&forwarder.url).await?, Browser::open(&forwarder.url).await?);
    both([&ana, &ben], "2 people are here").await?;
    say(&ana, &ben, "Ana", "Grüße, 世界 👋").await?;
    say(&ben, &ana, "Ben", "And to you").await?;

    stop(server, address).await?;
    both([&ana, &ben], "connecting again").await?;
    let mut again = Readme::of("chat")?.command("server.py")?;
    let (_server, _) = serve("chat", again.env("PORT", address.port().to_string())).await?;
    both([&ana, &ben], "2 people are here").await?;
    say(&ben, &ana, "Ben", "There we are").await?;
    ana.close().await?;
    ben.until(STATUS, &[json!("you are alone")]).await?;
    ben.close().await
}

#[tokio::test]
async fn what_is_said_stays_text_and_who_is_elsewhere_stays_out() -> Result<()> {
    let mut readme = Readme::of("chat")?;
    let _server = readme.serve("server.py").await?;
    let forwarder = readme.forward().await?;
    let (ana, eve) = (Browser::open(&forwarder.url).await?, Browser::open(&forwarder.url).await?);
    both([&ana, &eve], "2 people are here").await?;
    say(&eve, &ana, "<b>Eve</b>", HOSTILE).await?;
    let page = "return [document.title, document.querySelectorAll('#messages img, #messages b').length]";
    assert_eq!(ana.run(page, &[]).await?, json!(["Chat", 0]));
    for nonsense in
        ["{", "[]", "{\"name\": \"Eve\"}", "{\"name\": 1, \"text\": 2}", "{\"name\": \" \", \"text\": \" \"}"]
    {
        eve.run("document.getElementById('status').textContent = ''; socket.send(arguments[0])", &[json!(nonsense)])
            .await?;
        eve.until(STATUS, &[json!("a message has a name and a text")]).await?;
    }
    say(&ana, &eve, "Ana", "still here").await?;
    let foreign =
        ["Origin: http://elsewhere.test", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    let mut options = vec!["--http1.1", "--header", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
    options.extend(foreign.iter().flat_map(|line| ["--header", line]));
    assert_eq!(curl(&options, &format!("{}/socket", forwarder.url)).await?.status, 403);
    assert_eq!(curl(&[], &format!("{}/other", forwarder.url)).await?.status, 404);
    ana.close().await?;
    eve.close().await
}

#[tokio::test]
async fn a_password_for_the_page_is_one_for_its_socket() -> Result<()> {
    let mut readme = Readme::of("chat")?;
    let _server = readme.serve("server.py").await?;
    let words = ["--basic-auth", "ana:open-sesame", "--listen", "127.0.0.1:0"];
    let forwarder = readme.forward_with(&words).await?;
    let (_, authority) = forwarder.url.split_once("//").context("a URL")?;
    let browser = Browser::open(&format!("http://ana:open-sesame@{authority}/")).await?;
    browser.until(STATUS, &[json!("you are alone")]).await?;
    assert_eq!(curl(&[], &forwarder.url).await?.status, 401);
    browser.close().await
}
