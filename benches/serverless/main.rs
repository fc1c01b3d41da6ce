//! The serverless benchmark: the real handler binary behind the tests' stand-in for the platform, whose delays are
//! injected, so that what is measured is the tunnel's own doing; what AWS would bill is counted, not estimated.
//!
//! `cargo bench --bench serverless` prints Markdown; `-- --quick` asks less often, `-- --help` lists the flags.
//! DynamoDB Local is needed, which `tests/setup` installs.

#![allow(unreachable_pub)]

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/platform.rs"]
mod platform;
#[path = "../../tests/serverless/mod.rs"]
mod serverless;

mod answers;
mod bill;
mod measure;
mod options;
mod prices;
mod report;

use anyhow::{Context as _, Result};
use options::{Options, Parsed};
use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("serverless bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let options = match Options::parse(env::args().skip(1))? {
        Parsed::Run(options) => options,
        Parsed::Say(text) => {
            println!("{text}");
            return Ok(());
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let findings = runtime.block_on(measure::all(&options))?;
    println!("{}", report::markdown(&findings).trim_end());
    Ok(())
}
