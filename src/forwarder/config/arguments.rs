//! The command line as it was typed; what the words mean is decided in `config`.
//!
//! Every value is taken as text: argh repeats a value that it cannot parse, and some of these are secrets.

use super::value::{Layer, Source, Value};
use crate::command::Info;
use crate::usage::Stop;
use argh::{ArgsInfo, FlagInfo, FlagInfoKind, FromArgs, Optionality, PositionalInfo};

/// Gives the web service on your machine a public URL.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    name = "forwarder",
    usage = "TARGET [flags]",
    description = "Gives the web service on your machine a public URL.\n\nTARGET is the service: a port, host:port, an http:// URL, or a directory to serve.\nWithout --endpoint the public end runs inside this program.\nA directory that is called as a command is written ./start.",
    example = "forwarder 8000\nforwarder ./site --listen 0.0.0.0:8080 --qr\nforwarder localhost:5173 --endpoint wss://tunnel.example.com --name web --token file:token.txt\nforwarder 3000 --basic-auth env:VISITOR_LOGIN --allow 203.0.113.0/24\nforwarder 3000 --verify stripe:env:STRIPE_SECRET\nforwarder replay FILE.har --against localhost:8000 --diff",
    note = "Environment: TUNNEL_ENDPOINT, TUNNEL_TOKEN, TUNNEL_NAME and TUNNEL_CONFIG stand for the flags of these names;\nHTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY for the way to the endpoint; NO_COLOR.",
    note = "Files: defaults for flags are read from ~/.config/http-tunnel/config.toml, or below XDG_CONFIG_HOME;\nforwarder start also reads tunnel.toml in the working directory or the nearest folder above.",
    note = "Secrets (--token, --basic-auth, and behind the scheme in --webhook-secret and --verify) may be given as env:NAME or file:PATH.",
    error_code(1, "it could not start, or failed later"),
    error_code(2, "the words or files make no sense")
)]
pub(super) struct Arguments {
    /// port, host:port, http://URL or directory
    #[argh(positional, arg_name = "TARGET")]
    pub(super) targets: Vec<String>,

    /// relay or serverless gate to join, ws:// or wss://; embedded is the public end inside this program, the default
    #[argh(option, arg_name = "URL")]
    pub(super) endpoint: Option<String>,

    /// name of the tunnel, 3 to 40 of a-z 0-9 -; without it one is given
    #[argh(option, arg_name = "NAME")]
    pub(super) name: Option<String>,

    /// token for the endpoint
    #[argh(option, arg_name = "TOKEN")]
    pub(super) token: Option<String>,

    /// address of the public end inside this program (default 127.0.0.1:8080)
    #[argh(option, arg_name = "ADDR")]
    pub(super) listen: Option<String>,

    /// host that the service is told: rewrite (its own address, the default), preserve (what the visitor asked for), or
    /// a value
    #[argh(option, arg_name = "HOST")]
    pub(super) host_header: Option<String>,

    /// ask visitors for this user and password
    #[argh(option, arg_name = "USER:PASS")]
    pub(super) basic_auth: Option<String>,

    /// admit only visitors from this network (repeatable)
    #[argh(option, arg_name = "CIDR")]
    pub(super) allow: Vec<String>,

    /// refuse visitors from this network (repeatable)
    #[argh(option, arg_name = "CIDR")]
    pub(super) deny: Vec<String>,

    /// header added to what the service is asked, 'Name: value' (repeatable)
    #[argh(option, arg_name = "HEADER")]
    pub(super) header: Vec<String>,

    /// time that the service has to begin its answer (default 120)
    #[argh(option, arg_name = "SECONDS")]
    pub(super) timeout: Option<String>,

    /// address of the inspector's page and API, on loopback (default 127.0.0.1:4040), or off
    #[argh(option, arg_name = "ADDR|off")]
    pub(super) inspect: Option<String>,

    /// megabytes that the inspector keeps (default 64)
    #[argh(option, arg_name = "MB")]
    pub(super) inspect_memory: Option<String>,

    /// secret of github, stripe, slack or standard webhooks, to sign replays afresh (repeatable)
    #[argh(option, arg_name = "SCHEME:SECRET")]
    pub(super) webhook_secret: Vec<String>,

    /// refuse requests without a good signature by this scheme and secret (repeatable: one must fit)
    #[argh(option, arg_name = "SCHEME:SECRET")]
    pub(super) verify: Vec<String>,

    /// tell visitors in Server-Timing what each hop took: gate, link, forwarder and service
    #[argh(switch)]
    pub(super) timing: bool,

    /// show the URL as a QR code
    #[argh(switch)]
    pub(super) qr: bool,

    /// print one JSON object per event and request
    #[argh(switch)]
    pub(super) json: bool,

    /// print only the URL and errors
    #[argh(switch)]
    pub(super) quiet: bool,

    /// print more about every request and the link
    #[argh(switch)]
    pub(super) verbose: bool,

    /// show a live view of the requests instead of lines; it needs a terminal
    #[argh(switch)]
    pub(super) tui: bool,

    /// auto, always or never
    #[argh(option, arg_name = "WHEN")]
    pub(super) color: Option<String>,

    /// config file, instead of the usual ones
    #[argh(option, arg_name = "FILE")]
    pub(super) config: Option<String>,

    /// print the version
    #[argh(switch)]
    pub(super) version: bool,
}

impl Arguments {
    /// Reads the words behind the program's name.
    pub(super) fn read(args: &[String]) -> Result<Self, Stop> {
        let words = words(args)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Self::from_args(&["forwarder"], &words).map_err(|exit| match exit.status {
            Ok(()) => Stop::Help(exit.output),
            Err(()) => Stop::Usage(exit.output.split_whitespace().collect::<Vec<_>>().join(" ")),
        })
    }

    /// What the flags say.
    pub(super) fn layer(&self) -> Layer {
        let mut layer = Layer::default();
        let texts = [
            ("endpoint", &self.endpoint),
            ("name", &self.name),
            ("token", &self.token),
            ("listen", &self.listen),
            ("host-header", &self.host_header),
            ("basic-auth", &self.basic_auth),
            ("timeout", &self.timeout),
            ("inspect", &self.inspect),
            ("inspect-memory", &self.inspect_memory),
            ("color", &self.color),
        ];
        for (key, text) in texts {
            layer.add(key, text.as_deref(), Source::Flag(key));
        }
        let lists = [
            ("allow", &self.allow),
            ("deny", &self.deny),
            ("header", &self.header),
            ("webhook-secret", &self.webhook_secret),
            ("verify", &self.verify),
        ];
        for (key, texts) in lists.into_iter().filter(|(_, texts)| !texts.is_empty()) {
            layer.set(key, texts.iter().map(|text| Value::new(text, Source::Flag(key))).collect());
        }
        let switches = [
            ("timing", self.timing),
            ("qr", self.qr),
            ("json", self.json),
            ("quiet", self.quiet),
            ("verbose", self.verbose),
            ("tui", self.tui),
        ];
        for (key, on) in switches {
            layer.add(key, on.then_some("true"), Source::Flag(key));
        }
        layer
    }
}

/// Makes `--name=web` two words, `-h` and `-V` long, and refuses a flag that does not exist before argh repeats the word
/// with whatever secret stands behind its equals sign.
fn words(args: &[String]) -> Result<Vec<String>, Stop> {
    let mut words = Vec::with_capacity(args.len());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (flag, value) = arg.split_once('=').map_or((arg.as_str(), None), |(flag, value)| (flag, Some(value)));
        match flag {
            "--" => {
                words.push(arg.clone());
                words.extend(args.by_ref().cloned());
            }
            "-h" => words.push("--help".to_owned()),
            "-V" => words.push("--version".to_owned()),
            _ if takes_value(flag) == Some(true) => {
                words.push(flag.to_owned());
                words.extend(value.map(str::to_owned).or_else(|| args.next().cloned()));
            }
            _ if takes_value(arg) == Some(false) || !flag.starts_with('-') => words.push(arg.clone()),
            _ if takes_value(flag) == Some(false) => return Err(Stop::Usage(format!("{flag} takes no value"))),
            _ => return Err(Stop::Usage(unknown(flag))),
        }
    }
    Ok(words)
}

/// What the words may be. `start` takes several names where one TARGET stands here.
pub(super) fn info() -> Info {
    let target = &[PositionalInfo {
        name: "TARGET",
        description: "port, host:port, http://URL or directory",
        optionality: Optionality::Required,
        hidden: false,
    }];
    Info { positionals: target, ..Arguments::get_args_info() }
}

/// The flags as argh knows them.
pub(super) fn flags() -> &'static [FlagInfo<'static>] {
    Arguments::get_args_info().flags
}

/// Whether a word follows this flag; `None`: there is no such flag.
fn takes_value(flag: &str) -> Option<bool> {
    let known = flags().iter().find(|known| known.long == flag)?;
    Some(matches!(known.kind, FlagInfoKind::Option { .. }))
}

fn unknown(flag: &str) -> String {
    match nearest(flag, flags().iter().map(|known| known.long)) {
        Some(name) => format!("unknown flag {flag:?}, did you mean {name}?"),
        None => format!("unknown flag {flag:?}; see forwarder --help"),
    }
}

/// The one of `known` that may have been meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = known.into_iter().map(|name| (distance(word, name), name)).min()?;
    Some(nearest).filter(|(steps, _)| *steps <= 2 && *steps < word.chars().count()).map(|(_, name)| name)
}

/// Letters to insert, remove or replace to get from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, c) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for j in 0..to.len() {
            let replaced = diagonal + usize::from(c != to[j]);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_the_help_is_known_before_argh_sees_it_and_the_reverse() {
        let Err(Stop::Help(help)) = Arguments::read(&["--help".to_owned()]) else { panic!("asked for help") };
        let options = help.split("Options:").nth(1).expect("the help lists options");
        let listed = options.lines().map_while(|line| line.strip_prefix("  ").or(line.is_empty().then_some("")));
        let mut listed: Vec<&str> =
            listed.filter_map(|line| line.split([' ', ',']).next().filter(|word| word.starts_with("--"))).collect();
        let mut known: Vec<&str> = flags().iter().map(|flag| flag.long).collect();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known);
    }

    #[test]
    fn distance_counts_letters() {
        for (from, to, steps) in
            [("--name", "--name", 0), ("--nmae", "--name", 2), ("--tokn", "--token", 1), ("", "ab", 2)]
        {
            assert_eq!(distance(from, to), steps, "{from} {to}");
        }
    }
}
