//! `forwarder config`: what is found, what is wrong, and where it is looked for.

use crate::folder::{Folder, PROJECTS, USERS, ended};

const SECRET: &str = "never-to-be-seen";

#[test]
fn check_prints_per_file_and_tunnel_what_it_found_without_secrets() {
    let folder = Folder::new();
    folder.write("project/site/index.html", "");
    folder.write("project/token.txt", SECRET);
    folder
        .write(USERS, &format!("basic-auth = \"ana:{SECRET}\"\ntimeout = 5\n[tunnels.notes]\ntarget = \"[::1]:9\"\n"));
    folder.write(
        PROJECTS,
        "[tunnels.web]\ntarget = 3000\n\n[tunnels.docs]\ntarget = \"./site\"\nname = \"team-docs\"\n\n\
         [tunnels.api]\ntarget = \"http://dev.local:4000\"\nendpoint = \"wss://tunnel.example.com\"\ntoken = \"file:token.txt\"\n",
    );
    let ended = folder.run(&["config", "check"]);
    let site = folder.path("project/site").canonicalize().expect("it is there");
    let expected = format!(
        "tunnel.toml\n\
         \x20 web: http://localhost:3000 as web, public through this program on 127.0.0.1:8080\n\
         \x20 docs: {} as team-docs, public through this program on 127.0.0.1:8080\n\
         \x20 api: http://dev.local:4000 as api, public through wss://tunnel.example.com/\n\
         ~/.config/http-tunnel/config.toml\n\
         \x20 at the top: basic-auth, timeout\n\
         \x20 notes: http://[::1]:9 as notes, public through this program on 127.0.0.1:8080\n",
        site.display()
    );
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), expected.as_str(), ""));
}

#[test]
fn check_names_every_mistake_of_every_file_and_ends_with_code_2() {
    let folder = Folder::new();
    folder.write(
        USERS,
        &format!(
            "timout = 5\ntoken = \"{SECRET} with spaces\"\nendpoint = \"wss://example.com\"\ninspect = \"0.0.0.0:1\"\n"
        ),
    );
    folder.write(
        PROJECTS,
        &format!(
            "timeout = \"soon\"\nallow = [\"10.0.0.0/99\", \"::1\", \"nowhere\"]\n[tunnels.web]\ntarget = 99999\njson = true\n\
             [tunnels.api]\nbasic-auth = \"{SECRET}\"\nheader = [\"{SECRET}\", \"Host: x\"]\n[tunnels.ok]\ntarget = 1\nname = \"Not-a-name\"\n"
        ),
    );
    let ended = folder.run(&["config", "check"]);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    let expected = [
        "tunnel.toml:5:1: tunnels.web.json is for the whole program",
        "~/.config/http-tunnel/config.toml:1:1: timout is no key, did you mean timeout?",
        "tunnel.toml:1:11: timeout \"soon\" is no time; write seconds from 0.001 to 86400",
        "tunnel.toml:2:10: allow[0] \"10.0.0.0/99\" is no network",
        "tunnel.toml:2:32: allow[2] \"nowhere\" is no network",
        "~/.config/http-tunnel/config.toml:2:9: token holds a space",
        "~/.config/http-tunnel/config.toml:4:11: inspect \"0.0.0.0:1\" is not on loopback",
        "tunnel.toml:4:10: tunnels.web.target: \"99999\" is no port",
        "tunnel.toml:6:10: tunnels.api has no target; write target = 8000",
        "tunnel.toml:11:8: tunnels.ok.name \"Not-a-name\": a tunnel name is made of a-z",
    ];
    for line in expected {
        assert_eq!(ended.err.matches(line).count(), 1, "{line}: {}", ended.err);
    }
    assert!(ended.out.contains("web: has a mistake\n"), "{}", ended.out);
    assert!(!ended.err.contains(SECRET) && !ended.out.contains(SECRET), "{}{}", ended.out, ended.err);
}

#[test]
fn every_value_is_held_to_what_its_flag_takes_and_named_by_its_place() {
    let cases = [
        ("endpoint = \"example.com\"", "endpoint has no scheme; write wss://HOST, ws://HOST without TLS, or embedded"),
        (
            "endpoint = \"wss://ana:never-to-be-seen@x\"",
            "endpoint holds a login, which URLs do not keep secret; use token",
        ),
        ("endpoint = \"wss://x/?t=never-to-be-seen\"", "endpoint has a query or fragment"),
        ("token = \"x\"", "tunnels.web.token is for an endpoint; to ask visitors for a password use basic-auth"),
        (
            "endpoint = \"wss://x\"\ntoken = \"env:TUNNEL_UNSET\"",
            "token: the environment variable \"TUNNEL_UNSET\" is not set",
        ),
        ("endpoint = \"wss://x\"\ntoken = \"file:gone\"", "token: cannot read the file \"gone\": "),
        ("basic-auth = \"never-to-be-seen\"", "basic-auth is USER:PASS"),
        ("host-header = \"a b\"", "host-header \"a b\" is rewrite, preserve or a host"),
        ("header = \"never-to-be-seen\"", "header is 'Name: value', this one has no colon"),
        ("header = [\"a: b\", \"Host: never-to-be-seen\"]", "header[1] cannot set Host; use host-header"),
        ("header = \"a: never-to-be-seen\\u0007\"", "header a: the value holds a control character"),
        ("verify = \"never-to-be-seen\"", "verify: it is SCHEME:SECRET"),
        ("verify = \"gitlab:never-to-be-seen\"", "verify: the scheme is github"),
        ("webhook-secret = [\"standard:never-to-be-seen!\"]", "webhook-secret[0]: "),
        ("target = \"https://x\"", "tunnel.toml:2:10: tunnels.web.target: \"https://x\" is no http:// URL"),
        ("timeout = 0", "timeout \"0\" is no time"),
        ("timeout = nan", "timeout \"nan\" is no time"),
    ];
    for (lines, expected) in cases {
        let target = if lines.starts_with("target") { "" } else { "target = 1\n" };
        let ended = Folder::with(&format!("[tunnels.web]\n{target}{lines}\n")).run(&["config", "check"]);
        assert_eq!((ended.code, ended.err.lines().count()), (Some(2), 1), "{lines}: {}", ended.err);
        assert!(ended.err.starts_with("tunnel.toml:") && ended.err.contains(expected), "{lines}: {}", ended.err);
        assert!(!ended.err.contains(SECRET), "{}", ended.err);
    }
    let cases = [
        ("listen = \"nowhere\"", "tunnel.toml:1:10: listen \"nowhere\" is no address"),
        ("inspect = \"nowhere\"", "tunnel.toml:1:11: inspect \"nowhere\" is no address"),
        ("inspect-memory = 1", "tunnel.toml:1:18: inspect-memory \"1\" is no size"),
        ("color = \"pink\"", "tunnel.toml:1:9: color is auto, always or never, not \"pink\""),
        ("quiet = true\nverbose = true", "tunnel.toml:1:9: quiet and tunnel.toml:2:11: verbose contradict each other"),
        ("json = true\nqr = true", "tunnel.toml:2:6: qr draws on a terminal and tunnel.toml:1:8: json is for programs"),
    ];
    for (lines, expected) in cases {
        let ended = Folder::with(lines).run(&["config", "check"]);
        assert_eq!(ended.code, Some(2), "{lines}");
        assert!(ended.err.starts_with(expected) && ended.err.lines().count() == 1, "{lines}: {}", ended.err);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::with(&"# a comment that is long enough to make a large file\n".repeat(20_000));
    let large = folder.run(&["config", "check"]);
    assert_eq!((large.code, large.err.as_str()), (Some(2), "tunnel.toml: a config file has at most 1048576 bytes\n"));
    folder.write(PROJECTS, &format!("[tunnels.web]\ntarget = 1\ntoken = {SECRET}\n"));
    let broken = folder.run(&["config", "check"]);
    assert!(broken.err.starts_with("tunnel.toml:3:9: ") && !broken.err.contains(SECRET), "{}", broken.err);
    let folder_as_file = folder.run(&["config", "check", "--config", "."]);
    assert!(folder_as_file.code == Some(2) && folder_as_file.err.contains("cannot be read"), "{}", folder_as_file.err);
    let none = Folder::new().run(&["config", "check"]);
    assert_eq!((none.code, none.out.as_str()), (Some(2), ""));
    assert!(none.err.contains("there is no config file; forwarder config path says"), "{}", none.err);
}

#[test]
fn path_prints_the_files_that_are_looked_at_and_whether_they_are_there() {
    let folder = Folder::with("");
    let shown = |path: &str| folder.path(path).display().to_string();
    let ended_here = folder.run(&["config", "path"]);
    assert_eq!((ended_here.code, ended_here.err.as_str()), (Some(0), ""));
    assert_eq!(ended_here.out, format!("{}\n{} (not there)\n", shown(PROJECTS), shown(USERS)));
    std::fs::remove_file(folder.path(PROJECTS)).expect("it is there");
    folder.write(USERS, "");
    let without = folder.run(&["config", "path"]).out;
    let folders = format!(
        "tunnel.toml (in none of {}, {})",
        shown("project"),
        folder.path("").display().to_string().trim_end_matches('/')
    );
    assert_eq!(without, format!("{folders}\n{}\n", shown(USERS)));
    let named = ended(folder.forwarder(&["config", "path"]).env("TUNNEL_CONFIG", "/no/such.toml"));
    assert_eq!(named.out, "/no/such.toml (not there)\n");
}

#[test]
fn help_and_mistaken_words_say_what_there_is() {
    for words in [&["config", "--help"][..], &["config", "-h"], &["config", "check", "--help"]] {
        let ended = Folder::new().run(words);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{words:?}");
        assert!(ended.out.contains("check"), "{}", ended.out);
    }
    for words in [&["config"][..], &["config", "chekc"], &["config", "check", "--confg", "x"]] {
        let ended = Folder::new().run(words);
        assert_eq!((ended.code, ended.out.as_str(), ended.err.lines().count()), (Some(2), "", 1), "{words:?}");
    }
}
