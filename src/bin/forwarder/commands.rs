//! A command is one row here: its word, what may follow, and what does it.

use http_tunnel::command::{self, Command, Program, SHELLS};
use http_tunnel::forwarder::{config, doctor, inspector};

pub(crate) static PROGRAM: Program = Program {
    name: "forwarder",
    main: Command { name: "", info: config::info, run: crate::serve },
    commands: &[
        Command { name: "start", info: config::start_info, run: crate::start },
        Command { name: "config", info: config::command_info, run: config::command },
        Command { name: "doctor", info: doctor::info, run: doctor::doctor },
        Command { name: "replay", info: inspector::replay_info, run: inspector::replay },
        Command { name: "completions", info: command::completions_info, run: |words, _| PROGRAM.completions(words) },
        Command { name: "man", info: command::manual_info, run: |words, _| PROGRAM.manual(words) },
    ],
    values: &[
        ("ADDR|off", &["off"]),
        ("HOST", &["rewrite", "preserve"]),
        ("SCHEME:SECRET", &["github:", "stripe:", "slack:", "standard:"]),
        ("SHELL", &SHELLS),
        ("TOKEN", &["env:", "file:"]),
        ("USER:PASS", &["env:", "file:"]),
        ("WHEN", &["auto", "always", "never"]),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_a_shell_offers_is_taken_by_the_flag() {
        let taken = |flag: &str, value: &str| {
            let words = ["8000", flag, value].map(str::to_owned);
            let secret =
                if flag == "--basic-auth" { "user:password" } else { "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz" };
            config::parse(&words, &|name| (name == "SET").then(|| secret.to_owned()))
        };
        let mut offered = 0;
        for flag in (PROGRAM.main.info)().flags {
            let argh::FlagInfoKind::Option { arg_name } = flag.kind else { continue };
            let words = PROGRAM.values.iter().find(|(name, _)| *name == arg_name).map_or(&[][..], |(_, words)| words);
            // A token needs an endpoint, and is tested with one.
            for word in words.iter().filter(|_| flag.long != "--token") {
                let value = match *word {
                    "env:" => "env:SET".to_owned(),
                    "file:" => continue,
                    scheme if scheme.ends_with(':') => format!("{scheme}env:SET"),
                    word => word.to_owned(),
                };
                taken(flag.long, &value).unwrap_or_else(|stop| panic!("{} {value}: {stop}", flag.long));
                offered += 1;
            }
        }
        assert!(offered > 10, "{offered}");
    }
}
