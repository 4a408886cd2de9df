//! `/proc/net/ip_vs_stats` and `/proc/net/ip_vs_stats_percpu`: the totals of a network namespace.

use std::io::Read;

use super::NetFile;
use super::fields::{text, words};
use super::lines::Lines;
use crate::error::Error;
use crate::model::{Counters, Rates};

/// The totals of a network namespace: all services together, deleted ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// The totals since the namespace or the module was made. No zeroing resets them.
    pub counters: Counters,
    /// The rates.
    pub rates: Rates,
}

/// The counters of one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuCounters {
    /// The number of the CPU.
    pub cpu: u32,
    /// The counters of this CPU.
    pub counters: Counters,
}

impl Totals {
    /// Reads a text in the form of `/proc/net/ip_vs_stats`: two headings, the counters, a blank line, a heading, and the
    /// rates (`ip_vs_stats_show`). All numbers are hexadecimal.
    ///
    /// # Errors
    /// When the text cannot be read, or has another form.
    pub fn from_reader(reader: impl Read) -> Result<Self, Error> {
        let mut lines = Lines::new(NetFile::Stats, reader);
        let mut rows = Vec::new();
        while let Some(line) = lines.next()? {
            rows.extend(numbers(words(line)));
        }
        match rows.as_slice() {
            [counters, rates] => {
                Ok(Self { counters: counters_of(*counters), rates: rates_of(*rates) })
            }
            _ => Err(NetFile::Stats.unexpected(b"")),
        }
    }
}

/// Reads a text in the form of `/proc/net/ip_vs_stats_percpu`: a line for each CPU, whose number is hexadecimal too, and
/// lines with the totals (`ip_vs_stats_percpu_show`).
///
/// # Errors
/// When the text cannot be read, or no line is that of a CPU.
pub fn read_cpu_counters(reader: impl Read) -> Result<Vec<CpuCounters>, Error> {
    let mut lines = Lines::new(NetFile::StatsPerCpu, reader);
    let mut cpus = Vec::new();
    while let Some(line) = lines.next()? {
        let mut words = words(line);
        let cpu = words.next().and_then(hexadecimal).and_then(|cpu| u32::try_from(cpu).ok());
        if let (Some(cpu), Some(counters)) = (cpu, numbers(words)) {
            cpus.push(CpuCounters { cpu, counters: counters_of(counters) });
        }
    }
    match cpus.is_empty() {
        true => Err(NetFile::StatsPerCpu.unexpected(b"")),
        false => Ok(cpus),
    }
}

/// The numbers of a line that has five.
fn numbers<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<[u64; 5]> {
    let mut row = [0; 5];
    for number in &mut row {
        *number = hexadecimal(words.next()?)?;
    }
    words.next().is_none().then_some(row)
}

fn hexadecimal(word: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(word)?, 16).ok()
}

const fn counters_of(row: [u64; 5]) -> Counters {
    let [connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes] = row;
    Counters { connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes }
}

const fn rates_of(row: [u64; 5]) -> Rates {
    let [connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes] = row;
    Rates { connections, incoming_packets, outgoing_packets, incoming_bytes, outgoing_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_hexadecimal_numbers_behind_headings() {
        let file = "   Total Incoming Outgoing         Incoming         Outgoing\n\
                    \u{20}  Conns  Packets  Packets            Bytes            Bytes\n\
                    \u{20}      A       1F 100000000             1000                0\n\
                    \n\
                    \u{20}Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n\
                    \u{20}      1        2        3                4               FF\n";
        let totals = Totals::from_reader(file.as_bytes()).unwrap();
        assert_eq!(totals.counters, counters_of([10, 31, 1 << 32, 4096, 0]));
        assert_eq!(totals.rates, rates_of([1, 2, 3, 4, 255]));
        assert!(Totals::from_reader("".as_bytes()).is_err());
    }

    #[test]
    fn each_cpu_has_a_line_and_totals_are_skipped() {
        let file = "       Total Incoming Outgoing         Incoming         Outgoing\n\
                    CPU    Conns  Packets  Packets            Bytes            Bytes\n\
                    \u{20} 0        1        2        3                4                5\n\
                    \u{20} A       10        0        0                0                0\n\
                    \u{20} ~       11        2        3                4                5\n\
                    \n\
                    \u{20}    Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n\
                    \u{20}          0        0        0                0                0\n";
        let cpus = read_cpu_counters(file.as_bytes()).unwrap();
        let expected = [(0, counters_of([1, 2, 3, 4, 5])), (10, counters_of([16, 0, 0, 0, 0]))];
        assert_eq!(cpus, expected.map(|(cpu, counters)| CpuCounters { cpu, counters }));
    }
}
