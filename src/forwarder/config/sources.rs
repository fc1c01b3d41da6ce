//! What stands below the flags: the environment, and the files laid over each other.

use super::file::File;
use super::find::{Place, Surroundings};
use super::keys;
use super::value::{Layer, Source, Value};
use std::collections::BTreeSet;

/// The files as they were found and read, the strongest first.
#[derive(Default)]
pub(super) struct Files {
    pub(super) places: Vec<Place>,
    pub(super) read: Vec<File>,
    pub(super) mistakes: Vec<String>,
}

impl Files {
    /// Reads the files that `flags` or the environment name, or else those that there are.
    pub(super) fn read(config: Option<&str>, around: &Surroundings<'_>, project: bool) -> Self {
        let flag = config.map(|path| Value::new(path, Source::Flag("config")));
        let variable = || set(around, "TUNNEL_CONFIG").map(|path| Value::new(&path, Source::Variable("TUNNEL_CONFIG")));
        let given = flag.or_else(variable);
        let mut files = Self { places: around.places(given.as_ref(), project), ..Self::default() };
        for place in &files.places {
            if given.is_none() && !place.exists {
                continue;
            }
            let (file, mistakes) = around.read(place);
            files.read.extend(file);
            files.mistakes.extend(mistakes);
        }
        files
    }

    /// What stands at the top of the files.
    pub(super) fn defaults(&self) -> Layer {
        self.read.iter().fold(Layer::default(), |layer, file| layer.over(&file.top))
    }

    /// The names of all tunnels, as they stand in the files.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let all = self.read.iter().flat_map(|file| &file.tunnels).map(|tunnel| tunnel.name.as_str());
        all.filter(|name| seen.insert(*name)).collect()
    }

    /// What the files say of one tunnel.
    pub(super) fn tunnel(&self, name: &str) -> Layer {
        let found = || self.read.iter().flat_map(|file| &file.tunnels).filter(|tunnel| tunnel.name == name);
        let mut layer = found().fold(Layer::default(), |layer, tunnel| layer.over(&tunnel.settings));
        if let Some(first) = found().next() {
            let mut own = Layer::default();
            own.add("name", Some(name), first.source.clone());
            layer = layer.over(&own);
        }
        layer.over(&self.defaults())
    }

    /// Where the tunnel's table is.
    pub(super) fn source(&self, name: &str) -> Option<&Source> {
        let mut all = self.read.iter().flat_map(|file| &file.tunnels);
        all.find(|tunnel| tunnel.name == name).map(|tunnel| &tunnel.source)
    }
}

/// A variable that is set to something: an empty one counts as not set, so that `TUNNEL_ENDPOINT= forwarder …` works.
fn set(around: &Surroundings<'_>, name: &str) -> Option<String> {
    (around.env)(name).filter(|value| !value.is_empty())
}

/// What of the environment stands for flags.
pub(super) fn environment(around: &Surroundings<'_>) -> Layer {
    let mut layer = Layer::default();
    for (key, name) in [("endpoint", "TUNNEL_ENDPOINT"), ("token", "TUNNEL_TOKEN"), ("name", "TUNNEL_NAME")] {
        layer.add(key, set(around, name).as_deref(), Source::Variable(name));
    }
    let plain = [("NO_COLOR", set(around, "NO_COLOR")), ("TERM", set(around, "TERM").filter(|term| term == "dumb"))];
    for (name, _) in plain.into_iter().filter(|(_, value)| value.is_some()) {
        layer.add("color", Some("never"), Source::Variable(name));
    }
    layer
}

/// What to say of files in which others can read a secret.
pub(super) fn exposed(files: &Files) -> Vec<String> {
    let exposed = files.read.iter().filter(|file| file.origin.exposed);
    exposed.filter_map(|file| {
        let mut layers = std::iter::once(&file.top).chain(file.tunnels.iter().map(|tunnel| &tunnel.settings));
        let secret = layers.find_map(plain_secret)?;
        let shown = &file.origin.shown;
        Some(format!(
            "{} is a secret in a file that others can read: chmod 600 {shown}, or write env:NAME or file:PATH there",
            secret.source
        ))
    }).collect()
}

fn plain_secret(layer: &Layer) -> Option<&Value> {
    keys::SECRETS
        .iter()
        .flat_map(|(key, behind_scheme)| {
            let plain = |value: &&Value| match value.text.find(':').filter(|_| *behind_scheme) {
                Some(colon) => value.behind(colon + 1).is_plain_secret(),
                None => value.is_plain_secret(),
            };
            layer.all(key).iter().filter(plain)
        })
        .next()
}
