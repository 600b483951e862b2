//! From a file, by its kind, to rows as a network takes them.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::dataset::{
    ColumnPieces, DatasetError, Header, Note, SamplePieces, Shape, Table, TextEncoding, Values, is_image, pixels,
    read_image, read_sample,
};
use crate::provenance::Provenance;

/// Why the rows of a file do not fit the network.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RowsError {
    /// The file cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Rows of another length.
    #[error("{}: rows of {found} values, expected {} as in training ({shape})", .path.display(), .shape.columns())]
    Columns {
        /// The file.
        path: PathBuf,
        /// Values in a row of it.
        found: usize,
        /// Sizes of a sample in training.
        shape: Shape,
    },
    /// An image of other sizes, or for a network that was trained on no images.
    #[error(
        "{}: an image of {found}, expected {} of {shape} as in training",
        .path.display(), if *.images { "one" } else { "rows of numbers in a table" }
    )]
    Image {
        /// The file.
        path: PathBuf,
        /// Its sizes.
        found: Shape,
        /// Sizes of a sample in training.
        shape: Shape,
        /// Whether the network was trained on images.
        images: bool,
    },
    /// A value that is no pixel.
    #[error("{}: row {row}, column {column} (from 0): {value}, expected {expected}", .path.display())]
    Pixel {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// What is there.
        value: f64,
        /// What may be.
        expected: &'static str,
    },
}

/// How a table of text is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextRules {
    /// What its first line is.
    pub header: Header,
    /// How it is encoded. Default: UTF-8, or UTF-16 by its byte order mark.
    pub encoding: Option<TextEncoding>,
}

/// The rows of a file: m x columns, and what is to be said of them.
///
/// # Errors
/// Whatever is wrong with the file, or does not fit the network.
pub fn read(path: &Path, record: &Provenance, rules: TextRules) -> Result<(Vec<f32>, Vec<Note>), RowsError> {
    let mut pieces = Pieces::open(path, record, rules, usize::MAX)?;
    let rows = pieces.by_ref().collect::<Result<Vec<_>, _>>()?;
    // As a rule there is one piece.
    let rows = <[_; 1]>::try_from(rows).map_or_else(|rows| rows.concat(), |[rows]| rows);
    Ok((rows, pieces.notes()))
}

/// The rows of a file, some at a time: m x columns each. A further kind of file is a further way to such rows.
///
/// What they are does not depend on how many come at a time: a text is looked at as a whole first, which takes a further reading of
/// it and no memory. In memory as a whole are texts from standard input, from pipes and in other encodings than UTF-8, arrays whose first index runs
/// fastest, those of strings and those in archives, and Parquet files. A file that others change meanwhile is an error, at the
/// latest before its last piece, if it is a text, and if it was cut, otherwise.
///
/// # Examples
/// ```
/// use hsic_data::dataset::{LoadOptions, load};
/// use hsic_data::provenance::Provenance;
/// use hsic_data::rows::{Pieces, TextRules};
/// let folder = std::env::temp_dir().join(format!("hsic-pieces-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let (old, new) = (folder.join("old.csv"), folder.join("new.csv"));
/// std::fs::write(&old, "a,kind\n1,x\n3,y\n1,x\n3,y\n1,x\n3,y\n1,x\n3,y\n1,x\n3,y\n")?;
/// std::fs::write(&new, "a\n3\n2\n1\n")?;
/// let record = Provenance::of(&load(old.to_str().unwrap(), &LoadOptions::default())?);
/// let pieces = Pieces::open(&new, &record, TextRules::default(), 2)?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(pieces, [vec![1.0, 0.0], vec![-1.0]]);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pieces<'r> {
    path: PathBuf,
    record: &'r Provenance,
    most: usize,
    source: Source<'r>,
    /// Rows that came.
    row: usize,
}

/// Where rows come from.
enum Source<'r> {
    Image,
    Columns(Box<ColumnPieces<'r>>),
    Samples(Box<SamplePieces>),
    /// Rows of a file that is read whole, of which those from a value on are still to come; what is to be said of them.
    Whole(Vec<f32>, usize, Vec<Note>),
}

impl<'r> Pieces<'r> {
    /// Opens a file, of which `most` rows come at a time.
    ///
    /// # Errors
    /// Whatever is wrong with the file, or does not fit the network, as far as that can be known before its rows are read.
    ///
    /// # Panics
    /// If no row is to come at a time.
    pub fn open(path: &Path, record: &'r Provenance, rules: TextRules, most: usize) -> Result<Self, RowsError> {
        assert!(most > 0, "a piece has a row at least");
        let source = match &record.encoding {
            _ if is_image(path) => Source::Image,
            Some(encoding) => {
                let TextRules { header, encoding: text } = rules;
                let pieces = ColumnPieces::open(path, encoding, record.standardization.as_ref(), header, text)?;
                Source::Columns(Box::new(pieces))
            }
            None => Source::Samples(Box::new(SamplePieces::open(path, record.shape)?)),
        };
        Ok(Self { path: path.to_owned(), record, most, source, row: 0 })
    }

    /// What is to be said of the rows that came: columns that the training did not have, cells that were filled.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        match &self.source {
            Source::Columns(pieces) => pieces.notes(),
            Source::Whole(_, _, notes) => notes.clone(),
            Source::Image | Source::Samples(_) => Vec::new(),
        }
    }

    /// The next rows; `None` when all have come.
    fn piece(&mut self) -> Result<Option<Vec<f32>>, RowsError> {
        let most = self.most.saturating_mul(self.record.columns());
        let rows = match &mut self.source {
            Source::Whole(rows, place, _) => {
                let end = rows.len().min(place.saturating_add(most));
                let piece = rows[*place..end].to_vec();
                *place = end;
                return Ok((!piece.is_empty()).then_some(piece));
            }
            Source::Image if self.row > 0 => None,
            Source::Image => Some(image(&self.path, self.record)?),
            Source::Columns(pieces) => pieces.next(self.most)?,
            Source::Samples(pieces) => match pieces.next(self.most)? {
                Some((table, values)) => Some(samples(&self.path, self.row, table, values, self.record)?),
                None => None,
            },
        };
        match rows {
            Some(rows) if rows.len() > most => {
                self.source = Source::Whole(rows, 0, self.notes());
                self.piece()
            }
            rows => Ok(rows),
        }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Result<Vec<f32>, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.piece().transpose();
        match &piece {
            Some(Ok(rows)) => self.row += rows.len() / self.record.columns(),
            // Nothing comes behind the end, or behind an error.
            Some(Err(_)) | None => self.source = Source::Whole(Vec::new(), 0, self.notes()),
        }
        piece
    }
}

/// Rows of numbers by their places, of arrays, of images in tables, and for runs of early versions; the first is row `first` of the file.
fn samples(
    path: &Path,
    first: usize,
    table: Table,
    values: Values,
    record: &Provenance,
) -> Result<Vec<f32>, RowsError> {
    if table.cols != record.columns() {
        let (found, shape) = (table.cols, record.shape);
        return Err(RowsError::Columns { path: path.into(), found, shape });
    }
    if record.pixels {
        return pixel_rows(path, first, &table.values, values, record);
    }
    let mut numbers = table.values;
    if let Some(standardization) = &record.standardization {
        for row in numbers.chunks_exact_mut(table.cols) {
            standardization.apply(row);
        }
    }
    let rows: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    match rows.iter().position(|number| !number.is_finite()) {
        None => Ok(rows),
        Some(i) => {
            let (row, column, value) = (first + i / table.cols, i % table.cols, numbers[i]);
            Err(DatasetError::NotFinite { path: path.into(), row, column, value }.into())
        }
    }
}

/// An image is one row.
fn image(path: &Path, record: &Provenance) -> Result<Vec<f32>, RowsError> {
    let bytes = match &record.reading {
        Some(reading) if record.pixels => read_sample(path, record.shape, reading)?,
        _ => {
            let (found, bytes) = read_image(path)?;
            if !record.pixels || found != record.shape {
                let images = record.pixels;
                return Err(RowsError::Image { path: path.into(), found, shape: record.shape, images });
            }
            bytes
        }
    };
    let mut row = vec![0.0; bytes.len()];
    pixels(record.normalization.as_ref(), &bytes, &mut row);
    Ok(row)
}

/// Rows of pixels, or which value is none. What a number means follows from how the file stores it, never from the numbers
/// around it: bytes go the way of an image's, whole numbers in text are bytes.
fn pixel_rows(
    path: &Path,
    first: usize,
    numbers: &[f64],
    values: Values,
    record: &Provenance,
) -> Result<Vec<f32>, RowsError> {
    let (most, expected) = match values {
        Values::Bytes => (255.0, "a byte"),
        Values::Text => (255.0, "a pixel, a whole number of 0 to 255"),
        Values::Numbers => (1.0, "a pixel in [0, 1], or an array of bytes (uint8) of 0 to 255"),
    };
    let (columns, whole) = (record.columns(), values == Values::Text);
    let wrong = |value: &f64| !(0.0..=most).contains(value) || (whole && value.fract() != 0.0);
    if let Some(i) = numbers.iter().position(wrong) {
        let (row, column, value) = (first + i / columns, i % columns, numbers[i]);
        return Err(RowsError::Pixel { path: path.into(), row, column, value, expected });
    }
    if values == Values::Numbers {
        let Some(normalization) = &record.normalization else {
            return Ok(numbers.iter().map(|&number| number as f32).collect());
        };
        let mut rows: Vec<f32> = numbers.iter().map(|&number| (255.0 * number) as f32).collect();
        rows.chunks_exact_mut(columns).for_each(|row| normalization.apply_in_place(row));
        return Ok(rows);
    }
    let bytes: Vec<u8> = numbers.iter().map(|&number| number as u8).collect();
    let mut rows = vec![0.0; bytes.len()];
    for (row, bytes) in rows.chunks_exact_mut(columns).zip(bytes.chunks_exact(columns)) {
        pixels(record.normalization.as_ref(), bytes, row);
    }
    Ok(rows)
}

#[cfg(test)]
#[path = "rows/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "rows/pieces_tests.rs"]
mod pieces_tests;
