//! Tables whose columns may hold words: each word becomes a number, which only says which word it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::DatasetError;
use super::array_fault::ArrayFault;
use super::columns::Columns;
use super::npy::{Entries, Stored};
use super::standard_input::text_bytes;
use super::table::{Kind, Table, check_finite, from_stored, kind, stored, tabs};
use super::table_fault::TableFault;
use super::tables::cells::Cells;
use super::tables::raw::{Known, Place, RawColumn, RawTable};
use super::tables::text::Text;

/// Which columns are taken for words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordColumns {
    /// Those in which nothing is a number. A word among numbers is an error: it may be a slip.
    Pure,
    /// Those in which anything is no number.
    Any,
}

/// A table whose columns of words are numbered: equal numbers are equal words.
#[derive(Clone, Debug, PartialEq)]
pub struct Coded {
    /// The table; in a column of words, the place of each word among those of the column, sorted, from 0.
    pub table: Table,
    /// Columns of words, by index from 0.
    pub words: Vec<usize>,
}

/// Reads a table as [`read_table`](super::read_table) does, with columns of words.
///
/// In a text the first line gives names if it is not like those below it: not if one of its words stands below itself again.
/// In arrays, strings are words.
///
/// # Errors
/// Those of [`read_table`](super::read_table), and `Array` for a field without a word.
pub fn read_words(path: &Path, columns: WordColumns) -> Result<Coded, DatasetError> {
    let (place, content) = match kind(path) {
        Some(Kind::Text) => return of_text(path, columns),
        _ => stored(path)?,
    };
    of_stored(&place, content)
}

fn of_text(path: &Path, rule: WordColumns) -> Result<Coded, DatasetError> {
    let bytes = text_bytes(path)?;
    let text = Text::of(path, &bytes, None, tabs(path))?;
    let raw = RawTable::of_text(&text, Known::default())?;
    let (mut all, mut words) = (Vec::new(), Vec::new());
    for (index, RawColumn { cells, gap, word }) in raw.columns.iter().enumerate() {
        let place = |place: &Place| (path.to_owned(), place.line, index + 1, place.text.clone());
        match (cells, word) {
            (Cells::Words(_), Some((first, 1.., _))) if rule == WordColumns::Pure => {
                let (path, line, column, text) = place(first);
                return Err(DatasetError::NotANumber { path, line, column, text });
            }
            (Cells::Words(cells), _) => {
                if let (true, Some(Place { line, .. })) = ((0..raw.rows).any(|row| cells.get(row).is_none()), gap) {
                    let fault = ArrayFault::Blank { line: *line, column: index + 1 };
                    return Err(DatasetError::Array { path: path.to_owned(), fault });
                }
                all.push(codes((0..raw.rows).filter_map(|row| cells.get(row))));
                words.push(index);
            }
            (Cells::Numbers(cells), _) => {
                if let Some(first) = gap {
                    let (path, line, column, text) = place(first);
                    return Err(DatasetError::Table { path, fault: TableFault::Gap { line, column, text } });
                }
                all.push((0..raw.rows).map(|row| cells.get(row)).collect());
            }
        }
    }
    let table = table(raw.named.map(|_| raw.names), &all);
    check_finite(path, &table.values, table.cols)?;
    Ok(Coded { table, words })
}

fn of_stored(path: &Path, content: Stored) -> Result<Coded, DatasetError> {
    let texts = |entries: &Entries| matches!(entries, Entries::Texts(_));
    let worded = match &content {
        Stored::Plain(array) => texts(&array.entries),
        Stored::Records(fields) => fields.iter().any(|(_, array)| texts(&array.entries)),
    };
    if !worded {
        return Ok(Coded { table: from_stored(path, content)?.0, words: Vec::new() });
    }
    let wrong = |fault| DatasetError::Array { path: path.to_owned(), fault };
    let columns = Columns::of(content).map_err(wrong)?;
    let (mut all, mut words) = (Vec::new(), Vec::new());
    for column in 0..columns.cols() {
        all.push(match columns.column(column) {
            Entries::Texts(texts) => {
                if let Some(row) = texts.iter().position(|text| text.trim().is_empty()) {
                    return Err(wrong(ArrayFault::Blank { line: row as u64 + 1, column: column + 1 }));
                }
                words.push(column);
                codes(texts.iter().map(|text| text.trim()))
            }
            entries => entries.into_numbers().unwrap_or_default(),
        });
    }
    let names = columns.names().map(<[String]>::to_vec);
    let table = table(names, &all);
    check_finite(path, &table.values, table.cols)?;
    Ok(Coded { table, words })
}

/// The place of each word among all, sorted.
fn codes<'w>(words: impl Iterator<Item = &'w str> + Clone) -> Vec<f64> {
    let sorted: BTreeSet<&str> = words.clone().collect();
    let places: BTreeMap<&str, usize> = sorted.into_iter().zip(0..).collect();
    words.map(|word| places[word] as f64).collect()
}

fn table(columns: Option<Vec<String>>, all: &[Vec<f64>]) -> Table {
    let rows = all[0].len();
    let values = (0..rows).flat_map(|row| all.iter().map(move |column| column[row])).collect();
    Table { columns, rows, cols: all.len(), values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str, rule: WordColumns) -> Result<Coded, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        read_words(&path, rule).map_err(|error| error.to_string().replace(path.to_str().unwrap(), "t.csv"))
    }

    #[test]
    fn equal_words_are_equal_numbers() {
        let coded = csv("color,size\nred,2\nblue,3\nred,2\n", WordColumns::Pure).unwrap();
        assert_eq!((coded.table.values, coded.words), (vec![1.0, 2.0, 0.0, 3.0, 1.0, 2.0], vec![0]));
        assert_eq!(coded.table.columns.unwrap(), ["color", "size"]);
        // Numbers are left to be compared as such.
        let numbers = csv("1,2\n1.0,3\n", WordColumns::Any).unwrap();
        assert_eq!((numbers.table.values, numbers.words), (vec![1.0, 2.0, 1.0, 3.0], vec![]));
    }

    #[test]
    fn a_first_line_whose_word_comes_again_is_a_row() {
        let rows = |text: &str| csv(text, WordColumns::Pure).map(|coded| (coded.table.rows, coded.table.columns));
        assert_eq!(rows("red\nblue\nred\n").unwrap(), (3, None));
        assert_eq!(rows("color\nblue\nred\n").unwrap(), (2, Some(vec!["color".into()])));
        assert_eq!(rows("a,b\nb,a\n").unwrap(), (1, Some(vec!["a".into(), "b".into()])));
        assert_eq!(rows("color\n").unwrap_err(), "t.csv: no values, expected at least one row and one column");
    }

    #[test]
    fn a_word_among_numbers_is_a_slip_unless_words_are_asked_for() {
        let text = "grade\n1\n2\nx\n1\n";
        assert_eq!(csv(text, WordColumns::Pure).unwrap_err(), "t.csv: line 4, column 1: \"x\", expected a number");
        let coded = csv(text, WordColumns::Any).unwrap();
        assert_eq!((coded.table.values, coded.words), (vec![0.0, 1.0, 2.0, 0.0], vec![0]));
        let blank = csv("color;n\nred;1\n;2\nred;1\n", WordColumns::Pure).unwrap_err();
        assert_eq!(blank, "t.csv: line 3, column 1: nothing, expected a number or a word");
    }

    #[test]
    fn strings_in_arrays_are_words() {
        use crate::dataset::npy::Array;
        let texts = |texts: &[&str]| Entries::Texts(texts.iter().map(|&text| text.to_owned()).collect());
        let plain = Stored::Plain(Array { shape: vec![2, 2], entries: texts(&["b", "x", "a ", "x"]) });
        let coded = of_stored(Path::new("f"), plain).unwrap();
        assert_eq!((coded.table.values, coded.words), (vec![1.0, 0.0, 0.0, 0.0], vec![0, 1]));
        let array = |entries| Array { shape: vec![2], entries };
        let fields = vec![
            ("n".to_owned(), array(Entries::Numbers(vec![0.5, 7.0]))),
            ("w".to_owned(), array(texts(&["q", "p"]))),
        ];
        let coded = of_stored(Path::new("f"), Stored::Records(fields)).unwrap();
        assert_eq!((coded.table.values, coded.words), (vec![0.5, 1.0, 7.0, 0.0], vec![1]));
        let blank = of_stored(Path::new("f"), Stored::Plain(array(texts(&["a", ""])))).unwrap_err();
        assert_eq!(blank.to_string(), "f: line 2, column 1: nothing, expected a number or a word");
    }
}
