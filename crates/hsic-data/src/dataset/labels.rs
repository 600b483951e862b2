//! Labels of a table: numbers or text, and the classes that they make.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::DatasetError;
use super::table::number;

/// A class as a file gives it; numbers sort before text and by value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    Whole(i64),
    Text(String),
}

impl Label {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Labels of a file for itself: if every one is a number they are compared as such (10 after 9, 1.0 is 1), else as text.
pub(super) fn labels(path: &Path, texts: &[&str]) -> Result<Vec<Label>, DatasetError> {
    let numbers: Option<Vec<f64>> = texts.iter().map(|text| number(text)).collect();
    match numbers {
        Some(numbers) => whole(path, &numbers),
        None => Ok(texts.iter().map(|&text| Label::Text(text.to_owned())).collect()),
    }
}

/// Labels of a file for a network that knows classes of these names. Whether a label is a number must not depend on the
/// others here, which may be fewer than in training: it is what is known by its text, or by its value.
pub(super) fn labels_among(path: &Path, texts: &[&str], known: &[String]) -> Result<Vec<Label>, DatasetError> {
    let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
    let label = |(row, &text): (usize, &&str)| {
        let value = number(text).filter(|_| !known.contains(text));
        let Some(value) = value else { return Ok(Label::Text(text.to_owned())) };
        let label =
            whole_number(value).ok_or_else(|| DatasetError::LabelFraction { path: path.to_owned(), row, value })?;
        let name = label.name();
        Ok(if known.contains(&*name) { Label::Text(name) } else { label })
    };
    texts.iter().enumerate().map(label).collect()
}

/// Labels from numbers, which must be whole.
pub(super) fn whole(path: &Path, numbers: &[f64]) -> Result<Vec<Label>, DatasetError> {
    let label = |(row, &value): (usize, &f64)| {
        whole_number(value).ok_or_else(|| DatasetError::LabelFraction { path: path.to_owned(), row, value })
    };
    numbers.iter().enumerate().map(label).collect()
}

/// A label that is a whole number. Beyond 2^53 neighbors cannot be told apart; infinities and NaN are none either.
fn whole_number(value: f64) -> Option<Label> {
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(Label::Whole(value as i64))
}

/// The distinct labels in order.
pub(super) fn class_names(path: &Path, labels: &[Label]) -> Result<Vec<Label>, DatasetError> {
    let mut names = labels.to_vec();
    names.sort();
    names.dedup();
    if names.len() <= usize::from(u16::MAX) + 1 {
        Ok(names)
    } else {
        Err(DatasetError::ClassCount { path: path.to_owned(), classes: names.len() })
    }
}

/// The class of each label.
pub(super) fn classes(path: &Path, labels: &[Label], names: &[Label]) -> Result<Vec<u16>, DatasetError> {
    let index: BTreeMap<&Label, u16> = names.iter().zip(0..=u16::MAX).collect();
    let class = |label| {
        let unknown = || DatasetError::UnknownClass { path: path.to_owned(), label: Label::name(label) };
        index.get(label).copied().ok_or_else(unknown)
    };
    labels.iter().map(class).collect()
}
