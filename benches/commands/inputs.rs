//! Rules and connections as input of the cases. All addresses are in 10.0.0.0/8, where the order of 1.31 is numerical,
//! too.

use std::fmt::Write;

/// The size of a table: its services, and the real servers of each service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The number of services.
    pub services: u32,
    /// The number of real servers of each service.
    pub servers: u32,
}

impl Shape {
    /// A table.
    pub const fn new(services: u32, servers: u32) -> Self {
        Self { services, servers }
    }

    /// The number of real servers of all services.
    pub fn entries(self) -> u64 {
        u64::from(self.services) * u64::from(self.servers)
    }

    /// The number of lines of its rules.
    pub fn lines(self) -> u64 {
        u64::from(self.services) + self.entries()
    }

    /// The rules of the table as `ipvsadm -Sn` prints them. `changed` in a thousand real servers have another weight.
    pub fn rules(self, changed: u32) -> String {
        let mut text = String::new();
        for service in 0..self.services {
            let address = service_address(service);
            let _ = writeln!(text, "-A -t {address}:80 -s wlc");
            for server in 0..self.servers {
                let number = service * self.servers + server;
                let weight = if number % 1000 < changed { 2 } else { 1 };
                let server = server_address(server);
                let _ = writeln!(text, "-a -t {address}:80 -r {server}:8080 -m -w {weight}");
            }
        }
        text
    }
}

/// The address of a service by its number.
pub fn service_address(number: u32) -> String {
    address(64, number)
}

/// The address of a real server by its number.
pub fn server_address(number: u32) -> String {
    address(128, number)
}

fn address(first: u32, number: u32) -> String {
    let (high, middle, low) = (number / 62_500, number / 250 % 250, number % 250);
    format!("10.{}.{middle}.{}", first + high, low + 1)
}

/// The text of /proc/net/ip_vs_conn for `count` connections of as many clients, as Linux 6.1 formats it
/// (`ip_vs_conn_seq_show`). The order of the clients is that of a hash table.
pub fn connections(count: u32) -> String {
    let mut text = String::from(
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n",
    );
    for number in 0..count {
        // The factor is odd, so up to 2^24 numbers have different products.
        let client = number.wrapping_mul(2_654_435_761) & 0xff_ffff;
        let port = 1024 + number % 50_000;
        let server = number % 250 + 1;
        let _ = writeln!(
            text,
            "TCP 0A{client:06X} {port:04X} 0A400001 0050 0A8000{server:02X} 1F90 ESTABLISHED {expires:7}",
            expires = 900 - number % 900
        );
    }
    text
}
