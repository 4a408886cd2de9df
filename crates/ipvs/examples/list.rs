//! Lists virtual services with their real servers and the number of active connections.

#![expect(clippy::print_stdout, reason = "an example prints what it reads")]

use ipvs::{Client, Error, Snapshot};

fn main() -> Result<(), Error> {
    let snapshot = Snapshot::read(&mut Client::connect()?)?;
    println!("IPVS {}, {} services", snapshot.info.version, snapshot.services.len());
    for entry in &snapshot.services {
        let service = &entry.service.service;
        println!("{} {}", service.key, service.scheduler);
        for state in &entry.servers {
            let (server, active) = (state.server, state.active_connections);
            println!("  {} weight {}, {active} active", server.key, server.weight);
        }
    }
    Ok(())
}
