//! Whether the targets of a table are classes or values.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What is learned of a table's target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Values where the targets look like quantities, else classes: see [`Sign`].
    #[default]
    Auto,
    /// Which class a row is of.
    Classification,
    /// A number.
    Regression,
}

/// Different whole numbers that are taken for classes however few rows each has.
const FEW_VALUES: usize = 30;

/// Rows that a class has on average, at the least, if there are more classes than that.
const ROWS_A_VALUE: usize = 10;

/// Different whole numbers that are taken for classes without a word: ten digits.
const UNSAID: usize = 10;

/// What numbers look like as targets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "sign")]
pub enum Sign {
    /// One of them has a fraction: quantities.
    Fraction {
        /// The first that has.
        value: f64,
    },
    /// More than 30 different whole numbers, fewer than 10 rows each on average: quantities.
    Many {
        /// Different numbers.
        distinct: usize,
        /// Rows.
        rows: usize,
    },
    /// Few different whole numbers, or many rows of each: classes.
    Few {
        /// Different numbers.
        distinct: usize,
        /// Rows.
        rows: usize,
    },
}

impl Sign {
    /// Of these numbers, whatever is not finite left out.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Self {
        let finite = || numbers.iter().copied().filter(|number| number.is_finite());
        if let Some(value) = finite().find(|number| number.fract() != 0.0) {
            return Self::Fraction { value };
        }
        // Zero of either sign is one number.
        let distinct = finite().map(|number| (number + 0.0).to_bits()).collect::<BTreeSet<u64>>().len();
        let rows = numbers.len();
        if distinct > FEW_VALUES && rows < ROWS_A_VALUE * distinct {
            Self::Many { distinct, rows }
        } else {
            Self::Few { distinct, rows }
        }
    }

    /// Whether the numbers look like quantities.
    #[must_use]
    pub fn is_quantity(self) -> bool {
        !matches!(self, Self::Few { .. })
    }

    /// Whether a user should be told what they were taken for: of few classes the question does not arise.
    #[must_use]
    pub fn is_worth_saying(self) -> bool {
        !matches!(self, Self::Few { distinct, .. } if distinct <= UNSAID)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_and_many_whole_numbers_of_few_rows_are_quantities() {
        let whole = |distinct: usize, rows: usize| (0..rows).map(|row| (row % distinct) as f64).collect::<Vec<_>>();
        for (numbers, expected) in [
            (vec![1.0, 0.5, 2.5], Sign::Fraction { value: 0.5 }),
            (whole(31, 309), Sign::Many { distinct: 31, rows: 309 }),
            (whole(31, 310), Sign::Few { distinct: 31, rows: 310 }),
            (whole(30, 40), Sign::Few { distinct: 30, rows: 40 }),
            (whole(94, 300), Sign::Many { distinct: 94, rows: 300 }),
            (vec![0.0, -0.0, 1.0], Sign::Few { distinct: 2, rows: 3 }),
            (vec![f64::NAN, f64::INFINITY, 1.0], Sign::Few { distinct: 1, rows: 3 }),
        ] {
            let sign = Sign::of(&numbers);
            assert_eq!(sign, expected);
            assert_eq!(sign.is_quantity(), !matches!(sign, Sign::Few { .. }));
        }
        let said = |distinct, rows| Sign::of(&whole(distinct, rows)).is_worth_saying();
        assert_eq!((said(10, 100), said(11, 100), said(40, 100)), (false, true, true));
    }
}
