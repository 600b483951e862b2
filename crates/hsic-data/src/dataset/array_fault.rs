//! What can be wrong with an array, or with the arrays of a file, as a data set.

use thiserror::Error;

use crate::shape::Shape;

/// A reason why an array cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArrayFault {
    /// Entries of a type that is not read.
    #[error("entries of type {found} ({kind}), expected numbers, booleans or strings: {remedy}")]
    Type {
        /// The type as NumPy writes it.
        found: String,
        /// What it is in words.
        kind: &'static str,
        /// What to do in NumPy.
        remedy: &'static str,
    },
    /// Records in more than one dimension.
    #[error("records in an array of {} dimensions, expected one", sizes.len())]
    RecordShape {
        /// Size of each dimension.
        sizes: Vec<usize>,
    },
    /// Records of more entries than are read.
    #[error("records of {columns} entries, expected at most {most}")]
    Wide {
        /// Entries of a record.
        columns: usize,
        /// Most that are read.
        most: usize,
    },
    /// A letter that is none.
    #[error("text at index {index}: {found}, expected {expected}")]
    Letters {
        /// Index of the text in the file's order, from 0.
        index: usize,
        /// What is there.
        found: String,
        /// What should be, and what to do in NumPy.
        expected: &'static str,
    },
    /// Text where numbers should be.
    #[error("{}strings such as {text:?}, expected numbers", name.as_ref().map_or(String::new(), |name| format!("field {name}: ")))]
    Text {
        /// The field of a record.
        name: Option<String>,
        /// The first of them.
        text: String,
    },
    /// A record where an array of one type should be.
    #[error("records of the fields {}, expected an array of one type", fields.join(", "))]
    Record {
        /// Names of the fields.
        fields: Vec<String>,
    },
    /// A whole array without a column for the labels.
    #[error("an array of {} dimensions, expected a table of 2, one column of which is the label; images and their labels are two arrays x and y of a .npz", sizes.len())]
    NoLabels {
        /// Size of each dimension.
        sizes: Vec<usize>,
    },
    /// Labels that are neither one a row nor one-hot.
    #[error(
        "labels of several columns, row {row} (from 0) has {found}, expected one label a row, or one-hot: one 1, else 0"
    )]
    OneHot {
        /// The row, from 0.
        row: usize,
        /// What is in it.
        found: String,
    },
    /// Labels of several columns of text.
    #[error("labels of {columns} columns of text, expected one label a row")]
    LabelColumns {
        /// Columns there are.
        columns: usize,
    },
    /// A label that is no text.
    #[error("label in row {row} (from 0) is empty, expected a whole number or text")]
    LabelEmpty {
        /// The row, from 0.
        row: usize,
    },
    /// Bytes that can hardly be shades of gray.
    #[error(
        "images of bytes (uint8) of which none is above {largest}, expected shades of 0 to 255: save black and white as booleans (x.astype(bool)), numbers as floats (x.astype('float32'))"
    )]
    Dark {
        /// The largest.
        largest: u8,
    },
    /// A training part of pixels and a test part of numbers, or the other way round.
    #[error("test samples are {test}, expected {train} as in the training part")]
    Kinds {
        /// What the training samples are.
        train: &'static str,
        /// What the test samples are.
        test: &'static str,
    },
    /// No array of a name that was asked for.
    #[error("no array {name}, expected one of {}", found.join(", "))]
    Name {
        /// What was asked for.
        name: String,
        /// What there is.
        found: Vec<String>,
    },
    /// Names of arrays for a data set that has none.
    #[error("arrays = {names}: expected a .npz file, whose arrays have names")]
    NotNpz {
        /// What was asked for.
        names: String,
    },
    /// Images of other sizes.
    #[error("images of {found} (channels x height x width), expected {expected} as in training")]
    Sizes {
        /// Their sizes.
        found: Shape,
        /// Those of the images that were trained on.
        expected: Shape,
    },
    /// None or several files for a part of a data set.
    #[error("{} {what}{}, expected one", found.len(), if found.is_empty() { String::new() } else { format!(" ({})", found.join(", ")) })]
    Files {
        /// What they hold.
        what: String,
        /// Their names.
        found: Vec<String>,
    },
    /// A field without an entry.
    #[error("line {line}, column {column}: nothing, expected a number or a word")]
    Blank {
        /// The line, from 1; in an array, the row.
        line: u64,
        /// The column, from 1.
        column: usize,
    },
}
