//! The files of `/proc`, line by line: no text makes a reader panic or loop.

#![no_main]

use ipvs::procfs::{
    Connections, ServicesFile, Totals, read_applications, read_cpu_counters, read_status,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    if let Ok(content) = ServicesFile::from_reader(file) {
        for place in 0..content.services.len() {
            content.servers(place);
        }
    }
    let _ = Totals::from_reader(file);
    let _ = read_cpu_counters(file);
    let _ = read_status(file);
    let _ = read_applications(file);
    let lines = file.iter().filter(|&&byte| byte == b'\n').count();
    let mut connections = Connections::from_reader(file);
    // A malformed line is an error, and the next call reads on.
    assert!(connections.by_ref().count() <= lines + 1);
});
