//! A config file becomes layers of values; everything in it that is no setting, or stands at the wrong place, is named.

use super::keys::{self, Key, Level, Takes};
use super::value::{Layer, Origin, Source, Value};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// What a file says.
pub(super) struct File {
    pub(super) origin: Arc<Origin>,
    /// Settings of the process, and defaults of tunnels.
    pub(super) top: Layer,
    pub(super) tunnels: Vec<Tunnel>,
}

/// One `[tunnels.NAME]`.
pub(super) struct Tunnel {
    pub(super) name: String,
    /// Where its table is.
    pub(super) source: Source,
    pub(super) settings: Layer,
}

/// Reads a file's text. What is wrong with it is in the second part; the first is what is right.
pub(super) fn read(origin: Origin, text: &str) -> (File, Vec<String>) {
    let mut file = File { origin: Arc::new(origin), top: Layer::default(), tunnels: Vec::new() };
    let mut reading = Reading { origin: file.origin.clone(), text, mistakes: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        reading.top(document.get_ref(), &mut file);
    }
    for error in errors {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        // The library's own text of an error repeats the line, with whatever secret is in it.
        reading.mistakes.push(format!("{}:{line}:{column}: {}", file.origin.shown, error.message()));
    }
    (file, reading.mistakes)
}

struct Reading<'a> {
    origin: Arc<Origin>,
    text: &'a str,
    mistakes: Vec<String>,
}

type Entry<'a> = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>);

/// The entries as they stand in the file; the map has them by name.
fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

impl Reading<'_> {
    fn source(&self, span: Range<usize>, path: String) -> Source {
        Source::File(self.origin.clone(), position(self.text, span.start), path)
    }

    fn mistake(&mut self, source: &Source, what: &str) {
        self.mistakes.push(format!("{source} {what}"));
    }

    fn top(&mut self, table: &DeTable<'_>, file: &mut File) {
        for (name, value) in entries(table) {
            match name.get_ref().as_ref() {
                "tunnels" => self.tunnels(value, &mut file.tunnels),
                _ => self.setting("", (name, value), &mut file.top),
            }
        }
    }

    fn tunnels(&mut self, value: &Spanned<DeValue<'_>>, tunnels: &mut Vec<Tunnel>) {
        let DeValue::Table(table) = value.get_ref() else {
            let source = self.source(value.span(), "tunnels".to_owned());
            return self.mistake(&source, "is no table; write [tunnels.web], and below it target = 8000");
        };
        for (name, value) in entries(table) {
            let source = self.source(name.span(), format!("tunnels.{}", shown(name.get_ref())));
            match value.get_ref() {
                _ if !is_label(name.get_ref()) => {
                    self.mistake(&source, "is no name for a tunnel; write letters, digits, - and _, at most 40");
                }
                DeValue::Table(settings) => {
                    let tunnel = self.tunnel(name.get_ref(), source, settings);
                    tunnels.push(tunnel);
                }
                _ if keys::find(name.get_ref()).is_some() => {
                    self.mistake(&source, "is in no tunnel; write [tunnels.web] above it, or move it to the top");
                }
                other => {
                    let what =
                        format!("is {}, not a tunnel; write [tunnels.web] and below it target = 8000", kind(other));
                    self.mistake(&source, &what);
                }
            }
        }
    }

    fn tunnel(&mut self, name: &str, source: Source, table: &DeTable<'_>) -> Tunnel {
        let mut settings = Layer::default();
        let path = format!("tunnels.{name}.");
        for entry in entries(table) {
            self.setting(&path, entry, &mut settings);
        }
        Tunnel { name: name.to_owned(), source, settings }
    }

    /// Reads one setting of the table whose path is `within`.
    fn setting(&mut self, within: &str, (name, value): Entry<'_>, layer: &mut Layer) {
        let path = format!("{within}{}", shown(name.get_ref()));
        let source = self.source(name.span(), path.clone());
        match (keys::find(name.get_ref()), within) {
            (None, "") if matches!(value.get_ref(), DeValue::Table(table) if table.contains_key("target")) => {
                self.mistake(&source, &format!("is no key; a tunnel stands in [tunnels.{}]", shown(name.get_ref())));
            }
            (None, within) => self.mistake(&source, &keys::unknown(!within.is_empty(), name.get_ref())),
            (Some(Key { level: Level::OneTunnel, .. }), "") => {
                self.mistake(&source, "belongs to one tunnel; move it below its [tunnels.NAME]");
            }
            (Some(Key { level: Level::Process, .. }), within) if !within.is_empty() => {
                self.mistake(&source, "is for the whole program; move it to the top of the file, above [tunnels]");
            }
            (Some(key), _) => {
                if let Some(values) = self.values(key, &path, value) {
                    layer.set(key.name, values);
                }
            }
        }
    }

    fn values(&mut self, key: &Key, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Vec<Value>> {
        match (key.takes, value.get_ref()) {
            (Takes::List, DeValue::Array(items)) => {
                let items = items.iter().enumerate();
                items.map(|(i, item)| self.value(key, format!("{path}[{i}]"), item)).collect()
            }
            _ => self.value(key, path.to_owned(), value).map(|value| vec![value]),
        }
    }

    fn value(&mut self, key: &Key, path: String, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let source = self.source(value.span(), path);
        let text = match (key.takes, value.get_ref()) {
            (Takes::Text | Takes::TextOrNumber | Takes::List, DeValue::String(text)) => text.as_ref().to_owned(),
            (Takes::TextOrNumber, DeValue::Integer(number)) => match number.radix() {
                10 => number.as_str().to_owned(),
                // `0x1f90` is as good as 8080; one that is too large stays as it is and is no port.
                radix => i64::from_str_radix(number.as_str(), radix)
                    .map_or_else(|_| number.to_string(), |number| number.to_string()),
            },
            (Takes::TextOrNumber, DeValue::Float(number)) => number.as_str().to_owned(),
            (Takes::Switch, DeValue::Boolean(on)) => on.to_string(),
            (_, other) => {
                self.mistake(&source, &format!("is {}; write {}", kind(other), key.example));
                return None;
            }
        };
        Some(Value { text, source })
    }
}

/// A tunnel's table is named so that it can stand in a line and on a command line as it is.
fn is_label(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=*crate::limits::NAME_LENGTH.end()).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-')
}

/// A key as TOML has it, unable to command the terminal.
fn shown(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if bare { key.to_owned() } else { format!("{key:?}") }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Line and column of a byte, counted from 1; columns count characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
