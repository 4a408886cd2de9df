//! Serves counters of all virtual services over HTTP in the text format of Prometheus.
//!
//! Takes the address to listen on, such as `127.0.0.1:9100`, and optionally the number of requests to serve.

#![expect(clippy::print_stdout, reason = "an example prints what it reads")]

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use ipvs::{Client, Snapshot};

fn metrics(snapshot: &Snapshot) -> String {
    let mut text = String::from("# TYPE ipvs_connections_total counter\n");
    for entry in &snapshot.services {
        let (service, counters) = (entry.service.service.key, entry.service.counters);
        let connections = counters.connections;
        let _ = writeln!(text, "ipvs_connections_total{{service=\"{service}\"}} {connections}");
    }
    text.push_str("# TYPE ipvs_active_connections gauge\n");
    for entry in &snapshot.services {
        let service = entry.service.service.key;
        for state in &entry.servers {
            let (server, active) = (state.server.key, state.active_connections);
            let labels = format!("service=\"{service}\",server=\"{server}\"");
            let _ = writeln!(text, "ipvs_active_connections{{{labels}}} {active}");
        }
    }
    text
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9100".to_owned());
    let requests = arguments.next().map_or(Ok(usize::MAX), |count| count.parse())?;
    let mut client = Client::connect()?;
    let listener = TcpListener::bind(address)?;
    println!("http://{}/metrics", listener.local_addr()?);
    for stream in listener.incoming().take(requests) {
        let mut stream = stream?;
        // The request ends with an empty line.
        for line in BufReader::new(stream.try_clone()?).lines() {
            if line?.is_empty() {
                break;
            }
        }
        let body = metrics(&Snapshot::read(&mut client)?);
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n";
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}")?;
    }
    Ok(())
}
