//! clap, built from the table of options: the help, and what is said to a command line that cannot be read.
//!
//! A command line that can be read is read by the lexer of rule lines, which takes a tenth of the time; that
//! clap would read the same in it is a property test below.

use clap::error::ContextKind;
use clap::{Arg, ArgAction, Command};

use ipvs_rules::{COMMANDS, OPTIONS, ValueSpec};

/// The name under which free words are gathered.
const ARGUMENTS: &str = "arguments";

/// ipvsadm's command line.
pub(super) fn command() -> Command {
    let commands = COMMANDS.iter().map(|spec| {
        let arg = arg(spec.long, spec.short, spec.value, spec.help);
        let arg = arg.help_heading("Commands");
        match spec.alias {
            Some(letter) => arg.visible_short_alias(letter),
            None => arg,
        }
    });
    let options = OPTIONS
        .iter()
        .map(|spec| arg(spec.long, spec.short, spec.value, spec.help).help_heading(spec.heading()));
    Command::new("ipvsadm")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(commands)
        .args(options)
        .arg(Arg::new(ARGUMENTS).num_args(0..).hide(true))
}

fn arg(long: &'static str, short: Option<char>, takes: ValueSpec, help: &'static str) -> Arg {
    let arg = Arg::new(long).long(long).help(help).action(ArgAction::Append);
    let arg = match short {
        Some(letter) => arg.short(letter),
        None => arg,
    };
    match takes {
        // An empty value marks each time that it is given, in order.
        ValueSpec::Nothing => arg.num_args(0).default_missing_value(""),
        ValueSpec::Value(name) => arg.value_name(name).allow_hyphen_values(true),
        ValueSpec::MaybeValue(name) => {
            arg.value_name(name).num_args(0..=1).default_missing_value("")
        }
    }
}

/// What clap thinks was meant with an option that there is not, as `--long`.
pub(super) fn suggestion(words: &[&str]) -> Option<String> {
    let error = command().try_get_matches_from(words).err()?;
    error.get(ContextKind::SuggestedArg).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::TestRunner;

    use super::*;
    use ipvs_rules::{OptionName, Token, Tokens};

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

    /// Values that are proper for an option.
    fn values(option: OptionName) -> &'static [&'static str] {
        use OptionName::*;

        match option {
            TcpService | UdpService | SctpService | RealServer => {
                &["10.0.0.1:80", "[2001:db8::1]:80", "web.example:http", "10.0.0.1"]
            }
            FwmarkService => &["1", "4294967295"],
            Scheduler => &["rr", "wlc", ""],
            Engine => &["sip"],
            SchedulerFlags => &["sh-port", "mh-fallback,mh-port", "flag-1"],
            Persistent => &["300", "1"],
            Netmask => &["255.255.255.0", "64"],
            Weight | UpperThreshold | LowerThreshold => &["0", "5", "-5"],
            TunType => &["ipip", "gue", "gre"],
            TunPort | McastPort => &["6080"],
            McastInterface => &["eth0", "-eth=0"],
            SyncId => &["0", "255"],
            SyncMaxlen => &["1400"],
            McastGroup => &["224.0.0.81", "ff02::81"],
            McastTtl => &["1"],
            Numeric | Connection | Gatewaying | Ipip | Masquerading | Timeout | Daemon | Stats
            | Rate | Thresholds | PersistentConn | Nosort | Exact | Ops | TunInfo | TunNocsum
            | TunCsum | TunRemcsum | Json | All | AllowEmpty | OwnPort | Sort | Ipv6 => &[],
        }
    }

    /// Words, and what they are to say.
    type Part = (Vec<String>, Reading);

    /// How an option or a command is typed.
    #[derive(Clone, Copy, Debug)]
    enum Spelling {
        Long,
        LongEquals,
        Short,
        ShortGlued,
        ShortEquals,
    }

    /// An option or a command with a value, or without any.
    fn spelled(
        long: &'static str,
        short: Option<char>,
        value: Option<&str>,
        spelling: Spelling,
    ) -> Part {
        let glue = match spelling {
            Spelling::LongEquals | Spelling::ShortEquals => "=",
            Spelling::Long | Spelling::Short | Spelling::ShortGlued => "",
        };
        let (name, is_glued) = match (short, spelling) {
            (Some(letter), Spelling::Short) => (format!("-{letter}"), false),
            (Some(letter), Spelling::ShortGlued | Spelling::ShortEquals) => {
                (format!("-{letter}"), true)
            }
            (_, spelling) => (format!("--{long}"), matches!(spelling, Spelling::LongEquals)),
        };
        let words = match value {
            None => vec![name],
            // Glued, an empty value would be none.
            Some(value) if is_glued && !value.is_empty() => vec![format!("{name}{glue}{value}")],
            Some(value) => vec![name, value.to_owned()],
        };
        (words, vec![(long, value.unwrap_or_default().to_owned())])
    }

    fn spelling() -> impl Strategy<Value = Spelling> {
        use Spelling::*;

        select(vec![Long, LongEquals, Short, ShortGlued, ShortEquals])
    }

    /// An option with a value that is proper for it.
    fn option() -> impl Strategy<Value = Part> {
        let specs = select(OPTIONS.iter().collect::<Vec<_>>());
        let with_value = specs.prop_flat_map(|spec| {
            let mut proper: Vec<_> = values(spec.option).iter().copied().map(Some).collect();
            if !matches!(spec.value, ValueSpec::Value(_)) {
                proper.push(None);
            }
            (Just(spec), select(proper))
        });
        let typed = (with_value, spelling());
        typed.prop_map(|((spec, value), how)| spelled(spec.long, spec.short, value, how))
    }

    /// A command with its value and the words that stand free behind it.
    fn command_word() -> impl Strategy<Value = Part> {
        let specs = (select(COMMANDS.iter().collect::<Vec<_>>()), spelling());
        specs.prop_map(|(spec, how)| {
            let value = matches!(spec.value, ValueSpec::Value(_)).then_some("master");
            let letter = spec.alias.or(spec.short);
            let (mut words, mut reading) = spelled(spec.long, letter, value, how);
            words.extend(spec.arguments.iter().map(|&word| word.to_owned()));
            reading.extend(spec.arguments.iter().map(|&word| (ARGUMENTS, word.to_owned())));
            (words, reading)
        })
    }

    /// Letters of options without a value, in one word.
    fn bundle() -> impl Strategy<Value = Part> {
        let specs = OPTIONS.iter().filter(|spec| spec.value == ValueSpec::Nothing);
        let letters = specs.filter_map(|spec| Some((spec.long, spec.short?)));
        let bundle = prop::collection::vec(select(letters.collect::<Vec<_>>()), 1..4);
        bundle.prop_map(|bundle| {
            let letters: String = bundle.iter().map(|(_, letter)| letter).collect();
            let reading = bundle.iter().map(|&(long, _)| (long, String::new()));
            (vec![format!("-{letters}")], reading.collect())
        })
    }

    /// A command line that can be read, whether or not the options are the command's.
    fn proper_line() -> impl Strategy<Value = Part> {
        let parts = prop::collection::vec(prop_oneof![4 => option(), 1 => bundle()], 0..8);
        (command_word(), parts).prop_map(|(command, parts)| {
            std::iter::once(command)
                .chain(parts)
                .reduce(|mut line, (words, reading)| {
                    line.0.extend(words);
                    line.1.extend(reading);
                    line
                })
                .unwrap_or_default()
        })
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

    fn runner(cases: u32) -> TestRunner {
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..Default::default() })
    }

    #[test]
    fn clap_and_the_lexer_read_a_proper_line_as_it_is_meant() {
        let read = |(words, meant): Part| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            prop_assert_eq!(by_lexer(&words), Some(meant.clone()));
            prop_assert_eq!(by_clap(&words), Some(meant));
            Ok(())
        };
        runner(1000).run(&proper_line(), read).unwrap();
    }

    #[test]
    fn clap_and_the_lexer_read_the_same() {
        const CASES: u32 = 3000;

        let words = prop_oneof![
            2 => prop::collection::vec(word(), 0..8),
            // One word of a proper line gives way to any other.
            1 => (proper_line(), word(), any::<prop::sample::Index>()).prop_map(
                |((mut words, _), word, place)| {
                    *place.get_mut(&mut words) = word;
                    words
                }
            ),
        ];
        let readable = Cell::new(0);
        let read = |words: Vec<String>| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let reading = by_lexer(&words);
            readable.set(readable.get() + u32::from(reading.is_some()));
            prop_assert_eq!(reading, by_clap(&words));
            Ok(())
        };
        runner(CASES).run(&words, read).unwrap();
        let readable = readable.get();
        // A line that neither reads says little, and if all could be read, none would say that both refuse it.
        let expected = CASES / 2..CASES * 9 / 10;
        assert!(expected.contains(&readable), "{readable} of {CASES} lines can be read");
    }
}
