//! Labels of rows: numbers or words as a file has them, and the classes that they make.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::DatasetError;
use super::tables::cells::{Cells, Numbers, WordBuilder, Words};
use super::tables::number::plain;

/// The label of each row, as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RawLabels {
    Numbers(Numbers),
    /// Numbers that are classes by their form: the place of a 1 among zeros, labels of an IDX file.
    Codes(Numbers),
    Words(Words),
}

impl RawLabels {
    pub(super) fn of_texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut words = WordBuilder::new(None);
        texts.into_iter().for_each(|text| words.push(Some(text)));
        Self::Words(words.finish())
    }

    pub(super) fn of_cells(cells: Cells) -> Self {
        match cells {
            Cells::Numbers(numbers) => Self::Numbers(numbers),
            Cells::Words(words) => Self::Words(words),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) | Self::Codes(numbers) => numbers.len(),
            Self::Words(words) => words.len(),
        }
    }
}

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

/// Labels that are classes: each row's place in a list of labels, in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClassLabels {
    list: Vec<Label>,
    places: Vec<u32>,
}

impl ClassLabels {
    /// The classes that labels are. Labels of a file for itself are compared as numbers if every one is a number (10 after 9,
    /// 1.0 is 1), else as text.
    ///
    /// For a network that knows classes of some names, whether a label is a number must not depend on the others, which may
    /// be fewer than in training: it is what is known by its text, or by its value.
    ///
    /// # Errors
    /// `LabelFraction` for a number that is not whole.
    pub(super) fn of(path: &Path, raw: &RawLabels, known: &[String]) -> Result<Self, DatasetError> {
        match raw {
            RawLabels::Numbers(numbers) | RawLabels::Codes(numbers) => Self::of_numbers(path, numbers),
            RawLabels::Words(words) => Self::of_words(path, words, known),
        }
    }

    fn of_numbers(path: &Path, numbers: &Numbers) -> Result<Self, DatasetError> {
        let (mut list, mut places) = (Vec::new(), Vec::with_capacity(numbers.len()));
        let mut seen: BTreeMap<i64, u32> = BTreeMap::new();
        for row in 0..numbers.len() {
            let value = numbers.get(row);
            let number = whole_number(value).ok_or_else(|| fraction(path, row, value))?;
            let next = list.len() as u32;
            let place = *seen.entry(number).or_insert(next);
            if place == next {
                list.push(Label::Whole(number));
            }
            places.push(place);
        }
        Ok(Self { list, places })
    }

    fn of_words(path: &Path, words: &Words, known: &[String]) -> Result<Self, DatasetError> {
        if words.more() {
            // What is beyond those that are kept is more than there may be classes.
            return Err(DatasetError::ClassCount { path: path.to_owned(), classes: words.list().len() });
        }
        let row_of = |place: usize| (0..words.len()).find(|&row| words.code(row) == Some(place)).unwrap_or_default();
        let whole = |place: usize, value: f64| {
            whole_number(value).map(Label::Whole).ok_or_else(|| fraction(path, row_of(place), value))
        };
        let numbers: Option<Vec<f64>> = words.list().iter().map(|word| plain(word)).collect();
        let list = match numbers {
            _ if !known.is_empty() => {
                let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
                let label = |(place, word): (usize, &String)| {
                    let value = plain(word).filter(|_| !known.contains(word.as_str()));
                    let Some(value) = value else { return Ok(Label::Text(word.clone())) };
                    let label = whole(place, value)?;
                    let name = label.name();
                    Ok(if known.contains(&*name) { Label::Text(name) } else { label })
                };
                words.list().iter().enumerate().map(label).collect::<Result<_, DatasetError>>()?
            }
            Some(numbers) => {
                numbers.into_iter().enumerate().map(|(place, value)| whole(place, value)).collect::<Result<_, _>>()?
            }
            None => words.list().iter().map(|word| Label::Text(word.clone())).collect(),
        };
        let places = (0..words.len()).map(|row| words.code(row).unwrap_or_default() as u32).collect();
        Ok(Self { list, places })
    }

    /// The distinct labels in order.
    ///
    /// # Errors
    /// `ClassCount` if they are more than can be told apart.
    pub(super) fn names(&self, path: &Path) -> Result<Vec<Label>, DatasetError> {
        sorted(path, self.list.clone())
    }

    /// The distinct labels of two parts, in order.
    ///
    /// # Errors
    /// Those of [`names`](Self::names).
    pub(super) fn names_with(&self, path: &Path, other: Option<&Self>) -> Result<Vec<Label>, DatasetError> {
        sorted(path, self.list.iter().chain(other.iter().flat_map(|other| &other.list)).cloned().collect())
    }

    /// These labels, those of a file that calls classes by the names of another: a label that is text, and the text of one
    /// of those, is that one.
    pub(super) fn renamed(self, names: &[Label]) -> Self {
        let by_text: BTreeMap<String, &Label> = names.iter().map(|label| (label.name(), label)).collect();
        let renamed = |label: Label| by_text.get(&label.name()).map_or(label, |&known| known.clone());
        Self { list: self.list.into_iter().map(renamed).collect(), ..self }
    }

    /// The class of each label.
    ///
    /// # Errors
    /// `UnknownClass` for a label that is no class of those names.
    pub(super) fn classes(&self, path: &Path, names: &[Label]) -> Result<Vec<u16>, DatasetError> {
        let index: BTreeMap<&Label, u16> = names.iter().zip(0..=u16::MAX).collect();
        let class = |label| {
            let unknown = || DatasetError::UnknownClass { path: path.to_owned(), label: Label::name(label) };
            index.get(label).copied().ok_or_else(unknown)
        };
        let classes = self.list.iter().map(class).collect::<Result<Vec<u16>, _>>()?;
        Ok(self.places.iter().map(|&place| classes[place as usize]).collect())
    }
}

fn sorted(path: &Path, mut names: Vec<Label>) -> Result<Vec<Label>, DatasetError> {
    names.sort();
    names.dedup();
    if names.len() <= usize::from(u16::MAX) + 1 {
        Ok(names)
    } else {
        Err(DatasetError::ClassCount { path: path.to_owned(), classes: names.len() })
    }
}

fn fraction(path: &Path, row: usize, value: f64) -> DatasetError {
    DatasetError::LabelFraction { path: path.to_owned(), row, value }
}

/// A label that is a whole number. Beyond 2^53 neighbors cannot be told apart; infinities and NaN are none either.
fn whole_number(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}
