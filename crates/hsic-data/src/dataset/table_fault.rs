//! What can be wrong with a table, or with what is asked of its columns.

use thiserror::Error;

use crate::names::did_you_mean;

/// Most names of columns that a message lists.
const MOST_NAMES: usize = 20;

/// A reason why a table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TableFault {
    /// Bytes that are no text of the encoding.
    #[error(
        "line {line} is not in {encoding}, expected a table of text in UTF-8, or in UTF-16 with a byte order mark: save it so, or say how it is encoded"
    )]
    Encoding {
        /// The line, from 1; 1 where lines cannot be told.
        line: u64,
        /// The encoding in which it was read.
        encoding: String,
    },
    /// More columns than are read.
    #[error("{columns} columns, expected at most {most}")]
    Wide {
        /// Columns there are.
        columns: usize,
        /// Columns there may be.
        most: usize,
    },
    /// A row of another length.
    #[error("line {line} has {found} columns, expected {expected} as in the first line")]
    Ragged {
        /// The line, from 1.
        line: u64,
        /// Its columns.
        found: usize,
        /// Columns of the first line.
        expected: usize,
    },
    /// A missing number where gaps are not filled.
    #[error("line {line}, column {column}: {}, expected a number", missing(text))]
    Gap {
        /// The line, from 1; in an array, the row.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// What stands there.
        text: String,
    },
    /// A word in a column of numbers.
    #[error(
        "line {line}, column {column} ({name}): {text:?} among numbers, expected a number, or nothing where it is missing"
    )]
    Slip {
        /// The line, from 1; in an array, the row.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// Its name.
        name: String,
        /// What stands there.
        text: String,
    },
    /// A column whose cells are no single values.
    #[error(
        "column {name}: its cells are lists, records or bytes, expected numbers, truth values or text: leave it out of the file"
    )]
    Nested {
        /// The column.
        name: String,
    },
    /// Numbers that could be read in two ways.
    #[error(
        "line {line}, column {column}: {text:?} may have a decimal comma or a mark between thousands, expected numbers of one reading: write them without marks between thousands"
    )]
    Ambiguous {
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// The first such number.
        text: String,
    },
    /// More words in a column than become columns.
    #[error("column {name}: {} words such as {example:?} in the training part, expected numbers, or at most {most} words, each of which becomes a column", if *more { format!("more than {words}") } else { words.to_string() })]
    TooManyWords {
        /// The column.
        name: String,
        /// Different words in it.
        words: usize,
        /// Whether there are more.
        more: bool,
        /// Most that become columns.
        most: usize,
        /// One of them.
        example: String,
    },
    /// A column that was asked for and is not there.
    #[error("{key} = {name}: expected {}", columns_of(found, name))]
    NoColumn {
        /// The option that named it.
        key: &'static str,
        /// What was asked for.
        name: String,
        /// Names of the columns.
        found: Vec<String>,
    },
    /// The column of the labels among those that are left out.
    #[error("{key} leaves out the column of the labels, {name}: expected others")]
    LabelLeftOut {
        /// The option.
        key: &'static str,
        /// The label's column.
        name: String,
    },
    /// No column is left to learn from.
    #[error("no column is left beside the label, expected one at least")]
    NothingLeft,
    /// No row is left to learn from.
    #[error("no row has {what}, expected two at least")]
    NoRows {
        /// What they lack.
        what: &'static str,
    },
    /// Columns of the training that a file lacks.
    #[error("no column {}, expected every column of the training; there are {}", missing.join(", "), listed(found))]
    Missing {
        /// The columns that it lacks.
        missing: Vec<String>,
        /// Those that it has.
        found: Vec<String>,
    },
    /// Rows of another length, in a file without names.
    #[error("rows of {found} values, expected {expected} as in training")]
    Width {
        /// Values in a row.
        found: usize,
        /// Columns of the training.
        expected: usize,
    },
    /// No such column for the labels.
    #[error("no label column {column:?}, expected {columns}")]
    LabelColumn {
        /// What was asked for.
        column: String,
        /// What there is.
        columns: String,
    },
    /// A row without a label.
    #[error("no label in line {line}, expected a whole number or text")]
    LabelMissing {
        /// The line, from 1; in an array, the row.
        line: u64,
    },
    /// A file of one's own for testing, where the data have a test part or are no table.
    #[error("test-dataset: expected none for data that {why}")]
    TestDataset {
        /// What they are.
        why: &'static str,
    },
}

fn missing(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("{text:?} stands for a missing value") }
}

/// Names of columns, the first of them if there are many.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMES) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

fn columns_of(found: &[String], name: &str) -> String {
    let known: Vec<&str> = found.iter().map(String::as_str).collect();
    format!("{} or an index from 0 to {}{}", listed(found), found.len().saturating_sub(1), did_you_mean(name, &known))
}
