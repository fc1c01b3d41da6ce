use super::*;
use crate::gate::access::Access;
use tempfile::TempDir;

fn no_env(_: &str) -> Option<String> {
    None
}

fn parsed(line: &str) -> Result<Config, Stop> {
    parse(&line.split_whitespace().collect::<Vec<_>>(), &no_env)
}

#[track_caller]
fn config(line: &str) -> Config {
    parsed(line).unwrap_or_else(|stop| panic!("{line}: {stop}"))
}

#[track_caller]
fn usage(line: &str) -> String {
    match parsed(line) {
        Err(Stop::Usage(text)) => {
            assert!(!text.contains('\n') && !text.is_empty(), "one line: {text:?}");
            text
        }
        other => panic!("{line}: {other:?}"),
    }
}

fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn without_arguments_the_relay_serves_this_machine_alone_and_wants_no_token() {
    let config = config("");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert!(config.access.open && Access::new(config.access).is_ok());
    assert_eq!(config.limits, OperatorLimits::default());
    assert!(config.domain.is_none() && config.tls.is_none() && config.admin.is_none() && !config.json);
}

#[test]
fn every_flag_arrives() {
    let (_keep, tokens) = file("t1\n");
    let config = config(&format!(
        "--listen [::]:8443 --domain Tunnel.Example.COM. --admin 127.0.0.1:9090 --token-file {tokens} --json --verbose \
         --tls-cert c.pem --tls-key k.pem --public-url https://{{tunnel}}.example.com/ --trusted-proxy 10.0.0.0/8 \
         --trusted-proxy ::1 --tunnels-per-token 3 --exchanges-per-tunnel 50 --requests-per-second=7 --head-bytes 16K \
         --body-bytes 2G --idle 90 --name-grace 30 --jwt-audience a --jwt-issuer i"
    ));
    assert_eq!((config.listen.to_string(), config.admin.unwrap().port()), ("[::]:8443".to_owned(), 9090));
    assert_eq!(config.domain.as_deref(), Some("tunnel.example.com"));
    assert_eq!(config.tls, Some(TlsFiles { cert: "c.pem".into(), key: "k.pem".into() }));
    assert_eq!(config.public_url.as_deref(), Some("https://{tunnel}.example.com"));
    assert_eq!(config.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
    let limits = OperatorLimits {
        tunnels_per_token: NonZeroU32::new(3),
        exchanges_per_tunnel: NonZeroU32::new(50).unwrap(),
        requests_per_second: NonZeroU32::new(7),
        head_bytes: 16 * 1024,
        body_bytes: Some(2 << 30),
        idle: Duration::from_secs(90),
        name_grace: Duration::from_secs(30),
    };
    assert_eq!(config.limits, limits);
    assert!(config.json && config.verbose && !config.access.open);
    assert_eq!((config.access.audience.as_deref(), config.access.issuer.as_deref()), (Some("a"), Some("i")));
}

#[test]
fn a_relay_that_others_can_reach_does_not_start_without_a_token_unless_open() {
    let reachable = [
        "--listen 0.0.0.0:8080",
        "--listen [::]:8080",
        "--listen 192.168.1.2:0",
        "--public-url https://x.example/{tunnel}",
        "--trusted-proxy 127.0.0.1",
    ];
    for line in reachable {
        assert!(usage(line).contains("--open for anyone"), "{line}");
        assert!(config(&format!("{line} --open")).access.open, "{line}");
    }
    for line in ["--listen 127.0.0.2:0", "--listen [::1]:0", "--listen [::ffff:127.0.0.1]:0"] {
        assert!(config(line).access.open, "{line}");
    }
}

#[test]
fn tokens_come_from_a_file_and_from_the_environment() {
    let (_keep, path) = file("# team a\nfirst\n\n  second  \r\n#third\n");
    let env = |name: &str| (name == "TUNNEL_TOKEN").then(|| "fourth".to_owned());
    let config = parse(&["--listen", "0.0.0.0:0", "--token-file", &path], &env).unwrap();
    let tokens: Vec<_> = config.access.tokens.iter().map(Secret::expose).collect();
    assert_eq!(tokens, ["first", "second", "fourth"]);
    assert!(!format!("{config:?}").contains("first"));
    assert!(parse(&["--listen", "0.0.0.0:0"], &env).is_ok());
    let empty = |name: &str| (name == "TUNNEL_TOKEN").then(String::new);
    assert!(matches!(parse(&["--listen", "0.0.0.0:0"], &empty), Err(Stop::Usage(_))));
}

#[test]
fn a_token_file_that_admits_nobody_is_a_mistake_and_no_token_is_quoted() {
    let (_keep, path) = file("# nobody\n\n");
    assert!(usage(&format!("--token-file {path}")).contains("holds no token"));
    let (_keep, path) = file("good\ntwo words\n");
    let text = usage(&format!("--token-file {path}"));
    assert!(text.contains("line 2") && !text.contains("words"), "{text}");
    assert!(usage("--token-file /nowhere/tokens").starts_with("cannot read /nowhere/tokens"));
}

#[test]
fn keys_for_jwts_come_from_files() {
    let (_keep, secret) = file("0123456789abcdef0123456789abcdef\n");
    let access = config(&format!("--listen 0.0.0.0:0 --jwt-secret-file {secret}")).access;
    assert_eq!(access.jwt_secret.as_ref().map(Secret::expose), Some("0123456789abcdef0123456789abcdef"));
    let (_keep, set) = file(r#"{"keys": []}"#);
    let access = config(&format!("--listen 0.0.0.0:0 --jwks {set}")).access;
    assert!(Access::new(access).is_err(), "what is wrong with a key is the access rule's to say");
    assert!(usage("--jwks /nowhere/set").starts_with("cannot read /nowhere/set"));
}

#[test]
fn open_and_a_token_contradict_each_other() {
    let (_keep, path) = file("first\n");
    assert!(usage(&format!("--open --token-file {path}")).contains("--open lets in anyone"));
}

#[test]
fn a_mistake_is_one_line_that_says_what_would_be_right() {
    let cases = [
        ("--listen 8080", "IP:PORT"),
        ("--listen", "--listen"),
        ("--admin localhost:1", "IP:PORT"),
        ("--domain https://x.org", "bare host name"),
        ("--domain *.x.org", "bare host name"),
        ("--domain x.org:80", "bare host name"),
        ("--domain 10.0.0.1", "bare host name"),
        ("--domain -x.org", "bare host name"),
        ("--domain .", "bare host name"),
        ("--public-url x.org", "{tunnel}"),
        ("--public-url ftp://{tunnel}.x.org", "http(s)"),
        ("--trusted-proxy 10.0.0.0/33", "ADDRESS/BITS"),
        ("--tls-cert c.pem", "--tls-key"),
        ("--tls-key k.pem", "--tls-cert"),
        ("--tunnels-per-token 0", "from 1"),
        ("--requests-per-second -1", "from 1"),
        ("--head-bytes 1K", "8K"),
        ("--head-bytes 1M", "64K"),
        ("--body-bytes ten", "500M"),
        ("--body-bytes 5T", "500M"),
        ("--body-bytes 0", "500M"),
        ("--body-bytes 99999999999999G", "500M"),
        ("--idle 1.5", "seconds"),
        ("--lisen 1", "--lisen (relay --help"),
        ("8000", "8000"),
    ];
    for (line, says) in cases {
        let text = usage(line);
        assert!(text.contains(says), "{line}: {text}");
    }
}

#[test]
fn help_shows_every_flag_and_examples_that_parse() {
    let Err(Stop::Help(help)) = parsed("--help") else { panic!("no help") };
    for flag in ["--listen", "--domain", "--token-file", "--open", "--tls-cert", "--admin", "--body-bytes", "--version"]
    {
        assert!(help.contains(flag), "{flag}: {help}");
    }
    assert!(help.contains("Examples:") && help.contains("TUNNEL_TOKEN"), "{help}");
    let (_keep, tokens) = file("t\n");
    let examples: Vec<_> = help.lines().filter_map(|line| line.trim().strip_prefix("relay ")).collect();
    assert!(examples.len() >= 2, "{help}");
    for example in examples {
        config(&example.replace("--token-file tokens", &format!("--token-file {tokens}")));
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    let Err(version) = parsed("--version") else { panic!("no version") };
    assert_eq!((version.to_string(), version.code()), (format!("relay {}", env!("CARGO_PKG_VERSION")), 0));
    assert_eq!(parsed("-h").unwrap_err().code(), 0);
    assert_eq!(parsed("--nonsense").unwrap_err().code(), 2);
}
