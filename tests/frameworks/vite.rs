//! Vite: pages and live reload, by the host that it is called by.

use std::fs;
use std::net::SocketAddr;

use anyhow::Result;
use tempfile::TempDir;

use crate::process::Process;
use crate::stage::{HOST, Stage, between, copy, node};

struct Vite {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Vite {
    /// With these lines in its server's settings.
    async fn start(settings: &str) -> Result<Self> {
        let folder = copy("vite").await?;
        let server = format!("server: {{ host: '127.0.0.1', {settings} }}");
        let config = format!("export default {{ cacheDir: '.vite', clearScreen: false, {server} }};");
        fs::write(folder.path().join("vite.config.js"), config)?;
        let mut process = Process::start("vite", &mut node("vite", "vite/bin/vite.js", folder.path())?)?;
        let address = process.address("http://127.0.0.1:").await?;
        Ok(Self { address, _process: process, _folder: folder })
    }
}

/// The page loads, and its script finds the socket of live reload.
async fn works(stage: &Stage) -> Result<()> {
    let page = stage.call(&[], "/").await?;
    assert_eq!(page.status, 200, "{page:?}");
    let client = stage.call(&[], "/@vite/client").await?.text();
    let token = between(&client, "const wsToken = \"", "\"")?;
    let message = stage.first_message(&format!("/?token={token}"), Some("vite-hmr")).await?;
    assert!(message.contains("connected"), "{message}");
    Ok(())
}

#[tokio::test]
async fn it_works_with_nothing_to_do() -> Result<()> {
    let vite = Vite::start("").await?;
    let stage = Stage::of(vite.address, &[]).await?;
    works(&stage).await?;
    let doctor = stage.doctor(vite.address, &[], "service-framework").await?;
    assert_eq!(
        (doctor["status"].as_str(), doctor["detail"].as_str()),
        (Some("ok"), Some("looks like Vite, nothing to do"))
    );
    let host = stage.doctor(vite.address, &[], "service-host").await?;
    assert_eq!(host["status"], "ok");
    assert!(
        host["detail"].as_str().is_some_and(|text| text.contains("other.tunnel.test would be answered 403")),
        "{host}"
    );
    assert_eq!(stage.tips().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn told_the_public_host_it_needs_allowed_hosts() -> Result<()> {
    let preserve = ["--host-header", "preserve"];
    let refusing = Vite::start("").await?;
    let mut stage = Stage::of(refusing.address, &preserve).await?;
    assert_eq!(stage.call(&[], "/").await?.status, 403);
    let tip = stage.tip().await?;
    let setting = format!("allowedHosts: [\"{HOST}\"]");
    assert!(tip.contains(&format!("server: {{ {setting} }} to vite.config.js")), "{tip}");
    let doctor = stage.doctor(refusing.address, &preserve, "service-host").await?;
    assert_eq!(doctor["status"], "fail");
    assert!(
        doctor["fix"].as_str().is_some_and(|fix| fix.contains("allowedHosts: [\"other.tunnel.test\"]")),
        "{doctor}"
    );
    drop((stage, refusing));

    let vite = Vite::start(&setting).await?;
    let stage = Stage::of(vite.address, &preserve).await?;
    works(&stage).await?;
    assert_eq!(stage.tips().await?, [""; 0]);
    Ok(())
}
