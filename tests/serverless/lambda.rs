//! A Lambda function: a pool of real processes, each with one invocation at a time, frozen in between.

mod environment;
pub mod runtime_api;
mod work;

use super::knobs::Panel;
use super::meter::Meter;
use super::{trace, uuid};
use bytes::Bytes;
use environment::{Environment, Remote};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use work::{Slot, Work};

/// What runs, and with which environment variables.
#[derive(Clone, Debug)]
pub struct Program {
    pub path: PathBuf,
    pub arn: String,
    pub timeout: Duration,
    /// Reserved concurrency of the program.
    pub concurrency: Option<usize>,
    pub environment: BTreeMap<String, String>,
}

pub struct Invocation {
    id: String,
    event: Bytes,
    deadline_ms: u64,
    arn: String,
    trace: String,
    /// The invoker takes a streamed answer.
    streams: bool,
    answer: oneshot::Sender<Result<Answer, Failure>>,
}

#[derive(Debug)]
pub enum Answer {
    Buffered(Bytes),
    Streamed { content_type: String, parts: mpsc::Receiver<Part> },
}

/// A piece of a streamed answer. Only `End` makes it whole: parts that stop without one were cut.
#[derive(Debug)]
pub enum Part {
    Data(Bytes),
    End,
    Cut(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The event is over Lambda's limit.
    RequestTooLarge,
    ResponseTooLarge,
    Throttled,
    Init(String),
    Exited(String),
    TimedOut,
    /// The runtime reported an error.
    Function(String),
}

/// What all processes printed.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(u32, String)>>>);

impl Log {
    fn add(&self, pid: u32, line: String) {
        self.0.lock().expect("no panic").push((pid, line));
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no panic").iter().map(|(_, line)| line.clone()).collect()
    }

    pub fn lines_of(&self, pid: u32) -> Vec<String> {
        let lines = self.0.lock().expect("no panic");
        lines.iter().filter(|(printer, _)| *printer == pid).map(|(_, line)| line.clone()).collect()
    }
}

/// A process as a test sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    pub pid: u32,
    /// The kind of event under way.
    pub busy: Option<String>,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Environment>,
    busy: Vec<Busy>,
    /// Places taken, those of processes that start included.
    slots: usize,
    /// Processes of an older generation are not used again.
    generation: u64,
}

struct Busy {
    pid: u32,
    kind: String,
    remote: Remote,
}

pub struct Function {
    program: Program,
    panel: Panel,
    meter: Meter,
    pub log: Log,
    pool: Mutex<Pool>,
    /// A place was given back.
    freed: Notify,
    running: Mutex<JoinSet<()>>,
}

impl Function {
    pub fn new(program: Program, panel: Panel, meter: Meter) -> Arc<Self> {
        let (log, pool, running) = (Log::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { program, panel, meter, log, pool, freed: Notify::new(), running })
    }

    /// Invokes the function and waits for the beginning of its answer.
    pub async fn invoke(
        self: &Arc<Self>,
        kind: &str,
        event: &serde_json::Value,
        streams: bool,
    ) -> Result<Answer, Failure> {
        let event = Bytes::from(event.to_string());
        let knobs = self.panel.read();
        if event.len() > knobs.request_bytes {
            return Err(Failure::RequestTooLarge);
        }
        tokio::time::sleep(knobs.latency.invoke).await;
        let slot = self.slot(knobs.concurrency.or(self.program.concurrency), knobs.processes).await?;
        let (generation, environment) = self.environment().await?;
        let timeout = knobs.function_timeout.unwrap_or(self.program.timeout);
        let (answer, answered) = oneshot::channel();
        let invocation = Invocation {
            id: uuid(),
            event,
            deadline_ms: (SystemTime::now() + timeout)
                .duration_since(SystemTime::UNIX_EPOCH)
                .expect("after 1970")
                .as_millis() as u64,
            arn: self.program.arn.clone(),
            trace: format!("{};Parent=0000000000000000;Sampled=0", trace()),
            streams,
            answer,
        };
        let work = Work { function: Arc::downgrade(self), kind: kind.to_owned(), timeout, generation };
        self.run(work.supervise(environment, invocation, slot));
        answered.await.unwrap_or_else(|_| Err(Failure::Exited("the process is gone".to_owned())))
    }

    /// A place among the invocations of the moment: at once or not at all beyond `limit`, in turn beyond `queue`.
    async fn slot(self: &Arc<Self>, limit: Option<usize>, queue: Option<usize>) -> Result<Slot, Failure> {
        loop {
            let freed = self.freed.notified();
            match Slot::take(self, limit.into_iter().chain(queue).min()) {
                Some(slot) => return Ok(slot),
                None if queue.is_some_and(|queue| limit.is_none_or(|limit| queue < limit)) => freed.await,
                None => return Err(Failure::Throttled),
            }
        }
    }

    fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().expect("no panic");
        while running.try_join_next().is_some() {}
        running.spawn(work);
    }

    /// An idle process, or a new one.
    async fn environment(self: &Arc<Self>) -> Result<(u64, Environment), Failure> {
        let generation = {
            let mut pool = self.pool.lock().expect("no panic");
            while let Some(idle) = pool.idle.pop() {
                if idle.is_alive() {
                    return Ok((pool.generation, idle));
                }
            }
            pool.generation
        };
        Ok((generation, self.start().await?))
    }

    async fn start(&self) -> Result<Environment, Failure> {
        let started = Environment::start(&self.program, &self.panel, &self.log).await?;
        self.meter.count(|tally| tally.inits_ms.push(started.init.as_millis() as u64));
        Ok(started)
    }

    /// Starts processes until so many are idle.
    pub async fn warm(&self, count: usize) -> Result<(), Failure> {
        while self.pool.lock().expect("no panic").idle.len() < count {
            let started = self.start().await?;
            self.pool.lock().expect("no panic").idle.push(started);
        }
        Ok(())
    }

    pub fn processes(&self) -> Vec<Process> {
        let pool = self.pool.lock().expect("no panic");
        let busy = pool.busy.iter().map(|busy| Process { pid: busy.pid, busy: Some(busy.kind.clone()) });
        busy.chain(pool.idle.iter().map(|idle| Process { pid: idle.pid, busy: None })).collect()
    }

    /// Kills the processes that work on this kind of event; says how many.
    pub fn kill_busy(&self, kind: &str) -> usize {
        let pool = self.pool.lock().expect("no panic");
        let chosen: Vec<_> = pool.busy.iter().filter(|busy| busy.kind == kind).collect();
        chosen.iter().for_each(|busy| busy.remote.kill());
        chosen.len()
    }

    /// Kills the processes that wait for an event; says how many.
    pub fn kill_idle(&self) -> usize {
        // Dropped outside of the lock.
        let idle = std::mem::take(&mut self.pool.lock().expect("no panic").idle);
        idle.len()
    }

    /// Ends every process, at work or not.
    pub fn stop(&self) {
        self.running.lock().expect("no panic").abort_all();
        self.kill_idle();
    }

    /// No process of now gets another event; those at work finish.
    pub fn recycle(&self) {
        self.pool.lock().expect("no panic").generation += 1;
        self.kill_idle();
    }
}

/// Memory of a process in bytes: `VmRSS:` now, `VmHWM:` at most.
pub fn memory(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}
