//! Values beside the paper's as rows of text: what page and Markdown both show.

use std::fmt;

use hsic_lab::figure::plot::{Value, mean};

/// Stands where there is no value.
pub(crate) const MISSING: &str = "\u{2014}";

/// A value, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// What it is, with its unit in parentheses.
    pub(crate) quantity: String,
    /// Of the paper.
    pub(crate) paper: String,
    /// Ours by the authors' protocol: mean and, of several seeds, the range.
    pub(crate) authors: Seeds,
    /// Ours by the fair protocol.
    pub(crate) ours: Seeds,
    /// Ours, fair, less the paper's.
    pub(crate) difference: String,
    /// Where ours has to lie.
    pub(crate) band: String,
    /// Whether it does.
    pub(crate) standing: Standing,
    /// The command that gives it.
    pub(crate) command: String,
}

/// A value of several seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    /// Their mean.
    pub(crate) mean: String,
    /// The least and the largest; `None` of a single seed.
    pub(crate) range: Option<String>,
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, range } = self;
        match range {
            Some(range) => write!(f, "{mean} ({range})"),
            None => f.write_str(mean),
        }
    }
}

impl Seeds {
    fn of(values: &[f64], unit: &str) -> Self {
        let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        Self {
            mean: if values.is_empty() { MISSING.to_owned() } else { measured(mean(values), unit) },
            range: (values.len() > 1).then(|| format!("{} to {}", measured(low, unit), measured(high, unit))),
        }
    }
}

/// Whether a value lies where it has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing is promised.
    Free,
    /// It does.
    Inside,
    /// It does not.
    Outside,
    /// There is none.
    Missing,
}

impl Standing {
    /// In a sign and a word; empty where nothing is promised.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Free => "",
            Self::Inside => "\u{2713} inside",
            Self::Outside => "\u{2717} outside",
            Self::Missing => "\u{2717} no value",
        }
    }

    /// Whether a promise is not kept.
    pub(crate) fn is_broken(self) -> bool {
        matches!(self, Self::Outside | Self::Missing)
    }
}

impl Row {
    /// A value as text.
    pub(crate) fn of(value: &Value) -> Self {
        let Value { name, unit, paper, authors, ours, band, command } = value;
        let difference = match paper {
            Some(paper) if !ours.is_empty() => signed(mean(ours) - paper, unit),
            _ => MISSING.to_owned(),
        };
        Self {
            quantity: if unit.is_empty() { name.clone() } else { format!("{name} ({unit})") },
            paper: paper.map_or_else(|| MISSING.to_owned(), stated),
            authors: Seeds::of(authors, unit),
            ours: Seeds::of(ours, unit),
            difference,
            band: band.map_or_else(|| MISSING.to_owned(), |(low, high)| format!("{} to {}", stated(low), stated(high))),
            standing: match (band, ours.is_empty()) {
                (None, _) => Standing::Free,
                (Some(_), true) => Standing::Missing,
                (Some(_), false) if value.holds() => Standing::Inside,
                (Some(_), false) => Standing::Outside,
            },
            command: command.clone(),
        }
    }
}

/// A number that was measured: percent to the hundredth, others to four digits.
fn measured(value: f64, unit: &str) -> String {
    if unit == "%" && value.is_finite() { minus(format!("{value:.2}")) } else { significant(value, 4) }
}

/// A number that was written or read off: what there is of it.
fn stated(value: f64) -> String {
    significant(value, 6)
}

/// A difference with its sign.
fn signed(value: f64, unit: &str) -> String {
    let text = measured(value, unit);
    if value > 0.0 { format!("+{text}") } else { text }
}

/// So many digits, zeros at the end left out.
pub(crate) fn significant(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return "no number".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    if !(-4.0..9.0).contains(&magnitude) {
        return minus(format!("{value:.*e}", usize::try_from(digits - 1).unwrap_or(0)));
    }
    let decimals = usize::try_from(digits - 1 - magnitude as i32).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    minus(if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text })
}

/// The true minus sign in front of a negative number.
fn minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) => format!("\u{2212}{rest}"),
        None => text,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn value() -> Value {
        Value {
            name: "MNIST after 5 epochs".to_owned(),
            unit: "%".to_owned(),
            paper: Some(97.5),
            authors: vec![98.0],
            ours: vec![98.5, 97.25],
            band: Some((96.0, 99.0)),
            command: "hsic train --dataset mnist".to_owned(),
        }
    }

    #[test]
    fn a_value_is_its_mean_with_the_range_of_its_seeds() {
        let row = Row::of(&value());
        assert_eq!(row.quantity, "MNIST after 5 epochs (%)");
        assert_eq!([row.authors.to_string(), row.ours.to_string()], ["98.00", "97.88 (97.25 to 98.50)"]);
        assert_eq!(row.paper, "97.5");
        assert_eq!((&*row.difference, &*row.band, row.standing), ("+0.38", "96 to 99", Standing::Inside));
    }

    #[test]
    fn a_value_outside_its_band_is_marked_and_so_is_one_that_is_not_there() {
        let row = Row::of(&Value { ours: vec![90.0], ..value() });
        assert_eq!((row.standing.mark(), &*row.difference), ("\u{2717} outside", "\u{2212}7.50"));
        let row = Row::of(&Value { ours: Vec::new(), ..value() });
        assert_eq!((row.standing, &*row.ours.mean, &*row.difference), (Standing::Missing, MISSING, MISSING));
        let row = Row::of(&Value { ours: vec![f64::NAN], ..value() });
        assert_eq!((row.standing, &*row.ours.mean), (Standing::Outside, "no number"));
        assert!(!Row::of(&Value { band: None, ours: Vec::new(), ..value() }).standing.is_broken());
    }

    #[test]
    fn what_the_paper_does_not_say_is_a_dash() {
        let row = Row::of(&Value { paper: None, authors: Vec::new(), band: None, ..value() });
        let dashes = [row.paper, row.authors.mean, row.difference, row.band];
        assert!(dashes.iter().all(|cell| cell == MISSING), "{dashes:?}");
    }

    #[test]
    fn numbers_have_the_digits_that_say_something() {
        let shown = [0.0, 1.5, -0.012_345, 123_456.0, 1e-7, 2e12].map(|value| significant(value, 4));
        assert_eq!(shown, ["0", "1.5", "\u{2212}0.01235", "123456", "1.000e-7", "2.000e12"]);
    }
}
