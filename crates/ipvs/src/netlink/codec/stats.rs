//! The counters of services and real servers (`IPVS_STATS_ATTR_*`). The kernel only sends them.

use super::DecodeError;
use super::attribute::{Attribute, attributes};
use crate::model::{Counters, Rates};
use crate::netlink::uapi::*;

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

#[cfg(test)]
mod tests {
    use ipvs_test::messages::{nests, with, without};

    use super::*;

    fn decoded(kind: u16, edit: impl FnOnce(&[u8]) -> Vec<u8>) -> (Counters, Rates) {
        let service = nests("services_after_traffic").remove(0);
        let mut found = attributes(&service).map(Result::unwrap);
        let nest = edit(found.find(|attribute| attribute.kind == kind).unwrap().value);
        let narrow = Some(Attribute { kind, value: &nest });
        Stats { narrow, wide: None }.decode().unwrap()
    }

    #[test]
    fn counters_of_32_and_of_64_bits_say_the_same() {
        let counters = Counters {
            connections: 95,
            incoming_packets: 564,
            outgoing_packets: 377,
            incoming_bytes: 125_088,
            outgoing_bytes: 305_364,
        };
        let rates = Rates {
            connections: 10,
            incoming_packets: 62,
            outgoing_packets: 42,
            incoming_bytes: 13_789,
            outgoing_bytes: 33_653,
        };
        for kind in [IPVS_SVC_ATTR_STATS, IPVS_SVC_ATTR_STATS64] {
            assert_eq!(decoded(kind, <[u8]>::to_vec), (counters, rates));
        }
    }

    #[test]
    fn counters_of_64_bits_are_preferred() {
        let [narrow, wide] =
            [1_u64, 2].map(|count| with(&[], IPVS_STATS_ATTR_CONNS, &count.to_ne_bytes()));
        let [narrow, wide] = [&narrow, &wide].map(|value| Some(Attribute { kind: 0, value }));
        assert_eq!(Stats { narrow, wide }.decode().unwrap().0.connections, 2);
    }

    #[test]
    fn counter_that_is_missing_is_zero_and_one_that_is_unknown_is_left_alone() {
        let edit = |nest: &[u8]| with(&without(nest, IPVS_STATS_ATTR_CONNS), 99, b"new counter");
        let (counters, _) = decoded(IPVS_SVC_ATTR_STATS64, edit);
        assert_eq!((counters.connections, counters.incoming_packets), (0, 564));
    }

    #[test]
    fn counter_of_64_bits_is_taken_whole() {
        let most = u64::MAX.to_ne_bytes();
        let (counters, _) =
            decoded(IPVS_SVC_ATTR_STATS64, |nest| with(nest, IPVS_STATS_ATTR_CONNS, &most));
        assert_eq!(counters.connections, u64::MAX);
    }
}
