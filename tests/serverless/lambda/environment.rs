//! One process of the function: started with its own environment and its own Runtime API, frozen while it waits, and
//! gone when dropped.

use super::runtime_api::{Desk, Said};
use super::{Failure, Invocation, Log, Program};
use crate::serverless::knobs::Panel;
use crate::serverless::listen::{Owned, Server};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

pub struct Environment {
    pub pid: u32,
    pub init: Duration,
    signals: mpsc::UnboundedSender<Signal>,
    inbox: mpsc::Sender<Invocation>,
    said: mpsc::UnboundedReceiver<Said>,
    exited: watch::Receiver<Option<String>>,
    pub desk: Arc<Desk>,
    freeze: bool,
    _parts: (Server, Owned),
}

/// Sends signals to a process for as long as it exists.
#[derive(Clone)]
pub struct Remote(mpsc::UnboundedSender<Signal>);

impl Remote {
    pub fn kill(&self) {
        // An error means that it is gone already.
        let _ = self.0.send(Signal::KILL);
    }
}

impl Environment {
    /// Starts the process and waits for its first question.
    pub async fn start(program: &Program, panel: &Panel, log: &Log) -> Result<Self, Failure> {
        let knobs = panel.read();
        let (inbox, receiver) = mpsc::channel(1);
        let (saying, said) = mpsc::unbounded_channel();
        let desk = Desk::new(receiver, saying, panel.clone());
        let server = desk.serve().await;
        let started = Instant::now();
        let mut child = command(program, &server)
            .spawn()
            .map_err(|error| Failure::Init(format!("{}: {error}", program.path.display())))?;
        let pid = child.id().expect("it was just started");
        let out = read(child.stdout.take(), pid, log.clone());
        let err = read(child.stderr.take(), pid, log.clone());
        let (signals, orders) = mpsc::unbounded_channel();
        let (ending, exited) = watch::channel(None);
        let keeping = Owned::spawn(async move {
            // What it printed last is read before anybody hears of its end.
            let (status, (), ()) = tokio::join!(keep(child, orders), out, err);
            ending.send_replace(Some(status));
        });
        let parts = (server, keeping);
        let mut new =
            Self { pid, init: Duration::ZERO, signals, inbox, said, exited, desk, freeze: knobs.freeze, _parts: parts };
        let first = tokio::time::timeout(knobs.init_timeout, new.asks()).await;
        first.map_err(|_| Failure::Init("the process did not ask for an event in time".to_owned()))??;
        new.init = started.elapsed();
        new.stop();
        Ok(new)
    }

    /// Waits until the process asks for an event; the error says why it never will.
    pub async fn asks(&mut self) -> Result<(), Failure> {
        tokio::select! {
            biased;
            said = self.said.recv() => match said {
                Some(Said::Next) => Ok(()),
                Some(Said::InitError(text)) => Err(Failure::Init(text)),
                None => Err(Failure::Exited("its Runtime API ended".to_owned())),
            },
            status = self.exited.wait_for(Option::is_some) => {
                let status = status.ok().and_then(|status| status.clone());
                Err(Failure::Exited(status.unwrap_or_else(|| "gone".to_owned())))
            }
        }
    }

    /// Hands an event to the process, which waits for one.
    pub async fn deliver(&self, invocation: Invocation) {
        let _ = self.signals.send(Signal::CONT);
        let desk = &self.desk;
        if let Err(undelivered) = self.inbox.send(invocation).await {
            let _ = undelivered.0.answer.send(Err(Failure::Exited("the process is gone".to_owned())));
            desk.fail(Failure::Exited("the process is gone".to_owned()));
        }
    }

    /// Freezes the process, as the platform does once it waits for an event.
    pub fn stop(&self) {
        if self.freeze {
            let _ = self.signals.send(Signal::STOP);
        }
    }

    pub fn remote(&self) -> Remote {
        Remote(self.signals.clone())
    }

    pub fn is_alive(&self) -> bool {
        self.exited.borrow().is_none()
    }
}

/// Holds the process until it ends, and passes signals to it; only here can its number not be somebody else's.
async fn keep(mut child: Child, mut orders: mpsc::UnboundedReceiver<Signal>) -> String {
    loop {
        tokio::select! {
            status = child.wait() => {
                return status.map_or_else(|error| error.to_string(), |status| status.to_string());
            }
            Some(signal) = orders.recv() => {
                let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
                if let Some(pid) = pid {
                    // A process that has just ended takes no signal, and its end is seen next.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

fn command(program: &Program, server: &Server) -> Command {
    let mut command = Command::new(&program.path);
    command
        .env_clear()
        .envs(&program.environment)
        .env("AWS_LAMBDA_RUNTIME_API", server.address.to_string())
        .env("_X_AMZN_TRACE_ID", "")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: when the test's process is killed, the kernel ends a stopped orphan (SIGHUP, SIGCONT).
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Reads a stream of the process into the log, line by line.
async fn read(stream: Option<impl AsyncRead + Unpin>, pid: u32, log: Log) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.add(pid, line);
    }
}
