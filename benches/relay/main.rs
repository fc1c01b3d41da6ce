//! The relay benchmark: in one run, every contender carries the same service, round by round, so that only ratios count.
//!
//! `cargo bench --bench relay` measures this crate's programs against bore and rathole, which it installs
//! under `target/peers` the first time, and prints Markdown. `-- --help` lists the flags.

use std::{
    env, fs,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

mod contender;
mod field;
mod machine;
mod options;
mod process;
mod programs;
mod recipe;
mod rows;
mod service;
mod stop;
mod streams;
mod table;
mod visitor;
mod wrk;

use options::{Options, Parsed};

/// Each of 1,000 streams holds two sockets in a peer's process; the default of 1,024 open files would end the row early.
const OPEN_FILES: u64 = 8192;

fn main() -> ExitCode {
    let outcome = if env::var_os(service::ROLE).is_some() { service::run().map(|()| ExitCode::SUCCESS) } else { run() };
    outcome.unwrap_or_else(|error| {
        eprintln!("relay bench: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let options = match Options::parse(env::args().skip(1))? {
        Parsed::Run(options) => options,
        Parsed::Say(text) => {
            println!("{text}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    allow_open_files()?;
    stop::watch()?;
    let report = rows::measure(&options)?;
    println!("{}", report.markdown().trim_end());
    Ok(if report.faults().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts this program again under a shell that raises the soft limit, which all children then inherit.
fn allow_open_files() -> Result<()> {
    let (soft, hard) = open_files()?;
    if soft >= OPEN_FILES {
        return Ok(());
    }
    if hard < OPEN_FILES {
        bail!("at most {hard} open files are allowed here and {OPEN_FILES} are needed: raise `ulimit -Hn`");
    }
    let error = Command::new("sh")
        .args(["-c", "ulimit -Sn \"$0\" && exec \"$@\"", &OPEN_FILES.to_string()])
        .arg(env::current_exe()?)
        .args(env::args().skip(1))
        .exec();
    Err(error).context("could not start this program again with more open files")
}

fn open_files() -> Result<(u64, u64)> {
    let limits = fs::read_to_string("/proc/self/limits").context("this benchmark needs Linux: it reads /proc")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .context("no open file limit in /proc/self/limits")?;
    let mut numbers = line.split_whitespace().map(|word| word.parse().unwrap_or(u64::MAX)); // the word `unlimited`
    Ok((numbers.next().context("no soft limit")?, numbers.next().context("no hard limit")?))
}
