//! Commands: the meaning of a line or of a command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipvs::model::{Request, Scope, ServiceKey};
use ipvs::plan::DrainTarget;
use thiserror::Error;

use crate::connection_query::ConnectionQuery;

/// A whole command, every value checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Change the kernel's table.
    Request(Request),
    /// Print the entries that a change would affect, before and after.
    DryRun(TableChange),
    /// Make a change, and undo it unless somebody confirms it within this many seconds.
    Confirm(TableChange, u32),
    /// Take real servers out of service, and wait for the end of their connections.
    Drain(Drain),
    /// Delete the services inside scopes.
    ClearWithin(Vec<Scope>),
    /// Print the kernel's state.
    List(List),
    /// Print the table as rule lines.
    Save(Save),
    /// Print the kernel's settings that differ from the defaults, or replace a file with them.
    SaveSysctls(Option<PathBuf>),
    /// Look for the faults of a director and of its network.
    Doctor(Doctor),
    /// Apply the lines of a file, or of standard input.
    Restore(Lines),
    /// Print the help.
    Help(Help),
    /// Print the version.
    Version,
}

/// A change of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableChange {
    /// Change one entry or one setting, or delete all services.
    Request(Request),
    /// Delete the services inside scopes.
    ClearWithin(Vec<Scope>),
}

/// The lines of `-R`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The file; `None` for standard input.
    pub file: Option<PathBuf>,
    /// Print what the lines would change, and change nothing.
    pub is_dry_run: bool,
}

/// The options about the run of a program, which a command line may also have before its command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgramOptions<'a> {
    /// The network namespace as it was typed: a path, a name or the number of a process.
    pub namespace: Option<&'a str>,
    /// The choice of colours, unless it was omitted.
    pub color: Option<ColorChoice>,
}

/// The choice of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Colours on a terminal that has some.
    #[default]
    Auto,
    /// Colours everywhere.
    Always,
    /// No colours.
    Never,
}

/// A text that is not a choice of colours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}' is none of auto, always, never")]
pub struct UnknownColorChoice(String);

impl FromStr for ColorChoice {
    type Err = UnknownColorChoice;

    fn from_str(text: &str) -> Result<Self, UnknownColorChoice> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(UnknownColorChoice(text.to_owned())),
        }
    }
}

/// The length of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// Every name, but only the commands with a description.
    Short,
    /// A description of everything.
    Full,
}

/// A listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The entries to list.
    pub subject: ListSubject,
    /// Addresses and ports as numbers. JSON has numbers in any case.
    pub is_numeric: bool,
    /// The format of the output.
    pub format: OutputFormat,
    /// The time between two repetitions; `None` for one listing.
    pub interval: Option<Duration>,
}

/// The entries of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListSubject {
    /// Virtual services and their real servers.
    Services {
        /// One service; all of them if `None`.
        service: Option<ServiceKey>,
        /// The columns of the text. JSON has all values.
        columns: ServiceColumns,
        /// In the order of the keys, rather than in the kernel's. JSON is always in order.
        is_sorted: bool,
    },
    /// Connections.
    Connections(Box<ConnectionQuery>),
    /// The connection timeouts.
    Timeouts,
    /// The sync daemons.
    Daemons,
    /// The changes of the table from now on.
    Changes,
    /// The state as metrics.
    Metrics(Box<MetricsQuery>),
    /// One line for each service, the totals, and the helpers of applications.
    Summary {
        /// The tables have titles.
        has_header: bool,
    },
    /// The settings `net.ipv4.vs.*` of the kernel, and the load of the connection table.
    Sysctls {
        /// The tables have titles.
        has_header: bool,
    },
}

/// A listing of metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsQuery {
    /// The file that the metrics replace; `None` for standard output.
    pub file: Option<PathBuf>,
    /// The entries that have metrics of their own.
    pub detail: MetricsDetail,
}

/// The entries that have metrics of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsDetail {
    /// Services and real servers.
    #[default]
    Servers,
    /// Services. Their real servers are added up.
    Services,
}

/// The format of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// The text of ipvsadm 1.31.
    #[default]
    Text,
    /// JSON with all values.
    Json,
}

/// The columns of a listing of services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceColumns {
    /// Forwarding, weight and connections.
    #[default]
    Plain,
    /// Totals.
    Stats {
        /// All digits.
        is_exact: bool,
    },
    /// Rates.
    Rate {
        /// All digits.
        is_exact: bool,
    },
    /// Thresholds.
    Thresholds,
    /// Persistent clients.
    PersistentConnections,
    /// Tunnels.
    Tunnels,
}

/// A drain: `--drain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// The real servers.
    pub target: DrainTarget,
    /// Delete the target when it is drained. Otherwise it keeps weight 0.
    pub deletes: bool,
    /// The longest wait in seconds; `None` for no limit.
    pub limit: Option<u32>,
    /// Drain although new connections would be refused, and delete the target also if connections are left.
    pub is_forced: bool,
    /// The format of the progress.
    pub format: OutputFormat,
}

/// A look for faults: `--doctor`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doctor {
    /// Print the description of this finding, and look at nothing.
    pub code: Option<String>,
    /// Findings about one service; about everything if `None`.
    pub service: Option<ServiceKey>,
    /// Probe the real servers, and wait this many seconds for their answers.
    pub probe: Option<u32>,
    /// Look twice, this many seconds apart.
    pub sample: Option<u32>,
    /// The saved table of another director, which should be the same. A lone dash means standard input.
    pub against: Option<PathBuf>,
    /// The format of the findings.
    pub format: OutputFormat,
}

/// A save: the part of the table and the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Save {
    /// Addresses and ports as numbers.
    pub is_numeric: bool,
    /// One service; all of them if `None`.
    pub service: Option<ServiceKey>,
    /// The part of the table; all of it if there is none.
    pub scopes: Vec<Scope>,
    /// The timeouts and the sync daemons, too.
    pub with_settings: bool,
    /// The file; `None` for standard output.
    pub file: Option<PathBuf>,
    /// An empty table may replace a file that holds rules.
    pub may_be_empty: bool,
    /// The form of the rules.
    pub form: SaveForm,
}

/// The form of saved rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveForm {
    /// Rule lines.
    #[default]
    Lines,
    /// A JSON document.
    Json,
    /// The digest of the lines.
    Digest(DigestedWeights),
}

/// The weights in a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestedWeights {
    /// The digest is that of the lines without their weights, which health checks change.
    Omitted,
    /// The digest is that of the whole lines.
    Included,
}

/// A text that is not a value of `--digest`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}' is not one of: all")]
pub struct UnknownDigest(String);

impl FromStr for DigestedWeights {
    type Err = UnknownDigest;

    fn from_str(text: &str) -> Result<Self, UnknownDigest> {
        match text {
            "all" => Ok(Self::Included),
            _ => Err(UnknownDigest(text.to_owned())),
        }
    }
}
