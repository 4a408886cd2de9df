//! Prints the clients with the most connections.
//!
//! Takes a network that the clients are in, such as `192.0.2.0/24`; without it, all clients count.

#![expect(clippy::print_stdout, reason = "an example prints what it reads")]

use std::collections::HashMap;
use std::error::Error;
use std::net::IpAddr;

use ipvs::Namespace;
use ipvs::model::ConnectionFilter;

/// The number of clients to print.
const CLIENTS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let mut filter = ConnectionFilter::default();
    if let Some(network) = std::env::args().nth(1) {
        filter = filter.client(network.parse()?);
    }
    let mut clients: HashMap<IpAddr, usize> = HashMap::new();
    for connection in Namespace::current().connections(filter)? {
        let connection = connection?;
        if !connection.is_template() {
            *clients.entry(connection.client.ip()).or_default() += 1;
        }
    }
    let mut clients: Vec<(IpAddr, usize)> = clients.into_iter().collect();
    clients.sort_by_key(|&(address, count)| (std::cmp::Reverse(count), address));
    for (address, count) in clients.iter().take(CLIENTS) {
        println!("{count:>8} {address}");
    }
    Ok(())
}
