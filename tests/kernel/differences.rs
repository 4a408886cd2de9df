//! Our behaviour where it differs from 1.31 on purpose; differences.txt lists only the cases that differ. Differences
//! about names are tested in `names`, about rights in `rights`, about bad input in `bad_input`.

use crate::network::fresh_namespace;
use crate::program::Program;
use crate::table::Kernel;

fn ours(line: &str) -> String {
    Program::ours().line(line).succeeded().to_owned()
}

/// Restores a save with `-R` into an empty table, and asserts the same rules.
fn restores_to_the_same(kernel: &Kernel) {
    let before = kernel.rules();
    let saved = ours("-S -n");
    ours("-C");
    Program::ours().feed(["-R"], saved.as_bytes()).succeeded();
    assert_eq!(kernel.rules(), before, "{saved}");
}

#[test]
fn a_save_writes_thresholds_after_all_options_that_1_31_saves() {
    fresh_namespace();
    let kernel = Kernel::open();
    ours("-A -t 10.0.0.1:80 -s rr");
    ours("-a -t 10.0.0.1:80 -r 10.0.0.2 -m -w 3 -x 100 -y 50");
    ours("-a -t 10.0.0.1:80 -r 10.0.0.3 -m -w 3");
    ours("-a -t 10.0.0.1:80 -r 10.0.0.4 -i --tun-type gre -x 7");
    let saved = ours("-S -n");
    let lines: Vec<&str> = saved.lines().collect();
    assert!(
        lines[1].starts_with("-a -t 10.0.0.1:80 -r 10.0.0.2:80 -m -w 3 -x 100 -y 50"),
        "{saved}"
    );
    assert_eq!(lines[2], "-a -t 10.0.0.1:80 -r 10.0.0.3:80 -m -w 3");
    assert!(lines[3].ends_with(" -w 1 --tun-type gre --tun-nocsum -x 7"), "{saved}");
    let of_1_31 = Program::reference().line("-S -n").succeeded().to_owned();
    assert!(of_1_31.lines().zip(&lines).all(|(theirs, line)| line.starts_with(theirs.trim_end())));
    restores_to_the_same(&kernel);
}

#[test]
fn a_large_fwmark_is_listed_and_restored_unsigned() {
    fresh_namespace();
    let kernel = Kernel::open();
    ours("-A -f 4294967295 -s rr");
    ours("-a -f 4294967295 -r 10.0.0.2 -m");
    ours("-A -f 2147483648 -6 -s rr");
    assert_eq!(ours("-S -n").lines().next(), Some("-A -f 2147483648 -6 -s rr"));
    assert!(ours("-L -n").contains("FWM  4294967295 rr"));
    restores_to_the_same(&kernel);
}

#[test]
fn services_real_servers_and_fwmarks_sort_numerically() {
    fresh_namespace();
    for line in [
        "-A -f 3000000000 -s rr",
        "-A -t [fe00::1]:80 -s rr",
        "-A -t 192.168.0.1:80 -s rr",
        "-A -f 5 -s rr",
        "-a -f 5 -r 192.168.0.2 -m",
        "-a -f 5 -r 10.0.0.2 -m",
        "-a -f 5 -r 172.16.0.2 -m",
        "-A -t [2001:db8::1]:80 -s rr",
        "-A -t 10.0.0.1:80 -s rr",
        "-A -t 10.0.0.1:9 -s rr",
    ] {
        ours(line);
    }
    let listing = ours("-L -n");
    let order: Vec<&str> =
        listing.lines().skip(3).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(
        order,
        [
            "10.0.0.1:9",
            "10.0.0.1:80",
            "192.168.0.1:80",
            "[2001:db8::1]:80",
            "[fe00::1]:80",
            "5",
            "10.0.0.2:0",
            "172.16.0.2:0",
            "192.168.0.2:0",
            "3000000000",
        ]
    );
}

#[test]
fn rule_lines_may_have_comments() {
    fresh_namespace();
    let kernel = Kernel::open();
    let input = "# head\n  # blank before\n-A -t 10.0.0.1:80 -s rr # why\n-A -t 10.0.0.1:81 -s rr\t#\n#-C\n";
    Program::ours().feed(["-R"], input.as_bytes()).succeeded();
    assert_eq!(kernel.rules().services.len(), 2);
}

#[test]
fn a_restore_within_a_restore_is_refused_with_its_line() {
    fresh_namespace();
    let outcome = Program::ours().feed(["-R"], b"\n-R\n");
    assert!(outcome.refused(255).contains("line 2"), "{}", outcome.complaint());
}

#[test]
fn addresses_have_four_plain_decimal_numbers() {
    fresh_namespace();
    let kernel = Kernel::open();
    for address in
        ["10.0.0:80", "12345:80", "0x0a000001:80", "010.0.0.1:80", "10.1:80", "10.0.0.01:80"]
    {
        let outcome = Program::ours().line(&format!("-A -t {address} -s rr"));
        assert!(
            outcome.refused(2).starts_with("illegal virtual server address[:port] specified"),
            "{address}"
        );
    }
    ours("-A -t 10.0.0.1:80 -s rr");
    let outcome = Program::ours().line("-a -t 10.0.0.1:80 -r 10.0.0 -m");
    assert!(outcome.refused(2).starts_with("illegal real server address[:port] specified"));
    assert!(kernel.rules().services[0].destinations.is_empty());
}

#[test]
fn firewall_mark_may_be_hexadecimal() {
    fresh_namespace();
    ours("-A -f 0x7 -s rr");
    ours("-A -f 010 -s rr");
    let saved = Program::ours().line("-S -n");
    assert_eq!(saved.succeeded(), "-A -f 7 -s rr\n-A -f 10 -s rr\n");
}

#[test]
fn ipv6_address_in_brackets_needs_no_port() {
    fresh_namespace();
    let kernel = Kernel::open();
    ours("-A -t [2001:db8::1]:80 -s rr");
    ours("-a -t [2001:db8::1]:80 -r [2001:db8::2] -m");
    let port = kernel.rules().services[0].destinations[0].port;
    assert_eq!(port, 80);
    let outcome = Program::ours().line("-A -t [2001:db8::2]");
    assert!(outcome.refused(2).starts_with("Zero port specified for non-persistent service"));
}

#[test]
fn a_mask_is_a_prefix_length_or_dotted() {
    fresh_namespace();
    let kernel = Kernel::open();
    for (port, mask) in [(1, "24"), (2, "255.255.255.0")] {
        ours(&format!("-A -t 10.0.0.1:{port} -s rr -p 60 -M {mask}"));
    }
    for mask in ["0", "33", "0xffffff00", "255.255", "24.0.0.0.0"] {
        let outcome = Program::ours().line(&format!("-A -t 10.0.0.1:9 -s rr -p 60 -M {mask}"));
        assert_ne!(outcome.refused(2), "", "{mask}");
    }
    let masks: Vec<[u8; 4]> =
        kernel.rules().services.iter().map(|service| service.netmask.to_ne_bytes()).collect();
    assert_eq!(masks, [[255, 255, 255, 0]; 2]);
}

#[test]
fn names_that_the_kernel_would_truncate_are_refused() {
    fresh_namespace();
    let kernel = Kernel::open();
    for words in ["-t 10.0.0.1:80 -s rrrrrrrrrrrrrrrr", "-u 10.0.0.1:80 -p --pe sipsipsipsipsips"] {
        let outcome = Program::ours().line(&format!("-A {words}"));
        let name = words.split(' ').next_back().unwrap();
        assert!(outcome.refused(2).contains(name), "{}", outcome.complaint());
    }
    assert!(kernel.rules().services.is_empty());
}

#[test]
fn scheduler_flags_without_a_name_are_refused() {
    fresh_namespace();
    assert_ne!(Program::ours().line("-A -t 10.0.0.1:80 -s rr -b ,").refused(2), "");
}

#[test]
fn a_lower_threshold_above_the_upper_one_is_named() {
    fresh_namespace();
    let kernel = Kernel::open();
    ours("-A -t 10.0.0.1:80 -s rr");
    let outcome = Program::ours().line("-a -t 10.0.0.1:80 -r 10.0.0.2 -m -x 50 -y 100");
    let sentence = outcome.refused(2);
    assert!(
        sentence.contains("threshold") && sentence.contains("100") && sentence.contains("50"),
        "{sentence}"
    );
    assert!(kernel.rules().services[0].destinations.is_empty());
}
