//! Columns that a network should hardly learn from: those that count or name the rows, that never change, and that are the
//! label over again.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::Note;
use super::tables::cells::Cells;
use super::tables::raw::RawTable;

/// Fewest rows of which anything is said: in a few, a column is often this or that by chance.
const LEAST_ROWS: usize = 12;

/// Words in names of columns that name the rows.
const ID_NAMES: [&str; 7] = ["id", "index", "idx", "key", "uuid", "guid", "nr"];

/// What is to be said of the columns of a table, but for the label and those that are left out.
pub(super) fn notes(table: &RawTable, label: usize, left_out: &[bool]) -> Vec<Note> {
    let mut notes = Vec::new();
    if table.rows < LEAST_ROWS {
        return notes;
    }
    let read: Vec<usize> = (0..table.names.len()).filter(|&column| column != label && !left_out[column]).collect();
    let name = |column: usize| table.names[column].clone();
    for &column in &read {
        if counts(&table.columns[column].cells) {
            notes.push(Note::CountsRows { column: name(column) });
        } else if names_rows(table, column) {
            notes.push(Note::AllDifferent { column: name(column) });
        }
    }
    let constant = |column: &usize| is_constant(&table.columns[*column].cells, table.rows);
    let columns: Vec<String> = read.iter().copied().filter(|column| constant(column)).map(name).collect();
    if !columns.is_empty() {
        notes.push(Note::ConstantColumns { columns });
    }
    let telling = telling(table, label, &read);
    if !telling.is_empty() {
        notes.push(Note::TellsLabel { columns: telling.into_iter().map(name).collect(), label: name(label) });
    }
    notes
}

/// Whether each number is the one before it and 1 more.
fn counts(cells: &Cells) -> bool {
    match cells {
        Cells::Numbers(numbers) => (1..numbers.len()).all(|row| numbers.get(row) - numbers.get(row - 1) == 1.0),
        Cells::Words(_) => false,
    }
}

/// Whether a column has another value in every row and looks like a name for it: words, or whole numbers that lie close
/// together or are called so.
fn names_rows(table: &RawTable, column: usize) -> bool {
    let rows = table.rows;
    match &table.columns[column].cells {
        Cells::Words(words) => words.list().len() == rows || words.more(),
        Cells::Numbers(numbers) if !numbers.are_whole() => false,
        Cells::Numbers(numbers) => {
            let there = || (0..rows).map(|row| numbers.get(row)).filter(|number| !number.is_nan());
            let (least, most) =
                there().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), number| (a.min(number), b.max(number)));
            let name = table.names[column].to_lowercase();
            let called = name.split(|letter: char| !letter.is_alphanumeric()).any(|part| ID_NAMES.contains(&part));
            let mut seen = BTreeSet::new();
            (called || most - least < 2.0 * rows as f64)
                && there().all(|number| seen.insert(number as i64))
                && seen.len() == rows
        }
    }
}

fn is_constant(cells: &Cells, rows: usize) -> bool {
    match cells {
        Cells::Numbers(numbers) => (1..rows).all(|row| numbers.get(row) == numbers.get(0)),
        Cells::Words(words) => words.list().len() == 1 && (0..rows).all(|row| words.get(row).is_some()),
    }
}

/// A cell as a key: the number's bits, or the place of a word.
fn key(cells: &Cells, row: usize) -> Option<u64> {
    match cells {
        Cells::Numbers(numbers) => Some(numbers.get(row)).filter(|number| !number.is_nan()).map(f64::to_bits),
        Cells::Words(words) => words.code(row).map(|code| code as u64),
    }
}

/// Columns that tell the label: each of its values is one value of them and the other way round, or they are 1 where the
/// label is one of its classes, one column for each class but one.
fn telling(table: &RawTable, label: usize, read: &[usize]) -> Vec<usize> {
    let of = |column: usize| &table.columns[column].cells;
    let classes: BTreeSet<Option<u64>> = (0..table.rows).map(|row| key(of(label), row)).collect();
    // Values of a quantity are not classes: nothing that is like it tells it by chance.
    let same: Vec<usize> = read
        .iter()
        .copied()
        .filter(|&column| classes.len() > 1 && is_same(of(column), of(label), table.rows))
        .collect();
    if !same.is_empty() {
        return same;
    }
    let flags = |column: usize, row: usize| match of(column) {
        Cells::Numbers(numbers) => Some(numbers.get(row)).filter(|&number| number == 0.0 || number == 1.0),
        Cells::Words(_) => None,
    };
    let is_flag = |column: usize| (0..table.rows).all(|row| flags(column, row).is_some());
    let one_hot = |columns: &[usize]| {
        (0..table.rows).all(|row| columns.iter().filter_map(|&column| flags(column, row)).sum::<f64>() == 1.0)
    };
    if is_flag(label) {
        // The label is the last of several columns, of which one is 1 in each row.
        let beside: Vec<usize> =
            (0..label).rev().take_while(|column| read.contains(column) && is_flag(*column)).collect();
        for count in 2..=beside.len() {
            let mut columns = beside[..count].to_vec();
            columns.push(label);
            if one_hot(&columns) {
                columns.pop();
                columns.reverse();
                return columns;
            }
        }
        return Vec::new();
    }
    // Of columns that are each 1 in the rows of one class, all or all but one.
    let tells_one = |&column: &usize| {
        let ones: BTreeSet<Option<u64>> =
            (0..table.rows).filter(|&row| flags(column, row) == Some(1.0)).map(|row| key(of(label), row)).collect();
        let zeros: BTreeSet<Option<u64>> =
            (0..table.rows).filter(|&row| flags(column, row) == Some(0.0)).map(|row| key(of(label), row)).collect();
        ones.len() == 1 && ones.is_disjoint(&zeros)
    };
    let one: Vec<usize> = read.iter().copied().filter(|&column| is_flag(column)).filter(tells_one).collect();
    if one.len() + 1 >= classes.len() && classes.len() > 2 { one } else { Vec::new() }
}

/// Whether the values of two columns belong together, one to one.
fn is_same(a: &Cells, b: &Cells, rows: usize) -> bool {
    let (mut forth, mut back) = (BTreeMap::new(), BTreeMap::new());
    (0..rows).all(|row| {
        let (Some(a), Some(b)) = (key(a, row), key(b, row)) else { return false };
        // In a column that differs in every row nothing tells another.
        *forth.entry(a).or_insert(b) == b && *back.entry(b).or_insert(a) == a
    }) && forth.len() < rows
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dataset::tables::raw::Known;
    use crate::dataset::tables::text::Text;

    /// Twenty rows of columns that are made of the number of the row.
    fn found(names: &str, row: impl Fn(usize) -> String) -> Vec<Note> {
        let text: String = (0..20).map(|i| row(i) + "\n").collect();
        let text = format!("{names}\n{text}");
        let path = Path::new("t.csv");
        let table =
            RawTable::of_text(&Text::of(path, text.as_bytes(), None, false).unwrap(), Known::default()).unwrap();
        let columns = table.names.len();
        notes(&table, columns - 1, &vec![false; columns])
    }

    #[test]
    fn columns_that_count_name_or_never_change_are_told() {
        let of = |i: usize| format!("{i},{},p{i},7,{},{}", 1000 + (i * 7) % 20, (i * i) as f64 / 8.0, i % 3 % 2);
        assert_eq!(
            found(",id,name,unit,x,kind", of),
            [
                Note::CountsRows { column: "column 0".into() },
                Note::AllDifferent { column: "id".into() },
                Note::AllDifferent { column: "name".into() },
                Note::ConstantColumns { columns: vec!["unit".into()] },
            ]
        );
        // A quantity of whole numbers that all differ is none of this.
        assert!(found("population,kind", |i| format!("{},{}", 1000 + i * i * 997, i % 3 % 2)).is_empty());
    }

    #[test]
    fn columns_that_are_the_label_again_are_told() {
        let told = |columns: &[&str]| {
            let columns = columns.iter().map(|&name| name.to_owned()).collect();
            [Note::TellsLabel { columns, label: "y".into() }]
        };
        assert_eq!(
            found("x,code,y", |i| format!("{},{},{}", i * i % 7, 10 * (i % 3), ["a", "b", "c"][i % 3])),
            told(&["code"])
        );
        let one = |i: usize, class: usize| usize::from(i % 3 == class);
        let of = |i: usize| format!("{},{},{},{}", i * i % 7, one(i, 0), one(i, 1), one(i, 2));
        assert_eq!(found("x,is_a,is_b,y", of), told(&["is_a", "is_b"]));
        let of = |i: usize| format!("{},{},{},{}", one(i, 0), i * i % 7, one(i, 1), i % 3);
        assert_eq!(found("is_a,x,is_b,y", of), told(&["is_a", "is_b"]));
        // One class of three that is told leaves two to be learned.
        assert!(found("is_a,x,y", |i| format!("{},{},{}", one(i, 0), i * i % 7, i % 3)).is_empty());
    }
}
