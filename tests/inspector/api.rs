//! The API: what came in, filters, replay, curl, events; and every answer is as docs/openapi.json says.

use crate::process::{PATIENCE, Process, app, command, python, run};
use crate::stage::{PIXEL, Stage};
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

async fn list(stage: &Stage, query: &str) -> Result<Vec<String>> {
    let list = stage.api(&format!("/api/exchanges?{query}")).await?;
    let exchanges = list["exchanges"].as_array().context("a list")?;
    Ok(exchanges.iter().map(|one| one["target"].as_str().unwrap_or_default().to_owned()).collect())
}

#[tokio::test]
async fn an_exchange_is_captured_whole() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let lines = [("cookie", "a=b; c=d=e"), ("content-type", "text/plain"), ("x-two", "1"), ("x-two", "2")];
    stage.visit("PUT", "/some/path?q=a%20b&empty&q=2", &lines, "hällo").await?;
    stage.get("/cookies").await?;
    let exchange = stage.exchange("/some/path?q=a%20b&empty&q=2").await?;
    assert_eq!(exchange["method"], "PUT");
    assert_eq!(exchange["status"], 200);
    assert_eq!(exchange["origin"], "visitor");
    assert_eq!(exchange["from"], "127.0.0.1");
    assert_eq!(exchange["query"], json!([["q", "a b"], ["empty", ""], ["q", "2"]]));
    assert_eq!(exchange["request"]["cookies"], json!([["a", "b"], ["c", "d=e"]]));
    assert_eq!(
        exchange["request"]["body"],
        json!({ "size": 6, "kept": 6, "whole": true, "encoding": null, "text": "hällo" })
    );
    let headers = exchange["request"]["headers"].as_array().context("headers")?;
    let twice: Vec<_> = headers.iter().filter(|line| line[0] == "x-two").map(|line| &line[1]).collect();
    assert_eq!(twice, ["1", "2"]);
    assert!(exchange["timing"]["service_ms"].as_f64().is_some_and(|ms| ms > 0.0));
    assert!(exchange["response"]["body"]["text"].as_str().is_some_and(|text| text.contains("\"method\":\"PUT\"")));
    let cookies = stage.exchange("/cookies").await?;
    assert_eq!(
        cookies["response"]["cookies"],
        json!([["a", "1; Path=/; HttpOnly"], ["b", "2; Domain=example.com; Secure"]])
    );
    Ok(())
}

#[tokio::test]
async fn bytes_come_back_as_they_were() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let body: Vec<u8> = (0..=255).rev().cycle().take(100_000).collect();
    stage.visit("POST", "/binary", &[], body.clone()).await?;
    let exchange = stage.exchange("/binary").await?;
    assert_eq!(exchange["request"]["body"]["base64"], STANDARD.encode(&body));
    let path = format!("/api/exchanges/{}/request/body", exchange["id"]);
    let answer = stage.send(Request::get(stage.url(&path)).body(Full::default())?).await?;
    assert!(answer.body == body && answer.headers["x-whole"] == "true");
    assert_eq!(answer.headers["content-type"], "application/octet-stream");
    stage.get("/packed").await?;
    let id = stage.id("/packed").await?;
    let decoded =
        Request::get(stage.url(&format!("/api/exchanges/{id}/response/body?decoded=true"))).body(Full::default())?;
    assert_eq!(stage.send(decoded).await?.body, "{\"hidden\":\"in gzip\"}");
    Ok(())
}

#[tokio::test]
async fn filters_find_text_method_status_and_time() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.visit("POST", "/one", &[("x-mark", "Needle-1")], "body with NEEDLE-2").await?;
    stage.get("/packed").await?;
    stage.get("/status/500").await?;
    stage.exchange("/status/500").await?;
    for (query, found) in [
        ("text=needle-1", &["/one"][..]),
        ("text=needle-2", &["/one"]),
        ("text=hidden", &["/packed"]),
        ("text=/ON", &["/one"]),
        ("text=absent", &[]),
        ("method=post", &["/one"]),
        ("status=500", &["/status/500"]),
        ("status=5xx", &["/status/500"]),
        ("status=2xx&method=get", &["/packed"]),
        ("status=failed", &["/status/500"]),
        ("status=open", &[]),
        ("since=0&limit=1", &["/status/500"]),
        ("since=9999999999999", &[]),
        ("until=1000", &[]),
        ("before=2", &["/one"]),
    ] {
        assert_eq!(list(&stage, query).await?, found, "{query}");
    }
    let answer = stage.send(Request::get(stage.url("/api/exchanges?colour=red")).body(Full::default())?).await?;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"].as_str().is_some_and(|why| why.contains("colour") && why.contains("since")));
    Ok(())
}

#[tokio::test]
async fn a_replay_is_what_was_or_what_the_user_made_of_it() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let body: &[u8] = b"\x00\xff as it was";
    stage.visit("PATCH", "/again?x=1", &[("x-kept", "yes"), ("content-type", "a/b")], body).await?;
    let id = stage.id("/again?x=1").await?;
    let path = format!("/api/exchanges/{id}/replay");
    let first = stage.exchange("/again?x=1").await?["response"]["body"]["text"].clone();
    let answer = stage.order(Method::POST, &path, &json!({ "times": 3 })).await?.json();
    let replays = answer["replays"].as_array().context("replays")?;
    assert_eq!(replays.len(), 3);
    for replay in replays {
        let again = stage.api(&format!("/api/exchanges/{}", replay["id"])).await?;
        assert_eq!((&again["origin"], &again["replay_of"]), (&json!("replay"), &json!(id)));
        assert_eq!(again["response"]["body"]["text"], first, "the service is asked the same");
    }
    let edited = json!({ "method": "POST", "target": "/edited", "headers": [["X-New", "1"], ["content-type", "text/plain"]], "text": "ü" });
    let answer = stage.order(Method::POST, &path, &edited).await?.json();
    let edited = stage.api(&format!("/api/exchanges/{}", answer["replays"][0]["id"])).await?;
    let said: Value = serde_json::from_str(edited["response"]["body"]["text"].as_str().context("text")?)?;
    assert_eq!((&said["method"], &said["target"], &said["body"]), (&json!("POST"), &json!("/edited"), &json!("w7w=")));
    let names: Vec<_> = said["headers"].as_array().context("headers")?.iter().map(|line| line[0].as_str()).collect();
    assert!(names.contains(&Some("x-new")) && !names.contains(&Some("x-kept")), "{names:?}");
    Ok(())
}

#[tokio::test]
async fn an_order_that_cannot_be_carried_out_says_why() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    stage.get("/once").await?;
    let path = format!("/api/exchanges/{}/replay", stage.id("/once").await?);
    for (order, status, word) in [
        (json!({ "times": 0 }), 400, "times"),
        (json!({ "times": 101 }), 400, "100"),
        (json!({ "target": "no-slash" }), 400, "target"),
        (json!({ "target": "/a b" }), 400, "target"),
        (json!({ "method": "G T" }), 400, "method"),
        (json!({ "headers": [["a", "b\r\nc"]] }), 400, "header"),
        (json!({ "text": "a", "base64": "YQ==" }), 400, "both"),
        (json!({ "base64": "!" }), 400, "base64"),
        (json!({ "sign": "gitlab" }), 400, "github"),
        (json!({ "sign": "github" }), 400, "--webhook-secret"),
        (json!({ "colour": 1 }), 400, "colour"),
        (json!([]), 400, "JSON"),
    ] {
        let answer = stage.order(Method::POST, &path, &order).await?;
        let why = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == status && why.contains(word), "{order}: {} {why}", answer.status);
    }
    for path in ["/api/exchanges/999/replay", "/api/nothing"] {
        assert_eq!(stage.order(Method::POST, path, &json!({})).await?.status, 404, "{path}");
    }
    Ok(())
}

/// Method, target, headers and body of a visitor's request.
type Sent<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, Vec<u8>);

#[tokio::test]
async fn what_curl_sends_is_what_the_visitor_sent() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let nasty = "it's $HOME `id` \"q\" \\ !x %s\n\ttab é";
    let cases: [Sent<'_>; 7] = [
        ("GET", "/plain?a=b%20c&d=[x]{y}'", vec![("accept", "text/html")], Vec::new()),
        ("POST", "/text", vec![("content-type", "text/plain"), ("x-nasty", "it's \"$HOME\" `id` \\")], nasty.into()),
        ("PUT", "/at", vec![], b"@/etc/passwd".to_vec()),
        ("DELETE", "/gone/../odd/./path", vec![("x-empty", ""), ("user-agent", "x")], Vec::new()),
        ("POST", "/octets", vec![("content-type", "application/x")], (0..=255).cycle().take(1000).collect()),
        ("POST", "/long", vec![], vec![b'x'; 200_000]),
        ("HEAD", "/head", vec![("x-a", "1"), ("x-a", "2")], Vec::new()),
    ];
    for (method, target, lines, body) in cases {
        stage.visit(method, target, &lines, body).await?;
        let exchange = stage.exchange(target).await?;
        let id = &exchange["id"];
        let request = Request::get(stage.url(&format!("/api/exchanges/{id}/curl"))).body(Full::default())?;
        let text = String::from_utf8(stage.send(request).await?.body.to_vec())?;
        let script = tempfile::NamedTempFile::new()?;
        std::fs::write(script.path(), &text)?;
        for shell in ["sh", "bash"] {
            let said = run(command(shell).arg(script.path()))
                .await
                .with_context(|| text[..text.len().min(2000)].to_owned())?;
            if method == "HEAD" {
                ensure!(said.starts_with(b"HTTP/1.1 200"), "{text}");
                continue;
            }
            let same = |said: &[u8]| -> Result<Value> {
                let mut said: Value = serde_json::from_slice(said)?;
                let lines = said["headers"].as_array_mut().context("headers")?;
                lines.retain(|line| line[0] != "host" && line[0] != "content-length");
                lines.sort_by_key(ToString::to_string);
                Ok(said)
            };
            let was = exchange["response"]["body"]["text"].as_str().context("text")?;
            assert_eq!(same(&said)?, same(was.as_bytes())?, "{text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_websockets_messages_are_listed_as_they_come() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(
        format!("ws://{}/socket", stage.public),
        tokio::net::TcpStream::connect(stage.public).await?,
    )
    .await?;
    let messages = async |wanted: usize| -> Result<Value> {
        let found = async {
            loop {
                let list = stage.api("/api/exchanges").await?;
                let id = list["exchanges"][0]["id"].as_u64().unwrap_or_default();
                let messages = stage.api(&format!("/api/exchanges/{id}/messages")).await.unwrap_or_default();
                if messages["messages"].as_array().is_some_and(|list| list.len() >= wanted) {
                    return Ok(messages["messages"].clone());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, found).await?
    };
    socket.send(Message::text("hello <b>")).await?;
    let while_open = messages(2).await?;
    assert_eq!((&while_open[0]["from"], &while_open[0]["text"]), (&json!("visitor"), &json!("hello <b>")));
    assert_eq!((&while_open[1]["from"], &while_open[1]["kind"]), (&json!("service"), &json!("text")));
    let large = vec![7_u8; 150_000];
    socket.send(Message::binary(large.clone())).await?;
    while socket.next().await.context("an answer")??.len() != large.len() {}
    let both = messages(4).await?;
    assert_eq!(both[2]["base64"], STANDARD.encode(&large), "pieces are one message");
    assert_eq!((&both[3]["n"], &both[3]["size"]), (&json!(3), &json!(150_000)));
    socket.close(None).await?;
    while let Some(Ok(_)) = socket.next().await {}
    let exchange = stage.exchange("/socket").await?;
    assert_eq!(
        (&exchange["status"], &exchange["websocket"], &exchange["cut"]),
        (&json!(101), &json!(true), &json!(false))
    );
    let id = exchange["id"].as_u64().context("a number")?;
    let refused = stage.order(Method::POST, &format!("/api/exchanges/{id}/replay"), &json!({})).await?;
    assert_eq!(refused.status, 409);
    Ok(())
}

/// Reads the stream of events until one of this name fits.
async fn event(body: &mut hyper::body::Incoming, name: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut text = String::new();
    let found = async {
        loop {
            while let Some((block, rest)) = text.split_once("\n\n") {
                let data = block.split_once("data: ").map_or("null", |(_, data)| data);
                let value: Value = serde_json::from_str(data)?;
                let named = block.starts_with(&format!("event: {name}\n"));
                text = rest.to_owned();
                if named && fits(&value) {
                    return Ok(value);
                }
            }
            let frame = body.frame().await.context("the stream ended")??;
            text.push_str(std::str::from_utf8(frame.data_ref().context("data")?)?);
        }
    };
    timeout(PATIENCE, found).await?
}

#[tokio::test]
async fn changes_are_told_as_they_happen() -> Result<()> {
    let stage = Stage::start(&[]).await?;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = Request::get(stage.url("/api/events")).body(Full::<hyper::body::Bytes>::default())?;
    let answer = client.request(request).await?;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    event(&mut body, "ready", |_| true).await?;
    stage.get("/told").await?;
    let told = event(&mut body, "exchange", |one| one["target"] == "/told" && one["open"] == false).await?;
    assert_eq!((&told["status"], &told["method"]), (&json!(200), &json!("GET")));
    stage.order(Method::DELETE, "/api/exchanges", &json!({})).await?;
    event(&mut body, "reset", |_| true).await?;
    assert_eq!(list(&stage, "").await?, Vec::<String>::new());
    Ok(())
}

/// The tunnel's own errors, and answers that end too early, are what they are.
#[tokio::test]
async fn a_fault_is_shown_with_its_reason() -> Result<()> {
    let mut forwarder = command(env!("CARGO_BIN_EXE_forwarder"));
    forwarder.args(["1", "--listen", "127.0.0.1:0", "--json", "--inspect", "127.0.0.1:0"]);
    let mut forwarder = Process::start("forwarder", &mut forwarder)?;
    let online = forwarder
        .line(|line| serde_json::from_str::<Value>(line).ok().filter(|event| event["event"] == "online"))
        .await?;
    let port = online["url"].as_str().and_then(|url| url.rsplit_once(':')).context("a port")?.1.to_owned();
    run(command("curl").args(["--silent", &format!("http://127.0.0.1:{port}/nobody")])).await?;
    let url = format!("{}/api/exchanges?text=nobody", online["inspector"].as_str().context("an address")?);
    let found = async {
        loop {
            let list: Value = serde_json::from_slice(&run(command("curl").args(["--silent", &url])).await?)?;
            if list["exchanges"][0]["open"] == false {
                return anyhow::Ok(list["exchanges"][0].clone());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let exchange = timeout(PATIENCE, found).await??;
    assert_eq!((&exchange["fault"], &exchange["status"]), (&json!("service-unreachable"), &json!(502)));
    Ok(())
}

/// What the server says is what docs/openapi.json says, for every path in it; a validator that is not ours decides.
#[tokio::test]
async fn gate_and_link_are_timed_with_the_flag_and_unknown_without() -> Result<()> {
    let stage = Stage::start(&["--timing"]).await?;
    let answer = stage.get("/timed").await?;
    let told = answer.headers.get("server-timing").and_then(|value| value.to_str().ok()).context("it is told")?;
    assert!(told.starts_with("gate;dur=") && told.contains(", service;dur="), "{told}");
    // The gate tells the forwarder after the visitor, so it may come later than the exchange's end.
    let timing = timeout(PATIENCE, async {
        loop {
            let timing = stage.exchange("/timed").await?["timing"].clone();
            if !timing["gate_ms"].is_null() {
                return anyhow::Ok(timing);
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    let timing = timing.await??;
    for hop in ["gate_ms", "link_ms", "wait_ms", "service_ms", "receive_ms"] {
        assert!(timing[hop].as_f64().is_some_and(|took| took >= 0.0), "{hop}: {timing}");
    }
    let stage = Stage::start(&[]).await?;
    assert!(!stage.get("/plain").await?.headers.contains_key("server-timing"));
    let timing = &stage.exchange("/plain").await?["timing"];
    assert!(timing["gate_ms"].is_null() && timing["link_ms"].is_null() && timing["service_ms"].is_number(), "{timing}");
    Ok(())
}

#[tokio::test]
async fn the_documented_api_is_the_api() -> Result<()> {
    let stage = Stage::start(&["--webhook-secret", "github:hush"]).await?;
    stage.visit("POST", "/documented?a=b", &[("x-hub-signature-256", "sha256=0"), ("cookie", "a=b")], "text").await?;
    stage.get("/pixel").await?;
    assert_eq!(stage.exchange("/pixel").await?["response"]["body"]["base64"], PIXEL);
    let id = stage.id("/documented?a=b").await?;
    let har = stage.api("/api/har").await?;
    let orders = [
        (Method::GET, "/api", "/api".to_owned(), Value::Null),
        (Method::GET, "/api/exchanges", "/api/exchanges?limit=1".to_owned(), Value::Null),
        (Method::GET, "/api/exchanges", "/api/exchanges?bad=1".to_owned(), Value::Null),
        (Method::GET, "/api/exchanges/{id}", format!("/api/exchanges/{id}"), Value::Null),
        (Method::GET, "/api/exchanges/{id}", "/api/exchanges/999".to_owned(), Value::Null),
        (Method::GET, "/api/exchanges/{id}/messages", format!("/api/exchanges/{id}/messages"), Value::Null),
        (Method::GET, "/api/exchanges/{id}/curl", format!("/api/exchanges/{id}/curl"), Value::Null),
        (Method::GET, "/api/exchanges/{id}/har", format!("/api/exchanges/{id}/har"), Value::Null),
        (Method::GET, "/api/exchanges/{id}/request/body", format!("/api/exchanges/{id}/request/body"), Value::Null),
        (Method::GET, "/api/exchanges/{id}/response/body", format!("/api/exchanges/{id}/response/body"), Value::Null),
        (
            Method::POST,
            "/api/exchanges/{id}/replay",
            format!("/api/exchanges/{id}/replay"),
            json!({ "times": 2, "sign": "github" }),
        ),
        (Method::POST, "/api/exchanges/{id}/replay", format!("/api/exchanges/{id}/replay"), json!({ "times": 0 })),
        (Method::GET, "/api/har", "/api/har".to_owned(), Value::Null),
        (Method::POST, "/api/har", "/api/har".to_owned(), har),
        (Method::GET, "/api/secrets", "/api/secrets".to_owned(), Value::Null),
        (Method::PUT, "/api/secrets/{scheme}", "/api/secrets/stripe".to_owned(), json!({ "secret": "whsec_x" })),
        (Method::PUT, "/api/secrets/{scheme}", "/api/secrets/other".to_owned(), json!({ "secret": "x" })),
        (Method::DELETE, "/api/secrets/{scheme}", "/api/secrets/stripe".to_owned(), Value::Null),
        (Method::DELETE, "/api/exchanges", "/api/exchanges".to_owned(), Value::Null),
    ];
    let mut said = Vec::new();
    for (method, path, url, body) in orders {
        let mut request = Request::builder().method(&method).uri(stage.url(&url));
        if !body.is_null() {
            request = request.header("content-type", "application/json");
        }
        let sent = if body.is_null() { String::new() } else { body.to_string() };
        let answer = stage.send(request.body(Full::from(sent))?).await?;
        let kind = answer.headers["content-type"].to_str()?.to_owned();
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let method = method.as_str().to_lowercase();
        said.push(json!({ "method": method, "path": path, "status": answer.status, "type": kind, "sent": body, "json": json }));
    }
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), json!(said).to_string())?;
    let openapi = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    assert!(app("inspector/openapi.py").exists());
    run(python("inspector/openapi.py").arg(openapi).arg(file.path())).await?;
    Ok(())
}
