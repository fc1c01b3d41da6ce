//! Completions for fish: a line for each flag, which holds where its command stands.

use super::outline::{Entry, Outline, Value, is_repeated, purpose, value_name};
use argh::{FlagInfo, FlagInfoKind};

/// The script, to be sourced or put into `~/.config/fish/completions`.
pub(super) fn script(outline: &Outline) -> String {
    let choices: String = outline.choices().map(|(entry, names)| choice(entry, &names)).collect();
    let valued = outline.entries.iter().flat_map(Entry::flags).filter(|flag| flag.kind != FlagInfoKind::Switch);
    let mut valued: Vec<_> = valued.map(|flag| flag.long).collect();
    valued.sort_unstable();
    valued.dedup();
    let lines: String = outline.entries.iter().map(|entry| lines(outline, entry)).collect();
    TEMPLATE
        .replace("    @choices\n", &choices)
        .replace("@valued", &valued.join(" "))
        .replace("@lines\n", &lines)
        .replace("@program", outline.program)
}

fn choice(entry: &Entry, names: &[&str]) -> String {
    let names = names.join(" ");
    let path = quoted(&entry.path());
    format!(
        "    if test \"$command\" = {path}; and contains -- \"$words[1]\" {names}\n        set command (string trim \"$command $words[1]\")\n        set -e words[1]\n    end\n"
    )
}

fn lines(outline: &Outline, entry: &Entry) -> String {
    let line = |asked: &str, rest: &str| {
        format!("complete -c @program -n '__@program {}' {rest}\n", [&format!("\"{}\"", entry.path()), asked].join(" "))
    };
    let mut text = String::new();
    for command in outline.inner(entry) {
        let described = quoted(purpose(&command.info).trim_end_matches('.'));
        text += &line("first", &format!("-a {} -d {described}", command.name()));
    }
    for (i, operand) in entry.positionals().enumerate() {
        let last = if is_repeated(&operand.optionality) { usize::from(u16::MAX) } else { i + 1 };
        let offered = offered(outline.value(operand.name));
        if !offered.is_empty() {
            text += &line(&format!("operand {last}"), &offered);
        }
    }
    for flag in entry.flags() {
        let asked = if is_repeated(&flag.optionality) { String::new() } else { format!("flag {}", flag.long) };
        text += &line(&asked, &arguments(outline, flag));
    }
    text
}

fn arguments(outline: &Outline, flag: &FlagInfo<'static>) -> String {
    let name = flag.long.trim_start_matches('-');
    let value = value_name(flag).map(|value| match outline.value(value) {
        Value::Files => " -r -F".to_owned(),
        other => format!(" -x {}", offered(other)),
    });
    format!("-l {name}{} -d {}", value.unwrap_or_default().trim_end(), quoted(flag.description))
}

fn offered(value: Value) -> String {
    match value {
        Value::Free => String::new(),
        Value::Files => "-F".to_owned(),
        Value::Directories => "-a '(__fish_complete_directories (commandline -ct))'".to_owned(),
        Value::Words(words) => format!("-k -a '(__@program_words {})'", words.join(" ")),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// `__PROGRAM COMMAND flag FLAG`: the command stands there, the flag does not; `first`: nothing else does; `operand N`: fewer than
/// N operands do.
const TEMPLATE: &str = r#"# Completions of @program for fish, made by: @program completions fish

function __@program
    set -l words (commandline -opc)
    set -e words[1]
    set -l command ''
    @choices
    test "$command" = "$argv[1]"; or return 1
    set -l given
    set -l operands 0
    set -l is_value no
    for word in $words
        if test $is_value = yes
            set is_value no
        else if string match -q -- '--*' $word
            set -a given (string replace -r '=.*' '' -- $word)
            contains -- $word @valued; and set is_value yes
        else
            set operands (math $operands + 1)
        end
    end
    # A flag that waits for its value is completed here, not given yet.
    if test $is_value = yes
        set -e given[-1]
        set operands 65535
    end
    switch "$argv[2]"
        case first
            test (count $words) -eq 0
        case flag
            not contains -- $argv[3] $given
        case operand
            test $operands -lt $argv[3]
    end
end

# Behind env: stands a variable, behind file: a file, behind the name of a scheme one of the two.
function __@program_words
    set -l typed (string replace -r '^--[^=]*=' '' -- (commandline -ct))
    for word in $argv
        if not string match -q -- '*:' $word
            printf '%s\n' $word
            continue
        end
        set -l deeper
        switch $word
            case env: file:
                set deeper $word
            case '*'
                set deeper {$word}env: {$word}file:
        end
        if not string match -q -- "$word*" $typed
            printf '%s\n' $word
            continue
        end
        for head in $deeper
            if not string match -q -- "$head*" $typed
                printf '%s\n' $head
            else if string match -q -- '*env:' $head
                printf '%s\n' $head(set -xn)
            else
                printf '%s\n' $head(__fish_complete_path (string replace -- $head '' $typed))
            end
        end
    end
end

complete -c @program -f
@lines
"#;
