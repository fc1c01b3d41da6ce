//! A project's file that came with a stranger's repository gets nothing that is the user's.

use crate::folder::{Folder, PROJECTS, USERS, ended, place};
use crate::support::gate::{Gate, welcome};
use crate::support::http;
use crate::support::process::Process;
use crate::support::service::Service;
use crate::support::wire::Encoding;

const TOKEN: &str = "the-users-own-token";

#[tokio::test]
async fn the_users_token_is_not_sent_to_an_endpoint_that_a_project_names() {
    let (service, folder, gate) = (Service::start(), Folder::new(), Gate::start().await);
    let endpoint = gate.endpoint();
    let tunnel = format!("[tunnels.web]\ntarget = {}\n", service.port());
    for (projects, users) in [
        (format!("endpoint = \"{endpoint}\"\n{tunnel}"), format!("token = \"{TOKEN}\"\n")),
        (format!("{tunnel}endpoint = \"{endpoint}\"\n"), format!("token = \"{TOKEN}\"\n")),
        (format!("{tunnel}endpoint = \"{endpoint}\"\n"), format!("[tunnels.web]\ntoken = \"{TOKEN}\"\n")),
        (format!("endpoint = \"{endpoint}\"\n{tunnel}"), format!("[tunnels.web]\ntoken = \"{TOKEN}\"\n")),
    ] {
        folder.write(PROJECTS, &projects);
        folder.write(USERS, &users);
        let mut process = Process::start(&mut folder.forwarder(&["start", "--json", "--inspect", "off"]));
        let asking = gate.asked().await;
        assert_eq!(asking.field("authorization"), None, "{projects}{users}");
        let _link = asking.accept(Encoding::Binary, welcome()).await;
        let notice = process.event("notice").await;
        let text = notice["text"].as_str().expect("text");
        assert!(
            text.contains("config.toml:") && text.contains("is not sent to the endpoint of tunnel.toml:"),
            "{text}"
        );
        // Where the user says so, it is.
        let words = ["start", "--json", "--inspect", "off", "--endpoint", &endpoint];
        let _process = Process::start(&mut folder.forwarder(&words));
        assert_eq!(gate.asked().await.field("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    }
}

#[tokio::test]
async fn the_users_token_goes_to_the_users_endpoint_whatever_else_the_project_says() {
    let (service, folder, gate) = (Service::start(), Folder::new(), Gate::start().await);
    folder.write(PROJECTS, &format!("[tunnels.web]\ntarget = {}\n", service.port()));
    folder.write(USERS, &format!("endpoint = \"{}\"\ntoken = \"{TOKEN}\"\n", gate.endpoint()));
    let _process = Process::start(&mut folder.forwarder(&["start", "--json", "--inspect", "off"]));
    assert_eq!(gate.asked().await.field("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
}

#[test]
fn a_projects_file_sends_no_variable_that_is_not_the_tunnels() {
    let folder = Folder::new();
    folder.write(PROJECTS, "[tunnels.web]\ntarget = 1\nendpoint = \"ws://127.0.0.1:1\"\ntoken = \"env:CLOUD_KEY\"\n");
    let ended = ended(folder.forwarder(&["start"]).env("CLOUD_KEY", TOKEN));
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("tunnels.web.token names a variable that does not begin with TUNNEL_"), "{}", ended.err);
    assert!(!ended.err.contains(TOKEN), "{}", ended.err);
}

#[test]
fn a_projects_file_names_nothing_outside_its_folder() {
    let folder = Folder::new();
    folder.write("secret", TOKEN);
    folder.write("site/index.html", "private");
    std::os::unix::fs::symlink("../secret", folder.path("project/link")).expect("it is made");
    std::os::unix::fs::symlink("../site", folder.path("project/site")).expect("it is made");
    let absolute = folder.path("secret").to_str().expect("text").to_owned();
    let cases = [
        ("token = \"file:../secret\"", "tunnels.web.token"),
        ("token = \"file:~/secret\"", "tunnels.web.token"),
        ("token = \"file:link\"", "tunnels.web.token"),
        (&format!("token = \"file:{absolute}\""), "tunnels.web.token"),
        ("basic-auth = \"file:../secret\"", "tunnels.web.basic-auth"),
        ("verify = \"github:file:../secret\"", "tunnels.web.verify"),
        ("webhook-secret = [\"stripe:file:link\"]", "tunnels.web.webhook-secret[0]"),
    ];
    for (line, key) in cases {
        folder.write(PROJECTS, &format!("[tunnels.web]\ntarget = 1\nendpoint = \"ws://127.0.0.1:1\"\n{line}\n"));
        let ended = folder.run(&["start"]);
        assert_eq!(ended.code, Some(2), "{line}: {}", ended.err);
        let expected =
            "is outside the folder of tunnel.toml, which may be a stranger's; if it is yours, say --config tunnel.toml";
        assert!(ended.err.contains(expected) && ended.err.contains(key), "{line}: {}", ended.err);
        assert!(!ended.err.contains(TOKEN), "{}", ended.err);
    }
    for target in ["..", "../site", "~/site", "site", "/"] {
        folder.write(PROJECTS, &format!("[tunnels.web]\ntarget = \"{target}\"\n"));
        let ended = folder.run(&["start"]);
        assert_eq!(ended.code, Some(2), "{target}: {}", ended.err);
        assert!(ended.err.contains("tunnels.web.target: ") && ended.err.contains("outside"), "{target}: {}", ended.err);
    }
}

#[tokio::test]
async fn what_the_user_names_with_config_may_lead_outside() {
    let folder = Folder::new();
    folder.write("site/index.html", "private");
    folder.write(PROJECTS, "[tunnels.web]\ntarget = \"../site\"\n");
    let mut process = folder.start(&["--config", "tunnel.toml"]);
    let (host, address) = place(&process.event("online").await["url"]);
    assert_eq!(http::get(address, &host, "/").await.text(), "private");
}
