//! The width of a figure in print.

use std::str::FromStr;

/// Points of an inch.
const INCH: f64 = 72.0;

/// Widths that a page can have, in points: 1.5 to 20 inches.
const RANGE: std::ops::RangeInclusive<f64> = 1.5 * INCH..=20.0 * INCH;

/// A width in points (1/72 inch).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PageWidth(pub(crate) f64);

impl Default for PageWidth {
    /// The text of a page of letter size between margins of an inch.
    fn default() -> Self {
        Self(6.5 * INCH)
    }
}

impl FromStr for PageWidth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("in", INCH), ("cm", INCH / 2.54), ("mm", INCH / 25.4), ("pt", 1.0)];
        let read = |(unit, points): (&str, f64)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * points);
        let points = units.into_iter().find_map(read).filter(|points| RANGE.contains(points));
        points.map(Self).ok_or_else(|| "expected a width of 1.5in to 20in, as 3.25in, 8cm, 82mm or 234pt".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_read_in_their_units() {
        let read = |text: &str| text.parse::<PageWidth>().map(|PageWidth(points)| points);
        assert_eq!([read("3.25in"), read("234pt")], [Ok(234.0), Ok(234.0)]);
        // An inch is 25.4 mm, which rounds.
        assert!((read("127 mm").unwrap() - 360.0).abs() < 1e-9 && (read("25.4cm").unwrap() - 720.0).abs() < 1e-9);
        for text in ["3.25", "in", "0in", "-3in", "NaNin", "infin", "100in", "3 feet"] {
            assert!(read(text).unwrap_err().contains("3.25in"), "{text}");
        }
    }
}
