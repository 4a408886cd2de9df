//! The connection timeouts.

use std::io::{self, Write};

use ipvs::model::Timeouts;

use super::document::Document;

impl Document for Timeouts {
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let Timeouts { tcp, tcp_fin, udp, .. } = self;
        writeln!(out, "Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::write_document;
    use ipvs_rules::OutputFormat;

    #[test]
    fn timeouts_are_one_line() {
        let shown = |format| {
            let mut out = Vec::new();
            let timeouts = Timeouts::new(900, 120, 300);
            write_document(&mut out, &timeouts, format).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(OutputFormat::Text), "Timeout (tcp tcpfin udp): 900 120 300\n");
        assert_eq!(shown(OutputFormat::Json), "{\"tcp\":900,\"tcp_fin\":120,\"udp\":300}\n");
    }
}
