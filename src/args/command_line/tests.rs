//! clap and the lexer of rule lines read a command line alike.

use std::cell::Cell;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::*;
use ipvs::model::Protocol;
use ipvs_rules::{Answers, OptionName, Save};

#[test]
fn clap_accepts_the_rows_of_every_command() {
    full_command().debug_assert();
    for spec in COMMANDS {
        command(spec).debug_assert();
    }
}

#[test]
fn misspelled_option_is_recognized() {
    let suggestion = |words: &[&str]| CommandLine::new(&os_strings(words)).suggestion();
    assert_eq!(suggestion(&["-L", "--numerc"]).as_deref(), Some("--numeric"));
    assert_eq!(suggestion(&["-L", "--numeric"]), None);
}

/// The tokens of a command line in order: names of options and commands with their values, and arguments.
type Reading = Vec<(&'static str, Option<String>)>;

fn reading<'a>(tokens: impl IntoIterator<Item = Token<'a>>) -> Reading {
    let owned = |value: Option<&str>| value.map(str::to_owned);
    let read = |token| match token {
        Token::Command { spec, value, .. } => (spec.long, owned(value)),
        Token::Option { spec, value } => (spec.long, owned(value)),
        Token::Argument(word) => (ARGUMENTS, owned(word.to_str())),
    };
    tokens.into_iter().map(read).collect()
}

fn by_lexer(words: &[&str]) -> Option<Reading> {
    let tokens: Result<Vec<_>, _> = Tokens::new(words.iter().copied()).collect();
    Some(reading(tokens.ok()?))
}

fn os_strings(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn by_clap(words: &[&str]) -> Option<Reading> {
    CommandLine::new(&os_strings(words)).tokens().map(reading)
}

/// A resolver for which every name leads to one address and one port.
struct AnyName;

impl Answers for AnyName {
    fn address(&mut self, _host: &str) -> Result<IpAddr, String> {
        Ok(IpAddr::from([192, 0, 2, 1]))
    }

    fn port(&mut self, _name: &str, _protocol: Protocol) -> Option<u16> {
        Some(7)
    }
}

/// The command that tokens make, if they make one.
fn resolved<'a>(
    tokens: impl Iterator<Item = Result<Token<'a>, TokenError>>,
) -> Option<ipvs_rules::Command> {
    parse_command_line(tokens, &mut ProgramOptions::default()).ok()?.resolve(&mut AnyName).ok()
}

#[test]
fn options_of_the_program_come_before_or_after_the_command() {
    for (words, command, namespace, color) in [
        (&["--netns", "blue"][..], "-L", Some("blue"), None),
        (&["--netns=blue", "-Ln", "--color", "never"], "-Ln", Some("blue"), Some("never")),
        (&["--color=always", "-C", "--netns", "-5"], "-C", Some("-5"), Some("always")),
        (&["-C"], "-C", None, None),
        (&["-h", "--netns=7", "--color=always"], "-h", Some("7"), Some("always")),
    ] {
        let words = os_strings(words);
        let line = CommandLine::new(&words);
        let mut program = ProgramOptions::default();
        let parsed = line.parse(&mut program).unwrap().resolve(&mut AnyName).unwrap();
        let alone = os_strings(&[command]);
        let alone = CommandLine::new(&alone);
        let expected = alone.parse(&mut ProgramOptions::default()).unwrap();
        assert_eq!(parsed, expected.resolve(&mut AnyName).unwrap(), "{words:?}");
        let color = color.map(|color: &str| color.parse().unwrap());
        assert_eq!(program, ProgramOptions { namespace, color }, "{words:?}");
    }
}

#[test]
fn wrong_option_of_the_program_is_the_first_fault_where_it_comes_first() {
    for (words, message) in [
        (&["--netns"][..], "--netns: missing argument"),
        (&["--netns=a", "--netns=b", "-Q"], "multiple 'netns' options specified"),
        (
            &["-C", "--color=blue", "-Q"],
            "illegal color specified (`blue' is none of auto, always, never)",
        ),
        (&["--color=never", "-Q", "--color=blue"], "-Q: unknown option"),
        (&["--color=never", "foo"], "no command in `foo'"),
        (&["--netns=a", "-n"], "--numeric comes before a command"),
    ] {
        let words = os_strings(words);
        let fault = CommandLine::new(&words).parse(&mut ProgramOptions::default()).unwrap_err();
        assert!(fault.to_string().starts_with(message), "{words:?}: {fault}");
    }
}

#[test]
fn missing_value_is_not_an_empty_one() {
    for (words, value) in [
        (&["-A", "-p"][..], None),
        (&["-A", "-p", "-t", "v"], None),
        (&["-A", "-p", ""], Some("")),
        (&["-A", "--persistent="], Some("")),
        (&["-A", "--persistent", ""], Some("")),
        (&["-A", "-p", "300"], Some("300")),
    ] {
        let readings = [by_lexer(words), by_clap(words)];
        for reading in readings {
            assert_eq!(reading.unwrap()[1], ("persistent", value.map(str::to_owned)), "{words:?}");
        }
    }
}

#[test]
fn word_that_is_not_utf8_is_refused_before_a_name_is_looked_up() {
    let word = |text: &[u8]| OsString::from_vec(text.to_vec());
    for (words, message) in [
        (
            vec![word(b"-A"), word(b"-t"), word(b"\xff.example:80")],
            "illegal virtual server address[:port] specified (not UTF-8 text)",
        ),
        (
            vec![word(b"-a"), word(b"-tvip:80"), word(b"-r\xff")],
            "illegal real server address[:port] specified (not UTF-8 text)",
        ),
        (
            vec![word(b"-A"), word(b"-tvip:80"), word(b"--sched\xff")],
            "--sched\u{fffd}: unknown option",
        ),
    ] {
        match CommandLine::new(&words).parse(&mut ProgramOptions::default()) {
            Err(failure) => assert!(failure.to_string().starts_with(message), "{failure}"),
            // The kept fault is reported once the name is known.
            Ok(parsed) => {
                let fault = parsed.resolve(&mut AnyName).unwrap_err();
                assert!(fault.to_string().starts_with(message), "{fault}");
            }
        }
    }
}

#[test]
fn file_keeps_bytes_that_are_not_utf8() {
    let file = OsString::from_vec(b"rules-\xff".to_vec());
    for command in ["-R", "-S"] {
        let words = [command.into(), file.clone()];
        match CommandLine::new(&words).parse(&mut ProgramOptions::default()).unwrap() {
            Parsed::Command(
                ipvs_rules::Command::Restore(ipvs_rules::Lines { file: path, .. })
                | ipvs_rules::Command::Save(Save { file: path, .. }),
            ) => assert_eq!(path.unwrap().as_os_str(), file),
            other => panic!("{other:?}"),
        }
    }
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
        Persistent => &["300", "1", ""],
        Netmask => &["255.255.255.0", "64"],
        Weight | UpperThreshold | LowerThreshold => &["0", "5", "-5"],
        TunType => &["ipip", "gue", "gre"],
        TunPort | McastPort => &["6080"],
        McastInterface => &["eth0", "-eth=0"],
        SyncId => &["0", "255"],
        SyncMaxlen => &["1400"],
        McastGroup => &["224.0.0.81", "ff02::81"],
        McastTtl => &["1"],
        Drain => &["0", "600", ""],
        Confirm => &["1", "86400"],
        Netns => &["blue", "/run/netns/blue", "-5"],
        Color => &["auto", "always", "never"],
        Client => &["10.0.0.0/8", "2001:db8::1"],
        State => &["ESTABLISHED", "none,SYN_RECV"],
        Origin => &["local", "synced"],
        CountBy => &["client", "client/24,64", "state"],
        Limit => &["5"],
        Within => &["10.0.0.0/8", "fwmark:1-9"],
        Watch | Monitor => &["1", "60", ""],
        Probe => &["3", ""],
        Sample => &["10"],
        Against => &["other.rules", "-"],
        Metrics | Settings => &["ipvs.prom"],
        By => &["service"],
        Digest => &["all", ""],
        Numeric | Connection | Gatewaying | Ipip | Masquerading | Timeout | Daemon | Stats
        | Rate | Thresholds | PersistentConn | Nosort | Exact | Ops | TunInfo | TunNocsum
        | TunCsum | TunRemcsum | Json | All | AllowEmpty | OwnPort | Force | Sort | Ipv6
        | Summary | Count | NoHeader | Keep | IfExists | IfNotExists | Replace | DryRun => &[],
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
        // A letter with nothing behind it has no value.
        Some("") if !name.starts_with("--") => vec![name, String::new()],
        Some(value) if is_glued => vec![format!("{name}{glue}{value}")],
        Some(value) => vec![name, value.to_owned()],
    };
    (words, vec![(long, value.map(str::to_owned))])
}

fn spelling() -> impl Strategy<Value = Spelling> {
    use Spelling::*;

    select(vec![Long, LongEquals, Short, ShortGlued, ShortEquals])
}

/// An option of a command with a value that is proper for it.
fn option(command: &'static CommandSpec) -> impl Strategy<Value = Part> {
    let specs = select(options_of(command).collect::<Vec<_>>());
    let with_value = specs.prop_flat_map(|spec| {
        let mut proper: Vec<_> = values(spec.option).iter().copied().map(Some).collect();
        if !matches!(spec.value, ValueSpec::Value(_)) {
            proper.push(None);
        }
        (Just(spec), select(proper))
    });
    let typed = (with_value, spelling());
    typed.prop_map(|((spec, value), how)| {
        let is_always_glued = matches!(spec.value, ValueSpec::GluedValue(_));
        let how = if is_always_glued { Spelling::LongEquals } else { how };
        spelled(spec.long, spec.short, value, how)
    })
}

fn options_of(command: &CommandSpec) -> impl Iterator<Item = &'static OptionSpec> {
    let command = command.command;
    OPTIONS.iter().filter(move |spec| spec.presence_with(command) != Presence::Refused)
}

/// A command with its value and its arguments.
fn command_word(spec: &'static CommandSpec) -> impl Strategy<Value = Part> {
    spelling().prop_map(|how| {
        let value = matches!(spec.value, ValueSpec::Value(_)).then_some("master");
        let letter = spec.alias.or(spec.short);
        let (mut words, mut reading) = spelled(spec.long, letter, value, how);
        words.extend(spec.arguments.iter().map(|&word| word.to_owned()));
        reading.extend(spec.arguments.iter().map(|&word| (ARGUMENTS, Some(word.to_owned()))));
        (words, reading)
    })
}

/// Letters of options without a value, in one word.
fn bundle(command: &'static CommandSpec) -> BoxedStrategy<Part> {
    let flags = options_of(command).filter(|spec| spec.value == ValueSpec::Nothing);
    let letters: Vec<_> = flags.filter_map(|spec| Some((spec.long, spec.short?))).collect();
    if letters.is_empty() {
        return option(command).boxed();
    }
    let bundle = prop::collection::vec(select(letters), 1..4);
    let bundle = bundle.prop_map(|bundle| {
        let letters: String = bundle.iter().map(|(_, letter)| letter).collect();
        let reading = bundle.iter().map(|&(long, _)| (long, None));
        (vec![format!("-{letters}")], reading.collect())
    });
    bundle.boxed()
}

/// A command and some of its options with proper values. The line need not be complete.
fn proper_line() -> impl Strategy<Value = Part> {
    let commands: Vec<_> = COMMANDS.iter().filter(|spec| !is_immediate(spec)).collect();
    let commands = select(commands);
    commands.prop_flat_map(|command| {
        let parts = prop_oneof![4 => option(command), 1 => bundle(command)];
        let parts = prop::collection::vec(parts, 0..6);
        (command_word(command), parts).prop_map(|((mut words, mut reading), parts)| {
            for (more_words, more_reading) in parts {
                words.extend(more_words);
                reading.extend(more_reading);
            }
            (words, reading)
        })
    })
}

fn word() -> impl Strategy<Value = String> {
    let longs = COMMANDS.iter().map(|spec| spec.long).chain(OPTIONS.iter().map(|spec| spec.long));
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

/// Both accept a line as the same command, or the lexer has a fault for it.
#[test]
fn clap_and_the_lexer_make_the_same_command() {
    const CASES: u32 = 4000;

    let words = prop_oneof![
        1 => prop::collection::vec(word(), 0..8),
        2 => proper_line().prop_map(|(words, _)| words),
        // One word of a proper line gives way to any other.
        2 => (proper_line(), word(), any::<prop::sample::Index>()).prop_map(
            |((mut words, _), word, place)| {
                *place.get_mut(&mut words) = word;
                words
            }
        ),
    ];
    let commands = Cell::new(0);
    let read = |words: Vec<String>| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let has_command = Tokens::new(words.iter().copied()).any(|token| !is_first(token));
        let default = (!has_command).then_some("-L");
        let expected = resolved(Tokens::new(words.iter().copied().chain(default)));
        let words = os_strings(&words);
        let line = CommandLine::new(&words);
        match (line.tokens(), expected) {
            (Some(tokens), expected) => {
                let found = resolved(tokens.into_iter().map(Ok));
                prop_assert_eq!(&found, &expected);
                commands.set(commands.get() + u32::from(found.is_some()));
            }
            (None, expected) => {
                use ipvs_rules::Command::{Help, Version};

                prop_assert!(matches!(expected, None | Some(Help(_) | Version)), "{:?}", expected);
            }
        }
        Ok(())
    };
    runner(CASES).run(&words, read).unwrap();
    let commands = commands.get();
    // Lines with a fault alone would show little, and so would lines without any.
    let expected = CASES / 10..CASES * 9 / 10;
    assert!(expected.contains(&commands), "{commands} of {CASES} lines are commands");
}
