//! Tables of numbers: `.csv`, `.npy`, `.npz`, `.parquet`.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use super::DatasetError;
use super::array_fault::ArrayFault;
use super::columns::Columns;
use super::npy::{self, Entries, Stored};
use super::npz::Archive;
use super::parquet;
use super::roles::samples;
use super::standard_input::{is_standard_input, text_bytes};
use super::table_fault::TableFault;
use super::tables::cells::Cells;
use super::tables::raw::{Known, Place, RawColumn, RawTable};
use super::tables::text::Text;

/// A table of finite numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Names of the columns, where the file gives them.
    pub columns: Option<Vec<String>>,
    /// Number of rows, at least 1.
    pub rows: usize,
    /// Number of columns, at least 1.
    pub cols: usize,
    /// rows x cols values, row-major.
    pub values: Vec<f64>,
}

/// How a file stores its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// As text.
    Text,
    /// As bytes (uint8).
    Bytes,
    /// As numbers of another type.
    Numbers,
}

/// Kinds of files that hold tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, perhaps compressed by gzip.
    Text,
    Npy,
    Npz,
    Parquet,
}

/// The kind that a file's name claims. What comes by standard input is text.
pub(super) fn kind(path: &Path) -> Option<Kind> {
    if is_standard_input(path) {
        return Some(Kind::Text);
    }
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".csv", ".tsv", ".txt", ".data", ".csv.gz", ".tsv.gz"]) {
        Some(Kind::Text)
    } else if ends(&[".npy"]) {
        Some(Kind::Npy)
    } else {
        [(".npz", Kind::Npz), (".parquet", Kind::Parquet)]
            .into_iter()
            .find(|(ending, _)| ends(&[ending]))
            .map(|(_, kind)| kind)
    }
}

/// Whether a file's name claims columns between tabs.
pub(super) fn tabs(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.ends_with(".tsv") || name.ends_with(".tsv.gz")
}

/// The name of a table's file without its ending, `.csv.gz` as a whole.
pub(super) fn without_ending(path: &Path) -> String {
    let inner = path.with_extension("");
    let packed = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    let stem = if packed { inner.file_stem() } else { path.file_stem() };
    stem.unwrap_or_default().to_string_lossy().into_owned()
}

/// Reads a table in which every entry is a finite number.
///
/// - `.csv`, `.tsv` (both also with `.gz`), `.txt`, `.data`, and `-` for standard input: separated by commas, semicolons, tabs or bars; the
///   first line gives names if it is not like those below it. Numbers may have a decimal comma where that is plain.
/// - `.npy`: a row is an index of the first dimension; one dimension is one column, further ones lie end to end. Of
///   records, each field is a column, of its name.
/// - `.parquet`, by the feature of that name: a column each.
/// - `.npz`: the only array, or `x`, or another usual name of samples if one array has such a name.
///
/// # Errors
/// Whatever is wrong with the file: see [`DatasetError`]; it names line and column, or row and column.
///
/// # Examples
/// ```
/// let path = std::env::temp_dir().join(format!("hsic-doc-{}.csv", std::process::id()));
/// std::fs::write(&path, "height;weight\n1.5;2\n-3e1;4\n")?;
/// let table = hsic_data::dataset::read_table(&path)?;
/// assert_eq!((table.rows, table.cols, table.values), (2, 2, vec![1.5, 2.0, -30.0, 4.0]));
/// assert_eq!(table.columns.unwrap(), ["height", "weight"]);
/// std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_table(path: &Path) -> Result<Table, DatasetError> {
    read_values(path).map(|(table, _)| table)
}

/// [`read_table`], with how the file stores its numbers.
///
/// # Errors
/// Those of [`read_table`].
pub fn read_values(path: &Path) -> Result<(Table, Values), DatasetError> {
    match kind(path) {
        Some(Kind::Text) => Ok((of_text(path, &text_bytes(path)?)?, Values::Text)),
        _ => {
            let (place, content) = stored(path)?;
            from_stored(&place, content)
        }
    }
}

/// The numbers of a text.
pub(super) fn of_text(path: &Path, bytes: &[u8]) -> Result<Table, DatasetError> {
    let text = Text::of(path, bytes, None, tabs(path))?;
    of_numbers(path, &RawTable::of_text(&text, Known::default())?, None)
}

/// The numbers of a table, all columns but one, row by row.
///
/// # Errors
/// `NotANumber` and `Gap` with line and column, `NotFinite` with row and column.
pub(super) fn of_numbers(path: &Path, table: &RawTable, left_out: Option<usize>) -> Result<Table, DatasetError> {
    let columns: Vec<usize> = (0..table.columns.len()).filter(|&column| Some(column) != left_out).collect();
    let mut numbers = Vec::with_capacity(columns.len());
    let mut fault: Option<(u64, DatasetError)> = None;
    for &column in &columns {
        let RawColumn { cells, gap, word } = &table.columns[column];
        let wrong = match (cells, word, gap) {
            (Cells::Words(_), Some((Place { line, text }, ..)), _) => {
                let (path, text) = (path.to_owned(), text.clone());
                Some((*line, DatasetError::NotANumber { path, line: *line, column: column + 1, text }))
            }
            (_, _, Some(Place { line, text })) => {
                let fault = TableFault::Gap { line: *line, column: column + 1, text: text.clone() };
                Some((*line, DatasetError::Table { path: path.to_owned(), fault }))
            }
            _ => None,
        };
        // The first in the file is told.
        if let Some((line, error)) = wrong
            && fault.as_ref().is_none_or(|(earlier, _)| line < *earlier)
        {
            fault = Some((line, error));
        }
        if let Cells::Numbers(cells) = cells {
            numbers.push(cells);
        }
    }
    if let Some((_, error)) = fault {
        return Err(error);
    }
    let values: Vec<f64> = (0..table.rows).flat_map(|row| numbers.iter().map(move |cells| cells.get(row))).collect();
    if let Some(i) = values.iter().position(|value| !value.is_finite()) {
        let (row, column) = (table.file_row(i / columns.len()), columns[i % columns.len()]);
        return Err(DatasetError::NotFinite { path: path.to_owned(), row, column, value: values[i] });
    }
    let names = columns.iter().map(|&column| table.names[column].clone()).collect();
    Ok(Table { columns: table.named.map(|_| names), rows: table.rows, cols: columns.len(), values })
}

/// The bytes of a file.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, DatasetError> {
    std::fs::read(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })
}

/// A file of which only parts are read.
fn open_file(path: &Path) -> Result<BufReader<File>, DatasetError> {
    let file = File::open(path).map_err(|source| DatasetError::Io { path: path.to_owned(), source })?;
    Ok(BufReader::new(file))
}

/// What a file that is no text holds, with its place; of an archive the array of samples.
///
/// # Errors
/// `FileKind`; whatever is wrong with the file.
pub(super) fn stored(path: &Path) -> Result<(PathBuf, Stored), DatasetError> {
    match kind(path) {
        Some(Kind::Npz) => only(path, open_file(path)?),
        Some(kind @ (Kind::Npy | Kind::Parquet)) => stored_in(path, kind, &read_file(path)?),
        Some(Kind::Text) | None => Err(DatasetError::FileKind { path: path.to_owned() }),
    }
}

/// [`stored`] of what a file of a kind holds.
pub(super) fn stored_in(path: &Path, kind: Kind, bytes: &[u8]) -> Result<(PathBuf, Stored), DatasetError> {
    match kind {
        Kind::Npy => Ok((path.to_owned(), npy::parse(path, bytes)?)),
        Kind::Npz => only(path, Cursor::new(bytes)),
        Kind::Parquet => Ok((path.to_owned(), parquet::parse(path, bytes)?)),
        Kind::Text => Err(DatasetError::FileKind { path: path.to_owned() }),
    }
}

/// The array of samples in an archive, with its place.
fn only(path: &Path, file: impl Read + Seek) -> Result<(PathBuf, Stored), DatasetError> {
    let mut archive = Archive::open(path, file)?;
    let names = archive.names();
    match samples(&names) {
        Some(name) => Ok((archive.member(name), archive.array(name)?)),
        None => Err(DatasetError::Members { path: path.to_owned(), found: names }),
    }
}

/// What a file of arrays holds, as a table of finite numbers, and how it stores them.
pub(super) fn from_stored(path: &Path, content: Stored) -> Result<(Table, Values), DatasetError> {
    let wrong = |fault| DatasetError::Array { path: path.to_owned(), fault };
    let (table, kind) = match content {
        Stored::Plain(array) => {
            let (rows, cols) = array.table();
            let kind = if matches!(array.entries, Entries::Bytes(_)) { Values::Bytes } else { Values::Numbers };
            let values = array.entries.into_numbers().map_err(|text| wrong(ArrayFault::Text { name: None, text }))?;
            (Table { columns: None, rows, cols, values }, kind)
        }
        Stored::Records(fields) => {
            let columns = Columns::of_records(fields).map_err(wrong)?;
            let (names, rows, cols) = (columns.names().map(<[String]>::to_vec), columns.rows(), columns.cols());
            let values = columns.numbers(None).map_err(wrong)?;
            (Table { columns: names, rows, cols, values }, Values::Numbers)
        }
    };
    check_finite(path, &table.values, table.cols)?;
    Ok((table, kind))
}

/// Whether every value is finite, or which is not.
pub(super) fn check_finite(path: &Path, values: &[f64], cols: usize) -> Result<(), DatasetError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(i) => {
            Err(DatasetError::NotFinite { path: path.to_owned(), row: i / cols, column: i % cols, value: values[i] })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<Table, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        read_table(&path)
    }

    /// The message without the folder.
    fn message(text: &str) -> String {
        let message = csv(text).unwrap_err().to_string();
        message[message.find("t.csv").unwrap()..].to_owned()
    }

    #[test]
    fn separators_names_and_marks_of_encoding_are_found_out() {
        let expected = vec![1.0, 2.5, -3.0, 4.0];
        for text in ["1,2.5\n-3,4\n", "1;2.5\r\n-3;4", "\n1\t2.5\n\n-3\t 4 \n", "\u{feff}1,2.5\n-3,4\n"] {
            let table = csv(text).unwrap();
            assert_eq!(
                (table.columns, table.rows, table.cols, table.values),
                (None, 2, 2, expected.clone()),
                "{text:?}"
            );
        }
        for text in ["a,b\n1,2.5\n-3,4", "a;b\n1;2.5\n-3;4", "\u{feff}\"a\",\"b\"\n1,2.5\n\"-3\",4"] {
            let table = csv(text).unwrap();
            assert_eq!(
                (table.columns.unwrap(), table.values),
                (vec!["a".into(), "b".into()], expected.clone()),
                "{text:?}"
            );
        }
        assert_eq!(csv("\"a;b\",c\n1,2\n").unwrap().columns.unwrap(), ["a;b", "c"]);
    }

    #[test]
    fn each_fault_names_line_column_and_text() {
        assert_eq!(message("a,b\n1,2\n\n3,x\n"), "t.csv: line 4, column 2: \"x\", expected a number");
        assert_eq!(message("1,2\n3,\n"), "t.csv: line 2, column 2: nothing, expected a number");
        let told = "t.csv: line 3, column 1: \"NA\" stands for a missing value, expected a number";
        assert_eq!(message("a,b\n1,2\n3,x\nNA,y\n"), "t.csv: line 3, column 2: \"x\", expected a number");
        assert_eq!(message("a,b\n1,2\nNA,2\n"), told);
        assert_eq!(message("a,b\n1,2\n3\n"), "t.csv: line 3 has 1 columns, expected 2 as in the first line");
        assert_eq!(message("1,2\n3,-inf\n"), "t.csv: row 1, column 1 (from 0): -inf, expected a finite number");
        for text in ["", "\n\n", "a,b\n"] {
            assert_eq!(message(text), "t.csv: no values, expected at least one row and one column", "{text:?}");
        }
    }

    #[test]
    fn a_name_tells_the_kind() {
        for (name, found, stem) in [
            ("a/b.csv", Some(Kind::Text), "b"),
            ("b.TSV", Some(Kind::Text), "b"),
            ("b.c.csv.gz", Some(Kind::Text), "b.c"),
            ("b.npy", Some(Kind::Npy), "b"),
            ("b.NPZ", Some(Kind::Npz), "b"),
            ("b.parquet", Some(Kind::Parquet), "b"),
            ("iris.data", Some(Kind::Text), "iris"),
            ("b.xlsx", None, "b"),
        ] {
            let path = Path::new(name);
            assert_eq!((kind(path), without_ending(path).as_str()), (found, stem), "{name}");
        }
        assert!(tabs(Path::new("b.tsv.gz")) && !tabs(Path::new("b.csv")));
    }
}
