use super::super::value::Owner;
use super::*;

fn origin() -> Origin {
    let folder = std::path::PathBuf::from("/project");
    Origin { owner: Owner::Project, shown: "tunnel.toml".to_owned(), folder, home: None, exposed: false }
}

fn file(text: &str) -> File {
    let (file, mistakes) = read(origin(), text);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    file
}

fn mistakes(text: &str) -> Vec<String> {
    read(origin(), text).1
}

fn texts<'a>(layer: &'a Layer, key: &str) -> Vec<&'a str> {
    layer.all(key).iter().map(|value| value.text.as_str()).collect()
}

#[test]
fn numbers_switches_and_lists_become_the_text_that_flags_have() {
    let file = file(
        "timeout = 1.5\ninspect = 4041\ninspect-memory = 0x40\nlisten = \"0.0.0.0:8080\"\njson = true\nqr = false\n\
         allow = [\"10.0.0.0/8\", \"::1\"]\ndeny = \"10.1.2.3\"\nheader = []\n",
    );
    let cases: [(&str, &[&str]); 9] = [
        ("timeout", &["1.5"]),
        ("inspect", &["4041"]),
        ("inspect-memory", &["64"]),
        ("listen", &["0.0.0.0:8080"]),
        ("json", &["true"]),
        ("qr", &["false"]),
        ("allow", &["10.0.0.0/8", "::1"]),
        ("deny", &["10.1.2.3"]),
        ("header", &[]),
    ];
    for (key, expected) in cases {
        assert_eq!(texts(&file.top, key), expected, "{key}");
    }
    assert_eq!(file.top.keys().count(), cases.len(), "an empty list is a setting, too");
}

#[test]
fn tunnels_come_in_the_order_of_the_file_and_know_where_they_are() {
    let file = file("[tunnels.web]\ntarget = 3000\n\n[tunnels.api]\n  target = \"./site\"\n  allow = [\"::1\"]\n");
    let names: Vec<_> = file.tunnels.iter().map(|tunnel| (tunnel.name.as_str(), tunnel.source.to_string())).collect();
    assert_eq!(
        names,
        [("web", "tunnel.toml:1:10: tunnels.web".into()), ("api", "tunnel.toml:4:10: tunnels.api".to_owned())]
    );
    let target = file.tunnels[1].settings.one("target").expect("a target");
    assert_eq!(
        (target.text.as_str(), target.source.to_string().as_str()),
        ("./site", "tunnel.toml:5:12: tunnels.api.target")
    );
    let allowed = file.tunnels[1].settings.one("allow").expect("a network");
    assert_eq!(allowed.source.to_string(), "tunnel.toml:6:12: tunnels.api.allow[0]");
    assert_eq!(texts(&file.tunnels[0].settings, "target"), ["3000"]);
}

#[test]
fn every_mistake_says_where_it_is_and_what_is_right() {
    let cases = [
        ("timout = 5", "tunnel.toml:1:1: timout is no key, did you mean timeout?"),
        ("host_header = \"x\"", "tunnel.toml:1:1: host_header is no key, did you mean host-header?"),
        ("[tunnel.web]\ntarget = 1", "tunnel.toml:1:2: tunnel is no key, did you mean tunnels?"),
        ("[web]\ntarget = 1", "tunnel.toml:1:2: web is no key; a tunnel stands in [tunnels.web]"),
        ("target = 8000", "tunnel.toml:1:1: target belongs to one tunnel; move it below its [tunnels.NAME]"),
        ("name = \"web\"", "tunnel.toml:1:1: name belongs to one tunnel; move it below its [tunnels.NAME]"),
        (
            "[tunnels.web]\njson = true",
            "tunnel.toml:2:1: tunnels.web.json is for the whole program; move it to the top of the file, above [tunnels]",
        ),
        ("[tunnels.web]\ntraget = 1", "tunnel.toml:2:1: tunnels.web.traget is no key, did you mean target?"),
        ("timeout = true", "tunnel.toml:1:11: timeout is true or false; write timeout = 120"),
        ("json = \"yes\"", "tunnel.toml:1:8: json is a text; write json = true"),
        ("name = 1", "tunnel.toml:1:1: name belongs to one tunnel; move it below its [tunnels.NAME]"),
        ("token = 5", "tunnel.toml:1:9: token is a number; write token = \"file:token.txt\""),
        ("allow = [1]", "tunnel.toml:1:10: allow[0] is a number; write allow = [\"203.0.113.0/24\"]"),
        (
            "endpoint = { url = 1 }",
            "tunnel.toml:1:12: endpoint is a table; write endpoint = \"wss://tunnel.example.com\"",
        ),
        ("timeout = 1979-05-27", "tunnel.toml:1:11: timeout is a date or time; write timeout = 120"),
        ("tunnels = 5", "tunnel.toml:1:11: tunnels is no table; write [tunnels.web], and below it target = 8000"),
        (
            "[tunnels]\nweb = 8000",
            "tunnel.toml:2:1: tunnels.web is a number, not a tunnel; write [tunnels.web] and below it target = 8000",
        ),
        (
            "[tunnels]\ntarget = 8000",
            "tunnel.toml:2:1: tunnels.target is in no tunnel; write [tunnels.web] above it, or move it to the top",
        ),
        (
            "[tunnels.\"a b\"]\ntarget = 1",
            "tunnel.toml:1:10: tunnels.\"a b\" is no name for a tunnel; write letters, digits, - and _, at most 40",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(mistakes(text), [expected], "{text}");
    }
    assert!(mistakes("sparkle = 1")[0].contains("is no key; there are endpoint, token,"));
    assert!(mistakes("[tunnels.web]\nsparkle = 1")[0].contains("is no key; there are target, name,"));
}

#[test]
fn all_mistakes_of_a_file_are_named_in_its_order() {
    let found = mistakes("tokn = 1\njson = 1\n[tunnels.web]\nqr = true\ntarget = []\n");
    let lines: Vec<_> = found.iter().map(|line| line.split(": ").nth(1).expect("a key")).collect();
    assert_eq!(lines.len(), 4, "{found:?}");
    for (line, key) in lines.iter().zip(["tokn", "json", "tunnels.web.qr", "tunnels.web.target"]) {
        assert!(line.starts_with(key), "{found:?}");
    }
}

#[test]
fn what_is_no_toml_is_named_by_line_and_column_without_the_line() {
    let cases = [
        ("token = hunter2", 1),
        ("timeout = 5\ntoken = \"hunter2", 2),
        ("token = \"hunter2\"\n\ntoken = \"hunter2\"", 3),
        ("[tunnels.web]\ntarget = 1\n[tunnels.web]\ntoken = \"hunter2\"", 3),
        ("= hunter2", 1),
        ("token = \"hunter2\\q\"", 1),
        ("[hunter2", 1),
    ];
    for (text, line) in cases {
        let found = mistakes(text);
        assert!(found.iter().any(|mistake| mistake.starts_with(&format!("tunnel.toml:{line}:"))), "{text}: {found:?}");
        assert!(!found.concat().contains("hunter2") && !found.concat().contains('\n'), "{found:?}");
    }
    assert!(mistakes("a = 1\na = 2")[0].contains("duplicate"), "{:?}", mistakes("a = 1\na = 2"));
}

#[test]
fn no_mutilation_of_a_file_brings_a_secret_to_light() {
    let text = "token = \"hunter2\"\nverify = [\"github:hunter2\", 'stripe:hunter2']\n[tunnels.web]\nbasic-auth = \"\"\"\nhunter2\"\"\"\n";
    for at in 0..text.len() {
        for inserted in ["", "\"", "'", "\\", "\n", "=", "[", "]", "#", "\u{1b}", "x"] {
            for removed in [0, 1] {
                let mutilated = format!("{}{inserted}{}", &text[..at], &text[at + removed..]);
                let found = mistakes(&mutilated).concat();
                assert!(!found.contains("hunter2"), "{mutilated}: {found}");
                assert!(!found.contains('\x1b'), "{found:?}");
            }
        }
    }
}

#[test]
fn a_key_cannot_command_the_terminal() {
    for text in ["\"\\u001b[2J\" = 1", "[tunnels.\"\\u001b[2J\"]\ntarget = 1", "[tunnels.web]\n\"\\u001b[2J\" = 1"] {
        assert!(mistakes(text).concat().contains("\\u{1b}[2J") && !mistakes(text).concat().contains('\x1b'), "{text}");
    }
}

#[test]
fn columns_count_characters() {
    assert!(
        mistakes("host-header = \"ü\" x").concat().starts_with("tunnel.toml:1:19: "),
        "{:?}",
        mistakes("host-header = \"ü\" x")
    );
    assert_eq!(position("a\nüx", 4), (2, 2));
}
