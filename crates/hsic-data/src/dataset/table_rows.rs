//! Rows of a file, without labels, as columns of a training.

use std::path::Path;

use super::array_fault::ArrayFault;
use super::columns::Columns;
use super::encoding::Encoding;
use super::error::DatasetError;
use super::file_rows::{FilePieces, FileRows};
use super::notes::Note;
use super::npy::Stored;
use super::standardization::Standardization;
use super::table_file::expected;
use super::tables::header::Header;
use super::tables::matching::{Matched, matched, texts};
use super::tables::outline::Outline;
use super::tables::raw::{Known, RawTable};
use super::tables::text::TextEncoding;
use super::tables::values::{Encoded, Strange};

/// The rows of a file as a network takes them that was trained on columns of that encoding, some at a time. Labels that stand in
/// the file under the name that they had in training are ignored.
pub(crate) struct ColumnPieces<'e> {
    encoding: &'e Encoding,
    standardization: Option<&'e Standardization>,
    pieces: FilePieces,
    /// Where the columns are; unknown before the first rows of what is no text.
    found: Option<Matched>,
    strange: Strange,
}

impl<'e> ColumnPieces<'e> {
    /// Opens a file; a text is looked at as a whole.
    ///
    /// # Errors
    /// Whatever is wrong with the file; `Table` if it lacks a column.
    pub(crate) fn open(
        path: &Path,
        encoding: &'e Encoding,
        standardization: Option<&'e Standardization>,
        header: Header,
        text_encoding: Option<TextEncoding>,
    ) -> Result<Self, DatasetError> {
        let mut found = None;
        let pieces = FilePieces::open(path, text_encoding, |text| {
            let texts = |table: &RawTable| texts(encoding, table, label(encoding, table));
            let expected = if encoding.named { expected(encoding) } else { Vec::new() };
            let known = Known { header, expected: &expected, texts: Some(&texts), ..Known::default() };
            let outline = Outline::of(text, known)?;
            found = Some(places(path, encoding, outline.names())?);
            Ok(outline)
        })?;
        Ok(Self { encoding, standardization, pieces, found, strange: Strange::default() })
    }

    /// The next rows, `most` at the most: rows x values; `None` when all have come.
    ///
    /// # Errors
    /// Whatever is wrong with the rows.
    pub(crate) fn next(&mut self, most: usize) -> Result<Option<Vec<f32>>, DatasetError> {
        let rows = self.pieces.next(most)?;
        let place = &self.pieces.place;
        let table = match rows {
            Some(FileRows::Text(table)) => table,
            Some(FileRows::Stored(first, content)) => {
                let mut table = of_stored(place, content, self.encoding)?;
                // Rows are named by their places in the file.
                if first > 0 {
                    table.kept = Some((first..first + table.rows).collect());
                }
                table
            }
            None => return Ok(None),
        };
        let found = match &mut self.found {
            Some(found) => found,
            unknown => unknown.insert(places(place, self.encoding, &table)?),
        };
        let encoded = Encoded::of(place, &table, self.encoding, &found.places)?;
        let rows: Vec<usize> = (0..table.rows).collect();
        let samples = encoded.samples(&rows, self.standardization)?;
        encoded.count(&rows, &mut self.strange);
        Ok(Some(samples))
    }

    /// What is to be said of the rows that came.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let found = self.found.iter().flat_map(|found| found.notes.iter().cloned());
        found.chain(self.strange.notes()).collect()
    }
}

/// The column of labels that a file is known to have.
fn label(encoding: &Encoding, table: &RawTable) -> Option<usize> {
    let both = encoding.named && table.named.is_some();
    both.then(|| table.names.iter().position(|name| *name == encoding.label.name)).flatten()
}

/// Where the columns of the encoding are.
fn places(path: &Path, encoding: &Encoding, table: &RawTable) -> Result<Matched, DatasetError> {
    let found = matched(encoding, table, label(encoding, table));
    found.map_err(|fault| DatasetError::Table { path: path.to_owned(), fault })
}

fn of_stored(place: &Path, stored: Stored, encoding: &Encoding) -> Result<RawTable, DatasetError> {
    let wrong = |fault: ArrayFault| DatasetError::Array { path: place.to_owned(), fault };
    let texts = |table: &RawTable| texts(encoding, table, label(encoding, table));
    RawTable::of_columns(place, &Columns::of(stored).map_err(wrong)?, Some(&texts))
}
