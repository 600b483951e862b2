//! Tables of cells.

use std::fmt::Write as _;

use super::text::{fitted, wrapped};

/// A table whose first row are its heads, for a terminal of so many columns: a line a row where that fits; else the first
/// cell of a row on a line of its own above the others; else the others as pairs of head and cell, as many as fit a line.
pub(super) fn table(rows: &[Vec<String>], width: usize) -> String {
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let whole = aligned(rows);
    if widest(&whole) <= width {
        return whole;
    }
    let without_first = |row: &Vec<String>| [String::new()].into_iter().chain(row.iter().skip(1).cloned()).collect();
    let below = aligned(&rows.iter().map(without_first).collect::<Vec<_>>());
    let fits = widest(&below) <= width;
    let mut below = below.lines();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let Some(first) = row.first() else { continue };
        let others = match fits {
            true => below.next().unwrap_or_default().to_owned(),
            // The heads stand beside each cell.
            false if index == 0 => continue,
            false => {
                let pair = |(head, cell): (&String, &String)| match cell.is_empty() {
                    true => String::new(),
                    false => format!("{head} {cell}").trim_start().to_owned(),
                };
                let pairs: Vec<String> = rows[0].iter().zip(row).skip(1).map(pair).collect();
                let lines = fitted(&pairs, 0, width.saturating_sub(2));
                lines.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
            }
        };
        text.push_str(&wrapped(first, 2, width));
        text.push('\n');
        if !others.is_empty() {
            text.push_str(&others);
            text.push('\n');
        }
    }
    text
}

/// Lines of cells, each column as wide as its widest cell; all but the first are set to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (index, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = if index == 0 { write!(line, "{cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [names(&["a", "10", "x"]), names(&["longer", "9"]), names(&["ü", "", "yy"])];
        assert_eq!(aligned(&rows), "a       10   x\nlonger   9\nü           yy\n");
        assert_eq!(aligned(&[]), "");
    }

    #[test]
    fn a_table_is_made_for_the_width_that_there_is() {
        let rows =
            [names(&["value", "paper", "ours"]), names(&["a long name", "97.5", "98.25"]), names(&["b", "", "7"])];
        let whole = "value        paper   ours\na long name   97.5  98.25\nb                       7\n";
        assert_eq!(table(&rows, 25), whole);
        let stacked = "value\n  paper   ours\na long name\n   97.5  98.25\nb\n             7\n";
        assert_eq!(table(&rows, 24), stacked);
        assert_eq!(table(&rows, 14), stacked);
        assert_eq!(table(&rows, 13), "a long name\n  paper 97.5\n  ours 98.25\nb\n  ours 7\n");
    }
}
