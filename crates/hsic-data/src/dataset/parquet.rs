//! Tables in Parquet files, where the program was built with the feature `parquet`.
//!
//! The reader is that of the Arrow project (`parquet`, without its arrays). What was weighed: polars and arrow's own arrays read
//! more kinds of columns and more quickly, and bring 60 to 300 packages more for one kind of file.

#[cfg(not(feature = "parquet"))]
use std::path::Path;

#[cfg(feature = "parquet")]
mod reader;

#[cfg(not(feature = "parquet"))]
use super::{error::DatasetError, npy::Stored};

/// The columns of a file, by name. Numbers, truth values and texts are columns; dates and times are texts.
///
/// # Errors
/// `Feature` where the program has no reader for them; `Parquet` for what is no such file; `Table` for a column of lists or
/// records, and for bytes that are no text; `Inexact` for an integer that double precision does not hold; `Empty`.
#[cfg(not(feature = "parquet"))]
pub(super) fn parse(path: &Path, _bytes: &[u8]) -> Result<Stored, DatasetError> {
    Err(DatasetError::Feature { path: path.to_owned(), feature: "parquet" })
}

#[cfg(feature = "parquet")]
pub(super) use reader::parse;

#[cfg(all(test, not(feature = "parquet")))]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_a_reader_says_how_it_gets_one() {
        let told = parse(Path::new("t.parquet"), b"PAR1").unwrap_err().to_string();
        assert!(
            told.starts_with("t.parquet: read by the optional feature parquet") && told.contains("--features parquet")
        );
    }
}
