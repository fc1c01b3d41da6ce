//! The manual page as `man` shows it.

use crate::support::process::{forwarder, relay};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What groff makes of a page, and what it has to say about it.
fn shown(page: &[u8]) -> (String, String) {
    let mut groff = Command::new("groff");
    groff.args(["-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=100n"]);
    let mut groff = groff.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let groff = groff.as_mut().expect("groff is there; run tests/setup");
    groff.stdin.take().expect("it is piped").write_all(page).expect("it reads");
    let mut said = (String::new(), String::new());
    std::io::Read::read_to_string(&mut groff.stdout.take().expect("it is piped"), &mut said.0).expect("it is text");
    std::io::Read::read_to_string(&mut groff.stderr.take().expect("it is piped"), &mut said.1).expect("it is text");
    assert!(groff.wait().expect("it ends").success(), "{}", said.1);
    said
}

#[test]
fn the_manual_is_shown_without_a_warning_and_with_every_section() {
    for (name, mut program) in [("forwarder", forwarder()), ("relay", relay())] {
        let page = program.arg("man").output().expect("the program runs").stdout;
        let (text, warnings) = shown(&page);
        assert_eq!(warnings, "", "{name}");
        let titles: Vec<&str> = text.lines().filter(|line| line.starts_with(char::is_alphabetic)).collect();
        for title in ["NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "ENVIRONMENT", "EXIT STATUS", "EXAMPLES"] {
            assert!(titles.contains(&title), "{name} has no {title}: {titles:?}");
        }
        assert!(text.contains(&format!("{name} - ")) && text.contains("TUNNEL_TOKEN"), "{text}");
        assert!(text.contains(&format!("\n   {name} completions\n")), "{text}");
    }
    let (text, _) = shown(&forwarder().arg("man").output().expect("the program runs").stdout);
    for piece in
        ["--host-header HOST", "'Name: value'", "forwarder ./site --listen 0.0.0.0:8080 --qr\n", "data.items.*.id"]
    {
        assert!(text.contains(piece), "{piece}: {text}");
    }
}
