use super::*;
use crate::limits;
use std::collections::HashMap;

fn parse_with(words: &[&str], variables: &[(&str, &str)]) -> Result<Config, Stop> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    parse(&words, &|name| variables.get(name).map(|value| (*value).to_owned()))
}

fn config(words: &[&str]) -> Config {
    parse_with(words, &[]).expect("a usable command line")
}

fn usage(words: &[&str], variables: &[(&str, &str)]) -> String {
    match parse_with(words, variables) {
        Err(Stop::Usage(line)) => line,
        other => panic!("{words:?} should be a usage error: {other:?}"),
    }
}

fn address(host: &str, port: u16) -> Service {
    Service::Address { host: host.to_owned(), port }
}

#[test]
fn a_port_is_enough() {
    let config = config(&["8000"]);
    assert_eq!(config.service, address("localhost", 8000));
    let listen = "127.0.0.1:8080".parse().expect("an address");
    assert_eq!(config.endpoint, Endpoint::Embedded { listen, listen_given: false });
    assert_eq!(config.host_header, HostHeader::Rewrite);
    assert_eq!(config.timeout, limits::ANSWER);
    assert!(config.name.is_none() && config.token.is_none() && config.headers.is_empty() && !config.qr);
    assert_eq!(
        config.output,
        Output { json: false, quiet: false, verbose: false, tui: false, color: ColorChoice::Auto }
    );
}

#[test]
fn a_target_is_a_port_a_host_and_port_or_an_http_url() {
    let cases = [
        ("1", address("localhost", 1)),
        ("65535", address("localhost", 65535)),
        ("localhost:3000", address("localhost", 3000)),
        ("192.0.2.1:80", address("192.0.2.1", 80)),
        ("[::1]:3000", address("::1", 3000)),
        ("http://dev.local:3000", address("dev.local", 3000)),
        ("HTTP://dev.local/", address("dev.local", 80)),
        ("http://[::1]", address("::1", 80)),
    ];
    for (text, expected) in cases {
        assert_eq!(config(&[text]).service, expected, "{text}");
    }
}

#[test]
fn a_target_may_be_a_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().canonicalize().expect("it exists");
    let text = directory.path().to_str().expect("its name is text");
    assert_eq!(config(&[text]).service, Service::Directory(path.clone()));
    std::fs::create_dir(path.join("a:1")).expect("a directory that looks like host:port");
    assert_eq!(config(&[&format!("{text}/a:1")]).service, Service::Directory(path.join("a:1")));
    std::fs::write(path.join("file"), "").expect("a file");
    assert!(usage(&[&format!("{text}/file")], &[]).contains("is a file"));
}

#[test]
fn a_target_that_is_nothing_of_these_says_what_would_be() {
    let cases = [
        ("0", "from 1 to 65535"),
        ("65536", "from 1 to 65535"),
        ("localhost:http", "from 1 to 65535"),
        ("localhost:", "from 1 to 65535"),
        (":8000", "host"),
        ("::1", "[::1]"),
        ("localhost", "forwarder 8000"),
        ("./no-such-directory", "neither a port"),
        ("", "neither a port"),
        ("https://localhost:3000", "plain HTTP"),
        ("ftp://localhost", "plain HTTP"),
        ("http://localhost:3000/app", "has a path"),
        ("http://", "host"),
        ("ana:secret@host:80", "host"),
    ];
    for (text, expected) in cases {
        let line = usage(&[text], &[]);
        assert!(line.contains(expected), "{text}: {line}");
    }
    assert!(usage(&[], &[]).contains("forwarder 8000"));
}

#[test]
fn an_endpoint_is_a_websocket_url_and_http_stands_for_it() {
    let cases = [
        ("ws://relay.example.com", "ws://relay.example.com/"),
        ("wss://relay.example.com:8443/", "wss://relay.example.com:8443/"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/"),
        ("HTTPS://abc.execute-api.eu-west-1.amazonaws.com/dev", "wss://abc.execute-api.eu-west-1.amazonaws.com/dev"),
        ("ws://[::1]:8080", "ws://[::1]:8080/"),
    ];
    for (text, expected) in cases {
        let uri: http::Uri = expected.parse().expect(expected);
        assert_eq!(config(&["8000", "--endpoint", text]).endpoint, Endpoint::Remote(uri), "{text}");
    }
}

#[test]
fn an_endpoint_that_cannot_be_joined_says_how_to_write_it() {
    let cases = [
        ("relay.example.com", "write wss://HOST"),
        ("ftp://relay.example.com", "unknown scheme"),
        ("wss://", "host"),
        ("wss:///path", "host"),
        ("wss://relay:99999", "from 1 to 65535"),
        ("wss://relay:0", "from 1 to 65535"),
        ("wss://relay example", "host"),
        ("wss://relay/?token=x", "--token"),
    ];
    for (text, expected) in cases {
        let line = usage(&["8000", "--endpoint", text], &[]);
        assert!(line.contains(expected) && line.contains("--endpoint"), "{text}: {line}");
        assert!(usage(&["8000"], &[("TUNNEL_ENDPOINT", text)]).contains("TUNNEL_ENDPOINT"));
    }
}

#[test]
fn the_embedded_relay_listens_where_it_is_told() {
    for (text, expected) in [
        ("0.0.0.0:9000", "0.0.0.0:9000"),
        ("[::]:9000", "[::]:9000"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("9000", "127.0.0.1:9000"),
        ("localhost:9000", "127.0.0.1:9000"),
    ] {
        let listen = expected.parse().expect(expected);
        let expected = Endpoint::Embedded { listen, listen_given: true };
        assert_eq!(config(&["8000", "--listen", text]).endpoint, expected, "{text}");
    }
    for bad in ["", "example.com:80", "127.0.0.1", ":9000", "127.0.0.1:99999"] {
        assert!(usage(&["8000", "--listen", bad], &[]).contains("write 127.0.0.1:8080"), "{bad}");
    }
}

#[test]
fn a_flag_is_stronger_than_the_environment_and_an_empty_variable_is_none() {
    let variables =
        [("TUNNEL_ENDPOINT", "wss://from-env"), ("TUNNEL_TOKEN", "token-from-env"), ("TUNNEL_NAME", "name-from-env")];
    let from_env = parse_with(&["8000"], &variables).expect("usable");
    assert_eq!(from_env.endpoint, Endpoint::Remote("wss://from-env/".parse().expect("a URL")));
    assert_eq!(from_env.token.expect("a token").expose(), "token-from-env");
    assert_eq!(from_env.name.expect("a name").as_str(), "name-from-env");
    let flags = ["8000", "--endpoint", "wss://flag", "--token", "token-flag", "--name", "name-flag"];
    let from_flags = parse_with(&flags, &variables).expect("usable");
    assert_eq!(from_flags.endpoint, Endpoint::Remote("wss://flag/".parse().expect("a URL")));
    assert_eq!(from_flags.token.expect("a token").expose(), "token-flag");
    assert_eq!(from_flags.name.expect("a name").as_str(), "name-flag");
    let empty = parse_with(&["8000"], &[("TUNNEL_ENDPOINT", ""), ("TUNNEL_NAME", ""), ("TUNNEL_TOKEN", "t")]);
    let empty = empty.expect("usable");
    assert!(matches!(empty.endpoint, Endpoint::Embedded { .. }) && empty.name.is_none() && empty.token.is_none());
}

#[test]
fn contradictions_are_named() {
    type Variables = &'static [(&'static str, &'static str)];
    let cases: [(&[&str], Variables, &str); 7] = [
        (&["8000", "--listen", "9000", "--endpoint", "wss://relay"], &[], "choose one"),
        (&["8000", "--listen", "9000"], &[("TUNNEL_ENDPOINT", "wss://relay")], "TUNNEL_ENDPOINT"),
        (&["8000", "--token", "x"], &[], "--basic-auth"),
        (&["8000", "--quiet", "--verbose"], &[], "choose one"),
        (&["8000", "--json", "--qr"], &[], "choose one"),
        (&["8000", "9000"], &[], "one TARGET"),
        (&["8000", "--name", "web", "--name", "api"], &[], "--name"),
    ];
    for (words, variables, expected) in cases {
        let line = usage(words, variables);
        assert!(line.contains(expected), "{words:?}: {line}");
    }
}

#[test]
fn secrets_may_stand_in_the_environment_or_a_file_and_are_not_printed() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "hunter2\n").expect("it is writable");
    let path = format!("file:{}", file.path().display());
    for token in ["hunter2", "env:SECRET", path.as_str()] {
        let words = [
            "8000",
            "--endpoint",
            "wss://relay",
            "--token",
            token,
            "--basic-auth",
            "env:LOGIN",
            "--header",
            "x: hunter2",
        ];
        let config = parse_with(&words, &[("SECRET", "hunter2"), ("LOGIN", "ana:hunter2")]).expect("usable");
        let printed = format!("{config:?}");
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(config.rules.basic_auth.is_some());
        assert_eq!(config.token.expect("a token").expose(), "hunter2");
    }
}

#[test]
fn no_usage_error_repeats_a_secret() {
    let cases: [&[&str]; 9] = [
        &["8000", "--endpoint", "wss://relay", "--token", "hunter2 with space"],
        &["8000", "--endpoint", "wss://ana:hunter2@relay"],
        &["8000", "--endpoint", "relay/?hunter2"],
        &["8000", "--endpoint", "wss://relay/?token=hunter2"],
        &["8000", "--basic-auth", "hunter2"],
        &["8000", "--basic-auth", "env:UNSET"],
        &["8000", "--tokne=hunter2"],
        &["8000", "--header", "authorization: hunter2\u{7}"],
        &["8000", "--json=hunter2"],
    ];
    for words in cases {
        let line = usage(words, &[]);
        assert!(!line.contains("hunter2") && !line.contains('\n'), "{words:?}: {line}");
    }
}

#[test]
fn headers_for_the_service_are_added_in_order() {
    let config = config(&["8000", "--header", "X-One: 1", "--header=x-two:a:b", "--header", "x-none:"]);
    let lines: Vec<_> = config.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(lines, [("x-one", &b"1"[..]), ("x-two", b"a:b"), ("x-none", b"")]);
}

#[test]
fn a_header_that_would_damage_the_exchange_is_refused() {
    let cases = [
        ("no colon", "no colon"),
        ("bad name: x", "no header name"),
        (": x", "no header name"),
        ("x: a\r\ny: b", "control character"),
        ("Host: x", "--host-header"),
        ("Connection: close", "one connection"),
        ("transfer-encoding: chunked", "one connection"),
        ("Upgrade: h2c", "one connection"),
        ("Content-Length: 5", "one connection"),
    ];
    for (line, expected) in cases {
        let error = usage(&["8000", "--header", line], &[]);
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn the_service_may_be_told_another_host() {
    let value = HostHeader::Value(HeaderValue::from_static("app.test:3000"));
    for (text, expected) in
        [("rewrite", HostHeader::Rewrite), ("preserve", HostHeader::Preserve), ("app.test:3000", value)]
    {
        assert_eq!(config(&["8000", "--host-header", text]).host_header, expected);
    }
    for bad in ["", "a b", "http://x", "x:99999", "ana@x"] {
        assert!(usage(&["8000", "--host-header", bad], &[]).contains("--host-header"), "{bad}");
    }
}

#[test]
fn networks_times_names_and_colours_are_checked() {
    let good = config(&["8000", "--allow", "10.0.0.0/8", "--allow", "::1", "--deny", "10.1.2.3", "--timeout", "1.5"]);
    assert_eq!((good.rules.allow.len(), good.rules.deny.len()), (2, 1));
    assert_eq!(good.timeout, Duration::from_millis(1500));
    let cases = [
        ("--allow", "10.0.0.0/99", "no network"),
        ("--deny", "example.com", "--deny"),
        ("--timeout", "0", "--timeout"),
        ("--timeout", "-1", "--timeout"),
        ("--timeout", "NaN", "--timeout"),
        ("--timeout", "inf", "--timeout"),
        ("--timeout", "1e300", "--timeout"),
        ("--timeout", "5s", "--timeout"),
        ("--name", "ab", "3 to 40"),
        ("--name", "Web", "a-z"),
        ("--color", "blue", "auto, always or never"),
    ];
    for (flag, value, expected) in cases {
        let line = usage(&["8000", flag, value], &[]);
        assert!(line.contains(expected), "{flag} {value}: {line}");
    }
}

#[test]
fn colours_follow_the_flag_then_no_color() {
    let color = |words: &[&str], variables: &[(&str, &str)]| parse_with(words, variables).expect("usable").output.color;
    assert_eq!(color(&["8000"], &[("NO_COLOR", "1")]), ColorChoice::Never);
    assert_eq!(color(&["8000"], &[("NO_COLOR", "")]), ColorChoice::Auto);
    assert_eq!(color(&["8000"], &[("TERM", "dumb")]), ColorChoice::Never);
    assert_eq!(color(&["8000", "--color", "always"], &[("NO_COLOR", "1")]), ColorChoice::Always);
    assert_eq!(color(&["8000", "--color=never"], &[]), ColorChoice::Never);
}

#[test]
fn a_flag_that_does_not_exist_is_named_with_the_nearest_that_does() {
    assert_eq!(usage(&["8000", "--tokn", "x"], &[]), "unknown flag \"--tokn\", did you mean --token?");
    assert_eq!(usage(&["8000", "--jsno"], &[]), "unknown flag \"--jsno\", did you mean --json?");
    assert_eq!(usage(&["8000", "--sparkle"], &[]), "unknown flag \"--sparkle\"; see forwarder --help");
    assert_eq!(usage(&["8000", "-x"], &[]), "unknown flag \"-x\"; see forwarder --help");
    assert_eq!(usage(&["8000", "--json=yes"], &[]), "--json takes no value");
    assert!(usage(&["8000", "--name"], &[]).contains("--name"));
}

#[test]
fn help_shows_every_flag_with_examples_and_version_names_the_program() {
    for words in [&["--help"][..], &["-h"], &["8000", "--help"]] {
        let Err(Stop::Help(help)) = parse_with(words, &[]) else { panic!("{words:?} asks for help") };
        for part in ["TARGET", "--basic-auth", "Examples:", "forwarder 8000", "TUNNEL_TOKEN", "HTTPS_PROXY"] {
            assert!(help.contains(part), "{part} is missing in: {help}");
        }
    }
    for word in ["--version", "-V"] {
        let Err(Stop::Version(version)) = parse_with(&[word], &[]) else { panic!("{word} asks for the version") };
        assert_eq!(version, format!("forwarder {}", env!("CARGO_PKG_VERSION")));
    }
}
