//! Completions for zsh: a function for each command, drawn with zsh's own `_arguments`.

use super::outline::{Entry, Outline, Value, is_repeated, purpose, value_name};
use argh::FlagInfo;

/// The script, to be sourced or put as `_PROGRAM` into a folder of `fpath`.
pub(super) fn script(outline: &Outline) -> String {
    let functions: String = outline.entries.iter().map(|entry| function(outline, entry)).collect();
    TEMPLATE.replace("@functions\n", &functions).replace("@program", outline.program)
}

fn name(outline: &Outline, entry: &Entry) -> String {
    [&["", outline.program], &entry.words[..]].concat().join("_")
}

fn function(outline: &Outline, entry: &Entry) -> String {
    let inner: Vec<_> = outline.inner(entry).collect();
    let mut body = String::new();
    if !inner.is_empty() {
        let names: Vec<_> = inner.iter().map(|command| command.name()).collect();
        let list = inner.iter().map(|command| format!("        {}\n", quoted(&described(command))));
        body = INNER
            .replace("@names", &names.join(" | "))
            .replace("@list\n", &list.collect::<String>())
            .replace("@function", &name(outline, entry));
    }
    let mut specs: Vec<_> = entry.flags().map(|flag| spec(outline, flag)).collect();
    let operands: Vec<_> = entry.positionals().collect();
    for (i, operand) in operands.iter().enumerate() {
        let first = i == 0 && !inner.is_empty();
        let action = if first { mixed(outline.value(operand.name)) } else { action(outline.value(operand.name)) };
        let place = if is_repeated(&operand.optionality) && !first { "*".to_owned() } else { (i + 1).to_string() };
        specs.push(format!("{place}:{}:{action}", plain(operand.name)));
        if first && is_repeated(&operand.optionality) {
            specs.push(format!("*:{}:{}", plain(operand.name), self::action(outline.value(operand.name))));
        }
    }
    if operands.is_empty() && !inner.is_empty() {
        specs.push(format!("1:command:{}", mixed(Value::Free)));
    }
    let specs: Vec<_> = specs.iter().map(|spec| format!("        {}", quoted(spec))).collect();
    format!("{}() {{\n{body}    _arguments -S : \\\n{}\n}}\n\n", name(outline, entry), specs.join(" \\\n"))
}

fn described(entry: &Entry) -> String {
    format!("{}:{}", entry.name(), purpose(&entry.info).trim_end_matches('.'))
}

fn spec(outline: &Outline, flag: &FlagInfo<'static>) -> String {
    let often = if is_repeated(&flag.optionality) { "*" } else { "" };
    let description = plain(flag.description);
    match value_name(flag) {
        None => format!("{often}{}[{description}]", flag.long),
        Some(value) => {
            format!("{often}{}=[{description}]:{}:{}", flag.long, plain(value), action(outline.value(value)))
        }
    }
}

fn action(value: Value) -> String {
    match value {
        Value::Free => " ".to_owned(),
        Value::Files => "_files".to_owned(),
        Value::Directories => "_directories".to_owned(),
        Value::Words(words) => format!("{{_@program-words {}}}", plain(&words.join(" "))),
    }
}

/// Commands, and what else can stand in their place.
fn mixed(value: Value) -> String {
    match value {
        Value::Free => "{(( CURRENT == 2 )) && _describe -t commands command choices}".to_owned(),
        other => {
            let other = action(other);
            format!(
                "{{(( CURRENT == 2 )) && _describe -t commands command choices; {}}}",
                other.trim_matches(['{', '}'])
            )
        }
    }
}

/// Without what means something in a specification.
fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut plain, c| {
        if matches!(c, ':' | '[' | ']' | '\\') {
            plain.push('\\');
        }
        plain.push(c);
        plain
    })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A command's word, once complete, hands over to its own function.
const INNER: &str = "    local -a choices=(
@list
    )
    if (( CURRENT > 2 )); then
        case $words[2] in
            (@names)
                shift words
                (( CURRENT-- ))
                @function_$words[1]
                return ;;
        esac
    fi
";

/// Behind `env:` stands a variable, behind `file:` a file, behind the name of a scheme one of the two.
const TEMPLATE: &str = r#"#compdef @program
# Completions of @program for zsh, made by: @program completions zsh

@functions
_@program-words() {
    local word
    for word; do
        if [[ $word == *: ]] && compset -P $word; then
            case $word in
                (env:) _parameters -g '*export*' ;;
                (file:) _files ;;
                (*) _@program-words env: file: ;;
            esac
            return
        fi
    done
    compadd -S '' -- ${(M)@:#*:}
    compadd -- ${@:#*:}
}

if [[ $funcstack[1] == _@program ]]; then
    _@program "$@"
else
    compdef _@program @program
fi
"#;
