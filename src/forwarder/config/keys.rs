//! Every setting has one line here, by the name of its flag: what a file may say, and at which level.

use super::arguments::nearest;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    /// A number may be written as one.
    TextOrNumber,
    Switch,
    /// A list of texts, or one text.
    List,
}

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// At the top: for the whole program.
    Process,
    /// In a tunnel, or at the top as a default for all.
    Tunnel,
    /// In a tunnel alone.
    OneTunnel,
}

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) level: Level,
    /// A right line, for errors.
    pub(super) example: &'static str,
}

const fn key(name: &'static str, takes: Takes, level: Level, example: &'static str) -> Key {
    Key { name, takes, level, example }
}

/// All of them.
pub(super) const KEYS: [Key; 22] = [
    key("target", Takes::TextOrNumber, Level::OneTunnel, "target = 8000"),
    key("name", Takes::Text, Level::OneTunnel, "name = \"web\""),
    key("endpoint", Takes::Text, Level::Tunnel, "endpoint = \"wss://tunnel.example.com\""),
    key("token", Takes::Text, Level::Tunnel, "token = \"file:token.txt\""),
    key("host-header", Takes::Text, Level::Tunnel, "host-header = \"preserve\""),
    key("basic-auth", Takes::Text, Level::Tunnel, "basic-auth = \"env:LOGIN\""),
    key("allow", Takes::List, Level::Tunnel, "allow = [\"203.0.113.0/24\"]"),
    key("deny", Takes::List, Level::Tunnel, "deny = [\"203.0.113.7\"]"),
    key("header", Takes::List, Level::Tunnel, "header = [\"Name: value\"]"),
    key("timeout", Takes::TextOrNumber, Level::Tunnel, "timeout = 120"),
    key("verify", Takes::List, Level::Tunnel, "verify = [\"stripe:env:STRIPE_SECRET\"]"),
    key("webhook-secret", Takes::List, Level::Tunnel, "webhook-secret = [\"stripe:env:STRIPE_SECRET\"]"),
    key("timing", Takes::Switch, Level::Tunnel, "timing = true"),
    key("listen", Takes::TextOrNumber, Level::Process, "listen = \"127.0.0.1:8080\""),
    key("inspect", Takes::TextOrNumber, Level::Process, "inspect = \"127.0.0.1:4040\""),
    key("inspect-memory", Takes::TextOrNumber, Level::Process, "inspect-memory = 64"),
    key("json", Takes::Switch, Level::Process, "json = true"),
    key("quiet", Takes::Switch, Level::Process, "quiet = true"),
    key("verbose", Takes::Switch, Level::Process, "verbose = true"),
    key("qr", Takes::Switch, Level::Process, "qr = true"),
    key("tui", Takes::Switch, Level::Process, "tui = true"),
    key("color", Takes::Text, Level::Process, "color = \"never\""),
];

/// The keys whose values are secrets, and whether a scheme stands before the secret.
pub(super) const SECRETS: [(&str, bool); 4] =
    [("token", false), ("basic-auth", false), ("verify", true), ("webhook-secret", true)];

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// What is wrong with a key that does not exist, in a tunnel or at the top.
pub(super) fn unknown(in_tunnel: bool, name: &str) -> String {
    let elsewhere = if in_tunnel { Level::Process } else { Level::OneTunnel };
    let here = KEYS.iter().filter(|key| key.level != elsewhere).map(|key| key.name);
    let names: Vec<_> = here.chain((!in_tunnel).then_some("tunnels")).collect();
    match nearest(name, names.iter().copied()) {
        Some(nearest) => format!("is no key, did you mean {nearest}?"),
        None => format!("is no key; there are {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::arguments::flags;
    use super::*;
    use argh::FlagInfoKind;
    use std::collections::BTreeSet;

    #[test]
    fn every_flag_is_a_key_of_the_same_kind_and_the_reverse() {
        let about_the_program = ["config", "help", "version"];
        let flags =
            flags().iter().map(|flag| (flag.long.trim_start_matches('-'), matches!(flag.kind, FlagInfoKind::Switch)));
        let flags: BTreeSet<_> = flags.filter(|(name, _)| !about_the_program.contains(name)).collect();
        let keys = KEYS.iter().filter(|key| key.name != "target");
        let keys: BTreeSet<_> = keys.map(|key| (key.name, key.takes == Takes::Switch)).collect();
        assert_eq!(keys, flags);
    }

    #[test]
    fn the_documentation_lists_every_key_with_its_type_and_level() {
        let text =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/config.md")).expect("it is there");
        let mut level = "";
        let mut listed = BTreeSet::new();
        for line in text.lines() {
            level = line.strip_prefix("## ").unwrap_or(level);
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            if let [_, key, takes, _default, _meaning, _] = cells[..]
                && let Some(key) = key.strip_prefix('`').and_then(|key| key.strip_suffix('`'))
            {
                listed.insert((key.to_owned(), takes.to_owned(), level.to_owned()));
            }
        }
        let known = KEYS.iter().map(|key| {
            let takes = match key.takes {
                Takes::Text => "text",
                Takes::TextOrNumber => "text or number",
                Takes::Switch => "true or false",
                Takes::List => "list of texts",
            };
            let level = match key.level {
                Level::Process => "At the top: the program",
                Level::Tunnel => "At the top as a default, or in a tunnel",
                Level::OneTunnel => "In a tunnel alone",
            };
            (key.name.to_owned(), takes.to_owned(), level.to_owned())
        });
        assert_eq!(listed, known.collect());
    }

    #[test]
    fn the_example_of_each_key_is_right() {
        for key in &KEYS {
            let (name, value) = key.example.split_once(" = ").expect("an assignment");
            assert_eq!(name, key.name);
            let fits = match key.takes {
                Takes::Text => value.starts_with('"'),
                Takes::TextOrNumber => value.starts_with('"') || value.parse::<f64>().is_ok(),
                Takes::Switch => value == "true",
                Takes::List => value.starts_with("[\""),
            };
            assert!(fits, "{}", key.example);
        }
    }
}
