//! The accepted results, which `benches/results.json` contains: a run that exceeds them fails. Results are compared
//! only for the same kernel release, since they include the kernel's own cost.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use super::case::{Case, Table};
use super::record::{Figures, Results};

/// The largest accepted ratio of a figure to the accepted one. The limits are a few times the spread of runs of the
/// same program.
const USER: f64 = 1.01;
const TOTAL: f64 = 1.03;
const TOTAL_OF_SINGLE: f64 = 1.05;

/// Results as a run has written them.
#[derive(Debug, Deserialize)]
pub struct Accepted {
    kernel: String,
    counts_instructions: bool,
    cases: Vec<Row>,
    #[serde(default)]
    ours: Vec<Row>,
    growth: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    case: String,
    ours: AcceptedFigures,
    bare: AcceptedFigures,
}

#[derive(Debug, Deserialize)]
struct AcceptedFigures {
    time: Option<Time>,
    user: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Time {
    median: f64,
}

impl Accepted {
    /// Reads the results of a run.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read(path).with_context(|| format!("{path:?}"))?;
        serde_json::from_slice(&text).with_context(|| format!("{path:?}"))
    }

    /// A sentence about the comparison with a run on a kernel.
    pub fn describe(&self, kernel: &str) -> String {
        if self.kernel == kernel {
            format!("Compared with the accepted results, of the same kernel {kernel}.")
        } else {
            format!("Not compared with the accepted results: they are of kernel {}.", self.kernel)
        }
    }

    /// The figures of a case that exceed the accepted ones: our own, beside those of the bare loop.
    pub fn faults(
        &self,
        case: &Case,
        (ours, bare): (&Figures, &Figures),
        results: &Results,
    ) -> Vec<String> {
        let (kernel, counts_instructions) = &results.machine;
        let mut rows = self.cases.iter().chain(&self.ours).chain(&self.growth);
        let row = rows.find(|row| row.case == case.name);
        let Some(row) = row
            .filter(|_| self.kernel == *kernel && self.counts_instructions && *counts_instructions)
        else {
            return Vec::new();
        };
        let total = if case.is_single() { TOTAL_OF_SINGLE } else { TOTAL };
        // The kernel's time differs between two boots, and then the bare loop shows by how much.
        let bare = bare.time.zip(row.bare.time.as_ref());
        let slower_kernel = bare.map_or(1.0, |(now, accepted)| now.median / accepted.median);
        // Without a bare loop, the kernel's time for a large table is unknown.
        let time = ours.time.filter(|_| case.table != Table::Growth);
        let figures = [
            ("user instructions", ours.user, row.ours.user, USER),
            (
                "million instructions",
                time.map(|time| time.median),
                row.ours.time.as_ref().map(|time| time.median),
                total * slower_kernel.max(1.0),
            ),
        ];
        let above = figures.into_iter().filter_map(|(what, now, accepted, limit)| {
            let (now, accepted) = (now?, accepted?);
            let per_cent = (now / accepted - 1.0) * 100.0;
            (now > accepted * limit).then(|| {
                format!("{now:.2} {what}, {per_cent:.1} % above the accepted {accepted:.2}")
            })
        });
        above.collect()
    }
}
