//! Rows of a file, without labels, as columns of a training.

use std::path::{Path, PathBuf};

use super::array_fault::ArrayFault;
use super::columns::Columns;
use super::encoding::Encoding;
use super::error::DatasetError;
use super::notes::Note;
use super::npy;
use super::standard_input::text_bytes;
use super::standardization::Standardization;
use super::table::{Kind, kind, stored, tabs};
use super::table_file::expected;
use super::tables::header::Header;
use super::tables::matching::{matched, texts};
use super::tables::raw::{Known, RawTable, Texts};
use super::tables::text::{Text, TextEncoding};
use super::tables::values::Encoded;

/// The rows of a file as a network takes them that was trained on columns of that encoding: rows x values, and what is to be
/// said of them. Labels that stand in the file under the name that they had in training are ignored.
///
/// # Errors
/// Whatever is wrong with the file; `Table` if it lacks a column.
pub fn read_columns(
    path: &Path,
    encoding: &Encoding,
    standardization: Option<&Standardization>,
    header: Header,
    text_encoding: Option<TextEncoding>,
) -> Result<(Vec<f32>, Vec<Note>), DatasetError> {
    let label = |table: &RawTable| {
        let both = encoding.named && table.named.is_some();
        both.then(|| table.names.iter().position(|name| *name == encoding.label.name)).flatten()
    };
    let texts = |table: &RawTable| texts(encoding, table, label(table));
    let expected = if encoding.named { expected(encoding) } else { Vec::new() };
    let (place, table) = match kind(path) {
        Some(Kind::Text) => {
            let bytes = text_bytes(path)?;
            let text = Text::of(path, &bytes, text_encoding, tabs(path))?;
            let known = Known { header, expected: &expected, texts: Some(&texts), ..Known::default() };
            (path.to_owned(), RawTable::of_text(path, &text, known)?)
        }
        _ => {
            let (place, content) = stored(path)?;
            of_stored(place, content, &texts)?
        }
    };
    let found = matched(encoding, &table, label(&table));
    let found = found.map_err(|fault| DatasetError::Table { path: place.clone(), fault })?;
    let encoded = Encoded::of(&place, &table, encoding, &found.places)?;
    let rows: Vec<usize> = (0..table.rows).collect();
    let samples = encoded.samples(&rows, standardization)?;
    Ok((samples, found.notes.into_iter().chain(encoded.notes(&rows)).collect()))
}

fn of_stored(place: PathBuf, stored: npy::Stored, texts: Texts<'_>) -> Result<(PathBuf, RawTable), DatasetError> {
    let wrong = |fault: ArrayFault| DatasetError::Array { path: place.clone(), fault };
    let table = RawTable::of_columns(&place, &Columns::of(stored).map_err(wrong)?, Some(texts))?;
    Ok((place, table))
}
