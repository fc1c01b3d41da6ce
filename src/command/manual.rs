//! The manual page in the words of the help, as roff with the macros of `man`.

use super::outline::{Entry, Outline, is_repeated, purpose, value_name};
use argh::{FlagInfo, Optionality};
use std::fmt::Write as _;

/// Notes that are sections of their own.
const SECTIONS: [&str; 2] = ["Environment", "Files"];

/// The page of section 1.
pub(super) fn page(outline: &Outline) -> String {
    let program = outline.program;
    let (own, others) = outline.entries.split_at(1);
    let mut page = format!(
        ".TH {} 1 \"\" \"{} {}\" \"User Commands\"\n",
        program.to_uppercase(),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
    );
    for entry in own {
        let purpose = purpose(&entry.info).trim_end_matches('.');
        write!(page, ".SH NAME\n{program} \\- {}\n.SH SYNOPSIS\n", lower(&text(purpose))).expect(TAKES);
        page += &outline.entries.iter().map(|entry| usage(program, entry)).collect::<Vec<_>>().join(".br\n");
        section(&mut page, "DESCRIPTION", &paragraphs(entry.info.description));
        section(&mut page, "OPTIONS", &options(entry));
    }
    let commands: String = others.iter().map(|entry| command(program, entry)).collect();
    section(&mut page, "COMMANDS", &commands);
    for entry in own {
        for name in SECTIONS {
            let of = |note: &&str| note.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).map(str::to_owned);
            let found: String = entry.info.notes.iter().filter_map(of).map(|note| paragraphs(note.trim())).collect();
            section(&mut page, &name.to_uppercase(), &found);
        }
        section(&mut page, "EXIT STATUS", &codes(entry));
        section(&mut page, "NOTES", &notes(entry));
        section(&mut page, "EXAMPLES", &examples(program, entry));
    }
    page
}

const TAKES: &str = "a String takes everything";

fn section(page: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        write!(page, ".SH \"{title}\"\n{body}").expect(TAKES);
    }
}

fn command(program: &str, entry: &Entry) -> String {
    let examples = headed("Example:", examples(program, entry));
    let codes = headed("Exit status:", codes(entry));
    let body = [paragraphs(entry.info.description), options(entry), notes(entry), codes, examples];
    format!(".SS \"{} {}\"\n{}", program, entry.path(), body.concat())
}

fn headed(heading: &str, body: String) -> String {
    if body.is_empty() { body } else { format!(".PP\n{heading}\n{body}") }
}

fn usage(program: &str, entry: &Entry) -> String {
    let mut line = format!("\\fB{}\\fR", text([program, &entry.path()].join(" ").trim_end()));
    for flag in entry.flags().filter(|flag| flag.optionality == Optionality::Required) {
        if let Some(value) = value_name(flag) {
            write!(line, " {}", signature(flag, Some(value))).expect(TAKES);
        }
    }
    line.push_str(" [\\fIflags\\fR]");
    for operand in entry.positionals() {
        let name = format!("\\fI{}\\fR", text(operand.name));
        let shown = match operand.optionality {
            Optionality::Required => name,
            Optionality::Optional => format!("[{name}]"),
            Optionality::Repeating | Optionality::Greedy => format!("[{name} ...]"),
        };
        write!(line, " {shown}").expect(TAKES);
    }
    if !entry.info.commands.is_empty() {
        line.push_str(" \\fICOMMAND\\fR");
    }
    line + "\n"
}

fn options(entry: &Entry) -> String {
    let operands = entry.positionals().filter(|operand| !operand.description.is_empty());
    let operands = operands
        .map(|operand| format!(".TP\n\\fI{}\\fR\n{}\n", text(operand.name), sentence(operand.description, false)));
    let flags = entry.flags().map(|flag| {
        let repeated = is_repeated(&flag.optionality) && !flag.description.contains("repeat");
        format!(".TP\n{}\n{}\n", signature(flag, value_name(flag)), sentence(flag.description, repeated))
    });
    operands.chain(flags).collect()
}

fn signature(flag: &FlagInfo<'_>, value: Option<&str>) -> String {
    let value = value.map(|value| format!(" \\fI{}\\fR", text(value)));
    format!("\\fB{}\\fR{}", text(flag.long), value.unwrap_or_default())
}

fn sentence(description: &str, repeated: bool) -> String {
    let end = if repeated { " (repeatable)" } else { "" };
    line(&format!("{}{end}", text(description)))
}

/// What is not named as an error is none.
fn codes(entry: &Entry) -> String {
    let row = |code: i32, meaning: &str| format!(".TP\n\\fB{code}\\fR\n{}\n", line(&text(meaning)));
    let success = (!entry.info.error_codes.is_empty()).then(|| row(0, "it did what it was asked"));
    let errors = entry.info.error_codes.iter().map(|code| row(code.code, code.description));
    success.into_iter().chain(errors).collect()
}

fn notes(entry: &Entry) -> String {
    let notes = entry.info.notes.iter();
    let own = notes.filter(|note| !SECTIONS.iter().any(|name| note.starts_with(&format!("{name}:"))));
    own.map(|note| paragraphs(note)).collect()
}

/// Commands as they are typed; argh writes the program's name and braces in its own way.
fn examples(program: &str, entry: &Entry) -> String {
    let name = [program, &entry.path()].join(" ");
    let typed = |example: &&str| {
        let example = example.replace("{command_name}", name.trim_end());
        let example = example.replace("{{", "{").replace("}}", "}");
        let lines: Vec<_> = example.lines().map(|typed| line(&text(typed))).collect();
        format!(".PP\n.nf\n{}\n.fi\n", lines.join("\n"))
    };
    entry.info.examples.iter().map(typed).collect()
}

/// Lines are filled; an empty one parts paragraphs.
fn paragraphs(description: &str) -> String {
    let paragraphs = description.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let filled = |paragraph: &str| paragraph.lines().map(|words| line(&text(words.trim())) + "\n").collect::<String>();
    paragraphs.map(|paragraph| format!(".PP\n{}", filled(paragraph))).collect()
}

/// Characters as they are, though roff would read some of them in its own way.
fn text(plain: &str) -> String {
    plain.chars().fold(String::with_capacity(plain.len()), |mut roff, c| {
        match c {
            '\\' => roff.push_str("\\e"),
            '-' => roff.push_str("\\-"),
            '\'' => roff.push_str("\\(aq"),
            '`' => roff.push_str("\\(ga"),
            '^' => roff.push_str("\\(ha"),
            '~' => roff.push_str("\\(ti"),
            _ => roff.push(c),
        }
        roff
    })
}

/// A line of text, which must not begin as a command does.
fn line(text: &str) -> String {
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text.to_owned() }
}

fn lower(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}
