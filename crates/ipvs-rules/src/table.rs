//! The table of all commands and options. The command line, rule lines, help, completions and the check of the manual
//! use it.

mod commands;
mod options;

use CommandName::*;
use Presence::*;

pub use commands::COMMANDS;
pub use options::OPTIONS;

/// A command: the first option of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandName {
    /// `-A`
    AddService,
    /// `-E`
    EditService,
    /// `-D`
    DeleteService,
    /// `-C`
    Clear,
    /// `-R`
    Restore,
    /// `-S`
    Save,
    /// `-a`
    AddServer,
    /// `-e`
    EditServer,
    /// `-d`
    DeleteServer,
    /// `-L`
    List,
    /// `-Z`
    Zero,
    /// `--set`
    Set,
    /// `--start-daemon`
    StartDaemon,
    /// `--stop-daemon`
    StopDaemon,
    /// `--doctor`
    Doctor,
    /// `-h`
    Help,
    /// `-v`
    Version,
}

/// An option behind a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table describes each of them")]
pub enum OptionName {
    Numeric,
    Connection,
    TcpService,
    UdpService,
    SctpService,
    FwmarkService,
    Scheduler,
    Persistent,
    Netmask,
    RealServer,
    Gatewaying,
    Ipip,
    Masquerading,
    Weight,
    UpperThreshold,
    LowerThreshold,
    McastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    Nosort,
    SyncId,
    Exact,
    Ops,
    Engine,
    SchedulerFlags,
    McastGroup,
    McastPort,
    McastTtl,
    SyncMaxlen,
    TunInfo,
    TunType,
    TunPort,
    TunNocsum,
    TunCsum,
    TunRemcsum,
    Json,
    All,
    AllowEmpty,
    OwnPort,
    Drain,
    Force,
    Within,
    Probe,
    Sample,
    Against,
    Sort,
    Ipv6,
    Metrics,
    By,
    Netns,
    Color,
    Client,
    State,
    Origin,
    Count,
    CountBy,
    Limit,
    NoHeader,
    Keep,
    IfExists,
    IfNotExists,
    Replace,
    DryRun,
    Confirm,
    Watch,
    Monitor,
    Settings,
    Digest,
    Summary,
}

/// The value of a command or an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueSpec {
    /// No value.
    Nothing,
    /// A value: the rest of the word or the next word, even if that begins with a dash. The text is its name in the
    /// help.
    Value(&'static str),
    /// An optional value: the rest of the word, or the next word unless that begins with a dash.
    MaybeValue(&'static str),
    /// An optional value: the rest of the word, and never the next word.
    GluedValue(&'static str),
}

/// The relation between a command and an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The command needs the option.
    Required,
    /// The command accepts the option.
    Allowed,
    /// The command rejects the option.
    Refused,
}

/// A command's row.
#[derive(Debug)]
pub struct CommandSpec {
    /// The command.
    pub command: CommandName,
    /// The letter of its short form.
    pub short: Option<char>,
    /// A second letter with the same meaning.
    pub alias: Option<char>,
    /// Its long name, without the dashes.
    pub long: &'static str,
    /// Its name in messages.
    pub title: &'static str,
    /// Its value.
    pub value: ValueSpec,
    /// The names of the arguments that its line may have.
    pub arguments: &'static [&'static str],
    /// Its description in the help.
    pub help: &'static str,
}

/// An option's row.
#[derive(Debug)]
pub struct OptionSpec {
    /// The option.
    pub option: OptionName,
    /// The letter of its short form.
    pub short: Option<char>,
    /// Its long name, without the dashes.
    pub long: &'static str,
    /// Its name in messages.
    pub title: &'static str,
    /// The group of options that share a title and exclude each other, named by its first option. Most options are a
    /// group of their own.
    pub group: OptionName,
    /// Its value.
    pub value: ValueSpec,
    /// The relation to the commands in `owners`. If it is [`Required`], one option of the group is enough.
    pub presence: Presence,
    /// The commands that accept the option.
    pub owners: &'static [CommandName],
    /// Its description in the help.
    pub help: &'static str,
    /// The short help leaves it out. It has all options of ipvsadm 1.31, and those of daily use.
    pub is_rare: bool,
}

impl OptionSpec {
    /// The heading above the option in the help.
    pub fn heading(&self) -> &'static str {
        match self.owners {
            _ if self.is_of_program() => "General options",
            [AddService, AddServer, ..] => "Careful changes",
            // `--sort`, which 1.31 accepts everywhere.
            owners if owners.contains(&Set) => "List options",
            // Options that name a service.
            [AddService, rest @ ..] if rest.contains(&DeleteService) => "Service",
            [EditService, EditServer, ..] => "Careful changes",
            [AddService, ..] => "Service options",
            [EditServer, DeleteServer, DeleteService] => "Drain options",
            [Save, ..] => "Save options",
            [CommandName::Doctor] => "Doctor options",
            [AddServer, ..] => "Real server options",
            [StartDaemon, ..] => "Daemon options",
            _ => "List options",
        }
    }

    /// True for the options that are about the run of a program instead of its command. On a command line they may also come
    /// before the command; rule lines refuse them.
    pub const fn is_of_program(&self) -> bool {
        matches!(self.option, OptionName::Netns | OptionName::Color)
    }

    /// True for options that rule lines refuse: those of the program, those that make a command run until it is stopped,
    /// and the one that waits for a person.
    pub const fn is_of_command_line(&self) -> bool {
        use OptionName::{Confirm, Monitor, Watch};

        self.is_of_program() || matches!(self.option, Watch | Monitor | Confirm)
    }

    /// The relation of a command to this option.
    pub const fn presence_with(&self, command: CommandName) -> Presence {
        let mut owners = self.owners;
        while let [owner, others @ ..] = owners {
            if *owner as u8 == command as u8 {
                return match (self.presence, command) {
                    // Without a service, these commands work on all services.
                    (Required, List | Zero | Save | CommandName::Doctor) => Allowed,
                    (presence, _) => presence,
                };
            }
            owners = others;
        }
        Refused
    }
}

#[cfg(test)]
mod tests;
