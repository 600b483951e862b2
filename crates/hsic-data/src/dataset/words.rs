//! Tables whose columns may hold words: each word becomes a number, which only says which word it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::DatasetError;
use super::array_fault::ArrayFault;
use super::columns::Columns;
use super::npy::{self, Entries, Stored};
use super::table::{Kind, Lines, Table, check_finite, from_stored, kind, number, only, read_file};

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
/// In a `.csv` the first line gives names if nothing in it is a number, unless one of its words stands below itself again.
/// In arrays, strings are words.
///
/// # Errors
/// Those of [`read_table`](super::read_table), and `Array` for a field without a word.
pub fn read_words(path: &Path, columns: WordColumns) -> Result<Coded, DatasetError> {
    let (place, content) = match kind(path) {
        Some(Kind::Csv) => return of_lines(path, columns),
        Some(Kind::Npy) => (path.to_owned(), npy::parse(path, &read_file(path)?)?),
        Some(Kind::Npz) => only(path)?,
        None => return Err(DatasetError::FileKind { path: path.to_owned() }),
    };
    of_stored(&place, content)
}

fn of_lines(path: &Path, rule: WordColumns) -> Result<Coded, DatasetError> {
    let mut lines = Lines::read(path, &read_file(path)?, |_, _| false)?;
    let (_, first) = &lines.rows[0];
    let again = |column: usize| lines.rows[1..].iter().any(|(_, record)| record[column] == first[column]);
    if first.iter().all(|field| number(field).is_none()) && !(0..lines.cols).any(again) {
        lines.columns = Some(first.iter().map(String::from).collect());
        lines.rows.remove(0);
        if lines.rows.is_empty() {
            return Err(DatasetError::Empty { path: path.to_owned() });
        }
    }
    let (mut all, mut words) = (Vec::new(), Vec::new());
    for column in 0..lines.cols {
        let numbers = lines.rows.iter().filter(|(_, record)| number(&record[column]).is_some()).count();
        let worded = match rule {
            WordColumns::Pure => numbers == 0,
            WordColumns::Any => numbers < lines.rows.len(),
        };
        if !worded {
            let numbers = lines.rows.iter().map(|row| lines.number(path, row, column));
            all.push(numbers.collect::<Result<Vec<f64>, _>>()?);
            continue;
        }
        if let Some(&(line, _)) = lines.rows.iter().find(|(_, record)| record[column].is_empty()) {
            let fault = ArrayFault::Blank { line, column: column + 1 };
            return Err(DatasetError::Array { path: path.to_owned(), fault });
        }
        all.push(codes(lines.rows.iter().map(|(_, record)| &record[column])));
        words.push(column);
    }
    let table = table(lines.columns, &all);
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
