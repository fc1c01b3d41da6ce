//! examples/mcp-server, used by the SDK's own client.

use crate::http::curl;
use crate::process::{Process, command, run, tools};
use crate::readme::{Readme, checkout, serve, stop};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;

/// What the client gets over this transport.
async fn is_of_use(transport: &str, url: &str) -> Result<()> {
    let mut client = command(tools().join("venv/bin/python"));
    client.arg(checkout().join("tests/examples/mcp_client.py")).args([transport, url]);
    let said = String::from_utf8(run(client.env("PYTHONDONTWRITEBYTECODE", "1")).await?)?;
    let said: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(said[0]["server"], "words-and-time");
    let report =
        |passed| json!({ "progress": passed, "total": 3600.0, "message": format!("{} s to go", 3600.0 - passed) });
    let wanted = [
        json!({ "tools": ["word_count", "now", "timer"] }),
        json!({ "counted": { "lines": 2, "words": 3, "characters": 13 } }),
        json!({ "wrong": true, "why": "Error executing tool now: no time zone 'Mars/Olympus'" }),
        json!({ "reports": [report(0.0), report(1.0)], "open": true }),
        json!({ "ended": "1 s are over" }),
    ];
    assert_eq!(said[1..], wanted);
    Ok(())
}

/// The server with the newer transport in the older one's place.
async fn newer(readme: &mut Readme, server: Process, address: SocketAddr) -> Result<Process> {
    stop(server, address).await?;
    let mut newer = readme.command("server.py streamable-http")?;
    Ok(serve("mcp-server", newer.env("PORT", address.port().to_string())).await?.0)
}

#[tokio::test]
async fn the_sdks_client_uses_the_tools_over_both_transports() -> Result<()> {
    let mut readme = Readme::of("mcp-server")?;
    let (server, address) = readme.serve("server.py").await?;
    let forwarder = readme.forward().await?;
    let public = forwarder.loopback()?;
    is_of_use("sse", &format!("{public}/sse")).await?;
    let _server = newer(&mut readme, server, address).await?;
    is_of_use("streamable-http", &format!("{public}/mcp")).await?;
    readme.end();
    Ok(())
}

#[tokio::test]
async fn under_a_path_the_newer_transport_is_of_use_too() -> Result<()> {
    let mut readme = Readme::of("mcp-server")?;
    let mut relay = Process::start("relay", command(env!("CARGO_BIN_EXE_relay")).args(["--listen", "127.0.0.1:0"]))?;
    let endpoint = format!("ws://{}", relay.address("listening on 127.0.0.1:").await?);
    let (server, address) = readme.serve("server.py").await?;
    let forwarder = readme.forward_with(&["--endpoint", &endpoint, "--name", "words"]).await?;
    let _server = newer(&mut readme, server, address).await?;
    is_of_use("streamable-http", &format!("{}/mcp", forwarder.url.trim_end_matches('/'))).await
}

#[tokio::test]
async fn the_sdks_checks_of_host_and_origin_pass_what_comes_by_the_tunnel() -> Result<()> {
    let mut readme = Readme::of("mcp-server")?;
    let (_server, address) = readme.serve("server.py").await?;
    let forwarder = readme.forward().await?;
    // Its answers end, unlike those of /sse.
    let url = format!("{}/messages/?session_id=0", forwarder.url);
    let ask = async |url: &str, line: &str| -> Result<(u16, String)> {
        let options = ["--json", "{}", "--header", line];
        let answer = curl(&options, url).await?;
        Ok((answer.status, answer.text()))
    };
    let passed = ask(&url, &format!("Origin: {}", forwarder.url)).await?;
    assert_eq!(passed, (400, "Invalid session ID".to_owned()), "checked, and then the session is looked for");
    assert_eq!(ask(&url, "Origin: http://elsewhere.test").await?.0, 403);
    let direct = format!("http://{address}/messages/?session_id=0");
    assert_eq!(ask(&direct, "Host: elsewhere.test").await?.0, 421);
    Ok(())
}

#[test]
fn the_readmes_settings_for_clients_are_json() -> Result<()> {
    let text = fs::read_to_string(checkout().join("examples/mcp-server/README.md"))?;
    let (_, block) = text.split_once("```json\n").context("a block of JSON")?;
    let (block, _) = block.split_once("```").context("its end")?;
    let settings: Value = serde_json::from_str(block)?;
    assert_eq!(settings["mcpServers"]["words"]["type"], "sse");
    Ok(())
}
