//! Completions in the real shells, as they come when the Tab key is pressed.

use crate::tmux::Terminal;
use argh::{ArgsInfo, FromArgs};
use http_tunnel::command::{Command, Program, SHELLS};
use http_tunnel::usage::Stop;
use std::fs;
use tempfile::TempDir;

const PROMPT: &str = "ready>";

/// A shell of this name that completes what the scripts, one command each, load.
async fn shell(name: &str, scripts: &[String]) -> Terminal {
    let folder = TempDir::new().expect("a folder");
    for directory in ["site", "my site", "render"] {
        fs::create_dir(folder.path().join(directory)).expect("a new folder");
    }
    for file in ["notes.txt", "recorded.har"] {
        fs::write(folder.path().join(file), "").expect("a new file");
    }
    let (command, quiet) = match name {
        "bash" => ("bash --norc --noprofile", "bind 'set show-all-if-ambiguous on'; PS1='ready>'".to_owned()),
        "zsh" => ("zsh -f", "autoload -U compinit && compinit -u -D; PROMPT='ready>'".to_owned()),
        _ => {
            let prompt = "function fish_prompt; printf 'ready>'; end; function fish_right_prompt; end";
            ("fish --no-config", format!("{prompt}; set -g fish_autosuggestion_enabled 0"))
        }
    };
    let terminal = Terminal::start(100, 40, folder, command);
    let export = if name == "fish" { "set -gx LOGIN_OF_TEST x" } else { "export LOGIN_OF_TEST=x" };
    for line in [&[export.to_owned(), quiet], scripts].concat() {
        terminal.types(&line);
        terminal.press(&["Enter"]);
    }
    terminal.types("clear");
    terminal.press(&["Enter"]);
    terminal.until("the prompt", |screen| screen == PROMPT).await;
    terminal
}

/// Presses Tab behind the text: `shown` comes to stand on the screen, `hidden` not below the line.
async fn tab(terminal: &Terminal, text: &str, shown: &[&str], hidden: &[&str]) {
    terminal.types(text);
    terminal.until(text, |screen| screen.trim_end() == format!("{PROMPT}{}", text.trim_end())).await;
    terminal.press(&["Tab"]);
    // Bash shows its prompt and the line once more below the list.
    let parts = |screen: &str| -> (String, String) {
        let (lines, list): (Vec<_>, Vec<_>) = screen.lines().partition(|line| line.starts_with(PROMPT));
        (lines.concat().trim_end().to_owned(), list.join("\n"))
    };
    let what = format!("{shown:?} behind {text:?}");
    let screen = terminal.until(&what, |screen| {
        let (line, list) = parts(screen);
        shown.iter().all(|word| line.ends_with(word) || line.ends_with(&format!("{word}=")) || list.contains(word))
    });
    let (_, list) = parts(&screen.await);
    let offered: Vec<_> = hidden.iter().filter(|word| list.contains(**word)).collect();
    assert!(offered.is_empty(), "{text:?} offers {offered:?}:\n{list}");
    terminal.press(&["C-u", "C-l"]);
    terminal.until("the prompt", |screen| screen == PROMPT).await;
}

fn load(shell: &str, program: &str) -> String {
    match shell {
        "fish" => format!("{program} completions fish | source"),
        _ => format!("source <({program} completions {shell})"),
    }
}

#[tokio::test]
async fn each_shell_completes_commands_flags_and_values() {
    for name in SHELLS {
        let terminal = shell(name, &[load(name, "forwarder"), load(name, "relay")]).await;
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("forwarder rep", &["forwarder replay"], &["render"]),
            ("forwarder ", &["replay", "completions", "man", "site"], &["notes.txt", "--name"]),
            ("forwarder --end", &["forwarder --endpoint"], &[]),
            ("forwarder --inspect-", &["--inspect-memory"], &["--endpoint"]),
            ("forwarder replay --", &["--against", "--diff", "--header", "--help", "--ignore"], &["--endpoint"]),
            ("forwarder replay --diff --header x --", &["--against", "--header", "--timeout"], &["--diff"]),
            ("forwarder 8000 --color a", &["auto", "always"], &["site"]),
            ("forwarder 8000 --color=n", &["--color=never"], &[]),
            ("forwarder 8000 --host-header ", &["preserve", "rewrite"], &["site"]),
            ("forwarder 8000 --inspect o", &["--inspect off"], &[]),
            ("forwarder 8000 --token fi", &["--token file:"], &[]),
            ("forwarder 8000 --token file:no", &["--token file:notes.txt"], &[]),
            ("forwarder 8000 --basic-auth env:LOGIN_O", &["env:LOGIN_OF_TEST"], &[]),
            ("forwarder 8000 --verify s", &["slack:", "standard:", "stripe:"], &["github:"]),
            ("forwarder 8000 --verify github:fi", &["github:file:"], &[]),
            ("forwarder 8000 --verify github:file:no", &["github:file:notes.txt"], &[]),
            ("forwarder replay rec", &["forwarder replay recorded.har"], &[]),
            ("forwarder replay recorded.har --timeout 3 --ag", &["--against"], &[]),
            ("forwarder completions ", &["bash", "fish", "zsh"], &["site", "replay"]),
            ("forwarder --json re", &["--json render/"], &["replay"]),
            ("relay --tls-c", &["relay --tls-cert"], &[]),
            ("relay --token-file no", &["--token-file notes.txt"], &[]),
            ("relay comp", &["relay completions"], &[]),
        ];
        for (text, shown, hidden) in cases {
            tab(&terminal, text, shown, hidden).await;
        }
    }
}

/// Looks at things.
#[derive(FromArgs, ArgsInfo)]
#[expect(dead_code, reason = "only described")]
struct Outer {
    #[argh(subcommand)]
    inner: Inner,
}

#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand)]
#[expect(dead_code, reason = "only described")]
enum Inner {
    Check(Check),
    Show(Show),
}

/// Checks it.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "check")]
#[expect(dead_code, reason = "only described")]
struct Check {
    /// the one that is checked
    #[argh(option, arg_name = "FILE")]
    config: Option<String>,

    /// without words
    #[argh(switch)]
    silent: bool,
}

/// Shows them.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "show")]
#[expect(dead_code, reason = "only described")]
struct Show {
    /// any number of them
    #[argh(positional, arg_name = "TARGET")]
    what: Vec<String>,
}

static NESTED: Program = Program {
    name: "nested",
    main: Command { name: "", info: Show::get_args_info, run: |_, _| Err(Stop::Usage(String::new())) },
    commands: &[Command { name: "config", info: Outer::get_args_info, run: |_, _| Err(Stop::Usage(String::new())) }],
    values: &[],
};

#[tokio::test]
async fn commands_of_commands_and_repeated_operands_are_completed_too() {
    for name in SHELLS {
        let terminal = shell(name, &[]).await;
        let script = NESTED.script(name).expect("it is one of them");
        fs::write(terminal.folder().join("script"), script).expect("a new file");
        terminal.types("source ./script; clear");
        terminal.press(&["Enter"]);
        terminal.until("the prompt", |screen| screen == PROMPT).await;
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("nested con", &["nested config"], &[]),
            ("nested config ", &["check", "show"], &["site", "config"]),
            ("nested config ch", &["nested config check"], &[]),
            ("nested config check --", &["--config", "--silent", "--help"], &[]),
            ("nested config check --silent --config no", &["--config notes.txt"], &[]),
            ("nested config show one two si", &["two site/"], &[]),
            ("nested one two si", &["two site/"], &["config"]),
        ];
        for (text, shown, hidden) in cases {
            tab(&terminal, text, shown, hidden).await;
        }
    }
}
