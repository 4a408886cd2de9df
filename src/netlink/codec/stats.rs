//! The counters of services and real servers (`IPVS_STATS_ATTR_*`). The kernel only sends them.

use super::DecodeError;
use super::attribute::{Attribute, attributes};
use crate::model::{Counters, Rates};
use crate::netlink::kernel::*;

/// The two nests that a service or server may carry: the 64-bit one is preferred, kernels before 4.1 have
/// the other alone.
#[derive(Clone, Copy, Default)]
pub(super) struct Stats<'a> {
    pub(super) narrow: Option<Attribute<'a>>,
    pub(super) wide: Option<Attribute<'a>>,
}

impl Stats<'_> {
    pub(super) fn decode(self) -> Result<(Counters, Rates), DecodeError> {
        let mut counters = Counters::default();
        let mut rates = Rates::default();
        let Some(nest) = self.wide.or(self.narrow) else {
            return Ok((counters, rates));
        };
        for attribute in attributes(nest.value) {
            let attribute = attribute?;
            let field = match attribute.kind {
                IPVS_STATS_ATTR_CONNS => &mut counters.connections,
                IPVS_STATS_ATTR_INPKTS => &mut counters.incoming_packets,
                IPVS_STATS_ATTR_OUTPKTS => &mut counters.outgoing_packets,
                IPVS_STATS_ATTR_INBYTES => &mut counters.incoming_bytes,
                IPVS_STATS_ATTR_OUTBYTES => &mut counters.outgoing_bytes,
                IPVS_STATS_ATTR_CPS => &mut rates.connections,
                IPVS_STATS_ATTR_INPPS => &mut rates.incoming_packets,
                IPVS_STATS_ATTR_OUTPPS => &mut rates.outgoing_packets,
                IPVS_STATS_ATTR_INBPS => &mut rates.incoming_bytes,
                IPVS_STATS_ATTR_OUTBPS => &mut rates.outgoing_bytes,
                _ => continue,
            };
            *field = attribute.counter()?;
        }
        Ok((counters, rates))
    }
}
