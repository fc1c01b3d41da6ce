//! A README's commands are run from its first to its last, with no change but for ports and the URL, which the kernel and
//! the forwarder choose.

use crate::http::curl;
use crate::process::{PATIENCE, Process, command, tools};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// What the READMEs call the service's port and the inspector's address.
const PORT: &str = "8000";
const INSPECTOR: &str = "127.0.0.1:4040";

/// The commands of an example that have not been run yet.
pub(crate) struct Readme {
    name: &'static str,
    commands: VecDeque<String>,
    /// `export` and `URL=`, which each terminal has.
    settings: String,
    url: String,
    replaced: Vec<(String, String)>,
}

/// A forwarder that runs.
pub(crate) struct Forwarder {
    /// What it prints for visitors.
    pub(crate) url: String,
    /// Where its inspector is, `127.0.0.1:PORT`.
    pub(crate) inspector: String,
    process: Process,
}

impl Readme {
    pub(crate) fn of(name: &'static str) -> Result<Self> {
        let file = checkout().join("examples").join(name).join("README.md");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let commands = blocks(&text).collect();
        Ok(Self { name, commands, settings: String::new(), url: String::new(), replaced: Vec::new() })
    }

    /// From here on what the README calls `word` is this.
    pub(crate) fn replace(&mut self, word: &str, with: &str) {
        self.replaced.retain(|(known, _)| known != word);
        self.replaced.push((word.to_owned(), with.to_owned()));
    }

    /// The next line is a setting of every later command. Where it is the URL, that is the one of the latest forwarder.
    pub(crate) fn set(&mut self, mark: &str) -> Result<()> {
        let line = self.next(mark)?;
        let line = if line.starts_with("URL=") { "URL=$FORWARDED" } else { &line };
        self.settings += &format!("{line}\n");
        Ok(())
    }

    /// The next command, in which this must stand.
    pub(crate) fn command(&mut self, mark: &str) -> Result<Command> {
        self.command_with(mark, &[])
    }

    fn command_with(&mut self, mark: &str, words: &[&str]) -> Result<Command> {
        let line = self.next(mark)?;
        let mut shell = command("bash");
        shell.args(["-c", &format!("{}{line} {}", self.settings, words.join(" "))]).current_dir(checkout());
        shell.env("PATH", path()?).env("PORT", "0").env("FORWARDED", &self.url).env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(shell)
    }

    /// Starts the service that the next command is, on a port of its own.
    pub(crate) async fn serve(&mut self, mark: &str) -> Result<(Process, SocketAddr)> {
        let mut command = self.command(mark)?;
        let (service, address) = serve(self.name, &mut command).await?;
        self.replace(PORT, &address.port().to_string());
        Ok((service, address))
    }

    /// Starts the forwarder that the next command is, with the relay inside on a port of its own.
    pub(crate) async fn forward(&mut self) -> Result<Forwarder> {
        self.forward_with(&["--listen", "127.0.0.1:0"]).await
    }

    /// The same with other words.
    pub(crate) async fn forward_with(&mut self, words: &[&str]) -> Result<Forwarder> {
        let words = [words, &["--inspect", "127.0.0.1:0"]].concat();
        let mut process = Process::start("forwarder", &mut self.command_with("forwarder ", &words)?)?;
        // In any order: one line is data, the other is for people.
        let heard = RefCell::new((None, None));
        let said = |line: &str| {
            let mut heard = heard.borrow_mut();
            if line.starts_with("http://") {
                heard.0 = Some(line.to_owned());
            }
            if let Some((_, address)) = line.split_once("inspector: http://") {
                heard.1 = Some(address.to_owned());
            }
            heard.0.clone().zip(heard.1.clone())
        };
        let (url, inspector) = process.line(said).await?;
        self.url.clone_from(&url);
        self.replace(INSPECTOR, &inspector);
        Ok(Forwarder { url, inspector, process })
    }

    /// There is nothing more to run.
    pub(crate) fn end(self) {
        assert!(self.commands.is_empty(), "{}: not run: {:?}", self.name, self.commands);
    }

    fn next(&mut self, mark: &str) -> Result<String> {
        let line = self.commands.pop_front().with_context(|| format!("{}: no command is left", self.name))?;
        ensure!(line.contains(mark), "{}: the next command is {line:?}, not one with {mark:?}", self.name);
        Ok(self.with_replaced(&line))
    }

    /// In one go: what was put in for one word may look like another one.
    fn with_replaced(&self, line: &str) -> String {
        let (mut done, mut rest) = (String::new(), line);
        let first = |text: &str| self.replaced.iter().filter_map(|pair| Some((text.find(&pair.0)?, pair))).min();
        while let Some((at, (word, with))) = first(rest) {
            done = done + &rest[..at] + with;
            rest = &rest[at + word.len()..];
        }
        done + rest
    }
}

impl Forwarder {
    /// The public end for programs that do not find names under localhost.
    pub(crate) fn loopback(&self) -> Result<String> {
        let (_, port) = self.url.rsplit_once(':').context("a URL with its port")?;
        Ok(format!("http://127.0.0.1:{}", port.trim_end_matches('/')))
    }

    /// What the forwarder says next of which this finds something.
    pub(crate) async fn line<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> Result<T> {
        self.process.line(wanted).await
    }

    /// An exchange, once the inspector has all of it.
    pub(crate) async fn exchange(&self, id: u64) -> Result<Value> {
        let url = format!("http://{}/api/exchanges/{id}", self.inspector);
        eventually(&format!("exchange {id} is kept"), async || {
            let answer = curl(&[], &url).await.ok().filter(|answer| answer.status == 200)?;
            serde_json::from_slice(&answer.body).ok().filter(|exchange: &Value| exchange["open"] == false)
        })
        .await
    }
}

/// Starts a service and reads its address from what it says.
pub(crate) async fn serve(name: &'static str, command: &mut Command) -> Result<(Process, SocketAddr)> {
    let mut service = Process::start(name, command)?;
    let address = service.address("http://127.0.0.1:").await?;
    Ok((service, address))
}

/// Stops a service and waits until its port can be another's.
pub(crate) async fn stop(service: Process, address: SocketAddr) -> Result<()> {
    drop(service);
    eventually("the service is gone", async || TcpStream::connect(address).await.err().map(drop)).await
}

async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> Result<T> {
    let found = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, found).await.with_context(|| format!("not in time: {what}"))
}

/// Runs a command to an end with this exit code, and returns what it printed.
pub(crate) async fn ends_with(code: i32, command: &mut Command) -> Result<String> {
    let output = timeout(PATIENCE, command.output()).await.with_context(|| format!("{command:?} does not end"))??;
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.code() == Some(code), "{command:?}: {}\n{printed}", output.status);
    Ok(printed)
}

pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The lines of the shell's blocks, without the remarks behind them.
fn blocks(text: &str) -> impl Iterator<Item = String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.split("  #").next());
    lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// With the programs under test and Python's packages in front.
fn path() -> Result<String> {
    let programs = Path::new(env!("CARGO_BIN_EXE_forwarder")).parent().context("a program is in a folder")?;
    let known = env::var("PATH").context("a path to find programs by")?;
    Ok(format!("{}:{}:{known}", programs.display(), tools().join("venv/bin").display()))
}

#[test]
fn the_list_of_examples_is_the_folders_that_are_there() -> Result<()> {
    let list = fs::read_to_string(checkout().join("examples/README.md"))?;
    let mut listed: Vec<_> =
        list.lines().filter_map(|line| Some(line.strip_prefix("- [")?.split_once(']')?.0)).collect();
    let mut there = Vec::new();
    for entry in fs::read_dir(checkout().join("examples"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            there.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    listed.sort_unstable();
    there.sort_unstable();
    assert_eq!(listed, there);
    Ok(())
}
