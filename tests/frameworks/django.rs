//! Django's own server: the host that it is called by, and where forms come from.

use std::net::SocketAddr;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::http::Answer;
use crate::process::{Process, python, run};
use crate::stage::{HOST, ORIGIN, Stage, between};

const CREATE_USER: &str =
    "from django.contrib.auth.models import User; User.objects.create_user('ana', password='secret')";
const PRESERVE: [&str; 2] = ["--host-header", "preserve"];

struct Django {
    address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Django {
    /// With these further settings.
    async fn start(settings: Value) -> Result<Self> {
        let folder = tempdir()?;
        let manage = |arguments: &[&str]| {
            let mut manage = python("django/manage.py");
            manage.args(arguments).env("SITE_FOLDER", folder.path()).env("SITE_SETTINGS", settings.to_string());
            manage
        };
        run(&mut manage(&["migrate", "--verbosity=0"])).await?;
        run(&mut manage(&["shell", "--no-imports", "--command", CREATE_USER])).await?;
        let mut process = Process::start("django", &mut manage(&["runserver", "--noreload", "127.0.0.1:0"]))?;
        let address = process.address("server at http://127.0.0.1:").await?;
        Ok(Self { address, _process: process, _folder: folder })
    }
}

async fn log_in(stage: &Stage) -> Result<Answer> {
    let page = stage.call(&[], "/login/").await?;
    assert_eq!(page.status, 200, "{page:?}");
    let html = page.text();
    let token = between(&html, "name=\"csrfmiddlewaretoken\" value=\"", "\"")?;
    let cookie = page.header("set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
    let (cookie, form) =
        (format!("Cookie: {cookie}"), format!("csrfmiddlewaretoken={token}&username=ana&password=secret"));
    stage.submit(&["--header", &cookie, "--data", &form], "/login/").await
}

#[tokio::test]
async fn forms_work_with_nothing_to_do() -> Result<()> {
    let django = Django::start(json!({})).await?;
    let stage = Stage::of(django.address, &[]).await?;
    let answer = log_in(&stage).await?;
    assert_eq!((answer.status, answer.header("location")), (302, Some("/profile/")), "{answer:?}");
    let doctor = stage.doctor(django.address, &[], "service-framework").await?;
    assert_eq!(doctor["detail"], "looks like Django, nothing to do");
    assert_eq!(stage.tips().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn told_the_public_host_it_needs_allowed_hosts_and_trusted_origins() -> Result<()> {
    let refusing = Django::start(json!({})).await?;
    let mut stage = Stage::of(refusing.address, &PRESERVE).await?;
    assert_eq!(stage.call(&[], "/login/").await?.status, 400);
    let tip = stage.tip().await?;
    assert!(tip.contains(&format!("\"{HOST}\" to ALLOWED_HOSTS in settings.py")), "{tip}");
    drop((stage, refusing));

    let distrustful = Django::start(json!({ "ALLOWED_HOSTS": [HOST, "other.tunnel.test"] })).await?;
    let mut stage = Stage::of(distrustful.address, &PRESERVE).await?;
    assert_eq!(log_in(&stage).await?.status, 403);
    let tip = stage.tip().await?;
    assert!(tip.contains(&format!("\"{ORIGIN}\" to CSRF_TRUSTED_ORIGINS in settings.py")), "{tip}");
    let doctor = stage.doctor(distrustful.address, &PRESERVE, "service-framework").await?;
    assert_eq!(doctor["status"], "warn", "{doctor}");
    assert!(doctor["fix"].as_str().is_some_and(|fix| fix.contains("CSRF_TRUSTED_ORIGINS")), "{doctor}");
    drop((stage, distrustful));

    let django = Django::start(json!({ "ALLOWED_HOSTS": [HOST], "CSRF_TRUSTED_ORIGINS": [ORIGIN] })).await?;
    let stage = Stage::of(django.address, &PRESERVE).await?;
    assert_eq!(log_in(&stage).await?.status, 302);
    assert_eq!(stage.tips().await?, [""; 0]);
    Ok(())
}
