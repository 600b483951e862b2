//! The cells of a column, in as little memory as they need: a table of text is mostly short numbers.

use std::collections::HashMap;

use super::number::{Decimal, digits, is_missing, is_missing_number, read};

/// Most words of which a column of a data set keeps the text: more are neither classes nor features.
pub(crate) const MOST_WORDS: usize = 1 << 16;

/// A cell without a word.
const NO_WORD: u32 = u32::MAX;

/// A word beyond those that are kept.
const OTHER_WORD: u32 = u32::MAX - 1;

/// A cell of numbers of 32 bits without a number.
const NO_UNITS: i32 = i32::MIN;

/// Units of a number with so many places after the mark. A whole number divided by one of these is the double that is
/// nearest to what the text says, because both are exact doubles and a quotient is rounded once.
const UNITS: [f64; 7] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6];

/// Numbers, of which NaN says that there is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Numbers {
    /// Whole numbers from 0 to 255, without a gap.
    Bytes(Vec<u8>),
    /// Numbers with so many places after the mark, as whole numbers of 32 bits.
    Decimal(usize, Vec<i32>),
    /// Any numbers.
    Doubles(Vec<f64>),
}

impl Default for Numbers {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Numbers {
    /// None yet, with room for so many: columns that grow side by side leave holes in memory.
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self::Bytes(Vec::with_capacity(rows))
    }

    /// How many there are, gaps included.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Decimal(_, units) => units.len(),
            Self::Doubles(doubles) => doubles.len(),
        }
    }

    /// Whether all are whole numbers of 32 bits.
    pub(crate) fn are_whole(&self) -> bool {
        matches!(self, Self::Bytes(_) | Self::Decimal(0, _))
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.capacity(),
            Self::Decimal(_, units) => units.capacity(),
            Self::Doubles(doubles) => doubles.capacity(),
        }
    }

    /// The number in a row; NaN for a gap.
    pub(crate) fn get(&self, row: usize) -> f64 {
        match self {
            Self::Bytes(bytes) => f64::from(bytes[row]),
            Self::Decimal(places, units) => match units[row] {
                NO_UNITS => f64::NAN,
                number => f64::from(number) / UNITS[*places],
            },
            Self::Doubles(doubles) => doubles[row],
        }
    }

    /// Adds a number, exactly, or a gap.
    pub(crate) fn push(&mut self, number: f64) {
        let byte = number as u8;
        match self {
            Self::Bytes(bytes) if f64::from(byte).to_bits() == number.to_bits() => return bytes.push(byte),
            Self::Decimal(places, all) => {
                if let Some(units) = units(number, *places) {
                    return all.push(units);
                }
            }
            Self::Doubles(all) => return all.push(number),
            Self::Bytes(_) => {}
        }
        if !self.widen(number) {
            let mut all = Vec::with_capacity(self.capacity());
            all.extend((0..self.len()).map(|row| self.get(row)));
            all.push(number);
            *self = Self::Doubles(all);
        }
    }

    /// Adds a number with the fewest places after the mark that hold it and all before it; false if 32 bits do not.
    fn widen(&mut self, number: f64) -> bool {
        let least = if let Self::Decimal(places, _) = self { *places + 1 } else { 0 };
        let found = (least..UNITS.len()).find_map(|places| Some((places, units(number, places)?)));
        let Some((places, last)) = found else { return false };
        let mut all = Vec::with_capacity(self.capacity());
        for row in 0..self.len() {
            match units(self.get(row), places) {
                Some(units) => all.push(units),
                None => return false,
            }
        }
        all.push(last);
        *self = Self::Decimal(places, all);
        true
    }

    /// Numbers from elsewhere.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut numbers = Self::default();
        values.into_iter().for_each(|value| numbers.push(value));
        numbers
    }
}

/// A number in units of so many places, if 32 bits hold it to the bit; -0 would lose its sign.
fn units(number: f64, places: usize) -> Option<i32> {
    if number.is_nan() {
        return Some(NO_UNITS);
    }
    let units = (number * UNITS[places]).round_ties_even() as i32;
    (units != NO_UNITS && (f64::from(units) / UNITS[places]).to_bits() == number.to_bits()).then_some(units)
}

/// Words, each by its place in a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Words {
    list: Vec<String>,
    codes: Vec<u32>,
    /// Whether there are more than are kept.
    more: bool,
}

impl Words {
    /// How many cells there are, gaps included.
    pub(crate) fn len(&self) -> usize {
        self.codes.len()
    }

    /// The word in a row; `None` for a gap. A word beyond those that are kept is empty.
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match self.codes[row] {
            NO_WORD => None,
            OTHER_WORD => Some(""),
            code => Some(&self.list[code as usize]),
        }
    }

    /// The place of a row's word in [`list`](Self::list); `None` for a gap and for a word that is not kept.
    pub(crate) fn code(&self, row: usize) -> Option<usize> {
        Some(self.codes[row] as usize).filter(|&code| code < self.list.len())
    }

    /// The words, in the order in which they came.
    pub(crate) fn list(&self) -> &[String] {
        &self.list
    }

    /// Whether there are more words than the list keeps.
    pub(crate) fn more(&self) -> bool {
        self.more
    }
}

/// Words as they come.
#[derive(Debug, Default)]
pub(crate) struct WordBuilder {
    words: Words,
    places: HashMap<String, u32>,
    most: Option<usize>,
}

impl WordBuilder {
    /// Of which so many different ones are kept at the most.
    pub(crate) fn new(most: Option<usize>) -> Self {
        Self { most, ..Self::default() }
    }

    /// The same with room for so many cells.
    pub(crate) fn with_capacity(most: Option<usize>, rows: usize) -> Self {
        let mut builder = Self::new(most);
        builder.words.codes.reserve_exact(rows);
        builder
    }

    /// Adds a word, or a gap.
    pub(crate) fn push(&mut self, word: Option<&str>) {
        let code = match word {
            None => NO_WORD,
            Some(word) => match self.places.get(word) {
                Some(&code) => code,
                None if self.most.is_some_and(|most| self.words.list.len() >= most) => {
                    self.words.more = true;
                    OTHER_WORD
                }
                None => {
                    let code = self.words.list.len() as u32;
                    self.places.insert(word.to_owned(), code);
                    self.words.list.push(word.to_owned());
                    code
                }
            },
        };
        self.words.codes.push(code);
    }

    pub(crate) fn finish(self) -> Words {
        self.words
    }
}

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cells {
    Numbers(Numbers),
    Words(Words),
}

impl Cells {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Words(words) => words.len(),
        }
    }

    /// Whether a row has nothing here.
    pub(crate) fn is_gap(&self, row: usize) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.get(row).is_nan(),
            Self::Words(words) => words.get(row).is_none(),
        }
    }
}

/// Cells as they come.
pub(super) enum CellReader {
    Numbers(Decimal, Numbers),
    /// Words, and whether all are, whatever they say.
    Words(WordBuilder, bool),
}

impl CellReader {
    pub(super) fn words(early: bool, rows: usize) -> Self {
        Self::Words(WordBuilder::with_capacity(Some(MOST_WORDS + 1), rows), early)
    }

    pub(super) fn push(&mut self, cell: &str) {
        match self {
            // That every cell is a number or missing has been seen.
            Self::Numbers(decimal, numbers) => {
                let other = || if is_missing_number(cell) { None } else { read(cell, *decimal) };
                numbers.push(digits(cell).or_else(other).unwrap_or(f64::NAN));
            }
            Self::Words(words, true) => words.push(Some(cell).filter(|cell| !cell.is_empty())),
            Self::Words(words, false) => words.push(Some(cell).filter(|cell| !is_missing(cell))),
        }
    }

    pub(super) fn finish(self) -> Cells {
        match self {
            Self::Numbers(_, numbers) => Cells::Numbers(numbers),
            Self::Words(words, _) => Cells::Words(words.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_to_the_bit_in_as_few_bytes_as_they_need() {
        let kept = |values: &[f64]| {
            let numbers = Numbers::of(values.iter().copied());
            for (row, value) in values.iter().enumerate() {
                assert!(numbers.get(row).to_bits() == value.to_bits() || value.is_nan() && numbers.get(row).is_nan());
            }
            numbers
        };
        assert!(matches!(kept(&[0.0, 255.0, 7.0]), Numbers::Bytes(_)));
        assert!(matches!(kept(&[0.0, 256.0, -1.0]), Numbers::Decimal(0, _)));
        assert!(matches!(kept(&[0.0, f64::NAN, 3.0, f64::from(i32::MAX)]), Numbers::Decimal(0, _)));
        assert!(kept(&[0.0, f64::NAN, 300.0]).are_whole() && !kept(&[0.0, 0.5]).are_whole());
        assert!(matches!(kept(&[7.0, 0.1, -0.25, f64::NAN, 2000.0]), Numbers::Decimal(2, _)));
        assert!(matches!(kept(&[0.000_001, 0.7]), Numbers::Decimal(6, _)));
        // More than 32 bits at as many places.
        assert!(matches!(kept(&[30_000.0, 0.1, 0.000_001]), Numbers::Doubles(_)));
        for odd in [1.0 / 3.0, 1e-7, -0.0, 2_147_483_648.0, f64::from(i32::MIN), f64::INFINITY, 1e300] {
            assert!(matches!(kept(&[1.0, f64::NAN, odd, 2.0]), Numbers::Doubles(_)), "{odd}");
        }
    }

    #[test]
    fn words_are_kept_up_to_a_number_of_them() {
        let mut builder = WordBuilder::new(Some(2));
        [Some("b"), Some("a"), None, Some("b"), Some("c")].into_iter().for_each(|word| builder.push(word));
        let words = builder.finish();
        assert_eq!((words.len(), words.more(), words.list()), (5, true, &["b".to_owned(), "a".to_owned()][..]));
        assert_eq!(
            (0..5).map(|row| words.get(row)).collect::<Vec<_>>(),
            [Some("b"), Some("a"), None, Some("b"), Some("")]
        );
        assert_eq!((0..5).map(|row| words.code(row)).collect::<Vec<_>>(), [Some(0), Some(1), None, Some(0), None]);
        assert!(Cells::Words(words).is_gap(2) && Cells::Numbers(Numbers::of([1.0, f64::NAN])).is_gap(1));
    }
}
