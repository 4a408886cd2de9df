//! The faults of a command. A message begins with the sentence of ipvsadm 1.31; the value and the reason follow.

use std::net::IpAddr;

use thiserror::Error;

use crate::command::{UnknownColorChoice, UnknownDigest};
use crate::connection_query::{UnknownGrouping, UnknownOrigin, UnknownState};
use crate::hints;
use crate::table::{CommandName, OptionName};
use crate::tokens::TokenError;
use ipvs::model::{
    Family, InvalidNetwork, InvalidScope, NameError, NotMulticast, Protocol, SchedulerFlagError,
    UnknownRole,
};

/// The fault of a line or a command line.
#[derive(Debug, Error)]
pub enum RuleError {
    /// The line has no command; these are its words.
    #[error("no command in `{0}'{hint}", hint = hints::for_missing_command(.0))]
    NoCommand(String),
    /// `-R` among the lines that `-R` reads.
    #[error("-R within the lines that are being restored")]
    RestoreInside,
    /// The first option is not a command.
    #[error(transparent)]
    OptionFirst(OptionFirst),
    /// The first option is unknown or lacks its value.
    #[error(transparent)]
    BadStart(TokenError),
    /// A later option is unknown, lacks its value or has one too many.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An option of command lines in a rule line.
    #[error("--{0} is an option of command lines; a rule line cannot have it")]
    InRuleLine(&'static str),
    /// A second command.
    #[error("invalid option `{word}' (there is a command already: {command})")]
    SecondCommand {
        /// The last word of the second command.
        word: String,
        /// The first command.
        command: &'static str,
    },
    /// An option or another of its group occurs twice.
    #[error("multiple '{0}' options specified")]
    Repeated(&'static str),
    /// A value that the option rejects.
    #[error("{} ({reason})", complaint(*.option, .value, .reason))]
    BadValue {
        /// The option.
        option: OptionName,
        /// The value.
        value: String,
        /// The fault.
        reason: ValueError,
    },
    /// A timeout of `--set` that is not a number in range.
    #[error("invalid timeout value `{value}' specified ({reason})")]
    BadTimeout {
        /// The word.
        value: String,
        /// The fault.
        reason: ValueError,
    },
    /// A sync daemon that is neither master nor backup.
    #[error("{} ({reason})", daemon_complaint(*.command))]
    BadRole {
        /// The command that starts or stops it.
        command: CommandName,
        /// The fault.
        reason: UnknownRole,
    },
    /// A text that cannot be the name of an interface: the kernel would not find it.
    #[error("No such device ({0})")]
    BadInterface(NameError),
    /// `-6` without or before `-f`.
    #[error("-6 used before -f (it says that the packets of a firewall mark are IPv6)")]
    Ipv6BeforeMark,
    /// `--set` with fewer than three words.
    #[error("--set option requires 3 timeout values ({0} given)")]
    TooFewTimeouts(usize),
    /// An argument that the command lacks.
    #[error("unexpected argument {word}{}", hints::for_argument(*.missing, .word))]
    UnexpectedArgument {
        /// The argument.
        word: String,
        /// The option that the command requires and the line lacks.
        missing: Option<OptionName>,
    },
    /// An unexpected argument that begins with a typographic dash instead of a plain one.
    #[error(
        "unexpected argument {word} (it begins with U+{:04X}; an option begins with a plain dash: {})",
        u32::from(*.dash), plain(.word)
    )]
    TypographicDash {
        /// The word.
        word: String,
        /// Its first character.
        dash: char,
    },
    /// A word of `-b` that is not a flag of the scheduler.
    #[error(transparent)]
    SchedulerFlag(#[from] SchedulerFlagError),
    /// The command requires an option that is missing.
    #[error("You need to supply the '{option}' option for the '{command}' command")]
    Missing {
        /// The option's title.
        option: &'static str,
        /// The command's title.
        command: &'static str,
    },
    /// The command rejects an option of the line.
    #[error("Illegal '{option}' option with the '{command}' command{}", hints::for_rejected_option(.option, .command))]
    Illegal {
        /// The option's title.
        option: &'static str,
        /// The command's title.
        command: &'static str,
    },
    /// A service on all ports that is not persistent.
    #[error("Zero port specified for non-persistent service ({})", hints::for_zero_port(*.0))]
    ZeroPort(IpAddr),
    /// `-o` for TCP or SCTP.
    #[error("One-Packet Scheduling is only for UDP virtual services")]
    OnePacketNotUdp,
    /// A service and a real server of different IP versions, which only a tunnel connects.
    #[error("Different address family is allowed only for tunneling servers")]
    FamilyMismatch,
    /// A tunnel option without `-i`.
    #[error("Tunnel options conflict with forward method")]
    TunnelWithoutIpip,
    /// A tunnel type requires an option that is missing.
    #[error("You need to supply the '{option}' option for the '{tunnel}' tunnel type")]
    TunnelMissing {
        /// The option's long name.
        option: &'static str,
        /// The tunnel type.
        tunnel: &'static str,
    },
    /// A tunnel type rejects an option of the line.
    #[error("Illegal '{option}' option with the '{tunnel}' tunnel type")]
    TunnelIllegal {
        /// The option's long name.
        option: &'static str,
        /// The tunnel type.
        tunnel: &'static str,
    },
    /// Two tunnel options that exclude each other.
    #[error(
        "The option '{later}' conflicts with the '{earlier}' option in the '{tunnel}' tunnel type"
    )]
    TunnelConflict {
        /// One option's long name.
        later: &'static str,
        /// The other's.
        earlier: &'static str,
        /// The tunnel type.
        tunnel: &'static str,
    },
    /// A lower threshold above the upper one. A server with too many connections gets new ones again below the lower
    /// threshold.
    #[error(
        "Numerical result out of range (the lower threshold {lower} is above the upper threshold \
         {upper})"
    )]
    ThresholdsCrossed {
        /// `-y`.
        lower: u32,
        /// `-x`.
        upper: u32,
    },
    /// Options for two different listings.
    #[error("The option '{later}' conflicts with the '{earlier}' option in the 'list' command")]
    ListConflict {
        /// One option's title.
        later: &'static str,
        /// The other's.
        earlier: &'static str,
    },
    /// An option that excludes another one of the line.
    #[error("The option '{option}' conflicts with the '{other}' option in the '{command}' command{}", hints::for_conflict(.option, .other))]
    Conflict {
        /// The title of the option.
        option: &'static str,
        /// The title of the other one.
        other: &'static str,
        /// The command's title.
        command: &'static str,
    },
    /// An option that needs another one.
    #[error(
        "You need to supply the '{needed}' option for the '{option}' option of the '{command}' command"
    )]
    Needed {
        /// The title of the option that is missing.
        needed: &'static str,
        /// The title of the option that needs it.
        option: &'static str,
        /// The command's title.
        command: &'static str,
    },
    /// A format of the table in another listing.
    #[error("options conflicts in the list command (--{format} is a format of the table)")]
    ListFormatConflict {
        /// The format's option.
        format: &'static str,
    },
}

/// An option that comes before the command.
#[derive(Debug, Error)]
#[error("--{option} comes before a command{}", hints::for_option_before_command(*.command))]
pub struct OptionFirst {
    /// The option's long name.
    pub option: &'static str,
    /// The first command of the line, if it has one.
    pub command: Option<CommandName>,
}

/// The fault of a value.
#[derive(Debug, Error)]
pub enum ValueError {
    /// `--metrics=` without a name.
    #[error("the name of the file is missing; without `=' the text goes to standard output")]
    NoFile,
    /// `-L --settings=FILE`.
    #[error("-L prints the settings; -S --settings=FILE writes a file")]
    FileOfListing,
    /// Not a word of `--by`.
    #[error("`{0}' is not one of: service")]
    NotByService(String),
    /// Not a number in the range.
    #[error("`{text}' is not a number from {first} to {last}")]
    NotInRange {
        /// The text.
        text: String,
        /// The smallest.
        first: i64,
        /// The largest.
        last: i64,
    },
    /// A relative weight without `--keep`.
    #[error("`{0}' is not a number from 0 to 2147483647; -e with --keep takes it as relative")]
    RelativeWeight(String),
    /// Not an address and not a host name.
    #[error("`{0}' is neither an address nor a host name{hint}", hint = hints::for_endpoint(.0))]
    NotAnAddress(String),
    /// The resolver has no address for the name.
    #[error("`{host}': {reason}")]
    Unresolved {
        /// The name.
        host: String,
        /// The resolver's message.
        reason: String,
    },
    /// A port name at a place where the protocol is not known yet.
    #[error("`{0}' is not a port number; a port name is read only after the service's option")]
    PortName(String),
    /// A port name that the services file does not list for the protocol.
    #[error("`{name}' is neither a port number nor a {protocol} service")]
    UnknownPort {
        /// The name.
        name: String,
        /// The protocol of the port.
        protocol: Protocol,
    },
    /// Not a mask.
    #[error("`{text}' is not {}", mask_form(*.family))]
    NotAMask {
        /// The text.
        text: String,
        /// The family of the addresses that it masks.
        family: Family,
    },
    /// Not the name of a scheduler, persistence engine or interface.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 text")]
    NotUtf8,
    /// Not a type of tunnel.
    #[error("`{0}' is none of ipip, gue, gre")]
    NotATunnel(String),
    /// Not a choice of colours.
    #[error(transparent)]
    ColorChoice(#[from] UnknownColorChoice),
    /// Not a value of `--digest`.
    #[error(transparent)]
    Digest(#[from] UnknownDigest),
    /// Not a network of clients.
    #[error(transparent)]
    Network(#[from] InvalidNetwork),
    /// Not a list of states.
    #[error(transparent)]
    State(#[from] UnknownState),
    /// Not an origin.
    #[error(transparent)]
    Origin(#[from] UnknownOrigin),
    /// Not a grouping of connections.
    #[error(transparent)]
    Grouping(#[from] UnknownGrouping),
    /// Not a multicast address.
    #[error(transparent)]
    NotMulticast(#[from] NotMulticast),
    /// Not a part of the table.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
}

/// The sentence of 1.31 for a bad value of an option.
fn complaint(option: OptionName, value: &str, reason: &ValueError) -> String {
    use OptionName::*;

    let sentence = match option {
        TcpService | UdpService | SctpService => "illegal virtual server address[:port] specified",
        RealServer => "illegal real server address[:port] specified",
        Netmask if matches!(reason, ValueError::NotAMask { family: Family::Ipv6, .. }) => {
            "illegal ipv6 netmask specified"
        }
        Netmask => "illegal virtual server persistent mask specified",
        Weight => "illegal weight specified",
        UpperThreshold => "illegal u_threshold specified",
        LowerThreshold => "illegal l_threshold specified",
        TunType => "illegal tunnel type specified",
        TunPort => "illegal tunnel port specified",
        SyncId => "illegal syncid specified",
        SyncMaxlen => "illegal sync-maxlen specified",
        McastPort => "illegal mcast-port specified",
        McastTtl => "illegal mcast-ttl specified",
        Color => "illegal color specified",
        Drain => "illegal drain time specified",
        Confirm => "illegal confirmation time specified",
        Client => "illegal client specified",
        State => "illegal state specified",
        Origin => "illegal origin specified",
        CountBy => "illegal count-by specified",
        Limit => "illegal limit specified",
        Watch | Monitor => return format!("invalid interval `{value}' specified"),
        Probe => "illegal probe time specified",
        Sample => "illegal sample time specified",
        Metrics => "illegal metrics file specified",
        Settings => "illegal settings file specified",
        By => "illegal by specified",
        Scheduler | Engine => "Scheduler or persistence engine not found",
        FwmarkService => return format!("invalid fwmark value `{value}' specified"),
        Persistent => return format!("invalid timeout value `{value}' specified"),
        McastGroup if value.contains(':') => return format!("invalid IPv6 mcast-group `{value}'"),
        McastGroup => return format!("invalid IPv4 mcast-group `{value}'"),
        Within => "illegal scope specified",
        Digest => "illegal digest specified",
        _ => "illegal value specified",
    };
    sentence.to_owned()
}

/// A word with plain dashes in the place of typographic ones. An em dash replaces the two dashes of a long option.
fn plain(word: &str) -> String {
    let dashes = |c| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    let name = word.trim_start_matches(dashes);
    let is_long = word.starts_with('\u{2014}') && name.chars().nth(1).is_some();
    format!("{}{name}", if is_long { "--" } else { "-" })
}

fn mask_form(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "a mask such as 255.255.255.0 or a prefix length from 1 to 32",
        Family::Ipv6 => "a prefix length from 1 to 128",
    }
}

fn daemon_complaint(command: CommandName) -> &'static str {
    match command {
        CommandName::StartDaemon => "illegal start-daemon parameter specified",
        _ => "illegal start_daemon specified",
    }
}
