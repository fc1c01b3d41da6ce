//! The command line, parsed once; nothing else reads it.

use anyhow::{Result, bail};

use crate::{contender::CONTENDERS, rows::ROWS};

/// What to measure, and for how long.
pub(crate) struct Options {
    /// Keys of the contenders; the direct way to the service always runs, as the yardstick.
    only: Vec<String>,
    rows: Vec<String>,
    /// How often each contender has its turn in a row.
    pub(crate) rounds: usize,
    /// Length of one turn with wrk.
    pub(crate) seconds: u64,
    /// Turns of the latency row: short and many, since cores that sleep or not shift it from one second to the next.
    pub(crate) latency_rounds: usize,
    pub(crate) latency_millis: u64,
    /// How often each contender has its turn in the download and upload rows.
    pub(crate) body_rounds: usize,
    pub(crate) body_bytes: u64,
    pub(crate) streams: usize,
    pub(crate) starts: usize,
}

/// What the command line asks for.
pub(crate) enum Parsed {
    /// Measure.
    Run(Options),
    /// Print this and stop.
    Say(String),
}

impl Options {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Parsed> {
        let mut options = Self::full();
        let mut measuring = false;
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => measuring = true, // from `cargo bench`
                "--quick" => options.shorten(),
                "--only" => options.only = keys(arguments.next(), "--only", &contender_keys())?,
                "--rows" => options.rows = keys(arguments.next(), "--rows", &row_keys())?,
                "--help" => return Ok(Parsed::Say(usage())),
                other => bail!("unknown argument `{other}`; see --help"),
            }
        }
        // `cargo test --all-targets` runs benches too, where minutes of load would surprise.
        Ok(if measuring {
            Parsed::Run(options)
        } else {
            Parsed::Say("to measure, run `cargo bench --bench relay`".into())
        })
    }

    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.iter().any(|wanted| wanted == row)
    }

    pub(crate) fn includes(&self, contender: &str) -> bool {
        contender == "direct" || self.only.iter().any(|wanted| wanted == contender)
    }

    fn full() -> Self {
        Self {
            only: CONTENDERS
                .iter()
                .filter(|contender| contender.usual)
                .map(|contender| contender.key.to_owned())
                .collect(),
            rows: row_keys().into_iter().map(String::from).collect(),
            rounds: 5,
            seconds: 4,
            latency_rounds: 60,
            latency_millis: 150,
            body_rounds: 5,
            body_bytes: 1 << 30,
            streams: 1000,
            starts: 20,
        }
    }

    fn shorten(&mut self) {
        self.rounds = 3;
        self.seconds = 1;
        self.latency_rounds = 10;
        self.latency_millis = 50;
        self.body_rounds = 2;
        self.body_bytes = 128 << 20;
        self.streams = 200;
        self.starts = 5;
    }
}

fn contender_keys() -> Vec<&'static str> {
    CONTENDERS.iter().map(|contender| contender.key).collect()
}

fn row_keys() -> Vec<&'static str> {
    ROWS.iter().map(|(key, _)| *key).collect()
}

fn keys(value: Option<String>, flag: &str, known: &[&str]) -> Result<Vec<String>> {
    let Some(value) = value else { bail!("{flag} needs a list of {}", known.join(",")) };
    let keys: Vec<String> = value.split(',').map(String::from).collect();
    match keys.iter().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => bail!("{flag} does not know `{unknown}`; it knows {}", known.join(",")),
        None => Ok(keys),
    }
}

fn usage() -> String {
    format!(
        "cargo bench --bench relay -- [flags]\n\
         \x20 --quick        shorter rounds, smaller bodies: to see that it works, not to quote\n\
         \x20 --only LIST    contenders: {}\n\
         \x20 --rows LIST    rows: {}\n\
         FORWARDER and RELAY in the environment name other programs to measure than those just built.",
        contender_keys().join(","),
        row_keys().join(","),
    )
}
