//! examples/api-flow: recorded once, replayed as CI does.

use crate::process::{Process, command, run, tools};
use crate::readme::{Forwarder, Readme, checkout, ends_with, serve, stop};
use anyhow::Result;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::tempdir;

/// The README's service with another answer in one case.
async fn changed(folder: &Path, address: SocketAddr) -> Result<Process> {
    let script = folder.join("notes.py");
    let text = fs::read_to_string(checkout().join("examples/api-flow/notes.py"))?;
    assert_eq!(text.matches("412").count(), 1, "the README says to change it");
    fs::write(&script, text.replace("412", "409"))?;
    let mut command = command(tools().join("venv/bin/python"));
    let (service, _) = serve("changed", command.arg(script).env("PORT", address.port().to_string())).await?;
    Ok(service)
}

/// Waits until the inspector has every request of the flow, and says how many there were.
async fn recorded(forwarder: &Forwarder, printed: &str) -> Result<usize> {
    // The one that follows a redirect is two.
    let requests = printed.lines().filter(|line| line.starts_with("ok ")).count() + 1;
    let last = forwarder.exchange(requests.try_into()?).await?;
    assert_eq!((&last["method"], &last["status"]), (&"GET".into(), &404.into()), "the flow's last request");
    Ok(requests)
}

#[tokio::test]
async fn the_flow_passes_and_its_recording_tells_a_changed_service() -> Result<()> {
    let folder = tempdir()?;
    let mut readme = Readme::of("api-flow")?;
    readme.replace("notes.har", &folder.path().join("notes.har").display().to_string());
    let (service, _) = readme.serve("notes.py").await?;
    let forwarder = readme.forward().await?;
    readme.set("URL=")?;
    let printed = String::from_utf8(run(&mut readme.command("flow.sh")?).await?)?;
    let requests = recorded(&forwarder, &printed).await?;
    run(&mut readme.command("/api/har")?).await?;
    drop((forwarder, service));

    let (service, address) = readme.serve("notes.py").await?;
    let mut replay = readme.command("forwarder replay")?;
    let printed = ends_with(0, &mut replay).await?;
    assert!(printed.contains(&format!("{requests} requests, 0 differ")), "{printed}");
    stop(service, address).await?;
    let _changed = changed(folder.path(), address).await?;
    let printed = ends_with(1, &mut replay).await?;
    assert!(printed.contains("status: 412 became 409"), "{printed}");
    let mut flow = command(checkout().join("examples/api-flow/flow.sh"));
    let printed = ends_with(1, flow.arg(format!("http://{address}"))).await?;
    assert!(printed.contains("PATCH /notes/1: 409 instead of 412"), "{printed}");
    readme.end();
    Ok(())
}
