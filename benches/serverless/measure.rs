//! One visitor after the other asks through the tunnel and directly, in turns; the stand-in counts what AWS would bill.

use crate::answers::{self, ANSWERS, Answer, REQUEST};
use crate::bill::Usage;
use crate::common::{Conn, TestService, Tunnel, noise, until};
use crate::options::Options;
use crate::platform::{self, Door};
use crate::serverless::lambda::memory;
use crate::serverless::{Knobs, Latency, Stack};
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Environments that stand by: those of a large answer's messages and the one that waits for them.
const WARM: usize = 14;

/// Exchanges before those that count: connections are opened, and the handler learns how long this tunnel takes.
const REHEARSALS: usize = 5;

/// Calls of each kind that tell how fast the engine is.
const ENGINE_CALLS: usize = 50;

/// Visitors who wait at once.
const WAITING: usize = 4;

/// One row of the tables.
pub(crate) struct Row {
    pub(crate) label: &'static str,
    /// Milliseconds, one value an exchange.
    pub(crate) direct: Vec<f64>,
    pub(crate) through: Vec<f64>,
    pub(crate) usage: Usage,
}

/// Everything that is printed.
pub(crate) struct Findings {
    pub(crate) options: Options,
    pub(crate) rows: Vec<Row>,
    /// Exchanges whose service takes its time.
    pub(crate) waiting: Usage,
    /// Milliseconds that the engine behind DynamoDB's stand-in takes to write and read an item of 10 KB: beyond what is injected.
    pub(crate) engine: [f64; 2],
    /// Milliseconds from the start of the process to its first question.
    pub(crate) inits: Vec<f64>,
    /// Bytes of the stripped program.
    pub(crate) program: u64,
    /// The most that any environment held, bytes.
    pub(crate) memory: u64,
}

/// The stack, the forwarder and the service.
struct Scene {
    stack: Arc<Stack>,
    tunnel: Tunnel,
    service: TestService,
}

pub(crate) async fn all(options: &Options) -> Result<Findings> {
    let service = answers::service().await;
    let knobs = Knobs { latency: Latency::DESIGN, ..Knobs::default() };
    let stack = platform::stack(&[], knobs).await;
    let inits = cold_starts(&stack, options.starts).await?;
    let tunnel = platform::tunnel(&stack, Door::HttpApi, &service).await;
    let scene = Scene { stack, tunnel, service };
    scene.warm().await?;
    let mut rows = Vec::new();
    for answer in &ANSWERS {
        eprintln!("{}", answer.label);
        rows.push(scene.row(answer, answer.exchanges(options)).await?);
    }
    eprintln!("waiting");
    let waiting = scene.waiting(options.wait).await?;
    let engine = engine(&scene.stack).await?;
    let program = fs::metadata(env!("CARGO_BIN_EXE_handler")).context("the handler's program")?.len();
    let processes = scene.stack.function.processes();
    let peak = processes.iter().filter_map(|process| memory(process.pid, "VmHWM:")).max();
    let memory = peak.context("no environment is left")?;
    Ok(Findings { options: *options, rows, waiting, engine, inits, program, memory })
}

async fn cold_starts(stack: &Stack, starts: usize) -> Result<Vec<f64>> {
    for _ in 0..starts {
        stack.function.kill_idle();
        warm(stack, 1).await?;
    }
    Ok(stack.meter.read().inits_ms.iter().map(|ms| *ms as f64).collect())
}

async fn warm(stack: &Stack, count: usize) -> Result<()> {
    stack.function.warm(count).await.map_err(|failure| anyhow::anyhow!("the handler does not start: {failure:?}"))
}

/// Median times of a write and of the read after it.
async fn engine(stack: &Stack) -> Result<[f64; 2]> {
    let table = &stack.environment["TUNNEL_PENDING_TABLE"];
    let key = json!({"exchange": {"S": "engine"}, "part": {"N": "0"}});
    let mut item = key.clone();
    item["message"] = json!({"B": "A".repeat(13_656)});
    let put = json!({"TableName": table, "Item": item});
    let get = json!({"TableName": table, "Key": key, "ConsistentRead": true});
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..ENGINE_CALLS {
        for (at, (operation, request)) in [("PutItem", &put), ("GetItem", &get)].into_iter().enumerate() {
            let begun = Instant::now();
            stack.tables.ask(operation, request).await.map_err(anyhow::Error::msg)?;
            took[at].push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(took.map(|times| crate::report::quantile(&times, 0.5)))
}

impl Scene {
    async fn warm(&self) -> Result<()> {
        warm(&self.stack, WARM).await
    }

    /// Asks the door, or the service itself, for `path`.
    async fn visitor(&self, door: Option<Door>) -> (Conn, String) {
        let addresses = self.stack.addresses();
        match door {
            Some(Door::HttpApi) => (Conn::open(addresses.http).await, self.tunnel.host.clone()),
            Some(Door::FunctionUrl) => {
                let prefix = format!("/{}", crate::common::tunnel::NAME);
                (Conn::open(addresses.stream).await.beneath(&prefix), addresses.stream.to_string())
            }
            None => (Conn::open(self.service.address).await, self.service.address.to_string()),
        }
    }

    async fn row(&self, answer: &Answer, exchanges: usize) -> Result<Row> {
        let mut tunnelled = self.visitor(Some(answer.door)).await;
        let mut directly = self.visitor(None).await;
        for _ in 0..REHEARSALS {
            ask(&mut tunnelled, answer.path, answer.bytes).await?;
            ask(&mut directly, answer.path, answer.bytes).await?;
        }
        let counting = self.counting().await;
        let (mut direct, mut through) = (Vec::new(), Vec::new());
        for _ in 0..exchanges {
            through.push(ask(&mut tunnelled, answer.path, answer.bytes).await?);
            direct.push(ask(&mut directly, answer.path, answer.bytes).await?);
        }
        let usage = self.used(counting, exchanges, answer.bytes).await;
        Ok(Row { label: answer.label, direct, through, usage })
    }

    async fn waiting(&self, wait: Duration) -> Result<Usage> {
        let path = format!("/wait/{}", wait.as_millis());
        let mut visitors = Vec::new();
        for _ in 0..WAITING {
            visitors.push(self.visitor(Some(Door::HttpApi)).await);
        }
        let counting = self.counting().await;
        let asked = visitors.iter_mut().map(|visitor| ask(visitor, &path, 10 * 1024));
        futures_util::future::try_join_all(asked).await?;
        Ok(self.used(counting, WAITING, 10 * 1024).await)
    }

    /// What has been counted before an exchange.
    async fn counting(&self) -> (crate::serverless::Tally, usize) {
        self.rest().await;
        (self.stack.meter.read(), self.stack.log().len())
    }

    async fn used(&self, before: (crate::serverless::Tally, usize), exchanges: usize, answer: usize) -> Usage {
        self.rest().await;
        let tally = self.stack.meter.read().since(&before.0);
        let logged = self.stack.log()[before.1..].iter().map(|line| line.len() as u64 + 1).sum();
        let memory = self.stack.environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"].parse::<f64>().unwrap_or(f64::NAN);
        Usage { exchanges, tally, memory: memory / 1024.0, logged, request: REQUEST, answer }
    }

    /// Every invocation has ended and is counted.
    async fn rest(&self) {
        until("the function to rest", || self.stack.function.processes().iter().all(|process| process.busy.is_none()))
            .await;
    }
}

/// Milliseconds until the whole answer is there.
async fn ask((conn, host): &mut (Conn, String), path: &str, bytes: usize) -> Result<f64> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {REQUEST}\r\n\r\n");
    let request = [head.into_bytes(), noise(3, REQUEST)].concat();
    let begun = Instant::now();
    conn.send(request).await;
    let answer = conn.answer().await;
    let took = begun.elapsed();
    ensure!(answer.status() == 200 && answer.body.len() == bytes, "{path}: {} {}", answer.status(), answer.text());
    Ok(took.as_secs_f64() * 1000.0)
}
