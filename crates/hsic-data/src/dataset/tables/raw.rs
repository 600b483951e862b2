//! A table as a file has it, column by column: names, numbers, words, and what is missing.

use std::collections::BTreeMap;
use std::path::Path;

use super::cells::{CellReader, Cells, Numbers, WordBuilder};
use super::header::{Header, Named};
use super::look::{Evidence, Kind, Look};
use crate::dataset::columns::{Columns, MOST_COLUMNS};
use crate::dataset::error::DatasetError;
use crate::dataset::npy::Entries;
use crate::dataset::table_fault::TableFault;

/// A cell that is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    /// Its line, from 1; in an array, its row.
    pub(crate) line: u64,
    /// What stands there.
    pub(crate) text: String,
}

/// A column as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawColumn {
    pub(crate) cells: Cells,
    /// The first cell in which something is missing.
    pub(crate) gap: Option<Place>,
    /// Of a column of words the first of them, and how many of so many cells are numbers.
    pub(crate) word: Option<(Place, usize, usize)>,
}

/// A table as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RawTable {
    /// Names of the columns, each once; `column` and its index for one that has none.
    pub(crate) names: Vec<String>,
    /// Whether the file gives names.
    pub(crate) named: Option<Named>,
    pub(crate) columns: Vec<RawColumn>,
    pub(crate) rows: usize,
    /// Which rows of the file these are, from 0, where some were left out.
    pub(crate) kept: Option<Vec<usize>>,
}

/// Checks how many columns there are: each has a name and takes half a kilobyte, however few rows there are.
pub(super) fn check_columns(columns: usize) -> Result<(), TableFault> {
    if columns > MOST_COLUMNS { Err(TableFault::Wide { columns, most: MOST_COLUMNS }) } else { Ok(()) }
}

/// Says of a table that has its names alone which columns hold texts, whatever those look like.
pub(crate) type Texts<'k> = &'k dyn Fn(&RawTable) -> Vec<usize>;

/// What is known of a text before it is read.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'k> {
    /// What the first line is.
    pub(crate) header: Header,
    /// Names that the columns should have.
    pub(crate) expected: &'k [&'k str],
    /// The column of labels that was asked for.
    pub(crate) label: Option<&'k str>,
    /// Which columns hold texts, whatever those look like; it sees a table that has its names alone.
    pub(crate) texts: Option<Texts<'k>>,
    /// Whether the table is read as the first versions read it: no number is a name, and every word is one.
    pub(crate) early: bool,
}

impl RawTable {
    /// The index of a column: by name, else by index.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let named = || self.names.iter().position(|known| known == name);
        named().or_else(|| name.parse().ok().filter(|&index| index < self.names.len()))
    }

    /// The columns of arrays. Strings that all are numbers are read as such.
    ///
    /// # Errors
    /// `Array` for an array without rows or columns.
    pub(crate) fn of_columns(path: &Path, columns: &Columns, texts: Option<Texts<'_>>) -> Result<Self, DatasetError> {
        let (rows, cols) = (columns.rows(), columns.cols());
        if rows == 0 || cols == 0 {
            return Err(DatasetError::Empty { path: path.to_owned() });
        }
        check_columns(cols).map_err(|fault| DatasetError::Table { path: path.to_owned(), fault })?;
        let mut table = Self {
            named: columns.names().map(|_| Named::Plainly),
            names: columns.names().map_or_else(|| (0..cols).map(unnamed).collect(), |names| distinct(names.to_vec())),
            columns: Vec::new(),
            rows,
            kept: None,
        };
        let texts = texts.map_or_else(Vec::new, |texts| texts(&table));
        let read = |index| match columns.column(index) {
            Entries::Bytes(bytes) | Entries::Flags(bytes) => plain_column(Numbers::Bytes(bytes)),
            Entries::Numbers(numbers) => plain_column(Numbers::of(numbers)),
            Entries::Texts(cells) => of_texts(&cells, texts.contains(&index)),
        };
        table.columns = (0..cols).map(read).collect();
        Ok(table)
    }

    /// Leaves only those rows.
    pub(crate) fn keep(&mut self, kept: &[bool]) {
        for column in &mut self.columns {
            column.cells = match &column.cells {
                Cells::Numbers(numbers) => {
                    Cells::Numbers(Numbers::of((0..kept.len()).filter(|&row| kept[row]).map(|row| numbers.get(row))))
                }
                Cells::Words(words) => {
                    let mut builder = WordBuilder::new(None);
                    (0..kept.len()).filter(|&row| kept[row]).for_each(|row| builder.push(words.get(row)));
                    Cells::Words(builder.finish())
                }
            };
        }
        let rows: Vec<usize> = (0..kept.len()).filter(|&row| kept[row]).map(|row| self.file_row(row)).collect();
        (self.rows, self.kept) = (rows.len(), Some(rows));
    }

    /// The row of the file, from 0, that a row of the table is.
    pub(crate) fn file_row(&self, row: usize) -> usize {
        self.kept.as_ref().map_or(row, |kept| kept[row])
    }

    /// The column that a file is expected to have, or what is amiss.
    ///
    /// # Errors
    /// `NoColumn`.
    pub(crate) fn asked(&self, key: &'static str, name: &str) -> Result<usize, TableFault> {
        let missing = || TableFault::NoColumn { key, name: name.to_owned(), found: self.names.clone() };
        self.find(name).ok_or_else(missing)
    }
}

fn plain_column(numbers: Numbers) -> RawColumn {
    let cells = Cells::Numbers(numbers);
    let gap = (0..cells.len()).find(|&row| cells.is_gap(row));
    RawColumn { gap: gap.map(|row| Place { line: row as u64 + 1, text: "NaN".to_owned() }), cells, word: None }
}

fn of_texts(texts: &[String], as_text: bool) -> RawColumn {
    let mut look = Look::default();
    texts.iter().enumerate().for_each(|(row, text)| look.add(row, text.trim()));
    let place = |(row, text): (usize, String)| Place { line: row as u64 + 1, text };
    let kind = look.kind(b',', Evidence::default());
    let mut reader = match kind {
        Kind::Numbers(decimal) if !as_text => CellReader::Numbers(decimal, Numbers::with_capacity(texts.len())),
        _ => CellReader::words(false, texts.len()),
    };
    texts.iter().for_each(|text| reader.push(text.trim()));
    let word = match kind {
        Kind::Words { first, numbers } => first.map(|first| (place(first), numbers, look.filled)),
        _ => None,
    };
    RawColumn { cells: reader.finish(), gap: look.gap.map(place), word }
}

/// The name of a column that has none.
pub(crate) fn unnamed(index: usize) -> String {
    format!("column {index}")
}

/// Names, each once: a second `a` is `a.1`, as pandas calls it.
pub(super) fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let name = if name.is_empty() { unnamed(index) } else { name };
        let mut own = name.clone();
        while seen.contains_key(&own) {
            let count = seen.entry(name.clone()).or_insert(0);
            *count += 1;
            own = format!("{name}.{count}");
        }
        seen.insert(own.clone(), 0);
        all.push(own);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tables::text::Text;

    fn table(text: &str) -> Result<RawTable, String> {
        known(text, Known::default())
    }

    fn known(text: &str, known: Known<'_>) -> Result<RawTable, String> {
        let path = Path::new("t.csv");
        let text = Text::of(path, text.as_bytes(), None, false).unwrap();
        RawTable::of_text(&text, known).map_err(|error| error.to_string())
    }

    fn numbers(table: &RawTable, column: usize) -> Vec<f64> {
        let Cells::Numbers(numbers) = &table.columns[column].cells else { panic!("numbers in {column}") };
        (0..table.rows).map(|row| numbers.get(row)).collect()
    }

    fn words(table: &RawTable, column: usize) -> Vec<Option<String>> {
        let Cells::Words(words) = &table.columns[column].cells else { panic!("words in {column}") };
        (0..table.rows).map(|row| words.get(row).map(str::to_owned)).collect()
    }

    #[test]
    fn columns_are_numbers_or_words_with_gaps() {
        let table = table("age,port,void\n1.5,north,\n,south,NA\nNA,,\n3,north,\n").unwrap();
        assert_eq!((table.rows, &table.names[..]), (4, &["age", "port", "void"].map(str::to_owned)[..]));
        let ages = numbers(&table, 0);
        assert_eq!((ages[0], ages[3], ages[1].is_nan(), ages[2].is_nan()), (1.5, 3.0, true, true));
        let north = Some("north".to_owned());
        assert_eq!(words(&table, 1), [north.clone(), Some("south".to_owned()), None, north]);
        assert!(numbers(&table, 2).iter().all(|number| number.is_nan()));
        let gap = |column: usize| table.columns[column].gap.clone().map(|place| (place.line, place.text));
        assert_eq!([gap(0), gap(1), gap(2)], [(3, ""), (4, ""), (2, "")].map(|(line, text)| Some((line, text.into()))));
    }

    #[test]
    fn numbers_are_read_as_the_file_writes_them() {
        let comma = table("a;b\n0,5;1.234\n-1,25;7\n").unwrap();
        assert_eq!((numbers(&comma, 0), numbers(&comma, 1)), (vec![0.5, -1.25], vec![1234.0, 7.0]));
        let point = table("a\tb\n\"1,234\"\t0.5\n12\t1.5\n").unwrap();
        assert_eq!(numbers(&point, 0), [1234.0, 12.0]);
        let told = table("a\tb\n1,234\t5\n12\t1\n").unwrap_err();
        assert!(told.starts_with("t.csv: line 2, column 1: \"1,234\" may have a decimal comma"), "{told}");
    }

    #[test]
    fn a_word_among_numbers_is_remembered() {
        let table = table("a,b\n1,x\n2,x\nold,y\n").unwrap();
        let slip = Place { line: 4, text: "old".to_owned() };
        assert_eq!(
            (&table.columns[0].word, table.columns[1].word.as_ref().map(|word| word.1)),
            (&Some((slip, 2, 3)), Some(0))
        );
    }

    #[test]
    fn names_are_distinct_and_rs_row_names_have_a_column() {
        assert_eq!(table("a,a,,a\n1,2,3,4\n").unwrap().names, ["a", "a.1", "column 2", "a.2"]);
        let r = table("w,kind\nr1,1,2\nr2,3,4\n").unwrap();
        assert_eq!((&r.names[..], r.rows), (&["column 0", "w", "kind"].map(str::to_owned)[..], 2));
        let told = table("a,b\n1,2\n\n3\n").unwrap_err();
        assert_eq!(told, "t.csv: line 4 has 1 columns, expected 2 as in the first line");
        for text in ["", "\n\n", "a,b\n"] {
            assert!(table(text).unwrap_err().contains("no values"), "{text:?}");
        }
    }

    #[test]
    fn what_a_user_says_of_the_first_line_holds() {
        let text = "0,1,2\n0.5,2,7\n";
        assert_eq!((table(text).unwrap().rows, table(text).unwrap().named), (1, Some(Named::ByNumbers)));
        let said = |header| known(text, Known { header, ..Known::default() }).unwrap();
        assert_eq!((said(Header::No).rows, said(Header::Yes).rows), (2, 1));
        assert_eq!(known(text, Known { early: true, ..Known::default() }).unwrap().rows, 2);
        let last = |table: &RawTable| vec![table.names.len() - 1];
        let label = Known { texts: Some(&last), ..Known::default() };
        assert_eq!(words(&known("a,b\n1,01\n2,1\n", label).unwrap(), 1), [Some("01".to_owned()), Some("1".to_owned())]);
    }

    #[test]
    fn rows_can_be_left_out() {
        let mut table = table("a,b\n1,x\n,y\n3,\n").unwrap();
        table.keep(&[true, false, true]);
        assert_eq!(
            (table.rows, numbers(&table, 0), words(&table, 1)),
            (2, vec![1.0, 3.0], vec![Some("x".into()), None])
        );
    }
}
