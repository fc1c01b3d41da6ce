//! Several tunnels on one page.

use crate::page::{PATHS, open};
use crate::stage::Stage;
use anyhow::Result;
use serde_json::json;

#[tokio::test]
async fn the_page_says_which_tunnel_an_exchange_came_through_and_shows_one_alone() -> Result<()> {
    let stage = Stage::of_tunnels(&["web", "api"]).await?;
    for name in ["web", "api"] {
        let host = format!("{name}.localhost:{}", stage.public.port());
        stage.visit("GET", &format!("/{name}"), &[("host", &host)], "").await?;
    }
    let browser = open(&stage).await?;
    browser.until(&format!("{PATHS} === '/api /web'"), &[]).await?;
    let tunnels = "return [...document.querySelectorAll('#rows .tunnel')].map((one) => one.textContent).join(' ')";
    assert_eq!(browser.run(tunnels, &[]).await?, json!("api web"));
    browser.until("return document.querySelector('#tunnel').checkVisibility()", &[]).await?;
    let choose = "const tunnel = document.querySelector('#tunnel'); tunnel.value = arguments[0];
        tunnel.dispatchEvent(new Event('input', { bubbles: true })); return tunnel.value === arguments[0]";
    for (name, found) in [("web", "/web"), ("api", "/api"), ("", "/api /web")] {
        assert_eq!(browser.run(choose, &[json!(name)]).await?, json!(true));
        browser.until(&format!("{PATHS} === arguments[0]"), &[json!(found)]).await?;
    }
    browser.run("document.querySelector('#rows tr').click()", &[]).await?;
    let details = "return [...document.querySelectorAll('#details tr')].some((row) => row.textContent === 'Tunnelapi')";
    browser.until(details, &[]).await
}

#[tokio::test]
async fn a_single_tunnel_has_no_choice_of_tunnels() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.get("/alone").await?;
    let browser = open(&stage).await?;
    browser.until(&format!("{PATHS} === '/alone'"), &[]).await?;
    let shown = "return document.querySelector('#tunnel').checkVisibility() || document.querySelector('#rows .tunnel') !== null";
    assert_eq!(browser.run(shown, &[]).await?, json!(false));
    Ok(())
}
