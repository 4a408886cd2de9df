//! The reasons behind 1.31's sentences: each names the words to type instead.

use ipvs_rules::{ProgramOptions, Tokens, parse_command_line};

fn message(line: &str) -> String {
    let fault = match parse_command_line(
        Tokens::new(line.split_whitespace()),
        &mut ProgramOptions::default(),
    ) {
        Ok(parsed) => parsed.resolve(&mut ipvs_rules::NamesRefused).err(),
        Err(fault) => Some(fault),
    };
    assert!(fault.is_some(), "{line} is accepted");
    fault.map(|fault| fault.to_string()).unwrap_or_default()
}

#[test]
fn word_that_is_the_name_of_a_command_is_answered_with_its_option() {
    for (line, words) in [
        ("list", "no command in `list' (did you mean -L?)"),
        ("list -n", "no command in `list' (did you mean -L?)"),
        ("help", "no command in `help' (did you mean -h?)"),
        ("flush", "no command in `flush' (did you mean -C?)"),
        ("set", "no command in `set' (did you mean --set?)"),
        ("add", "no command in `add' (did you mean -A for a service or -a for a real server?)"),
    ] {
        let said = message(line.split(' ').next().unwrap());
        assert_eq!(said, words, "{line}");
    }
    assert_eq!(message("foo"), "no command in `foo'");
}

#[test]
fn option_before_the_command_names_the_command_of_the_line() {
    assert_eq!(message("-n -L"), "--numeric comes before a command (put -L first)");
    assert_eq!(message("-nL"), "--numeric comes before a command (put -L first)");
    assert_eq!(
        message("-t 10.0.0.1:80 --set 1 2 3"),
        "--tcp-service comes before a command (put --set first)"
    );
    assert_eq!(
        message("-n"),
        "--numeric comes before a command (the first option has to be a command, such as -L)"
    );
}

#[test]
fn option_of_the_program_is_refused_in_a_rule_line() {
    for line in ["--netns blue -C", "-A -t 10.0.0.1:80 --netns blue", "-C --color=never"] {
        let fault = ipvs_rules::parse_numeric_line(line.as_bytes()).unwrap_err().to_string();
        let option = if line.contains("netns") { "--netns" } else { "--color" };
        let expected =
            format!("{option} is an option of command lines; a rule line cannot have it");
        assert_eq!(fault, expected, "{line}");
    }
}

#[test]
fn argument_is_taken_for_the_value_of_the_option_that_is_missing() {
    assert_eq!(
        message("-a -t 10.0.0.1:80 10.0.0.2:80"),
        "unexpected argument 10.0.0.2:80 (a real server is the value of -r: -r 10.0.0.2:80)"
    );
    assert_eq!(
        message("-A 10.0.0.1:80"),
        "unexpected argument 10.0.0.1:80 (a service is the value of -t, -u, --sctp-service or -f: -t 10.0.0.1:80)"
    );
    assert_eq!(message("-L foo"), "unexpected argument foo");
}

#[test]
fn rejected_option_names_the_commands_that_accept_it() {
    assert_eq!(
        message("-A -t 10.0.0.1:80 -r 10.0.0.2"),
        "Illegal 'real-server' option with the 'add-service' command (-A adds a service; -a adds a real server to it)"
    );
    assert_eq!(
        message("-A -t 10.0.0.1:80 -w 5"),
        "Illegal 'weight' option with the 'add-service' command (it goes with -a, -e)"
    );
    assert_eq!(
        message("-C --syncid 5"),
        "Illegal 'syncid' option with the 'flush' command (it goes with --start-daemon, --stop-daemon, -L)"
    );
}

#[test]
fn service_without_a_port_is_shown_with_one() {
    let zero_port = "Zero port specified for non-persistent service";
    let takes_all = "without a port a service takes all ports and needs -p; one port:";
    for line in ["-A -t 10.0.0.1", "-A -t 10.0.0.1:0"] {
        assert_eq!(message(line), format!("{zero_port} ({takes_all} 10.0.0.1:80)"));
    }
    for line in ["-A -t 2001:db8::2", "-A -t [2001:db8::2]", "-A -t [2001:db8::2]:0"] {
        let said = message(line);
        assert!(said.starts_with(zero_port), "{line}: {said}");
        assert!(said.contains("[2001:db8::"), "{line}: {said}");
    }
    assert_eq!(
        message("-A -t 2001:db8::5:80"),
        format!(
            "{zero_port} (2001:db8::5:80 is an address without a port; port 80 of 2001:db8::5: [2001:db8::5]:80)"
        )
    );
}

#[test]
fn url_and_ipv6_without_brackets_are_shown_as_endpoints() {
    let said = message("-A -t http://10.0.0.1:80/");
    assert!(said.starts_with("illegal virtual server address[:port] specified ("), "{said}");
    assert!(said.ends_with("; instead of a URL, write 10.0.0.1:80)"), "{said}");
    let said = message("-A -t https://www.example");
    assert!(said.ends_with("; instead of a URL, write www.example:443)"), "{said}");
    let said = message("-a -f 1 -r 2001:db8:0:0:0:0:0:5:80");
    assert!(said.starts_with("illegal real server address[:port] specified ("), "{said}");
    assert!(said.contains("an IPv6 address with a port is written [2001:db8::5]:80"), "{said}");
}
