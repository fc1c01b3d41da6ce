//! Secrets are in no output, log, list of processes or error.

use crate::support::process::{Process, forwarder, relay};
use crate::support::service::Service;
use crate::support::{http, within};
use base64::Engine as _;
use std::net::SocketAddr;

const TOKEN: &str = "token-never-to-be-seen";
const PASSWORD: &str = "password-never-to-be-seen";
const JWT_SECRET: &str = "jwt-secret-never-to-be-seen-32-bytes-long";

fn command_line(process: &Process) -> String {
    let bytes = std::fs::read(format!("/proc/{}/cmdline", process.id())).expect("it runs");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn check(process: &Process) {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("ana:{PASSWORD}"));
    for text in [command_line(process), process.out(), process.err()] {
        for secret in [TOKEN, PASSWORD, JWT_SECRET, login.as_str()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn secrets_given_by_environment_or_file_are_seen_nowhere() {
    let (folder, service) = (tempfile::tempdir().expect("a directory"), Service::start());
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    std::fs::write(path("tokens"), format!("# the team's\n{TOKEN}\n")).expect("it is written");
    std::fs::write(path("token"), format!("{TOKEN}\n")).expect("it is written");
    std::fs::write(path("jwt"), JWT_SECRET).expect("it is written");
    for from_file in [true, false] {
        let mut command = relay();
        command.args(["--json", "--verbose", "--listen", "127.0.0.1:0", "--domain", "tunnel.test"]);
        command.args(["--jwt-secret-file", &path("jwt"), "--admin", "127.0.0.1:0"]).env("RUST_LOG", "trace");
        if from_file {
            command.args(["--token-file", &path("tokens")]);
        } else {
            command.env("TUNNEL_TOKEN", TOKEN);
        }
        let mut relay = Process::start(&mut command);
        let event = relay.event("listening").await;
        let address = |name: &str| event[name].as_str().expect("an address").parse::<SocketAddr>().expect("an address");
        let public = address("address");

        let mut command = forwarder();
        command.args([&service.port(), "--json", "--verbose", "--name", "shop"]).env("RUST_LOG", "trace");
        command.args(["--endpoint", &format!("ws://{public}"), "--basic-auth", "env:LOGIN"]);
        command.env("LOGIN", format!("ana:{PASSWORD}"));
        if from_file {
            command.args(["--token", &format!("file:{}", path("token"))]);
        } else {
            command.env("TUNNEL_TOKEN", TOKEN);
        }
        let mut forwarder = Process::start(&mut command);
        forwarder.event("online").await;
        let login = base64::engine::general_purpose::STANDARD.encode(format!("ana:{PASSWORD}"));
        let request = format!(
            "GET /echo/hello HTTP/1.1\r\nHost: shop.tunnel.test\r\nAuthorization: Basic {login}\r\n\
             Connection: close\r\n\r\n"
        );
        let answer = http::Visit::begin(public, request.as_bytes()).await.finish().await;
        assert_eq!(answer.text(), "hello");
        assert_eq!(http::get(public, "shop.tunnel.test", "/").await.fault(), Some("unauthorized"));
        assert!(!http::get(address("admin"), "admin", "/metrics").await.text().contains(TOKEN));
        forwarder.event("request").await;
        check(&relay);
        check(&forwarder);
        within("both stop", async {
            forwarder.signal("INT");
            forwarder.ended().await;
            relay.signal("INT");
            relay.ended().await;
        })
        .await;
        for text in [forwarder.out(), forwarder.err(), relay.out(), relay.err()] {
            assert!(![TOKEN, PASSWORD, JWT_SECRET].iter().any(|secret| text.contains(secret)), "{text}");
        }
    }
}

#[tokio::test]
async fn a_secret_in_a_mistaken_command_line_is_not_repeated() {
    let cases: &[&[&str]] = &[
        &["8000", "--tokne", TOKEN],
        &["8000", &format!("--tokne={TOKEN}")],
        &["8000", "--endpoint", &format!("wss://ana:{TOKEN}@example.com")],
        &["8000", "--endpoint", &format!("wss://example.com/?token={TOKEN}")],
        &["8000", "--endpoint", "wss://example.com", "--token", &format!("{TOKEN} and more")],
        &["8000", "--basic-auth", TOKEN],
        &["8000", "--token", TOKEN],
    ];
    for words in cases {
        let output = forwarder().args(*words).output().expect("the program runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains(TOKEN), "{said}");
    }
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("tokens");
    std::fs::write(&file, format!("{TOKEN} with spaces\n")).expect("it is written");
    let output = relay().arg("--token-file").arg(&file).output().expect("the program runs");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains(TOKEN) && said.contains("line 1"), "{said}");
}
