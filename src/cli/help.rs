//! What `-h` and `-v` print.

use std::io::{self, Write};

use super::front;

/// Writes the version. Scripts compare its beginning.
pub(super) fn write_version(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "ipvsadm v{} (IPVS over generic netlink)", env!("CARGO_PKG_VERSION"))
}

const USAGE: &str = "\
Usage:
  ipvsadm -A|-E SERVICE [-s SCHEDULER] [-p [SECONDS]] [-M MASK] [--pe ENGINE] [-b FLAGS] [-o]
  ipvsadm -D SERVICE
  ipvsadm -a|-e SERVICE -r HOST[:PORT] [-g|-i|-m] [-w WEIGHT] [-x MAX] [-y MIN] [TUNNEL OPTIONS]
  ipvsadm -d SERVICE -r HOST[:PORT]
  ipvsadm [-L] [SERVICE] [-n] [LIST OPTIONS]
  ipvsadm -L -c|--timeout|--daemon [-n] [--json]
  ipvsadm -Z [SERVICE]
  ipvsadm -C
  ipvsadm -S [-n] [--all] [--allow-empty] [SERVICE] [FILE]
  ipvsadm -R [FILE]
  ipvsadm --set TCP TCPFIN UDP
  ipvsadm --start-daemon master|backup [DAEMON OPTIONS]
  ipvsadm --stop-daemon master|backup

SERVICE is -t HOST[:PORT], -u HOST[:PORT], --sctp-service HOST[:PORT] or -f MARK [-6].
";

/// Writes the help.
pub(super) fn write_help(out: &mut dyn Write) -> io::Result<()> {
    write_version(out)?;
    out.write_all(
        b"Administers the Linux Virtual Server, the kernel's layer-4 load balancer (IPVS).\n\n",
    )?;
    out.write_all(USAGE.as_bytes())?;
    let help = front::command().help_template("{all-args}\n").render_help();
    write!(out, "\n{help}")
}
