//! Completions for bash: one function that needs nothing of the package `bash-completion`, for bash 3.2 and later.

use super::outline::{Entry, Outline, Value, is_repeated, value_name};

/// The script, to be sourced or put where `bash-completion` looks.
pub(super) fn script(outline: &Outline) -> String {
    let choices: String = outline.choices().map(|(entry, names)| choice(entry, &names)).collect();
    let tables: String = outline.entries.iter().map(|entry| table(outline, entry)).collect();
    let values: String = outline.entries.iter().map(|entry| values(outline, entry)).collect();
    TEMPLATE
        .replace("    @choices\n", &choices)
        .replace("        @tables\n", &tables)
        .replace("            @values\n", &values)
        .replace("@program", outline.program)
}

/// The next word may choose a command, once it is complete.
fn choice(entry: &Entry, names: &[&str]) -> String {
    let depth = entry.words.len() + 1;
    let paths: Vec<_> = names.iter().map(|name| format!("'{}'", joined(entry, name))).collect();
    let next = joined(entry, &format!("${{words[{depth}]}}"));
    format!(
        "    if (( ${{#words[@]}} > {least} )); then\n        case \"{next}\" in\n            {paths}) command=\"{next}\" next={least} ;;\n        esac\n    fi\n",
        least = depth + 1,
        paths = paths.join(" | "),
    )
}

fn joined(entry: &Entry, name: &str) -> String {
    [&entry.words[..], &[name]].concat().join(" ")
}

/// What a command takes.
fn table(outline: &Outline, entry: &Entry) -> String {
    let flags = |wanted: &dyn Fn(&argh::FlagInfo<'_>) -> bool| {
        entry.flags().filter(|flag| wanted(flag)).map(|flag| flag.long).collect::<Vec<_>>().join(" ")
    };
    let inner: Vec<_> = outline.inner(entry).map(Entry::name).collect();
    let kinds: Vec<_> = entry.positionals().map(|operand| format!("'{}'", kind(outline.value(operand.name)))).collect();
    let rows = [
        format!("flags='{}'", flags(&|_| true)),
        format!("repeated='{}'", flags(&|flag| is_repeated(&flag.optionality))),
        format!("valued='{}'", flags(&|flag| value_name(flag).is_some())),
        format!("choices='{}'", inner.join(" ")),
        format!("operands=({})", kinds.join(" ")),
        format!("endless={}", u8::from(entry.positionals().any(|operand| is_repeated(&operand.optionality)))),
    ];
    format!("        '{}')\n            {}\n            ;;\n", entry.path(), rows.join("\n            "))
}

/// What can stand behind a command's flags, where something can be offered.
fn values(outline: &Outline, entry: &Entry) -> String {
    let offered = entry.flags().filter_map(|flag| {
        let value = outline.value(value_name(flag)?);
        (value != Value::Free)
            .then(|| format!("            '{} {}') kind='{}' ;;\n", entry.path(), flag.long, kind(value)))
    });
    offered.collect()
}

fn kind(value: Value) -> String {
    match value {
        Value::Free => "free".to_owned(),
        Value::Files => "files".to_owned(),
        Value::Directories => "directories".to_owned(),
        Value::Words(words) => format!("words {}", words.join(" ")),
    }
}

/// Readline has cut the line at its own word breaks, `:` and `=` among them; the line is read anew, and what stands before
/// the last break is left out of the replies, as readline keeps it.
const TEMPLATE: &str = r#"# Completions of @program for bash, made by: @program completions bash
_@program() {
    local IFS=$' \t\n' line=${COMP_LINE:0:COMP_POINT} command='' flag='' given=' ' kind=free next=1 seen=0
    local flags repeated valued choices operands endless more='' words word last current head='' kept breaks='' found='' reply
    # shellcheck disable=SC2162 # a space behind a backslash parts no words
    read -a words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    last=$((${#words[@]} - 1))
    current=${words[last]} kept=${words[last]}
    @choices
    case $command in
        @tables
    esac
    (( next == last )) || choices=''
    for (( ; next < last; next++ )); do
        word=${words[next]}
        if [[ -n $flag ]]; then
            flag=''
        elif [[ $word == --?*=* ]]; then
            given+="${word%%=*} "
        elif [[ $word == -?* ]]; then
            given+="$word "
            [[ " $valued " == *" $word "* ]] && flag=$word
        else
            seen=$((seen + 1))
        fi
    done
    if [[ -z $flag && $current == --?*=* ]]; then
        flag=${current%%=*}
        head=$flag=
        current=${current#*=}
    fi
    (( seen < ${#operands[@]} || ! endless )) || seen=$((${#operands[@]} - 1))

    if [[ -n $flag ]]; then
        case "$command $flag" in
            @values
        esac
    elif [[ $current != -* && ( -n $choices || -n ${operands[seen]-} ) ]]; then
        kind=${operands[seen]-free}
        more=$choices
    else
        for word in $flags; do
            [[ $given != *" $word "* || " $repeated " == *" $word "* ]] && more+=" $word"
        done
    fi
    while [[ $kind == words* && " ${kind#words} " == *" ${current%%:*}: "* && $current == *:* ]]; do
        head+=${current%%:*}:
        case $current in
            env:*) kind=variables ;;
            file:*) kind=files ;;
            *) kind='words env: file:' ;;
        esac
        current=${current#*:}
    done

    case $kind in
        files) found=$(compgen -f -- "$current") ;;
        directories) found=$(compgen -d -- "$current") ;;
        variables) found=$(compgen -e -- "$current") ;;
        words*) more=${kind#words} ;;
    esac
    [[ $kind == files || $kind == directories ]] && compopt -o filenames 2>/dev/null
    found+=$'\n'$(compgen -W "$more" -- "$current")

    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+='='
    kept=${kept%"${kept##*["$breaks"]}"}
    COMPREPLY=()
    while IFS= read -r reply; do
        [[ -n $reply ]] || continue
        [[ $reply == *: ]] && compopt -o nospace 2>/dev/null
        reply=$head$reply
        COMPREPLY+=("${reply#"$kept"}")
    done <<<"$found"
}
complete -F _@program @program
"#;
