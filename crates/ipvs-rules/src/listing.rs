//! Makes a listing of the options of `-L`, and refuses combinations that have no meaning.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::{
    List, ListSubject, MetricsDetail, MetricsQuery, OutputFormat, ServiceColumns,
};
use crate::connection_query::{ConnectionColumns, ConnectionQuery, ConnectionReport};
use crate::error::{RuleError, ValueError};
use crate::line_options::{ListOptions, Options};
use crate::table::OptionName;
use ipvs::model::{ConnectionFilter, RealServerKey};

/// The groups of the options that go with `--count` and `--count-by`.
const OPTIONS_OF_COUNTS: [OptionName; 15] = [
    OptionName::Connection,
    OptionName::TcpService,
    OptionName::Ipv6,
    OptionName::RealServer,
    OptionName::Client,
    OptionName::State,
    OptionName::Origin,
    OptionName::Count,
    OptionName::CountBy,
    OptionName::Limit,
    OptionName::NoHeader,
    OptionName::Numeric,
    OptionName::Json,
    OptionName::Sort,
    OptionName::Watch,
];

impl Options<'_> {
    /// The listing of `-L`.
    pub(super) fn list(&mut self) -> Result<List, RuleError> {
        if let Some(file) = self.other().listing.metrics.take() {
            return self.metrics(file);
        }
        if let Some(file) = self.other().sysctls.take() {
            return self.sysctls(file);
        }
        if self.other().listing.is_summary {
            let has_header = !self.other().listing.has_no_header;
            return self.grid("summary", OptionName::Summary, ListSubject::Summary { has_header });
        }
        if self.other().listing.is_by_service {
            return Err(RuleError::Needed { needed: "metrics", option: "by", command: "list" });
        }
        let listing = self.take_other().listing;
        let Options { service, real_server, has_server_port, is_numeric, groups, .. } = *self;
        let ListOptions {
            connections,
            timeouts,
            daemons,
            stats,
            rate,
            thresholds,
            persistent_connections,
            tunnels,
            is_unsorted,
            is_exact,
            is_json,
            client,
            states,
            origin,
            is_count,
            grouping,
            limit,
            has_no_header,
            watch,
            monitor,
            metrics: _,
            is_by_service: _,
            is_summary: _,
        } = listing;
        let mut subjects = [
            (connections, "connection"),
            (service.is_some() && !connections, "service-address"),
            (timeouts, "timeout"),
            (daemons, "daemon"),
            (monitor.is_some(), "monitor"),
            (watch.is_some() && monitor.is_some(), "watch"),
        ]
        .into_iter()
        .filter_map(|(is_given, title)| is_given.then_some(title));
        if let (Some(earlier), Some(later)) = (subjects.next(), subjects.next()) {
            return Err(RuleError::ListConflict { later, earlier });
        }
        let format = [
            (stats, "stats", ServiceColumns::Stats { is_exact }),
            (rate, "rate", ServiceColumns::Rate { is_exact }),
            (thresholds, "thresholds", ServiceColumns::Thresholds),
            // In a listing of connections the option adds two columns.
            (
                persistent_connections && !connections,
                "persistent-conn",
                ServiceColumns::PersistentConnections,
            ),
        ]
        .into_iter()
        .find(|&(is_given, ..)| is_given);
        match format {
            Some((_, format, _)) if connections || timeouts || daemons || monitor.is_some() => {
                return Err(RuleError::ListFormatConflict { format });
            }
            _ => {}
        }
        let for_connections = [
            (client.is_some(), "client"),
            (!states.is_empty(), "state"),
            (origin.is_some(), "origin"),
            (is_count, "count"),
            (grouping.is_some(), "count-by"),
        ];
        match for_connections.into_iter().find(|&(is_given, _)| is_given) {
            Some((_, option)) if !connections => {
                return Err(RuleError::Needed { needed: "connection", option, command: "list" });
            }
            _ => {}
        }
        if limit.is_some() && grouping.is_none() {
            return Err(RuleError::Needed { needed: "count-by", option: "limit", command: "list" });
        }
        let has_header = !has_no_header;
        if has_no_header && !is_count && grouping.is_none() {
            return Err(RuleError::Needed {
                needed: "count', 'count-by', 'summary' or 'settings",
                option: "no-header",
                command: "list",
            });
        }
        let subject = if connections {
            // The kernel's file with origins lacks the data of engines, and counts have no columns.
            let later = for_connections
                .into_iter()
                .find(|&(is_given, title)| is_given && !matches!(title, "client" | "state"));
            if let (true, Some((_, later))) = (persistent_connections, later) {
                return Err(RuleError::ListConflict { later, earlier: "persistent-conn" });
            }
            if is_count && grouping.is_some() {
                return Err(RuleError::ListConflict { later: "count-by", earlier: "count" });
            }
            // 1.31 ignores some options of other listings; new reports refuse them.
            if is_count || grouping.is_some() {
                if let Some(spec) = groups.first_beside(&OPTIONS_OF_COUNTS) {
                    let earlier = if is_count { "count" } else { "count-by" };
                    return Err(RuleError::ListConflict { later: spec.title, earlier });
                }
            }
            let report = match grouping {
                Some(grouping) => {
                    let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
                    ConnectionReport::CountBy { grouping, limit, has_header }
                }
                None if is_count => ConnectionReport::Count { has_header },
                None if persistent_connections => {
                    ConnectionReport::Rows(ConnectionColumns::WithEngineData)
                }
                None => ConnectionReport::Rows(ConnectionColumns::Plain),
            };
            let mut filter = ConnectionFilter::default();
            (filter.client, filter.states, filter.origin) = (client, states, origin);
            filter.server = real_server.map(|key| match has_server_port {
                true => key,
                false => RealServerKey { port: 0, ..key },
            });
            ListSubject::Connections(Box::new(ConnectionQuery { service, filter, report }))
        } else if monitor.is_some() {
            let allowed =
                [OptionName::Monitor, OptionName::Json, OptionName::Numeric, OptionName::Sort];
            if let Some(spec) = groups.first_beside(&allowed) {
                return Err(RuleError::ListConflict { later: spec.title, earlier: "monitor" });
            }
            ListSubject::Changes
        } else if timeouts {
            ListSubject::Timeouts
        } else if daemons {
            ListSubject::Daemons
        } else {
            let columns = match format {
                Some((.., columns)) => columns,
                None if tunnels => ServiceColumns::Tunnels,
                None => ServiceColumns::Plain,
            };
            ListSubject::Services { service, columns, is_sorted: !is_unsorted }
        };
        let format = if is_json { OutputFormat::Json } else { OutputFormat::Text };
        let interval = watch.or(monitor).map(|seconds| Duration::from_secs(seconds.into()));
        Ok(List { subject, is_numeric, format, interval })
    }

    /// The listing of `--settings`.
    fn sysctls(&mut self, file: Option<PathBuf>) -> Result<List, RuleError> {
        if let Some(path) = file {
            let (option, value) = (OptionName::Settings, path.to_string_lossy().into_owned());
            return Err(RuleError::BadValue { option, value, reason: ValueError::FileOfListing });
        }
        let has_header = !self.other().listing.has_no_header;
        self.grid("settings", OptionName::Settings, ListSubject::Sysctls { has_header })
    }

    /// A listing that is a table for people or JSON, without options about services or connections.
    fn grid(
        &mut self,
        title: &'static str,
        option: OptionName,
        subject: ListSubject,
    ) -> Result<List, RuleError> {
        use OptionName::{Json, NoHeader, Numeric, Sort, Watch};

        let allowed = [option, Numeric, Json, NoHeader, Sort, Watch];
        if let Some(spec) = self.groups.first_beside(&allowed) {
            return Err(RuleError::ListConflict { later: spec.title, earlier: title });
        }
        let format =
            if self.other().listing.is_json { OutputFormat::Json } else { OutputFormat::Text };
        let interval =
            self.other().listing.watch.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(List { subject, is_numeric: self.is_numeric, format, interval })
    }

    /// The listing of `--metrics`, which has one form.
    fn metrics(&mut self, file: Option<PathBuf>) -> Result<List, RuleError> {
        let allowed = [OptionName::Metrics, OptionName::By, OptionName::Numeric, OptionName::Sort];
        if let Some(spec) = self.groups.first_beside(&allowed) {
            return Err(RuleError::ListConflict { later: spec.title, earlier: "metrics" });
        }
        let detail = match self.other().listing.is_by_service {
            true => MetricsDetail::Services,
            false => MetricsDetail::Servers,
        };
        let subject = ListSubject::Metrics(Box::new(MetricsQuery { file, detail }));
        let format = OutputFormat::Text;
        Ok(List { subject, is_numeric: true, format, interval: None })
    }
}
