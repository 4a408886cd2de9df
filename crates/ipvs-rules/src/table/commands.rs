//! The rows of the commands.

use super::CommandName::{self, *};
use super::CommandSpec;
use super::ValueSpec::{GluedValue, Nothing, Value};

const fn command(
    command: CommandName,
    short: Option<char>,
    long: &'static str,
    title: &'static str,
    help: &'static str,
) -> CommandSpec {
    CommandSpec { command, short, alias: None, long, title, value: Nothing, arguments: &[], help }
}

/// All commands.
pub static COMMANDS: &[CommandSpec] = &[
    command(AddService, Some('A'), "add-service", "add-service", "Add a virtual service"),
    command(
        EditService,
        Some('E'),
        "edit-service",
        "edit-service",
        "Edit a virtual service: options that are omitted return to their defaults",
    ),
    command(
        DeleteService,
        Some('D'),
        "delete-service",
        "delete-service",
        "Delete a virtual service with its real servers",
    ),
    command(Clear, Some('C'), "clear", "flush", "Delete all virtual services"),
    CommandSpec {
        arguments: &["FILE"],
        ..command(
            Restore,
            Some('R'),
            "restore",
            "restore",
            "Apply the lines of a file or of standard input",
        )
    },
    CommandSpec {
        arguments: &["FILE"],
        ..command(
            Save,
            Some('S'),
            "save",
            "save",
            "Save the table as lines that -R takes; without FILE, print it",
        )
    },
    command(AddServer, Some('a'), "add-server", "add-server", "Add a real server to a service"),
    command(
        EditServer,
        Some('e'),
        "edit-server",
        "edit-server",
        "Edit a real server: options that are omitted return to their defaults",
    ),
    command(
        DeleteServer,
        Some('d'),
        "delete-server",
        "delete-server",
        "Delete a real server from a service",
    ),
    CommandSpec {
        alias: Some('l'),
        ..command(List, Some('L'), "list", "list", "List the table; the default command")
    },
    command(Zero, Some('Z'), "zero", "zero", "Zero the counters of a service, or of all"),
    CommandSpec {
        arguments: &["TCP", "TCPFIN", "UDP"],
        ..command(
            Set,
            None,
            "set",
            "set",
            "Set the connection timeouts in seconds; 0 leaves one as it is",
        )
    },
    CommandSpec {
        value: Value("master|backup"),
        ..command(
            StartDaemon,
            None,
            "start-daemon",
            "start-daemon",
            "Start a connection sync daemon",
        )
    },
    CommandSpec {
        value: Value("master|backup"),
        ..command(StopDaemon, None, "stop-daemon", "stop-daemon", "Stop a connection sync daemon")
    },
    CommandSpec {
        value: GluedValue("CODE"),
        ..command(
            Doctor,
            None,
            "doctor",
            "doctor",
            "Look for faults of this director and its network; with CODE, explain a finding",
        )
    },
    command(Help, Some('h'), "help", "help", "Print the help: short with -h, complete with --help"),
    command(Version, Some('v'), "version", "version", "Print the version"),
];
