//! A program that does not start says why in its user's words, and its exit code says whether that was a mistake.
//!
//! What both programs do around their work stands here: words in, log out, the signals that stop, the exit code.

use std::fmt;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Why a command line does not lead to a running program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `--help`: the text for stdout.
    Help(String),
    /// `--version`: the line for stdout.
    Version(String),
    /// A mistake: one line for stderr that says what is wrong and what would be right.
    Usage(String),
}

impl Stop {
    /// The process's exit code: 2 for a mistake, else 0.
    pub fn code(&self) -> u8 {
        match self {
            Self::Help(_) | Self::Version(_) => 0,
            Self::Usage(_) => 2,
        }
    }

    /// Tells the user of `program` and gives the exit code.
    pub fn print(&self, program: &str) -> ExitCode {
        match self {
            Self::Help(text) | Self::Version(text) => println!("{}", text.trim_end()),
            Self::Usage(text) => eprintln!("{program}: {text}"),
        }
        ExitCode::from(self.code())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Help(text) | Self::Version(text) | Self::Usage(text) => f.write_str(text),
        }
    }
}

/// The words behind the program's name.
///
/// # Errors
/// A word is not UTF-8.
pub fn arguments() -> Result<Vec<String>, Stop> {
    let words = std::env::args_os().skip(1).map(std::ffi::OsString::into_string);
    let words: Result<_, _> = words.collect();
    words.map_err(|word| Stop::Usage(format!("the word {word:?} is not UTF-8")))
}

/// Starts the log on stderr: warnings, more with `verbose`, and what `RUST_LOG` asks for (`level` or `target=level`,
/// separated by commas).
pub fn start_log(verbose: bool, json: bool) {
    start_log_in(std::io::stderr, verbose, json);
}

/// The same with another place for it.
pub fn start_log_in(place: impl for<'a> MakeWriter<'a> + Send + Sync + 'static, verbose: bool, json: bool) {
    let default = if verbose { LevelFilter::DEBUG } else { LevelFilter::WARN };
    let asked = std::env::var("RUST_LOG").ok().filter(|asked| !asked.is_empty());
    let filter = match asked.as_deref().map(str::parse::<Targets>) {
        Some(Ok(targets)) => targets,
        None => Targets::new().with_default(default),
        Some(Err(error)) => {
            eprintln!("RUST_LOG is ignored: {error}");
            Targets::new().with_default(default)
        }
    };
    let log = tracing_subscriber::fmt::layer().with_writer(place);
    let log = if json { log.json().boxed() } else { log.with_target(false).boxed() };
    tracing_subscriber::registry().with(log.with_filter(filter)).init();
}

/// A token that the first SIGINT or SIGTERM cancels; the second one ends the process at once.
///
/// # Errors
/// The signals cannot be listened for.
pub fn stop_signal() -> std::io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stopped = CancellationToken::new();
    let token = stopped.clone();
    tokio::spawn(async move {
        for repeated in [false, true] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if repeated {
                std::process::exit(130); // 128 + SIGINT, as shells have it.
            }
            stopped.cancel();
        }
    });
    Ok(token)
}

/// The exit code of a program that ran: 1, and one line that says why, if it failed.
pub fn exit_code(program: &str, outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
