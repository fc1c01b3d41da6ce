//! Flags, environment, the project's file and the user's: which of them is heard.

use crate::folder::{Folder, PROJECTS, USERS, ended, place};
use crate::support::http;
use crate::support::process::{Process, start_relay};
use crate::support::service::Service;

const APART: &str = "json = true\nlisten = \"127.0.0.1:0\"\ninspect = \"off\"\n";

#[tokio::test]
async fn a_flag_beats_the_environment_that_the_projects_file_and_that_the_users() {
    let (service, folder) = (Service::start(), Folder::new());
    let tunnel = |name: &str| format!("{APART}[tunnels.web]\ntarget = {}\nname = \"{name}\"\n", service.port());
    folder.write(USERS, &tunnel("from-user"));
    folder.write(PROJECTS, &tunnel("from-project"));
    let mut names = Vec::new();
    for (words, variable) in [
        (&["start", "--name", "from-flag"][..], "from-environment"),
        (&["start"], "from-environment"),
        (&["start"], ""),
        (&["start"], ""),
    ] {
        if names.len() == 3 {
            std::fs::remove_file(folder.path(PROJECTS)).expect("it is there");
        }
        let mut process = Process::start(folder.forwarder(words).env("TUNNEL_NAME", variable));
        names.push(process.event("online").await["name"].as_str().expect("a name").to_owned());
    }
    assert_eq!(names, ["from-flag", "from-environment", "from-project", "from-user"]);
}

#[tokio::test]
async fn files_are_merged_key_by_key_and_a_tunnel_is_above_the_defaults() {
    let (service, folder) = (Service::start(), Folder::new());
    folder.write(USERS, &format!("{APART}basic-auth = \"ana:users\"\n[tunnels.web]\nallow = [\"127.0.0.0/8\"]\n"));
    folder.write(
        PROJECTS,
        &format!(
            "basic-auth = \"ana:projects\"\ndeny = [\"127.0.0.0/8\"]\n[tunnels.web]\ntarget = {0}\ndeny = []\n\
                  [tunnels.api]\ntarget = {0}\nbasic-auth = \"ana:tunnels\"\n",
            service.port()
        ),
    );
    let mut process = Process::start(&mut folder.forwarder(&["start"]));
    for _ in 0..2 {
        let online = process.event("online").await;
        let (host, address) = place(&online["url"]);
        let mut statuses = Vec::new();
        for login in ["YW5hOnVzZXJz", "YW5hOnByb2plY3Rz", "YW5hOnR1bm5lbHM="] {
            let request = format!(
                "GET /echo/in HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n"
            );
            statuses.push(http::Visit::begin(address, request.as_bytes()).await.finish().await.status);
        }
        match online["tunnel"].as_str() {
            Some("web") => assert_eq!(statuses, [401, 200, 401]),
            _ => assert_eq!(statuses, [403; 3], "denied by the default"),
        }
    }
}

#[tokio::test]
async fn a_setting_of_one_tunnel_is_not_anothers() {
    let (service, folder) = (Service::start(), Folder::new());
    folder.write(
        PROJECTS,
        &format!("{APART}[tunnels.web]\ntarget = {0}\ntiming = true\n[tunnels.api]\ntarget = {0}\n", service.port()),
    );
    let mut process = Process::start(&mut folder.forwarder(&["start"]));
    for _ in 0..2 {
        let online = process.event("online").await;
        let (host, address) = place(&online["url"]);
        let answer = http::get(address, &host, "/echo/timed").await;
        assert_eq!(answer.header("server-timing").is_some(), online["tunnel"] == "web", "{answer:?}");
    }
}

#[tokio::test]
async fn an_ordinary_command_hears_the_users_file_and_no_projects() {
    let (service, folder) = (Service::start(), Folder::new());
    folder.write(USERS, &format!("{APART}basic-auth = \"env:LOGIN\"\n[tunnels.other]\ntarget = 1\n"));
    folder.write(PROJECTS, "this is = no TOML");
    let mut command = folder.forwarder(&[&service.port(), "--name", "shop"]);
    let mut process = Process::start(command.env("LOGIN", "ana:secret"));
    let (host, address) = place(&process.event("online").await["url"]);
    assert!(host.starts_with("shop.localhost:"), "{host}");
    assert_eq!(http::get(address, &host, "/").await.fault(), Some("unauthorized"));
    assert_eq!(service.calls(), 0);
}

#[tokio::test]
async fn a_file_that_is_named_is_the_only_one() {
    let (service, folder) = (Service::start(), Folder::new());
    folder.write(USERS, "this is = no TOML");
    folder.write(PROJECTS, "this is = no TOML");
    folder.write("staging.toml", &format!("{APART}[tunnels.staging]\ntarget = {}\n", service.port()));
    let staging = folder.path("staging.toml");
    let staging = staging.to_str().expect("text");
    let port = service.port();
    for (words, name) in [
        (&["start", "--config", staging][..], "staging"),
        (&["start", "--config=../staging.toml"], "staging"),
        (&[&port, "--name", "shop", "--config", staging], "shop"),
    ] {
        let mut process = Process::start(&mut folder.forwarder(words));
        assert_eq!(process.event("online").await["name"], name);
    }
    let mut process = Process::start(folder.forwarder(&["start"]).env("TUNNEL_CONFIG", staging));
    assert_eq!(process.event("online").await["name"], "staging");
    let gone = ended(folder.forwarder(&["start", "--config", "gone.toml"]).env("TUNNEL_CONFIG", staging));
    assert_eq!(gone.code, Some(2));
    assert!(gone.err.starts_with("forwarder start: gone.toml: the config file cannot be read: "), "{}", gone.err);
}

#[tokio::test]
async fn secrets_come_from_files_beside_the_file_from_the_home_directory_or_the_environment() {
    let (service, folder) = (Service::start(), Folder::new());
    folder.write("tokens", "sesame\n");
    let tokens = folder.path("tokens");
    let (_relay, public) =
        start_relay(&["--domain", "tunnel.test", "--token-file", tokens.to_str().expect("text")]).await;
    folder.write("project/secret/token", "sesame\n");
    folder.write(".config/http-tunnel/token", "sesame\n");
    let absolute = format!("file:{}", tokens.display());
    let cases = [
        (PROJECTS, "file:secret/token"),
        (PROJECTS, "env:TUNNEL_SECRET"),
        (USERS, "env:SECRET"),
        (PROJECTS, "sesame"),
        (USERS, "file:token"),
        (USERS, "file:~/tokens"),
        (USERS, absolute.as_str()),
    ];
    for (file, token) in cases {
        let text = format!(
            "{APART}endpoint = \"ws://{public}\"\ntoken = \"{token}\"\n[tunnels.web]\ntarget = {}\n",
            service.port()
        );
        folder.write(file, &text);
        let mut process = Process::start(
            folder.forwarder(&["start", "--verbose"]).env("SECRET", "sesame").env("TUNNEL_SECRET", "sesame"),
        );
        assert_eq!(process.event("online").await["name"], "web", "{file} {token}");
        assert!(!process.out().contains("sesame") && !process.err().contains("sesame"), "{}", process.err());
        process.signal("INT");
        process.ended().await;
        std::fs::remove_file(folder.path(file)).expect("it is there");
    }
}

#[tokio::test]
async fn a_secret_in_a_file_that_others_can_read_is_noted_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt as _;
    let (service, folder) = (Service::start(), Folder::new());
    for (secret, mode, noted) in [
        ("basic-auth = \"ana:hunter2\"", 0o644, true),
        ("basic-auth = \"ana:hunter2\"", 0o600, false),
        ("verify = \"github:hunter2\"", 0o640, true),
        ("verify = \"github:env:HOOK\"", 0o644, false),
    ] {
        folder.write(PROJECTS, &format!("{APART}[tunnels.web]\ntarget = {}\n{secret}\n", service.port()));
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(PROJECTS), permissions).expect("it is ours");
        let mut process = Process::start(folder.forwarder(&["start"]).env("HOOK", "hunter2"));
        process.event("online").await;
        process.signal("INT");
        process.ended().await;
        let said = process.out() + &process.err();
        let is_noted =
            said.contains("is a secret in a file that others can read: chmod 600 tunnel.toml, or write env:NAME");
        assert_eq!((is_noted, said.contains("hunter2")), (noted, false), "{secret} {mode:o}: {said}");
        let check = folder.run(&["config", "check"]);
        assert_eq!(check.err.contains("chmod 600"), noted, "{}", check.err);
    }
}
