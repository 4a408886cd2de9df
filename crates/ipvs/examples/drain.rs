//! Drains a real server: sets its weight to 0, waits until its connections have ended, and deletes it.
//!
//! Takes the TCP service and the real server: `10.0.0.1:80 10.1.0.1:80`.

#![expect(clippy::print_stdout, reason = "an example prints what it reads")]

use std::error::Error;
use std::thread::sleep;
use std::time::Duration;

use ipvs::{Client, RealServerKey, ServiceKey};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [service, server] = arguments.as_slice() else {
        return Err("usage: drain SERVICE SERVER".into());
    };
    let service = ServiceKey::tcp(service.parse()?);
    let server: RealServerKey = server.parse()?;
    let mut client = Client::connect()?;
    client.set_weight(&service, &server, 0)?;
    loop {
        let state = client.server(&service, &server)?;
        // Persistence keeps sending clients to the server until their templates expire.
        let left = state.active_connections + state.persistent_connections;
        if left == 0 {
            break;
        }
        println!("{left} connections left");
        sleep(Duration::from_secs(1));
    }
    client.delete_server(&service, &server)?;
    println!("{server} is drained");
    Ok(())
}
