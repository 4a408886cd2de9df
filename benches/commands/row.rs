//! A row of the results: a case with all its figures, and the bars that they are compared with.

use serde::Serialize;

use super::case::{Bar, Beside};
use super::record::Figures;

/// A case with all its figures.
#[derive(Serialize)]
pub struct Row {
    /// The case's name.
    pub case: String,
    /// The figures of 1.31.
    pub reference: Figures,
    /// The figures of our programs.
    pub ours: Figures,
    /// The figures of the bare loop.
    pub bare: Figures,
    /// The time of 1.31 divided by ours.
    pub times_faster: Option<f64>,
    /// Our time divided by that of the bare loop.
    pub over_bare: Option<f64>,
    /// Our time divided by that of another case.
    pub over_beside: Option<f64>,
    /// Instructions outside the kernel for each rule line or connection.
    pub user_an_entry: Option<f64>,
    /// The number of rule lines or connections.
    pub entries: u64,
    /// The faults of these figures: missed bars and exceeded limits.
    pub faults: Vec<String>,
    /// The bars of the ratios to 1.31 and to the bare loop.
    #[serde(skip)]
    pub bars: (Option<Bar>, Option<Bar>),
    /// The other case.
    #[serde(skip)]
    pub beside: Option<Beside>,
    /// The maximum of our time.
    #[serde(skip)]
    pub most_milliseconds: Option<f64>,
    /// The maximum of our memory.
    #[serde(skip)]
    pub most_kib: Option<u64>,
    /// The maximum of the instructions of each rule line or connection.
    #[serde(skip)]
    pub most_user_an_entry: Option<f64>,
}
