//! One DynamoDB Local for all tests of this process, in memory, which ends when this process ends.

use crate::serverless::program::Result;
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// A JVM on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The engine cannot take port 0, so a free one is picked before; somebody else may be faster.
const ATTEMPTS: usize = 5;

/// Ends the engine when the pipe to it closes, which the kernel does when this process ends, however it ends.
const KEEPER: &str = r#"java "$@" >"$LOG" 2>&1 & engine=$!; echo $engine; read -r _; kill -KILL $engine"#;

struct Engine {
    address: SocketAddr,
    _lifeline: ChildStdin,
}

static SHARED: OnceCell<Engine> = OnceCell::const_new();

pub async fn shared() -> Result<SocketAddr> {
    let engine =
        SHARED.get_or_try_init(|| async { tokio::task::spawn_blocking(start).await.map_err(|e| e.to_string())? });
    Ok(engine.await?.address)
}

fn start() -> Result<Engine> {
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/dynamodb-local");
    let library = fs::read_dir(&jars)
        .map_err(|error| format!("{}: {error}; tests/setup installs DynamoDB Local", jars.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "so"));
    library.ok_or_else(|| format!("{}: incomplete; remove it and run tests/setup", jars.display()))?;
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match attempt(&jars) {
            Ok(engine) => return Ok(engine),
            Err(error) => last = error,
        }
    }
    Err(format!("DynamoDB Local does not start: {last}"))
}

fn attempt(jars: &PathBuf) -> Result<Engine> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|free| free.local_addr())
        .map_err(|e| e.to_string())?
        .port();
    let log = std::env::temp_dir().join(format!("dynamodb-local-{}-{port}.log", std::process::id()));
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "sh", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-Djava.library.path=.", "-cp", "*"])
        .args([
            "com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
            "-inMemory",
            "-sharedDb",
            "-disableTelemetry",
        ])
        .args(["-port", &port.to_string()])
        .current_dir(jars)
        .env("LOG", &log)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("sh: {error}"))?;
    let lifeline = keeper.stdin.take().ok_or("it has a pipe")?;
    let outcome = ready(&mut keeper, port);
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    outcome.map_err(|error| format!("{error}\n{text}"))?;
    Ok(Engine { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), _lifeline: lifeline })
}

/// Waits until the engine, and nobody else, listens on the port.
fn ready(keeper: &mut Child, port: u16) -> Result<()> {
    let mut said = String::new();
    let out = keeper.stdout.as_mut().ok_or("it has a pipe")?;
    while !said.ends_with('\n') {
        let mut byte = [0];
        out.read_exact(&mut byte).map_err(|error| format!("sh: {error}"))?;
        said.push(char::from(byte[0]));
    }
    let pid: u32 = said.trim().parse().map_err(|_| format!("sh said {said:?}"))?;
    let deadline = Instant::now() + PATIENCE;
    while !listens(pid, port) {
        let gone = fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        if gone {
            return Err("the JVM has ended".to_owned());
        }
        if Instant::now() > deadline {
            return Err("the JVM does not listen".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether the process itself holds a socket that listens on the port.
fn listens(pid: u32, port: u16) -> bool {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()))
        .collect();
    ["tcp", "tcp6"].iter().any(|table| {
        let table = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        table.lines().skip(1).any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let local = fields.get(1).is_some_and(|local| local.ends_with(&format!(":{port:04X}")));
            local
                && fields.get(3) == Some(&"0A")
                && fields.get(9).is_some_and(|inode| sockets.contains(&format!("socket:[{inode}]")))
        })
    })
}
