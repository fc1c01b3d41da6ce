//! The live view, as somebody sees it who sits there.

use crate::support::service::Service;
use crate::support::{eventually, http};
use crate::tmux::Terminal;
use http_tunnel::forwarder::config::{ColorChoice, Output};
use http_tunnel::forwarder::report::{Event, Reporter};
use std::net::SocketAddr;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

const PROMPT: &str = "ready>";

/// A shell at a terminal of this size.
async fn terminal(columns: u16, rows: u16) -> Terminal {
    let folder = TempDir::new().expect("a folder");
    let terminal = Terminal::start(columns, rows, folder, "exec env PS1='ready>' bash --norc --noprofile");
    terminal.until("the prompt", |screen| screen == PROMPT).await;
    terminal
}

/// The view in such a terminal, and where visitors go.
async fn view(service: &Service, columns: u16, rows: u16, words: &str) -> (Terminal, SocketAddr) {
    let terminal = terminal(columns, rows).await;
    let port = crate::support::process::free_port();
    terminal.types(&format!("clear; forwarder {} --tui --listen 127.0.0.1:{port} {words}", service.port()));
    terminal.press(&["Enter"]);
    terminal.until("the view", |screen| screen.contains("online  http") && screen.contains("no requests yet")).await;
    (terminal, SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Sends what the shell runs a signal.
fn send(terminal: &Terminal, signal: &str) {
    let shell = terminal.state("#{pane_pid}");
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).expect("the shell is there");
    let sent = std::process::Command::new("kill").arg(format!("-{signal}")).args(children.split_whitespace()).status();
    assert!(sent.expect("kill is there").success(), "no signal {signal}");
}

/// The terminal is the shell's again: its screen, its cursor, its echo.
async fn is_given_back(terminal: &Terminal) -> String {
    let is_there = |screen: &str| screen.lines().last().is_some_and(|line| line == PROMPT);
    let screen = terminal.until("the prompt", is_there).await;
    assert_eq!(terminal.state("#{alternate_on} #{cursor_flag}"), "0 1");
    terminal.types("clear; stty -a | grep -oE -e '-?(icanon|echo)\\b'");
    terminal.press(&["Enter"]);
    terminal.until("icanon and echo", |screen| screen.starts_with("icanon\necho\n")).await;
    screen
}

#[tokio::test]
async fn requests_are_listed_looked_into_filtered_replayed_and_cleared() {
    let service = Service::start();
    let (terminal, address) = view(&service, 110, 24, "--inspect 127.0.0.1:0").await;
    let host = address.to_string();
    for path in ["/echo/first", "/echo/second?x=1", "/slow/1/third"] {
        assert_eq!(http::get(address, &host, path).await.status, 200);
    }
    let screen = terminal.until("the list", |screen| screen.contains("/slow/1/third")).await;
    let rows: Vec<&str> = screen.lines().filter(|line| line.contains(" GET ")).collect();
    let newest_first = rows[0].contains("/slow/1/third") && rows[2].contains("/echo/first");
    assert!(rows.len() == 3 && newest_first && rows.iter().all(|row| row.contains(" 200 ")), "{screen}");
    assert!(
        screen.contains("inspector http://127.0.0.1:") && rows[0].contains(" 5 B ") && rows[0].contains("127.0.0.1")
    );

    terminal.types("jj");
    terminal.press(&["Enter"]);
    let screen = terminal.until("the details", |screen| screen.contains("content-length: 10")).await;
    for line in ["GET /echo/second?x=1 200", "Request", &format!("host: {host}"), "Answer", "second?x=1"] {
        assert!(screen.lines().any(|shown| shown.trim() == line), "{line}: {screen}");
    }
    terminal.types("r");
    terminal.shows("replayed GET /echo/second?x=1: 200 in").await;
    assert_eq!(service.calls(), 4);
    terminal.press(&["Escape"]);
    terminal.types("/first");
    terminal.until("the one row", |screen| screen.contains("/first_") && !screen.contains("/slow/1/third")).await;
    terminal.press(&["Enter"]);
    terminal.shows("Esc shows all").await;
    terminal.press(&["Escape"]);
    terminal.shows("/slow/1/third").await;
    terminal.types("?");
    terminal.shows("send it again").await;
    terminal.types("xc");
    terminal.shows("no requests yet").await;
}

#[tokio::test]
async fn q_gives_the_terminal_back_and_lets_an_answer_finish() {
    let service = Service::start();
    let (terminal, address) = view(&service, 100, 20, "").await;
    let slow = tokio::spawn(async move { http::get(address, &address.to_string(), "/slow/1500/finished").await });
    eventually("the call is under way", || async { (service.calls() == 1).then_some(()) }).await;
    terminal.types("q");
    assert_eq!(slow.await.expect("no panic").text(), "finished");
    let screen = is_given_back(&terminal).await;
    assert!(screen.contains("GET /slow/1500/finished 200") && screen.contains("1 requests (0 failed)"), "{screen}");
}

#[tokio::test]
async fn a_signal_gives_the_terminal_back_and_so_does_ctrl_c() {
    let service = Service::start();
    for signal in [Some("TERM"), Some("INT"), None] {
        let (terminal, _) = view(&service, 80, 12, "").await;
        match signal {
            Some(signal) => send(&terminal, signal),
            None => terminal.press(&["C-c"]),
        }
        let screen = is_given_back(&terminal).await;
        assert!(screen.contains("0 requests (0 failed)"), "{screen}");
    }
}

#[tokio::test]
async fn a_service_that_is_away_and_a_link_that_breaks_are_seen() {
    let service = Service::start();
    let (mut relay, public) = crate::support::process::start_relay(&["--domain", "tunnel.test"]).await;
    let terminal = terminal(100, 20).await;
    terminal.types(&format!("clear; forwarder {} --tui --endpoint ws://{public} --name shop", service.port()));
    terminal.press(&["Enter"]);
    terminal.shows("online  http://shop.tunnel.test").await;
    relay.signal("KILL");
    relay.ended().await;
    terminal.shows("offline http://shop.tunnel.test").await;
    terminal.types("q");
    is_given_back(&terminal).await;
}

#[tokio::test]
async fn narrow_and_changing_terminals_show_what_they_can() {
    let service = Service::start();
    let (terminal, address) = view(&service, 40, 10, "").await;
    let long = format!("/echo/{}", "long".repeat(60));
    assert_eq!(http::get(address, &address.to_string(), &long).await.status, 200);
    let screen = terminal.until("the row", |screen| screen.contains("/echo/long")).await;
    assert!(screen.lines().count() <= 10 && screen.lines().all(|line| line.chars().count() < 40), "{screen}");
    terminal.press(&["j", "Enter"]);
    for (columns, rows) in [(3, 2), (200, 50), (10, 1), (40, 10)] {
        terminal.resize(columns, rows);
        assert_eq!(http::get(address, &address.to_string(), "/echo/x").await.status, 200);
    }
    terminal.press(&["Escape"]);
    terminal.until("all rows", |screen| screen.matches("/echo/x").count() == 4).await;
    terminal.types("q");
    is_given_back(&terminal).await;
}

#[tokio::test]
async fn what_visitors_send_cannot_command_the_terminal() {
    let service = Service::start();
    let (terminal, address) = view(&service, 120, 24, "").await;
    let body = "\x1b[2J\x1b]0;owned\x07";
    let head = format!("POST /echo/x HTTP/1.1\r\nHost: {address}\r\nX-Evil: \u{9b}2J\u{9d}0;owned\u{9c}\r\n");
    let request = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    assert_eq!(http::Visit::begin(address, request.as_bytes()).await.finish().await.status, 200);
    terminal.shows("/echo/x").await;
    terminal.press(&["j", "Enter"]);
    let screen = terminal.until("the body", |screen| screen.contains("\\u{1b}[2J\\u{1b}]0;owned\\u{7}")).await;
    assert!(screen.contains("x-evil: \\u{9b}2J"), "{screen}");
    assert_ne!(terminal.state("#{pane_title}"), "owned");
}

/// Set where this program runs as one that panics beside a view.
const PANICS: &str = "VIEW_TEST_PANICS";

#[tokio::test]
async fn a_panic_gives_the_terminal_back_and_is_read() {
    if std::env::var_os(PANICS).is_some() {
        let output = Output { json: false, quiet: false, verbose: false, tui: true, color: ColorChoice::Auto };
        let reporter = Reporter::start(output, false).expect("it has a terminal");
        let mut signal = signal(SignalKind::user_defined1()).expect("signals can be listened for");
        reporter.report(Event::Notice("the view is there".to_owned()));
        signal.recv().await;
        panic!("as it was to be");
    }
    let terminal = terminal(100, 30).await;
    let this = std::env::current_exe().expect("it has a path");
    let words = "--exact view::a_panic_gives_the_terminal_back_and_is_read --nocapture";
    terminal.types(&format!("clear; RUST_BACKTRACE=0 {PANICS}=1 {} {words}", this.display()));
    terminal.press(&["Enter"]);
    terminal.shows("the view is there").await;
    assert_eq!(terminal.state("#{alternate_on}"), "1");
    send(&terminal, "USR1");
    let screen = is_given_back(&terminal).await;
    assert!(screen.contains("as it was to be"), "{screen}");
}

#[tokio::test]
async fn a_start_that_fails_is_one_line_on_a_terminal_given_back() {
    let service = Service::start();
    let terminal = terminal(100, 20).await;
    let port = crate::support::process::free_port();
    terminal.types(&format!("clear; forwarder {} --tui --endpoint ws://127.0.0.1:{port}", service.port()));
    terminal.press(&["Enter"]);
    let screen = is_given_back(&terminal).await;
    assert!(screen.contains(&format!("127.0.0.1:{port}")), "{screen}");
}
