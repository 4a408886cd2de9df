//! Listings are complete, whatever other entries the kernel has.

use std::fs::File;

use crate::network::fresh_namespace;
use crate::program::Program;

#[test]
fn services_of_another_namespace_hide_none() {
    const SERVICES: usize = 200;
    let rules: String = (1..=SERVICES)
        .map(|port| {
            format!("-A -t 10.0.0.1:{port} -s rr\n-a -t 10.0.0.1:{port} -r 10.1.0.1:80 -m\n")
        })
        .collect();
    let fill = || {
        fresh_namespace();
        Program::ours().feed(["-R"], rules.as_bytes()).succeeded();
    };
    fill();
    let _stays = File::open("/proc/thread-self/ns/net").unwrap();
    fill();
    for line in ["-L -n", "-L -n --stats"] {
        let outcome = Program::ours().line(line);
        let listing = outcome.succeeded();
        for start in ["TCP  10.0.0.1:", "  -> 10.1.0.1:80 "] {
            let count = listing.lines().filter(|line| line.starts_with(start)).count();
            assert_eq!(count, SERVICES, "{line}: lines that begin with {start:?}");
        }
    }
}
