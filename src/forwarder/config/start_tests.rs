use super::super::{ColorChoice, Endpoint, Service};
use super::*;
use std::collections::HashMap;
use tempfile::TempDir;

/// A home directory that is the working directory as well, with a user's and a project's file.
struct Home {
    folder: TempDir,
    variables: HashMap<&'static str, String>,
}

fn home(users: &str, projects: &str) -> Home {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let settings = folder.path().join(".config/http-tunnel");
    std::fs::create_dir_all(&settings).expect("it is made");
    std::fs::write(settings.join("config.toml"), users).expect("it is written");
    std::fs::write(folder.path().join("tunnel.toml"), projects).expect("it is written");
    let variables = HashMap::from([("HOME", folder.path().to_str().expect("text").to_owned())]);
    Home { folder, variables }
}

impl Home {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(name, value.to_owned());
        self
    }

    fn read<T>(&self, words: &[&str], read: fn(&[String], &Surroundings<'_>) -> T) -> T {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let env = |name: &str| self.variables.get(name).cloned();
        read(&words, &Surroundings { env: &env, folder: self.folder.path().to_path_buf() })
    }

    fn target(&self, words: &[&str]) -> Config {
        self.read(words, target).expect("a usable command line")
    }

    fn tunnels(&self, words: &[&str]) -> Vec<Config> {
        self.read(words, tunnels).expect("usable files")
    }
}

fn mistake<T: std::fmt::Debug>(outcome: Result<T, Stop>) -> String {
    match outcome {
        Err(Stop::Usage(line)) => line,
        other => panic!("it should be a mistake: {other:?}"),
    }
}

const WEB: &str = "[tunnels.web]\ntarget = 1\n";

#[test]
fn of_two_that_contradict_each_other_the_stronger_source_wins() {
    let switches = |home: &Home, words: &[&str]| {
        let config = home.target(words);
        (config.output.quiet, config.output.verbose, config.output.json, config.qr)
    };
    let users = home("quiet = true\nqr = true", "");
    assert_eq!(switches(&users, &["1"]), (true, false, false, true));
    assert_eq!(switches(&users, &["1", "--verbose", "--json"]), (false, true, true, false));
    assert_eq!(switches(&home("json = true", ""), &["1", "--qr"]), (false, false, false, true));
    let both = mistake(home("quiet = true\nverbose = true", "").read(&["1"], target));
    assert!(both.contains("config.toml:1:9: quiet and ") && both.contains("choose one"), "{both}");
    let projects = home("quiet = true", &format!("verbose = true\n{WEB}")).tunnels(&[]);
    assert!(projects[0].output.verbose && !projects[0].output.quiet);
}

#[test]
fn no_color_is_above_files_and_below_flags() {
    let home = home("color = \"always\"", "");
    assert_eq!(home.target(&["1"]).output.color, ColorChoice::Always);
    let home = home.with("NO_COLOR", "1");
    assert_eq!(home.target(&["1"]).output.color, ColorChoice::Never);
    assert_eq!(home.target(&["1", "--color", "auto"]).output.color, ColorChoice::Auto);
}

#[test]
fn a_tunnel_is_above_the_defaults_of_both_files_and_the_projects_above_the_users() {
    let seconds =
        |users: &str, projects: &str| home(users, &format!("{projects}{WEB}")).tunnels(&[])[0].timeout.as_secs();
    assert_eq!(seconds("timeout = 1", ""), 1);
    assert_eq!(seconds("timeout = 1", "timeout = 2\n"), 2);
    assert_eq!(seconds("[tunnels.web]\ntimeout = 3", "timeout = 2\n"), 3);
    let own = home("[tunnels.web]\ntimeout = 3", &format!("{WEB}timeout = 4"));
    assert_eq!(own.tunnels(&[])[0].timeout.as_secs(), 4);
    assert_eq!(own.tunnels(&["--timeout", "5"])[0].timeout.as_secs(), 5);
}

#[test]
fn embedded_takes_back_an_endpoint_that_is_the_default() {
    let home = home(
        "endpoint = \"wss://relay\"\nlisten = 9000",
        &format!("{WEB}endpoint = \"embedded\"\n[tunnels.far]\ntarget = 2"),
    );
    let tunnels = home.tunnels(&[]);
    assert!(matches!(tunnels[0].endpoint, Endpoint::Embedded { listen_given: true, .. }));
    assert!(matches!(tunnels[1].endpoint, Endpoint::Remote(_)));
    assert!(matches!(home.target(&["1"]).endpoint, Endpoint::Remote(_)));
    assert!(matches!(home.target(&["1", "--endpoint", "embedded"]).endpoint, Endpoint::Embedded { .. }));
    let line = mistake(home.read(&["1", "--listen", "9001"], target));
    assert!(line.contains("config.toml:1:12: endpoint names another one; add --endpoint embedded"), "{line}");
}

#[test]
fn a_token_that_is_the_default_is_no_mistake_without_an_endpoint() {
    let config = home("token = \"env:UNSET\"", "").target(&["1"]);
    assert!(config.token.is_none() && config.notices.is_empty());
    let line = mistake(home("", &format!("{WEB}token = \"x\"")).read(&[], tunnels));
    assert!(line.contains("tunnels.web.token is for an endpoint"), "{line}");
}

#[test]
fn tunnels_keep_their_order_and_each_is_started_once() {
    let home = home("[tunnels.c]\ntarget = 3\nname = \"ccc\"", "[tunnels.web]\ntarget = 2\n[tunnels.api]\ntarget = 1");
    let labels =
        |words: &[&str]| -> Vec<String> { home.tunnels(words).into_iter().filter_map(|config| config.label).collect() };
    assert_eq!(labels(&[]), ["web", "api", "c"]);
    assert_eq!(labels(&["api", "web", "api"]), ["api", "web"]);
}

#[test]
fn the_doctor_looks_at_a_target_a_tunnel_or_the_way_alone() {
    let home = home("endpoint = \"wss://users\"", "[tunnels.web]\ntarget = 3000\nendpoint = \"wss://webs\"\n");
    let examined = |words: &[&str]| home.read(words, examined).expect("usable");
    let port = |config: &Config| match config.service {
        Service::Address { port, .. } => port,
        Service::Directory(_) => 0,
    };
    for words in [&["web"][..], &[]] {
        let (config, has_target) = examined(words);
        assert_eq!((port(&config), has_target), (3000, true));
        assert_eq!(config.endpoint, Endpoint::Remote("wss://webs/".parse().expect("a URL")));
    }
    let (config, has_target) = examined(&["8000"]);
    assert_eq!((port(&config), has_target), (8000, true));
    assert_eq!(config.endpoint, Endpoint::Remote("wss://users/".parse().expect("a URL")));
    std::fs::remove_file(home.folder.path().join("tunnel.toml")).expect("it is there");
    assert!(!examined(&[]).1);
}
