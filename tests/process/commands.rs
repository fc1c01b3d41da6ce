//! Commands: what the help lists is in the manual and in each shell's completions, and the first word chooses.

use crate::support::process::{forwarder, relay};
use std::process::Command;

type Start = fn() -> Command;

const PROGRAMS: [(&str, Start); 2] = [("forwarder", forwarder), ("relay", relay)];

fn output(program: Start, words: &[&str]) -> String {
    let output = program().args(words).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{words:?}");
    out
}

/// What stands first in the lines of a section.
fn listed(help: &str, section: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.is_empty());
    let items = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    items.map(|line| line.trim_start().split([' ', ',']).next().expect("a word").to_owned()).collect()
}

/// The words of every command, the program's own first, with the flags that its help names.
fn commands(program: Start) -> Vec<(Vec<String>, Vec<String>)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(words) = open.pop() {
        let asked: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let help = output(program, &asked);
        open.extend(listed(&help, "Commands:").into_iter().map(|word| [&words[..], &[word]].concat()));
        let flags = listed(&help, "Options:").into_iter().filter(|flag| flag.starts_with("--"));
        found.push((words, flags.collect()));
    }
    found
}

#[test]
fn every_flag_of_every_commands_help_is_in_the_manual_and_in_each_completion() {
    for (name, program) in PROGRAMS {
        let commands = commands(program);
        assert!(commands.len() >= 3 && commands.iter().all(|(_, flags)| commands.len() > 2 && flags.len() < 100));
        let manual = output(program, &["man"]);
        let section = |words: &[String]| match words {
            [] => manual.split(".SH \"COMMANDS\"").next().expect("a first part").to_owned(),
            words => {
                let title = format!(".SS \"{name} {}\"\n", words.join(" "));
                let rest = manual.split_once(&title).unwrap_or_else(|| panic!("no {title}")).1;
                rest.split(".SS ").next().expect("a first part").to_owned()
            }
        };
        for (words, flags) in &commands {
            for flag in flags {
                let roff = format!("\\fB{}\\fR", flag.replace('-', "\\-"));
                assert!(section(words).contains(&roff), "{name} {words:?}: {flag} is not in the manual");
            }
        }
        for shell in ["bash", "zsh", "fish"] {
            let script = output(program, &["completions", shell]);
            for (words, flags) in &commands {
                let part = part(&script, shell, name, words);
                for flag in flags {
                    let written = if shell == "fish" { format!(" -l {} ", &flag[2..]) } else { flag.clone() };
                    assert!(
                        part.contains(&written),
                        "{name} {words:?}: {flag} is not in {shell}'s completions\n{part}"
                    );
                }
                let parent = words.split_last();
                assert!(parent.is_none_or(|(word, _)| script.contains(word.as_str())), "{words:?} for {shell}");
            }
        }
    }
}

/// The lines of a script that are about one command.
fn part(script: &str, shell: &str, name: &str, words: &[String]) -> String {
    let between = |begin: String, end: &str| {
        let rest = script.split_once(&begin).unwrap_or_else(|| panic!("no {begin} for {shell}")).1;
        rest.split(end).next().expect("a first part").to_owned()
    };
    match shell {
        "bash" => between(format!("\n        '{}')\n", words.join(" ")), ";;"),
        "zsh" => between(format!("\n{}() {{\n", [&["", name], &refs(words)[..]].concat().join("_")), "\n}\n"),
        _ => {
            let mark = format!("'__{name} \"{}\" ", words.join(" "));
            script.lines().filter(|line| line.contains(&mark)).map(|line| format!("{line}\n")).collect()
        }
    }
}

fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn each_words_help_is_its_own_and_the_programs_lists_them() {
    for (_, program) in PROGRAMS {
        let help = output(program, &["--help"]);
        for word in listed(&help, "Commands:") {
            assert_ne!(output(program, &[&word, "--help"]), help);
            assert_eq!(output(program, &[&word, "-h"]), output(program, &[&word, "--help"]));
        }
        assert!(listed(&help, "Commands:").iter().any(|word| word == "completions"), "{help}");
    }
}

#[test]
fn a_mistake_behind_a_commands_word_is_one_line_and_code_2() {
    let cases: &[(&[&str], &str)] = &[
        (&["completions"], "SHELL"),
        (&["completions", "tcsh"], "bash, zsh, fish"),
        (&["completions", "bash", "zsh"], "zsh"),
        (&["man", "relay"], "relay"),
    ];
    for (name, program) in PROGRAMS {
        for (words, says) in cases {
            let output = program().args(*words).output().expect("the program runs");
            let err = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{words:?}: {err}");
            assert!(err.starts_with(&format!("{name} {}: ", words[0])) && err.lines().count() == 1, "{err}");
            assert!(err.contains(says), "{words:?}: {err}");
        }
    }
}

#[test]
fn whoever_reads_only_the_beginning_of_the_manual_gets_it() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = forwarder().arg("man").stdout(writer).output().expect("the program runs");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
