//! What a program can be told stands once, in argh's definitions: the choice of the command, its help, the completions and the
//! manual are all drawn from them.

mod bash;
mod fish;
mod manual;
mod outline;
mod zsh;

use crate::secret::Lookup;
use crate::usage::Stop;
use argh::{ArgsInfo, FromArgs};
use outline::Outline;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

/// A command's words as argh describes them. Of its notes, one that begins with `Environment:` or `Files:` is that section of the
/// manual.
pub type Info = argh::CommandInfoWithArgs;

/// A program with its commands.
#[derive(Debug)]
pub struct Program {
    /// What it is called.
    pub name: &'static str,
    /// What it does when the first word names none of its commands.
    pub main: Command,
    /// The others, each chosen by the first word.
    pub commands: &'static [Command],
    /// What the values of flags begin with, by the name that argh has for the value. Behind a word that ends in a colon
    /// more follows: `env:` a variable, `file:` a file, any other one of these two.
    pub values: &'static [(&'static str, &'static [&'static str])],
}

/// One thing that a program does.
#[derive(Debug)]
pub struct Command {
    /// The word that chooses it.
    pub name: &'static str,
    /// The words behind that one.
    pub info: fn() -> Info,
    /// Does what those words say.
    pub run: Run,
}

/// Does what words say.
pub type Run = fn(&[String], Lookup<'_>) -> Result<ExitCode, Stop>;

/// Prints what makes a shell complete this program's words.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    description = "Prints what makes a shell complete this program's words.",
    example = "source <({command_name} bash)    # in ~/.bashrc\nsource <({command_name} zsh)     # in ~/.zshrc, behind compinit\n{command_name} fish | source     # in ~/.config/fish/config.fish"
)]
struct Completions {
    /// bash, zsh or fish
    #[argh(positional, arg_name = "SHELL")]
    shell: String,
}

/// Prints the manual page.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    description = "Prints the manual page, for man or for a file of its own.",
    example = "{command_name} | man -l -"
)]
struct Manual {}

/// The shells that there are scripts for.
pub const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

impl Program {
    /// Does what `args`, the words behind the program's name, say.
    pub fn run(&self, args: &[String], env: Lookup<'_>) -> ExitCode {
        let chosen = args.split_first().and_then(|(word, rest)| {
            let command = self.commands.iter().find(|command| command.name == word)?;
            Some((command, rest))
        });
        match chosen {
            Some((command, words)) => {
                (command.run)(words, env).unwrap_or_else(|stop| stop.print(&format!("{} {}", self.name, command.name)))
            }
            None => (self.main.run)(args, env).unwrap_or_else(|stop| self.with_commands(stop).print(self.name)),
        }
    }

    /// The command `completions` of this program.
    ///
    /// # Errors
    /// Help was asked for, or there is no such shell.
    pub fn completions(&self, words: &[String]) -> Result<ExitCode, Stop> {
        let Completions { shell } = read(&[self.name, "completions"], words)?;
        let script = self.script(&shell);
        let unknown = || Stop::Usage(format!("there are completions for {}, not for {shell:?}", SHELLS.join(", ")));
        script.map(|script| print(&script)).ok_or_else(unknown)
    }

    /// What makes a shell of this name complete the program's words; `None`: no script is made for it.
    pub fn script(&self, shell: &str) -> Option<String> {
        let outline = Outline::of(self);
        match shell {
            "bash" => Some(bash::script(&outline)),
            "zsh" => Some(zsh::script(&outline)),
            "fish" => Some(fish::script(&outline)),
            _ => None,
        }
    }

    /// The command `man` of this program.
    ///
    /// # Errors
    /// Help was asked for.
    pub fn manual(&self, words: &[String]) -> Result<ExitCode, Stop> {
        let Manual {} = read(&[self.name, "man"], words)?;
        Ok(print(&self.page()))
    }

    /// The manual page, as roff.
    pub fn page(&self) -> String {
        manual::page(&Outline::of(self))
    }

    /// The program's help with the list of its commands.
    fn with_commands(&self, stop: Stop) -> Stop {
        let Stop::Help(text) = stop else { return stop };
        let list = self.commands.iter().map(|command| listed(command.name, outline::purpose(&(command.info)())));
        let list: String = list.collect();
        Stop::Help(text.replacen("\nOptions:\n", &format!("\nCommands:\n{list}\nOptions:\n"), 1))
    }
}

/// What the words behind `completions` may be.
pub fn completions_info() -> Info {
    Completions::get_args_info()
}

/// What the words behind `man` may be.
pub fn manual_info() -> Info {
    Manual::get_args_info()
}

/// Reads the words behind `name`, in which nothing is secret.
///
/// # Errors
/// Help was asked for, or the words make no sense.
pub fn read<T: FromArgs>(name: &[&str], words: &[String]) -> Result<T, Stop> {
    let words = split_assignments(words);
    let words: Vec<_> = words.iter().map(|word| if word == "-h" { "--help" } else { word.as_str() }).collect();
    T::from_args(name, &words).map_err(|exit| match exit.status {
        Ok(()) => Stop::Help(exit.output),
        Err(()) => Stop::Usage(exit.output.split_whitespace().collect::<Vec<_>>().join(" ")),
    })
}

/// `--flag=value` as `--flag value`, which is what argh knows.
pub fn split_assignments(args: &[impl AsRef<str>]) -> Vec<String> {
    let split = |arg: &str| match arg.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => vec![flag.to_owned(), value.to_owned()],
        _ => vec![arg.to_owned()],
    };
    args.iter().flat_map(|arg| split(arg.as_ref())).collect()
}

/// A line of the list, broken where argh breaks its own.
fn listed(name: &str, purpose: &str) -> String {
    const COLUMN: usize = 20;
    const WIDTH: usize = 80;
    let mut text = format!("  {name:<width$}", width = COLUMN - 3);
    let mut column = text.len();
    for word in purpose.split_whitespace() {
        if column + 1 + word.len() > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(COLUMN - 1));
            column = COLUMN - 1;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + word.len();
    }
    text + "\n"
}

/// Writes data to stdout. Who closes it early has what they wanted.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("cannot write to stdout: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
