//! The kernel's settings of IPVS and the load of its connection table; the settings that differ from the defaults as lines
//! of sysctl.conf(5).

use std::fmt::Write as _;
use std::io;

use ipvs::procfs::{StatusLine, Sysctl};
use serde::{Serialize, Serializer};

use super::document::Document;
use super::grid::{Column, Grid, GridStyle};
use super::sysctl_rows::{DefaultValue, SysctlRow, row};

/// The load of the connection table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TableLoad {
    /// The parameter of the module: the size of the table, or its largest size from Linux 7.1 on, as a power of 2.
    pub conn_tab_bits: Option<u32>,
    /// The number of buckets. From Linux 7.1 on it changes with the load, and is 0 before there is a table.
    pub buckets: u32,
    /// The entries of this network namespace, templates included.
    pub entries: u64,
}

/// All settings of a network namespace.
#[derive(Clone, Debug)]
pub struct Sysctls {
    /// The settings in the order of their names.
    pub sysctls: Vec<Sysctl>,
    /// The load of the connection table.
    pub table: TableLoad,
    /// The kernel's own report about its tables, where it has one.
    pub status: Option<Vec<StatusLine>>,
    /// The look of the tables.
    pub style: GridStyle,
}

impl TableLoad {
    /// The average number of entries in a bucket, of which a search reads half: the length of a chain.
    fn chain_length(&self) -> Option<f64> {
        let buckets = f64::from(self.buckets);
        #[expect(clippy::cast_precision_loss, reason = "the mean is shown with two digits")]
        let entries = self.entries as f64;
        (self.buckets > 0).then(|| (entries / buckets * 100.0).round() / 100.0)
    }
}

impl Document for Sysctls {
    fn write_text(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let [name, value, default] = ["Setting", "Value", "Default"].map(Column::Text);
        let mut settings = Grid::new([name, value, default, Column::Prose("Effect")]);
        for Sysctl { name, value, .. } in &self.sysctls {
            let (default, effect) = match row(name) {
                Some(SysctlRow { default, effect, .. }) => (default.text(), *effect),
                None => ("?", ""),
            };
            settings.push([name, value, default, effect].map(str::to_owned));
        }
        settings.write(out, self.style)?;
        out.push(b'\n');
        let mut table = Grid::new([Column::Text("Connection table"), Column::Text("Value")]);
        let TableLoad { conn_tab_bits, buckets, entries } = self.table;
        let bits = conn_tab_bits.map(|bits| ("conn_tab_bits", bits.to_string()));
        let length =
            self.table.chain_length().map(|length| ("entries a bucket", format!("{length:.2}")));
        let rows = bits
            .into_iter()
            .chain([("buckets", buckets.to_string()), ("entries", entries.to_string())])
            .chain(length);
        for (name, value) in rows {
            table.push([name.to_owned(), value]);
        }
        table.write(out, self.style)?;
        if let Some(lines) = &self.status {
            out.push(b'\n');
            let mut status = Grid::new([Column::Text("Status"), Column::Text("Value")]);
            for StatusLine { title, value, .. } in lines {
                status.push([title.clone(), value.clone()]);
            }
            status.write(out, self.style)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct SysctlForm<'a> {
    name: &'a str,
    value: &'a str,
    /// `null` if it depends on the machine, or is unknown.
    default: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    effect: &'a str,
}

#[derive(Serialize)]
struct TableForm {
    conn_tab_bits: Option<u32>,
    buckets: u32,
    entries: u64,
    entries_per_bucket: Option<f64>,
}

#[derive(Serialize)]
struct StatusForm<'a> {
    title: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct Form<'a> {
    settings: Vec<SysctlForm<'a>>,
    connection_table: TableForm,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Vec<StatusForm<'a>>>,
}

impl Serialize for Sysctls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let settings = self.sysctls.iter().map(|Sysctl { name, value, .. }| {
            let row = row(name);
            let default = row.and_then(|row| row.default.value());
            SysctlForm { name, value, default, effect: row.map_or("", |row| row.effect) }
        });
        let TableLoad { conn_tab_bits, buckets, entries } = self.table;
        let entries_per_bucket = self.table.chain_length();
        let status = self.status.as_ref().map(|lines| {
            let forms =
                lines.iter().map(|line| StatusForm { title: &line.title, value: &line.value });
            forms.collect()
        });
        Form {
            settings: settings.collect(),
            connection_table: TableForm { conn_tab_bits, buckets, entries, entries_per_bucket },
            status,
        }
        .serialize(serializer)
    }
}

const HEAD: &str = "\
# The settings of IPVS that differ from the defaults of Linux, as `ipvsadm -S --settings' found them.
# They exist once ip_vs is loaded: a file of /etc/modules-load.d that names ip_vs loads it before sysctl.d is read.
";

/// The settings that differ from the defaults, as sysctl.conf(5) has them. A setting whose default is unknown or depends on
/// the machine is a comment.
pub fn sysctl_lines(sysctls: &[Sysctl]) -> String {
    let mut text = HEAD.to_owned();
    for Sysctl { name, value, .. } in sysctls {
        // Writing to memory does not fail.
        let _ = match row(name).map(|row| row.default) {
            Some(DefaultValue::Value(default)) if default == value => Ok(()),
            Some(DefaultValue::Value(_)) => writeln!(text, "net.ipv4.vs.{name} = {value}"),
            Some(DefaultValue::OfMachine(default)) => {
                writeln!(text, "# net.ipv4.vs.{name} = {value} (default: {default})")
            }
            None => writeln!(text, "# net.ipv4.vs.{name} = {value} (default unknown)"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::write_document;
    use crate::process::TerminalStyle;
    use ipvs::procfs::read_status;
    use ipvs_rules::OutputFormat;

    fn document() -> Sysctls {
        let sysctls = [
            ("conntrack", "1"),
            ("debug_level", "0"),
            ("sync_qlen_max", "7809"),
            ("sync_threshold", "3 50"),
            ("unheard_of", "7"),
        ];
        Sysctls {
            sysctls: sysctls.map(|(name, value)| Sysctl::new(name, value)).into(),
            table: TableLoad { conn_tab_bits: Some(12), buckets: 4096, entries: 10_240 },
            status: Some(read_status("Conns:\t5\n".as_bytes()).unwrap()),
            style: GridStyle {
                terminal: TerminalStyle { width: 80, has_colours: false, is_terminal: false },
                has_header: true,
            },
        }
    }

    fn shown(document: &Sysctls, format: OutputFormat) -> String {
        let mut out = Vec::new();
        write_document(&mut out, document, format).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_has_value_default_and_effect_then_the_load_of_the_table() {
        let text = shown(&document(), OutputFormat::Text);
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["Setting", "Value", "Default", "Effect"]);
        assert_eq!(rows[1][..3], ["conntrack", "1", "0"]);
        assert!(rows[1].len() > 6, "{text}");
        assert_eq!(rows[4][..5], ["sync_threshold", "3", "50", "3", "50"]);
        assert_eq!(rows[5], ["unheard_of", "7", "?"]);
        let end = "\nConnection table  Value\n\
                   conn_tab_bits     12\n\
                   buckets           4096\n\
                   entries           10240\n\
                   entries a bucket  2.50\n\
                   \nStatus  Value\nConns   5\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn table_without_buckets_has_no_average() {
        let mut document = document();
        (document.table, document.status) =
            (TableLoad { conn_tab_bits: None, buckets: 0, entries: 0 }, None);
        let text = shown(&document, OutputFormat::Text);
        let end = "\nConnection table  Value\nbuckets           0\nentries           0\n";
        assert!(text.ends_with(end), "{text}");
        let json = shown(&document, OutputFormat::Json);
        let end = "],\"connection_table\":{\"conn_tab_bits\":null,\"buckets\":0,\"entries\":0,\
            \"entries_per_bucket\":null}}\n";
        assert!(json.ends_with(end), "{json}");
    }

    #[test]
    fn json_has_a_setting_a_line_and_null_for_a_default_of_the_machine() {
        let json = shown(&document(), OutputFormat::Json);
        assert!(
            json.starts_with(
                "{\"settings\":[\n{\"name\":\"conntrack\",\"value\":\"1\",\"default\":\"0\",\"eff"
            ),
            "{json}"
        );
        assert!(json.contains("\"value\":\"7809\",\"default\":null,\"effect\":"), "{json}");
        assert!(
            json.contains("{\"name\":\"unheard_of\",\"value\":\"7\",\"default\":null}"),
            "{json}"
        );
        assert!(json.contains("\"entries_per_bucket\":2.5}"), "{json}");
        assert!(json.contains("\"status\":[\n{\"title\":\"Conns\",\"value\":\"5\"}\n]"), "{json}");
    }

    #[test]
    fn saved_lines_are_those_that_differ_from_a_known_default() {
        let text = sysctl_lines(&document().sysctls);
        let lines: Vec<&str> = text.lines().skip(HEAD.lines().count()).collect();
        assert_eq!(
            lines,
            [
                "net.ipv4.vs.conntrack = 1",
                "# net.ipv4.vs.sync_qlen_max = 7809 (default: memory)",
                "# net.ipv4.vs.unheard_of = 7 (default unknown)",
            ]
        );
        assert!(HEAD.lines().all(|line| line.starts_with('#')));
    }
}
