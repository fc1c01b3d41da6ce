//! Server-sent events arrive one by one: the service sends the next one only after the client has shown the last.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::browser::Browser;
use crate::http::curl;
use crate::process::{PATIENCE, Process, command, python};
use crate::service::{Service, streamed};
use crate::tunnel::Tunnel;

/// A stream in the test's hands, and curl at the other end of the tunnel.
struct Stream {
    sender: http_body_util::channel::Sender<Bytes>,
    curl: Process,
    _tunnel: Tunnel,
    _service: Service,
}

async fn stream() -> Result<Stream> {
    let (opened, mut streams) = mpsc::unbounded_channel();
    let service = Service::start(move |_| {
        let (sender, body) = streamed();
        opened.send(sender).expect("the test holds the receiver until it has one stream");
        let mut response = Response::new(body);
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        std::future::ready(response)
    })
    .await?;
    let tunnel = Tunnel::to(service.address).await?;
    let mut curl = command("curl");
    curl.args(["--silent", "--show-error", "--no-buffer", &tunnel.url]);
    let curl = Process::start("curl", &mut curl)?;
    let sender = timeout(PATIENCE, streams.recv()).await?.context("one stream")?;
    Ok(Stream { sender, curl, _tunnel: tunnel, _service: service })
}

#[tokio::test]
async fn each_event_reaches_curl_before_the_next_is_sent() -> Result<()> {
    let mut stream = stream().await?;
    for number in 1..=30 {
        let data = format!("data: {number}");
        stream.sender.send_data(format!("{data}\n\n").into()).await?;
        stream.curl.line(|line| (line == data).then_some(())).await?;
    }
    drop(stream.sender);
    let ending = stream.curl.end().await?;
    assert!(ending.success(), "curl saw the end as {ending}");
    Ok(())
}

#[tokio::test]
async fn the_service_learns_that_the_listener_left() -> Result<()> {
    let mut stream = stream().await?;
    stream.sender.send_data("data: 1\n\n".into()).await?;
    stream.curl.line(|line| (line == "data: 1").then_some(())).await?;
    drop(stream.curl);
    let refused = async {
        while stream.sender.send_data(": anybody there?\n\n".into()).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, refused).await.context("the service still sends to nobody")
}

#[tokio::test]
async fn a_browser_follows_the_events_of_a_flask_app_and_resumes_them() -> Result<()> {
    let mut flask = Process::start("flask", &mut python("flask/app.py"))?;
    let app = flask.address("Running on http://127.0.0.1:").await?;
    let tunnel = Tunnel::to(app).await?;
    let browser = Browser::open(&tunnel.url).await?;
    let mut seen = Vec::new();
    // The app ends its stream after every third event; the browser reconnects and says which was its last.
    for number in 1..=7 {
        let data = format!("event no. {number}");
        let next = curl(&["--data-raw", &data], &format!("http://{app}/next")).await?;
        ensure!(next.status == 204, "{next:?}");
        seen.push(format!("{number}: {data}"));
        browser.until("return events.length >= arguments[0]", &[json!(number)]).await?;
    }
    assert_eq!(browser.run("return events", &[]).await?, json!(seen));
    browser.close().await
}
