//! Samples with classes or values to be learned, in two parts.

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::encoding::Encoding;
use super::error::DatasetError;
use super::normalization::{ChannelSums, Normalization, pixels};
use super::notes::Note;
use super::parts::{Drawn, hold_out};
use super::picture::Reading;
use super::standardization::Standardization;
use super::stored::{Element, StoredRows};
use super::targets::{Classes, Quantities, TargetKind, Targets};
use crate::shape::Shape;

/// Values of samples in a file that are looked at together where all are.
const PASS_VALUES: usize = 1 << 20;

/// The values of all samples, one sample after another.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Pixels; the value is byte / 255.
    Bytes(Vec<u8>),
    /// Numbers as they are.
    Floats(Vec<f32>),
    /// Pixels or numbers that lie in a file.
    Stored(StoredRows),
}

/// Values of some samples, one sample after another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Piece<'v> {
    /// Pixels.
    Bytes(&'v [u8]),
    /// Numbers.
    Floats(&'v [f32]),
}

impl Samples {
    /// Values held.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Floats(floats) => floats.len(),
            Self::Stored(stored) => stored.rows() * stored.columns(),
        }
    }

    /// The samples `rows`, of so many values each.
    pub(super) fn select(&self, rows: &[usize], columns: usize) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(picked(bytes, rows, columns)),
            Self::Floats(floats) => Self::Floats(picked(floats, rows, columns)),
            Self::Stored(stored) => Self::Stored(stored.select(rows)),
        }
    }

    /// Whether the values are pixels.
    #[must_use]
    pub fn are_pixels(&self) -> bool {
        match self {
            Self::Bytes(_) => true,
            Self::Floats(_) => false,
            Self::Stored(stored) => stored.element() == Element::Byte,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The values of some rows.
pub(super) fn picked<V: Copy>(values: &[V], rows: &[usize], columns: usize) -> Vec<V> {
    rows.iter().flat_map(|&row| &values[row * columns..(row + 1) * columns]).copied().collect()
}

/// Samples with a class each, or a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Name of the source, or of the file without its folder.
    pub name: String,
    /// rows x columns values, row-major.
    pub samples: Samples,
    /// Sizes of one sample.
    pub shape: Shape,
    /// What is to be learned of each row.
    pub targets: Targets,
    /// How the channels of images are normalized; `None` leaves values from 0 to 1, and tables as they are.
    pub normalization: Option<Normalization>,
}

impl Dataset {
    /// Number of samples.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.targets.len()
    }

    /// Values in one sample.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.shape.columns()
    }

    /// The classes of the rows.
    ///
    /// # Panics
    /// If the rows have values, which no rule may take for a set of no classes. A data set says which it has by its
    /// [`targets`](Self::targets); what trains and judges asks before it comes here.
    #[must_use]
    #[track_caller]
    pub fn of_classes(&self) -> &Classes {
        match &self.targets {
            Targets::Classes(classes) => classes,
            Targets::Values(_) => panic!("the targets of {} are values, not classes", self.name),
        }
    }

    /// The values of the rows; `None` if they have classes.
    #[must_use]
    pub fn of_values(&self) -> Option<&Quantities> {
        match &self.targets {
            Targets::Classes(_) => None,
            Targets::Values(quantities) => Some(quantities),
        }
    }

    /// Class of each row, below [`Dataset::classes`].
    ///
    /// # Panics
    /// As [`of_classes`](Self::of_classes).
    #[must_use]
    #[track_caller]
    pub fn labels(&self) -> &[u16] {
        &self.of_classes().labels
    }

    /// Name of each class.
    ///
    /// # Panics
    /// As [`of_classes`](Self::of_classes).
    #[must_use]
    #[track_caller]
    pub fn class_names(&self) -> &[String] {
        &self.of_classes().names
    }

    /// Number of classes.
    ///
    /// # Panics
    /// As [`of_classes`](Self::of_classes).
    #[must_use]
    #[track_caller]
    pub fn classes(&self) -> usize {
        self.of_classes().names.len()
    }

    /// Of which kind the targets are.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        self.targets.kind()
    }

    /// Writes sample `index` to `out`; a pixel b becomes b / 255, normalized by its channel if the data set is.
    ///
    /// # Errors
    /// Samples that lie in a file: what is wrong with it.
    ///
    /// # Panics
    /// If `index` is not below [`rows`](Self::rows) or `out` is not [`columns`](Self::columns) long.
    pub fn fill_row(&self, index: usize, out: &mut [f32]) -> Result<(), DatasetError> {
        self.fill_rows(&[index], out, &mut Vec::new())
    }

    /// Writes the samples `rows` to `out`, one after another; `scratch` is memory that is used again.
    ///
    /// # Errors
    /// As [`fill_row`](Self::fill_row).
    ///
    /// # Panics
    /// As [`fill_row`](Self::fill_row).
    pub fn fill_rows(&self, rows: &[usize], out: &mut [f32], scratch: &mut Vec<u8>) -> Result<(), DatasetError> {
        let columns = self.columns();
        assert_eq!(out.len(), rows.len() * columns, "a sample has as many values as the data set has columns");
        match &self.samples {
            Samples::Floats(floats) => {
                for (&row, out) in rows.iter().zip(out.chunks_exact_mut(columns)) {
                    out.copy_from_slice(&floats[row * columns..][..columns]);
                }
                Ok(())
            }
            Samples::Stored(stored) if stored.element() == Element::Float => {
                stored.read_floats(rows.iter().copied(), out)
            }
            Samples::Bytes(_) | Samples::Stored(_) => {
                let mut out = out.chunks_exact_mut(columns);
                self.each_image(rows, scratch, |_, image| {
                    if let Some(out) = out.next() {
                        self.convert(image, out);
                    }
                })
            }
        }
    }

    /// Shows the bytes of the images `rows`, each with its row, in that order; `scratch` is memory that is used again.
    ///
    /// # Errors
    /// As [`fill_row`](Self::fill_row).
    ///
    /// # Panics
    /// As [`fill_row`](Self::fill_row), or if the samples are no pixels.
    pub(crate) fn each_image(
        &self,
        rows: &[usize],
        scratch: &mut Vec<u8>,
        mut each: impl FnMut(usize, &[u8]),
    ) -> Result<(), DatasetError> {
        let columns = self.columns();
        match &self.samples {
            Samples::Bytes(bytes) => rows.iter().for_each(|&row| each(row, &bytes[row * columns..][..columns])),
            Samples::Stored(stored) if stored.element() == Element::Byte => {
                scratch.resize(rows.len() * columns, 0);
                stored.read(rows.iter().copied(), scratch)?;
                rows.iter().zip(scratch.chunks_exact(columns)).for_each(|(&row, image)| each(row, image));
            }
            Samples::Floats(_) | Samples::Stored(_) => panic!("only images have bytes"),
        }
        Ok(())
    }

    /// Shows all samples in order, some at a time.
    ///
    /// # Errors
    /// As [`fill_row`](Self::fill_row).
    pub(super) fn pass(&self, mut each: impl FnMut(Piece<'_>)) -> Result<(), DatasetError> {
        let stored = match &self.samples {
            Samples::Bytes(bytes) => {
                each(Piece::Bytes(bytes));
                return Ok(());
            }
            Samples::Floats(floats) => {
                each(Piece::Floats(floats));
                return Ok(());
            }
            Samples::Stored(stored) => stored,
        };
        let (columns, rows) = (self.columns(), stored.rows());
        let at_once = (PASS_VALUES / columns.max(1)).max(1);
        let (mut bytes, mut floats) = (Vec::new(), Vec::new());
        for start in (0..rows).step_by(at_once) {
            let places = start..rows.min(start + at_once);
            let values = places.len() * columns;
            match stored.element() {
                Element::Byte => {
                    bytes.resize(values, 0);
                    stored.read(places, &mut bytes)?;
                    each(Piece::Bytes(&bytes));
                }
                Element::Float => {
                    floats.resize(values, 0.0);
                    stored.read_floats(places, &mut floats)?;
                    each(Piece::Floats(&floats));
                }
            }
        }
        Ok(())
    }

    /// Writes the pixels of an image to `out`, as [`fill_row`](Self::fill_row) does with those of a sample.
    pub fn convert(&self, image: &[u8], out: &mut [f32]) {
        pixels(self.normalization.as_ref(), image, out);
    }

    /// The samples of `rows`, in that order; a row may come more than once. The classes stay.
    ///
    /// # Panics
    /// If one of them is not below [`rows`](Self::rows).
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            samples: self.samples.select(rows, self.columns()),
            shape: self.shape,
            targets: self.targets.select(rows),
            normalization: self.normalization.clone(),
        }
    }

    /// Samples of each class.
    ///
    /// # Panics
    /// As [`of_classes`](Self::of_classes).
    #[must_use]
    #[track_caller]
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes()];
        for &label in self.labels() {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Keeps the first `size` rows, if a size is asked for.
    pub(super) fn keep_first(&mut self, part: &'static str, size: Option<usize>) -> Result<(), DatasetError> {
        let Some(size) = size else { return Ok(()) };
        if size == 0 || size > self.rows() {
            return Err(DatasetError::PartSize { part, asked: size, available: self.rows() });
        }
        match &mut self.samples {
            Samples::Bytes(bytes) => bytes.truncate(size * self.shape.columns()),
            Samples::Floats(floats) => floats.truncate(size * self.shape.columns()),
            Samples::Stored(stored) => stored.truncate(size),
        }
        self.targets.truncate(size);
        Ok(())
    }
}

/// Where data come from, how they were divided and read, and what is to be said of that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Name or path that they were loaded by; empty for data that were made in memory.
    pub place: String,
    /// What the source holds, all of it; `None` for data that were made in memory.
    pub content: Option<Content>,
    /// How the test part was drawn; `None` where the source has one.
    pub split: Option<Drawn>,
    /// How the part was drawn that was held out of the training part and stands in the place of the test part.
    pub validation: Option<Drawn>,
    /// How image files became samples; `None` for other data.
    pub reading: Option<Reading>,
    /// How the columns of a table became values; `None` for other data.
    pub encoding: Option<Encoding>,
    /// What should be said of the data.
    pub notes: Vec<Note>,
}

/// A data set's two parts: the same columns, the same classes or values of one scale.
#[derive(Clone, Debug)]
pub struct Split {
    /// What a network is trained on.
    pub train: Dataset,
    /// What it is judged on.
    pub test: Dataset,
    /// How the columns of a table were standardized, for rows that come later; none for images.
    pub standardization: Option<Standardization>,
    /// Where the data come from; `Origin::default()` for data that were made in memory.
    pub origin: Origin,
}

impl PartialEq for Split {
    /// Two are equal if their samples are, wherever those come from.
    fn eq(&self, other: &Self) -> bool {
        self.train == other.train && self.test == other.test && self.standardization == other.standardization
    }
}

impl Split {
    /// Puts a share of each class of the training part in the place of the test part; the rows have classes.
    pub(super) fn hold_out(&mut self, fraction: f64, seed: u64) -> Result<(), DatasetError> {
        let drawn = Drawn { seed, fraction, rows: self.train.rows() };
        let (kept, held) = hold_out(self.train.labels(), self.train.classes(), drawn)?;
        self.test = self.train.select(&held);
        self.train = self.train.select(&kept);
        self.origin.validation = Some(drawn);
        Ok(())
    }

    /// How the channels are normalized, for images that come later; from the training part.
    #[must_use]
    pub fn normalization(&self) -> Option<&Normalization> {
        self.train.normalization.as_ref()
    }

    /// Normalizes the channels of both parts by the training part's mean and deviation.
    pub(super) fn normalize(&mut self) -> Result<(), DatasetError> {
        if !self.train.samples.are_pixels() {
            return Err(DatasetError::NotImages { name: self.train.name.clone() });
        }
        let mut sums = ChannelSums::new(self.train.shape);
        self.train.pass(|values| {
            if let Piece::Bytes(bytes) = values {
                sums.add(bytes);
            }
        })?;
        let normalization = sums.normalization();
        self.train.normalization = Some(normalization.clone());
        self.test.normalization = Some(normalization);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_rows() -> Dataset {
        Dataset {
            name: "two".into(),
            samples: Samples::Bytes(vec![0, 51, 255, 1]),
            shape: Shape { channels: 1, height: 1, width: 2 },
            targets: Targets::classes(vec![0, 1], vec!["a".into(), "b".into()]),
            normalization: None,
        }
    }

    fn part(bytes: &[u8]) -> Dataset {
        Dataset {
            name: "part".into(),
            samples: Samples::Bytes(bytes.to_vec()),
            shape: Shape { channels: 2, height: 1, width: 2 },
            targets: Targets::classes(vec![0; bytes.len() / 4], vec!["a".into()]),
            normalization: None,
        }
    }

    #[test]
    fn a_pixel_is_its_byte_over_255() {
        let mut row = [9.0f32; 2];
        two_rows().fill_row(0, &mut row).unwrap();
        assert_eq!(row, [0.0, 0.2]);
        two_rows().fill_row(1, &mut row).unwrap();
        assert_eq!(row, [1.0, 1.0 / 255.0]);
    }

    #[test]
    fn a_selection_keeps_order_repeats_and_classes() {
        let picked = two_rows().select(&[1, 0, 1]);
        assert_eq!(picked.samples, Samples::Bytes(vec![255, 1, 0, 51, 255, 1]));
        assert_eq!((picked.labels(), picked.classes()), ([1, 0, 1].as_slice(), 2));
        assert_eq!(two_rows().select(&[1]).class_counts(), [0, 1]);
    }

    #[test]
    fn a_part_of_no_rows_or_of_more_than_there_are_is_refused() {
        for asked in [0, 3] {
            let error = two_rows().keep_first("training", Some(asked)).unwrap_err().to_string();
            assert_eq!(error, format!("{asked} rows asked of the training part: expected 1 to 2"));
        }
        let mut first = two_rows();
        first.keep_first("training", Some(1)).unwrap();
        assert_eq!((&first.samples, first.labels()), (&Samples::Bytes(vec![0, 51]), &[0][..]));
    }

    #[test]
    fn both_parts_get_the_training_parts_numbers() {
        // First channel 0, 255, 0, 255; second constant.
        let (train, test) = (part(&[0, 255, 9, 9, 0, 255, 9, 9]), part(&[255, 255, 10, 0]));
        let mut split = Split { train, test, standardization: None, origin: Origin::default() };
        split.normalize().unwrap();
        let numbers = Normalization { means: vec![0.5, 9.0 / 255.0], deviations: vec![0.5, 0.0] };
        assert_eq!(split.normalization(), Some(&numbers));
        let mut row = [9.0; 4];
        split.test.fill_row(0, &mut row).unwrap();
        assert_eq!(row, [1.0, 1.0, 0.0, 0.0]);
        split.train.fill_row(1, &mut row).unwrap();
        assert_eq!(row, [-1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_table_is_refused() {
        let table = Dataset { samples: Samples::Floats(vec![0.0; 4]), ..part(&[0; 4]) };
        let mut split = Split { train: table.clone(), test: table, standardization: None, origin: Origin::default() };
        let error = split.normalize().unwrap_err().to_string();
        assert_eq!(error, "normalize = channel: expected none, since part is a table (see standardize)");
    }
}
