//! What docs/protocol.md shows is what the crate reads and writes: its examples, tables and numbers are taken from the page.

use bytes::Bytes;
use http_tunnel::fault::Code;
use http_tunnel::id::OwnerSecret;
use http_tunnel::wire::{Encoded, Encoding, Message, ToForwarder, ToGate, WireError, handshake};
use http_tunnel::{head, limits};
use std::fmt::Debug;
use std::time::Duration;

const PAGE: &str = include_str!("../docs/protocol.md");

/// A fenced block of the page: `json to-gate`, `hex to-forwarder ignored`, …
#[derive(Debug)]
struct Example {
    line: usize,
    encoding: Encoding,
    to_gate: bool,
    fate: Fate,
    text: String,
}

/// What the page says becomes of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is read, and written just so.
    Canonical,
    /// It is read, but written otherwise.
    Readable,
    /// It is skipped.
    Ignored,
    /// It ends the link.
    Malformed,
}

fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    let mut lines = PAGE.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let text: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        found.extend(example(at + 1, info, text.join("\n")));
    }
    found
}

fn example(line: usize, info: &str, text: String) -> Option<Example> {
    let mut words = info.split(' ');
    let encoding = match words.next()? {
        "json" => Encoding::Text,
        "hex" => Encoding::Binary,
        "http" | "text" => return None,
        other => panic!("line {line}: a block of an unknown kind, {other}"),
    };
    let to_gate = match words.next() {
        Some("to-gate") => true,
        Some("to-forwarder") => false,
        other => panic!("line {line}: an example goes to-gate or to-forwarder, not {other:?}"),
    };
    let fate = match words.next() {
        None => Fate::Canonical,
        Some("readable") => Fate::Readable,
        Some("ignored") => Fate::Ignored,
        Some("malformed") => Fate::Malformed,
        Some(other) => panic!("line {line}: {other} is no fate of a message"),
    };
    Some(Example { line, encoding, to_gate, fate, text })
}

impl Example {
    /// The example in its encoded form, without comments.
    fn encoded(&self) -> Encoded {
        if self.encoding == Encoding::Text {
            return Encoded::Text(self.text.clone());
        }
        let digits = self.text.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
        let byte = |pair| u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("line {}: {pair}", self.line));
        Encoded::Binary(digits.map(byte).collect())
    }

    fn decode<M: Message>(&self) -> Result<Option<M>, WireError> {
        match self.encoded() {
            Encoded::Text(text) => M::decode_text(&text),
            Encoded::Binary(bytes) => M::decode_binary(bytes),
        }
    }

    fn check<M: Message + Debug + PartialEq>(&self) {
        let line = self.line;
        let decoded: Result<Option<M>, WireError> = self.decode();
        match (self.fate, &decoded) {
            (Fate::Canonical, Ok(Some(message))) => {
                assert!(same(&message.encode(self.encoding), &self.encoded()), "line {line}: written otherwise");
            }
            (Fate::Readable, Ok(Some(message))) => {
                assert!(!same(&message.encode(self.encoding), &self.encoded()), "line {line}: written just so");
            }
            (Fate::Ignored, Ok(None)) | (Fate::Malformed, Err(_)) => {}
            _ => panic!("line {line}: not {:?} but {decoded:?}", self.fate),
        }
    }
}

/// JSON may be wrapped and ordered as a reader likes it; bytes are bytes.
fn same(written: &Encoded, shown: &Encoded) -> bool {
    match (written, shown) {
        (Encoded::Text(written), Encoded::Text(shown)) => json(written) == json(shown),
        _ => written == shown,
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The cells of the tables' rows that begin with `first`, trimmed and without backticks.
fn rows(first: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split('|').skip(1).map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
    PAGE.lines().filter(|line| line.starts_with('|')).map(cells).filter(|row| row[0] == first).collect()
}

#[test]
fn every_example_is_read_and_written_as_the_page_says() {
    let examples = examples();
    assert!(examples.len() > 30, "the page has its examples: {}", examples.len());
    for example in &examples {
        if example.to_gate { example.check::<ToGate>() } else { example.check::<ToForwarder>() }
    }
}

#[test]
fn the_binary_examples_are_the_same_messages_as_the_json_ones() {
    let of = |encoding, to_gate| {
        let wanted = move |e: &Example| e.encoding == encoding && e.to_gate == to_gate && e.fate == Fate::Canonical;
        examples().into_iter().filter(wanted).collect::<Vec<_>>()
    };
    let to_gate: Vec<_> = of(Encoding::Text, true).iter().map(Example::decode::<ToGate>).collect();
    for example in of(Encoding::Binary, true) {
        assert!(to_gate.contains(&example.decode()), "line {} is not among the JSON examples", example.line);
    }
    let to_forwarder: Vec<_> = of(Encoding::Text, false).iter().map(Example::decode::<ToForwarder>).collect();
    for example in of(Encoding::Binary, false) {
        assert!(to_forwarder.contains(&example.decode()), "line {} is not among the JSON examples", example.line);
    }
}

#[test]
fn every_kind_has_an_example_and_a_row() {
    let kinds = [
        "hello", "welcome", "bye", "ping", "open", "answer", "fail", "part", "abort", "cancel", "credit", "message",
        "close",
    ];
    let shown: Vec<String> = examples()
        .iter()
        .filter(|example| example.encoding == Encoding::Text && example.fate == Fate::Canonical)
        .filter_map(|example| json(&example.text)["kind"].as_str().map(str::to_owned))
        .collect();
    for kind in kinds {
        assert!(shown.iter().any(|shown| shown == kind), "{kind} has no example");
        let row = if kind == "ping" { "ping, pong" } else { kind };
        assert!(!rows(row).is_empty(), "{kind} has no row");
    }
}

#[test]
fn the_faults_of_the_page_are_those_of_the_crate() {
    for code in Code::ALL {
        let rows = rows(code.as_str());
        assert_eq!(rows.len(), 1, "{}", code.as_str());
        assert_eq!(rows[0][1], code.status().as_str(), "{}", code.as_str());
    }
    assert!(PAGE.contains(&format!("`{}`", head::FAULT)));
}

#[test]
fn the_limits_of_the_page_are_those_of_the_crate() {
    let seconds = |time: Duration| usize::try_from(time.as_secs()).expect("some seconds");
    let limits = [
        ("frame, JSON", limits::TEXT_FRAME),
        ("message, JSON", Encoding::Text.message()),
        ("part, JSON", Encoding::Text.part()),
        ("message, binary", Encoding::Binary.message()),
        ("part, binary", Encoding::Binary.part()),
        ("head: target and header lines, each line counted with 4 bytes more", limits::HEAD),
        ("header lines of one head", limits::HEADER_LINES),
        ("window at the start", limits::WINDOW as usize),
        ("window at most", limits::WINDOW_MAX as usize),
        ("request body that waits to travel with its head", limits::WHOLE_BODY),
        ("visitor's WebSocket message", limits::WEBSOCKET_MESSAGE),
        ("open exchanges of one forwarder", limits::EXCHANGES),
        ("seconds: keep-alive on a relay's link", seconds(limits::KEEP_ALIVE)),
        ("seconds: silence after which it is dead", seconds(limits::LINK_SILENCE)),
        ("seconds: handshake and welcome", seconds(limits::HANDSHAKE)),
        ("seconds: open exchanges at a hand-over or stop", seconds(limits::DRAIN)),
        ("seconds: longest pause before a reconnect", seconds(limits::RECONNECT)),
        ("seconds: a name's grace period", seconds(limits::NAME_GRACE)),
    ];
    for (what, value) in limits {
        let rows = rows(what);
        assert_eq!(rows.len(), 1, "{what}");
        assert_eq!(rows[0][1], value.to_string(), "{what}");
    }
}

#[test]
fn the_handshake_of_the_page_is_one_that_the_crate_takes() {
    let request: Vec<&str> = PAGE.lines().skip_while(|line| *line != "```http").skip(1).collect();
    let field = |name: &str| {
        let lines = request.iter().take_while(|line| **line != "```").filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        values.next().unwrap_or_else(|| panic!("no {name}"))
    };
    assert_eq!(Encoding::choose(field("sec-websocket-protocol")), Some(Encoding::Binary));
    assert_eq!(Encoding::choose("tunnel.v2.bin, tunnel.v1.json"), Some(Encoding::Text));
    assert_eq!(Encoding::choose("tunnel.v2.bin"), None);
    assert!(OwnerSecret::from_hex(field(handshake::OWNER.as_str())).is_some());
    assert!(field(handshake::NAME.as_str()).parse::<http_tunnel::id::TunnelName>().is_ok());
    assert!(!field(handshake::AGENT.as_str()).is_empty());
}

#[test]
fn a_message_over_the_limit_of_its_encoding_is_malformed() {
    let most = Encoding::Binary.message();
    let part = |size: usize| {
        let mut bytes = vec![6, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0];
        bytes.resize(size, b'x');
        ToGate::decode_binary(Bytes::from(bytes))
    };
    assert!(matches!(part(most), Ok(Some(_))));
    assert_eq!(part(most + 1), Err(WireError::TooLarge(most + 1)));
    let most = Encoding::Text.message();
    let ping = |size: usize| ToGate::decode_text(&(r#"{"kind":"ping"}"#.to_owned() + &" ".repeat(size - 15)));
    assert_eq!(ping(most), Ok(Some(ToGate::Ping)));
    assert_eq!(ping(most + 1), Err(WireError::TooLarge(most + 1)));
}
