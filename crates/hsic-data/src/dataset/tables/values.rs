//! The values that a network gets of the columns of a table.

use std::path::Path;

use super::cells::Cells;
use super::number::flag;
use super::raw::RawTable;
use crate::dataset::encoding::{Coding, Encoding, SourceColumn};
use crate::dataset::error::DatasetError;
use crate::dataset::notes::Note;
use crate::dataset::standardization::Standardization;

/// A table whose columns are those of an encoding.
pub(crate) struct Encoded<'t> {
    path: &'t Path,
    table: &'t RawTable,
    /// The columns that become values, each with its column of the table.
    columns: Vec<(&'t SourceColumn, usize)>,
}

/// What an encoding does not know of rows that it was not found out from.
#[derive(Debug, Default)]
pub(crate) struct Strange {
    columns: Vec<StrangeColumn>,
}

#[derive(Debug, Default)]
struct StrangeColumn {
    name: String,
    /// Gaps, if the training part had none.
    gaps: usize,
    /// Cells of words that the training part did not have, and the first of these.
    unknown: usize,
    example: String,
}

impl Strange {
    /// What is to be said of it.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let gaps = self.columns.iter().filter(|column| column.gaps > 0);
        let gaps: Vec<_> = gaps.map(|column| (column.name.clone(), column.gaps)).collect();
        let unknown = self.columns.iter().filter(|column| column.unknown > 0);
        let unknown: Vec<_> =
            unknown.map(|column| (column.name.clone(), column.unknown, column.example.clone())).collect();
        let gaps = (!gaps.is_empty()).then_some(Note::GapsElsewhere { columns: gaps });
        gaps.into_iter().chain((!unknown.is_empty()).then_some(Note::UnknownWords { columns: unknown })).collect()
    }
}

/// What a cell of a column of words says.
#[derive(Clone, Copy, PartialEq)]
enum Said {
    Nothing,
    /// The word of this place in the encoding's list; of two words, 1 for true.
    Word(usize),
    Unknown,
}

impl<'t> Encoded<'t> {
    /// `places` says for every column of the encoding which column of the table it is; only those that are left out need none.
    ///
    /// # Errors
    /// `NotANumber` for a word where the training had numbers.
    pub(crate) fn of(
        path: &'t Path,
        table: &'t RawTable,
        encoding: &'t Encoding,
        places: &[Option<usize>],
    ) -> Result<Self, DatasetError> {
        let columns: Vec<(&SourceColumn, usize)> = encoding
            .sources
            .iter()
            .zip(places)
            .filter(|(source, _)| source.is_used())
            .filter_map(|(source, place)| Some((source, (*place)?)))
            .collect();
        for &(source, place) in &columns {
            if let (Coding::Number { .. }, Cells::Words(words)) = (&source.coding, &table.columns[place].cells) {
                let first = || (0..table.rows).find_map(|row| Some((row as u64 + 1, words.get(row)?.to_owned())));
                let known = table.columns[place].word.as_ref().map(|(word, ..)| (word.line, word.text.clone()));
                // A column of nothing but gaps is one of numbers.
                if let Some((line, text)) = known.or_else(first) {
                    return Err(DatasetError::NotANumber { path: path.to_owned(), line, column: place + 1, text });
                }
            }
        }
        Ok(Self { path, table, columns })
    }

    /// Means and deviations of the encoded columns over some rows; 0 and 1 for those that stay 0 and 1.
    pub(crate) fn standardization(&self, rows: &[usize]) -> Standardization {
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        for &(source, place) in &self.columns {
            for offset in 0..source.width() {
                if offset < source.scaled() {
                    let Standardization { means: mean, deviations: deviation } =
                        Standardization::of(&self.encoded(source, place, offset, rows), 1);
                    means.extend(mean);
                    deviations.extend(deviation);
                } else {
                    means.push(0.0);
                    deviations.push(1.0);
                }
            }
        }
        Standardization { means, deviations }
    }

    /// The values of some rows, one row after another.
    ///
    /// # Errors
    /// `NotFinite` with row and column of the file.
    pub(crate) fn samples(
        &self,
        rows: &[usize],
        standardization: Option<&Standardization>,
    ) -> Result<Vec<f32>, DatasetError> {
        let cols = self.columns.iter().map(|(source, _)| source.width()).sum::<usize>();
        let mut samples = vec![0.0f32; rows.len() * cols];
        let mut column = 0;
        for &(source, place) in &self.columns {
            for offset in 0..source.width() {
                let values = self.encoded(source, place, offset, rows);
                for (row, (value, sample)) in values.iter().zip(samples[column..].iter_mut().step_by(cols)).enumerate()
                {
                    let scaled = standardization.map_or(*value, |numbers| numbers.scaled(column, *value));
                    *sample = scaled as f32;
                    if !sample.is_finite() {
                        let (path, row) = (self.path.to_owned(), self.table.file_row(rows[row]));
                        return Err(DatasetError::NotFinite { path, row, column: place, value: scaled });
                    }
                }
                column += 1;
            }
        }
        Ok(samples)
    }

    /// What is to be said of rows that the encoding was not found out from.
    pub(crate) fn notes(&self, rows: &[usize]) -> Vec<Note> {
        let mut strange = Strange::default();
        self.count(rows, &mut strange);
        strange.notes()
    }

    /// Adds what is strange in some rows to what was in those before them.
    pub(crate) fn count(&self, rows: &[usize], strange: &mut Strange) {
        if strange.columns.is_empty() {
            let of = |&(source, _): &(&SourceColumn, usize)| StrangeColumn {
                name: source.name.clone(),
                ..StrangeColumn::default()
            };
            strange.columns = self.columns.iter().map(of).collect();
        }
        for (&(source, place), column) in self.columns.iter().zip(&mut strange.columns) {
            let cells = &self.table.columns[place].cells;
            if !source.has_indicator() {
                column.gaps += rows.iter().filter(|&&row| cells.is_gap(row)).count();
            }
            // Of numbers none is unknown.
            if matches!(source.coding, Coding::Number { .. }) {
                continue;
            }
            let said = self.said(source, place);
            for row in rows.iter().copied().filter(|&row| said(row) == Said::Unknown) {
                if column.unknown == 0 {
                    column.example = match cells {
                        Cells::Words(words) => words.get(row).unwrap_or_default().to_owned(),
                        Cells::Numbers(numbers) => numbers.get(row).to_string(),
                    };
                }
                column.unknown += 1;
            }
        }
    }

    /// One encoded column, of some rows.
    fn encoded(&self, source: &SourceColumn, place: usize, offset: usize, rows: &[usize]) -> Vec<f64> {
        let cells = &self.table.columns[place].cells;
        let is_indicator = source.has_indicator() && offset + 1 == source.width();
        let one = |flag: bool| if flag { 1.0 } else { 0.0 };
        if is_indicator {
            return rows.iter().map(|&row| one(cells.is_gap(row))).collect();
        }
        match (&source.coding, cells) {
            (Coding::Number { fill, .. }, Cells::Numbers(numbers)) => {
                let filled = |number: f64| if number.is_nan() { *fill } else { number };
                rows.iter().map(|&row| filled(numbers.get(row))).collect()
            }
            (Coding::Number { fill, .. }, Cells::Words(_)) => vec![*fill; rows.len()],
            (Coding::Boolean { fill, .. }, _) => {
                let said = self.said(source, place);
                let value = |row| match said(row) {
                    Said::Word(word) => word as f64,
                    Said::Nothing | Said::Unknown => *fill,
                };
                rows.iter().map(|&row| value(row)).collect()
            }
            (Coding::Words { .. }, _) => {
                let said = self.said(source, place);
                rows.iter().map(|&row| one(said(row) == Said::Word(offset))).collect()
            }
            (Coding::Dropped { .. }, _) => Vec::new(),
        }
    }

    /// What the cells of a column of words say. A word is looked up once.
    fn said(&self, source: &'t SourceColumn, place: usize) -> Box<dyn Fn(usize) -> Said + 't> {
        let word = |text: &str| match &source.coding {
            Coding::Boolean { .. } => match (flag(text), text) {
                (Some(true), _) | (None, "1") => Said::Word(1),
                (Some(false), _) | (None, "0") => Said::Word(0),
                (None, _) => Said::Unknown,
            },
            Coding::Words { words, .. } => {
                words.binary_search_by(|known| known.as_str().cmp(text)).map_or(Said::Unknown, Said::Word)
            }
            Coding::Number { .. } | Coding::Dropped { .. } => Said::Nothing,
        };
        match &self.table.columns[place].cells {
            Cells::Words(words) => {
                let known: Vec<Said> = words.list().iter().map(|text| word(text)).collect();
                Box::new(move |row| match words.code(row) {
                    Some(code) => known[code],
                    None if words.get(row).is_some() => Said::Unknown,
                    None => Said::Nothing,
                })
            }
            Cells::Numbers(numbers) => Box::new(move |row| match numbers.get(row) {
                number if number.is_nan() => Said::Nothing,
                number => word(&number.to_string()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tables::fit::fit;
    use crate::dataset::tables::raw::Known;
    use crate::dataset::tables::text::Text;

    fn table(text: &str) -> RawTable {
        let path = Path::new("t.csv");
        RawTable::of_text(&Text::of(path, text.as_bytes(), None, false).unwrap(), Known::default()).unwrap()
    }

    const TRAIN: &str = "age,port,paid,kind\n1,north,yes,a\n3,south,no,b\n,north,yes,a\n5,,no,b\n";

    fn encoding() -> Encoding {
        fit(Path::new("t.csv"), &table(TRAIN), 3, &[false; 4], &[0, 1, 2, 3]).unwrap()
    }

    #[test]
    fn each_cell_is_what_its_column_says() {
        let (encoding, table) = (encoding(), table(TRAIN));
        let places: Vec<Option<usize>> = (0..3).map(Some).collect();
        let encoded = Encoded::of(Path::new("t.csv"), &table, &encoding, &places).unwrap();
        assert_eq!(
            encoding.encoded_names(),
            ["age", "age is missing", "port=north", "port=south", "port is missing", "paid"]
        );
        let rows = [0, 1, 2, 3];
        assert_eq!(
            encoded.samples(&rows, None).unwrap(),
            [
                1.0, 0.0, 1.0, 0.0, 0.0, 1.0, //
                3.0, 0.0, 0.0, 1.0, 0.0, 0.0, //
                3.0, 1.0, 1.0, 0.0, 0.0, 1.0, //
                5.0, 0.0, 0.0, 0.0, 1.0, 0.0,
            ]
        );
        // Of 1, 3, 3 and 5 the mean is 3 and the deviation the root of 2; words and gaps stay as they are.
        let numbers = encoded.standardization(&rows);
        assert_eq!(numbers.means, [3.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
        assert!((numbers.deviations[0] - 2f64.sqrt()).abs() < 1e-15);
        assert_eq!(numbers.deviations[1..], [1.0, 1.0, 1.0, 1.0, 0.5]);
        let first = encoded.samples(&[0], Some(&numbers)).unwrap();
        assert!((f64::from(first[0]) + 2f64.sqrt()).abs() < 1e-7, "{first:?}");
        assert_eq!(first[1..], [0.0, 1.0, 0.0, 0.0, 1.0]);
        assert!(encoded.notes(&rows).is_empty());
    }

    #[test]
    fn what_the_training_did_not_have_is_filled_and_counted() {
        let encoding = encoding();
        let table = table("paid,age,port\n,7,west\nno,,north\n1,8,east\nmaybe,2,north\n");
        let places = [Some(1), Some(2), Some(0)];
        let encoded = Encoded::of(Path::new("new.csv"), &table, &encoding, &places).unwrap();
        assert_eq!(
            encoded.samples(&[0, 1, 2, 3], None).unwrap(),
            [
                7.0, 0.0, 0.0, 0.0, 0.0, 0.5, //
                3.0, 1.0, 1.0, 0.0, 0.0, 0.0, //
                8.0, 0.0, 0.0, 0.0, 0.0, 1.0, //
                2.0, 0.0, 1.0, 0.0, 0.0, 0.5,
            ]
        );
        assert_eq!(
            encoded.notes(&[0, 1, 2, 3]),
            [
                Note::GapsElsewhere { columns: vec![("paid".into(), 1)] },
                Note::UnknownWords {
                    columns: vec![("port".into(), 2, "west".into()), ("paid".into(), 1, "maybe".into())]
                },
            ]
        );
    }

    #[test]
    fn what_is_no_finite_number_is_told_with_its_place_in_the_file() {
        let encoding = encoding();
        let told = |text: &str| {
            let table = table(text);
            let encoded = Encoded::of(Path::new("new.csv"), &table, &encoding, &[Some(1), Some(2), Some(0)]);
            encoded.and_then(|encoded| encoded.samples(&[0, 1], None)).unwrap_err().to_string()
        };
        let text = "paid,age,port\nno,1,north\nno,inf,north\n";
        assert_eq!(told(text), "new.csv: row 1, column 1 (from 0): inf, expected a finite number");
        let text = "paid,age,port\nno,1,north\nno,old,north\n";
        assert_eq!(told(text), "new.csv: line 3, column 2: \"old\", expected a number");
    }
}
