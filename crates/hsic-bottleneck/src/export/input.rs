//! What an exported network is told of its input.

use hsic_data::dataset::{Encoding, Normalization, Standardization};
use hsic_data::provenance::Provenance;
use serde::Serialize;

/// What becomes of the values of a sample before a network sees them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Input {
    /// Whether values are pixels of 0 to 255, which become value / 255 first.
    pub pixels: bool,
    /// Means and deviations of channels: (value - mean) / deviation; a deviation of 0 makes it 0.
    pub normalization: Option<Normalization>,
    /// Means and deviations of columns, likewise.
    pub standardization: Option<Standardization>,
    /// Names of the values of a row of a table.
    pub columns: Option<Vec<String>>,
    /// How the columns of a file become those values.
    pub encoding: Option<Encoding>,
}

impl Input {
    /// That of a run.
    #[must_use]
    pub fn of(record: &Provenance) -> Self {
        Self {
            pixels: record.pixels,
            normalization: record.normalization.clone(),
            standardization: record.standardization.clone(),
            columns: record.encoding.as_ref().map(Encoding::encoded_names),
            encoding: record.encoding.clone(),
        }
    }
}
