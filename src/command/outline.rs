//! A program's commands in one list, nested ones behind those that they belong to, with what shells and manual ask of them.

use super::{Info, Program};
use argh::{FlagInfo, FlagInfoKind, Optionality, PositionalInfo};

/// A program as the generators see it.
pub(super) struct Outline {
    pub(super) program: &'static str,
    /// The first is what the program does without a command's word.
    pub(super) entries: Vec<Entry>,
    values: &'static [(&'static str, &'static [&'static str])],
}

/// A command, chosen by these words.
pub(super) struct Entry {
    pub(super) words: Vec<&'static str>,
    pub(super) info: Info,
}

/// What a shell can offer where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing: only the user knows it.
    Free,
    Files,
    Directories,
    /// These, or what begins with them where they end in a colon.
    Words(&'static [&'static str]),
}

impl Outline {
    pub(super) fn of(program: &Program) -> Self {
        let mut entries = vec![Entry { words: Vec::new(), info: (program.main.info)() }];
        for command in program.commands {
            add(&mut entries, vec![command.name], (command.info)());
        }
        Self { program: program.name, entries, values: program.values }
    }

    /// The commands that this one's next word chooses from.
    pub(super) fn inner<'a>(&'a self, of: &'a Entry) -> impl Iterator<Item = &'a Entry> {
        let depth = of.words.len();
        self.entries.iter().filter(move |entry| entry.words.len() == depth + 1 && entry.words.starts_with(&of.words))
    }

    /// The words that lead further into commands: those before the choice, and what can be chosen.
    pub(super) fn choices(&self) -> impl Iterator<Item = (&Entry, Vec<&'static str>)> {
        let names = |entry| self.inner(entry).map(Entry::name).collect::<Vec<_>>();
        self.entries.iter().map(move |entry| (entry, names(entry))).filter(|(_, names)| !names.is_empty())
    }

    /// What can stand where argh has this name for it.
    pub(super) fn value(&self, name: &str) -> Value {
        let fixed = self.values.iter().find(|(known, _)| *known == name);
        match name.split('.').next().unwrap_or_default().to_ascii_uppercase().as_str() {
            _ if fixed.is_some() => fixed.map_or(Value::Free, |(_, words)| Value::Words(words)),
            "FILE" => Value::Files,
            "TARGET" => Value::Directories,
            _ => Value::Free,
        }
    }
}

fn add(entries: &mut Vec<Entry>, words: Vec<&'static str>, info: Info) {
    let inner: Vec<_> = info.commands.clone();
    entries.push(Entry { words: words.clone(), info });
    for command in inner {
        add(entries, [&words[..], &[command.name]].concat(), command.command);
    }
}

impl Entry {
    /// The word that chooses it; empty for the program's own.
    pub(super) fn name(&self) -> &'static str {
        self.words.last().copied().unwrap_or_default()
    }

    /// The words that choose it.
    pub(super) fn path(&self) -> String {
        self.words.join(" ")
    }

    pub(super) fn flags(&self) -> impl Iterator<Item = &'static FlagInfo<'static>> {
        self.info.flags.iter().filter(|flag| !flag.hidden)
    }

    pub(super) fn positionals(&self) -> impl Iterator<Item = &'static PositionalInfo<'static>> {
        self.info.positionals.iter().filter(|positional| !positional.hidden)
    }
}

/// The first line of a description.
pub(super) fn purpose(info: &Info) -> &'static str {
    info.description.lines().next().unwrap_or_default()
}

/// The name of the flag's value; `None`: it has none.
pub(super) fn value_name<'a>(flag: &FlagInfo<'a>) -> Option<&'a str> {
    match flag.kind {
        FlagInfoKind::Switch => None,
        FlagInfoKind::Option { arg_name } => Some(arg_name),
    }
}

pub(super) fn is_repeated(optionality: &Optionality) -> bool {
    matches!(optionality, Optionality::Repeating | Optionality::Greedy)
}
