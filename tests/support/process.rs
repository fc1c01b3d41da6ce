//! The real binaries as processes that die with the test.

use super::{PATIENCE, within};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub fn forwarder() -> Command {
    program(env!("CARGO_BIN_EXE_forwarder"))
}

pub fn relay() -> Command {
    program(env!("CARGO_BIN_EXE_relay"))
}

/// A program in an environment that says nothing of tunnels and proxies, and without a home directory that could.
fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    for name in ["ENDPOINT", "TOKEN", "NAME", "CONFIG"] {
        command.env_remove(format!("TUNNEL_{name}"));
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env_remove("HOME").env_remove("XDG_CONFIG_HOME");
    command
}

type Lines = Arc<Mutex<Vec<String>>>;

pub struct Process {
    child: Child,
    out: Lines,
    err: Lines,
    seen: usize,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        Self::start_into(command, Stdio::piped())
    }

    /// Starts it with this stdout, of which [`Process::out`] knows nothing unless it is piped anew.
    pub fn start_into(command: &mut Command, out: impl Into<Stdio>) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(out).stderr(Stdio::piped()).spawn().expect("the program starts");
        // Else this process would keep the test's own stdout open.
        command.stdout(Stdio::null());
        let out = child.stdout.take().map(collect).unwrap_or_default();
        let err = collect(child.stderr.take().expect("it is piped"));
        Self { child, out, err, seen: 0 }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn out(&self) -> String {
        self.out.lock().expect("no panic").join("\n")
    }

    pub fn err(&self) -> String {
        self.err.lock().expect("no panic").join("\n")
    }

    /// The next event of this kind on stdout.
    pub async fn event(&mut self, kind: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = self.out.lock().expect("no panic").get(self.seen).cloned();
            match line {
                Some(line) => {
                    self.seen += 1;
                    let event: Value = serde_json::from_str(&line).expect("each line is JSON");
                    if event["event"] == kind {
                        return event;
                    }
                }
                None => {
                    assert!(Instant::now() < deadline, "no {kind}: {}\n{}", self.out(), self.err());
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    /// Waits until stdout or stderr holds `text`.
    pub async fn says(&self, text: &str) {
        let said = || self.out().contains(text) || self.err().contains(text);
        let deadline = Instant::now() + PATIENCE;
        while !said() {
            assert!(Instant::now() < deadline, "{text:?} is not said: {}\n{}", self.out(), self.err());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(sent.expect("kill is there").success(), "no signal {name}");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let status = within("the program ends", async {
            loop {
                if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        // Its last lines are in the pipe and come to be read.
        within("its output ends", async {
            while Arc::strong_count(&self.out) + Arc::strong_count(&self.err) > 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn collect(pipe: impl std::io::Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let shared = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            shared.lock().expect("no panic").push(line);
        }
    });
    lines
}

/// A relay process with these further words.
pub async fn start_relay(words: &[&str]) -> (Process, SocketAddr) {
    let mut relay = Process::start(relay().args(["--json", "--listen", "127.0.0.1:0"]).args(words));
    let event = relay.event("listening").await;
    let address = event["address"].as_str().expect("an address").parse().expect("an address");
    (relay, address)
}

/// A port that nobody has at this moment.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
