use super::*;

/// Looks at a file.
#[derive(FromArgs, ArgsInfo)]
struct Look {
    /// the file
    #[argh(positional, arg_name = "FILE")]
    file: String,
}

fn no_info() -> Info {
    Look::get_args_info()
}

static PROGRAM: Program = Program {
    name: "program",
    main: Command { name: "", info: no_info, run: |words, _| Err(Stop::Usage(format!("main {words:?}"))) },
    commands: &[
        Command {
            name: "one",
            info: no_info,
            run: |words, _| {
                read::<Look>(&["program", "one"], words)
                    .map(|look| look.file.len().try_into().map_or(ExitCode::FAILURE, |code: u8| code.into()))
            },
        },
        Command {
            name: "two",
            info: completions_info,
            run: |words, env| Ok(u8::from(env("X").is_some() && words.is_empty()).into()),
        },
    ],
    values: &[],
};

fn run(words: &[&str]) -> ExitCode {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    PROGRAM.run(&words, &|name| (name == "X").then(String::new))
}

#[test]
fn the_first_word_chooses_and_gets_the_rest() {
    for (words, code) in [
        (&["one", "--", "abc"][..], 3),
        (&["one", "abcd"], 4),
        (&["one"], 2),
        (&["two"], 1),
        (&["two", "x"], 0),
        (&["./two"], 2),
        (&["--x", "two"], 2),
        (&[], 2),
    ] {
        assert_eq!(format!("{:?}", run(words)), format!("{:?}", ExitCode::from(code)), "{words:?}");
    }
}

#[test]
fn the_programs_help_lists_the_commands_in_lines_that_fit() {
    let help = Stop::Help("Usage: program\n\nOptions:\n  --x\n".to_owned());
    let Stop::Help(text) = PROGRAM.with_commands(help) else { panic!("help stays help") };
    let expected = "Usage: program\n\nCommands:\n  one               Looks at a file.\n  two               Prints what makes a shell complete this program's words.\n\nOptions:\n  --x\n";
    assert_eq!(text, expected);
    let line = listed("a-name-that-is-longer", &"word ".repeat(40));
    assert!(line.lines().count() > 3 && line.lines().all(|line| line.len() <= 80), "{line}");
    let mistake = Stop::Usage("\nOptions:\n".to_owned());
    assert_eq!(PROGRAM.with_commands(mistake.clone()), mistake);
}

#[test]
fn roff_takes_no_text_for_a_request_or_an_escape() {
    /// It's .dotted\n'quoted' and \ -- with - and `ticks` ~ ^.
    #[derive(FromArgs, ArgsInfo)]
    #[argh(description = ".first 'x' \\ - ` ~ ^\n'second", note = "Files: .third", error_code(3, ".fourth"))]
    struct Odd {}
    let program = Program {
        name: "odd",
        main: Command { name: "", info: Odd::get_args_info, run: |_, _| Ok(ExitCode::SUCCESS) },
        commands: &[],
        values: &[],
    };
    let page = program.page();
    let requests: Vec<&str> = page.lines().filter(|line| line.starts_with(['.', '\''])).collect();
    assert!(requests.iter().all(|line| [".TH", ".SH", ".PP", ".TP"].contains(&&line[..3])), "{requests:?}");
    for piece in [
        "\\&.first \\(aqx\\(aq \\e \\- \\(ga \\(ti \\(ha\n\\(aqsecond\n",
        ".SH \"FILES\"\n.PP\n\\&.third\n",
        "\\fB3\\fR\n\\&.fourth\n",
    ] {
        assert!(page.contains(piece), "{piece} is not in {page}");
    }
}
