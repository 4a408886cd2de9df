//! Lines with `--keep`, `--if-exists`, `--if-not-exists` and `--replace`.

use super::*;

fn request(line: &str) -> Request {
    match read(line) {
        Ok(Command::Request(request)) => request,
        other => panic!("{line}: {other:?}"),
    }
}

fn server_edit(line: &str) -> (RealServerKey, ServerEdit) {
    match request(&format!("-e -t 10.0.0.1:80 {line}")) {
        Request::EditServer(_, key, edit) => (key, edit),
        other => panic!("{line}: {other:?}"),
    }
}

fn service_edit(line: &str) -> ServiceEdit {
    match request(&format!("-E {line}")) {
        Request::EditService(_, edit) => edit,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn kept_server_is_edited_in_the_settings_of_the_line_alone() {
    let (key, edit) = server_edit("-r 10.1.0.1:8080 --keep");
    assert_eq!((key.port, edit), (8080, ServerEdit::default()));
    let (_, edit) = server_edit("-r 10.1.0.1 --keep -x 5 -m");
    let forwarding = Some(ForwardingEdit::To(Forwarding::Masquerading));
    let expected = ServerEdit { forwarding, upper_threshold: Some(5), ..ServerEdit::default() };
    assert_eq!(edit, expected);
    let (_, edit) = server_edit("--keep -r [2001:db8::1]:80 -i");
    assert_eq!(edit.forwarding, Some(ForwardingEdit::Tunneling));
    let (_, edit) = server_edit("--keep -r 10.1.0.1 -i --tun-type gre --tun-csum");
    let tunnel = Tunnel::Gre { checksum: TunnelChecksum::Full };
    assert_eq!(edit.forwarding, Some(ForwardingEdit::To(Forwarding::Tunneling(tunnel))));
    // With a method that does not map ports, the port is the service's, as without --keep.
    assert_eq!(server_edit("-r 10.1.0.1:8080 --keep -g").0.port, 80);
    assert_eq!(server_edit("-r 10.1.0.1:8080 --keep -g --own-port").0.port, 8080);
}

#[test]
fn weight_is_relative_with_keep_before_or_behind_it() {
    for (text, edit) in [
        ("0", WeightEdit::To(0)),
        ("+5", WeightEdit::Add(5)),
        ("-5", WeightEdit::Subtract(5)),
        ("50%", WeightEdit::Percent(50)),
        ("200%", WeightEdit::Percent(200)),
    ] {
        for line in
            [format!("-r 10.1.0.1 -w {text} --keep"), format!("--keep -r 10.1.0.1 -w {text}")]
        {
            assert_eq!(server_edit(&line).1.weight, Some(edit), "{line}");
        }
    }
    assert_eq!(server("-e -t 10.0.0.1:80 -r 10.1.0.1 -w +5").weight, 5);
    let wrong = ["0%", "%", "+", "+-5", "--5", "-5%", "5%%", "2147483648", "-2147483648", "x"];
    for weight in wrong {
        let line = format!("-e -t 10.0.0.1:80 -r 10.1.0.1 --keep -w {weight}");
        all_are_refused([(line.as_str(), "illegal weight specified")]);
    }
}

#[test]
fn relative_weight_without_keep_is_the_first_fault_and_names_keep() {
    for line in [
        "-e -t 10.0.0.1:80 -r 10.1.0.1 -w -5",
        "-a -t 10.0.0.1:80 -r 10.1.0.1 -w 50%",
        "-e -w -5 -t bogus..:80",
        "-e -w -5 --unknown",
        "-e -w -5 -t vip:http",
    ] {
        let error = read(line).unwrap_err().to_string();
        assert!(error.starts_with("illegal weight specified (`"), "{line}: {error}");
        assert!(error.ends_with("with --keep takes it as relative)"), "{line}: {error}");
    }
    all_are_refused([
        ("-e -w -5 --unknown --keep", "--unknown: unknown option"),
        ("-a -t 10.0.0.1:80 -r 10.1.0.1 -w -5 --keep", "Illegal 'keep' option"),
    ]);
}

#[test]
fn kept_service_is_edited_in_the_settings_of_the_line_alone() {
    assert_eq!(service_edit("-t 10.0.0.1:0 --keep").persistence, None);
    let edit = service_edit("-t 10.0.0.1:80 --keep -s sh -b sh-port");
    assert_eq!(edit.scheduler, Some("sh".parse().unwrap()));
    assert_eq!(edit.scheduler_flags, Some(SchedulerFlags::new([false, true, false])));
    let edit = service_edit("-t 10.0.0.1:80 --keep -p 60");
    assert!(edit.keeps_netmask && edit.netmask.is_none());
    assert_eq!(edit.persistence.unwrap().unwrap().timeout(), 60);
    let edit = service_edit("-t 10.0.0.1:80 --keep -M 24");
    assert_eq!((edit.persistence, edit.one_packet), (None, None));
    assert_eq!(edit.netmask, Netmask::of_length(24, Family::Ipv4));
    all_are_refused([("-E -t 10.0.0.1:80 --keep -o", "One-Packet Scheduling is only for UDP")]);
}

#[test]
fn conditions_are_part_of_the_request() {
    let Request::AddIfMissing(Entry::Server(..)) =
        request("-a -t 10.0.0.1:80 -r 10.1.0.1 --if-not-exists")
    else {
        panic!()
    };
    let Request::Replace(Entry::Service(_)) = request("-A -t 10.0.0.1:80 --replace") else {
        panic!()
    };
    for line in [
        "-d -t 10.0.0.1:80 -r 10.1.0.1 --if-exists",
        "-D -t 10.0.0.1:80 --if-exists",
        "-E -t 10.0.0.1:80 --if-exists",
        "-e -t 10.0.0.1:80 -r 10.1.0.1 --if-exists --keep -w 0",
    ] {
        assert!(matches!(request(line), Request::IfExists(_)), "{line}");
    }
    all_are_refused([
        (
            "-a -t 10.0.0.1:80 -r 10.1.0.1 --if-not-exists --replace",
            "The option 'replace' conflicts",
        ),
        ("-A -t 10.0.0.1:80 --if-exists", "Illegal 'if-exists' option with the 'add-service'"),
        ("-d -t 10.0.0.1:80 -r 10.1.0.1 --keep", "Illegal 'keep' option with the 'delete-server'"),
        ("-C --if-exists", "Illegal 'if-exists' option with the 'flush' command"),
    ]);
}
