//! Several tunnels of one process.

use crate::folder::{Folder, PROJECTS, place};
use crate::support::gate::Gate;
use crate::support::process::{Process, free_port, start_relay};
use crate::support::service::Service;
use crate::support::{eventually, http, within};
use serde_json::Value;
use std::collections::HashMap;

/// The first `count` links, by tunnel.
async fn online(process: &mut Process, count: usize) -> HashMap<String, Value> {
    let mut online = HashMap::new();
    for _ in 0..count {
        let event = process.event("online").await;
        online.insert(event["tunnel"].as_str().expect("the tunnel's name").to_owned(), event);
    }
    assert_eq!(online.len(), count, "{online:?}");
    online
}

fn two(web: &Service, api: &Service) -> String {
    format!("[tunnels.web]\ntarget = {}\n[tunnels.api]\ntarget = \"http://{}\"\n", web.port(), api.address)
}

#[tokio::test]
async fn each_tunnel_has_a_url_that_leads_to_its_own_service() {
    let (web, api) = (Service::start(), Service::start());
    let folder = Folder::with(&two(&web, &api));
    let mut process = folder.start(&[]);
    let online = online(&mut process, 2).await;
    for (name, service, other) in [("web", &web, &api), ("api", &api, &web)] {
        let (host, address) = place(&online[name]["url"]);
        assert!(host.starts_with(&format!("{name}.localhost:")), "{host}");
        let before = (service.calls(), other.calls());
        assert_eq!(http::get(address, &host, &format!("/echo/{name}")).await.text(), name);
        assert_eq!((service.calls(), other.calls()), (before.0 + 1, before.1));
        let request = process.event("request").await;
        assert_eq!((&request["tunnel"], &request["path"]), (&Value::from(name), &format!("/echo/{name}").into()));
    }
    let (_, address) = place(&online["web"]["url"]);
    assert_eq!(http::get(address, &address.to_string(), "/").await.fault(), Some("tunnel-not-found"));
    process.signal("TERM");
    assert_eq!(process.event("summary").await["exchanges"], 2);
    assert_eq!(process.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_tunnel_that_is_named_starts_alone_and_answers_any_host() {
    let (web, api) = (Service::start(), Service::start());
    let folder = Folder::with(&two(&web, &api));
    let mut process = folder.start(&["api"]);
    let event = process.event("online").await;
    assert_eq!((&event["name"], &event["tunnel"]), (&Value::from("api"), &Value::Null));
    let (_, address) = place(&event["url"]);
    assert_eq!(http::get(address, &address.to_string(), "/echo/any").await.text(), "any");
    assert_eq!((web.calls(), api.calls()), (0, 1));
}

#[tokio::test]
async fn the_relay_inside_and_one_elsewhere_serve_side_by_side() {
    let (web, far, folder) = (Service::start(), Service::start(), Folder::new());
    folder.write("project/token.txt", "sesame\n");
    let tokens = folder.path("project/token.txt");
    let (_relay, public) =
        start_relay(&["--domain", "tunnel.test", "--token-file", tokens.to_str().expect("text")]).await;
    folder.write(
        PROJECTS,
        &format!(
            "endpoint = \"ws://{public}\"\ntoken = \"file:token.txt\"\n[tunnels.web]\ntarget = {}\nendpoint = \"embedded\"\n\
             [tunnels.far]\ntarget = {}\nname = \"far-away\"\n",
            web.port(),
            far.port()
        ),
    );
    let mut process = folder.start(&[]);
    let online = online(&mut process, 2).await;
    let (host, inside) = place(&online["web"]["url"]);
    assert_ne!(inside, public);
    assert_eq!(http::get(inside, &host, "/echo/inside").await.text(), "inside");
    assert_eq!(online["far"]["name"], "far-away");
    assert_eq!(http::get(public, "far-away.tunnel.test", "/echo/far").await.text(), "far");
    assert_eq!((web.calls(), far.calls()), (1, 1));
}

#[tokio::test]
async fn people_see_which_tunnel_a_line_is_about() {
    let (web, api) = (Service::start(), Service::start());
    let folder = Folder::with(&two(&web, &api));
    let words = ["start", "--listen", "127.0.0.1:0", "--inspect", "127.0.0.1:0"];
    let mut process = Process::start(&mut folder.forwarder(&words));
    for name in ["web", "api"] {
        process.says(&format!("{name} leads to http://")).await;
    }
    let urls = process.out();
    assert_eq!(urls.lines().count(), 2, "{urls}");
    for url in urls.lines() {
        let (host, address) = place(&Value::from(url));
        http::get(address, &host, "/echo/hello").await;
    }
    for name in ["web", "api"] {
        process.says(&format!(" {name} GET /echo/hello 200")).await;
    }
    assert_eq!(process.err().matches("inspector:").count(), 1, "{}", process.err());
    process.signal("INT");
    assert_eq!(process.ended().await.code(), Some(0));
    assert!(process.err().contains("2 requests (0 failed)"), "{}", process.err());
}

#[tokio::test]
async fn a_stop_lets_the_exchanges_of_all_tunnels_finish() {
    let (web, api) = (Service::start(), Service::start());
    let folder = Folder::with(&two(&web, &api));
    let mut process = folder.start(&[]);
    let online = online(&mut process, 2).await;
    let slow: Vec<_> = ["web", "api"]
        .map(|name| place(&online[name]["url"]))
        .map(|(host, address)| tokio::spawn(async move { http::get(address, &host, "/slow/1500/finished").await }))
        .into();
    eventually("both calls are under way", || async { (web.calls() + api.calls() == 2).then_some(()) }).await;
    process.signal("TERM");
    for answer in slow {
        let answer = within("the answer in flight", answer).await.expect("no panic");
        assert_eq!((answer.text().as_str(), answer.whole), ("finished", true), "{answer:?}");
    }
    assert_eq!(process.event("summary").await["failed"], 0);
    assert_eq!(process.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_first_link_that_fails_ends_the_program_and_the_others_drain() {
    let (web, far, gate) = (Service::start(), Service::start(), Gate::start().await);
    let folder = Folder::with(&format!(
        "[tunnels.web]\ntarget = {}\n[tunnels.far]\ntarget = {}\nendpoint = \"{}\"\n",
        web.port(),
        far.port(),
        gate.endpoint()
    ));
    let mut process = folder.start(&[]);
    let asking = gate.asked().await;
    let (host, address) = place(&process.event("online").await["url"]);
    let slow = tokio::spawn(async move { http::get(address, &host, "/slow/1500/finished").await });
    eventually("the call is under way", || async { (web.calls() == 1).then_some(()) }).await;
    asking.refuse("401 Unauthorized", "no such token").await;
    let answer = within("the answer in flight", slow).await.expect("no panic");
    assert_eq!((answer.text().as_str(), answer.whole), ("finished", true), "{answer:?}");
    assert_eq!(process.ended().await.code(), Some(1));
    let err = process.err();
    assert!(err.contains("forwarder: the tunnel far: ") && err.contains("no such token"), "{err}");
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_named_with_its_tunnel() {
    let service = Service::start();
    let folder = Folder::with(&format!(
        "{}[tunnels.far]\ntarget = 1\nendpoint = \"ws://127.0.0.1:{}\"\n",
        two(&service, &service),
        free_port()
    ));
    let mut process = folder.start(&[]);
    assert_eq!(process.ended().await.code(), Some(1));
    assert!(process.err().contains("forwarder: the tunnel far: cannot reach"), "{}", process.err());
}

#[test]
fn an_unknown_name_is_an_error_with_the_nearest_and_the_list() {
    let folder = Folder::with("[tunnels.web]\ntarget = 1\n[tunnels.api]\ntarget = 2\n");
    for (word, expected) in [
        ("wbe", "forwarder start: there is no tunnel \"wbe\", did you mean web? There are web, api\n"),
        ("sparkle", "forwarder start: there is no tunnel \"sparkle\"; there are web, api\n"),
    ] {
        let ended = folder.run(&["start", "web", word]);
        assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(2), "", expected));
    }
}

#[test]
fn words_that_start_nothing_say_what_would() {
    let table = |count: usize| (0..count).map(|n| format!("[tunnels.web-{n}]\ntarget = 1\n")).collect::<String>();
    let cases: &[(&str, &[&str], &str)] = &[
        ("timeout = 5", &["start"], "no tunnel is in tunnel.toml; write [tunnels.web]"),
        ("timeout = 5", &["start", "web"], "there is no tunnel \"web\": no tunnel is in tunnel.toml"),
        (&table(2), &["start", "--name", "shop"], "--name names one tunnel, and 2 are to run"),
        (&table(65), &["start"], "one process runs 64 tunnels at most, not 65"),
        (&table(1), &["start", "--token", "x"], "--basic-auth"),
        ("[tunnels.web]\ntarget = 1\nendpoint = \"ws://x\"", &["start", "--listen", "1"], "add --endpoint embedded"),
        ("tui = true\n[tunnels.web]\ntarget = 1", &["start"], "tunnel.toml:1:7: tui needs a terminal"),
        ("[tunnels.web]", &["start"], "tunnel.toml:1:10: tunnels.web has no target; write target = 8000"),
        ("[tunnels.ab]\ntarget = 1", &["start"], "3 to 40 characters, this one has 2; give it another one with name ="),
        ("[tunnels.web]\ntarget = 1\n[tunnels.api]\ntarget = 1\nname = \"web\"", &["start"], "web and api both ask"),
        ("[tunnels.web]\ntarget = 0\ntimeout = \"x\"", &["start"], "(and 1 more: forwarder config check)"),
    ];
    for (text, words, expected) in cases {
        let ended = Folder::with(text).run(words);
        assert_eq!((ended.code, ended.out.as_str(), ended.err.lines().count()), (Some(2), "", 1), "{}", ended.err);
        assert!(ended.err.contains(expected), "{text} {words:?}: {}", ended.err);
    }
    let ended = Folder::new().run(&["start"]);
    assert!(
        ended.code == Some(2) && ended.err.contains("there is no config file; write [tunnels.web]"),
        "{}",
        ended.err
    );
}

#[test]
fn help_tells_of_names_flags_and_files() {
    let ended = Folder::new().run(&["start", "--help"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    for part in ["forwarder start [NAME...]", "tunnel.toml", "--endpoint", "--config", "forwarder start web api"] {
        assert!(ended.out.contains(part), "{part} is missing: {}", ended.out);
    }
    let ended = Folder::new().run(&["--help"]);
    assert!(ended.out.contains("\n  start ") && ended.out.contains("\n  config "), "{}", ended.out);
}
