//! A foreign page in the user's browser neither reads nor posts, under whatever name it reaches the port.

use crate::browser::Browser;
use crate::service::{Service, whole};
use crate::stage::Stage;
use anyhow::Result;
use http_body_util::Full;
use hyper::{Method, Request, Response};
use serde_json::json;

#[tokio::test]
async fn another_name_or_origin_is_turned_away() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.get("/secret").await?;
    let id = stage.id("/secret").await?;
    let own = stage.inspector.trim_start_matches("http://").to_owned();
    let port = own.rsplit(':').next().unwrap_or_default().to_owned();
    let rebound = format!("evil.example:{port}");
    for (lines, status) in [
        (vec![("host", rebound.as_str())], 421),
        (vec![("host", "127.0.0.1")], 421),
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], 403),
        (vec![("sec-fetch-site", "same-origin")], 200),
        (vec![("origin", stage.inspector.as_str())], 200),
        (vec![], 200),
    ] {
        for path in ["/api/exchanges", "/api/har", "/api", "/app.js"] {
            let request = Request::get(stage.url(path));
            let request = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = stage.send(request.body(Full::default())?).await?;
            assert_eq!(answer.status, status, "{path} {lines:?}");
            assert!(status == 200 || !String::from_utf8_lossy(&answer.body).contains("secret"));
            assert!(!answer.headers.contains_key("access-control-allow-origin"));
        }
    }
    let path = format!("/api/exchanges/{id}/replay");
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let request = Request::post(stage.url(&path)).header("content-type", kind).body(Full::from("{}"))?;
        assert_eq!(stage.send(request).await?.status, 415, "{kind}");
    }
    assert_eq!(stage.order(Method::POST, &path, &json!({})).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn every_answer_forbids_what_no_page_of_ours_needs() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.get("/evil").await?;
    let id = stage.id("/evil").await?;
    for path in ["/", "/app.js", "/style.css", "/api", "/nothing", &format!("/api/exchanges/{id}/response/body")] {
        let answer = stage.send(Request::get(stage.url(path)).body(Full::default())?).await?;
        let policy = answer.headers["content-security-policy"].to_str()?;
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["cross-origin-resource-policy"], "same-origin", "{path}");
    }
    let page = stage.send(Request::get(stage.url("/")).body(Full::default())?).await?;
    let html = String::from_utf8_lossy(&page.body).into_owned();
    assert!(
        !html.contains("http://") && !html.contains("https://") && !html.contains("<style") && !html.contains(" on")
    );
    Ok(())
}

/// The attack itself, in a real browser: a page of another origin tries everything that a page may try.
#[tokio::test]
async fn a_foreign_page_gets_nothing_and_changes_nothing() -> Result<()> {
    let stage = Stage::start(&["--webhook-secret", "github:hush"]).await?;
    stage.get("/secret").await?;
    let id = stage.id("/secret").await?;
    let elsewhere = Service::start(|_| async {
        let mut page = Response::new(whole("<!doctype html><title>elsewhere</title>"));
        page.headers_mut().insert("content-type", "text/html".parse().expect("a value"));
        page
    })
    .await?;
    let browser = Browser::open(&format!("http://localhost:{}/", elsewhere.address.port())).await?;
    let attack = "
        const [base, id] = arguments;
        const tries = {
            list: fetch(`${base}/api/exchanges`).then((answer) => answer.text()),
            opaque: fetch(`${base}/api/exchanges`, { mode: 'no-cors' }).then((answer) => answer.text()),
            json: fetch(`${base}/api/exchanges/${id}/replay`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }),
            form: fetch(`${base}/api/exchanges/${id}/replay`, { method: 'POST', mode: 'no-cors', body: '{}' }).then((answer) => answer.text()),
            clear: fetch(`${base}/api/exchanges`, { method: 'DELETE' }),
            script: new Promise((done, failed) => {
                const script = document.createElement('script');
                Object.assign(script, { src: `${base}/api/exchanges`, onload: () => done('loaded'), onerror: failed });
                document.head.append(script);
            }),
            stream: new Promise((done, failed) => {
                const events = new EventSource(`${base}/api/events`);
                Object.assign(events, { onopen: () => done('open'), onerror: () => { events.close(); failed(); } });
            }),
            frame: new Promise((done, failed) => {
                const frame = document.createElement('iframe');
                frame.src = `${base}/`;
                frame.onload = () => { try { done(frame.contentDocument.body.textContent.slice(0, 50)); } catch { failed(); } };
                document.body.append(frame);
            }),
        };
        const names = Object.keys(tries);
        return Promise.allSettled(Object.values(tries)).then((all) => Object.fromEntries(
            all.map((one, i) => [names[i], one.status === 'fulfilled' ? String(one.value) : null])));";
    let got = browser.run(attack, &[json!(stage.inspector), json!(id)]).await?;
    for name in ["list", "json", "clear", "script", "stream", "frame"] {
        assert!(got[name].is_null(), "{name}: {got}");
    }
    for name in ["opaque", "form"] {
        assert!(got[name].is_null() || got[name] == "", "{name}: {got}");
    }
    let list = stage.api("/api/exchanges").await?;
    assert_eq!(list["exchanges"].as_array().map(Vec::len), Some(1), "nothing was replayed, nothing cleared: {list}");
    browser.close().await
}
