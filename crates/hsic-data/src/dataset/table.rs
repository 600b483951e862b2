//! Tables of numbers: `.csv`, `.npy`, `.npz`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use super::DatasetError;
use super::array_fault::ArrayFault;
use super::columns::Columns;
use super::npy::{self, Entries, Stored};
use super::npz::Archive;
use super::roles::samples;

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
    Csv,
    Npy,
    Npz,
}

/// The kind that a file's name claims.
pub(super) fn kind(path: &Path) -> Option<Kind> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "csv" => Some(Kind::Csv),
        "npy" => Some(Kind::Npy),
        "npz" => Some(Kind::Npz),
        _ => None,
    }
}

/// Reads a table in which every entry is a finite number.
///
/// - `.csv`: separated by commas, semicolons or tabs; the first line gives names if nothing in it is a number.
/// - `.npy`: a row is an index of the first dimension; one dimension is one column, further ones lie end to end. Of
///   records, each field is a column, of its name.
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
        Some(Kind::Csv) => {
            let bytes = read_file(path)?;
            let lines = Lines::read(path, &bytes, |first, _| first.iter().all(|field| number(field).is_none()))?;
            let (rows, cols) = (lines.rows.len(), lines.cols);
            let mut values = Vec::with_capacity(rows * cols);
            for row in &lines.rows {
                for column in 0..cols {
                    values.push(lines.number(path, row, column)?);
                }
            }
            let table = Table { columns: lines.columns, rows, cols, values };
            check_finite(path, &table.values, cols)?;
            Ok((table, Values::Text))
        }
        Some(Kind::Npy) => from_stored(path, npy::parse(path, &read_file(path)?)?),
        Some(Kind::Npz) => {
            let (place, content) = only(path)?;
            from_stored(&place, content)
        }
        None => Err(DatasetError::FileKind { path: path.to_owned() }),
    }
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

/// The array of samples in an archive, with its place.
pub(super) fn only(path: &Path) -> Result<(PathBuf, Stored), DatasetError> {
    let mut archive = Archive::open(path, open_file(path)?)?;
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

/// The number that a field of a CSV file holds.
pub(super) fn number(field: &str) -> Option<f64> {
    field.parse().ok()
}

/// The fields of a CSV file.
pub(super) struct Lines {
    /// The first line, if it gives names.
    pub(super) columns: Option<Vec<String>>,
    /// Fields in each row, at least 1.
    pub(super) cols: usize,
    /// The rows, at least 1, each with its line number from 1.
    pub(super) rows: Vec<(u64, StringRecord)>,
}

impl Lines {
    /// Reads all lines of a file's bytes; `names` decides from the first and the second one whether the first gives names.
    pub(super) fn read(
        path: &Path,
        bytes: &[u8],
        names: impl Fn(&StringRecord, Option<&StringRecord>) -> bool,
    ) -> Result<Self, DatasetError> {
        let mut reader = ReaderBuilder::new()
            .delimiter(separator(bytes))
            .has_headers(false)
            // Lengths are checked below, where the line is known.
            .flexible(true)
            .trim(Trim::All)
            .from_reader(bytes);
        let mut rows: Vec<(u64, StringRecord)> = Vec::new();
        let mut record = StringRecord::new();
        let (mut line, mut counted) = (1, 0);
        loop {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(source) => return Err(DatasetError::Csv { path: path.to_owned(), source }),
            }
            // The reader's own count stops at the empty lines before a record; ours goes past them.
            let start = record.position().map_or(counted, |position| position.byte() as usize);
            let start = start + bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            line += bytes[counted..start].iter().filter(|&&byte| byte == b'\n').count() as u64;
            counted = start;
            if let Some((_, first)) = rows.first()
                && first.len() != record.len()
            {
                let (found, expected) = (record.len(), first.len());
                return Err(DatasetError::Ragged { path: path.to_owned(), line, found, expected });
            }
            rows.push((line, record.clone()));
        }
        let columns = match rows.as_slice() {
            [(_, first), rest @ ..] if names(first, rest.first().map(|(_, second)| second)) => {
                let columns = first.iter().map(String::from).collect();
                rows.remove(0);
                Some(columns)
            }
            _ => None,
        };
        let Some((_, first)) = rows.first() else {
            return Err(DatasetError::Empty { path: path.to_owned() });
        };
        Ok(Self { columns, cols: first.len(), rows })
    }

    /// The number in one field.
    pub(super) fn number(
        &self,
        path: &Path,
        (line, record): &(u64, StringRecord),
        column: usize,
    ) -> Result<f64, DatasetError> {
        number(&record[column]).ok_or_else(|| DatasetError::NotANumber {
            path: path.to_owned(),
            line: *line,
            column: column + 1,
            text: record[column].to_owned(),
        })
    }
}

/// The separator: a tab if the first line has one outside quotes, else a semicolon if it has one, else a comma. In
/// this order because numbers may be written with commas, and then fields are not separated by them.
fn separator(bytes: &[u8]) -> u8 {
    let line = bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let mut quoted = false;
    let outside: Vec<u8> = line
        .iter()
        .copied()
        .filter(|&byte| {
            quoted ^= byte == b'"';
            !quoted
        })
        .collect();
    [b'\t', b';'].into_iter().find(|separator| outside.contains(separator)).unwrap_or(b',')
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
        assert_eq!(message("1,x\n3,4\n"), "t.csv: line 1, column 2: \"x\", expected a number");
        assert_eq!(message("1,2\n3,\n"), "t.csv: line 2, column 2: \"\", expected a number");
        assert_eq!(message("1;2\n1,5;3\n"), "t.csv: line 2, column 1: \"1,5\", expected a number");
        assert_eq!(message("a,b\n1,2\n3\n"), "t.csv: line 3 has 1 columns, expected 2 as in the first line");
        assert_eq!(message("1,2\n3,-inf\n"), "t.csv: row 1, column 1 (from 0): -inf, expected a finite number");
        assert_eq!(message("1,2\nNaN,2\n"), "t.csv: row 1, column 0 (from 0): NaN, expected a finite number");
        for text in ["", "\n\n", "a,b\n"] {
            assert_eq!(message(text), "t.csv: no values, expected at least one row and one column", "{text:?}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, b"1,2\n\xff\xfe,3\n").unwrap();
        let error = read_table(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: not readable, expected a table of text in UTF-8", path.display()));
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert!(reason.contains("line 2,") && reason.contains("invalid utf-8"), "{reason}");
    }
}
