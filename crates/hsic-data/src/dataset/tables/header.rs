//! Whether the first line of a text names its columns.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::look::Look;
use super::number::{is_missing, plain};

/// Rows below a line of numbers from which on it stands out by being whole.
const MANY_ROWS: usize = 5;

/// What the first line of a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Header {
    /// Names, if the line is not like those below it
    #[default]
    Auto,
    /// Names
    Yes,
    /// A row
    No,
}

/// Why a line was taken for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// A user says so, or words stand where others do not.
    Plainly,
    /// Numbers that are not like those below them.
    ByNumbers,
}

/// Whether the first line gives names, and why. `below` is what stands below each cell of it, `again` whether the cell comes
/// again there; `expected` are names that a file should have, `label` the one that was asked for.
pub(crate) fn named(
    first: &[&str],
    below: &[Look],
    again: &[bool],
    expected: &[&str],
    label: Option<&str>,
) -> Option<Named> {
    let is_word = |cell: &&str| plain(cell).is_none();
    let is_name = |cell: &&str| is_word(cell) && !is_missing(cell);
    let there: BTreeSet<&str> = first.iter().copied().collect();
    if !expected.is_empty() && expected.iter().all(|name| there.contains(name)) {
        return Some(Named::Plainly);
    }
    if label.is_some_and(|label| plain(label).is_none() && first.contains(&label)) {
        return Some(Named::Plainly);
    }
    // A word above numbers: in a row it would be a number.
    if first.iter().zip(below).any(|(cell, look)| is_name(cell) && look.is_numeric()) {
        return Some(Named::Plainly);
    }
    if first.iter().all(is_word) {
        let comes_again = first.iter().zip(again).any(|(cell, &again)| again && !is_missing(cell));
        let any = first.iter().any(is_name);
        return (any && !comes_again).then_some(Named::Plainly);
    }
    if first.iter().any(is_name) {
        return None;
    }
    by_numbers(first, below).then_some(Named::ByNumbers)
}

/// Whether a line of numbers gives names: 0, 1, 2 and so on, as pandas writes for columns without names, or whole numbers
/// above columns in which every number has a fraction.
fn by_numbers(first: &[&str], below: &[Look]) -> bool {
    // The names of an index and of the columns beside it: nothing, 0, 1, ...
    let skipped = usize::from(first.first().is_some_and(|cell| is_missing(cell)));
    let (first, below) = (&first[skipped..], &below[skipped..]);
    let numbers: Option<Vec<f64>> = first.iter().map(|cell| plain(cell)).collect();
    let Some(numbers) = numbers.filter(|numbers| numbers.len() > 1) else { return false };
    if !below.iter().any(|look| look.filled > 0) || first.iter().any(|cell| cell.contains(['.', 'e', 'E'])) {
        return false;
    }
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    if sorted.len() < numbers.len() {
        return false;
    }
    let fractional = below.iter().filter(|look| look.is_fractional()).count();
    let counts_from = |start: usize| numbers.iter().enumerate().all(|(i, &number)| number == (start + i) as f64);
    // In a few rows, another one may well be all that is whole.
    let many = below.iter().map(|look| look.filled).max().unwrap_or(0) >= MANY_ROWS;
    if counts_from(0) {
        let beyond = numbers.iter().zip(below).any(|(&number, look)| look.is_beyond(number));
        return fractional > 0 && (many || numbers.len() > 2) || beyond && numbers.len() > 3;
    }
    many && (fractional > 1 || counts_from(1) && fractional > 0 && numbers.len() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Named> {
        with(text, &[], None)
    }

    fn with(text: &str, expected: &[&str], label: Option<&str>) -> Option<Named> {
        let lines: Vec<Vec<&str>> = text.split(' ').map(|line| line.split(',').collect()).collect();
        let (mut looks, mut again) = (vec![Look::default(); lines[0].len()], vec![false; lines[0].len()]);
        for line in &lines[1..] {
            for (column, cell) in line.iter().enumerate() {
                looks[column].add(0, cell);
                again[column] |= *cell == lines[0][column];
            }
        }
        named(&lines[0], &looks, &again, expected, label)
    }

    #[test]
    fn words_above_numbers_are_names() {
        for text in
            ["a,b 1,2", "x,7 2,8 3,9", "0,kind 1,7", ",f1 0,0.5", "150,4,setosa 5.1,3.5,0 4.9,3,1", "w,kind 1,a"]
        {
            assert_eq!(of(text), Some(Named::Plainly), "{text}");
        }
        // A word above words may be one of them.
        for text in ["1,a 2,b 3,a", "1,x 2,y", "1,2 3,x", "1,2 3,4", "7,x"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn words_above_words_are_names_unless_they_come_again() {
        assert_eq!(of("color,size red,big blue,small"), Some(Named::Plainly));
        assert_eq!(of("red,big blue,small red,small"), None);
        assert_eq!(of("color, red, blue,"), Some(Named::Plainly));
    }

    #[test]
    fn numbers_that_count_or_have_no_fraction_are_names_above_others() {
        let rows = |first: &str, row: &str| format!("{first}{}", format!(" {row}").repeat(MANY_ROWS));
        for text in [
            "0,1,2 0.5,0.1,0 0.2,0.3,1".to_owned(),
            "0,1,2,3,4 7,9,2,1,0 8,9,0,2,1".to_owned(),
            rows("0,1", "0.5,7"),
            rows(",0,1", "0,0.5,7"),
            rows("1990,2000,2010", "0.5,0.1,0"),
            rows("1,2,3", "0.5,7,0"),
        ] {
            assert_eq!(of(&text), Some(Named::ByNumbers), "{text}");
        }
        assert_eq!(of(&rows("5,6", "0.5,7")), None);
        for text in [
            "0,1,2 3,1,0 4,2,1",
            "0,1,2,3 0,1,2,3 0,1,2,3",
            "1,2 3,4 5,6",
            "1,2 0.5,6",
            "0,1 0.5,6",
            "5,6,7 0.5,0.6,7 0.1,0.2,3",
            "5,5 0.5,0.6",
            "0.5,1 0.25,0",
            "0,1,2",
            "1,2,3,4 5,6,7,8",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn names_that_are_expected_are_names() {
        assert_eq!(with("0,1 7,8", &["1", "0"], None), Some(Named::Plainly));
        assert_eq!(with("0,1 7,8", &["1", "2"], None), None);
        assert_eq!(with("1,kind 2,a", &[], Some("kind")), Some(Named::Plainly));
        assert_eq!(with("1,kind 2,a", &[], Some("1")), None);
    }
}
