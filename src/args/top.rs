//! The command line of ipvsadm-top.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Arg, ArgAction, Command};

use super::invocation::{Invocation, parse, program, seconds};
use crate::errors::Failure;

/// The arguments of ipvsadm-top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopArguments {
    /// Addresses and ports are numbers.
    pub is_numeric: bool,
    /// The time between two samples.
    pub interval: Duration,
}

fn command() -> Command {
    let numeric = Arg::new("numeric").short('n').long("numeric").action(ArgAction::SetTrue);
    let interval = Arg::new("interval").short('i').long("interval").value_name("SECONDS");
    program("ipvsadm-top", "Shows the services of the IPVS table with their traffic, full screen.")
        .arg(
            numeric
                .help("Show addresses and ports as numbers; the key n switches")
                .overrides_with("numeric"),
        )
        .arg(
            interval
                .help("The time between two samples, in whole seconds")
                .default_value("1")
                .value_parser(seconds),
        )
}

/// Parses the command line of ipvsadm-top.
///
/// # Errors
/// The first word that is wrong.
pub fn top_arguments(words: Vec<OsString>) -> Result<Invocation<TopArguments>, Failure> {
    parse(command(), words, |matches| TopArguments {
        is_numeric: matches.get_flag("numeric"),
        interval: Duration::from_secs(matches.get_one("interval").map_or(1, |&s: &u32| s.into())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::invocation::Request;

    fn read(words: &[&str]) -> Result<TopArguments, String> {
        match top_arguments(words.iter().map(OsString::from).collect()) {
            Ok(Invocation { request: Request::Run(arguments), .. }) => Ok(arguments),
            Ok(other) => panic!("{words:?}: {other:?}"),
            Err(failure) => Err(format!("{failure:?}")),
        }
    }

    #[test]
    fn clap_accepts_the_table_of_options() {
        command().debug_assert();
    }

    #[test]
    fn interval_is_a_number_of_seconds() {
        let second = TopArguments { is_numeric: false, interval: Duration::from_secs(1) };
        assert_eq!(read(&[]), Ok(second));
        let numeric = TopArguments { is_numeric: true, interval: Duration::from_secs(5) };
        assert_eq!(read(&["-n", "-i", "5"]), Ok(numeric));
        assert_eq!(read(&["--numeric", "--interval=5"]), Ok(numeric));
        for wrong in ["0", "x", "-1", "1.5", "86401"] {
            let refusal = read(&[&format!("--interval={wrong}")]).unwrap_err();
            let expected = format!("illegal interval value `{wrong}' specified");
            assert!(refusal.contains(&expected), "{refusal}");
            let reason = format!("`{wrong}' is not a number from 1 to 86400");
            assert!(refusal.contains(&reason), "{refusal}");
        }
        let refusal = read(&["-n", "--interval"]).unwrap_err();
        assert!(refusal.contains("--interval: missing argument"), "{refusal}");
    }
}
