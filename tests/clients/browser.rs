//! Headless Chromium, driven over the WebDriver protocol by Debian's chromedriver; every browser has an empty profile.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
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

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    // A public name, as far as dev servers are concerned.
    "--host-resolver-rules=MAP *.tunnel.test 127.0.0.1",
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
        let (driver, address) = start_driver(folder.path()).await?;
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
        browser.visit(url).await?;
        Ok(browser)
    }

    /// Loads another page.
    pub(crate) async fn visit(&self, url: &str) -> Result<()> {
        self.call(Method::POST, "/url", &json!({ "url": url })).await?;
        Ok(())
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

    /// Tells the browser's own tools something, as `Emulation.setEmulatedMedia`.
    #[allow(dead_code, reason = "tests/inspector uses it, tests/clients.rs does not")]
    pub(crate) async fn emulate(&self, command: &str, parameters: &Value) -> Result<()> {
        self.call(Method::POST, "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await?;
        Ok(())
    }

    /// What the window shows, as PNG in base64.
    #[allow(dead_code, reason = "tests/inspector uses it, tests/clients.rs does not")]
    pub(crate) async fn picture(&self) -> Result<String> {
        let picture = self.get("/screenshot").await?;
        Ok(picture.as_str().context("a picture is text")?.to_owned())
    }

    /// Ends the browser in peace, so that nothing writes into its folder while that is removed.
    pub(crate) async fn close(self) -> Result<()> {
        self.call(Method::DELETE, "", &json!({})).await?;
        Ok(())
    }

    #[allow(dead_code, reason = "tests/inspector uses it, tests/clients.rs does not")]
    async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, &Value::Null).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.session);
        let request = Request::builder()
            .method(method)
            .uri(&url)
            .header("content-type", "application/json")
            .body(if body.is_null() { Full::default() } else { Full::from(body.to_string()) })?;
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

/// The driver takes a free port of IPv6 and then the same one of IPv4, which may be another program's: it ends, and is
/// started again.
async fn start_driver(folder: &Path) -> Result<(Process, SocketAddr)> {
    let mut last = None;
    for _ in 0..5 {
        let mut driver = command("chromedriver");
        driver.arg("--port=0").env("TMPDIR", folder);
        let mut driver = Process::start("chromedriver", &mut driver)?;
        match driver.address("started successfully on port ").await {
            Ok(address) => return Ok((driver, address)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("at least one attempt")?)
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
