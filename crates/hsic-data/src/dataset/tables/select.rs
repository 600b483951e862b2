//! Which columns of a table are the label and which are learned from, as a user says or as it is guessed.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::cells::Cells;
use super::raw::RawTable;
use crate::dataset::error::DatasetError;
use crate::dataset::table_fault::TableFault;

/// Columns of a table, by name or by index from 0, written with commas between them.
///
/// # Examples
/// ```
/// use hsic_data::dataset::ColumnList;
/// let list: ColumnList = "id, patient name".parse()?;
/// assert_eq!(list.0, ["id", "patient name"]);
/// assert_eq!(list.to_string(), "id,patient name");
/// assert!("id,,age".parse::<ColumnList>().is_err());
/// # Ok::<(), hsic_data::dataset::ColumnListError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ColumnList(pub Vec<String>);

/// A text that is no list of columns.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("columns {text:?}: expected names or indices of columns with commas between them")]
pub struct ColumnListError {
    /// What was given.
    pub text: String,
}

crate::serde_as_text!(ColumnList);

impl fmt::Display for ColumnList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl FromStr for ColumnList {
    type Err = ColumnListError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err(ColumnListError { text: text.to_owned() });
        }
        Ok(Self(names))
    }
}

/// What becomes of cells in which something is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// The training part's mean stands for a number, and a column beside it says where
    #[default]
    Mean,
    /// Rows with such a cell are left out of training and testing
    Drop,
    /// They are an error
    Refuse,
}

/// Words by which people call the column of the labels.
const LABEL_NAMES: [&str; 10] =
    ["label", "labels", "class", "classes", "target", "species", "outcome", "diagnosis", "variety", "kind"];

/// The column of the labels: that of the name or index asked for, else the last that is not left out and not empty.
///
/// # Errors
/// `LabelColumn` with what there is.
pub(crate) fn label(
    path: &Path,
    table: &RawTable,
    wanted: Option<&str>,
    left_out: Option<&ColumnList>,
) -> Result<usize, DatasetError> {
    let cols = table.names.len();
    let is_empty = |column: usize| match &table.columns[column].cells {
        Cells::Numbers(numbers) => (0..table.rows).all(|row| numbers.get(row).is_nan()),
        Cells::Words(words) => words.list().is_empty(),
    };
    let left_out: Vec<usize> = left_out.iter().flat_map(|list| &list.0).filter_map(|name| table.find(name)).collect();
    let column = match wanted {
        Some(name) => table.find(name),
        None => (0..cols).rev().find(|column| !left_out.contains(column) && !is_empty(*column)).or(cols.checked_sub(1)),
    };
    match column {
        Some(column) if cols > 1 => Ok(column),
        _ => {
            let indices = if cols > 1 { format!("an index from 0 to {}", cols - 1) } else { "a second column".into() };
            let columns = match table.named {
                Some(_) if cols > 1 => format!("{} or {indices}", table.names.join(", ")),
                _ => indices,
            };
            let fault = TableFault::LabelColumn { column: wanted.unwrap_or_default().to_owned(), columns };
            Err(DatasetError::Table { path: path.to_owned(), fault })
        }
    }
}

/// A column that is called as a label is, where the one that was guessed is not.
pub(crate) fn likelier_label(table: &RawTable, guessed: usize) -> Option<usize> {
    let is_one = |column: &usize| {
        let name = &table.names[*column];
        LABEL_NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    if is_one(&guessed) { None } else { (0..table.names.len()).find(|column| is_one(column)) }
}

/// Which columns are left out, as a user says.
///
/// # Errors
/// `NoColumn`; `LabelLeftOut`.
pub(crate) fn left_out(
    table: &RawTable,
    label: usize,
    drop: Option<&ColumnList>,
    columns: Option<&ColumnList>,
) -> Result<Vec<bool>, TableFault> {
    let mut left_out = vec![columns.is_some(); table.names.len()];
    for name in columns.iter().flat_map(|list| &list.0) {
        left_out[table.asked("columns", name)?] = false;
    }
    for name in drop.iter().flat_map(|list| &list.0) {
        let column = table.asked("drop", name)?;
        if column == label {
            return Err(TableFault::LabelLeftOut { key: "drop", name: table.names[label].clone() });
        }
        left_out[column] = true;
    }
    left_out[label] = false;
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tables::raw::Known;
    use crate::dataset::tables::text::Text;

    fn table(text: &str) -> RawTable {
        let path = Path::new("t.csv");
        RawTable::of_text(&Text::of(path, text.as_bytes(), None, false).unwrap(), Known::default()).unwrap()
    }

    fn list(text: &str) -> ColumnList {
        text.parse().unwrap()
    }

    #[test]
    fn the_label_is_the_last_column_with_anything_in_it() {
        let table = table("kind,a,b,void\n7,1,10,\n8,2,11,\n");
        let of = |wanted: Option<&str>, drop: Option<&str>| {
            label(Path::new("t.csv"), &table, wanted, drop.map(list).as_ref()).map_err(|error| error.to_string())
        };
        assert_eq!(
            (of(None, None), of(None, Some("b")), of(Some("kind"), None), of(Some("1"), None)),
            (Ok(2), Ok(1), Ok(0), Ok(1))
        );
        let told = of(Some("color"), None).unwrap_err();
        assert_eq!(told, "t.csv: no label column \"color\", expected kind, a, b, void or an index from 0 to 3");
        assert_eq!((likelier_label(&table, 2), likelier_label(&table, 0)), (Some(0), None));
    }

    #[test]
    fn columns_are_left_out_or_kept_by_name_or_index() {
        let table = table("id,name,a,kind\n1,x,5,0\n2,y,6,1\n");
        let of = |drop: Option<&str>, columns: Option<&str>| {
            left_out(&table, 3, drop.map(list).as_ref(), columns.map(list).as_ref()).map_err(|fault| fault.to_string())
        };
        assert_eq!(of(None, None).unwrap(), [false; 4]);
        assert_eq!(of(Some("id, 1"), None).unwrap(), [true, true, false, false]);
        assert_eq!(of(None, Some("a")).unwrap(), [true, true, false, false]);
        assert_eq!(of(Some("a"), Some("a,id")).unwrap(), [false, true, true, false]);
        assert_eq!(
            of(Some("nam"), None).unwrap_err(),
            "drop = nam: expected id, name, a, kind or an index from 0 to 3; did you mean name?"
        );
        assert_eq!(
            of(Some("kind"), None).unwrap_err(),
            "drop leaves out the column of the labels, kind: expected others"
        );
    }
}
