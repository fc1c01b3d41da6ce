//! `forwarder config`: what the config files say, without starting anything.

use super::file::{File, Tunnel};
use super::find::Surroundings;
use super::sources::{self, Files};
use super::start;
use super::value::Owner;
use super::{Config, Endpoint, Service};
use crate::command::{Info, read};
use crate::limits;
use crate::secret::Lookup;
use crate::usage::Stop;
use argh::{ArgsInfo, FromArgs};
use std::io::Write as _;
use std::process::ExitCode;

/// Looks at the config files.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    name = "forwarder config",
    description = "Looks at the config files that forwarder start reads.",
    example = "forwarder config check\nforwarder config check --config staging.toml\nforwarder config path"
)]
struct Words {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Command {
    Check(Check),
    Path(Paths),
}

/// Reads the files and the secrets that they name, and prints what is found; the exit code is 2 if something is wrong.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "check")]
struct Check {
    /// config file, instead of the usual ones
    #[argh(option, arg_name = "FILE")]
    config: Option<String>,
}

/// Prints the files that are looked at, and whether they are there.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "path")]
struct Paths {
    /// config file, instead of the usual ones
    #[argh(option, arg_name = "FILE")]
    config: Option<String>,
}

/// What the words behind `config` may be.
pub fn command_info() -> Info {
    Words::get_args_info()
}

/// Does what the words behind `config` say and gives the exit code.
///
/// # Errors
/// [`Stop`]: help was asked for, or the words make no sense.
pub fn command(words: &[String], env: Lookup<'_>) -> Result<ExitCode, Stop> {
    let Words { command } = read(&["forwarder", "config"], words)?;
    let around = Surroundings::of_process(env);
    Ok(match command {
        Command::Check(Check { config }) => check(&files(config, &around), &around),
        Command::Path(Paths { config }) => path(&files(config, &around), &around),
    })
}

fn files(config: Option<String>, around: &Surroundings<'_>) -> Files {
    Files::read(config.as_deref(), around, true)
}

fn path(files: &Files, around: &Surroundings<'_>) -> ExitCode {
    let mut lines = Vec::new();
    if !files.places.iter().any(|place| place.owner != Owner::User) {
        let folders: Vec<_> = around.project_folders().map(|folder| folder.display().to_string()).collect();
        lines.push(format!("tunnel.toml (in none of {})\n", folders.join(", ")));
    }
    lines.extend(files.places.iter().map(|place| {
        let note = if place.exists { "" } else { " (not there)" };
        format!("{}{note}\n", place.path.display())
    }));
    print(&lines.concat());
    ExitCode::SUCCESS
}

/// What is found goes to stdout, what is wrong to stderr.
fn check(files: &Files, around: &Surroundings<'_>) -> ExitCode {
    let names = files.names();
    let above = sources::environment(around);
    let layers: Vec<_> = names.iter().map(|name| above.clone().over(&files.tunnel(name))).collect();
    let (configs, in_tunnels) = start::configs(&names, &layers, files, around);
    let mut mistakes = files.mistakes.clone();
    mistakes.extend(start::defaults(files, around).into_iter().filter(|mistake| !in_tunnels.contains(mistake)));
    mistakes.extend(in_tunnels);
    if files.read.is_empty() && mistakes.is_empty() {
        mistakes.push("there is no config file; forwarder config path says where it is looked for".to_owned());
    }
    print(&files.read.iter().map(|file| listing(file, &configs)).collect::<String>());
    let notices = configs.iter().flat_map(|config| config.notices.clone()).chain(sources::exposed(files));
    let too_many = (names.len() > limits::TUNNELS).then(|| start::too_many(names.len()));
    for notice in notices.chain(too_many) {
        eprintln!("notice: {notice}");
    }
    for mistake in &mistakes {
        eprintln!("{mistake}");
    }
    if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

/// Whoever no longer reads does not want the rest.
fn print(text: &str) {
    let _gone = std::io::stdout().write_all(text.as_bytes());
}

fn listing(file: &File, configs: &[Config]) -> String {
    let mut lines = vec![file.origin.shown.clone()];
    let keys: Vec<_> = file.top.keys().collect();
    lines.extend((!keys.is_empty()).then(|| format!("  at the top: {}", keys.join(", "))));
    lines.extend(file.tunnels.iter().map(|Tunnel { name, .. }| {
        let config = configs.iter().find(|config| config.label.as_ref() == Some(name));
        format!("  {name}: {}", config.map_or_else(|| "has a mistake".to_owned(), summary))
    }));
    lines.join("\n") + "\n"
}

fn summary(config: &Config) -> String {
    let service = match &config.service {
        Service::Address { host, port } if host.contains(':') => format!("http://[{host}]:{port}"),
        Service::Address { host, port } => format!("http://{host}:{port}"),
        Service::Directory(path) => path.display().to_string().escape_debug().to_string(),
    };
    let name = config.name.as_ref().map_or_else(String::new, |name| format!(" as {name}"));
    match &config.endpoint {
        Endpoint::Embedded { listen, .. } => format!("{service}{name}, public through this program on {listen}"),
        Endpoint::Remote(uri) => format!("{service}{name}, public through {uri}"),
    }
}
