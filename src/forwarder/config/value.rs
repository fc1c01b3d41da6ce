//! A value keeps the place where it was written, so that whatever is found to be wrong with it can say where.
//!
//! Flags, environment and files all become [`Layer`]s of such values; a stronger layer lies over a weaker one.

use crate::secret::{Lookup, Secret};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whose file it is, and so how far it is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The user's own, in the home directory.
    User,
    /// Found in the working directory or above: it may have come with a stranger's repository.
    Project,
    /// The user named it.
    Given,
}

/// A config file, as values remember it.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) owner: Owner,
    /// Its path as the user knows it.
    pub(super) shown: String,
    /// Where it is; relative paths in it begin here.
    pub(super) folder: PathBuf,
    pub(super) home: Option<PathBuf>,
    /// Other users of this machine can read it.
    pub(super) exposed: bool,
}

/// Where a value was written.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A flag, by its key.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(&'static str),
    /// A file; its line and column, counted from 1; the key's path in it.
    File(Arc<Origin>, (usize, usize), String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(key) => write!(f, "--{key}"),
            Self::Variable(name) => f.write_str(name),
            Self::File(origin, (line, column), path) => write!(f, "{}:{line}:{column}: {path}", origin.shown),
        }
    }
}

impl Source {
    /// The file, if it is in one.
    pub(super) fn origin(&self) -> Option<&Arc<Origin>> {
        match self {
            Self::File(origin, ..) => Some(origin),
            Self::Flag(_) | Self::Variable(_) => None,
        }
    }

    pub(super) fn is_of(&self, owner: Owner) -> bool {
        self.origin().is_some_and(|origin| origin.owner == owner)
    }

    /// It is a tunnel's whole table.
    pub(super) fn is_table(&self) -> bool {
        matches!(self, Self::File(.., path) if path.split('.').count() == 2)
    }

    /// It belongs to one tunnel of a file and is no default for all.
    pub(super) fn is_in_tunnel(&self) -> bool {
        matches!(self, Self::File(.., path) if path.starts_with("tunnels."))
    }

    /// Another setting, as it is written where this one stands.
    pub(super) fn sibling(&self, key: &str) -> String {
        match self {
            Self::Flag(_) | Self::Variable(_) => format!("--{key}"),
            Self::File(..) => key.to_owned(),
        }
    }

    /// Flags are above the environment, and that is above files.
    fn rank(&self) -> u8 {
        match self {
            Self::Flag(_) => 3,
            Self::Variable(_) => 2,
            Self::File(origin, ..) => u8::from(origin.owner != Owner::User),
        }
    }
}

/// A value as it was written. Not to be printed: it may be a secret.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) source: Source,
}

impl Value {
    pub(super) fn new(text: &str, source: Source) -> Self {
        Self { text: text.to_owned(), source }
    }

    /// The same value without the first part of its text, as of `SCHEME:SECRET`.
    pub(super) fn behind(&self, prefix: usize) -> Self {
        Self { text: self.text[prefix..].to_owned(), source: self.source.clone() }
    }

    /// The secret that it is or names.
    pub(super) fn secret(&self, env: Lookup<'_>) -> Result<Secret, String> {
        let text = self.located()?;
        Secret::resolve(&text, env).map_err(|error| format!("{}: {error}", self.source))
    }

    /// The text, with the path of `file:PATH` as its file means it.
    pub(super) fn located(&self) -> Result<String, String> {
        match (self.text.strip_prefix("file:"), self.source.origin()) {
            (Some(path), Some(origin)) => origin.secret(path).map_err(|why| format!("{}: {why}", self.source)),
            _ => Ok(self.text.clone()),
        }
    }

    /// It is no `env:NAME` and no `file:PATH` but the secret itself.
    pub(super) fn is_plain_secret(&self) -> bool {
        !["env:", "file:"].iter().any(|prefix| self.text.starts_with(prefix))
    }
}

impl Origin {
    /// A path in this file: relative to its folder, `~/` the home directory.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.folder.join(text),
        }
    }

    /// A project's file names nothing outside its folder, since it may be a stranger's. `path` is free of links.
    ///
    /// # Errors
    /// What `text` names is outside.
    pub(super) fn admits(&self, text: &str, path: &Path) -> Result<(), String> {
        if self.owner != Owner::Project || self.folder.canonicalize().is_ok_and(|folder| path.starts_with(folder)) {
            return Ok(());
        }
        let shown = &self.shown;
        Err(format!(
            "{text:?} is outside the folder of {shown}, which may be a stranger's; if it is yours, say --config {shown}"
        ))
    }

    /// The file of a secret, as `file:PATH`.
    fn secret(&self, text: &str) -> Result<String, String> {
        let path = self.path(text);
        let path = path.canonicalize().map_err(|error| format!("cannot read the file {text:?}: {error}"))?;
        self.admits(text, &path)?;
        let path = path.to_str().ok_or_else(|| format!("the path of {text:?} is not UTF-8"))?;
        Ok(format!("file:{path}"))
    }
}

/// What one source says: for each key the values, of which all but lists have one. A key that it does not mention is absent.
#[derive(Clone, Default)]
pub(super) struct Layer(BTreeMap<&'static str, Vec<Value>>);

impl Layer {
    pub(super) fn set(&mut self, key: &'static str, values: Vec<Value>) {
        self.0.insert(key, values);
    }

    /// Adds the value of a flag or variable that may be absent.
    pub(super) fn add(&mut self, key: &'static str, text: Option<&str>, source: Source) {
        if let Some(text) = text {
            self.set(key, vec![Value::new(text, source)]);
        }
    }

    pub(super) fn one(&self, key: &str) -> Option<&Value> {
        self.0.get(key).and_then(|values| values.first())
    }

    pub(super) fn all(&self, key: &str) -> &[Value] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// Takes from `weaker` what this one does not say.
    pub(super) fn over(mut self, weaker: &Self) -> Self {
        for (key, values) in &weaker.0 {
            self.0.entry(key).or_insert_with(|| values.clone());
        }
        self
    }

    /// Whether a switch is set.
    pub(super) fn is_on(&self, key: &str) -> bool {
        self.one(key).is_some_and(|value| value.text == "true")
    }

    /// Of two switches that contradict each other, which are on: the one of the stronger source.
    ///
    /// # Errors
    /// Both stand in sources of the same strength: these.
    pub(super) fn rivals(&self, one: &str, other: &str) -> Result<(bool, bool), (&Source, &Source)> {
        let on = |key| self.one(key).filter(|value| value.text == "true").map(|value| &value.source);
        match (on(one), on(other)) {
            (Some(first), Some(second)) if first.rank() == second.rank() => Err((first, second)),
            (Some(first), Some(second)) => Ok((first.rank() > second.rank(), first.rank() < second.rank())),
            (first, second) => Ok((first.is_some(), second.is_some())),
        }
    }
}
