//! A configuration that exists can be run: words, environment and files are read once, here, and every contradiction or
//! unusable value stops with one line that says where it is and what would be right.
//!
//! A flag is stronger than the environment, that than the project's file, that than the user's. Whatever stands where, it
//! is read by the same functions (`build`); a value knows its source (`value`). What a file may say is in `keys`, which files
//! there are in `find`.

mod address;
mod arguments;
mod build;
mod command;
mod file;
mod find;
mod headers;
mod inspection;
mod keys;
mod sources;
mod start;
mod value;

use super::inspector::signature::Scheme;
use super::inspector::{self, Verifier};
use super::rules::Rules;
use crate::command::Info;
use crate::id::TunnelName;
use crate::secret::{Lookup, Secret};
use crate::usage::Stop;
pub use command::{command, command_info};
use find::Surroundings;
use http::header::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What a forwarder runs with.
#[derive(Debug)]
pub struct Config {
    /// What the tunnel is called in a config file.
    pub label: Option<String>,
    /// What visitors reach.
    pub service: Service,
    /// The public end.
    pub endpoint: Endpoint,
    /// The name to ask for; `None`: any.
    pub name: Option<TunnelName>,
    /// The token for a remote endpoint.
    pub token: Option<Secret>,
    /// Who may visit.
    pub rules: Rules,
    /// The `Host` that the service is told.
    pub host_header: HostHeader,
    /// Headers that every request to the service carries; they replace a visitor's of the same name.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Time that the service has to begin its answer.
    pub timeout: Duration,
    /// The inspector; `None`: there is none.
    pub inspector: Option<inspector::Settings>,
    /// What webhooks are signed with, for replays.
    pub secrets: Vec<(Scheme, Secret)>,
    /// What requests must be signed with.
    pub verifier: Verifier,
    /// Tell visitors in `Server-Timing` what each hop took.
    pub timing: bool,
    /// Show the URL as a QR code.
    pub qr: bool,
    /// How to report.
    pub output: Output,
    /// What the user should know of the configuration.
    pub notices: Vec<String>,
}

/// The local side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// An HTTP server. The host is a name or an address (IPv6 without brackets); `localhost` is both loopback addresses.
    Address {
        /// Name or address.
        host: String,
        /// Port, not 0.
        port: u16,
    },
    /// A readable directory to serve, as an absolute path.
    Directory(PathBuf),
}

/// The public end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A relay inside this process.
    Embedded {
        /// Where it listens.
        listen: SocketAddr,
        /// The user chose the address; otherwise it is the default.
        listen_given: bool,
    },
    /// A relay or serverless gate elsewhere: `ws` or `wss`, with a host.
    Remote(http::Uri),
}

/// The `Host` that the service is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The service's own address.
    Rewrite,
    /// What the visitor asked for.
    Preserve,
    /// Always this.
    Value(HeaderValue),
}

/// How to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// One JSON object per line on stdout, nothing for people.
    pub json: bool,
    /// Only the URL and errors.
    pub quiet: bool,
    /// More detail.
    pub verbose: bool,
    /// A live view in the terminal instead of lines.
    pub tui: bool,
    /// Colours on stdout and stderr.
    pub color: ColorChoice,
}

/// When lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal.
    Auto,
    /// Also into files and pipes.
    Always,
    /// Not at all.
    Never,
}

/// Reads the words behind the program's name, what of the environment stands for flags, and the user's config file.
///
/// # Errors
/// [`Stop`]: help or version was asked for, or the words make no configuration.
pub fn parse(args: &[String], env: Lookup<'_>) -> Result<Config, Stop> {
    start::target(args, &Surroundings::of_process(env))
}

/// Reads the words behind `start`, the environment and the config files: what is to run, at least one tunnel. Settings of
/// the process are the same in all.
///
/// # Errors
/// [`Stop`]: help was asked for, or something makes no configuration.
pub fn start(words: &[String], env: Lookup<'_>) -> Result<Vec<Config>, Stop> {
    start::tunnels(words, &Surroundings::of_process(env))
}

/// Reads the words behind `doctor`, the environment and all config files: what is to be examined, a TARGET or the tunnel of a
/// file, and whether there is either.
///
/// # Errors
/// [`Stop`]: something makes no configuration.
pub fn examined(words: &[String], env: Lookup<'_>) -> Result<(Config, bool), Stop> {
    start::examined(words, &Surroundings::of_process(env))
}

/// What the words may be.
pub fn info() -> Info {
    arguments::info()
}

/// What the words behind `start` may be.
pub fn start_info() -> Info {
    start::info()
}

/// The help of a command that takes the forwarder's flags.
pub(super) fn help_of(usage: &str, about: &str, examples: &[&str], stop: Stop) -> Stop {
    start::help_of(usage, about, examples, stop)
}

/// Reads what names a service, as `TARGET` does.
///
/// # Errors
/// Says how to write it.
pub(super) fn service(text: &str) -> Result<Service, String> {
    address::service(text, None)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
