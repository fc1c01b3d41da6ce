//! Flags, environment and files are laid over each other, and each tunnel that is to run is built from what lies on top.

use super::arguments::{Arguments, nearest};
use super::find::Surroundings;
use super::sources::{Files, environment, exposed};
use super::value::{Layer, Source};
use super::{Config, build};
use crate::command::Info;
use crate::limits;
use crate::usage::Stop;
use argh::{ArgsInfo as _, Optionality, PositionalInfo};
use std::collections::BTreeSet;
use std::io::{IsTerminal as _, stdin, stdout};

fn arguments(words: &[String]) -> Result<Arguments, Stop> {
    let arguments = Arguments::read(words)?;
    if arguments.version {
        return Err(Stop::Version(format!("forwarder {}", env!("CARGO_PKG_VERSION"))));
    }
    Ok(arguments)
}

/// The first mistake, and how many more there are.
fn first(mistakes: &[String]) -> Result<(), Stop> {
    let Some(first) = mistakes.first() else { return Ok(()) };
    let more = match mistakes.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more: forwarder config check)"),
    };
    Err(Stop::Usage(format!("{first}{more}")))
}

/// `forwarder TARGET`.
pub(super) fn target(words: &[String], around: &Surroundings<'_>) -> Result<Config, Stop> {
    let arguments = arguments(words)?;
    let target = one_target(&arguments)?;
    let files = Files::read(arguments.config.as_deref(), around, false);
    first(&files.mistakes)?;
    let mut flags = arguments.layer();
    flags.add("target", target, Source::Flag("target"));
    let layer = flags.clone().over(&environment(around)).over(&files.defaults());
    let mut config = single(&flags, layer.clone(), None, around)?;
    config.notices.extend(exposed(&files));
    drawable(&config, &layer, around)?;
    Ok(config)
}

/// A view needs a terminal that can be drawn on.
fn drawable(config: &Config, layer: &Layer, around: &Surroundings<'_>) -> Result<(), Stop> {
    let known = || (around.env)("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    match layer.one("tui").filter(|_| config.output.tui) {
        Some(tui) if !(stdin().is_terminal() && stdout().is_terminal() && known()) => {
            Err(Stop::Usage(format!("{} needs a terminal", tui.source)))
        }
        _ => Ok(()),
    }
}

/// What is looked at by `forwarder doctor`, which hears the project's file as well: a target, the tunnel of a file, or with
/// neither the way to the public end alone; the second part says whether there is a target.
pub(super) fn examined(words: &[String], around: &Surroundings<'_>) -> Result<(Config, bool), Stop> {
    let arguments = arguments(words)?;
    let word = one_target(&arguments)?;
    let files = Files::read(arguments.config.as_deref(), around, true);
    first(&files.mistakes)?;
    let known = files.names();
    let name = match word {
        None => known.first().copied().filter(|_| known.len() == 1),
        Some(word) => known.into_iter().find(|name| *name == word),
    };
    let mut target = Layer::default();
    target.add("target", word.filter(|_| name.is_none()), Source::Flag("target"));
    let flags = arguments.layer();
    let below = name.map_or_else(|| files.defaults(), |name| files.tunnel(name));
    let mut layer = target.over(&flags).over(&environment(around)).over(&below);
    let has_target = layer.one("target").is_some();
    if !has_target {
        layer.add("target", Some("1"), Source::Flag("target"));
    }
    let config = single(&flags, layer, name, around)?;
    Ok((config, has_target))
}

/// Builds the one tunnel that `layer` describes.
fn single(flags: &Layer, layer: Layer, label: Option<&str>, around: &Surroundings<'_>) -> Result<Config, Stop> {
    let config = build::config(&layer, label, around.env);
    let config = config.map_err(|mistakes| Stop::Usage(mistakes.into_iter().next().unwrap_or_default()))?;
    build::useful(flags, &[layer]).map_err(Stop::Usage)?;
    Ok(config)
}

fn one_target(arguments: &Arguments) -> Result<Option<&str>, Stop> {
    match &arguments.targets[..] {
        [] => Ok(None),
        [target] => Ok(Some(target)),
        _ => Err(Stop::Usage("one TARGET is made public; a value with a space in it stands in quotes".to_owned())),
    }
}

/// `forwarder start`.
pub(super) fn tunnels(words: &[String], around: &Surroundings<'_>) -> Result<Vec<Config>, Stop> {
    let arguments = arguments(words).map_err(help)?;
    let files = Files::read(arguments.config.as_deref(), around, true);
    first(&files.mistakes)?;
    let names = chosen(&arguments.targets, &files).map_err(Stop::Usage)?;
    let flags = arguments.layer();
    let above = flags.clone().over(&environment(around));
    if let Some(name) = above.one("name").filter(|_| names.len() > 1) {
        let (source, count) = (&name.source, names.len());
        return Err(Stop::Usage(format!(
            "{source} names one tunnel, and {count} are to run; in a file each has its own"
        )));
    }
    let layers: Vec<_> = names.iter().map(|name| above.clone().over(&files.tunnel(name))).collect();
    let (mut configs, mistakes) = configs(&names, &layers, &files, around);
    first(&mistakes)?;
    build::useful(&flags, &layers).map_err(Stop::Usage)?;
    if let (Some(config), Some(layer)) = (configs.first_mut(), layers.first()) {
        drawable(config, layer, around)?;
        config.notices.extend(exposed(&files));
    }
    Ok(configs)
}

/// The tunnels of these names, and what is wrong with others.
pub(super) fn configs(
    names: &[&str],
    layers: &[Layer],
    files: &Files,
    around: &Surroundings<'_>,
) -> (Vec<Config>, Vec<String>) {
    let (mut configs, mut mistakes) = (Vec::new(), Vec::new());
    for (name, layer) in names.iter().zip(layers) {
        match files.source(name).filter(|_| layer.one("target").is_none()) {
            Some(source) => mistakes.push(format!("{source} has no target; write target = 8000 below it")),
            None => match build::config(layer, Some(name), around.env) {
                Ok(config) => configs.push(config),
                Err(found) => mistakes.extend(found),
            },
        }
    }
    for (i, config) in configs.iter().enumerate() {
        let same = |other: &&Config| other.name == config.name && other.endpoint == config.endpoint;
        if let (Some(other), Some(name)) = (configs[..i].iter().find(same), &config.name) {
            let labels = [other, config].map(|config| config.label.as_deref().unwrap_or_default());
            mistakes.push(format!("the tunnels {} and {} both ask for the name {name}", labels[0], labels[1]));
        }
    }
    // Defaults are the same mistake in every tunnel.
    let mut seen = BTreeSet::new();
    mistakes.retain(|mistake| seen.insert(mistake.clone()));
    (configs, mistakes)
}

/// What is wrong with the defaults, also where no tunnel makes use of them.
pub(super) fn defaults(files: &Files, around: &Surroundings<'_>) -> Vec<String> {
    let mut any = Layer::default();
    any.add("target", Some("8000"), Source::Flag("target"));
    let layer = any.over(&environment(around)).over(&files.defaults());
    build::config(&layer, None, around.env).map_or_else(|mistakes| mistakes, |_| Vec::new())
}

/// The tunnels that are named, or all.
fn chosen<'a>(words: &'a [String], files: &'a Files) -> Result<Vec<&'a str>, String> {
    let known = files.names();
    let mut names: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(match (nearest(name, known.iter().copied()), known.join(", ")) {
            (_, all) if all.is_empty() => format!("there is no tunnel {name:?}: {}", none(files)),
            (Some(nearest), all) => format!("there is no tunnel {name:?}, did you mean {nearest}? There are {all}"),
            (None, all) => format!("there is no tunnel {name:?}; there are {all}"),
        });
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let names = if names.is_empty() { known } else { names };
    match names.len() {
        0 => Err(none(files)),
        many if many > limits::TUNNELS => Err(too_many(many)),
        _ => Ok(names),
    }
}

pub(super) fn too_many(count: usize) -> String {
    format!("one process runs {} tunnels at most, not {count}; name those to start", limits::TUNNELS)
}

/// Why there is nothing to start.
fn none(files: &Files) -> String {
    let places: Vec<_> = files.read.iter().map(|file| file.origin.shown.as_str()).collect();
    match places.join(" and ") {
        empty if empty.is_empty() => {
            "there is no config file; write [tunnels.web], and below it target = 8000, into tunnel.toml".to_owned()
        }
        places => format!("no tunnel is in {places}; write [tunnels.web], and below it target = 8000"),
    }
}

/// What may stand behind `start`: its flags are those of the forwarder.
pub(super) fn info() -> Info {
    Info {
        name: "start",
        description: ABOUT,
        examples: &EXAMPLES,
        positionals: &[PositionalInfo {
            name: "NAME",
            description: "a tunnel of the config files; without any, all of them",
            optionality: Optionality::Repeating,
            hidden: false,
        }],
        ..Arguments::get_args_info()
    }
}

/// The help of a command that takes the forwarder's flags, made from the forwarder's own.
pub(super) fn help_of(usage: &str, about: &str, examples: &[&str], stop: Stop) -> Stop {
    let Stop::Help(text) = stop else { return stop };
    let flags = text.split("Options:").nth(1).and_then(|rest| rest.split("Examples:").next()).unwrap_or_default();
    let examples: String = examples.iter().map(|example| format!("  {example}\n")).collect();
    Stop::Help(format!("Usage: forwarder {usage} [flags]\n\n{about}\n\nOptions:{flags}Examples:\n{examples}"))
}

fn help(stop: Stop) -> Stop {
    help_of("start [NAME...]", ABOUT, &EXAMPLES, stop)
}

const ABOUT: &str = "Starts tunnels of the config files, all of them or those that are named, in one process.

Read are tunnel.toml, in the working directory or the nearest folder above that has one, and ~/.config/http-tunnel/config.toml;
with --config FILE (or TUNNEL_CONFIG) only that. A flag is stronger than the environment, that than the files.
docs/config.md has all keys; forwarder config check says what is found.";

const EXAMPLES: [&str; 3] =
    ["forwarder start", "forwarder start web api --json", "forwarder start --config staging.toml"];

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
