//! Starting: the URL, the next free port, and one line where the words make no sense.

use crate::support::http;
use crate::support::process::{Process, forwarder, relay, start_relay};
use crate::support::service::Service;
use crate::support::{eventually, within};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Command;

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Host with port, and where that is.
fn place(url: &str) -> (String, SocketAddr) {
    let host = url.strip_prefix("http://").expect("an http URL").to_owned();
    let port = host.rsplit_once(':').expect("a port").1.parse().expect("a port");
    (host, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[tokio::test]
async fn stdout_is_a_url_that_works_and_nothing_else() {
    let service = Service::start();
    let mut forwarder = Process::start(forwarder().args([&service.port(), "--listen", "127.0.0.1:0"]));
    let out = eventually("the URL", || async { Some(forwarder.out()).filter(|out| !out.is_empty()) }).await;
    let (host, address) = place(&out);
    forwarder.says("leads to").await;
    assert!(host.contains(".localhost:"), "{host}");
    assert_eq!(http::get(address, &host, "/echo/hello").await.text(), "hello");
    forwarder.says("GET /echo/hello 200").await;
    // One tunnel answers any other host, as phones on the network need it.
    assert_eq!(http::get(address, &address.to_string(), "/echo/hello").await.text(), "hello");
    forwarder.signal("INT");
    assert_eq!(forwarder.ended().await.code(), Some(0));
    let err = forwarder.err();
    assert!(err.contains("2 requests (0 failed)"), "{err}");
    assert!(!out.contains('\x1b') && !err.contains('\x1b'), "no colours into a pipe: {out:?} {err:?}");
    assert_eq!(forwarder.out(), out);
}

#[tokio::test]
async fn whoever_takes_the_url_from_a_pipe_may_close_it() {
    let service = Service::start();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let words = [&service.port(), "--listen", "127.0.0.1:0", "--quiet"];
    let mut forwarder = Process::start_into(forwarder().args(words), writer);
    let mut url = String::new();
    BufReader::new(reader).read_line(&mut url).expect("it is text");
    let (host, address) = place(url.trim_end());
    for _ in 0..3 {
        assert_eq!(http::get(address, &host, "/echo/hello").await.text(), "hello");
    }
    assert!(forwarder.is_running() && forwarder.err().is_empty(), "{}", forwarder.err());
    forwarder.signal("INT");
    assert_eq!(forwarder.ended().await.code(), Some(0));
}

#[tokio::test]
async fn what_the_relay_says_to_people_is_on_stderr() {
    let mut relay = Process::start(relay().args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]));
    relay.says("/metrics and /healthz are on 127.0.0.1").await;
    relay.signal("TERM");
    assert_eq!(relay.ended().await.code(), Some(0));
    assert!(relay.out().is_empty() && relay.err().contains("tunnels are at http://127.0.0.1"), "{}", relay.err());
}

#[tokio::test]
async fn with_json_each_line_is_an_event() {
    let service = Service::start();
    let words = [&service.port(), "--json", "--listen", "127.0.0.1:0", "--name", "shop"];
    let mut forwarder = Process::start(forwarder().args(words));
    let online = forwarder.event("online").await;
    let (host, address) = place(online["url"].as_str().expect("a URL"));
    assert_eq!((online["name"].as_str(), online["urls"][0].as_str()), (Some("shop"), online["url"].as_str()));
    assert!(host.starts_with("shop.localhost:"), "{host}");
    assert_eq!(http::get(address, &host, "/echo/hello?x=1").await.status, 200);
    let request = forwarder.event("request").await;
    assert_eq!((request["method"].as_str(), request["path"].as_str()), (Some("GET"), Some("/echo/hello?x=1")));
    assert_eq!(request["status"], 200);
    assert!(request["bytes"].is_u64() && request["ms"].is_number() && request["time"].is_string(), "{request}");
    forwarder.signal("TERM");
    assert_eq!(forwarder.event("summary").await["exchanges"], 1);
    assert_eq!(forwarder.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_the_next_free_one_used_unless_it_was_asked_for() {
    let service = Service::start();
    // Whoever has the default port, it is taken now.
    let _holder = std::net::TcpListener::bind("127.0.0.1:8080");
    let mut next = Process::start(forwarder().args([&service.port(), "--json"]));
    let online = next.event("online").await;
    assert_eq!(online["port_taken"], 8080);
    let (host, address) = place(online["url"].as_str().expect("a URL"));
    assert!(address.port() > 8080, "{online}");
    assert_eq!(http::get(address, &host, "/echo/hello").await.text(), "hello");
    let mut people = Process::start(forwarder().arg(service.port()));
    people.says("port 8080 is another program's").await;

    let taken = format!("127.0.0.1:{}", address.port());
    for mut command in [forwarder(), relay()] {
        if command.get_program().to_string_lossy().ends_with("forwarder") {
            command.arg(service.port());
        }
        let mut refused = Process::start(command.args(["--listen", &taken]));
        assert_eq!(refused.ended().await.code(), Some(1));
        assert!(refused.err().contains(&taken) && refused.err().lines().count() == 1, "{}", refused.err());
    }
    assert!(next.is_running() && people.is_running());
}

#[test]
fn a_mistake_is_one_line_that_says_what_would_be_right_and_code_2() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "forwarder 8000"),
        (&["0"], "1 to 65535"),
        (&["99999"], "1 to 65535"),
        (&["8000", "9000"], "TARGET"),
        (&["/no/such/directory"], "directory"),
        (&["https://localhost:1"], "http://"),
        (&["http://localhost:1/path"], "path"),
        (&["8000", "--tokne", "x"], "--token"),
        (&["8000", "--endpoint", "example.com"], "wss://"),
        (&["8000", "--endpoint", "ftp://example.com"], "wss://"),
        (&["8000", "--endpoint", "wss://x.test", "--listen", "127.0.0.1:1"], "choose one"),
        (&["8000", "--name", "No"], "a-z"),
        (&["8000", "--name", "x"], "3 to 40"),
        (&["8000", "--listen", "nowhere"], "127.0.0.1:8080"),
        (&["8000", "--allow", "10.0.0.0/99"], "network"),
        (&["8000", "--header", "no colon"], ":"),
        (&["8000", "--timeout", "soon"], "seconds"),
        (&["8000", "--basic-auth", "nocolon"], "USER:PASS"),
        (&["8000", "--color", "pink"], "auto"),
        (&["8000", "--quiet", "--verbose"], "choose one"),
        (&["8000", "--tui"], "--tui needs a terminal"),
        (&["8000", "--tui", "--json"], "choose one"),
        (&["8000", "--tui", "--quiet"], "choose one"),
        (&["8000", "--tui", "--qr"], "choose one"),
        (&["8000", "--token", "x"], "--endpoint"),
    ];
    for (words, says) in cases {
        let (code, out, err) = output(forwarder().args(*words));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}: {err}");
        assert!(err.starts_with("forwarder: ") && err.lines().count() == 1, "{words:?}: {err}");
        assert!(err.contains(says), "{words:?}: {err}");
    }
    let cases: &[(&[&str], &str)] = &[
        (&["--listen", "nowhere"], "address"),
        (&["--listen", "0.0.0.0:0"], "--token-file"),
        (&["--listen", "[::]:0"], "--open"),
        (&["--public-url", "https://{tunnel}.example.com"], "--token-file"),
        (&["--trusted-proxy", "10.0.0.1"], "--token-file"),
        (&["--trusted-proxy", "10.0.0.0/99"], "trusted-proxy"),
        (&["--token-file", "/no/such/file"], "/no/such/file"),
        (&["--tls-cert", "/tmp/cert.pem"], "--tls-key"),
        (&["--domain", "not a domain"], "domain"),
        (&["--head-bytes", "1"], "head-bytes"),
        (&["--body-bytes", "many"], "body-bytes"),
        (&["--requests-per-second", "0"], "requests-per-second"),
        (&["--tunnels-per-token", "-1"], "tunnels-per-token"),
        (&["--idle", "soon"], "idle"),
        (&["--nonsense"], "--nonsense"),
        (&["stray"], "stray"),
    ];
    for (words, says) in cases {
        let (code, out, err) = output(relay().args(*words));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}: {err}");
        assert!(err.starts_with("relay: ") && err.lines().count() == 1, "{words:?}: {err}");
        assert!(err.contains(says), "{words:?}: {err}");
    }
}

#[test]
fn version_and_help_go_to_stdout_with_code_0() {
    for (name, program) in [("forwarder", forwarder as fn() -> Command), ("relay", relay)] {
        let version = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(output(program().arg("--version")), (Some(0), version, String::new()));
        for flag in ["--help", "-h"] {
            let (code, out, err) = output(program().arg(flag));
            assert_eq!((code, err.as_str()), (Some(0), ""));
            assert!(out.contains("--listen") && out.contains("Examples") && out.contains("TUNNEL_TOKEN"), "{out}");
        }
    }
}

#[tokio::test]
async fn a_relay_open_to_the_world_wants_a_token_or_to_be_told_that_it_is_open() {
    let mut open = Process::start(relay().args(["--json", "--listen", "0.0.0.0:0", "--open"]));
    open.event("listening").await;
    let mut guarded = Process::start(relay().args(["--json", "--listen", "0.0.0.0:0"]).env("TUNNEL_TOKEN", "sesame"));
    guarded.event("listening").await;
}

#[tokio::test]
async fn the_admin_address_tells_health_and_metrics_and_visitors_are_not_told() {
    let service = Service::start();
    let (mut relay, _) = {
        let mut relay = Process::start(relay().args([
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--domain",
            "tunnel.test",
        ]));
        let event = relay.event("listening").await;
        (relay, event)
    };
    let event: serde_json::Value = serde_json::from_str(relay.out().lines().next().expect("a line")).expect("JSON");
    let address = |name: &str| event[name].as_str().expect("an address").parse::<SocketAddr>().expect("an address");
    let (public, admin) = (address("address"), address("admin"));
    let mut forwarder = Process::start(forwarder().args([
        &service.port(),
        "--json",
        "--name",
        "shop",
        "--endpoint",
        &format!("ws://{public}"),
    ]));
    assert_eq!(forwarder.event("online").await["url"], format!("http://shop.tunnel.test:{}", public.port()));
    assert_eq!(http::get(public, "shop.tunnel.test", "/echo/hello").await.text(), "hello");
    assert_eq!(http::get(public, "nobody.tunnel.test", "/").await.status, 404);
    let health = http::get(admin, "admin", "/healthz").await;
    assert_eq!((health.status, health.text().trim()), (200, "ok"));
    let metrics = http::get(admin, "admin", "/metrics").await.text();
    for line in ["http_tunnel_links 1", "tunnel-not-found"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("/echo/hello"), "{metrics}");
    for path in ["/metrics", "/healthz"] {
        assert_eq!(http::get(public, &public.to_string(), path).await.fault(), Some("tunnel-not-found"));
    }
    // It drains: the service is slow, the relay waits for it and says that it does.
    let slow = tokio::spawn(async move { http::get(public, "shop.tunnel.test", "/slow/1500/finished").await });
    eventually("the call is under way", || async { (service.calls() == 2).then_some(()) }).await;
    relay.signal("TERM");
    eventually("it says that it drains", || async {
        (http::try_get(admin, "admin", "/healthz").await.status == 503).then_some(())
    })
    .await;
    assert_eq!(within("the slow answer", slow).await.expect("no panic").text(), "finished");
    assert_eq!(relay.ended().await.code(), Some(0));
}

#[tokio::test]
async fn limits_that_the_operator_sets_hold() {
    let service = Service::start();
    let words = [
        "--domain",
        "tunnel.test",
        "--requests-per-second",
        "3",
        "--tunnels-per-token",
        "1",
        "--head-bytes",
        "8K",
        "--body-bytes",
        "1000",
        "--exchanges-per-tunnel",
        "2",
    ];
    let (_relay, public) = start_relay(&words).await;
    let endpoint = format!("ws://{public}");
    let start =
        |name| Process::start(forwarder().args([&service.port(), "--json", "--name", name, "--endpoint", &endpoint]));
    let mut first = start("first");
    first.event("online").await;
    let mut second = start("second");
    assert_eq!(second.ended().await.code(), Some(1));
    assert!(second.err().contains("429") && second.err().contains("1 tunnels"), "{}", second.err());

    let host = "first.tunnel.test";
    let post = format!("POST /echo/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1001\r\nConnection: close\r\n\r\n");
    let large = http::Visit::begin(public, post.as_bytes()).await.finish().await;
    assert_eq!((large.status, large.fault()), (413, Some("request-too-large")));
    let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: {}\r\nConnection: close\r\n\r\n", "x".repeat(9000));
    let head = http::Visit::begin(public, head.as_bytes()).await.finish().await;
    assert!(head.status == 431 || head.fault() == Some("request-too-large"), "{head:?}");
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(http::get(public, host, "/echo/x").await);
    }
    let refused = statuses.iter().find(|answer| answer.status == 429).expect("12 at once are over 3 a second");
    assert_eq!(refused.fault(), Some("too-many-requests"));
    assert!(refused.header("retry-after").is_some() && refused.text().contains('3'), "{refused:?}");
    assert!(statuses.iter().any(|answer| answer.status == 200));
}
