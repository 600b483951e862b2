//! How the columns of a table become values for a network: what a training found out, kept for rows that come later.
//!
//! Every source column becomes a span of encoded ones, in the order of the file:
//!
//! - a number is itself, and a missing one the mean of the training part's;
//! - true and false (yes and no) are 1 and 0;
//! - a word is 1 in the column of that word and 0 in those of the others; one that training did not have is 0 in all;
//! - a column that had gaps in the training part has one more, which is 1 where the cell is missing.
//!
//! Only numbers, and 0 and 1 of two words, are standardized. Columns of words and of gaps stay 0 and 1: divided by the
//! deviation of a rare word, one row would lie farther from all others than any number can.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Most words of a column that become columns.
pub const MOST_CATEGORIES: usize = 50;

/// The columns of a table and what becomes of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    /// Whether the file of the training named its columns. Those of further files are then matched by name.
    pub named: bool,
    /// The column of the labels.
    pub label: LabelColumn,
    /// All columns beside it, in the file's order.
    pub sources: Vec<SourceColumn>,
}

/// The column of the labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelColumn {
    /// Its name; where the file gives none, `column` and its index.
    pub name: String,
    /// Its place in the file, from 0.
    pub index: usize,
}

/// A column of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceColumn {
    /// Its name; where the file gives none, `column` and its index.
    pub name: String,
    /// Its place in the file, from 0.
    pub index: usize,
    /// Cells of the training part that are missing.
    #[serde(default)]
    pub gaps: usize,
    /// What becomes of it.
    #[serde(flatten)]
    pub coding: Coding,
}

/// What becomes of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Coding {
    /// One column of numbers.
    Number {
        /// What stands for a missing number: the mean of the training part's.
        fill: f64,
        /// Whether a column beside it is 1 where the number is missing.
        indicator: bool,
    },
    /// One column, 1 for true or yes and 0 for false or no.
    Boolean {
        /// What stands for a missing one: the share of 1 in the training part.
        fill: f64,
        /// Whether a column beside it is 1 where the cell is missing.
        indicator: bool,
    },
    /// One column a word, 1 where a row has it.
    Words {
        /// The words of the training part, sorted.
        words: Vec<String>,
        /// Whether a column beside them is 1 where the cell is missing.
        indicator: bool,
    },
    /// Nothing.
    Dropped {
        /// Why.
        reason: DropReason,
    },
}

/// Why a column is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropReason {
    /// The user asked for it.
    Asked,
    /// No row of the training part has anything in it.
    Empty,
}

/// A number with six digits that tell: what single precision keeps of it.
#[must_use]
pub(crate) fn six_digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    // Of a negative number that rounds to none its sign would be left.
    (rounded + 0.0).to_string()
}

impl SourceColumn {
    /// How many encoded columns it becomes.
    #[must_use]
    pub fn width(&self) -> usize {
        match &self.coding {
            Coding::Number { indicator, .. } | Coding::Boolean { indicator, .. } => 1 + usize::from(*indicator),
            Coding::Words { words, indicator } => words.len() + usize::from(*indicator),
            Coding::Dropped { .. } => 0,
        }
    }

    /// How many of its encoded columns, the first ones, are standardized.
    #[must_use]
    pub fn scaled(&self) -> usize {
        usize::from(matches!(self.coding, Coding::Number { .. } | Coding::Boolean { .. }))
    }

    /// Whether a column beside it says where a cell is missing.
    #[must_use]
    pub fn has_indicator(&self) -> bool {
        match self.coding {
            Coding::Number { indicator, .. } | Coding::Boolean { indicator, .. } | Coding::Words { indicator, .. } => {
                indicator
            }
            Coding::Dropped { .. } => false,
        }
    }

    /// Whether a training reads it.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !matches!(self.coding, Coding::Dropped { .. })
    }
}

impl Encoding {
    /// Number of encoded columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.sources.iter().map(SourceColumn::width).sum()
    }

    /// The columns that a training reads, each with the encoded ones that it becomes.
    ///
    /// # Examples
    /// ```
    /// use hsic_data::dataset::{Coding, Encoding, LabelColumn, SourceColumn};
    /// let of = |name: &str, index, coding| SourceColumn { name: name.into(), index, gaps: 0, coding };
    /// let words = vec!["north".to_owned(), "south".to_owned()];
    /// let encoding = Encoding {
    ///     named: true,
    ///     label: LabelColumn { name: "kind".into(), index: 2 },
    ///     sources: vec![
    ///         of("port", 0, Coding::Words { words, indicator: false }),
    ///         of("age", 1, Coding::Number { fill: 30.0, indicator: true }),
    ///     ],
    /// };
    /// let spans: Vec<_> = encoding.spans().map(|(source, span)| (source.name.as_str(), span)).collect();
    /// assert_eq!(spans, [("port", 0..2), ("age", 2..4)]);
    /// assert_eq!(encoding.encoded_names(), ["port=north", "port=south", "age", "age is missing"]);
    /// ```
    pub fn spans(&self) -> impl Iterator<Item = (&SourceColumn, Range<usize>)> {
        let mut end = 0;
        let spans = self.sources.iter().map(move |source| {
            let start = end;
            end += source.width();
            (source, start..end)
        });
        spans.filter(|(source, _)| source.is_used())
    }

    /// A name for every encoded column: the source's, `source=word` or `source is missing`.
    #[must_use]
    pub fn encoded_names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.width());
        for source in &self.sources {
            match &source.coding {
                Coding::Number { .. } | Coding::Boolean { .. } => names.push(source.name.clone()),
                Coding::Words { words, .. } => {
                    names.extend(words.iter().map(|word| format!("{}={word}", source.name)));
                }
                Coding::Dropped { .. } => {}
            }
            if source.has_indicator() {
                names.push(format!("{} is missing", source.name));
            }
        }
        names
    }

    /// What encoded values, not standardized, say of a source column, whose own they are: a number of six digits, `true` or
    /// `false`, a word; nothing where the cell is missing.
    #[must_use]
    pub fn cell(source: &SourceColumn, values: &[f64]) -> String {
        let missing = source.has_indicator() && values.last().is_some_and(|&mark| mark > 0.5);
        match &source.coding {
            _ if missing => String::new(),
            Coding::Number { .. } => values.first().map_or_else(String::new, |&value| six_digits(value)),
            Coding::Boolean { .. } => values.first().map_or_else(String::new, |&value| (value > 0.5).to_string()),
            Coding::Words { words, .. } => {
                let named = words.iter().zip(values).find(|(_, value)| **value > 0.5);
                named.map_or_else(String::new, |(word, _)| word.clone())
            }
            Coding::Dropped { .. } => String::new(),
        }
    }

    /// Whether every encoded column is a source column as it is: what the network sees are the file's numbers.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.sources.iter().all(|source| matches!(source.coding, Coding::Number { indicator: false, .. }))
    }

    /// What is wrong with an encoding that was read, for samples of `columns` values: what it says, and what was expected.
    #[must_use]
    pub fn fault(&self, columns: usize) -> Option<(String, String)> {
        // Sums of lengths of lists in memory: they cannot overflow.
        if self.width() != columns {
            let found = format!("columns that become {} values", self.width());
            return Some((found, format!("{columns}, as many as a sample has")));
        }
        let fill = |source: &SourceColumn| match source.coding {
            Coding::Number { fill, .. } | Coding::Boolean { fill, .. } => !fill.is_finite(),
            _ => false,
        };
        let source = self.sources.iter().find(|source| fill(source))?;
        Some((format!("column {} filled by what is no number", source.name), "a finite number".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding() -> Encoding {
        let of = |name: &str, index, gaps, coding| SourceColumn { name: name.to_owned(), index, gaps, coding };
        let words = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        Encoding {
            named: true,
            label: LabelColumn { name: "kind".to_owned(), index: 5 },
            sources: vec![
                of("id", 0, 0, Coding::Dropped { reason: DropReason::Asked }),
                of("age", 1, 2, Coding::Number { fill: 0.1 + 0.2, indicator: true }),
                of("port", 2, 0, Coding::Words { words, indicator: false }),
                of("void", 3, 9, Coding::Dropped { reason: DropReason::Empty }),
                of("paid", 4, 0, Coding::Boolean { fill: 0.5, indicator: false }),
            ],
        }
    }

    #[test]
    fn a_source_column_knows_its_encoded_ones() {
        let encoding = encoding();
        let spans: Vec<_> = encoding.spans().map(|(source, span)| (source.index, span)).collect();
        assert_eq!((encoding.width(), spans), (6, vec![(1, 0..2), (2, 2..5), (4, 5..6)]));
        assert_eq!(encoding.encoded_names(), ["age", "age is missing", "port=a", "port=b", "port=c", "paid"]);
        assert_eq!(encoding.sources.iter().map(SourceColumn::scaled).collect::<Vec<_>>(), [0, 1, 0, 0, 1]);
        assert!(!encoding.is_plain());
    }

    #[test]
    fn encoded_values_say_what_stood_in_the_cells() {
        let encoding = encoding();
        let cells = |values: &[f64]| -> Vec<String> {
            encoding.spans().map(|(source, span)| Encoding::cell(source, &values[span])).collect()
        };
        assert_eq!(cells(&[41.0000003, 0.0, 0.0, 1.0, 0.0, 0.9999]), ["41", "b", "true"]);
        assert_eq!(cells(&[0.3, 1.0, 0.0, 0.0, 0.0, 0.0]), ["", "", "false"]);
        assert_eq!([1_234_567.0, -0.000_123_456_7, -0.0].map(six_digits), ["1234570", "-0.000123457", "0"]);
    }

    #[test]
    fn every_bit_survives_json_and_damage_is_told() {
        let encoding = encoding();
        let text = serde_json::to_string(&encoding).unwrap();
        assert!(text.contains(r#"{"name":"port","index":2,"gaps":0,"kind":"words","words":["a","b","c"],"#), "{text}");
        assert_eq!(serde_json::from_str::<Encoding>(&text).unwrap(), encoding);
        assert_eq!(encoding.fault(6), None);
        let expected = ("columns that become 6 values".to_owned(), "7, as many as a sample has".to_owned());
        assert_eq!(encoding.fault(7), Some(expected));
        let mut endless = encoding;
        endless.sources[4].coding = Coding::Boolean { fill: f64::INFINITY, indicator: false };
        assert_eq!(endless.fault(6).unwrap().0, "column paid filled by what is no number");
    }
}
