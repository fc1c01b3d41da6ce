//! One inspector for all tunnels of a process: what came through which, and whose service a replay asks.

use crate::folder::{Folder, place};
use crate::support::eventually;
use crate::support::http::{Answer, Visit, get};
use crate::support::process::Process;
use crate::support::service::Service;
use serde_json::{Value, json};
use std::net::SocketAddr;

struct Stage {
    web: Service,
    api: Service,
    inspector: SocketAddr,
    _process: Process,
    _folder: Folder,
}

impl Stage {
    /// Two tunnels, each of which was visited once.
    async fn start() -> Self {
        let (web, api) = (Service::start(), Service::start());
        let folder = Folder::with(&format!(
            "[tunnels.web]\ntarget = {}\nwebhook-secret = \"github:webs\"\n[tunnels.api]\ntarget = {}\nverify = \"stripe:apis\"\n",
            web.port(),
            api.port()
        ));
        let words = ["start", "--json", "--listen", "127.0.0.1:0", "--inspect", "127.0.0.1:0"];
        let mut process = Process::start(&mut folder.forwarder(&words));
        let mut inspector = None;
        for _ in 0..2 {
            let online = process.event("online").await;
            let (host, address) = place(&online["url"]);
            let answer = get(address, &host, &format!("/echo/{}", online["tunnel"].as_str().expect("a name"))).await;
            assert!(matches!(answer.status, 200 | 401), "{answer:?}");
            inspector = Some(place(&online["inspector"]).1);
        }
        let stage = Self { web, api, inspector: inspector.expect("an address"), _process: process, _folder: folder };
        eventually("both are captured", || async { (stage.list("").await.len() == 2).then_some(()) }).await;
        stage
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.inspector,
            body.len()
        );
        Visit::begin(self.inspector, request.as_bytes()).await.finish().await
    }

    async fn json(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.ask(method, path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_str(&answer.text()).expect("it is JSON")
    }

    async fn list(&self, query: &str) -> Vec<Value> {
        let list = self.json("GET", &format!("/api/exchanges?{query}"), &Value::Null).await;
        list["exchanges"].as_array().expect("a list").clone()
    }
}

#[tokio::test]
async fn each_exchange_says_its_tunnel_and_the_list_can_be_held_to_one() {
    let stage = Stage::start().await;
    for name in ["web", "api"] {
        let list = stage.list(&format!("tunnel={name}")).await;
        assert_eq!(list.len(), 1, "{list:?}");
        assert_eq!((&list[0]["tunnel"], &list[0]["target"]), (&json!(name), &json!(format!("/echo/{name}"))));
    }
    let unknown = stage.ask("GET", "/api/exchanges?tunnel=wbe", &Value::Null).await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.text().contains("there is no tunnel") && unknown.text().contains("web, api"), "{}", unknown.text());
    let about = stage.json("GET", "/api", &Value::Null).await;
    let service = |service: &Service| format!("http://localhost:{}", service.port());
    let expected =
        json!([{ "name": "web", "service": service(&stage.web) }, { "name": "api", "service": service(&stage.api) }]);
    assert_eq!(about["tunnels"], expected);
    let har = stage.json("GET", "/api/har?tunnel=api", &Value::Null).await;
    assert_eq!(
        (har["log"]["entries"].as_array().map(Vec::len), &har["log"]["entries"][0]["_tunnel"]),
        (Some(1), &json!("api"))
    );
}

#[tokio::test]
async fn a_replay_and_a_curl_command_lead_to_the_service_of_the_exchanges_tunnel() {
    let stage = Stage::start().await;
    for (name, service, other) in [("web", &stage.web, &stage.api), ("api", &stage.api, &stage.web)] {
        let id = &stage.list(&format!("tunnel={name}")).await[0]["id"];
        let before = (service.calls(), other.calls());
        let done = stage.json("POST", &format!("/api/exchanges/{id}/replay"), &json!({ "times": 2 })).await;
        for replay in done["replays"].as_array().expect("a list") {
            assert_eq!((&replay["tunnel"], &replay["status"], &replay["replay_of"]), (&json!(name), &json!(200), id));
        }
        assert_eq!((service.calls(), other.calls()), (before.0 + 2, before.1));
        let curl = stage.ask("GET", &format!("/api/exchanges/{id}/curl"), &Value::Null).await.text();
        assert!(curl.contains(&format!("localhost:{}/echo/{name}", service.port())), "{curl}");
    }
}

#[tokio::test]
async fn a_har_file_is_replayed_by_the_tunnel_that_it_was_imported_for() {
    let stage = Stage::start().await;
    let har = stage.json("GET", "/api/har?tunnel=web", &Value::Null).await;
    for (query, name, service) in [("?tunnel=api", "api", &stage.api), ("", "web", &stage.web)] {
        let ids = stage.json("POST", &format!("/api/har{query}"), &har).await["ids"].clone();
        let before = service.calls();
        let done = stage.json("POST", &format!("/api/exchanges/{}/replay", ids[0]), &json!({})).await;
        assert_eq!((&done["replays"][0]["tunnel"], service.calls()), (&json!(name), before + 1), "{done}");
    }
    assert_eq!(stage.ask("POST", "/api/har?tunnel=wbe", &har).await.status, 400);
}

#[tokio::test]
async fn secrets_belong_to_their_tunnel() {
    let stage = Stage::start().await;
    let schemes =
        async |query: &str| stage.json("GET", &format!("/api/secrets{query}"), &Value::Null).await["schemes"].clone();
    assert_eq!(schemes("?tunnel=web").await, json!(["github"]));
    assert_eq!(schemes("?tunnel=api").await, json!(["stripe"]));
    assert_eq!(schemes("").await, json!(["github", "stripe"]));
    let id = &stage.list("tunnel=api").await[0]["id"];
    let missing = stage.ask("POST", &format!("/api/exchanges/{id}/replay"), &json!({ "sign": "github" })).await;
    assert_eq!(missing.status, 400, "{}", missing.text());
    stage.json("PUT", "/api/secrets/github?tunnel=api", &json!({ "secret": "another" })).await;
    stage.json("POST", &format!("/api/exchanges/{id}/replay"), &json!({ "sign": "github" })).await;
    stage.json("DELETE", "/api/secrets/github?tunnel=web", &Value::Null).await;
    assert_eq!(schemes("?tunnel=web").await, json!([]));
    assert_eq!(schemes("?tunnel=api").await, json!(["github", "stripe"]));
}
