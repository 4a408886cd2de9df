//! clap, built from the table of options: the help, and what is said to a command line that cannot be read.
//!
//! A command line that can be read is read by the lexer of rule lines, which takes a tenth of the time; that
//! clap would read the same in it is a property test below.

use clap::error::ContextKind;
use clap::{Arg, ArgAction, Command};

use crate::rules::{COMMANDS, OPTIONS, Takes};

/// The name under which free words are gathered.
const ARGUMENTS: &str = "arguments";

/// ipvsadm's command line.
pub(super) fn command() -> Command {
    let commands = COMMANDS.iter().map(|spec| {
        let arg = arg(spec.long, spec.short, spec.takes, spec.help);
        let arg = arg.help_heading("Commands");
        match spec.alias {
            Some(letter) => arg.visible_short_alias(letter),
            None => arg,
        }
    });
    let options = OPTIONS
        .iter()
        .map(|spec| arg(spec.long, spec.short, spec.takes, spec.help).help_heading(spec.heading()));
    Command::new("ipvsadm")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(commands)
        .args(options)
        .arg(Arg::new(ARGUMENTS).num_args(0..).hide(true))
}

fn arg(long: &'static str, short: Option<char>, takes: Takes, help: &'static str) -> Arg {
    let arg = Arg::new(long).long(long).help(help).action(ArgAction::Append);
    let arg = match short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
    match takes {
        // An empty value marks each time that it is given, in order.
        Takes::Nothing => arg.num_args(0).default_missing_value(""),
        Takes::Value(name) => arg.value_name(name).allow_hyphen_values(true),
        Takes::MaybeValue(name) => arg.value_name(name).num_args(0..=1).default_missing_value(""),
    }
}

/// What clap thinks was meant with an option that there is not, as `--long`.
pub(super) fn suggestion(words: &[&str]) -> Option<String> {
    let error = command().try_get_matches_from(words).err()?;
    error.get(ContextKind::SuggestedArg).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::{Token, Tokens};

    #[test]
    fn table_makes_a_command_line_that_clap_accepts() {
        command().debug_assert();
    }

    #[test]
    fn misspelled_option_is_recognized() {
        assert_eq!(suggestion(&["-L", "--numerc"]).as_deref(), Some("--numeric"));
        assert_eq!(suggestion(&["-L", "--numeric"]), None);
    }

    /// What was typed, in order: names of options and commands with their values, and free words.
    type Reading = Vec<(&'static str, String)>;

    fn by_lexer(words: &[&str]) -> Option<Reading> {
        Tokens::new(words.iter().copied())
            .map(|token| {
                Some(match token.ok()? {
                    Token::Command { spec, value, .. } => (spec.long, value.unwrap_or("").into()),
                    Token::Option { spec, value } => (spec.long, value.unwrap_or("").into()),
                    Token::Argument(word) => (ARGUMENTS, word.into()),
                })
            })
            .collect()
    }

    fn by_clap(words: &[&str]) -> Option<Reading> {
        let matches = command().try_get_matches_from(words).ok()?;
        let names = COMMANDS.iter().map(|spec| spec.long);
        let names = names.chain(OPTIONS.iter().map(|spec| spec.long)).chain([ARGUMENTS]);
        let mut reading = Vec::new();
        for name in names {
            let indices = matches.indices_of(name).into_iter().flatten();
            let values = matches.get_many::<String>(name).into_iter().flatten();
            reading
                .extend(indices.zip(values).map(|(index, value)| (index, (name, value.clone()))));
        }
        reading.sort_by_key(|&(index, _)| index);
        Some(reading.into_iter().map(|(_, read)| read).collect())
    }

    fn word() -> impl Strategy<Value = String> {
        let longs =
            COMMANDS.iter().map(|spec| spec.long).chain(OPTIONS.iter().map(|spec| spec.long));
        let long = proptest::sample::select(longs.collect::<Vec<_>>());
        let value = proptest::sample::select(vec![
            "10.0.0.1:80",
            "rr",
            "5",
            "-5",
            "",
            "=",
            "a=b",
            "master",
            "fwmark",
            "--x",
            "300",
        ]);
        prop_oneof![
            4 => "-[AEDCRSaedLlZhvtufsprgimwxycnobX6MQ]{1,3}",
            3 => long.clone().prop_map(|name| format!("--{name}")),
            2 => (long, value.clone()).prop_map(|(name, value)| format!("--{name}={value}")),
            3 => value.prop_map(str::to_owned),
            1 => "-[tswpM]=?[0-9a-z.]{0,3}",
            1 => Just("--".to_owned()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn clap_and_the_lexer_read_the_same(words in prop::collection::vec(word(), 0..8)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            prop_assert_eq!(by_lexer(&words), by_clap(&words));
        }
    }
}
