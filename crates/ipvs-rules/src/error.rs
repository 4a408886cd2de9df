//! What can be wrong with a command, in the sentences that ipvsadm 1.31 has for it, then what and where.

use thiserror::Error;

use crate::table::{CommandName, OptionName};
use crate::tokens::TokenError;
use ipvs::model::{Family, NameError, NotMulticast, Protocol, SchedulerFlagError, UnknownRole};

/// Why a line or a command line is no command.
#[derive(Debug, Error)]
pub enum RuleError {
    /// Nothing on the line is a command; this is what stands there.
    #[error("no command in `{0}'")]
    NoCommand(String),
    /// `-R` among the lines that `-R` reads.
    #[error("-R within the lines that are being restored")]
    RestoreInside,
    /// The first option is not a command.
    #[error("--{0} comes before a command")]
    OptionFirst(&'static str),
    /// The first option is none at all.
    #[error(transparent)]
    BadStart(TokenError),
    /// A later word is no option.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A second command.
    #[error("invalid option `{word}' (there is a command already: {command})")]
    SecondCommand {
        /// The word that it ends with.
        word: String,
        /// The first command.
        command: &'static str,
    },
    /// An option, or another of its group, was there before.
    #[error("multiple '{0}' options specified")]
    Repeated(&'static str),
    /// A value that the option does not have.
    #[error("{} ({reason})", complaint(*.option, .value, .reason))]
    BadValue {
        /// The option.
        option: OptionName,
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: ValueError,
    },
    /// A timeout of `--set` that is none.
    #[error("invalid timeout value `{value}' specified ({reason})")]
    BadTimeout {
        /// The word.
        value: String,
        /// What is wrong with it.
        reason: ValueError,
    },
    /// A sync daemon that is neither master nor backup.
    #[error("{} ({reason})", daemon_complaint(*.command))]
    BadRole {
        /// Starting or stopping.
        command: CommandName,
        /// What is wrong with the role.
        reason: UnknownRole,
    },
    /// A name that cannot be that of an interface: the kernel has none of it.
    #[error("No such device ({0})")]
    BadInterface(NameError),
    /// `-6` without or before `-f`.
    #[error("-6 used before -f (it says that the packets of a firewall mark are IPv6)")]
    Ipv6BeforeMark,
    /// `--set` with fewer than three words.
    #[error("--set option requires 3 timeout values ({0} given)")]
    TooFewTimeouts(usize),
    /// A word that belongs to nothing.
    #[error("unexpected argument {0}")]
    UnexpectedArgument(String),
    /// As before, for a word with a dash that an editor made typographic.
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
    /// A word of `-b`.
    #[error(transparent)]
    SchedulerFlag(#[from] SchedulerFlagError),
    /// The command needs an option.
    #[error("You need to supply the '{option}' option for the '{command}' command")]
    Missing {
        /// The option's title.
        option: &'static str,
        /// The command's title.
        command: &'static str,
    },
    /// The command does not have an option.
    #[error("Illegal '{option}' option with the '{command}' command")]
    Illegal {
        /// The option's title.
        option: &'static str,
        /// The command's title.
        command: &'static str,
    },
    /// A service on all ports keeps nobody with a real server.
    #[error("Zero port specified for non-persistent service")]
    ZeroPort,
    /// `-o` for TCP or SCTP.
    #[error("One-Packet Scheduling is only for UDP virtual services")]
    OnePacketNotUdp,
    /// Only a tunnel gets from one IP version to the other.
    #[error("Different address family is allowed only for tunneling servers")]
    FamilyMismatch,
    /// A tunnel option without `-i`.
    #[error("Tunnel options conflict with forward method")]
    TunnelWithoutIpip,
    /// A tunnel type needs an option.
    #[error("You need to supply the '{option}' option for the '{tunnel}' tunnel type")]
    TunnelMissing {
        /// The option's long name.
        option: &'static str,
        /// The tunnel type.
        tunnel: &'static str,
    },
    /// A tunnel type does not have an option.
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
    /// The kernel lets a server in again below the lower threshold, so it cannot be the higher one.
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
    /// Two things to list at once.
    #[error("The option '{later}' conflicts with the '{earlier}' option in the 'list' command")]
    ListConflict {
        /// One option's title.
        later: &'static str,
        /// The other's.
        earlier: &'static str,
    },
    /// A format of the table for something else.
    #[error("options conflicts in the list command (--{format} is a format of the table)")]
    ListFormatConflict {
        /// The format's option.
        format: &'static str,
    },
}

/// What is wrong with a value.
#[derive(Debug, Error)]
pub enum ValueError {
    /// Not a number, or not one of these.
    #[error("`{text}' is not a number from {first} to {last}")]
    NotInRange {
        /// The text.
        text: String,
        /// The smallest.
        first: i64,
        /// The largest.
        last: i64,
    },
    /// Not an address and not a host name.
    #[error("`{0}' is neither an address nor a host name")]
    NotAnAddress(String),
    /// An address in brackets alone.
    #[error("`{0}' has no port behind the bracket")]
    NoPortBehindBracket(String),
    /// The resolver has no address for the name.
    #[error("`{host}': {reason}")]
    Unresolved {
        /// The name.
        host: String,
        /// The resolver's message.
        reason: String,
    },
    /// A name for a port before it is known which protocol's.
    #[error("`{0}' is no port; a port has a name only behind the service's option")]
    PortName(String),
    /// The services file does not have it.
    #[error("`{name}' is no port and no {protocol} service")]
    UnknownPort {
        /// The name.
        name: String,
        /// Whose name it would be.
        protocol: Protocol,
    },
    /// Not a mask.
    #[error("`{text}' is not {}", mask_form(*.family))]
    NotAMask {
        /// The text.
        text: String,
        /// Whose addresses it would be for.
        family: Family,
    },
    /// Not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not a type of tunnel.
    #[error("`{0}' is none of ipip, gue, gre")]
    NotATunnel(String),
    /// Not a multicast address.
    #[error(transparent)]
    NotMulticast(#[from] NotMulticast),
}

/// The sentence that 1.31 has for a bad value of an option.
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
        Scheduler | Engine => "Scheduler or persistence engine not found",
        FwmarkService => return format!("invalid fwmark value `{value}' specified"),
        Persistent => return format!("invalid timeout value `{value}' specified"),
        McastGroup if value.contains(':') => return format!("invalid IPv6 mcast-group `{value}'"),
        McastGroup => return format!("invalid IPv4 mcast-group `{value}'"),
        _ => "illegal value specified",
    };
    sentence.to_owned()
}

/// A word as it was before something made its dashes typographic. A long one has become a single one.
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
