//! A first look at the columns of a text: which hold numbers, how those are written, where something is missing.

use super::number::{Decimal, digits, is_missing_number, read};

/// What the cells of a column are, as far as they were looked at. Places are the first bytes of records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// Cells with something in them.
    pub(crate) filled: usize,
    /// The first cell in which something is missing.
    pub(crate) gap: Option<(usize, String)>,
    /// Cells that are no number with a decimal point, and the first of them.
    point_failed: usize,
    first_point: Option<(usize, String)>,
    /// Cells that are no number with a decimal comma, and the first of them.
    comma_failed: usize,
    first_comma: Option<(usize, String)>,
    /// The first cell with a comma, and whether a cell has a point.
    comma: Option<(usize, String)>,
    points: bool,
    /// Numbers without a mark: written as whole ones.
    whole: usize,
    /// The range of the numbers.
    least: f64,
    most: f64,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Numbers under a decimal mark, or nothing at all.
    Numbers(Decimal),
    /// Words, the first of them, and how many numbers stand beside them.
    Words { first: Option<(usize, String)>, numbers: usize },
    /// Numbers that could be read in two ways, the first of them.
    Ambiguous(usize, String),
}

/// Which decimal mark the columns of a file show without doubt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    point: bool,
    comma: bool,
}

impl Look {
    pub(crate) fn add(&mut self, byte: usize, cell: &str) {
        if let Some(number) = digits(cell) {
            self.filled += 1;
            self.whole += 1;
            self.widen(number);
            return;
        }
        if is_missing_number(cell) {
            self.gap.get_or_insert_with(|| (byte, cell.to_owned()));
            return;
        }
        self.filled += 1;
        let (commas, points) = (cell.contains(','), cell.contains('.'));
        self.points |= points;
        if commas && self.comma.is_none() {
            self.comma = Some((byte, cell.to_owned()));
        }
        let point = read(cell, Decimal::Point);
        if point.is_none() {
            self.point_failed += 1;
            self.first_point.get_or_insert_with(|| (byte, cell.to_owned()));
        }
        let comma = if commas || points { read(cell, Decimal::Comma) } else { point };
        if comma.is_none() {
            self.comma_failed += 1;
            self.first_comma.get_or_insert_with(|| (byte, cell.to_owned()));
        }
        let Some(number) = point.or(comma) else { return };
        self.whole += usize::from(!commas && !points);
        self.widen(number);
    }

    fn widen(&mut self, number: f64) {
        if self.numbers() == 1 {
            (self.least, self.most) = (number, number);
        }
        (self.least, self.most) = (self.least.min(number), self.most.max(number));
    }

    /// Adds the cell of a line before all others.
    pub(crate) fn add_first(&mut self, byte: usize, cell: &str) {
        let mut first = Self::default();
        first.add(byte, cell);
        self.filled += first.filled;
        self.gap = first.gap.or(self.gap.take());
        self.point_failed += first.point_failed;
        self.first_point = first.first_point.or(self.first_point.take());
        self.comma_failed += first.comma_failed;
        self.first_comma = first.first_comma.or(self.first_comma.take());
        self.comma = first.comma.or(self.comma.take());
        self.points |= first.points;
        self.whole += first.whole;
    }

    /// Cells that are numbers under the mark that suits more of them.
    fn numbers(&self) -> usize {
        self.filled - self.point_failed.min(self.comma_failed)
    }

    /// Whether all that is there are numbers.
    pub(crate) fn is_numeric(&self) -> bool {
        self.filled > 0 && self.numbers() == self.filled
    }

    /// Whether every number is written with a fraction.
    pub(crate) fn is_fractional(&self) -> bool {
        self.is_numeric() && self.whole == 0
    }

    /// Whether a number lies outside those that are there.
    pub(crate) fn is_beyond(&self, number: f64) -> bool {
        self.is_numeric() && !(self.least..=self.most).contains(&number)
    }

    pub(crate) fn evidence(&self) -> Evidence {
        let (point, comma) = (self.point_failed == 0, self.comma_failed == 0);
        Evidence { point: self.filled > 0 && point && !comma, comma: self.filled > 0 && comma && !point }
    }

    /// What the column holds, in a file whose fields are separated so and whose other columns show that.
    pub(crate) fn kind(&self, separator: u8, evidence: Evidence) -> Kind {
        match (self.point_failed, self.comma_failed) {
            (0, 0) if self.comma.is_none() && !self.points => Kind::Numbers(Decimal::Point),
            (0, 0) => match (evidence, &self.comma) {
                _ if separator == b',' => Kind::Numbers(Decimal::Point),
                (Evidence { comma: true, point: false }, _) => Kind::Numbers(Decimal::Comma),
                (Evidence { comma: false, point: true }, _) | (_, None) => Kind::Numbers(Decimal::Point),
                // Where a semicolon separates, a comma is the usual decimal mark.
                (_, Some(_)) if separator == b';' => Kind::Numbers(Decimal::Comma),
                (_, Some((byte, text))) => Kind::Ambiguous(*byte, text.clone()),
            },
            (0, _) => Kind::Numbers(Decimal::Point),
            (_, 0) => Kind::Numbers(Decimal::Comma),
            (point, comma) => {
                let first = if point <= comma { &self.first_point } else { &self.first_comma };
                Kind::Words { first: first.clone(), numbers: self.numbers() }
            }
        }
    }
}

impl Evidence {
    pub(crate) fn and(self, other: Self) -> Self {
        Self { point: self.point || other.point, comma: self.comma || other.comma }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(cells: &[&str]) -> Look {
        let mut look = Look::default();
        cells.iter().enumerate().for_each(|(byte, cell)| look.add(byte, cell));
        look
    }

    #[test]
    fn all_cells_of_a_column_and_the_others_tell_how_its_numbers_are_written() {
        let none = Evidence::default();
        let comma = look(&["0,5", "1"]).evidence();
        let point = look(&["0.5", "1"]).evidence();
        let (by_point, by_comma) = (Kind::Numbers(Decimal::Point), Kind::Numbers(Decimal::Comma));
        for (cells, separator, evidence, kind) in [
            (&["1", "-2", "NA"][..], b',', none, &by_point),
            (&["0.5", "1"], b';', comma, &by_point),
            (&["0,5", "1"], b';', none, &by_comma),
            (&["0,5", "1"], b'\t', none, &by_comma),
            (&["0,5", "1"], b',', none, &by_comma),
            (&["1,234", "12"], b',', none, &by_point),
            (&["1,234", "12"], b';', none, &by_comma),
            (&["1,234", "12"], b';', point, &by_point),
            (&["1,234", "12"], b'\t', comma, &by_comma),
            (&["1,234.5", "12"], b'\t', none, &by_point),
            (&["1.234,5", "12"], b'\t', none, &by_comma),
            (&["1.234", "12"], b';', comma, &by_comma),
            (&["1.234", "12"], b';', none, &by_point),
            (&["", "NA"], b',', none, &by_point),
            (&["x", "y"], b',', none, &Kind::Words { first: Some((0, "x".into())), numbers: 0 }),
            (&["1", "x", "2"], b',', none, &Kind::Words { first: Some((1, "x".into())), numbers: 2 }),
            (&["1", "1,234"], b'\t', none, &Kind::Ambiguous(1, "1,234".into())),
        ] {
            assert_eq!(look(cells).kind(separator, evidence), *kind, "{cells:?} {separator}");
        }
    }

    #[test]
    fn a_first_line_is_looked_at_last_and_comes_first() {
        let mut look = look(&["2", "x"]);
        look.add_first(9, "y");
        assert_eq!(look.kind(b',', Evidence::default()), Kind::Words { first: Some((9, "y".into())), numbers: 1 });
        assert_eq!(look.filled, 3);
    }
}
