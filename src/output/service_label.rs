//! A virtual service in a cell of a table: its protocol with its address and port, or its firewall mark.

use ipvs::model::{Family, ServiceKey};

use crate::resolve::Labels;

/// The text of a service, with names where the labels have some.
pub(super) fn service_label(key: &ServiceKey, labels: &Labels) -> String {
    match *key {
        ServiceKey::Address { protocol, address, port } => {
            format!("{protocol} {}", labels.endpoint(address, port, Some(protocol)))
        }
        ServiceKey::Fwmark { mark, family: Family::Ipv4 } => format!("FWM {mark}"),
        ServiceKey::Fwmark { mark, family: Family::Ipv6 } => format!("FWM {mark} IPv6"),
    }
}
