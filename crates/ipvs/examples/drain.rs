//! Drains a real server: sets its weight to 0, waits until its connections have ended, and deletes it.
//!
//! Takes the TCP service and the real server: `10.0.0.1:80 10.1.0.1:80`.

#![expect(clippy::print_stdout, reason = "an example prints what it reads")]

use std::error::Error;
use std::thread::sleep;
use std::time::Duration;

use ipvs::plan::{Drain, DrainTarget, NamespaceInput, Poll, Reading};
use ipvs::{Client, Namespace, RealServerKey, ServiceKey};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [service, server] = arguments.as_slice() else {
        return Err("usage: drain SERVICE SERVER".into());
    };
    let service = ServiceKey::tcp(service.parse()?);
    let server: RealServerKey = server.parse()?;
    let mut client = Client::connect()?;
    let mut drain = Drain::prepare(DrainTarget::Server(service, server), &mut client)?;
    if let Some(obstacle) = drain.obstacle() {
        return Err(format!("new connections would be refused: {obstacle:?}").into());
    }
    drain.begin(&mut client)?;
    let mut input = NamespaceInput::new(Namespace::current());
    loop {
        match drain.poll(&mut client, &mut input, Reading::Paced)? {
            Poll::Waiting(left) => println!("{} connections left", left.count()),
            Poll::Drained => break,
            poll => return Err(format!("{poll:?}").into()),
        }
        sleep(Duration::from_secs(1));
    }
    client.delete_server(&service, &server)?;
    println!("{server} is drained");
    Ok(())
}
