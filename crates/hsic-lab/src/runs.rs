//! The runs below a folder: what each was to be, how far it came and what it came to.
//!
//! A folder that holds a `config.toml` beside data, records or results is a run; runs within it are the networks of a run of
//! several sigmas. What cannot be read is a run of its own kind and keeps nobody from seeing the others.

mod condition;
mod difference;
mod group;
mod listed;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hsic_bottleneck::files::FileError;
use hsic_bottleneck::run::{CONFIG, MEMBER, METRICS, SUMMARY};
use serde_json::Value;

pub use condition::{Condition, ConditionError, KeyError, check_keys};
pub use difference::{Change, Difference, difference};
pub use group::{Group, Spread, group};
pub use listed::{KEYS, ListedRun, RunState};

/// Folders below the one that is asked for in which runs are looked for.
const DEPTH: usize = 8;

/// The runs at and below a folder, in the order of their paths; numbers in names count as numbers. Links are followed, each
/// folder is looked at once.
///
/// # Errors
/// `Io` if the folder itself cannot be listed. Folders below it that cannot be are runs that cannot be read.
pub fn runs(folder: &Path) -> Result<Vec<ListedRun>, FileError> {
    fs::read_dir(folder).map_err(|source| FileError::Io { path: folder.into(), source })?;
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    walk(folder, DEPTH, &mut seen, &mut found);
    found.sort_by_cached_key(|run| natural(&run.run.to_string_lossy()));
    Ok(found)
}

fn walk(folder: &Path, depth: usize, seen: &mut BTreeSet<PathBuf>, found: &mut Vec<ListedRun>) {
    // Where a path has no canonical form the folder is gone.
    let Ok(place) = folder.canonicalize() else { return };
    if !seen.insert(place) {
        return;
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            found.push(ListedRun::unreadable(folder, &error));
            return;
        }
    };
    let is_run = folder.join(CONFIG).is_file();
    if is_run || folder.join(SUMMARY).is_file() && folder.join(METRICS).is_file() {
        found.push(ListedRun::read(folder));
    }
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let member = || path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(MEMBER));
        // Of what a run holds the networks of its sigmas are runs; its checkpoint is none.
        if depth > 0 && (!is_run || member()) && path.is_dir() {
            walk(&path, depth - 1, seen, found);
        }
    }
}

/// A text whose runs of digits compare as numbers.
fn natural(text: &str) -> Vec<(String, u128)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let words = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(words);
        let digits = tail.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(digits);
        // Numbers of more digits than fit come last.
        parts.push((word.to_owned(), number.parse().unwrap_or(if number.is_empty() { 0 } else { u128::MAX })));
        rest = tail;
    }
    parts
}

/// Puts runs in the order of a key, those without a value last; `descending` turns the others round.
pub fn sort(runs: &mut [ListedRun], key: &str, descending: bool) {
    runs.sort_by_cached_key(|run| Rank::of(run.value(key), descending));
}

/// A value's place among others: numbers before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Number(i128),
    Word(Vec<(String, u128)>),
    WordDown(std::cmp::Reverse<Vec<(String, u128)>>),
    Nothing,
}

impl Rank {
    fn of(value: Option<Value>, descending: bool) -> Self {
        let number = |value: f64| {
            // The bits of a double, as an integer of the same order.
            let bits = i128::from((value + 0.0).to_bits() as i64);
            let ordered = if bits < 0 { i128::from(i64::MIN) - bits } else { bits };
            Self::Number(if descending { -ordered } else { ordered })
        };
        match value {
            None | Some(Value::Null) => Self::Nothing,
            Some(Value::Number(found)) => found.as_f64().map_or(Self::Nothing, number),
            Some(Value::Bool(found)) => number(f64::from(u8::from(found))),
            Some(Value::String(word)) if descending => Self::WordDown(std::cmp::Reverse(natural(&word))),
            Some(Value::String(word)) => Self::Word(natural(&word)),
            Some(other) => Self::Word(natural(&other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["a10", "a9", "a", "b1", "a9b", "10", "9"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["9", "10", "a", "a9", "a9b", "a10", "b1"]);
    }

    #[test]
    fn values_have_an_order_and_what_is_missing_comes_last() {
        for descending in [false, true] {
            let number = |value: f64| Rank::of(Some(value.into()), descending);
            let values = [-2.5, -0.0, 1e-300, 0.5, 3e7];
            for pair in values.windows(2) {
                assert_eq!(number(pair[0]) < number(pair[1]), !descending, "{pair:?}");
            }
            assert_eq!(number(-0.0), number(0.0));
            assert!(number(1e300) < Rank::of(None, descending) && number(-1e300) < Rank::of(None, descending));
            let word = |word: &str| Rank::of(Some(word.into()), descending);
            assert_eq!(word("x9") < word("x10"), !descending);
        }
    }
}
