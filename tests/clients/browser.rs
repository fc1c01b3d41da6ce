//! Headless Chromium, driven over the WebDriver protocol by Debian's chromedriver; every browser has an empty profile.

use std::io::ErrorKind;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use tokio::time::{sleep, timeout};

use crate::process::{PATIENCE, Process, command};

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// How often a condition in the page is looked at.
const POLL: Duration = Duration::from_millis(25);

/// A browser with one window. Fields go in order: the driver takes the browser with it, then the folder can be removed.
pub(crate) struct Browser {
    session: String,
    client: Client<HttpConnector, Full<Bytes>>,
    _driver: Process,
    _folder: Folder,
}

impl Browser {
    /// Starts a browser and loads a page.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let folder = tempdir()?;
        // All that the browser leaves lying around lies here.
        let mut driver = command("chromedriver");
        driver.arg("--port=0").env("TMPDIR", folder.path());
        let mut driver = Process::start("chromedriver", &mut driver)?;
        let address = driver.address("started successfully on port ").await?;
        let mut flags: Vec<_> = FLAGS.map(str::to_owned).into();
        flags.push(format!("--user-data-dir={}", folder.path().join("profile").display()));
        let mut browser = Self {
            session: format!("http://{address}/session"),
            client: Client::builder(TokioExecutor::new()).build_http(),
            _driver: driver,
            _folder: Folder(folder),
        };
        let patience = PATIENCE.as_millis() as u64;
        let timeouts = json!({ "script": patience, "pageLoad": patience });
        let wishes = json!({ "goog:chromeOptions": { "args": flags }, "timeouts": timeouts });
        let wishes = json!({ "capabilities": { "alwaysMatch": wishes } });
        let session = browser.call(Method::POST, "", &wishes).await?;
        let id = session["sessionId"].as_str().context("a session has an id")?;
        browser.session = format!("{}/{id}", browser.session);
        browser.call(Method::POST, "/url", &json!({ "url": url })).await?;
        Ok(browser)
    }

    /// Runs a function body in the page and returns what it returns; a promise is waited for.
    pub(crate) async fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        let body = json!({ "script": script, "args": arguments });
        self.call(Method::POST, "/execute/sync", &body).await
    }

    /// Waits until a function body returns something true, over reloads and new pages.
    pub(crate) async fn until(&self, script: &str, arguments: &[Value]) -> Result<()> {
        let mut last = Ok(Value::Null);
        let becomes_true = async {
            loop {
                last = self.run(script, arguments).await;
                match &last {
                    Ok(Value::Null | Value::Bool(false)) | Err(_) => sleep(POLL).await,
                    Ok(_) => break,
                }
            }
        };
        if timeout(PATIENCE, becomes_true).await.is_err() {
            let page = self.run("return document.documentElement.outerHTML", &[]).await;
            bail!("the page never came to: {script}\nlast: {last:?}\npage: {page:?}");
        }
        Ok(())
    }

    /// Ends the browser in peace, so that nothing writes into its folder while that is removed.
    pub(crate) async fn close(self) -> Result<()> {
        self.call(Method::DELETE, "", &json!({})).await?;
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.session);
        let request = Request::builder()
            .method(method)
            .uri(&url)
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))?;
        let response = timeout(2 * PATIENCE, self.client.request(request))
            .await
            .with_context(|| format!("chromedriver does not answer {url}"))??;
        let good = response.status().is_success();
        let answer = response.into_body().collect().await?.to_bytes();
        let mut answer: Value = serde_json::from_slice(&answer)?;
        let value = answer["value"].take();
        if !good {
            bail!("{}: {}", value["error"], value["message"]);
        }
        Ok(value)
    }
}

/// What a browser writes into. Its processes end a moment after their driver, and until then they may write.
struct Folder(TempDir);

impl Drop for Folder {
    fn drop(&mut self) {
        let start = Instant::now();
        while let Err(error) = fs::remove_dir_all(self.0.path()) {
            if error.kind() == ErrorKind::NotFound {
                return;
            }
            if start.elapsed() > PATIENCE {
                return eprintln!("{:?} stays: {error}", self.0.path());
            }
            thread::sleep(POLL);
        }
    }
}
