//! The question of a listing of connections: conditions on entries, and the form of the answer.

use std::str::FromStr;

use ipvs::model::{ConnectionFilter, ConnectionOrigin, ConnectionState, ServiceKey};
use thiserror::Error;

/// A listing of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionQuery {
    /// The service that entries have to belong to.
    pub service: Option<ServiceKey>,
    /// The other conditions.
    pub filter: ConnectionFilter,
    /// The form of the answer.
    pub report: ConnectionReport,
}

/// The form in which a listing shows the entries that meet the conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionReport {
    /// One row for each entry.
    Rows(ConnectionColumns),
    /// The number of entries.
    Count {
        /// The table has titles.
        has_header: bool,
    },
    /// The number of entries in each group, the largest group first.
    CountBy {
        /// The groups.
        grouping: ConnectionGrouping,
        /// The most groups that are shown.
        limit: Option<usize>,
        /// The table has titles.
        has_header: bool,
    },
}

/// The columns of a listing of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionColumns {
    /// Endpoints, state and time.
    Plain,
    /// The columns of `Plain` and the data of persistence engines.
    WithEngineData,
}

/// The groups in which entries are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionGrouping {
    /// Clients whose addresses have the same leading bits.
    Client {
        /// The number of bits of an IPv4 address.
        ipv4: u8,
        /// The number of bits of an IPv6 address.
        ipv6: u8,
    },
    /// The service, as [`ipvs::state::Attribution`] finds it.
    Service,
    /// The address and port of the real server.
    Server,
    /// The state.
    State,
    /// The director that made the entry.
    Origin,
}

/// A text that is not a grouping.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}' is none of client, client/24, client/24,64, service, server, state, origin")]
pub struct UnknownGrouping(String);

impl FromStr for ConnectionGrouping {
    type Err = UnknownGrouping;

    fn from_str(text: &str) -> Result<Self, UnknownGrouping> {
        let unknown = || UnknownGrouping(text.to_owned());
        match text {
            "client" => Ok(Self::Client { ipv4: 32, ipv6: 128 }),
            "service" => Ok(Self::Service),
            "server" => Ok(Self::Server),
            "state" => Ok(Self::State),
            "origin" => Ok(Self::Origin),
            _ => {
                let lengths = text.strip_prefix("client/").ok_or_else(unknown)?;
                let (ipv4, ipv6) = lengths.split_once(',').unwrap_or((lengths, "128"));
                let bits = |text: &str, most: u8| {
                    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                    let bits = text.parse().ok().filter(|&bits: &u8| is_number && bits <= most);
                    bits.ok_or_else(unknown)
                };
                Ok(Self::Client { ipv4: bits(ipv4, 32)?, ipv6: bits(ipv6, 128)? })
            }
        }
    }
}

/// A text that is not a list of states.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}' is none of {list}", list = ConnectionState::NAMES.join(", "))]
pub struct UnknownState(String);

/// Parses states, separated by commas, in any case.
pub(crate) fn parse_states(text: &str) -> Result<Vec<ConnectionState>, UnknownState> {
    let state = |word: &str| match ConnectionState::from_name(&word.to_ascii_uppercase()) {
        ConnectionState::Other(_) => Err(UnknownState(word.to_owned())),
        state => Ok(state),
    };
    text.split(',').map(state).collect()
}

/// A text that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}' is none of local, synced")]
pub struct UnknownOrigin(String);

/// Parses the name of an origin.
pub(crate) fn parse_origin(text: &str) -> Result<ConnectionOrigin, UnknownOrigin> {
    [ConnectionOrigin::Local, ConnectionOrigin::Synced]
        .into_iter()
        .find(|origin| origin.name() == text)
        .ok_or_else(|| UnknownOrigin(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_grouped_by_leading_bits() {
        let parse = |text: &str| text.parse::<ConnectionGrouping>().ok();
        assert_eq!(parse("client"), Some(ConnectionGrouping::Client { ipv4: 32, ipv6: 128 }));
        assert_eq!(parse("client/24"), Some(ConnectionGrouping::Client { ipv4: 24, ipv6: 128 }));
        assert_eq!(parse("client/0,64"), Some(ConnectionGrouping::Client { ipv4: 0, ipv6: 64 }));
        for text in ["client/", "client/33", "client/24,129", "client/24,", "client/+8", "clients"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn states_are_read_in_any_case_and_an_unknown_one_is_answered_with_all() {
        let states = parse_states("established,SYN_RECV").unwrap();
        assert_eq!(states, [ConnectionState::Established, ConnectionState::SynRecv]);
        let said = parse_states("ESTABLISHED,OPEN").unwrap_err().to_string();
        assert!(said.starts_with("`OPEN' is none of NONE, ASSURED, ESTABLISHED, "), "{said}");
        assert!(parse_states("").is_err());
    }
}
