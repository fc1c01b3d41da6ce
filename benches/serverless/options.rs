//! The command line, parsed once; nothing else reads it.

use anyhow::{Result, bail};
use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    /// Exchanges of each small answer, and of the large one.
    pub(crate) small: usize,
    pub(crate) large: usize,
    /// Cold starts.
    pub(crate) starts: usize,
    /// How long the service lets the waiting exchanges wait.
    pub(crate) wait: Duration,
}

/// What the command line asks for.
pub(crate) enum Parsed {
    /// Measure.
    Run(Options),
    /// Print this and stop.
    Say(String),
}

const USAGE: &str = "cargo bench --bench serverless -- [--quick]\n\
    \x20 --quick   fewer exchanges: to see that it works, not to quote";

impl Options {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Parsed> {
        let mut options = Self { small: 200, large: 20, starts: 15, wait: Duration::from_secs(10) };
        let mut measuring = false;
        for argument in arguments {
            match argument.as_str() {
                "--bench" => measuring = true, // from `cargo bench`
                "--quick" => options = Self { small: 30, large: 5, starts: 5, wait: Duration::from_secs(2) },
                "--help" => return Ok(Parsed::Say(USAGE.to_owned())),
                other => bail!("unknown argument `{other}`; see --help"),
            }
        }
        // `cargo test --all-targets` runs benches too.
        Ok(match measuring {
            true => Parsed::Run(options),
            false => Parsed::Say("to measure, run `cargo bench --bench serverless`".to_owned()),
        })
    }
}
