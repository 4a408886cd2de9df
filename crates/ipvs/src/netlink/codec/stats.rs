//! The counters of services and real servers (`IPVS_STATS_ATTR_*`). The kernel only sends them.

use super::DecodeError;
use super::attribute::{Attribute, InOrder, attributes};
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
        if let Some(decoded) = self.wide.and_then(|nest| decode_in_order(nest.value)) {
            return Ok(decoded);
        }
        match self.wide.or(self.narrow) {
            Some(nest) => decode_any_order(nest.value),
            None => Ok((Counters::default(), Rates::default())),
        }
    }
}

/// Decodes the ten counters as kernels of most machines send them: in this order, of 64 bits, and without padding. `None`
/// for anything else.
fn decode_in_order(nest: &[u8]) -> Option<(Counters, Rates)> {
    let nest: &[u8; IN_ORDER] = nest.try_into().ok()?;
    let mut rest = InOrder(nest);
    let mut next = |kind| rest.value(kind).map(|value| u64::from_ne_bytes(*value));
    let counters = Counters {
        connections: next(IPVS_STATS_ATTR_CONNS)?,
        incoming_packets: next(IPVS_STATS_ATTR_INPKTS)?,
        outgoing_packets: next(IPVS_STATS_ATTR_OUTPKTS)?,
        incoming_bytes: next(IPVS_STATS_ATTR_INBYTES)?,
        outgoing_bytes: next(IPVS_STATS_ATTR_OUTBYTES)?,
    };
    let rates = Rates {
        connections: next(IPVS_STATS_ATTR_CPS)?,
        incoming_packets: next(IPVS_STATS_ATTR_INPPS)?,
        outgoing_packets: next(IPVS_STATS_ATTR_OUTPPS)?,
        incoming_bytes: next(IPVS_STATS_ATTR_INBPS)?,
        outgoing_bytes: next(IPVS_STATS_ATTR_OUTBPS)?,
    };
    Some((counters, rates))
}

/// The length of the nest of [`decode_in_order`].
const IN_ORDER: usize = 10 * 12;

fn decode_any_order(nest: &[u8]) -> Result<(Counters, Rates), DecodeError> {
    let mut counters = Counters::default();
    let mut rates = Rates::default();
    for attribute in attributes(nest) {
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

#[cfg(test)]
mod tests {
    use ipvs_test::messages::{nests, with, without};
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::values;

    /// The attribute that aligns the next counter, on machines that need it.
    const IPVS_STATS_ATTR_PAD: u16 = 11;

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

    /// The counters of a kernel of a machine that needs no padding.
    fn unpadded() -> Vec<u8> {
        let service = nests("services_after_traffic").remove(0);
        let mut found = attributes(&service).map(Result::unwrap);
        let nest = found.find(|attribute| attribute.kind == IPVS_SVC_ATTR_STATS64).unwrap();
        without(nest.value, IPVS_STATS_ATTR_PAD)
    }

    proptest! {
        #![proptest_config(values::cases(500))]

        #[test]
        fn order_of_the_kernel_is_read_as_any_order(place in any::<Index>(), byte in any::<u8>()) {
            let mut nest = unpadded();
            prop_assert!(decode_in_order(&nest).is_some());
            *place.get_mut(&mut nest) = byte;
            let wide = Some(Attribute { kind: IPVS_SVC_ATTR_STATS64, value: &nest });
            let read = Stats { narrow: None, wide }.decode();
            prop_assert_eq!(format!("{read:?}"), format!("{:?}", decode_any_order(&nest)));
        }
    }

    #[test]
    fn counter_of_64_bits_is_taken_whole() {
        let most = u64::MAX.to_ne_bytes();
        let (counters, _) =
            decoded(IPVS_SVC_ATTR_STATS64, |nest| with(nest, IPVS_STATS_ATTR_CONNS, &most));
        assert_eq!(counters.connections, u64::MAX);
    }
}
